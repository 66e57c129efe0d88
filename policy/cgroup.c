/* SPDX-License-Identifier: BSD-2-Clause */
/* See cgroup.h. */
#include "policy/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "policy/condition.h"
#include "policy/list.h"
#include "policy/print.h"

/* --- paths --- */

/* Returns true if the part can name a folder. */
static bool is_part(const char *part, size_t length)
{
	if (!length || length > NAME_MAX)
		return false;
	return strncmp(part, "..", length) != 0 || length > 2;
}

const char *ks_cgroup_path(char *text)
{
	size_t length;

	text += strspn(text, "/");
	length = strlen(text);
	while (length && text[length - 1] == '/')
		text[--length] = '\0';
	if (!length || length >= PATH_MAX)
		return NULL;
	for (const char *part = text; part;) {
		const char *slash = strchr(part, '/');

		if (!is_part(part, slash ? (size_t)(slash - part) : strlen(part)))
			return NULL;
		part = slash ? slash + 1 : NULL;
	}
	return text;
}

bool ks_cgroup_is_in(const char *path, const char *other)
{
	const size_t length = strlen(other);

	return strncmp(path, other, length) == 0 && (!path[length] || path[length] == '/');
}

static __u32 depth_of(const char *path)
{
	__u32 depth = 1;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

__u8 ks_cgroup_number(const struct ks_policy *policy, const char *path)
{
	__u32 found = 0, depth = 0;

	for (__u32 i = 0; i < policy->config.cgroups; i++) {
		if (policy->config.cgroup[i].level <= depth || !ks_cgroup_is_in(path, policy->cgroups[i]))
			continue;
		found = i + 1;
		depth = policy->config.cgroup[i].level;
	}
	return (__u8)found;
}

/* --- reading --- */

static int path_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keeps them sorted, each once. */
static int path_add(struct ks_parser *p, struct ks_ast_cgroups *cgroups, const char *path)
{
	const char **list;

	for (size_t i = 0; i < cgroups->count; i++) {
		if (strcmp(cgroups->paths[i], path) == 0)
			return 0;
	}
	list = ks_arena_grow(p->scratch, cgroups->paths, cgroups->count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	cgroups->paths = list;
	list[cgroups->count++] = path;
	qsort(list, cgroups->count, sizeof(*list), path_order);
	return 0;
}

static int one_cgroup(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);
	char *text = ks_arena_strndup(p->scratch, token.text, token.length);
	const char *path;

	if (!text)
		return ks_parser_no_memory(p);
	path = ks_cgroup_path(text);
	if (!path)
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no control group: expected its path in quotes, such as "
				       "\"system.slice/nginx.service\"",
				       token.text);
	return path_add(p, arg, path);
}

int ks_read_cgroup(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	return ks_parse_strings(p, "a control group in quotes, such as \"system.slice/nginx.service\"", one_cgroup,
				&conditions->cgroups);
}

void ks_cgroups_print(const struct ks_ast_cgroups *cgroups, FILE *out)
{
	fputs(cgroups->count > 1 ? "{ " : "", out);
	for (size_t i = 0; i < cgroups->count; i++) {
		fputs(i ? ", " : "", out);
		ks_print_quoted(cgroups->paths[i], out);
	}
	fputs(cgroups->count > 1 ? " }" : "", out);
}

/* --- compiling --- */

/* Adds a path to the list of the policy. */
static int list_add(struct ks_compiler *c, const char *path)
{
	struct ks_policy *policy = c->policy;
	struct ks_config *config = &policy->config;

	if (!policy->cgroups)
		policy->cgroups = ks_arena_alloc(c->p->arena, KS_CGROUPS_MAX * sizeof(*policy->cgroups));
	if (!policy->cgroups)
		return ks_parser_no_memory(c->p);
	policy->cgroups[config->cgroups] = ks_arena_strndup(c->p->arena, path, strlen(path));
	if (!policy->cgroups[config->cgroups])
		return ks_parser_no_memory(c->p);
	config->cgroup[config->cgroups++] = (struct ks_cgroup){ .level = depth_of(path) };
	return 0;
}

int ks_cgroups_compile(struct ks_compiler *c, const struct ks_ast_conditions *conditions, __u64 *numbers)
{
	const struct ks_config *config = &c->policy->config;

	for (size_t i = 0; i < conditions->cgroups.count; i++) {
		const char *path = conditions->cgroups.paths[i];
		__u32 n = 0;
		int err = 0;

		while (n < config->cgroups && strcmp(c->policy->cgroups[n], path) != 0)
			n++;
		if (n == KS_CGROUPS_MAX)
			return ks_parser_error_at(c->p, &conditions->place[KS_CONDITION_CGROUP],
						  "the policy has more than %u different control groups",
						  KS_CGROUPS_MAX);
		if (n == config->cgroups)
			err = list_add(c, path);
		if (err)
			return err;
		*numbers |= 1ULL << (n + 1);
	}
	return 0;
}

void ks_cgroups_spread(struct ks_policy *policy)
{
	for (__u32 i = 0; i < policy->config.conditions; i++) {
		const __u64 named = policy->conditions[i].cgroups;

		for (__u32 n = 0; n < policy->config.cgroups * policy->config.cgroups; n++) {
			const __u32 above = n / policy->config.cgroups, below = n % policy->config.cgroups;

			if (named >> (above + 1) & 1 && ks_cgroup_is_in(policy->cgroups[below], policy->cgroups[above]))
				policy->conditions[i].cgroups |= 1ULL << (below + 1);
		}
	}
}
