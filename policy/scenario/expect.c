/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the part of a step behind `=>`: what must become of its packet. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "text/names.h"
#include "policy/condition.h"
#include "policy/value.h"
#include "policy/scenario/expect.h"
#include "policy/scenario/reader.h"

void ks_expect_init(struct ks_expect *expect)
{
	*expect = (struct ks_expect){
		.action = KS_ALLOW,
		.class = -1,
		.state = -1,
		.reason = -1,
		.dir = -1,
		.answer = -1,
		.rule_line = -1,
		.staged = -1,
		.logs = -1,
		.as.id = -1,
		.quoting.id = -1,
		.ttl = -1,
		.mss = -1,
		.df = -1,
		.ip_id = -1,
		.dscp = -1,
		.mark = -1,
		.resumes = -1,
	};
}

static int action_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	for (unsigned action = KS_ALLOW; action < KS_ACTION_MAX; action++) {
		if (ks_reader_accept_word(reader, ks_action_name(action))) {
			expect->action = (int)action;
			return 0;
		}
	}
	return ks_reader_expected(reader, "allow, deny, reject, bypass or hold");
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
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		names[i] = ks_reason_name(i);
	near = ks_nearest(token->text, names, KS_REASON_MAX);
	return ks_reader_complain_last(reader, "no reason is called \"%s\"%s%s%s", token->text,
				       near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int answer_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	static const char *const names[] = { "none", "rst", "icmp", "challenge" };

	for (int i = 0; i < (int)KS_ARRAY_SIZE(names); i++) {
		if (ks_reader_accept_word(reader, names[i])) {
			expect->answer = i;
			return 0;
		}
	}
	return ks_reader_expected(reader, "rst, icmp, challenge or none");
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

static int staged_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	for (unsigned action = KS_ALLOW; action <= KS_REJECT; action++) {
		if (ks_reader_accept_word(reader, ks_action_name(action))) {
			expect->staged = (int)action;
			return 0;
		}
	}
	if (!ks_reader_accept_word(reader, "none"))
		return ks_reader_expected(reader, "allow, deny, reject or none");
	expect->staged = KS_STAGED_NONE;
	return 0;
}

/* Both rules may log a packet: the word stands for each then. */
static int log_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	static const struct {
		const char *name;
		int logs;
	} words[] = { { "none", 0 }, { "rule", KS_LOGS_RULE }, { "staged", KS_LOGS_STAGED } };

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (ks_reader_accept_word(reader, words[i].name)) {
			expect->logs = KS_MAX(expect->logs, 0) | words[i].logs;
			return 0;
		}
	}
	return ks_reader_expected(reader, "rule, staged or none");
}

/* "*", "40000", "1024-65535" or "!40000". */
static int port_pattern(const char *text, struct ks_end_pattern *end)
{
	__u32 low, high;

	if (strcmp(text, "*") == 0)
		return 0;
	end->port_not = *text == '!';
	text += end->port_not;
	if (ks_value_number_range(text, KS_PORT_MAX, &low, &high))
		return -EINVAL;
	end->port_lo = (__u16)low;
	end->port_hi = (__u16)high;
	return 0;
}

/* An address, a prefix, a range or "*". */
static int addr_pattern(const char *text, size_t length, struct ks_end_pattern *end)
{
	char part[2 * KS_ADDR_TEXT];

	if (length >= sizeof(part))
		return -EINVAL;
	memcpy(part, text, length);
	part[length] = '\0';
	return strcmp(part, "*") == 0 ? 0 : ks_value_range(part, &end->addrs, &end->family);
}

/* "203.0.113.1:40000", "[2001:db8::1]:80", "203.0.113.8-203.0.113.15:1024-2047", "*:80", "2001:db8::/64", "*". */
static int end_pattern(const char *text, struct ks_end_pattern *end)
{
	const char *close = text[0] == '[' ? strrchr(text, ']') : NULL;
	const char *colon = strchr(text, ':');

	*end = (struct ks_end_pattern){ .port_hi = KS_PORT_MAX };
	if (close) {
		if (close[1] && (close[1] != ':' || port_pattern(close + 2, end)))
			return -EINVAL;
		return addr_pattern(text + 1, (size_t)(close - text - 1), end);
	}
	if (!colon || strchr(colon + 1, ':')) /* no port, or IPv6 */
		return addr_pattern(text, strlen(text), end);
	return port_pattern(colon + 1, end) ? -EINVAL : addr_pattern(text, (size_t)(colon - text), end);
}

static int end_pattern_parse(struct ks_reader *reader, struct ks_end_pattern *end)
{
	const struct ks_token *token = ks_reader_peek(reader);

	if (token->kind != KS_TOKEN_WORD || end_pattern(token->text, end))
		return ks_reader_expected(reader, "an end such as 203.0.113.1:40000, 203.0.113.1, *:80 or *");
	ks_reader_next(reader);
	return 0;
}

/* END > END [id N] */
static int ends_pattern_parse(struct ks_reader *reader, struct ks_ends_pattern *ends)
{
	__u64 id;

	ends->given = true;
	if (end_pattern_parse(reader, &ends->src))
		return -EINVAL;
	if (!ks_reader_accept(reader, KS_TOKEN_GREATER))
		return ks_reader_expected(reader, "'>'");
	if (end_pattern_parse(reader, &ends->dst))
		return -EINVAL;
	if (ks_reader_accept_word(reader, "id")) {
		if (ks_reader_number(reader, 0, UINT16_MAX, "the identifier of an ICMP query", &id))
			return -EINVAL;
		ends->id = (int)id;
	}
	return 0;
}

static int small_parse(struct ks_reader *reader, __u64 hi, int *number)
{
	__u64 value;

	if (ks_reader_number(reader, 0, hi, "a number", &value))
		return -EINVAL;
	*number = (int)value;
	return 0;
}

static int mark_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	__u64 mark;

	if (ks_reader_number(reader, 0, UINT32_MAX, "a mark", &mark))
		return -EINVAL;
	expect->mark = (__s64)mark;
	return 0;
}

static int dscp_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	const struct ks_token *token = ks_reader_peek(reader);

	expect->dscp = token->kind == KS_TOKEN_WORD ? ks_dscp_from_text(token->text) : -1;
	if (expect->dscp < 0)
		return ks_reader_expected(reader, "a code point such as ef, or a number, 0 to 63");
	ks_reader_next(reader);
	return 0;
}

static bool is_leaving(const struct ks_token *token)
{
	static const char *const words[] = { "as",   "quoting", "payload", "ttl",   "mss", "mark",
					     "dscp", "ip-id",	"df",	   "no-df", "same" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (token->kind == KS_TOKEN_WORD && strcmp(token->text, words[i]) == 0)
			return true;
	}
	return false;
}

/* Reads how the packet must leave. Returns 1 if the next word is about something else. */
static int leaving_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	if (ks_reader_accept_word(reader, "as"))
		return ends_pattern_parse(reader, &expect->as);
	if (ks_reader_accept_word(reader, "quoting"))
		return ends_pattern_parse(reader, &expect->quoting);
	if (ks_reader_accept_word(reader, "payload"))
		return ks_reader_bytes(reader, &expect->payload, &expect->payload_length);
	if (ks_reader_accept_word(reader, "ttl"))
		return small_parse(reader, UINT8_MAX, &expect->ttl);
	if (ks_reader_accept_word(reader, "mss"))
		return small_parse(reader, UINT16_MAX, &expect->mss);
	if (ks_reader_accept_word(reader, "mark"))
		return mark_parse(reader, expect);
	if (ks_reader_accept_word(reader, "dscp"))
		return dscp_parse(reader, expect);
	if (ks_reader_accept_word(reader, "ip-id"))
		return small_parse(reader, UINT16_MAX, &expect->ip_id);
	if (ks_reader_is_word(reader, "df") || ks_reader_is_word(reader, "no-df")) {
		expect->df = ks_reader_next(reader)->text[0] == 'd';
		return 0;
	}
	if (!ks_reader_accept_word(reader, "same"))
		return 1;
	expect->same = true;
	return 0;
}

static int expect_word_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	const struct ks_token *token = ks_reader_peek(reader);
	int err;

	if (token->kind == KS_TOKEN_STRING)
		return reason_parse(reader, expect);
	if (expect->action != KS_ALLOW && expect->action != KS_BYPASS && is_leaving(token))
		return ks_reader_complain(
			reader,
			"'%s' says how a packet leaves, and behind '%s' none does: expected it behind "
			"allow or bypass only",
			token->text, ks_action_name((unsigned)expect->action));
	err = leaving_parse(reader, expect);
	if (err <= 0)
		return err;
	if (ks_reader_accept_word(reader, "resumes"))
		return small_parse(reader, UINT16_MAX, &expect->resumes);
	if (ks_reader_accept_word(reader, "state"))
		return state_parse(reader, expect);
	if (ks_reader_accept_word(reader, "rule"))
		return rule_parse(reader, expect);
	if (ks_reader_accept_word(reader, "answer"))
		return answer_parse(reader, expect);
	if (ks_reader_accept_word(reader, "staged"))
		return staged_parse(reader, expect);
	if (ks_reader_accept_word(reader, "log"))
		return log_parse(reader, expect);
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
	return ks_reader_expected(reader,
				  "a class (new, established, related, invalid, untracked), \"a reason\", "
				  "state, rule, answer, staged, log, original, reply, as, quoting, payload or same");
}

int ks_expect_parse(struct ks_reader *reader, struct ks_expect *expect)
{
	int err;

	ks_expect_init(expect);
	if (!ks_reader_accept(reader, KS_TOKEN_ARROW))
		return ks_reader_end(reader);
	err = action_parse(reader, expect);
	while (!err && ks_reader_peek(reader)->kind != KS_TOKEN_END)
		err = expect_word_parse(reader, expect);
	return err;
}
