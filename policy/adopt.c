/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See adopt.h. Everything that can fail is done before the policy is changed.
 * The texts are sorted to be paired, so the cost is that of sorting.
 */
#include "policy/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tree.h"

void ks_ids_fini(struct ks_ids *ids)
{
	for (size_t i = 0; i < ids->rule_count; i++)
		free(ids->rules[i].text);
	free(ids->rules);
	for (unsigned id = 0; id < KS_ZONE_MAX; id++)
		free(ids->zones[id]);
	*ids = (struct ks_ids){ 0 };
}

/* The caller has made room for it. */
static int add_rule(struct ks_ids *ids, __u32 id, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	ids->rules[ids->rule_count++] = (struct ks_rule_id){ .id = id, .text = copy };
	return 0;
}

/* Adds the rules of a policy, and reserves room behind them for those that are gone. */
static int add_policy_rules(struct ks_ids *ids, const struct ks_policy *policy)
{
	int err = 0;

	ids->rules = calloc(policy->info_count + KS_IDS_GONE_MAX, sizeof(*ids->rules));
	if (!ids->rules)
		return -ENOMEM;
	for (size_t i = 0; !err && i < policy->info_count; i++)
		err = add_rule(ids, policy->infos[i].id, policy->infos[i].identity);
	return err;
}

static int name_zone(struct ks_ids *ids, unsigned id, const char *name)
{
	ids->zones[id] = strdup(name);
	return ids->zones[id] ? 0 : -ENOMEM;
}

int ks_ids_of(const struct ks_policy *policy, struct ks_ids *ids)
{
	ks_auto_ids struct ks_ids made = { 0 };
	int err = add_policy_rules(&made, policy);

	for (size_t i = 0; !err && i < policy->zone_count; i++)
		err = name_zone(&made, policy->zones[i].id, policy->zones[i].name);
	if (!err)
		*ids = TAKE_STRUCT(made);
	return err;
}

/* --- rules --- */

/* The text of a rule and the rule's index. */
struct text_at {
	const char *text;
	size_t at;
};

static int compare_texts(const void *a, const void *b)
{
	const struct text_at *left = a, *right = b;
	int order = strcmp(left->text, right->text);

	return order ? order : (left->at > right->at) - (left->at < right->at);
}

/* The texts sorted, for the caller to free; NULL without memory. */
static struct text_at *sort_texts(const struct ks_ids *ids)
{
	struct text_at *list = calloc(ids->rule_count + 1, sizeof(*list));

	if (!list)
		return NULL;
	for (size_t i = 0; i < ids->rule_count; i++)
		list[i] = (struct text_at){ .text = ids->rules[i].text, .at = i };
	qsort(list, ids->rule_count, sizeof(*list), compare_texts);
	return list;
}

/*
 * Gives each rule whose text was there before the id of that text; the others get KS_RULE_DEFAULT, which is none. An id
 * can be in use already only if a damaged ledger has it twice.
 */
static int pair_rules(const struct ks_ids *old, struct ks_ids *new, bool *used)
{
	ks_auto_free struct text_at *before = sort_texts(old), *after = sort_texts(new);
	size_t i = 0, j = 0;

	if (!before || !after)
		return -ENOMEM;
	for (size_t k = 0; k < new->rule_count; k++)
		new->rules[k].id = KS_RULE_DEFAULT;
	while (i < old->rule_count && j < new->rule_count) {
		int order = strcmp(before[i].text, after[j].text);
		__u32 id = old->rules[before[i].at].id;

		if (order > 0) {
			j++;
			continue;
		}
		if (order == 0 && !used[id]) {
			new->rules[after[j++].at].id = id;
			used[id] = true;
		}
		i++;
	}
	return 0;
}

/* Gives the others ids that no rule has or had; when those run out, ids of rules that are gone. */
static int number_rules(struct ks_ids *new, bool *used, const bool *known)
{
	__u32 next = KS_RULE_DEFAULT + 1, again = next;

	for (size_t i = 0; i < new->rule_count; i++) {
		struct ks_rule_id *rule = &new->rules[i];

		if (rule->id != KS_RULE_DEFAULT)
			continue;
		while (next < KS_RULE_ID_MAX && (used[next] || known[next]))
			next++;
		while (next == KS_RULE_ID_MAX && again < KS_RULE_ID_MAX && used[again])
			again++;
		if (next == KS_RULE_ID_MAX && again == KS_RULE_ID_MAX)
			return -ENOSPC;
		rule->id = next < KS_RULE_ID_MAX ? next : again;
		rule->is_new = true;
		used[rule->id] = true;
	}
	return 0;
}

/* Lists the rules of the policy with their new ids, then the old rules that it lacks. */
static int adopt_rules(const struct ks_ids *old, const struct ks_policy *policy, struct ks_ids *new)
{
	ks_auto_free bool *used = calloc(KS_RULE_ID_MAX, sizeof(*used));
	ks_auto_free bool *known = calloc(KS_RULE_ID_MAX, sizeof(*known));
	int err = used && known ? add_policy_rules(new, policy) : -ENOMEM;

	if (err)
		return err;
	for (size_t i = 0; i < old->rule_count; i++)
		known[old->rules[i].id] = true;
	err = pair_rules(old, new, used);
	if (!err)
		err = number_rules(new, used, known);
	for (size_t i = 0, gone = 0; !err && i < old->rule_count && gone < KS_IDS_GONE_MAX; i++) {
		if (used[old->rules[i].id])
			continue;
		err = add_rule(new, old->rules[i].id, old->rules[i].text);
		used[old->rules[i].id] = true;
		gone++;
	}
	return err;
}

static int compare_limits(const void *a, const void *b)
{
	const struct ks_limit *left = a, *right = b;

	if (left->rule != right->rule)
		return left->rule < right->rule ? -1 : 1;
	return (int)left->order - (int)right->order;
}

/* Gives limits the new ids of their rules. They stay sorted by them. */
static void renumber_limits(struct ks_policy *policy, const struct ks_ids *ids)
{
	for (__u32 i = 0; i < policy->config.limits; i++)
		policy->limits[i].rule = ids->rules[policy->id_info[policy->limits[i].rule] - 1].id;
	if (policy->config.limits)
		qsort(policy->limits, policy->config.limits, sizeof(*policy->limits), compare_limits);
}

/* The table of effects by the new ids, NULL if there is none. Returns 0 or -ENOMEM. */
static int effects_by_id(const struct ks_policy *policy, const struct ks_ids *ids, __u32 highest,
			 struct ks_effects **effects)
{
	*effects = NULL;
	if (!policy->config.effects)
		return 0;
	*effects = calloc(highest + 1, sizeof(**effects));
	if (!*effects)
		return -ENOMEM;
	for (size_t i = 0; i < policy->info_count; i++) {
		if (policy->infos[i].id < policy->config.effects)
			(*effects)[ids->rules[i].id] = policy->effects[policy->infos[i].id];
	}
	return 0;
}

/* The tables by the ids that rules get. */
struct numbering {
	__u32 *id_info;
	struct ks_effects *effects; /* NULL if there is none */
	__u32 count; /* entries of each */
};

static void numbering_fini(struct numbering *n)
{
	free(n->id_info);
	free(n->effects);
}

KS_SCOPED_STRUCT(auto_numbering, struct numbering, numbering_fini)
#define auto_numbering ks_scoped(auto_numbering)

/* Makes these tables of a policy, whose rules are the first of `ids`, in the same order. Returns 0 or -ENOMEM. */
static int make_numbering(const struct ks_policy *policy, const struct ks_ids *ids, struct numbering *numbering)
{
	auto_numbering struct numbering made = { 0 };
	__u32 highest = 0;

	for (size_t i = 0; i < policy->info_count; i++)
		highest = KS_MAX(highest, ids->rules[i].id);
	made.count = highest + 1;
	made.id_info = calloc(made.count, sizeof(*made.id_info));
	if (!made.id_info || effects_by_id(policy, ids, highest, &made.effects))
		return -ENOMEM;
	for (size_t i = 0; i < policy->info_count; i++)
		made.id_info[ids->rules[i].id] = (__u32)i + 1;
	*numbering = TAKE_STRUCT(made);
	return 0;
}

/* Writes the ids into the policy, and takes the tables. */
static void renumber_rules(struct ks_policy *policy, const struct ks_ids *ids, struct numbering *numbering)
{
	if (numbering->effects) {
		free(policy->effects);
		policy->effects = TAKE(numbering->effects);
		policy->config.effects = numbering->count;
	}
	renumber_limits(policy, ids);
	for (size_t i = 0; i < policy->info_count; i++)
		policy->infos[i].id = ids->rules[i].id;
	for (__u32 i = 0; i < policy->config.entries; i++)
		policy->rules[i].id = policy->infos[policy->rule_info[i]].id;
	free(policy->id_info);
	policy->id_info = TAKE(numbering->id_info);
	policy->id_count = numbering->count;
}

/* --- zones --- */

static unsigned find_zone(const struct ks_ids *ids, const char *name)
{
	unsigned id = KS_ZONE_FIRST;

	while (id < KS_ZONE_MAX && !(ids->zones[id] && strcmp(ids->zones[id], name) == 0))
		id++;
	return id;
}

/* The lowest id that no zone has or had; when there is none, the lowest that no zone has. */
static unsigned free_zone(const struct ks_ids *old, __u64 taken)
{
	unsigned id = KS_ZONE_FIRST;

	while (id < KS_ZONE_MAX && (taken >> id & 1 || old->zones[id]))
		id++;
	return id < KS_ZONE_MAX ? id : (unsigned)__builtin_ctzll(~taken);
}

/*
 * Maps each id that a zone was loaded with to the id that it gets. Ids without a
 * zone are mapped too, so that the map is a permutation and "any zone", which
 * has all bits, stays any zone. The policy's zones have the lowest ids, so they
 * choose before the ids without a zone.
 */
static void map_zones(const struct ks_ids *old, const struct ks_policy *policy, __u8 map[KS_ZONE_MAX])
{
	__u64 fixed = 1ULL << KS_ZONE_NONE | 1ULL << KS_ZONE_SELF;
	__u64 mapped = fixed, taken = fixed;

	map[KS_ZONE_NONE] = KS_ZONE_NONE;
	map[KS_ZONE_SELF] = KS_ZONE_SELF;
	for (size_t i = 0; i < policy->zone_count; i++) {
		unsigned now = policy->zones[i].id, id = find_zone(old, policy->zones[i].name);

		if (id == KS_ZONE_MAX)
			continue;
		map[now] = (__u8)id;
		mapped |= 1ULL << now;
		taken |= 1ULL << id;
	}
	for (unsigned now = KS_ZONE_FIRST; now < KS_ZONE_MAX; now++) {
		if (mapped >> now & 1)
			continue;
		map[now] = (__u8)free_zone(old, taken);
		taken |= 1ULL << map[now];
	}
}

/* Names the policy's zones by their new ids, and the old zones whose ids are not in use again. */
static int adopt_zones(const struct ks_ids *old, const struct ks_policy *policy, const __u8 map[KS_ZONE_MAX],
		       struct ks_ids *new)
{
	int err = 0;

	for (size_t i = 0; !err && i < policy->zone_count; i++)
		err = name_zone(new, map[policy->zones[i].id], policy->zones[i].name);
	for (unsigned id = KS_ZONE_FIRST; !err && id < KS_ZONE_MAX; id++) {
		if (old->zones[id] && !new->zones[id])
			err = name_zone(new, id, old->zones[id]);
	}
	return err;
}

static __u64 map_mask(__u64 mask, const __u8 map[KS_ZONE_MAX])
{
	__u64 mapped = 0;

	for (unsigned id = 0; id < KS_ZONE_MAX; id++)
		mapped |= (mask >> id & 1) << map[id];
	return mapped;
}

/* Replaces the ids of zones in all tables. */
static void renumber_zones(struct ks_policy *policy, const __u8 map[KS_ZONE_MAX])
{
	struct ks_config *config = &policy->config;
	struct ks_protection protection[KS_ZONE_MAX];
	struct ks_addr address[KS_ZONE_MAX][2];
	__u16 mss[KS_ZONE_MAX], mtu[KS_ZONE_MAX];

	for (size_t i = 0; i < policy->zone_count; i++)
		policy->zones[i].id = map[policy->zones[i].id];
	for (__u32 i = 0; i < config->entries; i++) {
		policy->rules[i].from_zones = map_mask(policy->rules[i].from_zones, map);
		policy->rules[i].to_zones = map_mask(policy->rules[i].to_zones, map);
	}
	for (__u32 i = 0; i < config->targets; i++) {
		if (policy->targets[i].zone < KS_ZONE_MAX)
			policy->targets[i].zone = map[policy->targets[i].zone];
	}
	for (size_t i = 0; i < policy->address_set_count; i++)
		policy->address_sets[i].zone = map[policy->address_sets[i].zone];
	memcpy(address, config->address, sizeof(address));
	memcpy(protection, config->protection, sizeof(protection));
	memcpy(mss, config->mss, sizeof(mss));
	memcpy(mtu, config->mtu, sizeof(mtu));
	for (unsigned id = 0; id < KS_ZONE_MAX; id++) {
		memcpy(config->address[map[id]], address[id], sizeof(address[id]));
		config->protection[map[id]] = protection[id];
		config->mss[map[id]] = mss[id];
		config->mtu[map[id]] = mtu[id];
	}
	config->addressed = map_mask(config->addressed, map);
	config->antispoof = map_mask(config->antispoof, map);
	config->challenge_always = map_mask(config->challenge_always, map);
	config->challenge_never = map_mask(config->challenge_never, map);
	for (unsigned family = 0; family < KS_ARRAY_SIZE(config->outside); family++)
		config->outside[family] = map_mask(config->outside[family], map);
	for (__u32 i = 0; i < config->networks; i++)
		config->network[i].zone = map[config->network[i].zone];
}

static bool zones_differ(const __u8 map[KS_ZONE_MAX])
{
	for (unsigned id = 0; id < KS_ZONE_MAX; id++) {
		if (map[id] != id)
			return true;
	}
	return false;
}

/* Gives zones their new ids, and makes trees by them. Returns 0, or -ENOMEM: then all is as before. */
static int zones_change(struct ks_policy *policy, const __u8 map[KS_ZONE_MAX])
{
	__u8 back[KS_ZONE_MAX];
	int err;

	renumber_zones(policy, map);
	err = zones_differ(map) ? ks_tree_make(policy) : 0;
	if (!err)
		return 0;
	for (unsigned id = 0; id < KS_ZONE_MAX; id++)
		back[map[id]] = (__u8)id;
	renumber_zones(policy, back);
	return err;
}

int ks_ids_adopt(const struct ks_ids *old, struct ks_policy *policy, struct ks_ids *new)
{
	auto_numbering struct numbering numbering = { 0 };
	ks_auto_ids struct ks_ids made = { 0 };
	__u8 map[KS_ZONE_MAX];
	int err = adopt_rules(old, policy, &made);

	map_zones(old, policy, map);
	if (!err)
		err = adopt_zones(old, policy, map, &made);
	if (!err)
		err = make_numbering(policy, &made, &numbering);
	if (!err)
		err = zones_change(policy, map);
	if (err)
		return err;
	renumber_rules(policy, &made, &numbering);
	*new = TAKE_STRUCT(made);
	return 0;
}

__u64 ks_ids_gone_zones(const struct ks_ids *ids, const struct ks_policy *policy)
{
	__u64 gone = 0;

	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		if (ids->zones[id] && ks_policy_zone_id(policy, ids->zones[id]) < 0)
			gone |= 1ULL << id;
	}
	return gone;
}

__u64 ks_ids_taken_zones(const struct ks_ids *old, const struct ks_ids *new)
{
	__u64 taken = 0;

	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		if (old->zones[id] && new->zones[id] && strcmp(old->zones[id], new->zones[id]) != 0)
			taken |= 1ULL << id;
	}
	return taken;
}
