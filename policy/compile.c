/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiles the checked tree into the tables of core/rules.h. Named sets come
 * first, in the order of the text, then the lists that rules have themselves;
 * equal contents share one set. A rule of several protocols becomes an entry
 * for each, with one id; so does one that translates to addresses of both
 * families. Each list of core/rules.h is filled by itself; join_lists() puts
 * them one behind the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/compile.h"
#include "policy/condition.h"
#include "policy/effect.h"
#include "policy/helper.h"
#include "policy/icmp.h"
#include "policy/limit.h"
#include "policy/print.h"
#include "policy/protect.h"
#include "policy/reach.h"
#include "policy/sets.h"
#include "policy/tree.h"

/* --- tables --- */

int ks_compile_reserve(void *arrayp, size_t *room, size_t count, size_t more, size_t size)
{
	void **array = arrayp, *grown;
	size_t wanted = *room ? *room : 16;

	while (wanted < count + more)
		wanted *= 2;
	if (wanted == *room)
		return 0;
	grown = realloc(*array, wanted * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*room = wanted;
	return 0;
}

static bool same_content(const void *owner, __u32 value, const void *key)
{
	const struct ks_policy *policy = owner;
	const struct ks_set *set = &policy->sets[value];
	const struct ks_merged *merged = key;

	return set->count4 == merged->count4 && set->count6 == merged->count6 && set->dynamic == merged->dynamic &&
	       !memcmp(policy->ranges + set->first4, merged->ranges,
		       (set->count4 + set->count6) * sizeof(struct ks_range));
}

int ks_compile_set(struct ks_compiler *c, const struct ks_merged *merged, __u32 *set)
{
	struct ks_config *config = &c->policy->config;
	size_t count = merged->count4 + merged->count6;
	__u64 hash = ks_hash_bytes(merged->count4 + merged->dynamic, merged->ranges, count * sizeof(*merged->ranges));
	long found = ks_index_find(&c->sets, hash, same_content, c->policy, merged);

	if (found >= 0) {
		*set = (__u32)found;
		return 0;
	}
	if (config->ranges + count > KS_RANGES_MAX)
		return -ENOSPC;
	if (ks_compile_reserve(&c->policy->sets, &c->set_room, config->sets, 1, sizeof(struct ks_set)) ||
	    ks_compile_reserve(&c->policy->ranges, &c->range_room, config->ranges, count, sizeof(struct ks_range)) ||
	    ks_index_add(&c->sets, hash, config->sets))
		return -ENOMEM;
	memcpy(c->policy->ranges + config->ranges, merged->ranges, count * sizeof(*merged->ranges));
	c->policy->sets[config->sets] = (struct ks_set){
		.first4 = config->ranges,
		.count4 = (__u32)merged->count4,
		.first6 = config->ranges + (__u32)merged->count4,
		.count6 = (__u32)merged->count6,
		.dynamic = merged->dynamic,
	};
	config->ranges += (__u32)count;
	*set = config->sets++;
	return 0;
}

int ks_compile_too_many(struct ks_compiler *c, const struct ks_place *place, int err)
{
	if (err != -ENOSPC)
		return ks_parser_no_memory(c->p);
	return ks_parser_error_at(c->p, place, "the policy's sets have more than %u ranges together", KS_RANGES_MAX);
}

static void note_dynamic(struct ks_config *config, const struct ks_ast_set *set, struct ks_set_info *info)
{
	info->dynamic = set->dynamic;
	if (!set->dynamic)
		return;
	info->number = set->number;
	info->initial = set->initial;
	info->initial_count = set->initial_count;
	info->fixed_count = set->items.count;
	info->hosts = set->hosts;
	info->host_count = set->host_count;
	config->dynamic[set->number] = set->settings;
	config->dynamics++;
}

static int compile_sets(struct ks_compiler *c)
{
	const struct ks_ast *ast = c->p->ast;
	struct ks_policy *policy = c->policy;

	policy->set_infos = ks_arena_alloc(c->p->arena, (ast->set_count + 1) * sizeof(*policy->set_infos));
	if (!policy->set_infos)
		return ks_parser_no_memory(c->p);
	for (size_t i = 0; i < ast->set_count; i++) {
		const struct ks_ast_set *set = &ast->sets[i];
		struct ks_set_info *info = &policy->set_infos[i];
		int err = ks_compile_set(c, &set->merged, &info->set);

		if (err)
			return ks_compile_too_many(c, &set->name.place, err);
		info->name = (char *)set->name.text;
		info->place = set->name.place;
		info->ports = set->ports;
		note_dynamic(&policy->config, set, info);
	}
	policy->set_info_count = ast->set_count;
	return 0;
}

/* Finds the set of a condition: KS_SET_ANY without one. */
static int compile_match(struct ks_compiler *c, const struct ks_match *match, __u32 *set)
{
	ks_auto_merged struct ks_merged merged = { 0 };
	const struct ks_ast_set *named;
	int err;

	*set = KS_SET_ANY;
	if (!match->present)
		return 0;
	if (match->address_of.text)
		return ks_compile_address_set(c, match, set);
	if (match->items.count == 1 &&
	    match->items.list[0].set) { /* a named set alone is not merged again for every rule */
		named = ks_ast_find_set(c->p->ast, match->items.list[0].set);
		*set = c->policy->set_infos[named - c->p->ast->sets].set;
		return 0;
	}
	err = ks_items_merge(c->p->ast, &match->items, true, &merged);
	if (!err)
		err = ks_compile_set(c, &merged, set);
	return err ? ks_compile_too_many(c, &match->place, err) : 0;
}

/* Makes the set of a rule's ICMP types for one of its protocols; names of the other are left out. */
static int compile_types(struct ks_compiler *c, const struct ks_ast_rule *rule, unsigned proto, __u32 *set)
{
	ks_auto_merged struct ks_merged merged = { 0 };
	struct ks_items items = { 0 };
	int err;

	items.list = ks_arena_alloc(c->p->scratch, (rule->type_count + 1) * sizeof(*items.list));
	if (!items.list)
		return ks_parser_no_memory(c->p);
	for (size_t i = 0; i < rule->type_count; i++) {
		__s32 type = rule->types[i].type, code = -1;
		struct ks_item *item = &items.list[items.count];

		if (rule->types[i].name && ks_icmp_lookup(proto, rule->types[i].name, &type, &code))
			continue;
		code = rule->types[i].code >= 0 ? rule->types[i].code : code;
		item->family = KS_IPV4;
		item->range.lo[1] = (__u64)type << 8 | (__u64)(code >= 0 ? code : 0);
		item->range.hi[1] = (__u64)type << 8 | (__u64)(code >= 0 ? code : 255);
		items.count++;
	}
	err = ks_items_merge(c->p->ast, &items, false, &merged);
	if (!err)
		err = ks_compile_set(c, &merged, set);
	return err ? ks_compile_too_many(c, &rule->types_place, err) : 0;
}

/* --- rules --- */

int ks_compile_entry(struct ks_compiler *c, enum ks_list list, const struct ks_rule *entry, size_t info)
{
	struct ks_compiled_list *to = &c->lists[list];

	if (c->policy->config.entries >= KS_RULES_MAX)
		return ks_parser_error_at(
			c->p, &c->policy->infos[info].place,
			"the policy's rules have more than %d entries (one for each protocol of a rule)", KS_RULES_MAX);
	if (ks_compile_reserve(&to->rules, &to->room, to->count, 1, sizeof(*entry)) ||
	    ks_compile_reserve(&to->infos, &to->info_room, to->count, 1, sizeof(__u32)))
		return ks_parser_no_memory(c->p);
	to->rules[to->count] = *entry;
	to->infos[to->count++] = (__u32)info;
	c->policy->config.entries++;
	return 0;
}

/* Fills what all entries of a rule have in common. */
static int begin_entry(struct ks_compiler *c, const struct ks_ast_rule *rule, __u32 id, struct ks_rule *entry)
{
	*entry = (struct ks_rule){
		.from_zones = rule->from_zones,
		.to_zones = rule->to_zones,
		.id = id,
		.action = rule->action,
		.family = rule->family,
		.flags =
			(__u8)((rule->log ? KS_RULE_LOG : 0) | (rule->source.negated ? KS_RULE_NOT_SRC : 0) |
			       (rule->destination.negated ? KS_RULE_NOT_DST : 0) |
			       (rule->sport.negated ? KS_RULE_NOT_SPORT : 0) |
			       (rule->dport.negated ? KS_RULE_NOT_DPORT : 0) |
			       (rule->proto_count ? 0 : KS_RULE_ANY_PROTO) | (rule->limit_count ? KS_RULE_LIMITED : 0)),
	};
	if (compile_match(c, &rule->sport, &entry->sport_set) || compile_match(c, &rule->dport, &entry->dport_set) ||
	    compile_match(c, &rule->source, &entry->src_set) || compile_match(c, &rule->destination, &entry->dst_set) ||
	    ks_compile_conditions(c, rule, &entry->conditions) || ks_compile_effects(c, rule, id, &entry->effects))
		return c->p->complaints.no_memory ? -ENOMEM : -EINVAL;
	if (entry->conditions && ks_conditions_may_miss(c, rule))
		entry->flags |= KS_RULE_MAY_MISS;
	if (rule->staged)
		entry->before = c->lists[KS_LIST_FILTER].count;
	return 0;
}

/*
 * In a rule that translates, "any" zone, or any but some, does not include the box: its packets have its address already, and they have been
 * routed before a rule sees them, so that they cannot be forwarded.
 */
static void bound_translation(const struct ks_ast_rule *rule, struct ks_rule *entry)
{
	const __u64 others = ~(1ULL << KS_ZONE_SELF);

	if (rule->from_zones == KS_ZONES_ANY || rule->from.negated)
		entry->from_zones &= others;
	if ((rule->to_zones == KS_ZONES_ANY || rule->to.negated) && rule->statement == KS_STATEMENT_NAT)
		entry->to_zones &= others;
}

static enum ks_list list_of(const struct ks_ast_rule *rule)
{
	if (rule->statement == KS_STATEMENT_NAT)
		return KS_LIST_SOURCE;
	if (rule->staged)
		return KS_LIST_STAGED;
	return rule->statement == KS_STATEMENT_HELPER ? KS_LIST_HELPER : KS_LIST_FILTER;
}

/* Makes an entry for each protocol of the rule. */
static int compile_protos(struct ks_compiler *c, const struct ks_ast_rule *rule, struct ks_rule *entry, size_t at)
{
	int err = 0;

	for (size_t i = 0; !err && i < (rule->proto_count ? rule->proto_count : 1); i++) {
		entry->proto = rule->proto_count ? rule->protos[i] : 0;
		if (rule->has_types)
			err = compile_types(c, rule, entry->proto, &entry->icmp_set);
		if (!err)
			err = ks_compile_entry(c, list_of(rule), entry, at);
	}
	return err;
}

/* Makes the other way round of what compile_protos() has made. */
static int compile_owns(struct ks_compiler *c, const struct ks_ast_rule *rule, struct ks_rule entry, size_t at)
{
	int err = 0;

	for (size_t i = 0; !err && i < (rule->proto_count ? rule->proto_count : 1); i++) {
		entry.proto = rule->proto_count ? rule->protos[i] : 0;
		err = ks_compile_own(c, rule, &entry, at);
	}
	return err;
}

/* Makes entries for each family that the rule has targets of; a rule without addresses is for both. */
static int compile_translation(struct ks_compiler *c, const struct ks_ast_rule *rule, struct ks_rule *entry, size_t at)
{
	static const __u8 families[] = { KS_IPV4, KS_IPV6 };
	int err = 0;

	bound_translation(rule, entry);
	if (!rule->translation.target_count) {
		err = ks_compile_targets(c, rule, 0, entry);
		return err ? err : compile_protos(c, rule, entry, at);
	}
	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(families); i++) {
		err = ks_compile_targets(c, rule, families[i], entry);
		entry->family = families[i];
		if (!err && entry->targets)
			err = compile_protos(c, rule, entry, at);
		if (!err && entry->targets && rule->statement == KS_STATEMENT_FORWARD)
			err = compile_owns(c, rule, *entry, at);
	}
	return err;
}

/* Makes entries for one helper of a rule, over each of its protocols; without a port, at its usual one. */
static int compile_helper(struct ks_compiler *c, const struct ks_ast_rule *rule, unsigned helper, struct ks_rule entry,
			  size_t at)
{
	static const __u8 protos[] = { KS_PROTO_TCP, KS_PROTO_UDP };
	struct ks_range port = { .lo = { 0, ks_helper_port(helper) }, .hi = { 0, ks_helper_port(helper) } };
	struct ks_merged merged = { .ranges = &port, .count4 = 1 };
	int err = rule->dport.present ? 0 : ks_compile_set(c, &merged, &entry.dport_set);

	if (err)
		return ks_compile_too_many(c, &rule->place, err);
	entry.helper = (__u8)helper;
	entry.flags &= (__u8)~KS_RULE_ANY_PROTO;
	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(protos); i++) {
		entry.proto = protos[i];
		if (ks_helper_has_proto(helper, protos[i]) &&
		    (!rule->proto_count || memchr(rule->protos, protos[i], rule->proto_count)))
			err = ks_compile_entry(c, KS_LIST_HELPER, &entry, at);
	}
	return err;
}

static int compile_helpers(struct ks_compiler *c, const struct ks_ast_rule *rule, const struct ks_rule *entry,
			   size_t at)
{
	int err = 0;

	for (size_t i = 0; !err && i < rule->helper_count; i++)
		err = compile_helper(c, rule, rule->helpers[i], *entry, at);
	return err;
}

static int compile_entries(struct ks_compiler *c, const struct ks_ast_rule *rule, size_t at)
{
	struct ks_rule entry;
	int err;

	if (rule->statement == KS_STATEMENT_BINAT || rule->statement == KS_STATEMENT_NPTV6)
		return ks_compile_binat(c, rule, at);
	err = begin_entry(c, rule, c->policy->infos[at].id, &entry);
	if (err)
		return err;
	if (rule->helper_count)
		return compile_helpers(c, rule, &entry, at);
	return rule->translation.present ? compile_translation(c, rule, &entry, at)
					 : compile_protos(c, rule, &entry, at);
}

/* Notes in the options of the policy what kinds of rules it has. */
static void note_options(struct ks_config *config, const struct ks_ast_rule *rule)
{
	if (rule->action == KS_BYPASS)
		config->options |= KS_OPT_BYPASS_RULES;
	if (rule->translation.present)
		config->options |= KS_OPT_NAT;
	if (rule->statement == KS_STATEMENT_FORWARD || rule->statement == KS_STATEMENT_REDIRECT)
		config->options |= KS_OPT_FORWARD;
}

static int compile_rule(struct ks_compiler *c, const struct ks_ast_rule *rule, size_t at)
{
	struct ks_rule_info *info = &c->policy->infos[at];
	int err;

	*info = (struct ks_rule_info){
		.id = (__u32)at + 1,
		.place = rule->place,
		.text = ks_rule_text(c->p, rule, true),
		.label = (char *)rule->label,
		.statement = rule->statement,
		.action = rule->action,
		.log = rule->log,
		.staged = rule->staged,
	};
	info->identity = rule->limit_count || rule->effects ? ks_rule_text(c->p, rule, false) : info->text;
	if (!info->text || !info->identity)
		return ks_parser_no_memory(c->p);
	if (rule->limit_count) {
		err = ks_compile_limits(c, rule, info->id);
		if (err)
			return err;
	}
	note_options(&c->policy->config, rule);
	err = compile_entries(c, rule, at);
	if (err == -EFBIG)
		return ks_parser_error_at(c->p, &rule->place,
					  "the policy translates to more than %d addresses and ranges", KS_TARGETS_MAX);
	return err == -ENOSPC ? ks_compile_too_many(c, &rule->place, err) : err;
}

static int compile_rules(struct ks_compiler *c)
{
	const struct ks_ast *ast = c->p->ast;
	struct ks_policy *policy = c->policy;
	int err = 0;

	policy->infos = ks_arena_alloc(c->p->arena, (ast->rule_count + 1) * sizeof(*policy->infos));
	policy->id_info = calloc(ast->rule_count + 1, sizeof(*policy->id_info));
	if (!policy->infos || !policy->id_info)
		return ks_parser_no_memory(c->p);
	policy->info_count = ast->rule_count;
	policy->id_count = ast->rule_count + 1;
	for (size_t i = 0; !err && i < ast->rule_count; i++) {
		err = compile_rule(c, &ast->rules[i], i);
		policy->id_info[i + 1] = (__u32)i + 1;
	}
	return err;
}

/* Puts the lists one behind the other. A rule is as large as a cache line, so it is aligned to one. */
static int join_lists(struct ks_compiler *c)
{
	struct ks_config *config = &c->policy->config;
	size_t size = (config->entries + 1) * sizeof(struct ks_rule);
	__u32 at = 0;

	c->policy->rules = aligned_alloc(sizeof(struct ks_rule), size);
	c->policy->rule_info = calloc(config->entries + 1, sizeof(__u32));
	if (!c->policy->rules || !c->policy->rule_info)
		return ks_parser_no_memory(c->p);
	memset(c->policy->rules, 0, size);
	config->rules = c->lists[KS_LIST_FILTER].count;
	for (int i = 0; i < KS_LIST_MAX; at += c->lists[i++].count) {
		const struct ks_compiled_list *list = &c->lists[i];

		if (i != KS_LIST_FILTER)
			config->list[i] = (struct ks_rule_list){ .first = at, .count = list->count };
		if (!list->count)
			continue;
		memcpy(c->policy->rules + at, list->rules, list->count * sizeof(*list->rules));
		memcpy(c->policy->rule_info + at, list->infos, list->count * sizeof(*list->infos));
	}
	return 0;
}

/* Warns of rules that no tree can part: the place is that of the first one. */
static int make_trees(struct ks_parser *p)
{
	const struct ks_policy *policy = p->policy;

	if (ks_tree_make(p->policy))
		return ks_parser_no_memory(p);
	if (policy->tree_compared > KS_TREE_COMPARED_MAX)
		ks_parser_warn_at(
			p, &policy->infos[0].place,
			"the rules overlap so much that a packet of no flow may be compared with %u of them, one after "
			"the "
			"other, which limits how many connections can begin in a second: expected rules that differ by "
			"networks of 16 million addresses or less, or by ports, so that a packet meets a few of them",
			policy->tree_compared);
	return 0;
}

static void compiler_fini(struct ks_compiler *c)
{
	for (int i = 0; i < KS_LIST_MAX; i++) {
		free(c->lists[i].rules);
		free(c->lists[i].infos);
	}
	ks_index_fini(&c->sets);
	ks_index_fini(&c->conditions);
}

KS_SCOPED_STRUCT(auto_compiler, struct ks_compiler, compiler_fini)
#define auto_compiler ks_scoped(auto_compiler)

int ks_compile(struct ks_parser *p)
{
	auto_compiler struct ks_compiler c = { .p = p, .policy = p->policy };
	int err = ks_compile_reserve(&p->policy->sets, &c.set_room, 0, 1, sizeof(struct ks_set));

	if (!err)
		err = ks_compile_reserve(&p->policy->ranges, &c.range_room, 0, 1, sizeof(struct ks_range));
	if (err)
		return ks_parser_no_memory(p);
	p->policy->sets[KS_SET_ANY] = (struct ks_set){ 0 };
	p->policy->config.sets = 1;
	err = compile_sets(&c);
	if (!err)
		ks_protect_compile(p);
	if (!err)
		err = compile_rules(&c);
	if (!err)
		ks_cgroups_spread(p->policy);
	if (!err)
		err = join_lists(&c);
	if (!err)
		err = make_trees(p);
	if (!err)
		ks_reach_check(p);
	return err;
}
