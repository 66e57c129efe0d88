/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps that the programs in the kernel and their loader share, and the
 * structures of their entries. The skeleton (keepstate.skel.h) carries the
 * names of maps and programs to C.
 *
 *   ks_table        ARRAY, mmapable          struct ks_bucket          resized before load: ks_table_buckets(limit)
 *   ks_shape        ARRAY [1], mmapable      struct ks_table_shape     written once before attach
 *   ks_counts       ARRAY [1], mmapable      struct ks_table_counts
 *   ks_control      ARRAY [1], mmapable      struct ks_control
 *   ks_configs      ARRAY [2], mmapable      struct ks_config          by generation slot
 *   ks_rules        ARRAY_OF_MAPS [2]        of ARRAY struct ks_rule   by generation slot; inner maps have BPF_F_INNER_MAP
 *   ks_sets         ARRAY_OF_MAPS [2]        of ARRAY struct ks_set
 *   ks_ranges       ARRAY_OF_MAPS [2]        of ARRAY struct ks_range
 *   ks_trees        ARRAY_OF_MAPS [2]        of ARRAY struct ks_tree_page
 *   ks_targets      ARRAY_OF_MAPS [2]        of ARRAY struct ks_target
 *   ks_members      ARRAY_OF_MAPS [2 * 64]   of ARRAY struct ks_member_page, mmapable: run-time sets by generation slot and number
 *   ks_limits       ARRAY_OF_MAPS [2]        of ARRAY struct ks_limit
 *   ks_conditions   ARRAY_OF_MAPS [2]        of ARRAY struct ks_conditions
 *   ks_effects      ARRAY_OF_MAPS [2]        of ARRAY struct ks_effects by rule id
 *   ks_budgets      ARRAY, mmapable          struct ks_budget         by ks_budget_index()
 *   ks_shortages    ARRAY                    struct ks_shortage       peers towards which no port is free
 *   ks_challenges   ARRAY [1], mmapable      struct ks_challenges      the challenge of SYNs (core/challenge.h)
 *   ks_challenge_sets  ARRAY, mmapable       struct ks_challenge_set   who was challenged, and who answered
 *   ks_ended_sets   ARRAY, mmapable          struct ks_ended_set       connections that were ended (core/table/ended.h)
 *   ks_flood_sets   ARRAY, mmapable          struct ks_flood_set       thresholds of destinations (core/flood.h)
 *   ks_scan_sets    ARRAY, mmapable          struct ks_scan_set        sources that were refused (core/port_scan.h)
 *   ks_guards       HASH                     ifindex (__u32) -> struct ks_guard: the interfaces we guard
 *   ks_near_guards  ARRAY                    struct ks_near_guard      the same at ifindex % KS_NEAR_GUARDS, where nobody else is
 *   ks_locals       LPM_TRIE                 struct ks_local_key -> struct ks_local: what the box is addressed by, and its links
 *   ks_stacked      LRU_HASH                 struct ks_stacked_key -> __u32 KS_STACKED_*: other MAC addresses behind an interface
 *   ks_reasons      PERCPU_ARRAY             struct ks_count           by enum ks_reason
 *   ks_zone_counts  PERCPU_ARRAY             struct ks_zone_count      by ks_zone_pair()
 *   ks_flow_counts  PERCPU_ARRAY             struct ks_count           by ks_flow_pair()
 *   ks_rule_counts  PERCPU_ARRAY             struct ks_rule_count      by rule id
 *   ks_events       RINGBUF                  struct ks_event, or ks_event_octets if they are asked for
 *   ks_folds        ARRAY                    struct ks_fold
 *   ks_flow_events  RINGBUF                  struct ks_flow_event
 *   ks_events_lost  PERCPU_ARRAY [2]         __u64                     of packets, of flows
 *   ks_scratch      PERCPU_ARRAY [1]         struct ks_scratch: the last inspection on each CPU
 *   ks_tc_stages    PROG_ARRAY               the programs behind ks_tc_ingress and ks_tc_egress, by enum ks_stage
 *   ks_xdp_stages   PROG_ARRAY               the same behind ks_xdp
 *   ks_front_stages PROG_ARRAY               what ks_front goes on with where express is open, by enum ks_front_stage
 *   ks_tc_hooks     PROG_ARRAY [2]           ks_tc_ingress and ks_tc_egress, for the programs of hook.bpf.c
 *   ks_held         ARRAY                    struct ks_held: fragments that came before the first one of their datagram
 *   ks_aside        PERCPU_ARRAY [1]         private: the first one's bytes while those go on
 *   ks_transcripts  PERCPU_ARRAY [1]        private: a packet's payload while it is written again
 *   ks_kill_scratch PERCPU_ARRAY [1]        private: the working memory of ks_kill, ks_ask and ks_ask_rules
 *   ks_fronts       PERCPU_ARRAY [1]         struct ks_front: how much is dropped at ingress
 *   ks_lookups      ARRAY                    private: what route lookups have found, in a flood (lookup.bpf.h)
 *   ks_ways         PERCPU_ARRAY             private: ways that packets take past the kernel's forwarding (way.bpf.c)
 *   ks_front_drops  PERCPU_ARRAY             __u64                     packets that the front has dropped, at ifindex % KS_FRONT_CELLS
 *   ks_sweeper      ARRAY [1]                private: the timer that expires flows
 *   ks_sweep_scratch PERCPU_ARRAY [1]       private: its working memory
 *
 * A new policy is written into the slot that ks_control.active does not name
 * (configs, and fresh inner maps), then `active` is switched: one store.
 */
#ifndef KS_BPF_MAPS_H
#define KS_BPF_MAPS_H

#include "core/event.h"
#include "core/fragment/fragment.h"
#include "core/inspect.h"
#include "core/reject.h"
#include "core/settle.h"
#include "core/types.h"

/*
 * ks_guard.flags. A bridge is guarded either as one interface, or, when a zone names one of its ports, at all of its ports:
 * then these are BRIDGED, and the bridge is a CARRIER.
 */
#define KS_GUARD_BRIDGED 0x01 /* ingress only stamps the zone: the bridge's ingress or another port's egress judges */
#define KS_GUARD_CARRIER 0x02 /* a bridge whose ports are guarded, or a VRF: other hooks have seen its packets */
#define KS_GUARD_IGNORED 0x04 /* no programs: the policy leaves it alone, and the backstop lets everything pass */
#define KS_GUARD_SHARED 0x08 /* others' filters run behind ours at ingress: they may clear the seal */
#define KS_GUARD_UNTAGS 0x10 /* the card takes VLAN tags off before the front sees a frame */
#define KS_GUARD_ANSWERS 0x20 /* the front can send an answer by it */
#define KS_GUARD_LONG 0x40 /* packets from and to it go the long way (short.bpf.c) */

/* ks_guard.express: what express may do there (express.bpf.c). */
#define KS_EXPRESS_IN 0x01 /* take packets that come by it */
#define KS_EXPRESS_OUT 0x02 /* send packets by it ... */
#define KS_EXPRESS_OUT_LARGE 0x04 /* ... in several buffers, too */
#define KS_EXPRESS_UNFINISHED 0x08 /* checksums of what comes by it may be unfinished */

/* ks_guard.forward: what the kernel's forwarding asks about packets that come by it, and a lookup of the route does not (way.bpf.c). */
#define KS_FORWARD_BY_SOURCE 0x01 /* sources are held against the routes (rp_filter) */
#define KS_FORWARD_NO_IPV6 0x02 /* no IPv6 is forwarded, though the interface's own setting may say so */

/* An interface that we know of: guarded, a carrier, or ignored. */
struct ks_guard {
	__u8 zone; /* zone id; KS_ZONE_NONE if no zone names it */
	__u8 link; /* enum ks_link: KS_LINK_IP for devices without a link header (tun, WireGuard) */
	__u8 flags; /* KS_GUARD_* */
	__u8 tagged; /* written by ingress: 1: a frame with a VLAN tag has come */
	__u8 express; /* KS_EXPRESS_* */
	__u8 forward; /* KS_FORWARD_* */
	__u8 mac[6]; /* its own, by which a stacked device's frames are told from the box's; zeros: has none */
	__u32 lower; /* of a macvlan: the interface that it is stacked on; else 0 */
	struct ks_addr gateway[2]; /* IPv4 and IPv6: the router of the default route by this interface; zeros: none */
	struct ks_addr address[2]; /* the box's own here, IPv4 and IPv6, for masquerading; zeros: none */
};

/*
 * Every packet asks for its interface, and an array answers without a call:
 * this one is asked first. An empty slot has ifindex 0.
 */
#define KS_NEAR_GUARDS 1024U /* a power of two */

struct ks_near_guard {
	__u32 ifindex;
	__u32 zero;
	struct ks_guard guard;
};

/*
 * An address or prefix that the kernel's tables have for the box or for a link of it; the daemon follows them. In a
 * namespace the longest match decides. IPv4 lies in the last word, so its prefixes are 96 bits longer.
 */
struct ks_local_key {
	__u32 bits; /* of what follows: KS_LOCAL_BITS() */
	__u32 family; /* KS_IPV4 or KS_IPV6 */
	struct ks_addr addr;
};

#define KS_LOCAL_BITS(family, prefix) (32U + ((family) == KS_IPV4 ? 96U : 0U) + (prefix))

enum ks_local_kind {
	KS_LOCAL_SELF = 1, /* a local or anycast address: the box's own */
	KS_LOCAL_BROADCAST, /* a directed broadcast address of the interface's network */
	KS_LOCAL_LINK, /* a network that is directly on the interface */
};

struct ks_local {
	__u32 ifindex; /* that has the address or network */
	__u32 kind; /* enum ks_local_kind */
};

/* A MAC address behind a guarded interface that is not the interface's own: macvlan and the like. */
struct ks_stacked_key {
	__u32 ifindex;
	__u8 mac[6];
	__u8 zero[2];
};

#define KS_STACKED_OURS 1U /* of a device in this namespace, which has programs of its own (written by the daemon) */
/* Of a device in another namespace, judged as the box itself: seen as a source at egress, or listed by the kernel (the daemon). */
#define KS_STACKED_LEARNT 2U

#define KS_LOOPBACK_IFINDEX 1 /* of every network namespace */

/* BPF_FIB_LOOKUP_MARK of bpf_fib_lookup() (Linux 6.10), which Debian 12's headers do not have. */
#define KS_FIB_LOOKUP_MARK (1U << 5)

/* BPF_FIB_LOOKUP_SKIP_NEIGH (Linux 6.3): only the interface is asked for, and to find the neighbour costs a third of a lookup. */
#define KS_FIB_LOOKUP_SKIP_NEIGH (1U << 2)

/* ks_control.flags */
#define KS_CONTROL_ROUTES_DIFFER 0x01 /* rules by mark, tos, uid; several next hops: a lookup only guesses */
#define KS_CONTROL_BACKSTOP 0x02 /* the backstop is in force: what is undecided cannot reach a socket */
#define KS_CONTROL_NO_MARK \
	0x04 /* bpf_fib_lookup() does not know BPF_FIB_LOOKUP_MARK (before 6.10); then nothing rests on its other flags either */
#define KS_CONTROL_UPLINKS \
	0x08 /* a zone has default routes by several interfaces: its answers may leave by the wrong one */

/* A CPU wakes the daemon for an event of a flow once in so long; it comes back by itself for those behind that one. */
#define KS_FLOWS_QUIET_MS 20U

/* Entries of ks_events_lost. */
enum { KS_LOST_PACKETS, KS_LOST_FLOWS, KS_LOST_KINDS };

struct ks_control {
	__u32 active; /* generation slot in use: 0 or 1 */
	__u32 asked; /* kinds of events that somebody reads, a bit of enum ks_event_kind each, and KS_ASKED_OCTETS; the programs do not bother for others */
	__u64 clock_offset; /* ns added to the kernel's clock: tests turn it, live it is 0 */
	__u32 flags; /* KS_CONTROL_* */
	__u32 seal; /* random, 1 to 255: what our seals in skb->tc_index begin with */
	__u64 zones; /* bit per zone id (and KS_ZONE_NONE) that a guarded interface is in now: where packets may leave */
	__u64 outside; /* bit per zone id that has a default route: one "outside" for the source check */
	__u64 routes; /* raised when links, routes, neighbours, addresses or guards change: what lookups have found before is forgotten (lookup.bpf.h, way.bpf.c) */
	__u32 zone_ifindex[KS_ZONE_MAX]; /* an interface of each zone that is up, 0: none; answers leave by it */
	struct ks_settling settling; /* since when the firewall settles, and what it took up (core/settle.h) */
	__u64 routes_until; /* ns: so long does the daemon vouch that it raises `routes`; it says so anew every second */
	__u64 short_until; /* ns: so long is the short way safe, as the daemon knows; it says so anew every second */
	__u8 test_from, test_to; /* zones of the next test run (programs loaded with ks_test_mode) */
	__u8 test_resumed; /* 1: its packet is a fragment that was held */
	__u8 test_has_uid; /* 1: a socket of the box sends its packet: */
	__u32 test_mark; /* of its packet */
	__u32 test_uid;
	__u8 test_cgroup, test_has_cgroup; /* as of struct ks_facts */
	__u16 zero;
	__u64 test_now; /* the clock then, ns, standing; 0: the kernel's, as live */
	__u64 test_random; /* state of env_random() then, not 0 */
	struct ks_listener {
		__be16 port;
		__u8 proto; /* 0: the entry is free */
		__u8 zero;
	} test_listen[8]; /* sockets of the box then */
};

/* The head of the control block, up to the seal, is the same in every version: a takeover reads it from another build. */
#define KS_CONTROL_HEAD 24U
_Static_assert(__builtin_offsetof(struct ks_control, zones) == KS_CONTROL_HEAD,
	       "the head of the control block is fixed");

/*
 * A question to ks_ask, by a test run: where a packet that comes by an interface would go, and whether its source would be
 * believed, as ingress would decide now. The frame of the run is this structure, and becomes the answer.
 */
struct ks_ask {
	__u8 zero[16]; /* where the kernel looks for an Ethernet header */
	struct ks_tuple tuple;
	__u32 ifindex; /* that it comes by */
	__u8 from; /* zone */
	__u8 by_route; /* as env_source_is_at_home() */

	/* the answer */
	__u8 is_home; /* the source is */
	__u8 to; /* as env_zone_to() says */
	__u32 out_ifindex; /* that it would leave by, 0 if the routes tell none */
	__u8 is_near; /* as env_source_is_near() says */
	__u8 pad[3];
	__u64 others; /* as env_other_zones() says */
};

/* The frame of ks_ask_rules: questions, as struct ks_question up to its search, behind room for an Ethernet header. */
#define KS_ASK_RULES_OFF 16U
#define KS_ASK_RULES_SIZE ((__u32) __builtin_offsetof(struct ks_question, search))
#define KS_ASK_RULES_MAX 32U

enum ks_held_state { KS_HELD_FREE, KS_HELD_BUSY, KS_HELD_STORED, KS_HELD_RELEASED };

/* A slot for a fragment that is held. */
struct ks_held {
	__u32 state; /* enum ks_held_state, changed by compare-and-swap; RELEASED in test runs only */
	__u32 length;
	__u64 hash; /* of its datagram */
	__u64 since; /* ns on the inspection's clock */
	__u64 order; /* ns on the kernel's clock: which one came first */
	__u8 bytes[KS_FRAGMENT_BYTES];
};

/* Bytes moved at a time when a payload grows or shrinks. */
#define KS_MOVE_CHUNK 128U

/* The programs of one packet follow each other by tail calls: this is what one tells the next about its home (V1). */
struct ks_relay {
	__u32 generation; /* of the policy */
	__u32 ifindex; /* where the packet came in */
	__u32 out_ifindex; /* where it will leave, as far as it is known */
	__u32 lower; /* of the interface that it leaves by (struct ks_guard) */
	__u32 length; /* bytes of the packet, as it is now */
	__u32 send_back; /* interface by which an answer leaves instead, 0: where it was routed */
	__u32 send_family; /* KS_IPV4 or KS_IPV6: by this router; 0: the kernel looks for the neighbour */
	struct ks_addr send_by;
	__u32 secret; /* of our seals */
	__u8 is_egress;
	__u8 is_source_half; /* sealed: only the source half of its translation is due */
	__u8 was_sealed; /* ingress has decided about it: that no flow knows it now is another program's doing */
	__u8 stacked; /* it is for, or of, a device of another namespace that is stacked on this interface: no seal */
	__u8 sealed_zone; /* with was_sealed: where ingress took it to go */
	__u8 is_front; /* the front asks: only a right checksum is right */
	__u8 is_short; /* it goes the short way, by out_ifindex (short.bpf.c) */
	__u8 near; /* with is_short: 1 + KS_SKB_SUM_*, if its translation is still to be written where the headers lie; else 0 */
	__u8 ethernet[12]; /* with is_short, and in express: its link addresses, receiver and sender */
};

/* Interfaces whose numbers are so far apart have one count of what the front has dropped. */
#define KS_FRONT_CELLS 1024U /* a power of two */

/* The slots of ks_front_stages. */
enum ks_front_stage { KS_FRONT_EXPRESS, KS_FRONT_PROTECT, KS_FRONT_STAGES };

/* One CPU's: how much is dropped there (front.bpf.c). */
struct ks_front {
	__u64 dropped; /* by the front, packets */
	__u64 since; /* ns: when the window began */
	__u64 until; /* ns: awake until then */
	__u32 drops; /* at ingress, in the window */
	__u32 zero;
};

/* One CPU's working memory. Tests read the outcome of a run from it. */
struct ks_scratch {
	struct ks_inspection insp;
	struct ks_relay relay;
	struct ks_home_env {
		__u64 unused[3];
		__u32 generation, zero;
	} env; /* see env_isolated() in env.bpf.c: laid out as struct ks_env, its pointers unused */
	__u8 head[KS_HEAD_SIZE];
	__u8 answer[KS_REJECT_MAX];
	__u8 move[2 * KS_MOVE_CHUNK]; /* bytes on their way */
	struct ks_event_octets event; /* the last one */
	__u32 answer_len; /* bytes of the last answer to a reject, 0 without one */
	__u64 shortened; /* packets that have gone the short way ... */
	__u64 expressed; /* ... and those that express has sent */
	__u64 woke; /* when the daemon was last woken for an event of a flow, ns of the kernel's clock */
	__u64 tick; /* of the kernel, at which the clock was asked ... */
	__u64 tick_ns; /* ... and what it said (packet_clock()) */
};

/* The slots of ks_tc_stages and ks_xdp_stages: the stages of core/stages.h, and behind them */
enum {
	KS_SLOT_END = KS_STAGE_MAX, /* the program that counts, sends events, and carries out the verdict */
	KS_SLOT_SOURCE, /* tc: the source half of a translation, of a packet that ingress has judged */
	KS_SLOT_MAX = 32
};

/* Put aside while fragments that were held go on: the packet in hand and, where they leave, what was found out about it. */
struct ks_aside {
	__u8 bytes[KS_FRAGMENT_BYTES];
	struct ks_scratch scratch;
};

#endif
