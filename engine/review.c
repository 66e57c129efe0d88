/* SPDX-License-Identifier: BSD-2-Clause */
/* See review.h. The order of the questions is that of core/open.c and core/nat/source.c. */
#include "engine/review.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "core/nat/source.h"
#include "core/network.h"
#include "engine/entries.h"
#include "engine/internal.h"

#define IPV4_FIRST_BIT 96U /* of an address of 128 bits */

/* An end of a control connection that has a helper: connections under the same rule, from or to that address, may be announced by it. */
struct control_end {
	__u32 rule;
	__u32 zero;
	struct ks_addr addr;
};

/* The outer endpoint of a mapping, and the inner one. */
struct outer_end {
	struct ks_addr addr;
	__be16 port;
	__u8 proto, zero;
	__u32 rule;
	struct ks_addr inner_addr;
	__be16 inner_port;
	__u8 zero2[6];
};

struct list {
	void *items;
	size_t count, room;
};

struct reviewer {
	struct ks_engine *policy, *before;
	struct ks_inspection insp; /* the packet that would open the flow */
	struct ks_frame frame; /* it, for the engine */
	struct list controls, outers;
	bool no_memory;
	const struct ks_review_table *table;
	ks_review_fn *fn;
	void *arg;
};

static void reviewer_fini(struct reviewer *reviewer)
{
	free(reviewer->controls.items);
	free(reviewer->outers.items);
}

KS_SCOPED_STRUCT(auto_reviewer, struct reviewer, reviewer_fini)

int ks_asked_init(struct ks_asked *asked, const struct ks_tables *tables, const struct ks_world *world)
{
	struct ks_tables own = *tables;
	int err;

	asked->config = *tables->config;
	asked->config.limit_states = KS_LIMIT_STATES_MIN;
	own.config = &asked->config;
	err = ks_engine_create(&own, &asked->engine);
	if (!err && world)
		ks_engine_set_world(asked->engine, world);
	return err;
}

void ks_asked_fini(struct ks_asked *asked)
{
	ks_engine_destroy(asked->engine);
}

/* --- the destination --- */

/* The flow as its originator sees it. */
static void tuple_of(const struct ks_flow_key *key, const struct ks_flow *flow,
		     const struct ks_translation *translation, struct ks_tuple *tuple)
{
	__u32 side = ks_flow_orig_side(flow);

	*tuple = (struct ks_tuple){ .src = key->addr[side],
				    .dst = key->addr[!side],
				    .sport = key->port[side],
				    .dport = key->port[!side],
				    .proto = key->proto,
				    .family = key->family };
	if (!translation->present[KS_ORIGINAL])
		return;
	if (translation->moved)
		tuple->sport = translation->own_port;
	tuple->dst = translation->addr[KS_ORIGINAL];
	tuple->dport = translation->port[KS_ORIGINAL];
}

/* Where a packet for that destination goes before it is translated. Without routes the policy's networks tell, or it is the box. */
static __u32 zone_of(struct ks_engine *engine, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_world *world = ks_engine_world(engine);
	const struct ks_network *network;

	if (world)
		return world->zone_to(tuple, from, world->arg);
	network = ks_network_find(engine->tables.config, &tuple->dst, tuple->family);
	return network ? network->zone : KS_ZONE_SELF;
}

/* Makes the packet that would open the flow. */
static void packet_make(struct reviewer *reviewer, struct ks_engine *engine, const struct ks_flow_key *key,
			const struct ks_flow *flow, const struct ks_translation *translation)
{
	struct ks_inspection *insp = &reviewer->insp;
	struct ks_tuple *tuple = &insp->pkt.tuple;

	tuple_of(key, flow, translation, tuple);
	insp->pkt.icmp_type = insp->pkt.icmp_code = 0;
	if (ks_proto_is_icmp(key->proto)) {
		insp->pkt.icmp_type = (__u8)(ks_be16(tuple->dport) >> KS_ICMP_TYPE_SHIFT);
		insp->pkt.icmp_code = (__u8)ks_be16(tuple->dport);
	}
	insp->sent = *tuple;
	insp->translate = 0;
	insp->home = (struct ks_insp_home){ .from = flow->zone[KS_ORIGINAL], .dry = 1, .halves = KS_TRANSLATE_BOTH };
	insp->to = translation->present[KS_ORIGINAL] ? (__u8)zone_of(engine, tuple, insp->home.from)
						     : flow->zone[KS_REPLY];
	insp->opening = (struct ks_insp_opening){ 0 };
	reviewer->frame.from = insp->home.from;
	engine->frame = &reviewer->frame;
}

static bool is_destination(const struct ks_flow_key *key, const struct ks_flow *flow, const struct ks_tuple *tuple)
{
	__u32 side = !ks_flow_orig_side(flow);

	return ks_addr_equal(&tuple->dst, &key->addr[side]) && tuple->dport == key->port[side];
}

static bool range_holds(const struct ks_target *target, __u8 family, const struct ks_addr *addr)
{
	__u64 high = ks_be64(addr->d[0]), low = ks_be64(addr->d[1]);

	if (family == KS_IPV4) {
		high = 0;
		low = ks_be32(addr->w[3]);
	}
	return high == target->lo[0] && low >= target->lo[1] && low <= target->hi[1];
}

/* Returns true if the rule may forward to the flow's destination: of several, or of a range, another may be chosen than was. */
static bool may_forward(struct ks_env *env, const struct ks_inspection *insp, const struct ks_decision *decision,
			const struct ks_flow_key *key, const struct ks_flow *flow)
{
	__u32 side = !ks_flow_orig_side(flow);

	for (__u32 i = 0; i < decision->targets; i++) {
		const struct ks_target *target = env_target(env, decision->target + i);
		__u32 port = ks_be16(insp->sent.dport);

		if (!target)
			continue;
		if (target->flags & KS_TARGET_PORTS && key->proto != KS_PROTO_ICMP && key->proto != KS_PROTO_ICMPV6)
			port = target->port_lo + (target->flags & KS_TARGET_PORT_OFFSET ? port - target->port_from : 0);
		if (port != ks_be16(key->port[side]))
			continue;
		if (target->kind == KS_TARGET_SELF ? flow->zone[KS_REPLY] == KS_ZONE_SELF
						   : range_holds(target, key->family, &key->addr[side]))
			return true;
	}
	return false;
}

static enum ks_review redirected(const struct ks_translation *translation, bool is_translated)
{
	return translation->present[KS_ORIGINAL] && is_translated ? KS_REVIEW_RETARGETED : KS_REVIEW_REDIRECTED;
}

/*
 * Where there is no way to its destination, the flow opens by the rule of a zone that gives it another one, as in core/open.c.
 * *decision becomes that rule's, if there is one.
 */
static void ask_other_zones(struct ks_engine *engine, const struct ks_inspection *insp, struct ks_question *question,
			    struct ks_decision *decision)
{
	const struct ks_world *world = ks_engine_world(engine);
	__u64 zones = world ? world->other_zones(&insp->sent, insp->home.from, world->arg) : 0;

	for (__u32 zone = 0; zone < KS_ZONE_MAX; zone++) {
		struct ks_decision other = { 0 };

		question->to = (__u8)zone;
		if (!(zones >> zone & 1) || ks_rules_ask(ks_engine_env(engine), question, &other) != KS_ALLOW ||
		    !other.targets)
			continue;
		*decision = other;
		return;
	}
}

/* The flow under a decision of the filter. `is_arrived`: a mapping, or a 1:1 translation, gave it its destination. */
static enum ks_review decision_judge(const struct reviewer *reviewer, struct ks_env *env,
				     const struct ks_decision *decision, const struct ks_flow_key *key,
				     const struct ks_flow *flow, const struct ks_translation *translation,
				     bool is_arrived)
{
	const struct ks_inspection *insp = &reviewer->insp;

	if (decision->action == KS_BYPASS)
		return KS_REVIEW_ALLOWED;
	if (decision->action != KS_ALLOW)
		return KS_REVIEW_DENIED;
	if (decision->targets)
		return may_forward(env, insp, decision, key, flow) ? KS_REVIEW_ALLOWED : redirected(translation, true);
	return is_destination(key, flow, &insp->sent) ? KS_REVIEW_ALLOWED : redirected(translation, is_arrived);
}

/*
 * Asks the filter, and where the flow would go. The packet that opened it is gone: a rule whose conditions nobody can answer any
 * more may have matched, or one behind it.
 */
static enum ks_review ask_filter(struct reviewer *reviewer, struct ks_engine *engine, const struct ks_flow_key *key,
				 const struct ks_flow *flow, const struct ks_translation *translation,
				 struct ks_decision *decision)
{
	struct ks_inspection *insp = &reviewer->insp;
	struct ks_env *env = ks_engine_env(engine);
	struct ks_question question;
	enum ks_review review;
	bool is_arrived;

	packet_make(reviewer, engine, key, flow, translation);
	ks_nat_arrive(env, engine->tables.config, insp);
	is_arrived = !ks_addr_equal(&insp->sent.dst, &insp->pkt.tuple.dst);
	if (is_arrived)
		insp->to = flow->zone[KS_REPLY];
	question = (struct ks_question){ 0 };
	ks_question_make(insp, &insp->sent, KS_LIST_FILTER, &question);
	question.facts.of = KS_FACTS_ANY;
	ks_rules_ask(env, &question, decision);
	if (decision->action != KS_ALLOW && insp->to == KS_ZONE_UNDECIDED)
		ask_other_zones(engine, insp, &question, decision);
	review = decision_judge(reviewer, env, decision, key, flow, translation, is_arrived);
	while (review != KS_REVIEW_ALLOWED && decision->flags & KS_RULE_MAY_MISS) {
		ks_rules_ask_behind(env, &question, decision);
		review = decision_judge(reviewer, env, decision, key, flow, translation, is_arrived);
	}
	return review;
}

/* --- the source --- */

static bool same_bits(const struct ks_addr *a, const struct ks_addr *b, __u32 from, __u32 bits)
{
	for (__u32 bit = from; bit < from + bits; bit++) {
		if ((a->b[bit / 8] ^ b->b[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	}
	return true;
}

/* Returns true if the target puts its prefix before an address to get this one. */
static bool prefix_holds(const struct ks_target *target, __u8 family, const struct ks_addr *addr)
{
	struct ks_addr prefix = { 0 };

	if (family == KS_IPV4)
		ks_addr_set_ipv4(&prefix, ks_be32((__u32)target->lo[1]));
	else
		prefix.d[0] = ks_be64(target->lo[0]), prefix.d[1] = ks_be64(target->lo[1]);
	return same_bits(&prefix, addr, family == KS_IPV4 ? IPV4_FIRST_BIT : 0, target->prefix);
}

/* The address that the flow's source is known by may be the one that the interface has now, whatever rule it came from. */
static bool is_masqueraded(struct ks_engine *engine, const struct ks_flow *flow, __u8 family,
			   const struct ks_addr *name)
{
	const struct ks_world *world = ks_engine_world(engine);
	struct ks_addr addr;
	bool has;

	if (flow->flags & KS_FLOW_MASQUERADED || flow->zone[KS_ORIGINAL] == KS_ZONE_SELF)
		return true;
	if (world)
		has = world->address_of(flow->zone[KS_REPLY], family, &addr, world->arg);
	else
		has = env_address_of(ks_engine_env(engine), KS_REPLY, flow->zone[KS_REPLY], family, &addr);
	return has && ks_addr_equal(&addr, name);
}

static bool gives_name(struct ks_engine *engine, const struct ks_target *target, const struct ks_flow *flow,
		       __u8 family, const struct ks_addr *name)
{
	switch (target->kind) {
	case KS_TARGET_MASQUERADE:
		return is_masqueraded(engine, flow, family, name);
	case KS_TARGET_RANGE:
		return range_holds(target, family, name);
	case KS_TARGET_PREFIX:
	case KS_TARGET_NPT:
		return prefix_holds(target, family, name);
	default:
		return false;
	}
}

/* The name by which the other side knows the flow's source: another address than its own, or that. */
struct source_name {
	const struct ks_addr *addr;
	bool is_another;
};

/* Returns true if a decision of the list of sources gives the flow this name. */
static bool decision_keeps_name(struct ks_engine *engine, const struct ks_decision *decision,
				const struct ks_flow_key *key, const struct ks_flow *flow,
				const struct ks_translation *translation, const struct source_name *name)
{
	static const struct ks_target masquerade = { .kind = KS_TARGET_MASQUERADE };
	struct ks_env *env = ks_engine_env(engine);
	const struct ks_target *target = decision->targets ? env_target(env, decision->target) : NULL;

	if (!target && translation->present[KS_ORIGINAL] && flow->zone[0] == flow->zone[1])
		return gives_name(engine, &masquerade, flow, key->family, name->addr);
	if (!target || target->kind == KS_TARGET_EXEMPT)
		return !name->is_another;
	for (__u32 i = 0; target && i < decision->targets; i++) {
		target = env_target(env, decision->target + i);
		if (target && gives_name(engine, target, flow, key->family, name->addr))
			return true;
	}
	return false;
}

/* Returns true if the policy gives the flow's source the name that it has, be it its own. */
static bool keeps_name(struct reviewer *reviewer, const struct ks_flow_key *key, const struct ks_flow *flow,
		       const struct ks_translation *translation)
{
	struct ks_engine *engine = reviewer->policy;
	struct ks_env *env = ks_engine_env(engine);
	const struct ks_addr *own = &key->addr[ks_flow_orig_side(flow)];
	bool is_another = translation->present[KS_REPLY] && !ks_addr_equal(&translation->addr[KS_REPLY], own);
	const struct source_name name = { is_another ? &translation->addr[KS_REPLY] : own, is_another };
	struct ks_question question = { .list = KS_LIST_SOURCE,
					.from = flow->zone[KS_ORIGINAL],
					.to = flow->zone[KS_REPLY],
					.facts.of = KS_FACTS_ANY };
	const struct ks_translation none = { 0 };
	struct ks_decision decision = { 0 };
	bool keeps;

	if (flow->zone[KS_REPLY] == KS_ZONE_SELF)
		return !is_another;
	tuple_of(key, flow, &none, &question.tuple);
	question.icmp = (__u16)(reviewer->insp.pkt.icmp_type << KS_ICMP_TYPE_SHIFT | reviewer->insp.pkt.icmp_code);
	if (engine->tables.config->list[KS_LIST_SOURCE].count)
		ks_rules_ask(env, &question, &decision);
	keeps = decision_keeps_name(engine, &decision, key, flow, translation, &name);
	while (!keeps && decision.flags & KS_RULE_MAY_MISS) {
		ks_rules_ask_behind(env, &question, &decision);
		keeps = decision_keeps_name(engine, &decision, key, flow, translation, &name);
	}
	return keeps;
}

/* --- what needs no rule --- */

static void list_add(struct reviewer *reviewer, struct list *list, const void *item, size_t size)
{
	size_t room = list->room ? list->room * 2 : 64;

	if (list->count == list->room) {
		void *items = realloc(list->items, room * size);

		if (!items) {
			reviewer->no_memory = true;
			return;
		}
		list->items = items;
		list->room = room;
	}
	memcpy((char *)list->items + list->count++ * size, item, size);
}

static int control_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct control_end));
}

/* By the outer endpoint only. */
static int outer_order(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct outer_end, rule));
}

static void note_control(struct reviewer *reviewer, const struct ks_flow_key *key, const struct ks_flow *flow,
			 const struct ks_translation *translation)
{
	struct ks_decision decision = { 0 };

	if (ks_state_is_closed(flow->state) ||
	    ask_filter(reviewer, reviewer->policy, key, flow, translation, &decision) != KS_REVIEW_ALLOWED)
		return;
	for (unsigned side = 0; side < 2; side++) {
		const struct control_end end = { .rule = flow->rule, .addr = key->addr[side] };

		list_add(reviewer, &reviewer->controls, &end, sizeof(end));
	}
}

static void read_translation(const struct reviewer *reviewer, const struct ks_flow_key *key, const struct ks_flow *flow,
			     struct ks_translation *translation)
{
	ks_translation_read(reviewer->table->buckets, reviewer->table->count, key, flow, translation);
}

/* Takes note of an entry that flows may rely on. */
static int note_entry(const struct ks_flow_key *key, const struct ks_flow *entry, void *arg)
{
	const struct ks_mapping *mapping = &ks_record_of(entry)->mapping;
	struct reviewer *reviewer = arg;
	struct ks_translation translation;

	if (ks_flow_is_shown(key, entry) && entry->helper) {
		read_translation(reviewer, key, entry, &translation);
		note_control(reviewer, key, entry, &translation);
	}
	if (key->kind == KS_KIND_MAPPING_IN && entry->state == KS_STATE_MAPPING) {
		const struct outer_end end = { .addr = key->addr[0],
					       .port = key->port[0],
					       .proto = key->proto,
					       .rule = mapping->rule,
					       .inner_addr = mapping->addr,
					       .inner_port = mapping->port };

		list_add(reviewer, &reviewer->outers, &end, sizeof(end));
	}
	return reviewer->no_memory ? -ENOMEM : 0;
}

static void notes_sort(struct reviewer *reviewer)
{
	if (reviewer->controls.count)
		qsort(reviewer->controls.items, reviewer->controls.count, sizeof(struct control_end), control_order);
	if (reviewer->outers.count)
		qsort(reviewer->outers.items, reviewer->outers.count, sizeof(struct outer_end), outer_order);
}

/* Returns true if a control connection that stands may have announced the flow, which the rules before did not let open either. */
static bool is_announced(struct reviewer *reviewer, const struct ks_flow_key *key, const struct ks_flow *flow,
			 const struct ks_translation *translation)
{
	struct ks_decision decision = { 0 };

	if (!reviewer->controls.count || !reviewer->before ||
	    ask_filter(reviewer, reviewer->before, key, flow, translation, &decision) == KS_REVIEW_ALLOWED)
		return false;
	for (unsigned side = 0; side < 2; side++) {
		const struct control_end end = { .rule = flow->rule, .addr = key->addr[side] };

		if (bsearch(&end, reviewer->controls.items, reviewer->controls.count, sizeof(end), control_order))
			return true;
	}
	return false;
}

/* Returns true if the policy has a rule of this id that allows. */
static bool rule_allows(struct ks_engine *engine, __u32 id)
{
	const struct ks_config *config = engine->tables.config;

	for (__u32 i = 0; i < config->rules; i++) {
		if (engine->tables.rules[i].id == id && engine->tables.rules[i].action == KS_ALLOW)
			return true;
	}
	return false;
}

/* Returns true if the flow came in by a mapping that leads to its destination still, and whose rule is there. */
static bool is_mapped(struct reviewer *reviewer, const struct ks_flow_key *key, const struct ks_flow *flow,
		      const struct ks_translation *translation)
{
	__u32 side = !ks_flow_orig_side(flow);
	struct outer_end end = { .addr = translation->addr[KS_ORIGINAL],
				 .port = translation->port[KS_ORIGINAL],
				 .proto = key->proto };
	const struct outer_end *found;

	if (!translation->present[KS_ORIGINAL] || !reviewer->outers.count)
		return false;
	found = bsearch(&end, reviewer->outers.items, reviewer->outers.count, sizeof(end), outer_order);
	return found && ks_addr_equal(&found->inner_addr, &key->addr[side]) && found->inner_port == key->port[side] &&
	       rule_allows(reviewer->policy, found->rule);
}

static enum ks_review flow_ask(struct reviewer *reviewer, const struct ks_flow_key *key, const struct ks_flow *flow,
			       const struct ks_translation *translation, struct ks_decision *decision)
{
	enum ks_review review = ask_filter(reviewer, reviewer->policy, key, flow, translation, decision);
	bool is_ruled = decision->index != KS_DECISION_DEFAULT;

	if (review == KS_REVIEW_ALLOWED)
		return keeps_name(reviewer, key, flow, translation) ? KS_REVIEW_ALLOWED : KS_REVIEW_RENAMED;
	if (!is_ruled && is_mapped(reviewer, key, flow, translation))
		return KS_REVIEW_ALLOWED;
	return is_announced(reviewer, key, flow, translation) ? KS_REVIEW_ALLOWED : review;
}

static int review_entry(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct reviewer *reviewer = arg;
	struct ks_translation translation;
	struct ks_reviewed reviewed = { .key = key, .flow = flow, .translation = &translation };

	if (!ks_flow_is_shown(key, flow))
		return 0;
	read_translation(reviewer, key, flow, &translation);
	reviewed.review = flow_ask(reviewer, key, flow, &translation, &reviewed.decision);
	return reviewer->fn(&reviewed, reviewer->arg);
}

void ks_review_engine_table(const struct ks_engine *engine, struct ks_review_table *table)
{
	*table = (struct ks_review_table){ .buckets = engine->buckets,
					   .count = engine->shape.buckets,
					   .now = engine->now };
}

int ks_review_flows(const struct ks_review_table *table, const struct ks_asked *policy, const struct ks_asked *before,
		    ks_review_fn *fn, void *arg)
{
	ks_scoped(auto_reviewer) struct reviewer reviewer = {
		.policy = policy->engine, .before = before ? before->engine : NULL, .table = table, .fn = fn, .arg = arg
	};
	int err = ks_entries_each(table->buckets, table->count, table->now, note_entry, &reviewer);

	if (err)
		return err;
	notes_sort(&reviewer);
	return ks_entries_each(table->buckets, table->count, table->now, review_entry, &reviewer);
}
