/* SPDX-License-Identifier: BSD-2-Clause */
/* Explanations for people. A member that is missing or of another type is left out. */
#include <string.h>

#include "explain/explain.h"
#include "explain/json.h"
#include "text/plural.h"

static void paint(FILE *out, bool colour, const char *escape)
{
	if (colour)
		fputs(escape, out);
}

static void print_rule(const json_t *rule, const char *escape, FILE *out, bool colour)
{
	fprintf(out, "               ");
	paint(out, colour, escape);
	fprintf(out, "%s:%lld: %s", ks_member_text(rule, "file"), ks_member_number(rule, "line"),
		ks_member_text(rule, "text"));
	paint(out, colour, "\033[0m");
	fputc('\n', out);
}

/* The rules that were asked: all that there are, or only the one that decided. */
static void print_asked_rules(const json_t *step, FILE *out, bool colour, bool all)
{
	const json_t *rules = json_object_get(step, "rules"), *rule;
	long long asked = ks_member_number(step, "asked");
	size_t i, told = json_array_size(rules);

	if (all && told && (long long)told < asked)
		fprintf(out, "               (%lld rule%s before do%s not match)\n", asked - (long long)told,
			ks_plural((unsigned long long)asked - told), asked - (long long)told == 1 ? "es" : "");
	json_array_foreach(rules, i, rule)
	{
		bool matches = json_is_true(json_object_get(rule, "matches"));

		if (!all && !matches)
			continue;
		print_rule(rule, matches ? "\033[1m" : "\033[2m", out, colour);
		if (all)
			fprintf(out, "                   %s\n", ks_member_text(rule, "why"));
	}
}

/* A rule that would let the packet pass, and why it does not. */
static void print_closest_rule(const json_t *rule, FILE *out, bool colour)
{
	const json_t *failed = json_object_get(rule, "failed"), *miss;
	const char *behind =
		json_is_true(json_object_get(rule, "behind")) ? "it stands behind the rule that decided" : "";
	size_t i;

	print_rule(rule, "\033[1m", out, colour);
	fprintf(out, "                   %s", behind);
	json_array_foreach(failed, i, miss)
	{
		fprintf(out, "%s%s", i || *behind ? "; " : "", ks_member_text(miss, "why"));
	}
	fputc('\n', out);
}

static void print_closest(const json_t *explanation, FILE *out, bool colour)
{
	const json_t *closest = json_object_get(explanation, "closest"), *rule;
	size_t i;

	if (json_array_size(closest))
		fputs("               Closest to letting it pass:\n", out);
	json_array_foreach(closest, i, rule)
	{
		print_closest_rule(rule, out, colour);
	}
}

static const char *escape_of(const char *outcome)
{
	if (strcmp(outcome, "drop") == 0)
		return "\033[31m";
	return strcmp(outcome, "ok") == 0 ? "\033[32m" : "\033[0m";
}

static void print_step(const json_t *step, size_t number, FILE *out, bool colour, bool all)
{
	const char *outcome = ks_member_text(step, "outcome");

	fprintf(out, "%2zu. ", number);
	paint(out, colour, escape_of(outcome));
	fprintf(out, "%-10s", ks_member_text(step, "step"));
	paint(out, colour, "\033[0m");
	fprintf(out, " %s\n", ks_member_text(step, "text"));
	print_asked_rules(step, out, colour, all);
}

void ks_explain_print(const json_t *explanation, FILE *out, bool colour, bool all)
{
	const json_t *steps = json_object_get(explanation, "steps"), *step;
	bool passes = json_is_true(json_object_get(explanation, "passes"));
	const char *state = ks_member_text(explanation, "state");
	size_t i;

	json_array_foreach(steps, i, step)
	{
		print_step(step, i + 1, out, colour, all);
		if (!strcmp(ks_member_text(step, "step"), "policy"))
			print_closest(explanation, out, colour);
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
