/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells which policies the parser can read, for grammar.py. Usage: syntax DIRECTORY, which holds the files
 * that the policies name. Standard input holds policies, each behind a line with its length in bytes. For each of them a line
 * is written: the number of complaints about its syntax and about its meaning, and the first of them.
 *
 * Syntax is what the parser complains about while it reads, and what the readers of tests complain about. Those are
 * called when the zones are known, so that they are kept apart here from what else is checked then. The policy is
 * loaded as by ks_policy_load_text() in all other respects.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/check.h"
#include "policy/compile.h"
#include "policy/file.h"
#include "policy/parse.h"

#define LENGTH_MAX (1U << 24)

/* Errors by what they are about. */
struct tally {
	size_t syntax, meaning;
};

static void out_of_memory(void)
{
	fputs("syntax: out of memory\n", stderr);
	exit(3);
}

/* Adds the errors since the last call to one of the sums. */
static void count(const struct ks_diags *diags, size_t *errors, size_t *sum)
{
	*sum += diags->errors - *errors;
	*errors = diags->errors;
}

static struct tally judge(struct ks_parser *p, const struct ks_source *source)
{
	const struct ks_diags *diags = p->complaints.diags;
	struct tally tally = { 0 };
	size_t errors = 0;
	int err = ks_parser_read(p, source);
	struct ks_deferred *tests = p->deferred;

	count(diags, &errors, &tally.syntax);
	p->deferred = NULL;
	if (!err)
		err = ks_check(p);
	count(diags, &errors, &tally.meaning);
	for (; tests && !err; tests = tests->next)
		err = tests->fn(p, tests->arg);
	count(diags, &errors, &tally.syntax);
	if (!err && !errors)
		err = ks_compile(p);
	count(diags, &errors, &tally.meaning);
	if (err == -ENOMEM)
		out_of_memory();
	return tally;
}

static void print(const struct ks_diags *diags, struct tally tally)
{
	size_t i = 0;

	while (i < diags->count && diags->list[i].warning)
		i++;
	printf("%zu %zu", tally.syntax, tally.meaning);
	if (i < diags->count)
		printf(" %s:%u:%u: %s", diags->list[i].place.file, diags->list[i].place.line,
		       diags->list[i].place.column, diags->list[i].message);
	putchar('\n');
}

static void read_policy(const char *text, size_t length, const char *dir)
{
	struct ks_diags diags = { 0 };
	const struct ks_source *source;
	ks_auto_parser struct ks_parser p = { 0 };

	if (ks_parser_init(&p, &diags))
		out_of_memory();
	p.policy->path = "policy";
	source = ks_source_add(&p, "policy", dir, text, length);
	if (!source)
		out_of_memory();
	print(&diags, judge(&p, source));
	ks_diags_fini(&diags);
}

int main(int argc, char **argv)
{
	size_t length;

	if (argc != 2) {
		fputs("usage: syntax DIRECTORY\n", stderr);
		return 2;
	}
	while (scanf("%zu%*1[\n]", &length) == 1 && length <= LENGTH_MAX) {
		char *text = malloc(length + 1);

		if (!text)
			out_of_memory();
		if (fread(text, 1, length, stdin) != length) {
			fputs("syntax: the input ends inside a policy\n", stderr);
			return 3;
		}
		read_policy(text, length, argv[1]);
		free(text);
	}
	return 0;
}
