/* SPDX-License-Identifier: BSD-2-Clause */
/* What a step expects of its packet: the part of the line behind `=>`. */
#include <errno.h>
#include <string.h>

#include "host/names.h"
#include "policy/test_internal.h"

void ks_expect_init(struct ks_expect *expect)
{
	*expect = (struct ks_expect){
		.action = KS_ALLOW, .class = -1, .state = -1, .reason = -1, .dir = -1, .answer = -1, .rule_line = -1
	};
}

static int action_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	for (int action = KS_ALLOW; action <= KS_BYPASS; action++) {
		if (ks_reader_accept_word(reader, ks_action_name(action))) {
			expect->action = action;
			return 0;
		}
	}
	return ks_reader_expected(reader, "allow, deny, reject or bypass");
}

static int state_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	const struct ks_token *token = ks_reader_peek(reader);
	int state = token->kind == KS_TOKEN_WORD ? ks_state_from_name(token->text) : -1;

	if (state < 0)
		return ks_reader_expected(reader, "the name of a state, such as ESTABLISHED or UDP_SINGLE");
	ks_reader_next(reader);
	expect->state = state;
	return 0;
}

static int reason_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	const char *names[KS_REASON_MAX], *near;
	const struct ks_token *token = ks_reader_next(reader);

	expect->reason = ks_reason_from_name(token->text);
	if (expect->reason >= 0)
		return 0;
	for (int i = 0; i < KS_REASON_MAX; i++)
		names[i] = ks_reason_name(i);
	near = ks_nearest(token->text, names, KS_REASON_MAX);
	return ks_reader_complain_last(reader, "no reason is called \"%s\"%s%s%s", token->text,
				       near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int answer_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	static const char *const names[] = { "none", "rst", "icmp" };

	for (int i = 0; i < 3; i++) {
		if (ks_reader_accept_word(reader, names[i])) {
			expect->answer = i;
			return 0;
		}
	}
	return ks_reader_expected(reader, "rst, icmp or none");
}

static int rule_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	const struct ks_token *token = ks_reader_peek(reader);
	__u64 line;

	if (token->kind == KS_TOKEN_STRING) {
		expect->rule_label = ks_reader_next(reader)->text;
		return 0;
	}
	if (ks_reader_accept_word(reader, "default")) {
		expect->rule_line = 0;
		return 0;
	}
	if (ks_reader_number(reader, 1, 10000000, "the line of a rule, its label in quotes, or default", &line))
		return -EINVAL;
	expect->rule_line = (int)line;
	return 0;
}

static int word_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	const struct ks_token *token = ks_reader_peek(reader);

	if (token->kind == KS_TOKEN_STRING)
		return reason_parse(reader, expect);
	if (ks_reader_accept_word(reader, "state"))
		return state_parse(reader, expect);
	if (ks_reader_accept_word(reader, "rule"))
		return rule_parse(reader, expect);
	if (ks_reader_accept_word(reader, "answer"))
		return answer_parse(reader, expect);
	if (ks_reader_accept_word(reader, "original")) {
		expect->dir = KS_ORIGINAL;
		return 0;
	}
	if (ks_reader_accept_word(reader, "reply")) {
		expect->dir = KS_REPLY;
		return 0;
	}
	if (token->kind == KS_TOKEN_WORD && ks_class_from_name(token->text) >= 0) {
		expect->class = ks_class_from_name(ks_reader_next(reader)->text);
		return 0;
	}
	return ks_reader_expected(reader, "a class (new, established, related, invalid, untracked), \"a reason\", "
					  "state, rule, answer, original or reply");
}

int ks_expect_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	int err;

	ks_expect_init(expect);
	if (!ks_reader_accept(reader, KS_TOKEN_ARROW))
		return ks_reader_end(reader);
	err = action_parse(reader, expect);
	while (!err && ks_reader_peek(reader)->kind != KS_TOKEN_END)
		err = word_parse(reader, expect);
	return err;
}
