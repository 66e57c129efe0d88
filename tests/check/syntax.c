/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells which policies the parser can read, for grammar.py. Usage: syntax DIRECTORY, where the files are that the
 * policies name. Standard input holds policies, each behind a line with its length in bytes. For each of them a line
 * is written: the number of complaints about its syntax and about its meaning, and the first of them.
 *
 * The policies are loaded as ever. The linker puts __wrap_ks_check() in the place of ks_check(), between reading and
 * checking: complaints until then are about syntax. So are those of the readers of tests, which wait for the zones to
 * be known. They are called here after the check, so that the two can be told apart.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/parse.h"

#define LENGTH_MAX (1U << 24)

int __real_ks_check(struct ks_parser *p);
int __wrap_ks_check(struct ks_parser *p);

static size_t syntax_errors; /* of the policy being loaded */

int __wrap_ks_check(struct ks_parser *p)
{
	const struct ks_diags *diags = p->complaints.diags;
	struct ks_deferred *tests = p->deferred;
	size_t before;
	int err;

	syntax_errors = diags->errors;
	p->deferred = NULL;
	err = __real_ks_check(p);
	before = diags->errors;
	for (; tests && !err; tests = tests->next)
		err = tests->fn(p, tests->arg) == -ENOMEM ? -ENOMEM : 0;
	syntax_errors += diags->errors - before;
	return err;
}

static void print(const struct ks_diags *diags)
{
	size_t i = 0;

	while (i < diags->count && diags->list[i].warning)
		i++;
	printf("%zu %zu", syntax_errors, diags->errors - syntax_errors);
	if (i < diags->count)
		printf(" %s:%u:%u: %s", diags->list[i].place.file, diags->list[i].place.line,
		       diags->list[i].place.column, diags->list[i].message);
	putchar('\n');
}

/* Returns 0 or -ENOMEM. */
static int judge(const char *text, size_t length, const char *dir)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	int err = ks_policy_load_text(text, length, "policy", dir, &policy, &diags);

	if (err != -ENOMEM)
		print(&diags);
	ks_policy_destroy(policy);
	ks_diags_fini(&diags);
	return err == -ENOMEM ? err : 0;
}

/* The next policy of the input, to be freed; NULL behind the last one, and with *err where it cannot be read. */
static char *next_policy(size_t *length, int *err)
{
	char *text = NULL;

	if (scanf("%zu%*1[\n]", length) != 1)
		return NULL;
	if (*length <= LENGTH_MAX)
		text = malloc(*length + 1);
	if (text && fread(text, 1, *length, stdin) == *length)
		return text;
	free(text);
	*err = -EINVAL;
	return NULL;
}

int main(int argc, char **argv)
{
	size_t length;
	char *text;
	int err = 0;

	if (argc != 2) {
		fputs("usage: syntax DIRECTORY\n", stderr);
		return 2;
	}
	while (!err && (text = next_policy(&length, &err))) {
		err = judge(text, length, argv[1]);
		free(text);
	}
	if (err)
		fputs("syntax: the input is cut off, or memory is short\n", stderr);
	return err ? 3 : 0;
}
