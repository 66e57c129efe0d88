/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The narrow seam between the inspector and its home. bpf/env.bpf.c answers
 * with maps and helpers, engine/engine.c with memory of its own and a clock that
 * the caller turns. Nothing else of the outside world reaches the core.
 *
 * Pointers returned here are good until the inspection ends; NULL means that
 * there is no such entry, and the core then refuses the packet.
 */
#ifndef KS_CORE_ENV_H
#define KS_CORE_ENV_H

#include "core/address.h"
#include "core/home.h"
#include "core/rules.h"
#include "core/types.h"

struct ks_answers;
struct ks_bucket;
struct ks_budget;
struct ks_challenge_set;
struct ks_challenges;
struct ks_env;
struct ks_ended_set;
struct ks_flood_set;
struct ks_flow;
struct ks_flow_event;
struct ks_inspection;
struct ks_member_page;
struct ks_packet;
struct ks_shortage;
struct ks_scan_set;
struct ks_schedule;
struct ks_settling;
struct ks_table_counts;
struct ks_table_shape;
struct ks_tree_page;

/* Counters that every home keeps. */
struct ks_count {
	__u64 packets;
	__u64 bytes;
};

struct ks_rule_count {
	__u64 matches; /* packets that the rule decided: openings, and what it denied */
	__u64 packets; /* of its flows that ended, both directions */
	__u64 bytes;
};

/* The fates of packets that are of no flow, for the counts by zones. */
enum ks_fate {
	KS_FATE_NEW, /* it opened a flow, or repeats that */
	KS_FATE_PASSED, /* it passed for any other reason */
	KS_FATE_DROPPED,
	KS_FATES = 4 /* a power of two: fates are masked */
};

/* Packets from one zone to another: a cache line. */
struct ks_zone_count {
	struct ks_count by[KS_FATES];
};

/* Zones that a packet may go to, and one more for those of which that was never known. */
#define KS_ZONE_TARGETS (KS_ZONE_MAX + 1U)
#define KS_ZONE_PAIRS (KS_ZONE_MAX * KS_ZONE_TARGETS)

/* The index of the counts of a pair. */
static inline __u32 ks_zone_pair(__u32 from, __u32 to)
{
	return (from & (KS_ZONE_MAX - 1)) * KS_ZONE_TARGETS + (to < KS_ZONE_MAX ? to : KS_ZONE_MAX);
}

/* The same of packets of flows, which know where they go to. */
#define KS_FLOW_PAIRS (KS_ZONE_MAX * KS_ZONE_MAX)

static inline __u32 ks_flow_pair(__u32 from, __u32 to)
{
	return (from & (KS_ZONE_MAX - 1)) * KS_ZONE_MAX + (to & (KS_ZONE_MAX - 1));
}

/* Policy: one generation per inspection, whatever is loaded meanwhile. */
const struct ks_config *env_config(struct ks_env *env);
const struct ks_rule *env_rule(struct ks_env *env, __u32 index);
const struct ks_set *env_set(struct ks_env *env, __u32 index);
const struct ks_range *env_range(struct ks_env *env, __u32 index);
const struct ks_tree_page *env_tree_page(struct ks_env *env, __u32 index);
const struct ks_target *env_target(struct ks_env *env, __u32 index);
const struct ks_limit *env_limit(struct ks_env *env, __u32 index);
const struct ks_conditions *env_conditions(struct ks_env *env, __u32 index);
const struct ks_effects *env_effects(struct ks_env *env, __u32 rule); /* by its id */
const struct ks_schedule *env_schedule(struct ks_env *env, __u32 index); /* as it is known now */

/* State. */
const struct ks_table_shape *env_table_shape(struct ks_env *env);
struct ks_table_counts *env_table_counts(struct ks_env *env);
struct ks_bucket *env_bucket(struct ks_env *env,
			     __u32 index); /* behind the buckets are their tags: ks_table_length() of them */

/* One of KS_BUDGETS numbers of mappings (core/table/table.h). */
struct ks_budget *env_budget(struct ks_env *env, __u32 index);

/* One of KS_SHORTAGES peers towards which no port is free (core/nat/port.h). */
struct ks_shortage *env_shortage(struct ks_env *env, __u32 index);

/* The rates of answers (core/answer.h). */
struct ks_answers *env_answers(struct ks_env *env);

/* The state of the challenge of SYNs, and one of KS_CHALLENGE_SETS sets of those who were (core/challenge.h). */
struct ks_challenges *env_challenges(struct ks_env *env);
struct ks_challenge_set *env_challenge_set(struct ks_env *env, __u32 index);

/* One of KS_ENDED_SETS sets of connections that were ended (core/table/ended.h). */
struct ks_ended_set *env_ended_set(struct ks_env *env, __u32 index);

/* One of KS_FLOOD_SETS sets of destinations that have a threshold (core/flood.h). */
struct ks_flood_set *env_flood_set(struct ks_env *env, __u32 index);

/* One of KS_SCAN_SETS sets of sources that were refused (core/port_scan.h). */
struct ks_scan_set *env_scan_set(struct ks_env *env, __u32 index);

/*
 * A page of a run-time set (core/members.h): its head for index 0, a bucket for others. `set` is its number in the policy,
 * below KS_DYNAMIC_MAX. NULL if there is no such set, or no such page.
 */
struct ks_member_page *env_member_page(struct ks_env *env, __u32 set, __u32 index);

/* The packet clock, ns. */
__u64 env_now(struct ks_env *env);

/* When the home began to settle, and what it has taken up since (core/settle.h). */
struct ks_settling *env_settling(struct ks_env *env);

/*
 * The zone that a packet with this tuple will leave by: KS_ZONE_SELF if the box is its destination, groups included;
 * KS_ZONE_UNDECIDED if that is not known before it leaves; KS_ZONE_ASTRAY if it goes to the broadcast address of a network
 * that it does not come from. Asked for new flows only, with the destination already translated. `hint` is where the policy
 * says that the destination is, or KS_ZONE_UNKNOWN: a home without routes has nothing else.
 */
__u32 env_zone_to(struct ks_env *env, const struct ks_tuple *tuple, __u32 hint);

/*
 * The same about a packet whose way out the caller has named, in a home that does not route itself. Returns
 * KS_ZONE_UNKNOWN if that stands. KS_ZONE_SELF and KS_ZONE_ASTRAY mean a broadcast address of a network: the box hears
 * it, or it may go nowhere, because it comes from elsewhere. Always KS_ZONE_UNKNOWN where packets really leave.
 */
__u32 env_broadcast(struct ks_env *env, const struct ks_tuple *tuple, __u32 from);

/*
 * The zones that packets may leave by, a bit each, if env_zone_to() is only a guess that the way out may prove wrong; 0 if
 * it is final. `to` is what it said, or KS_ZONE_SELF for a group.
 */
__u64 env_other_zones(struct ks_env *env, const struct ks_tuple *tuple, __u32 to);

/*
 * Returns true if the tuple's source is not the box's own and, with `by_route`, would be reached by the zone `from`, as far
 * as the home knows.
 */
bool env_source_is_at_home(struct ks_env *env, const struct ks_tuple *tuple, __u32 from, bool by_route);

/*
 * Returns true if the tuple's source is a neighbour on the link that the packet comes by, in zone `from`; where the home
 * knows no links, always.
 */
bool env_source_is_near(struct ks_env *env, const struct ks_tuple *tuple, __u32 from);

/*
 * Returns true if a packet that leaves now, masqueraded as `addr`, does so by an interface to which that belongs. True
 * where the home knows no interfaces.
 */
bool env_leaves_as(struct ks_env *env, const struct ks_addr *addr, __u8 family);

/* Returns true if two zones are ways to the same outside, so that packets of a flow may come by either. */
bool env_zones_are_one(struct ks_env *env, __u32 a, __u32 b);

/*
 * Returns true if the sender of a packet that came in counts as the box itself, as far as the home can tell: by that it may
 * answer what was opened to the box, and open nothing.
 */
bool env_answers_for_box(struct ks_env *env);

/*
 * An answer is about to leave by another interface than the one by which its originator's packets came, to the address
 * `as` of the box if the flow is translated there or the box itself answers, else in the zone `zone`. Returns true if
 * the home sends it by that one.
 */
bool env_send_back(struct ks_env *env, __u32 zone, const struct ks_addr *as, __u8 family);

/*
 * The box's own address of a family on the interface that the packet leaves by (KS_REPLY) or came in by
 * (KS_ORIGINAL), which is in zone `zone`. Returns false if there is none.
 */
bool env_address_of(struct ks_env *env, enum ks_dir side, __u32 zone, __u8 family, struct ks_addr *addr);

/* Returns true if a socket of the box would take a packet with this tuple: then translations must not use its port. */
bool env_port_is_used(struct ks_env *env, const struct ks_tuple *tuple);

/*
 * Fills in what the home knows of the packet in hand besides its bytes, of the conditions in `asks` (core/match.h), and notes in
 * facts->known which ones it could tell.
 */
void env_facts(struct ks_env *env, __u32 asks, struct ks_facts *facts);

/* The smaller MTU of the ways to both ends of the packet in hand, as far as the home knows; 0: it does not. */
__u32 env_mtu(struct ks_env *env, const struct ks_inspection *insp);

/* Puts insp->mark on the packet in hand. A home without marks leaves that to who reads the inspection. */
void env_mark(struct ks_env *env, const struct ks_inspection *insp);

/* 32 random bits that nobody outside can guess. */
__u32 env_random(struct ks_env *env);

/*
 * The packet's bytes beyond the head, and changes to them. Offsets count from the start of the frame; lengths are 1
 * to KS_EDIT_MAX. All return false when the packet is too short or cannot be changed; it is dropped then.
 */
#define KS_EDIT_MAX 128U
/* Clamps a length to these bounds in a way that the verifier sees (V3, V4). */
static inline __u32 ks_edit_length(__u32 len)
{
	len--;
	ks_hide_bound(len);
	return (len & (KS_EDIT_MAX - 1)) + 1;
}

bool env_packet_read(struct ks_env *env, __u32 off, void *to, __u32 len);
bool env_packet_write(struct ks_env *env, __u32 off, const void *from, __u32 len);

/* Inserts (delta > 0) bytes before `off`, or removes them (delta < 0) from there; up to KS_EDIT_MAX. */
bool env_packet_resize(struct ks_env *env, __u32 off, __s32 delta);

/* Memory for a text of KS_TRANSCRIPT_MAX bytes (a power of two), in which this CPU writes a packet's payload again. */
#define KS_TRANSCRIPT_MAX 8192U
__u8 *env_transcript(struct ks_env *env);

/*
 * Adds `diff`, a one's complement sum of 16-bit words in wire order (new minus old), to the upper checksum at `off`.
 * `pseudo`: what changed is in the pseudo header, which counts even where hardware will finish the checksum.
 * `udp`: 0 means "no checksum" and stays so.
 */
bool env_checksum_add(struct ks_env *env, __u32 off, __u32 diff, bool pseudo, bool udp);

/*
 * Returns true if the upper checksum of the packet in hand is right. A home does not sum what somebody has verified or
 * will finish, nor where it cannot tell. `head`: as for ks_inspect().
 */
bool env_checksum_ok(struct ks_env *env, const __u8 *head, const struct ks_packet *pkt);

/*
 * Fragments that wait for the first one of their datagram, which is named by its hash. env_fragment_hold() keeps a copy
 * of the packet in hand; it returns false without room. env_fragment_release() gives those held to the inspection again,
 * behind the packet in hand, with insp->home.resumed set; it returns false if that has damaged the packet in hand.
 */
bool env_fragment_hold(struct ks_env *env, const struct ks_inspection *insp, __u64 hash);
bool env_fragment_release(struct ks_env *env, const struct ks_inspection *insp, __u64 hash);
void env_fragment_forget(struct ks_env *env, __u64 hash);

/*
 * One packet of a pair of zones, ks_zone_pair(). Packets that belong to a flow are counted apart, by ks_flow_pair(), and by
 * nothing else, so that they pay for one counter: the number of KS_REASON_OK_ESTABLISHED is the sum of these, and the home
 * says it.
 */
void env_count_zones(struct ks_env *env, __u32 pair, __u32 fate, __u32 bytes);
void env_count_established(struct ks_env *env, __u32 pair, __u32 bytes);

/* Counting: one packet of a reason; one match of a rule; what a flow of a rule carried, when it ends. */
void env_count_reason(struct ks_env *env, __u32 reason, __u32 bytes);
void env_count_match(struct ks_env *env, __u32 rule);
void env_count_flow(struct ks_env *env, const struct ks_flow *flow);

/* Events that the core tells. Somebody asks for each kind, or nobody. */
enum ks_event_kind {
	KS_EVENT_PACKET, /* core/event.h */
	KS_EVENT_BEGIN, /* of a flow (core/table/flow_event.h), as all that follow */
	KS_EVENT_ESTABLISHED,
	KS_EVENT_END,
	KS_EVENT_KINDS
};

/* The kinds that are asked for, a bit each: nobody hears of others. */
__u32 env_asked(struct ks_env *env);

/* Tells of a packet, if that is asked for. Events may be lost under load; the home counts those. */
void env_event(struct ks_env *env, const struct ks_inspection *insp);

/*
 * Memory for an event of a flow, which is to be filled in, but for its time, and sent at once. NULL if there is no room: then it
 * is lost, and the home counts that.
 */
struct ks_flow_event *env_flow_event(struct ks_env *env);
void env_flow_event_send(struct ks_env *env, struct ks_flow_event *event);

#endif
