/* SPDX-License-Identifier: BSD-2-Clause */
/* Explanations for people. Whatever is missing or of another type in the object is left out. */
#include <string.h>

#include "explain/explain.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void paint(FILE *out, bool colour, const char *escape)
{
	if (colour)
		fputs(escape, out);
}

static void print_rules(const json_t *step, FILE *out, bool colour)
{
	const json_t *rules = json_object_get(step, "rules"), *rule;
	json_int_t asked = json_integer_value(json_object_get(step, "asked"));
	size_t i, told = json_array_size(rules);

	if (told && (json_int_t)told < asked)
		fprintf(out, "               (%lld rules before do not match)\n",
			(long long)(asked - (json_int_t)told));
	json_array_foreach(rules, i, rule)
	{
		bool matches = json_is_true(json_object_get(rule, "matches"));

		fprintf(out, "               ");
		paint(out, colour, matches ? "\033[1m" : "\033[2m");
		fprintf(out, "%s:%lld: %s", text_of(rule, "file"),
			(long long)json_integer_value(json_object_get(rule, "line")), text_of(rule, "text"));
		paint(out, colour, "\033[0m");
		fprintf(out, "\n                   %s\n", text_of(rule, "why"));
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
	const char *outcome = text_of(step, "outcome");

	fprintf(out, "%2zu. ", number);
	paint(out, colour, escape_of(outcome));
	fprintf(out, "%-10s", text_of(step, "step"));
	paint(out, colour, "\033[0m");
	fprintf(out, " %s\n", text_of(step, "text"));
	print_rules(step, out, colour);
}

void ks_explain_print(const json_t *explanation, FILE *out, bool colour)
{
	const json_t *steps = json_object_get(explanation, "steps"), *step;
	bool passes = json_is_true(json_object_get(explanation, "passes"));
	const char *state = text_of(explanation, "state");
	size_t i;

	json_array_foreach(steps, i, step)
	{
		print_step(step, i + 1, out, colour);
	}
	fputs("=> ", out);
	paint(out, colour, passes ? "\033[1;32m" : "\033[1;31m");
	fputs(text_of(explanation, "verdict"), out);
	paint(out, colour, "\033[0m");
	fprintf(out, ", %s: %s", text_of(explanation, "class"), text_of(explanation, "reason"));
	if (*state && strcmp(state, "NONE") != 0)
		fprintf(out, ", state %s", state);
	fputc('\n', out);
}
