/* SPDX-License-Identifier: BSD-2-Clause */
/* The words about the steps of a test: expected, got, and why. */
#include <stdarg.h>
#include <string.h>

#include "scenario/runner.h"
#include "text/names.h"

/* Appends to a text of KS_SCENARIO_TEXT; the end is cut off if it does not fit. */
static void text_add(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_add(char *text, const char *format, ...)
{
	size_t at = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + at, KS_SCENARIO_TEXT - at, format, args);
	va_end(args);
}

static const char *answer_name(enum ks_answer answer)
{
	static const char *const names[] = { "none", "rst", "icmp", "challenge" };

	return names[answer];
}

enum ks_answer ks_answer_kind(const struct ks_passage *passage)
{
	const struct ks_packet *pkt = &passage->insp.pkt;
	const __u8 *ip = passage->answer + pkt->l3_off;
	__u32 proto;

	if (!passage->answer_len)
		return KS_ANSWER_NONE;
	if (passage->insp.verdict.reason == KS_REASON_CHALLENGED)
		return KS_ANSWER_CHALLENGE;
	proto = pkt->tuple.family == KS_IPV4 ? ip[9] : ip[6];
	return proto == KS_PROTO_TCP ? KS_ANSWER_RST : KS_ANSWER_ICMP;
}

int ks_logs_of(const struct ks_passage *passage)
{
	const struct ks_inspection *insp = &passage->insp;

	if (passage->unreported)
		return 0;
	return (insp->verdict.log ? KS_LOGS_RULE : 0) | (insp->verdict.staged_log ? KS_LOGS_STAGED : 0);
}

static void logs_describe(int logs, char *text)
{
	text_add(text, "%s%s%s", logs & KS_LOGS_RULE ? " log rule" : "", logs & KS_LOGS_STAGED ? " log staged" : "",
		 logs ? "" : " log none");
}

static void expected_describe(const struct ks_expect *expect, char *text)
{
	text_add(text, "%s", ks_action_name((unsigned)expect->action));
	if (expect->class >= 0)
		text_add(text, " %s", ks_class_name((unsigned)expect->class));
	if (expect->reason >= 0)
		text_add(text, " \"%s\"", ks_reason_name((unsigned)expect->reason));
	if (expect->state >= 0)
		text_add(text, " state %s", ks_state_name((unsigned)expect->state));
	if (expect->dir >= 0)
		text_add(text, " %s", expect->dir == KS_ORIGINAL ? "original" : "reply");
	if (expect->rule_label)
		text_add(text, " rule \"%s\"", expect->rule_label);
	else if (expect->rule_line >= 0)
		text_add(text, expect->rule_line ? " rule %d" : " rule default", expect->rule_line);
	if (expect->staged >= 0)
		text_add(text, " staged %s",
			 expect->staged == KS_STAGED_NONE ? "none" : ks_action_name((unsigned)expect->staged));
	if (expect->logs >= 0)
		logs_describe(expect->logs, text);
	if (expect->answer >= 0)
		text_add(text, " answer %s", answer_name((enum ks_answer)expect->answer));
}

const char *ks_passage_text(const struct ks_policy *policy, const struct ks_passage *passage,
			    char buf[KS_SCENARIO_TEXT])
{
	const struct ks_inspection *insp = &passage->insp;
	const struct ks_rule_info *info = ks_policy_rule(policy, insp->verdict.rule);
	const struct ks_rule_info *staged = ks_policy_rule(policy, insp->verdict.staged);

	buf[0] = '\0';
	text_add(buf, "%s %s \"%s\"", ks_action_name(insp->verdict.action), ks_class_name(insp->verdict.class),
		 ks_reason_name(insp->verdict.reason));
	if (insp->verdict.state != KS_STATE_NONE)
		text_add(buf, " state %s %s", ks_state_name(insp->verdict.state),
			 insp->dir == KS_ORIGINAL ? "original" : "reply");
	if (info)
		text_add(buf, " rule %u", info->place.line);
	if (staged)
		text_add(buf, " staged %s", ks_action_name(staged->action));
	if (insp->verdict.action == KS_REJECT)
		text_add(buf, " answer %s", answer_name(ks_answer_kind(passage)));
	return buf;
}

/* Returns true for reasons that compared numbers (struct ks_compare). */
static bool reason_has_numbers(unsigned reason)
{
	switch (reason) {
	case KS_REASON_TCP_WINDOW_SEQ:
	case KS_REASON_TCP_OLD_SEQ:
	case KS_REASON_TCP_ACK_AHEAD:
	case KS_REASON_TCP_ACK_OLD:
	case KS_REASON_TCP_RST_SEQ:
		return true;
	default:
		return false;
	}
}

static void why_describe(const struct ks_policy *policy, const struct ks_inspection *insp, char *text)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, insp->verdict.rule);

	text_add(text, "%s", ks_reason_text(insp->verdict.reason));
	if (reason_has_numbers(insp->verdict.reason))
		text_add(text, "; %u must lie in %u to %u (flow in %s)", insp->verdict.compare.have,
			 insp->verdict.compare.lo, insp->verdict.compare.hi, ks_state_name(insp->flow.before.state));
	if (info)
		text_add(text, "; rule %s:%u: %s", info->place.file, info->place.line, info->text);
}

static void leaving_describe(const struct ks_step *step, const struct ks_frame *frame, struct ks_step_result *result)
{
	size_t at = strlen(result->expected);

	ks_leaving_expected(&step->expect, result->expected + at, sizeof(result->expected) - at);
	at = strlen(result->got);
	ks_leaving_text(frame, &result->passage, result->got + at, sizeof(result->got) - at);
}

void ks_passage_describe(const struct ks_runner *runner, const struct ks_step *step, const struct ks_frame *frame,
			 struct ks_step_result *result)
{
	result->expected[0] = result->why[0] = '\0';
	expected_describe(&step->expect, result->expected);
	ks_passage_text(runner->policy, &result->passage, result->got);
	if (step->expect.logs >= 0)
		logs_describe(ks_logs_of(&result->passage), result->got);
	leaving_describe(step, frame, result);
	why_describe(runner->policy, &result->passage.insp, result->why);
}

void ks_step_result_print(const struct ks_step_result *result, const char *indent, FILE *out)
{
	const struct ks_step *step = result->step;

	fprintf(out, "%s%s:%u: test \"%s\": %s\n", indent, step->place.file, step->place.line, result->test->name,
		step->text);
	if (result->repeat)
		fprintf(out, "%s  at packet %llu of %llu\n", indent, result->repeat + 1, step->number);
	if (result->expected[0])
		fprintf(out, "%s  expected %s\n", indent, result->expected);
	if (result->got[0])
		fprintf(out, "%s  got      %s\n", indent, result->got);
	if (result->why[0])
		fprintf(out, "%s  because  %s\n", indent, result->why);
}
