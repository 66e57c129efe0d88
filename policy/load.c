/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading a policy: read, parse, check, compile; and what can be asked of it afterwards. See core/rules.h. */
#include "policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/file.h"
#include "policy/settings.h"

/* --- load --- */

static int parser_init(struct ks_parser *p, struct ks_diags *diags)
{
	struct ks_arena *scratch = ks_arena_create();

	*p = (struct ks_parser){ .complaints = { .diags = diags }, .deferred_end = &p->deferred };
	p->policy = calloc(1, sizeof(*p->policy));
	p->arena = ks_arena_create();
	if (p->policy)
		p->policy->arena = p->arena;
	p->ast = scratch ? ks_arena_alloc(scratch, sizeof(*p->ast)) : NULL;
	if (p->ast) {
		p->ast->arena = scratch;
		p->ast->settings = ks_arena_alloc(scratch, ks_setting_count * sizeof(*p->ast->settings));
	} else {
		ks_arena_destroy(scratch);
	}
	if (p->policy && p->arena && p->ast && p->ast->settings) {
		ks_config_init(&p->policy->config);
		return 0;
	}
	if (!p->policy)
		ks_arena_destroy(p->arena);
	return -ENOMEM;
}

/* Frees what loading needed; the policy too if it is still the parser's. */
static void parser_fini(struct ks_parser *p)
{
	if (p->ast) {
		for (size_t i = 0; i < p->ast->set_count; i++)
			free(p->ast->sets[i].merged.ranges);
		ks_index_fini(&p->ast->set_index);
		ks_arena_destroy(p->ast->arena);
	}
	ks_index_fini(&p->variable_index);
	ks_source_destroy_all(p->complaints.sources);
	ks_policy_destroy(p->policy);
}

static int build(struct ks_parser *p, const struct ks_source *source, struct ks_policy **policy)
{
	int err = ks_parser_read(p, source);

	if (!err)
		err = ks_check(p);
	if (!err && !p->complaints.diags->errors)
		err = ks_compile(p);
	ks_complaints_sort(&p->complaints);
	if (err == -ENOMEM || p->complaints.no_memory)
		return -ENOMEM;
	if (err || p->complaints.diags->errors)
		return -EINVAL;
	*policy = p->policy;
	p->policy = NULL;
	return 0;
}

int ks_policy_load(const char *path, struct ks_policy **policy, struct ks_diags *diags)
{
	const struct ks_source *source;
	struct ks_parser p;
	int err;

	*diags = (struct ks_diags){ 0 };
	err = parser_init(&p, diags);
	if (!err)
		p.policy->path = ks_arena_strndup(p.arena, path, strlen(path));
	if (!err)
		err = p.policy->path ? ks_source_load(&p, path, true, &source) : -ENOMEM;
	if (!err)
		err = build(&p, source, policy);
	parser_fini(&p);
	return err;
}

static const struct ks_source *text_source(struct ks_parser *p, const char *text, size_t length, const char *name,
					   const char *dir)
{
	char *where = ks_arena_strndup(p->arena, dir ? dir : ".", strlen(dir ? dir : "."));

	p->no_files = !dir;
	p->policy->path = ks_arena_strndup(p->arena, name, strlen(name));
	return where && p->policy->path ? ks_source_add(p, name, where, text, length) : NULL;
}

int ks_policy_load_text(const char *text, size_t length, const char *name, const char *dir, struct ks_policy **policy,
			struct ks_diags *diags)
{
	const struct ks_source *source;
	struct ks_parser p;
	int err;

	*diags = (struct ks_diags){ 0 };
	err = parser_init(&p, diags);
	if (!err) {
		source = text_source(&p, text, length, name, dir);
		err = source ? build(&p, source, policy) : -ENOMEM;
	}
	parser_fini(&p);
	return err;
}

void ks_policy_destroy(struct ks_policy *policy)
{
	if (!policy)
		return;
	free(policy->rules);
	free(policy->sets);
	free(policy->ranges);
	free(policy->targets);
	free(policy->rule_info);
	free(policy->id_info);
	ks_arena_destroy(policy->arena);
	free(policy);
}

/* --- questions --- */

const char *ks_policy_zone_name(const struct ks_policy *policy, unsigned id)
{
	if (id == KS_ZONE_NONE)
		return "none";
	if (id == KS_ZONE_SELF)
		return "self";
	for (size_t i = 0; i < policy->zone_count; i++) {
		if (policy->zones[i].id == id)
			return policy->zones[i].name;
	}
	return "?";
}

int ks_policy_zone_id(const struct ks_policy *policy, const char *name)
{
	if (strcmp(name, "none") == 0)
		return KS_ZONE_NONE;
	if (strcmp(name, "self") == 0)
		return KS_ZONE_SELF;
	for (size_t i = 0; i < policy->zone_count; i++) {
		if (strcmp(policy->zones[i].name, name) == 0)
			return policy->zones[i].id;
	}
	return -ENOENT;
}

const struct ks_rule_info *ks_policy_rule(const struct ks_policy *policy, __u32 id)
{
	if (id >= policy->id_count || !policy->id_info[id])
		return NULL;
	return &policy->infos[policy->id_info[id] - 1];
}

/* --- ids --- */

/* A rule's text with its place among the others. */
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

/* ids[i] of the new rules whose text was there before; both lists are sorted, equal texts pair in their order. */
static void pair_ids(struct text_at *old, size_t old_count, struct text_at *new, size_t new_count, const __u32 *old_ids,
		     __u32 *new_ids, bool *used)
{
	size_t i = 0, j = 0;

	while (i < old_count && j < new_count) {
		int order = strcmp(old[i].text, new[j].text);
		__u32 id = old_ids[old[i].at];

		if (order < 0 || id == KS_RULE_DEFAULT || id >= KS_RULE_ID_MAX || (order == 0 && used[id])) {
			i++;
		} else if (order > 0) {
			j++;
		} else {
			new_ids[new[j++].at] = id;
			used[id] = true;
			i++;
		}
	}
}

/* Gives the others ids that nobody has or had; when those run out, ids whose rule is gone. */
static int fill_ids(__u32 *ids, size_t count, bool *used, const bool *known)
{
	__u32 next = 1, again = 1;

	for (size_t i = 0; i < count; i++) {
		if (ids[i])
			continue;
		while (next < KS_RULE_ID_MAX && (used[next] || known[next]))
			next++;
		while (next == KS_RULE_ID_MAX && again < KS_RULE_ID_MAX && used[again])
			again++;
		if (next == KS_RULE_ID_MAX && again == KS_RULE_ID_MAX)
			return -ENOSPC;
		ids[i] = next < KS_RULE_ID_MAX ? next : again;
		used[ids[i]] = true;
	}
	return 0;
}

/* Puts the ids into the policy. Returns 0 or -ENOMEM. */
static int apply_ids(struct ks_policy *policy, const __u32 *ids)
{
	__u32 highest = 0, *id_info;

	for (size_t i = 0; i < policy->info_count; i++)
		highest = KS_MAX(highest, ids[i]);
	id_info = calloc(highest + 1, sizeof(*id_info));
	if (!id_info)
		return -ENOMEM;
	for (size_t i = 0; i < policy->info_count; i++) {
		policy->infos[i].id = ids[i];
		id_info[ids[i]] = (__u32)i + 1;
	}
	for (__u32 i = 0; i < policy->config.entries; i++)
		policy->rules[i].id = ids[policy->rule_info[i]];
	free(policy->id_info);
	policy->id_info = id_info;
	policy->id_count = highest + 1;
	return 0;
}

static struct text_at *sort_old(const char *const *texts, size_t count)
{
	struct text_at *list = calloc(count + 1, sizeof(*list));

	for (size_t i = 0; list && i < count; i++)
		list[i] = (struct text_at){ .text = texts[i], .at = i };
	if (list)
		qsort(list, count, sizeof(*list), compare_texts);
	return list;
}

static struct text_at *sort_new(const struct ks_policy *policy)
{
	struct text_at *list = calloc(policy->info_count + 1, sizeof(*list));

	for (size_t i = 0; list && i < policy->info_count; i++)
		list[i] = (struct text_at){ .text = policy->infos[i].text, .at = i };
	if (list)
		qsort(list, policy->info_count, sizeof(*list), compare_texts);
	return list;
}

int ks_policy_adopt_ids(struct ks_policy *policy, const __u32 *ids, const char *const *texts, size_t count)
{
	struct text_at *old = sort_old(texts, count), *new = sort_new(policy);
	bool *used = calloc(KS_RULE_ID_MAX, sizeof(*used)), *known = calloc(KS_RULE_ID_MAX, sizeof(*known));
	__u32 *new_ids = calloc(policy->info_count + 1, sizeof(*new_ids));
	int err = -ENOMEM;

	if (old && new && used && new_ids) {
		for (size_t i = 0; i < count; i++)
			known[ids[i] < KS_RULE_ID_MAX ? ids[i] : 0] = true;
		pair_ids(old, count, new, policy->info_count, ids, new_ids, used);
		err = fill_ids(new_ids, policy->info_count, used, known);
		if (!err)
			err = apply_ids(policy, new_ids);
	}
	free(old);
	free(new);
	free(used);
	free(known);
	free(new_ids);
	return err;
}
