/* SPDX-License-Identifier: BSD-2-Clause */
/* See judge.h. */
#include "saved/judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/track/icmp_error.h"

/* The reason to expect a flow: two hosts have a control connection, or there is a mapping with this inner endpoint. */
struct parent {
	struct ks_addr addr[2]; /* the second of a mapping: zeros */
	__be16 port; /* of a mapping, else 0 */
	__u8 proto; /* the same */
	__u8 zero[5];
};

_Static_assert(sizeof(struct parent) == 40, "parents are compared as bytes");

struct ks_saved_judge {
	struct ks_engine *engine;
	const struct ks_policy *policy;
	struct parent *parents; /* sorted */
	size_t count, room;
	__u32 first[KS_RULE_ID_MAX]; /* of each rule: its first entry in the filter, or KS_DECISION_DEFAULT */
};

/* --- parents --- */

static int compare_parents(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct parent));
}

static int add_parent(struct ks_saved_judge *judge, const struct parent *parent)
{
	if (judge->count == judge->room) {
		size_t room = judge->room ? judge->room * 2 : 64;
		struct parent *parents = reallocarray(judge->parents, room, sizeof(*parents));

		if (!parents)
			return -ENOMEM;
		judge->parents = parents;
		judge->room = room;
	}
	judge->parents[judge->count++] = *parent;
	return 0;
}

static struct parent pair_of(const struct ks_flow_key *key)
{
	return (struct parent){ .addr = { key->addr[0], key->addr[1] } };
}

static struct parent inner_end(const struct ks_addr *addr, __be16 port, __u8 proto)
{
	return (struct parent){ .addr = { *addr }, .port = port, .proto = proto };
}

static int note_parent(const struct ks_saved_entry *entry, void *arg)
{
	const struct ks_flow_key *key = &entry->of.key;
	const struct ks_mapping *mapping = &ks_record_of(&entry->of.flow)->mapping;
	struct parent parent;

	if (key->kind == KS_KIND_FLOW && entry->of.flow.helper)
		parent = pair_of(key);
	else if (key->kind == KS_KIND_MAPPING_IN)
		parent = inner_end(&mapping->addr, mapping->port, key->proto);
	else
		return 0;
	return add_parent(arg, &parent);
}

static bool has_parent(const struct ks_saved_judge *judge, const struct parent *parent)
{
	return judge->count && bsearch(parent, judge->parents, judge->count, sizeof(*parent), compare_parents) != NULL;
}

/* Keys have the lower endpoint first, so the two hosts can stand in either order. */
static bool is_expected(const struct ks_saved_judge *judge, const struct ks_transplant *of)
{
	__u32 answers = !ks_flow_orig_side(&of->flow);
	struct parent pair = pair_of(&of->key),
		      end = inner_end(&of->key.addr[answers], of->key.port[answers], of->key.proto);
	const struct parent turned = { .addr = { pair.addr[1], pair.addr[0] } };

	return has_parent(judge, &pair) || has_parent(judge, &turned) || has_parent(judge, &end);
}

/* --- rules --- */

/* The question that the opening packet asked; `answers` is the key in which its destination stands. */
static struct ks_question question_of(const struct ks_transplant *of, const struct ks_flow_key *key, __u32 side,
				      __u8 to)
{
	struct ks_question q = { .list = KS_LIST_FILTER, .from = of->flow.zone[KS_ORIGINAL], .to = to };

	q.tuple = (struct ks_tuple){ .src = key->addr[side],
				     .dst = key->addr[!side],
				     .sport = key->port[side],
				     .dport = key->port[!side],
				     .proto = key->proto,
				     .family = key->family };
	if (key->proto == KS_PROTO_ICMP || key->proto == KS_PROTO_ICMPV6)
		q.icmp = ks_be16(q.tuple.dport);
	return q;
}

static struct ks_decision ask(const struct ks_saved_judge *judge, struct ks_question *question)
{
	struct ks_decision decision = { 0 };

	ks_rules_ask(ks_engine_env(judge->engine), question, &decision);
	return decision;
}

/* Returns true if the flow's rule is in the policy and no rule before it decides. */
static bool own_rule_stands(const struct ks_saved_judge *judge, const struct ks_transplant *of,
			    const struct ks_decision *decision)
{
	__u32 first = of->flow.rule ? judge->first[of->flow.rule] : KS_DECISION_DEFAULT;

	return first != KS_DECISION_DEFAULT && decision->index >= first;
}

static bool is_forward(const struct ks_saved_judge *judge, __u16 rule)
{
	const struct ks_rule_info *info = ks_policy_rule(judge->policy, rule);

	return info && (info->statement == KS_STATEMENT_FORWARD || info->statement == KS_STATEMENT_REDIRECT);
}

/* The destination that the originator knows is the box's own, or any that the rule names: a forward asks for no zone of it. */
static bool forward_stands(const struct ks_saved_judge *judge, const struct ks_transplant *of)
{
	struct ks_question q =
		question_of(of, &of->alias_key[KS_ORIGINAL], ks_flow_orig_side(&of->alias[KS_ORIGINAL]), KS_ZONE_SELF);
	struct ks_decision decision = ask(judge, &q);

	return own_rule_stands(judge, of, &decision);
}

bool ks_saved_judge_allows(const struct ks_saved_judge *judge, const struct ks_transplant *of, __u16 *rule)
{
	struct ks_question q = question_of(of, &of->key, ks_flow_orig_side(&of->flow), of->flow.zone[KS_REPLY]);
	struct ks_decision decision;

	*rule = of->flow.rule;
	if (of->has_alias[KS_ORIGINAL] && is_forward(judge, *rule))
		return forward_stands(judge, of);
	decision = ask(judge, &q);
	if (decision.action == KS_ALLOW && !decision.targets) {
		/* One whose conditions nobody can answer any more may not have been the flow's. */
		if (!(decision.flags & KS_RULE_MAY_MISS) || judge->first[of->flow.rule] == KS_DECISION_DEFAULT)
			*rule = (__u16)decision.id;
		return true;
	}
	return own_rule_stands(judge, of, &decision) && is_expected(judge, of);
}

/* --- life --- */

static void note_rules(struct ks_saved_judge *judge)
{
	const struct ks_policy *policy = judge->policy;

	memset(judge->first, 0xff, sizeof(judge->first));
	for (__u32 i = policy->config.rules; i-- > 0;)
		judge->first[policy->rules[i].id] = i;
}

int ks_saved_judge_create(const struct ks_saved *saved, struct ks_engine *engine, const struct ks_policy *policy,
			  struct ks_saved_judge **judge)
{
	ks_auto_saved_judge struct ks_saved_judge *new = calloc(1, sizeof(*new));
	int err;

	if (!new)
		return -ENOMEM;
	new->engine = engine;
	new->policy = policy;
	err = ks_saved_each(saved, note_parent, new);
	if (err)
		return err;
	if (new->count)
		qsort(new->parents, new->count, sizeof(*new->parents), compare_parents);
	note_rules(new);
	*judge = TAKE(new);
	return 0;
}

void ks_saved_judge_destroy(struct ks_saved_judge *judge)
{
	if (!judge)
		return;
	free(judge->parents);
	free(judge);
}
