/* SPDX-License-Identifier: BSD-2-Clause */
/* See takeup.h. A flow is asked about as if its originator opened it now: true endpoints, zones by the routes. */
#include "daemon/settle/takeup.h"

#include <errno.h>
#include <string.h>

#include "core/address.h"
#include "core/link.h"
#include "core/env.h"
#include "core/table/table.h"
#include "daemon/world.h"

#define KS_MEMO_SPREAD 0x9e3779b97f4a7c15ULL /* 2^64 divided by the golden ratio: Knuth, TAOCP 6.4 */

/* A connection and what the policy says about it. */
struct asked {
	const struct ks_under_way *connection;
	struct ks_tuple whole; /* between its true endpoints */
	struct ks_decision decision; /* of the rule that allows it */
	__u8 from, to;
};

static struct ks_tuple reversed(const struct ks_tuple *tuple)
{
	struct ks_tuple back = *tuple;

	back.src = tuple->dst;
	back.dst = tuple->src;
	back.sport = tuple->dport;
	back.dport = tuple->sport;
	return back;
}

static bool is_translated(const struct ks_under_way *connection)
{
	return memcmp(&connection->sent, &connection->seen, sizeof(connection->sent)) != 0;
}

/* The zone behind an interface. */
static __u8 zone_of_interface(const struct ks_daemon *daemon, unsigned ifindex)
{
	struct ks_guard guard;

	return ks_kernel_guard(daemon->kernel, ifindex, &guard) ? guard.zone : KS_ZONE_NONE;
}

/* The zone that packets of the box to this address leave by, KS_ZONE_SELF, or KS_ZONE_UNKNOWN without a route. */
static __u8 ask_zone_of(const struct ks_daemon *daemon, const struct ks_addr *addr, __u8 family)
{
	struct ks_local local;
	__u8 zone;

	if (ks_kernel_local(daemon->kernel, addr, family, &local) && local.kind == KS_LOCAL_SELF)
		return KS_ZONE_SELF;
	zone = ks_world_zone_of(daemon, addr, family);
	return zone == KS_ZONE_SELF ? KS_ZONE_UNKNOWN : zone;
}

/* The same from memory. */
static __u8 zone_of(struct ks_takeup *takeup, const struct ks_addr *addr, __u8 family)
{
	__u32 at = (__u32)((addr->d[0] ^ addr->d[1]) * KS_MEMO_SPREAD >> 32) & (KS_ZONE_MEMOS - 1);
	struct ks_zone_memo *memo = &takeup->memos[at];

	if (memo->family != family || !ks_addr_equal(&memo->addr, addr))
		*memo = (struct ks_zone_memo){ *addr, family, ask_zone_of(takeup->daemon, addr, family) };
	return memo->zone;
}

/* The zone that a packet which is forwarded leaves by. For one of the box or for it this is known. */
static __u32 zone_to(struct ks_takeup *takeup, const struct ks_tuple *tuple, __u8 from)
{
	__u8 zone = zone_of(takeup, &tuple->dst, tuple->family);

	if (from == KS_ZONE_SELF || zone == KS_ZONE_SELF)
		return zone;
	return takeup->world.zone_to(tuple, from, takeup->world.arg);
}

static inline bool is_zone(__u32 zone)
{
	return zone < KS_ZONE_MAX;
}

/* Sets the zones of both ends. Returns false if a route does not tell one, or the box speaks with itself. */
static bool find_zones(struct ks_takeup *takeup, struct asked *asked)
{
	unsigned ifindex = asked->connection->ifindex;
	__u32 to;

	if (ifindex) {
		bool from_self = zone_of(takeup, &asked->whole.src, asked->whole.family) == KS_ZONE_SELF;

		asked->from = from_self ? KS_ZONE_SELF : zone_of_interface(takeup->daemon, ifindex);
		to = from_self ? zone_of_interface(takeup->daemon, ifindex) : KS_ZONE_SELF;
	} else {
		asked->from = zone_of(takeup, &asked->whole.src, asked->whole.family);
		to = is_zone(asked->from) ? zone_to(takeup, &asked->whole, asked->from) : KS_ZONE_UNKNOWN;
	}
	asked->to = (__u8)to;
	return is_zone(asked->from) && is_zone(to) && (asked->from != KS_ZONE_SELF || to != KS_ZONE_SELF);
}

static __u32 ask(const struct ks_takeup *takeup, const struct asked *asked, enum ks_list list,
		 const struct ks_tuple *tuple, __u8 to, struct ks_decision *decision)
{
	struct ks_question question = { .tuple = *tuple, .list = (__u8)list, .from = asked->from, .to = to };

	memset(decision, 0, sizeof(*decision));
	decision->index = KS_DECISION_DEFAULT;
	return ks_rules_ask(ks_engine_env(ks_seed_engine(takeup->seed)), &question, decision);
}

static bool target_has_address(const struct ks_target *target, const struct asked *asked)
{
	const struct ks_addr *addr = &asked->whole.dst;
	bool is_ipv4 = asked->whole.family == KS_IPV4;
	__u64 high = is_ipv4 ? 0 : ks_be64(addr->d[0]), low = is_ipv4 ? ks_be32(addr->w[3]) : ks_be64(addr->d[1]);

	if (target->kind == KS_TARGET_SELF)
		return asked->to == KS_ZONE_SELF;
	return target->kind == KS_TARGET_RANGE && high == target->lo[0] && low >= target->lo[1] && low <= target->hi[1];
}

static bool target_has_port(const struct ks_target *target, const struct asked *asked)
{
	__u32 sent = ks_be16(asked->connection->sent.dport), port = sent;

	if (target->flags & KS_TARGET_PORTS)
		port = target->port_lo + (target->flags & KS_TARGET_PORT_OFFSET ? sent - target->port_from : 0);
	return port == ks_be16(asked->whole.dport);
}

/* Returns true if a rule's targets have the address and port that the connection really goes to. */
static bool has_target(const struct ks_takeup *takeup, const struct asked *asked)
{
	struct ks_env *env = ks_engine_env(ks_seed_engine(takeup->seed));

	for (__u32 i = 0; i < asked->decision.targets; i++) {
		const struct ks_target *target = env_target(env, asked->decision.target + i);

		if (target && target_has_address(target, asked) && target_has_port(target, asked))
			return true;
	}
	return false;
}

/* Returns true if a rule forwards it to where it goes, if need be one whose conditions nobody can answer any more. */
static bool is_forwarded_by_rule(struct ks_takeup *takeup, struct asked *asked, __u8 to)
{
	struct ks_env *env = ks_engine_env(ks_seed_engine(takeup->seed));
	struct ks_question question = { .tuple = asked->connection->sent,
					.list = KS_LIST_FILTER,
					.from = asked->from,
					.to = to,
					.facts.of = KS_FACTS_ANY };
	struct ks_decision *decision = &asked->decision;

	ks_rules_ask(env, &question, decision);
	while (!has_target(takeup, asked) && decision->flags & KS_RULE_MAY_MISS)
		ks_rules_ask_behind(env, &question, decision);
	return decision->action == KS_ALLOW && has_target(takeup, asked);
}

/* Returns true if the rules allow it as it is sent, and forward it to where it goes; or allow it between its true endpoints. */
static bool rules_allow(struct ks_takeup *takeup, struct asked *asked)
{
	const struct ks_tuple *sent = &asked->connection->sent;
	bool is_forwarded = !ks_addr_equal(&sent->dst, &asked->whole.dst) || sent->dport != asked->whole.dport;
	__u32 to;

	if (is_forwarded) {
		to = zone_to(takeup, sent, asked->from);
		if (is_zone(to) && is_forwarded_by_rule(takeup, asked, (__u8)to))
			return true;
	}
	return ask(takeup, asked, KS_LIST_FILTER, &asked->whole, asked->to, &asked->decision) == KS_ALLOW &&
	       !asked->decision.targets;
}

static bool is_allowed(struct ks_takeup *takeup, struct asked *asked)
{
	return find_zones(takeup, asked) && rules_allow(takeup, asked);
}

/* The originator's packets as the responder would send its answers, turned round: the other side may be the originator. */
static struct ks_under_way turned(const struct ks_under_way *connection)
{
	struct ks_under_way other = *connection;

	for (unsigned dir = 0; dir < 2; dir++) {
		other.tcp_flags[dir] = connection->tcp_flags[!dir];
		other.sctp_tag[dir] = connection->sctp_tag[!dir];
	}
	other.sent = other.seen = reversed(&connection->sent);
	return other;
}

/* Returns true if the policy would masquerade it, as the address that it has already. */
static bool is_masqueraded(struct ks_takeup *takeup, const struct asked *asked)
{
	const struct ks_target *target;
	struct ks_decision decision;

	ask(takeup, asked, KS_LIST_SOURCE, &asked->whole, asked->to, &decision);
	target = decision.targets ? env_target(ks_engine_env(ks_seed_engine(takeup->seed)), decision.target) : NULL;
	return target && target->kind == KS_TARGET_MASQUERADE &&
	       zone_of(takeup, &asked->connection->seen.src, asked->whole.family) == KS_ZONE_SELF;
}

/* The helper that the policy gives to such a flow. */
static __u8 helper_of(const struct ks_takeup *takeup, const struct asked *asked)
{
	struct ks_decision decision;

	ask(takeup, asked, KS_LIST_HELPER, &asked->whole, asked->to, &decision);
	return decision.index == KS_DECISION_DEFAULT ? 0 : decision.helper;
}

static void fill_protocol(const struct ks_under_way *connection, struct ks_flow *flow)
{
	for (unsigned dir = 0; dir < 2; dir++) {
		if (connection->sent.proto == KS_PROTO_TCP)
			flow->tcp_flags[dir] = connection->tcp_flags[dir] | KS_TCP_LIBERAL;
		else if (connection->sent.proto == KS_PROTO_SCTP)
			flow->sctp.tag[dir] = connection->sctp_tag[dir];
	}
	if (connection->sent.proto == KS_PROTO_TCP || connection->sent.proto == KS_PROTO_SCTP)
		flow->flags |= KS_FLOW_PICKUP;
}

static void fill_flow(const struct ks_takeup *takeup, const struct asked *asked, struct ks_transplant *transplant)
{
	const struct ks_under_way *connection = asked->connection;
	const struct ks_config *config = &takeup->daemon->policy->config;
	struct ks_flow *flow = &transplant->flow;

	*flow = (struct ks_flow){
		.state = connection->state,
		.flags = connection->flags,
		.zone = { asked->from, asked->to },
		.seen = ks_seed_clock(takeup->seed),
		.timeout = config->timeout[connection->state],
		.created = (__u32)(ks_kernel_now(takeup->daemon->kernel) / KS_NSEC_PER_SEC),
		.rule = (__u16)asked->decision.id,
		.helper = helper_of(takeup, asked),
	};
	if (connection->left)
		flow->timeout = KS_MIN(flow->timeout, connection->left);
	if (ks_flow_key_make(&asked->whole, &transplant->key))
		flow->flags |= KS_FLOW_ORIG_IS_HIGH;
	if (ks_key_is_on_link(&transplant->key))
		transplant->key.link = ks_link_between(asked->from, asked->to);
	if (asked->decision.flags & KS_RULE_LOG)
		flow->flags |= KS_FLOW_LOG;
	fill_protocol(connection, flow);
}

static void name_aliases(struct ks_takeup *takeup, const struct asked *asked, struct ks_transplant *transplant)
{
	const struct ks_tuple *sent = &asked->connection->sent, *seen = &asked->connection->seen;

	if (memcmp(sent, &asked->whole, sizeof(*sent)) != 0)
		ks_transplant_name(transplant, KS_ORIGINAL, sent);
	if (memcmp(seen, &asked->whole, sizeof(*seen)) == 0)
		return;
	ks_transplant_name(transplant, KS_REPLY, seen);
	if (is_masqueraded(takeup, asked))
		transplant->flow.flags |= KS_FLOW_MASQUERADED;
}

static int insert(struct ks_takeup *takeup, const struct asked *asked)
{
	struct ks_transplant transplant = { 0 };
	int err;

	fill_flow(takeup, asked, &transplant);
	name_aliases(takeup, asked, &transplant);
	err = ks_seed_flow(takeup->seed, &transplant);
	takeup->taken += !err;
	takeup->full += err == -ENOSPC;
	return err;
}

/* Returns true if the flow is in the table: taken up before, or opened by a packet. */
static bool is_there(const struct ks_takeup *takeup, const struct asked *asked)
{
	struct ks_entry entry = { .clock = ks_seed_clock(takeup->seed) };
	struct ks_env *env = ks_engine_env(ks_seed_engine(takeup->seed));

	ks_flow_key_make(&asked->whole, &entry.key);
	ks_table_hash(env, &entry);
	ks_table_find(env, &entry);
	return entry.found || entry.busy;
}

int ks_takeup_flow(struct ks_takeup *takeup, const struct ks_under_way *connection)
{
	struct asked asked = { .connection = connection, .whole = connection->sent };
	struct ks_under_way other;

	asked.whole.dst = connection->seen.dst;
	asked.whole.dport = connection->seen.dport;
	if (is_there(takeup, &asked))
		return -EEXIST;
	if (is_allowed(takeup, &asked))
		return insert(takeup, &asked);
	if (connection->may_turn && !is_translated(connection)) {
		other = turned(connection);
		asked = (struct asked){ .connection = &other, .whole = other.sent };
		if (is_allowed(takeup, &asked))
			return insert(takeup, &asked);
	}
	takeup->denied++;
	return -EACCES;
}
