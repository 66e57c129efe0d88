/* SPDX-License-Identifier: BSD-2-Clause */
/* Explanations for people. A member that is missing or of another type is left out. */
#include <string.h>

#include "explain/explain.h"
#include "explain/json.h"

static void paint(FILE *out, bool colour, const char *escape)
{
	if (colour)
		fputs(escape, out);
}

static void print_asked_rules(const json_t *step, FILE *out, bool colour)
{
	const json_t *rules = json_object_get(step, "rules"), *rule;
	long long asked = ks_member_number(step, "asked");
	size_t i, told = json_array_size(rules);

	if (told && (long long)told < asked)
		fprintf(out, "               (%lld rules before do not match)\n", asked - (long long)told);
	json_array_foreach(rules, i, rule)
	{
		bool matches = json_is_true(json_object_get(rule, "matches"));

		fprintf(out, "               ");
		paint(out, colour, matches ? "\033[1m" : "\033[2m");
		fprintf(out, "%s:%lld: %s", ks_member_text(rule, "file"), ks_member_number(rule, "line"),
			ks_member_text(rule, "text"));
		paint(out, colour, "\033[0m");
		fprintf(out, "\n                   %s\n", ks_member_text(rule, "why"));
	}
}

static const char *escape_of(const char *outcome)
{
	if (strcmp(outcome, "drop") == 0)
		return "\033[31m";
	return strcmp(outcome, "ok") == 0 ? "\033[32m" : "\033[0m";
}

static void print_step(const json_t *step, size_t number, FILE *out, bool colour)
{
	const char *outcome = ks_member_text(step, "outcome");

	fprintf(out, "%2zu. ", number);
	paint(out, colour, escape_of(outcome));
	fprintf(out, "%-10s", ks_member_text(step, "step"));
	paint(out, colour, "\033[0m");
	fprintf(out, " %s\n", ks_member_text(step, "text"));
	print_asked_rules(step, out, colour);
}

void ks_explain_print(const json_t *explanation, FILE *out, bool colour)
{
	const json_t *steps = json_object_get(explanation, "steps"), *step;
	bool passes = json_is_true(json_object_get(explanation, "passes"));
	const char *state = ks_member_text(explanation, "state");
	size_t i;

	json_array_foreach(steps, i, step)
	{
		print_step(step, i + 1, out, colour);
	}
	fputs("=> ", out);
	paint(out, colour, passes ? "\033[1;32m" : "\033[1;31m");
	fputs(ks_member_text(explanation, "verdict"), out);
	paint(out, colour, "\033[0m");
	fprintf(out, ", %s: %s", ks_member_text(explanation, "class"), ks_member_text(explanation, "reason"));
	if (*state && strcmp(state, "NONE") != 0)
		fprintf(out, ", state %s", state);
	fputc('\n', out);
}
