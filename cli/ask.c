/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate ask: which packets of a kind does a policy let pass? */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/output.h"
#include "policy/calendar.h"
#include "proof/ask.h"
#include "text/json.h"

static const char *const answers[] = { [KS_REACH_NEVER] = "never", [KS_REACH_ONLY] = "only", [KS_REACH_YES] = "yes" };

/* The times of the line that decides, if they are all that is not certain. */
static const char *times_of(const struct ks_answer_class *class, bool *negated)
{
	const struct ks_rule *rule = ks_deed_rule(&class->deed);
	const struct ks_policy *policy = class->deed.policy;
	const struct ks_conditions *conditions;

	if (class->is_shown || !rule || !rule->conditions)
		return NULL;
	conditions = &policy->conditions[rule->conditions];
	*negated = conditions->nots;
	return conditions->asks == KS_CONDITION_BIT(KS_CONDITION_DURING) ? policy->calendars[conditions->schedule].text
									 : NULL;
}

static char *during_text(const struct ks_answer_class *class)
{
	bool negated = false;
	const char *times = times_of(class, &negated);
	char *text = NULL;

	return times && asprintf(&text, "%s%s", negated ? "not " : "", times) < 0 ? NULL : text;
}

/* The classes of an answer, as they are told behind it: those that get there, and the others. */
static json_t *class_json(const struct ks_answer_class *class)
{
	const struct ks_rule_info *info = ks_deed_info(&class->deed);
	ks_auto_free char *text = ks_regions_text(class->space, class->region, class->regions);
	ks_auto_free char *during = during_text(class);

	if (!text)
		return NULL;
	return json_pack("{s:s, s:b, s:s, s:b, s:s*, s:o, s:o}", "packets", text, "more",
			 class->regions == KS_ANSWER_REGIONS_MAX, "does", ks_deed_verbs(&class->deed), "perhaps",
			 class->vague || class->is_unsure, "during", during, "witness",
			 class->is_shown ? json_string(class->witness.text) : json_null(), "rule",
			 info ? json_pack("{s:o*, s:i, s:o*}", "file", ks_json_text(info->place.file), "line",
					  (int)info->place.line, "text", ks_json_text(info->text))
			      : json_null());
}

static int class_keep(const struct ks_answer_class *class, void *arg)
{
	json_t *value = class_json(class);
	json_t *list = json_object_get(arg, class->lets ? "allowed" : "refused");

	return value && !json_array_append_new(list, value) ? 0 : -ENOMEM;
}

static void class_print(const json_t *class)
{
	const json_t *rule = json_object_get(class, "rule");
	const char *witness = json_string_value(json_object_get(class, "witness"));
	const char *during = json_string_value(json_object_get(class, "during"));

	printf("  %s%s\n", json_string_value(json_object_get(class, "packets")),
	       json_is_true(json_object_get(class, "more")) ? "; and more" : "");
	if (json_is_object(rule))
		printf("    %s:%d %s%s%s%s: %s\n", json_string_value(json_object_get(rule, "file")),
		       (int)json_integer_value(json_object_get(rule, "line")), during ? "only during " : "",
		       during ? during : "",
		       during						 ? " "
		       : json_is_true(json_object_get(class, "perhaps")) ? "perhaps "
									 : "",
		       json_string_value(json_object_get(class, "does")),
		       json_string_value(json_object_get(rule, "text")));
	else if (strcmp(json_string_value(json_object_get(class, "does")), "allows") == 0)
		puts("    " KS_ANSWER_PASSING);
	else
		puts("    no rule allows them");
	if (witness)
		printf("    such as %s\n", witness);
}

static void answer_print(const json_t *answer)
{
	const json_t *allowed = json_object_get(answer, "allowed"), *refused = json_object_get(answer, "refused");
	const json_t *class;
	size_t i;

	printf("%s\n", json_string_value(json_object_get(answer, "answer")));
	json_array_foreach(allowed, i, class)
	{
		class_print(class);
	}
	if (json_array_size(allowed) && json_array_size(refused))
		puts("but not");
	json_array_foreach(refused, i, class)
	{
		class_print(class);
	}
}

struct ask_wish {
	bool json, never, always;
};

/* Returns an exit status. */
static int answer_give(const struct ask_wish *wish, enum ks_reach reach, json_t *answer)
{
	if (json_object_set_new(answer, "answer", json_string(answers[reach])))
		return ks_cli_no_memory();
	if (wish->json)
		ks_json_print(json_incref(answer), stdout);
	else
		answer_print(answer);
	if (wish->never)
		return reach == KS_REACH_NEVER ? KS_EXIT_OK : KS_EXIT_NO;
	if (wish->always)
		return reach == KS_REACH_YES ? KS_EXIT_OK : KS_EXIT_NO;
	return reach == KS_REACH_NEVER ? KS_EXIT_NO : KS_EXIT_OK;
}

static int question_ask(const char *path, const char *words, const struct ask_wish *wish)
{
	ks_auto_policy struct ks_policy *policy = NULL, *asked = NULL;
	ks_auto_json json_t *answer = json_pack("{s:s, s:[], s:[]}", "answer", "", "allowed", "refused");
	ks_auto_diags struct ks_diags diags = { 0 };
	enum ks_reach reach = KS_REACH_NEVER;
	int err, code = ks_cli_load(path, &policy);

	if (code != KS_EXIT_OK)
		return code;
	err = ks_question_load(policy, words, &asked, &diags);
	if (err) /* sets that the question does not name are no fault */
		ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	if (err)
		return err == -EINVAL ? KS_EXIT_USAGE : ks_cli_no_memory();
	err = answer ? ks_policy_ask(policy, asked, class_keep, answer, &reach) : -ENOMEM;
	if (err == -E2BIG)
		fprintf(stderr, "keepstate: the question is not answered in as many steps as are allowed: ask about "
				"fewer packets\n");
	if (err)
		return err == -E2BIG ? KS_EXIT_USAGE : ks_cli_no_memory();
	return answer_give(wish, reach, answer);
}

int ks_cmd_ask(int argc, char **argv)
{
	struct ask_wish wish = { 0 };
	const struct ks_option options[] = {
		{ .name = "json", .help = "print the answer as JSON", .take = ks_take_flag, .target = &wish.json },
		{ .name = "never",
		  .help = "succeed only if the answer is 'never'",
		  .take = ks_take_flag,
		  .target = &wish.never },
		{ .name = "always",
		  .help = "succeed only if the answer is 'yes'",
		  .take = ks_take_flag,
		  .target = &wish.always },
	};
	const struct ks_usage usage = {
		"keepstate ask [OPTION]... FILE QUESTION",
		"Says which packets of a kind may open a connection, by the policy's filter: 'yes', all of them;\n"
		"'never'; or 'only' some. Each class of packets is listed with the line that decides, and a\n"
		"packet that the inspector has judged. What the policy forwards into the zone counts, too.\n"
		"\n"
		"  keepstate ask gateway.conf \"can wan reach lan tcp port 22?\"\n"
		"  keepstate ask --never gateway.conf \"guest > lan\"\n"
		"\n"
		"Behind the zones stand clauses of rules. Returns 0, 1 if the answer is 'never' or not the one\n"
		"that is demanded, 2 if the policy or the question is wrong.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first != 2)
		return ks_usage_error(&usage, "ask needs a policy file and a question in quotes");
	if (wish.never && wish.always)
		return ks_usage_error(&usage, "an answer is not 'never' and 'yes': give one of --never and --always");
	ks_cli_confine(false);
	return ks_cli_finish(question_ask(argv[first], argv[first + 1], &wish));
}
