/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the normal form of two policies that are no rules, and stand in one of them only; see diff.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proof/diff.h"
#include "text/memory_file.h"

/* The statements of a policy's normal form. */
struct statements {
	char *text;
	char **list; /* in `text` */
	size_t count;
};

static void statements_fini(struct statements *statements)
{
	free(statements->text);
	free(statements->list);
}

KS_SCOPED_STRUCT(auto_statements, struct statements, statements_fini)

/* Returns true for a statement that is no rule, no test, and no set that regions are made of. */
static bool is_setting(const char *line)
{
	static const char *const words[] = { "zone ", "ignore ", "protect ", "timeout ", "limit ", "option " };

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (strncmp(line, words[i], strlen(words[i])) == 0)
			return true;
	}
	return strncmp(line, "set ", 4) == 0 && strstr(line, " dynamic");
}

static int line_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Puts a statement that goes on in further lines into one. */
static void lines_join(char *text)
{
	for (char *at = text; *at; at++) {
		if (at[0] == '\n' && at[1] == '\t')
			at[0] = at[1] = ' ';
	}
}

static int statements_read(const struct ks_policy *policy, struct statements *statements)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	size_t lines = 1;
	char *rest, *line;

	if (ks_memory_file_open(&file))
		return -ENOMEM;
	ks_policy_print(policy, file.out);
	statements->text = ks_memory_file_take(&file);
	if (!statements->text)
		return -ENOMEM;
	lines_join(statements->text);
	for (const char *at = statements->text; *at; at++)
		lines += *at == '\n';
	statements->list = calloc(lines, sizeof(*statements->list));
	if (!statements->list)
		return -ENOMEM;
	for (line = strtok_r(statements->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (is_setting(line))
			statements->list[statements->count++] = line;
	}
	qsort(statements->list, statements->count, sizeof(*statements->list), line_order);
	return 0;
}

int ks_diff_settings(const struct ks_policy *before, const struct ks_policy *after, ks_diff_line_fn *fn, void *arg)
{
	ks_scoped(auto_statements) struct statements a = { 0 }, b = { 0 };
	size_t i = 0, j = 0;
	int err = statements_read(before, &a);

	if (!err)
		err = statements_read(after, &b);
	while (!err && (i < a.count || j < b.count)) {
		int order = i == a.count ? 1 : j == b.count ? -1 : strcmp(a.list[i], b.list[j]);

		if (order < 0)
			err = fn(KS_DIFF_BEFORE, a.list[i], arg);
		else if (order > 0)
			err = fn(KS_DIFF_AFTER, b.list[j], arg);
		i += order <= 0;
		j += order >= 0;
	}
	return err;
}
