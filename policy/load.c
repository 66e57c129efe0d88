/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads a policy: read, parse, check, compile; and looks up zones and rules in it afterwards. */
#include "policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/check.h"
#include "policy/compile.h"
#include "policy/file.h"
#include "policy/settings.h"
#include "text/utf8.h"

/* --- load --- */

/* Frees what loading needed; the policy too if it is still the parser's. */
static void parser_fini(struct ks_parser *p)
{
	for (size_t i = 0; p->ast && i < p->ast->set_count; i++)
		free(p->ast->sets[i].merged.ranges);
	if (p->ast)
		ks_index_fini(&p->ast->set_index);
	ks_arena_destroy(p->scratch);
	ks_index_fini(&p->variable_index);
	ks_source_destroy_all(p->complaints.sources);
	ks_policy_destroy(p->policy);
}

KS_SCOPED_STRUCT(auto_parser, struct ks_parser, parser_fini)
#define auto_parser ks_scoped(auto_parser)

/* p is all zeroes, and is to be freed whatever this returns. */
static int parser_init(struct ks_parser *p, struct ks_diags *diags)
{
	*diags = (struct ks_diags){ 0 };
	p->complaints.diags = diags;
	p->deferred_end = &p->deferred;
	p->policy = calloc(1, sizeof(*p->policy));
	if (!p->policy)
		return -ENOMEM;
	p->policy->arena = p->arena = ks_arena_create();
	p->scratch = ks_arena_create();
	if (!p->arena || !p->scratch)
		return -ENOMEM;
	p->ast = ks_arena_alloc(p->scratch, sizeof(*p->ast));
	if (!p->ast)
		return -ENOMEM;
	p->ast->settings = ks_arena_alloc(p->scratch, ks_setting_count * sizeof(*p->ast->settings));
	if (!p->ast->settings)
		return -ENOMEM;
	ks_config_init(&p->policy->config);
	return 0;
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
	*policy = TAKE(p->policy);
	return 0;
}

/* Every command refuses such a path, because the control API could not name the policy. */
static int refuse_path(struct ks_parser *p, const char *path)
{
	const struct ks_place place = { .file = path };

	ks_complain(&p->complaints, &place, false,
		    "the path is not UTF-8, which the control API speaks: rename the file");
	return p->complaints.no_memory ? -ENOMEM : -EINVAL;
}

int ks_policy_load(const char *path, struct ks_policy **policy, struct ks_diags *diags)
{
	auto_parser struct ks_parser p = { 0 };
	const struct ks_source *source;
	int err = parser_init(&p, diags);

	if (err)
		return err;
	p.policy->path = ks_arena_strndup(p.arena, path, strlen(path));
	if (!p.policy->path)
		return -ENOMEM;
	if (!ks_utf8_is_valid(path))
		return refuse_path(&p, path);
	err = ks_source_load(&p, path, true, &source);
	return err ? err : build(&p, source, policy);
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
	auto_parser struct ks_parser p = { 0 };
	const struct ks_source *source;
	int err = parser_init(&p, diags);

	if (err)
		return err;
	source = text_source(&p, text, length, name, dir);
	return source ? build(&p, source, policy) : -ENOMEM;
}

int ks_policy_keep_warnings(struct ks_policy *policy, const struct ks_diags *diags)
{
	policy->warnings = ks_arena_alloc(policy->arena, (diags->count + 1) * sizeof(*policy->warnings));
	policy->warning_count = 0;
	for (size_t i = 0; policy->warnings && i < diags->count; i++) {
		const struct ks_diag *diag = &diags->list[i];
		struct ks_policy_warning *warning = &policy->warnings[policy->warning_count++];

		warning->place = diag->place;
		warning->place.file = ks_arena_strndup(policy->arena, diag->place.file, strlen(diag->place.file));
		warning->message = ks_arena_strndup(policy->arena, diag->message, strlen(diag->message));
		if (!warning->place.file || !warning->message)
			return -ENOMEM;
	}
	return policy->warnings ? 0 : -ENOMEM;
}

void ks_policy_destroy(struct ks_policy *policy)
{
	if (!policy)
		return;
	free(policy->rules);
	free(policy->sets);
	free(policy->ranges);
	free(policy->targets);
	free(policy->limits);
	free(policy->tree);
	free(policy->conditions);
	free(policy->effects);
	free(policy->rule_info);
	free(policy->id_info);
	ks_arena_destroy(policy->arena);
	free(policy);
}

/* --- look-ups --- */

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

const struct ks_set_info *ks_policy_dynamic(const struct ks_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->set_info_count; i++) {
		if (policy->set_infos[i].dynamic && strcmp(policy->set_infos[i].name, name) == 0)
			return &policy->set_infos[i];
	}
	return NULL;
}
