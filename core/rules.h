/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiled policy as the core reads it: plain tables of fixed-size
 * entries, the same bytes in every home. policy/compile.c writes them, the
 * home's env_rule(), env_set() and env_range() give them back, and
 * core/rules.c decides by them. How a rule is found is private to
 * core/rules.c: callers only know ks_rules_ask().
 */
#ifndef KS_CORE_RULES_H
#define KS_CORE_RULES_H

#include "core/home.h"
#include "core/state.h"
#include "core/address.h"
#include "core/effect.h"
#include "core/match.h"
#include "core/protection.h"
#include "core/schedule.h"
#include "core/types.h"
#include "core/verdict.h"

/* Zones are small numbers; a rule holds masks of them. */
#define KS_ZONE_NONE 0 /* an interface of no zone */
#define KS_ZONE_SELF 1 /* the box itself */
#define KS_ZONE_FIRST 2 /* the policy's own zones */
#define KS_ZONE_MAX 64
#define KS_ZONE_ASTRAY 253 /* to the broadcast address of another network: it may go nowhere */
#define KS_ZONE_UNDECIDED 254 /* the home cannot tell before the packet leaves: egress decides */
#define KS_ZONE_UNKNOWN 255 /* not determined yet: the home is asked when it matters */
#define KS_ZONES_ANY (~0ULL)

/*
 * Returns true if two zones are the same side of a flow. A packet from an interface of no zone may have been the box's
 * own before another program translated it.
 */
static inline bool ks_zone_equal(__u32 a, __u32 b)
{
	return a == b || (a <= KS_ZONE_SELF && b <= KS_ZONE_SELF);
}

/*
 * An inclusive range of 128-bit values in host order. IPv4 addresses, ports
 * and ICMP (type << 8 | code) values use lo[1] and hi[1] with [0] zero.
 */
struct ks_range {
	__u64 lo[2];
	__u64 hi[2];
};

_Static_assert(sizeof(struct ks_range) == 32, "ranges are table entries");

/*
 * A set is two runs of sorted, disjoint ranges: one for IPv4 (or for plain
 * numbers such as ports), one for IPv6. Set 0 means "any" in a rule and is
 * never looked up.
 */
struct ks_set {
	__u32 first4, count4;
	__u32 first6, count6;
	__u64 dynamic; /* a bit for each run-time set whose entries belong to it (core/members.h) */
};

_Static_assert(sizeof(struct ks_set) == 24, "sets are table entries");

#define KS_DYNAMIC_MAX 64U /* run-time sets of a policy: a bit each */

/* The policy's words about a run-time set. */
struct ks_dynamic {
	__u32 limit; /* of its entries */
	__u32 flags; /* KS_DYNAMIC_* */
	__u64 timeout; /* ms, of entries that are added without one; 0: they stay */
};

#define KS_DYNAMIC_KEEP 0x01U /* its entries are saved, and come back after a restart */

#define KS_DYNAMIC_LIMIT_DEFAULT 65536U
#define KS_DYNAMIC_LIMIT_MAX 16777216U
#define KS_DYNAMIC_TIMEOUT_MIN_MS 1000U
#define KS_DYNAMIC_TIMEOUT_MAX_MS (10ULL * 365 * 24 * 3600 * 1000)

#define KS_SET_ANY 0

/* ks_rule.flags */
#define KS_RULE_LOG 0x01 /* emit an event when it matches a packet that opens a flow or is dropped */
#define KS_RULE_NOT_SRC 0x02 /* the source must be outside src_set */
#define KS_RULE_NOT_DST 0x04
#define KS_RULE_NOT_SPORT 0x08
#define KS_RULE_NOT_DPORT 0x10
#define KS_RULE_ANY_PROTO 0x20 /* proto is not looked at */
#define KS_RULE_LIMITED 0x40 /* limits bound what it allows: those of its id in the table of limits */
#define KS_RULE_MAY_MISS 0x80 /* it may not decide though all below matches: nobody can answer its conditions later */

/* One rule, one cache line. A rule of the text may become several entries with one id. */
struct ks_rule {
	__u64 from_zones; /* bit per zone id */
	__u64 to_zones;
	__u32 src_set, dst_set; /* index of a ks_set, or KS_SET_ANY */
	__u32 sport_set, dport_set; /* ports in host order */
	__u32 icmp_set; /* type << 8 | code */
	__u32 id; /* stable over reloads; index of its counters; 0 is the default deny */
	__u8 action; /* enum ks_action */
	__u8 flags;
	__u8 proto; /* IP protocol number, unless KS_RULE_ANY_PROTO */
	__u8 family; /* KS_IPV4, KS_IPV6, or 0 for both */
	__u16 target; /* where it translates to: first of its entries in the target table */
	__u16 targets; /* how many; 0: it translates nothing. All are of the rule's family */
	__u8 helper; /* enum ks_helper_id that a helper rule assigns */
	__u8 effects; /* KS_EFFECT_* (core/effect.h) */
	__u16 conditions; /* entry of the table of conditions (core/match.h), 0: none */
	__u8 pad[8];
	__u32 before; /* of a staged rule: entries of the filter that stand before it */
};

_Static_assert(sizeof(struct ks_rule) == 64, "a rule is one cache line");

#define KS_RULE_DEFAULT 0 /* id of the default deny */
#define KS_RULE_ID_MAX 65536 /* ids are below this */
#define KS_RULES_MAX 65536 /* entries */

/* Kinds of targets. */
enum ks_target_kind {
	KS_TARGET_EXEMPT, /* no translation: ends the search */
	KS_TARGET_MASQUERADE, /* source: the address of the interface that the packet leaves by */
	KS_TARGET_SELF, /* destination: the address of the interface that the packet came in by */
	KS_TARGET_RANGE, /* an address of lo..hi, always the same for a source address */
	KS_TARGET_PREFIX, /* the address's own bits behind the prefix of lo (1:1) */
	KS_TARGET_NPT, /* the same, keeping checksums right (RFC 6296) */
};

/* ks_target.flags */
#define KS_TARGET_PORTS 0x01 /* ports are given: source, allocate from them; destination, port_lo is the port */
#define KS_TARGET_PORT_OFFSET 0x02 /* destination: the n-th port of the rule becomes the n-th from port_lo */
#define KS_TARGET_EIM 0x04 /* endpoint-independent mapping (RFC 4787) */
#define KS_TARGET_EIF 0x08 /* and filtering: who knows the port may send */
#define KS_TARGET_ADF 0x10 /* address-dependent filtering: whom the inside has spoken to, from any port */
#define KS_TARGET_RANDOM 0x20 /* do not try to keep the port */

/* Where a rule translates an address to. Addresses in host order as in struct ks_range. */
struct ks_target {
	__u64 lo[2], hi[2]; /* RANGE; PREFIX and NPT: lo is the new prefix */
	/*
	 * NPT (RFC 6296): a number of 16 bits to be added, one's complement, to a word of the address after its prefix
	 * was replaced, so that the sum of the address stays: sum(prefix it had) - sum(prefix it gets). The target of each
	 * direction has its own, with the opposite sign. The word, in host order, is the fourth of the address for a
	 * prefix of up to 48 bits, else the first of the fifth to eighth that is not 0xffff. A result of 0xffff is
	 * written as 0. An address whose word is 0xffff (up to 48 bits), or whose last four all are, has no translation.
	 */
	__u64 adjust;
	__u16 port_lo, port_hi; /* host order, inclusive */
	__u16 port_from; /* with PORT_OFFSET: the rule's first port */
	__u8 kind; /* enum ks_target_kind */
	__u8 flags;
	__u8 family; /* 0: any (EXEMPT, MASQUERADE, SELF) */
	__u8 prefix; /* bits; of an IPv4 prefix 0 to 32 */
	__u8 zone; /* destination: the zone where it is, KS_ZONE_UNKNOWN to ask the home */
	__u8 zero[13];
};

_Static_assert(sizeof(struct ks_target) == 64, "a target is one cache line");

#define KS_TARGETS_MAX 4096

/* The things that a limit counts. */
enum ks_limit_unit {
	KS_LIMIT_FLOWS, /* new ones, in a time */
	KS_LIMIT_CONNECTIONS, /* those that there are */
	KS_LIMIT_PACKETS, /* in a time, of flows */
	KS_LIMIT_OCTETS,
	KS_LIMIT_UNITS
};

/* Whose they are: each has a count of its own. */
enum ks_limit_per { KS_LIMIT_RULE, KS_LIMIT_SOURCE, KS_LIMIT_DESTINATION, KS_LIMIT_FLOW, KS_LIMIT_PERS };

/* A limit of a rule. They are sorted by the rule's id, so that a flow's rule leads to them. */
struct ks_limit {
	__u64 amount; /* of connections at once; else in each `period` */
	__u64 period; /* ns */
	__u64 burst; /* as the time, ns, that so much takes at that rate */
	__u64 hold; /* ms that whoever exceeds is in the set of `overload`; 0: as the set says */
	__u32 rule; /* id */
	__u8 unit; /* enum ks_limit_unit */
	__u8 per; /* enum ks_limit_per */
	__u8 bits[2]; /* of an address, IPv4 (0 to 32) and IPv6, that tell one from another */
	__u8 at; /* how many limits of the rule with the same `unit` and `per` stand before it */
	__u8 order; /* among all limits of the rule */
	__u8 overload; /* number of a run-time set and 1: whoever exceeds comes into it (core/overload.h); 0: none */
	__u8 ends; /* 1: and its flows end */
	__u32 zero;
};

_Static_assert(sizeof(struct ks_limit) == 48, "limits are table entries");

#define KS_LIMITS_MAX 4096U
#define KS_LIMITS_SEEK 13 /* steps of a bisection among them */
#define KS_LIMITS_PER_RULE 7U
#define KS_LIMIT_SLOTS 8U /* a power of two: units, and limits of a rule, are masked */
#define KS_LIMIT_SOURCE_BITS4 32U
#define KS_LIMIT_SOURCE_BITS6 64U /* the network of one customer: whoever has it has all of its addresses */
#define KS_LIMIT_BURST_DEFAULT 5U /* new flows */
#define KS_LIMIT_OCTETS_BURST_MIN 65536U /* the largest packet that a card or the kernel hands over as one */

/*
 * The rule table holds several lists one behind the other, each searched from
 * its start for the first match:
 */
enum ks_list {
	KS_LIST_FILTER, /* allow, deny, reject, bypass; forward, redirect: allow with a new destination */
	KS_LIST_INBOUND, /* destinations that are translated before the filter is asked: binat, prefixes */
	KS_LIST_SOURCE, /* nat, and the outbound side of binat: asked last, of allowed flows */
	KS_LIST_HELPER, /* helper: asked of allowed flows */
	KS_LIST_STAGED, /* staged rules, which decide nothing (core/staged.h). Asked behind the filter */
	KS_LIST_OWN, /* forward the other way round: ports of hosts to which they are forwarded. Asked where `nat` translates */
	KS_LIST_MAX
};

#define KS_LIST_SLOTS 8 /* a power of two: lists are masked */
_Static_assert(KS_LIST_MAX <= KS_LIST_SLOTS, "lists are masked");

struct ks_rule_list {
	__u32 first, count;
};

/* ks_config.scrub: what is changed in passing packets */
#define KS_SCRUB_RANDOM_ID 0x01 /* IPv4: a random identification, where the packet is no fragment */
#define KS_SCRUB_NO_DF 0x02 /* IPv4: "don't fragment" is cleared */
#define KS_SCRUB_TTL 0x04 /* TTL or hop limit is raised to min_ttl */
#define KS_SCRUB_MSS 0x08 /* TCP: the MSS of a SYN is lowered to max_mss */

/* ks_config.options */
#define KS_OPT_PICKUP 0x01 /* mid-stream TCP may open a flow, at any time (core/settle.h: after a start) */
#define KS_OPT_BYPASS_RULES 0x02 /* the policy has bypass rules: ask it also for packets that cannot open a flow */
#define KS_OPT_CHECKSUM 0x04 /* verify the upper checksum of every packet */
#define KS_OPT_NO_IP_CHECKSUM 0x10 /* do not verify IPv4 header checksums: captures of offloaded traffic */
#define KS_OPT_NAT 0x20 /* the policy translates addresses: flows may have aliases */
#define KS_OPT_SOURCE_ROUTES 0x40 /* IPv4 source routes pass (RFC 791); dropped by default */
#define KS_OPT_ASYMMETRIC 0x80 /* only one direction may be seen: windows and handshakes are not checked */
#define KS_OPT_FORWARD 0x100 /* the filter has rules that translate: no source port may be one of theirs */
#define KS_OPT_SIMULTANEOUS 0x200 /* a SYN may answer a SYN: simultaneous open (RFC 9293 3.5) */
#define KS_OPT_OTHER_PROTOCOLS 0x400 /* a bridge hands on frames that are neither IP nor a link's own protocols */
#define KS_OPT_STATE_CHECKSUM 0x800 /* verify that of whatever opens a flow or moves one (core/checksum.h) */
#define KS_OPT_PROTECT 0x1000 /* a zone is protected (core/protect.h) */
#define KS_OPT_EXPRESS 0x2000 /* the daemon lets XDP send on packets of known flows, where it may (core/express.h) */
#define KS_OPT_ASYMMETRIC_RULES \
	0x4000 /* so are rules: ask the policy also for packets from the middle of a connection */
#define KS_OPT_LOG_DROPS 0x08 /* emit an event for every drop, not only for logged rules */

/* ks_config.alters: what else is changed in passing packets of flows (core/alter.h) */
#define KS_ALTER_ZONES 0x01 /* a zone has an MSS */
#define KS_ALTER_RULES 0x02 /* a rule has effects that change packets */

/* A network that the policy says a zone has, for homes without routes; see network.h. */
struct ks_network {
	struct ks_addr addr; /* zeros behind the prefix */
	struct ks_addr mask; /* of IPv4 the last word */
	__u8 family;
	__u8 bits; /* of an IPv4 prefix 0 to 32 */
	__u8 zone;
	__u8 zero[5];
};

_Static_assert(sizeof(struct ks_network) == 40, "networks are table entries");

#define KS_NETWORKS_MAX 64U

/* `challenge` of a zone (core/challenge.h). */
enum ks_challenge_mode { KS_CHALLENGE_AUTO, KS_CHALLENGE_ALWAYS, KS_CHALLENGE_NEVER };

/* `option xdp`: on which interfaces the daemon puts the front (core/front.h) before ingress. */
enum ks_xdp_mode { KS_XDP_OFF, KS_XDP_AUTO, KS_XDP_ALWAYS, KS_XDP_MODES };

/* `option short-way`: if established flows go past the kernel's forwarding, where there is one (bpf/short.bpf.c). */
enum ks_short_mode { KS_SHORT_OFF, KS_SHORT_AUTO, KS_SHORT_ON, KS_SHORT_MODES };

#define KS_CGROUPS_MAX 32U /* of a policy */
#define KS_CGROUPS_MASK 63U /* of their numbers, which count from 1 */

/* A control group that rules ask for. The core does not read it: the kernel home does, for the facts of a packet. */
struct ks_cgroup {
	__u64 id; /* of the kernel; 0: it does not exist now */
	__u32 level; /* folders below the root */
	__u32 zero;
};

/* The scalars of a policy: one per generation. */
struct ks_config {
	__u32 generation; /* counts reloads */
	__u32 rules; /* entries of the filter, the first in the rule table */
	__u32 sets;
	__u32 ranges;
	__u32 options;
	__u32 limit_states; /* flows in the table */
	__u32 limit_half_open; /* half-open ones among them: see ks_state_is_half_open() */
	__u32 entries; /* in the rule table, all lists */
	struct ks_rule_list list[KS_LIST_SLOTS]; /* the others; [KS_LIST_FILTER] is not used */
	__u32 targets;
	__u32 adaptive_low,
		adaptive_high; /* flows in the table from which timeouts shrink, and where they are shortest */
	__u32 limit_log, limit_log_source; /* events a second (core/fold.h) */
	__u32 limit_answers, limit_answers_source; /* a second (core/answer.h) */
	__u32 limit_host_mappings; /* of one inner address */
	__u32 limit_kind[KS_KIND_MAX]; /* entries of each kind besides flows and aliases */
	__u16 scrub; /* KS_SCRUB_* */
	__u16 max_mss;
	__u8 min_ttl;
	__u8 xdp; /* enum ks_xdp_mode */
	__u8 short_way; /* enum ks_short_mode */
	__u8 schedule_end; /* enum ks_schedule_end */
	__u32 timeout[KS_STATE_SLOTS]; /* ms, by enum ks_state */
	__u32 class_timeout[KS_UDP_CLASSES]
			   [2]; /* ms, by enum ks_udp_class: before and after an answer; 0: the state's */
	__u64 timeouts_set; /* bit per state: the policy has set its timeout to another than the default */
	__u32 class_timeouts_set; /* the same, a bit per class and answer in their order above */
	__u32 limit_source_states; /* that one source may hold when no other holds many (core/table/share.h); 0: all */
	__u64 antispoof; /* bit per zone id: a new flow's source must be at home in the zone that it comes from */
	__u64 challenge_always,
		challenge_never; /* bit per zone id: `challenge` of the zone; neither is `auto` (core/challenge.h) */
	__u32 challenge_low,
		challenge_high; /* half-open flows down to which a challenge goes on, and from which; 0: never */
	__u64 addressed; /* bit per zone id: it has an `address` */
	struct ks_addr address[KS_ZONE_MAX][2]; /* of a zone's interfaces where no kernel can tell: IPv4, IPv6 */
	__u64 outside[2]; /* bit per zone id, IPv4 and IPv6: addresses of no network below may be at home there */
	__u32 networks; /* entries of network[] */
	__u32 settle; /* ms behind a start during which connections are taken up in their middle (core/settle.h), 0: never */
	struct ks_network network[KS_NETWORKS_MAX]; /* longest first, so that the first one that fits is the longest */
	__u32 dynamics; /* run-time sets, numbered from 0 */
	__u32 journal; /* MiB that the journal may take, 0: there is none. The home does not read it, as the next one */
	struct ks_dynamic dynamic[KS_DYNAMIC_MAX];
	__u32 limits; /* entries of the table of limits */
	__u32 zones; /* that packets may come from: those of the policy, the box itself, interfaces of none */
	__u32 journal_age; /* seconds after which its entries go */
	__u32 tree_nodes; /* entries of the table of trees (core/tree.h), 0: every list is walked */
	__u32 conditions; /* entries of the table of conditions, the first of which is none */
	__u32 asks; /* conditions that any rule has, a bit each (core/match.h) */
	__u32 effects; /* entries of the table of effects, by rule id; 0: no rule has any */
	__u32 schedules; /* entries of each half below; how often they were told is their half in use */
	__u64 schedule_turn;
	struct ks_schedule schedule[KS_SCHEDULE_HALVES][KS_SCHEDULES_MAX];
	__u32 alters; /* KS_ALTER_* */
	__u32 cgroups; /* entries of cgroup[], numbered from 1 */
	struct ks_cgroup cgroup[KS_CGROUPS_MAX];
	__u16 mss[KS_ZONE_MAX]; /* by zone id: at most, of packets from and to it; KS_MSS_OF_MTU; 0: any */
	__u16 mtu[KS_ZONE_MAX]; /* of a zone's interfaces where no kernel can tell, 0: KS_MTU_DEFAULT */
	struct ks_protection protection[KS_ZONE_MAX]; /* by zone id */
};

/* Returns true if the policy names an address as the box's own, in whatever zone: for homes without interfaces. */
static inline bool ks_config_has_address(const struct ks_config *config, const struct ks_addr *addr, __u8 family)
{
	const struct ks_addr *own;

	for (__u32 zone = 0; zone < KS_ZONE_MAX && config->addressed >> zone; zone++) {
		own = &config->address[zone][family == KS_IPV6];
		if ((own->d[0] | own->d[1]) && ks_addr_equal(own, addr))
			return true;
	}
	return false;
}

/* Bounds and defaults that the language and the core share. */
#define KS_LIMIT_STATES_DEFAULT 262144U
#define KS_LIMIT_STATES_MIN 64U
#define KS_LIMIT_STATES_MAX 16777216U
#define KS_LIMIT_KIND_MIN 1U
#define KS_LIMIT_KIND_MAX 1048576U
#define KS_LIMIT_MAPPINGS_DEFAULT 65536U
#define KS_LIMIT_LOG_MIN 1U
#define KS_LIMIT_LOG_MAX 100000U
#define KS_LIMIT_LOG_DEFAULT 500U
#define KS_LIMIT_LOG_SOURCE_DEFAULT 10U
#define KS_LIMIT_ANSWERS_MIN 1U
#define KS_LIMIT_ANSWERS_MAX 1000000U
#define KS_LIMIT_ANSWERS_DEFAULT \
	1000U /* a second: what a port scan of a patient administrator needs, not what a victim feels */
#define KS_LIMIT_ANSWERS_SOURCE_DEFAULT 50U
#define KS_LIMIT_HOST_MAPPINGS_DEFAULT 16384U /* a quarter of the ports */
#define KS_LIMIT_HOST_MAPPINGS_MAX 65536U
#define KS_LIMIT_PERMITS_DEFAULT 65536U
#define KS_LIMIT_EXPECTATIONS_DEFAULT 4096U
#define KS_LIMIT_FRAGMENTS_DEFAULT 16384U
#define KS_LIMIT_HELPERS_DEFAULT 8192U
#define KS_LIMIT_QUESTIONS_DEFAULT 4096U
#define KS_LIMIT_TALLIES_DEFAULT 65536U
#define KS_ADAPTIVE_LOW_DEFAULT 60U /* percent of the states */
#define KS_ADAPTIVE_HIGH_DEFAULT 90U
#define KS_CHALLENGE_LOW_DEFAULT 25U /* percent of the half-open ones */
#define KS_CHALLENGE_HIGH_DEFAULT 50U
#define KS_SETTLE_DEFAULT_MS 120000U
#define KS_SETTLE_MIN_MS 1000U
#define KS_SETTLE_MAX_MS 3600000U
#define KS_JOURNAL_MIN 16U /* MiB */
#define KS_JOURNAL_MAX 1048576U
#define KS_JOURNAL_DEFAULT 512U
#define KS_JOURNAL_AGE_MIN 3600U /* seconds */
#define KS_JOURNAL_AGE_MAX 315360000U
#define KS_JOURNAL_AGE_DEFAULT 2592000U
#define KS_MSS_MIN 536U /* RFC 9293 3.7.1 */
#define KS_MSS_MAX 65495U
#define KS_MTU_DEFAULT 1500U
#define KS_MTU_MIN 576U
#define KS_MTU_MAX 65535U
#define KS_TIMEOUT_MIN_MS 1000U
#define KS_TRANSLATED_UDP_MS 120000U /* the least for translated flows, see core/track/track.c */
#define KS_TRANSLATED_ICMP_MS 60000U
#define KS_TIMEOUT_MAX_MS (20U * 24 * 3600 * 1000) /* times are kept modulo 2^32 ms: see ks_flow_is_expired() */

/* The smaller MTU of two zones, as the policy has them: for homes without interfaces. */
static inline __u32 ks_config_mtu(const struct ks_config *config, __u32 a, __u32 b)
{
	__u32 one = config->mtu[a & (KS_ZONE_MAX - 1)], other = config->mtu[b & (KS_ZONE_MAX - 1)];

	one = one ? one : KS_MTU_DEFAULT;
	other = other ? other : KS_MTU_DEFAULT;
	return KS_MIN(one, other);
}

/* X(state, seconds): the defaults. TCP's from RFC 5382 and RFC 9293, UDP's from RFC 4787, ICMP's from RFC 5508. */
#define KS_TIMEOUT_DEFAULTS(X)        \
	X(TCP_SYN_SENT, 60)           \
	X(TCP_SYN_RECV, 30)           \
	X(TCP_ESTABLISHED, 24 * 3600) \
	X(TCP_FIN_WAIT, 120)          \
	X(TCP_CLOSE_WAIT, 3600)       \
	X(TCP_LAST_ACK, 30)           \
	X(TCP_TIME_WAIT, 60)          \
	X(TCP_CLOSE, 10)              \
	X(UDP_SINGLE, 30)             \
	X(UDP_STREAM, 180)            \
	X(ICMP_REQUEST, 30)           \
	X(ICMP_REPLIED, 30)           \
	X(OTHER_SINGLE, 60)           \
	X(OTHER_STREAM, 600)          \
	X(SCTP_COOKIE_WAIT, 60)       \
	X(SCTP_COOKIE_ECHOED, 60)     \
	X(SCTP_ESTABLISHED, 3600)     \
	X(SCTP_SHUTDOWN_SENT, 120)    \
	X(SCTP_SHUTDOWN_ACK_SENT, 60) \
	X(SCTP_CLOSED, 10)            \
	X(SCTP_HEARTBEAT, 30)         \
	X(DCCP_REQUEST, 60)           \
	X(DCCP_RESPOND, 60)           \
	X(DCCP_PARTOPEN, 480)         \
	X(DCCP_OPEN, 12 * 3600)       \
	X(DCCP_CLOSEREQ, 64)          \
	X(DCCP_CLOSING, 64)           \
	X(DCCP_TIMEWAIT, 60)          \
	X(MAPPING, 300)               \
	X(EXPECTED, 300)              \
	X(FRAGMENTS, 30)              \
	X(HELPER, 24 * 3600)          \
	X(ASKED, 10)                  \
	X(ALIAS, 5)                   \
	X(TAKEN_UP, 30)

/*
 * X(class, answered, name, seconds): the same for what UDP carries, before and after an answer. DNS: a query is given up
 * after half a minute, and its answer ends the matter. QUIC: RFC 9308 4.2. WireGuard: keys live for 3 minutes, and either
 * side may speak first then. STUN: RFC 4787 4.3. SIP: a registration's default life (RFC 3261 10.2.1.1).
 */
#define KS_CLASS_TIMEOUT_DEFAULTS(X)                   \
	X(DNS, 0, "udp.dns", 30)                       \
	X(DNS, 1, "udp.dns.answered", 3)               \
	X(QUIC, 0, "udp.quic", 30)                     \
	X(QUIC, 1, "udp.quic.answered", 300)           \
	X(WIREGUARD, 0, "udp.wireguard", 60)           \
	X(WIREGUARD, 1, "udp.wireguard.answered", 600) \
	X(STUN, 0, "udp.stun", 60)                     \
	X(STUN, 1, "udp.stun.answered", 300)           \
	X(SIP, 0, "udp.sip", 180)                      \
	X(SIP, 1, "udp.sip.answered", 3600)

struct ks_env;
struct ks_inspection;

/* The rule that decides: outcome of ks_rules_ask(). */
struct ks_decision {
	__u32 index; /* entry in the rule table, KS_DECISION_DEFAULT if none matched */
	__u32 id;
	__u8 action;
	__u8 flags;
	__u8 helper;
	__u8 effects;
	__u16 target, targets; /* as of struct ks_rule */
};

#define KS_DECISION_DEFAULT 0xffffffffU

/* Why a rule does not match; 0 if it does. In the order in which it is asked. */
enum ks_miss {
	KS_MISS_NOTHING = 0,
	KS_MISS_FROM,
	KS_MISS_TO,
	KS_MISS_FAMILY,
	KS_MISS_PROTO,
	KS_MISS_SPORT,
	KS_MISS_DPORT,
	KS_MISS_ICMP,
	KS_MISS_SRC,
	KS_MISS_DST,
#define X(id, name) KS_MISS_##id,
	KS_CONDITIONS(X)
#undef X
		KS_MISS_MAX
};

#define KS_MISS_CONDITION KS_MISS_FLAGS /* the first of those of core/match.h, in their order */

/* Compares one rule with the packet in `insp`. Explain shows what it returns; the walk stops at the first 0. */
__u32 ks_rule_compare(struct ks_env *env, const struct ks_rule *rule, const struct ks_inspection *insp);

/* The same for one of its further conditions (core/match.h) alone, which it has. */
bool ks_rule_condition_fails(struct ks_env *env, const struct ks_rule *rule, const struct ks_inspection *insp,
			     __u32 condition);

#define KS_SEARCH_WORDS 16U /* a power of two */

/*
 * A search for the first rule of a list that matches: rules one after the other, or those that the parts of a tree lead to
 * (core/tree.h). It belongs to core/rules.c and core/tree.c, and lies in the question because that is in memory of which the verifier knows
 * no bound (V7), and the stack has no room for it (V2).
 */
struct ks_search {
	__u32 at, end; /* rules to be compared, one after the other */
	__u32 head; /* or in the tree of this head; 0: none */
	__u32 part; /* its next one */
	__u32 to; /* in the part before that, from this node; 0: it is done */
	__u32 key; /* ks_tree_key() of the packet */
	__u32 word[KS_SEARCH_WORDS]; /* of the packet, by enum ks_tree_word */
};

/*
 * The question that a list is asked: a tuple, and the zones it comes from and goes to. It holds no pointer, so that the
 * function that answers can be verified apart from its callers.
 */
struct ks_question {
	struct ks_tuple tuple;
	__u16 icmp; /* type << 8 | code */
	__u8 list; /* enum ks_list */
	__u8 from, to;
	__u8 zero[3];
	struct ks_facts facts; /* of the packet that opens the flow */
	struct ks_search search; /* written by who answers */
};

_Static_assert(sizeof(struct ks_question) == 80 + sizeof(struct ks_search), "a question has no padding");

/* The packet's own question about a tuple: its zones as they are known now, its ICMP type. */
void ks_question_make(const struct ks_inspection *insp, const struct ks_tuple *tuple, enum ks_list list,
		      struct ks_question *question);

/* Has a set this address? */
struct ks_set_ask {
	struct ks_addr addr;
	__u32 set; /* index of a ks_set */
	__u32 family;
};

/* Returns 1 if it has, run-time sets that belong to it included. */
__u32 ks_set_holds_isolated(struct ks_env *env, const struct ks_set_ask *ask);

/* Finds the first rule that matches in a list; returns its action. decision->index is KS_DECISION_DEFAULT if none does. */
__u32 ks_rules_ask_isolated(struct ks_env *env, struct ks_question *question, struct ks_decision *decision);

/*
 * Finds the next one behind decision->index: for who may not believe the first one, because it has conditions that nobody can
 * answer (core/match.h). Walks the list, where the kernel could not.
 */
__u32 ks_rules_ask_behind(struct ks_env *env, const struct ks_question *question, struct ks_decision *decision);

static inline __u32 ks_rules_ask(struct ks_env *env, struct ks_question *question, struct ks_decision *decision)
{
	return ks_rules_ask_isolated(env_isolated(env), question, decision);
}

#endif
