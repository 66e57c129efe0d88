/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads `test "name" { ... }`. While the policy is parsed, the lines of the block
 * are collected as tokens; they are read as steps when all zones are known,
 * which may stand further down. All memory is of the policy's arena.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text/names.h"
#include "policy/assertion.h"
#include "policy/parse.h"
#include "policy/value.h"
#include "policy/scenario/clock.h"
#include "policy/scenario/expect.h"
#include "policy/scenario/packet.h"
#include "policy/scenario/reader.h"
#include "policy/scenario/set_step.h"
#include "policy/scenario/words.h"

#define KS_LINE_WORDS_MAX 256
#define KS_TEST_STEPS_MAX 10000
#define KS_FILL_MAX 1000000

/* A block that was collected, and whose steps are not read yet. */
struct block {
	struct ks_token name;
	struct ks_line *lines;
	size_t count;
	bool wrong; /* one of its assertions was complained about */
};

/* --- steps --- */

static const char *line_text(struct ks_reader *reader)
{
	size_t size = 1;
	char *text, *to;

	for (size_t i = 0; i < reader->line.count; i++)
		size += reader->line.tokens[i].length + 4;
	text = to = ks_arena_alloc(reader->arena, size);
	if (!text) {
		ks_reader_no_memory(reader);
		return "";
	}
	for (size_t i = 0; i < reader->line.count; i++) {
		const struct ks_token *token = &reader->line.tokens[i];
		const char *quote = token->kind == KS_TOKEN_STRING ? "\"" : "";
		bool tight = token->kind == KS_TOKEN_COMMA ||
			     (i && reader->line.tokens[i - 1].kind == KS_TOKEN_EQUALS && i > 2);

		to = stpcpy(to, i && !tight ? " " : "");
		to = stpcpy(to, quote);
		to = stpcpy(to, token->kind == KS_TOKEN_ARROW	  ? "=>"
				: token->kind == KS_TOKEN_GREATER ? ">"
				: token->kind == KS_TOKEN_EQUALS  ? "="
								  : token->text);
		to = stpcpy(to, quote);
	}
	return text;
}

static struct ks_step *step_add(struct ks_reader *reader, struct ks_test *test, enum ks_step_kind kind)
{
	struct ks_step *steps = ks_arena_grow(reader->arena, test->steps, test->step_count, sizeof(*steps)), *step;

	if (!steps) {
		ks_reader_no_memory(reader);
		return NULL;
	}
	test->steps = steps;
	step = &steps[test->step_count++];
	step->kind = kind;
	step->number = 1;
	step->place = reader->line.tokens[0].place;
	step->text = line_text(reader);
	ks_expect_init(&step->expect);
	return step;
}

static int after_parse(struct ks_reader *reader, struct ks_test *test)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_AFTER);
	const struct ks_token *token = ks_reader_peek(reader);

	if (!step)
		return -ENOMEM;
	if (token->kind != KS_TOKEN_WORD || ks_value_duration(token->text, &step->number))
		return ks_reader_expected(reader, "a duration such as 30s, 10m or 1h30m");
	ks_reader_next(reader);
	return ks_reader_end(reader);
}

static int clock_parse(struct ks_reader *reader, struct ks_test *test)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_CLOCK);

	return step ? ks_clock_parse(reader, &step->number) : -ENOMEM;
}

/* Reads a conversation, or the ends and the protocol of a packet. */
static int flow_read(struct ks_reader *reader, struct ks_step *step)
{
	const struct ks_token *token = ks_reader_peek(reader);
	struct ks_named_conversation *conversation = NULL;

	if (token->kind == KS_TOKEN_WORD)
		conversation = ks_reader_conversation(reader, token->text);
	if (conversation) {
		ks_reader_next(reader);
		step->packet = conversation->spec;
		step->packet.conversation = true;
		return ks_reader_end(reader);
	}
	if (ks_packet_spec_parse(reader, &step->packet))
		return -EINVAL;
	return ks_reader_end(reader);
}

/* The same behind `for`. */
static int flow_parse(struct ks_reader *reader, struct ks_step *step)
{
	if (!ks_reader_accept_word(reader, "for"))
		return ks_reader_expected(reader, "'for' and a conversation");
	return flow_read(reader, step);
}

static int expect_state_parse(struct ks_reader *reader, struct ks_step *step, bool none)
{
	const struct ks_token *token = ks_reader_peek(reader);

	step->kind = KS_STEP_EXPECT_STATE;
	step->expect.state = KS_STATE_NONE;
	if (none)
		return flow_parse(reader, step);
	for (int i = 1; token->kind == KS_TOKEN_WORD && i < KS_STATE_MAX; i++) {
		if (strcmp(ks_state_name((unsigned)i), token->text) == 0)
			step->expect.state = i;
	}
	if (step->expect.state == KS_STATE_NONE)
		return ks_reader_expected(reader, "the name of a state, such as ESTABLISHED or UDP_SINGLE");
	ks_reader_next(reader);
	return flow_parse(reader, step);
}

static int expect_number(struct ks_reader *reader, __u64 *number)
{
	return ks_reader_number(reader, 0, ~0ULL, "a number", number);
}

static int expect_records_parse(struct ks_reader *reader, struct ks_step *step)
{
	const struct ks_token *token = ks_reader_peek(reader);
	int kind = token->kind == KS_TOKEN_WORD ? ks_kind_from_word(token->text) : -1;

	if (kind < 0)
		return ks_reader_expected(reader,
					  "aliases, mappings, permits, expectations, fragments, helpers or questions");
	ks_reader_next(reader);
	step->kind = KS_STEP_EXPECT_RECORDS;
	step->number2 = (__u64)kind;
	return expect_number(reader, &step->number) ? -EINVAL : ks_reader_end(reader);
}

static int expect_step_parse(struct ks_reader *reader, struct ks_test *test)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_EXPECT_STATES);

	if (!step)
		return -ENOMEM;
	if (ks_reader_accept_word(reader, "state"))
		return expect_state_parse(reader, step, false);
	if (ks_reader_accept_word(reader, "no")) {
		if (!ks_reader_accept_word(reader, "state"))
			return ks_reader_expected(reader, "'state'");
		return expect_state_parse(reader, step, true);
	}
	if (ks_reader_accept_word(reader, "packets")) {
		step->kind = KS_STEP_EXPECT_PACKETS;
		if (expect_number(reader, &step->number) || expect_number(reader, &step->number2))
			return -EINVAL;
		return flow_parse(reader, step);
	}
	if (ks_reader_accept_word(reader, "records"))
		return expect_records_parse(reader, step);
	if (ks_reader_accept_word(reader, "set")) {
		step->kind = KS_STEP_EXPECT_SET;
		if (ks_set_name_parse(reader, step) || expect_number(reader, &step->number))
			return -EINVAL;
		return ks_reader_end(reader);
	}
	if (ks_reader_accept_word(reader, "half-open"))
		step->kind = KS_STEP_EXPECT_HALF_OPEN;
	else if (!ks_reader_accept_word(reader, "states"))
		return ks_reader_expected(reader, "states N, half-open N, state NAME for ..., no state for ..., "
						  "packets N N for ..., records KIND N or set NAME N");
	if (expect_number(reader, &step->number))
		return -EINVAL;
	return ks_reader_end(reader);
}

static int reload_parse(struct ks_reader *reader, struct ks_test *test)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_RELOAD);

	if (!step)
		return -ENOMEM;
	if (ks_reader_peek(reader)->kind != KS_TOKEN_STRING)
		return ks_reader_expected(reader, "the name of a policy file in quotes");
	step->path = ks_reader_next(reader)->text;
	return ks_reader_end(reader);
}

static int listen_parse(struct ks_reader *reader, struct ks_test *test)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_LISTEN);

	if (!step)
		return -ENOMEM;
	if (ks_reader_accept_word(reader, "tcp"))
		step->packet.proto = KS_PROTO_TCP;
	else if (ks_reader_accept_word(reader, "udp"))
		step->packet.proto = KS_PROTO_UDP;
	else
		return ks_reader_expected(reader, "tcp or udp");
	if (ks_reader_number(reader, 1, KS_PORT_MAX, "a port, 1 to 65535", &step->number))
		return -EINVAL;
	return ks_reader_end(reader);
}

static int set_parse(struct ks_reader *reader, struct ks_test *test)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_SET);

	return step ? ks_set_step_parse(reader, step) : -ENOMEM;
}

static int settle_parse(struct ks_reader *reader, struct ks_test *test)
{
	return step_add(reader, test, KS_STEP_SETTLE) ? ks_reader_end(reader) : -ENOMEM;
}

static int kill_parse(struct ks_reader *reader, struct ks_test *test)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_KILL);

	return step ? flow_read(reader, step) : -ENOMEM;
}

/* An assertion was read with the policy (policy/assertion.h); its words are for who proves it. */
static int assertion_add(struct ks_reader *reader, struct ks_test *test, enum ks_step_kind kind)
{
	struct ks_step *step = step_add(reader, test, kind);

	if (!step)
		return -ENOMEM;
	step->path = step->text + strcspn(step->text, " ") + 1;
	return 0;
}

static int packet_step_parse(struct ks_reader *reader, struct ks_test *test, __u64 number)
{
	struct ks_step *step = step_add(reader, test, KS_STEP_PACKET);
	int err;

	if (!step)
		return -ENOMEM;
	step->number = number;
	err = ks_packet_spec_parse(reader, &step->packet);
	return err ? err : ks_expect_parse(reader, &step->expect);
}

static int fill_parse(struct ks_reader *reader, struct ks_test *test)
{
	__u64 number;

	if (ks_reader_number(reader, 1, KS_FILL_MAX, "how many flows, 1 to 1000000", &number))
		return -EINVAL;
	return packet_step_parse(reader, test, number);
}

static int conversation_parse(struct ks_reader *reader)
{
	const struct ks_token *name = ks_reader_next(reader);
	struct ks_named_conversation *conversation;

	if (ks_reader_conversation(reader, name->text))
		return ks_reader_complain_last(reader, "'%s' already names a conversation of this test", name->text);
	if (ks_policy_zone_id(reader->policy, name->text) >= 0)
		return ks_reader_complain_last(reader, "'%s' is a zone: choose another name", name->text);
	ks_reader_next(reader); /* = */
	conversation = ks_arena_alloc(reader->arena, sizeof(*conversation));
	if (!conversation)
		return ks_reader_no_memory(reader);
	conversation->name = name->text;
	if (ks_packet_spec_parse(reader, &conversation->spec) || ks_reader_end(reader))
		return -EINVAL;
	conversation->next = reader->conversations;
	reader->conversations = conversation;
	return 0;
}

/* Words that only stand on a SYN. */
static void syn_words_drop(struct ks_packet_spec *spec)
{
	size_t kept = 0;

	for (size_t i = 0; i < spec->mod_count; i++) {
		enum ks_mod_kind kind = spec->mods[i].kind;

		if (kind != KS_MOD_WSCALE && kind != KS_MOD_MSS && kind != KS_MOD_SACKOK && kind != KS_MOD_ISN)
			spec->mods[kept++] = spec->mods[i];
	}
	spec->mod_count = kept;
}

/* Reads `c open` and `c close`: three packets, which must all be allowed; words behind them apply to each. */
static int macro_parse(struct ks_reader *reader, struct ks_test *test)
{
	static const struct {
		bool back;
		__u8 flags;
	} packets[2][3] = {
		{ { false, KS_TCP_SYN }, { true, KS_TCP_SYN | KS_TCP_ACK }, { false, KS_TCP_ACK } },
		{ { false, KS_TCP_FIN | KS_TCP_ACK }, { true, KS_TCP_FIN | KS_TCP_ACK }, { false, KS_TCP_ACK } },
	};
	const struct ks_named_conversation *conversation = ks_reader_conversation(reader, ks_reader_next(reader)->text);
	int which = strcmp(ks_reader_next(reader)->text, "open") == 0 ? 0 : 1;
	size_t words = reader->at;

	if (conversation->spec.proto != KS_PROTO_TCP)
		return ks_reader_complain_last(reader, "only TCP opens and closes");
	for (int i = 0; i < 3; i++) {
		struct ks_step *step = step_add(reader, test, KS_STEP_PACKET);

		if (!step)
			return -ENOMEM;
		step->packet = conversation->spec;
		step->packet.conversation = true;
		step->packet.tcp_flags = packets[which][i].flags;
		if (packets[which][i].back)
			ks_packet_spec_reverse(&step->packet);
		reader->at = words;
		if (ks_packet_spec_parse_words(reader, &step->packet) || ks_reader_end(reader))
			return -EINVAL;
		if (packets[which][i].flags == KS_TCP_ACK && reader->at > words)
			syn_words_drop(&step->packet);
	}
	return 0;
}

static bool is_conversation_with(const struct ks_reader *reader, const char *word)
{
	const struct ks_line *line = &reader->line;

	return line->count >= 2 && line->tokens[0].kind == KS_TOKEN_WORD && line->tokens[1].kind == KS_TOKEN_WORD &&
	       strcmp(line->tokens[1].text, word) == 0 && ks_reader_conversation(reader, line->tokens[0].text);
}

static int step_parse(struct ks_reader *reader, struct ks_test *test)
{
	const struct ks_line *line = &reader->line;

	if (line->count >= 2 && line->tokens[0].kind == KS_TOKEN_WORD && line->tokens[1].kind == KS_TOKEN_EQUALS)
		return conversation_parse(reader);
	if (is_conversation_with(reader, "open") || is_conversation_with(reader, "close"))
		return macro_parse(reader, test);
	if (ks_reader_accept_word(reader, "after"))
		return after_parse(reader, test);
	if (ks_reader_accept_word(reader, "clock"))
		return clock_parse(reader, test);
	if (ks_reader_accept_word(reader, "expect"))
		return expect_step_parse(reader, test);
	if (ks_reader_accept_word(reader, "reload"))
		return reload_parse(reader, test);
	if (ks_reader_accept_word(reader, "listen"))
		return listen_parse(reader, test);
	if (ks_reader_accept_word(reader, "settle"))
		return settle_parse(reader, test);
	if (ks_reader_accept_word(reader, "kill"))
		return kill_parse(reader, test);
	if (ks_reader_accept_word(reader, "set"))
		return set_parse(reader, test);
	if (ks_reader_accept_word(reader, "never"))
		return assertion_add(reader, test, KS_STEP_NEVER);
	if (ks_reader_accept_word(reader, "always"))
		return assertion_add(reader, test, KS_STEP_ALWAYS);
	if (ks_reader_accept_word(reader, "fill"))
		return fill_parse(reader, test);
	return packet_step_parse(reader, test, 1);
}

/* --- blocks --- */

/* A reload fails if the other policy is bad. */
static bool step_can_fail(const struct ks_step *step)
{
	return step->kind != KS_STEP_AFTER && step->kind != KS_STEP_CLOCK && step->kind != KS_STEP_LISTEN &&
	       step->kind != KS_STEP_SETTLE && (step->kind != KS_STEP_SET || step->change == KS_SET_REMOVE);
}

bool ks_test_can_fail(const struct ks_test *test)
{
	for (size_t i = 0; i < test->step_count; i++) {
		if (step_can_fail(&test->steps[i]))
			return true;
	}
	return false;
}

static int block_read(struct ks_parser *p, void *arg)
{
	struct block *block = arg;
	struct ks_reader reader = { .policy = p->policy,
				    .ast = p->ast,
				    .arena = p->arena,
				    .complaints = &p->complaints,
				    .zones_needed = true };
	struct ks_policy *policy = p->policy;
	bool wrong = block->wrong;
	struct ks_test *tests = ks_arena_grow(p->arena, policy->tests, policy->test_count, sizeof(*tests)), *test;

	if (!tests)
		return ks_parser_no_memory(p);
	policy->tests = tests;
	test = &tests[policy->test_count++];
	test->name = block->name.text;
	test->place = block->name.place;
	for (size_t i = 0; i < block->count; i++) {
		reader.line = block->lines[i];
		reader.at = 0;
		reader.error = 0;
		if (step_parse(&reader, test) == -ENOMEM)
			return ks_parser_no_memory(p);
		wrong |= reader.error != 0;
	}
	if (!wrong && !ks_test_can_fail(test))
		ks_complain(&p->complaints, &test->place, true, "this test " KS_TEST_CANNOT_FAIL);
	return 0;
}

static int line_add(struct ks_parser *p, struct block *block, const struct ks_token *token, bool fresh)
{
	struct ks_line *line;
	struct ks_token *tokens;

	if (fresh) {
		struct ks_line *lines = ks_arena_grow(p->arena, block->lines, block->count, sizeof(*lines));

		if (!lines)
			return ks_parser_no_memory(p);
		block->lines = lines;
		block->count++;
	}
	line = &block->lines[block->count - 1];
	tokens = ks_arena_grow(p->arena, line->tokens, line->count, sizeof(*tokens));
	if (!tokens)
		return ks_parser_no_memory(p);
	line->tokens = tokens;
	tokens[line->count++] = *token;
	return 0;
}

/* Reads an assertion, with the words of rules, and takes its tokens from the record. */
static int assertion_collect(struct ks_parser *p, struct block *block)
{
	const size_t first = p->record_count - 1;
	int err = ks_parse_assertion(p);

	block->wrong |= err != 0;
	if (err == -EINVAL)
		ks_parser_recover(p);
	if (!err && p->record_count - first > KS_LINE_WORDS_MAX)
		return ks_parser_error(p, &p->record[first], 0, "a step has at most %d words", KS_LINE_WORDS_MAX);
	for (size_t i = first; !err && i < p->record_count; i++)
		err = line_add(p, block, &p->record[i], i == first);
	return err == -ENOMEM ? err : 0;
}

/* Takes the tokens up to the closing brace. */
static int block_collect(struct ks_parser *p, struct block *block)
{
	bool fresh = true;

	for (;;) {
		const struct ks_token *token = ks_parser_peek(p);

		if (token->kind == KS_TOKEN_END)
			return ks_parser_error_at(p, &block->name.place, "the '}' that ends this test is missing");
		token = ks_parser_next(p);
		if (token->kind == KS_TOKEN_RBRACE)
			return 0;
		if (token->kind == KS_TOKEN_NEWLINE) {
			fresh = true;
			continue;
		}
		if (fresh && block->count == KS_TEST_STEPS_MAX)
			return ks_parser_error(p, token, 0, "a test has at most %d steps", KS_TEST_STEPS_MAX);
		if (!fresh && block->lines[block->count - 1].count == KS_LINE_WORDS_MAX)
			return ks_parser_error(p, token, 0, "a step has at most %d words", KS_LINE_WORDS_MAX);
		if (fresh && ks_is_assertion(token)) {
			if (assertion_collect(p, block))
				return -ENOMEM;
			continue;
		}
		if (line_add(p, block, token, fresh))
			return -ENOMEM;
		fresh = false;
	}
}

int ks_test_parse(struct ks_parser *p)
{
	struct block *block = ks_arena_alloc(p->arena, sizeof(*block));
	int err;

	if (!block)
		return ks_parser_no_memory(p);
	err = ks_parser_expect(p, KS_TOKEN_STRING, "the name of the test in quotes", &block->name);
	if (err)
		return err;
	err = ks_parser_expect(p, KS_TOKEN_LBRACE, "'{'", NULL);
	if (err)
		return err;
	err = block_collect(p, block);
	return err ? err : ks_parser_defer(p, block_read, block);
}

/* --- one packet from a text, for explain --- */

static int text_tokens(const struct ks_source *source, struct ks_complaints *complaints, struct ks_arena *arena,
		       struct ks_line *line)
{
	struct ks_lexer lexer;
	struct ks_token token, *tokens;

	ks_lexer_init(&lexer, source, complaints, arena);
	for (;;) {
		ks_lexer_next(&lexer, &token);
		if (token.kind == KS_TOKEN_END)
			return 0;
		if (token.kind == KS_TOKEN_NEWLINE)
			continue;
		if (token.kind == KS_TOKEN_BAD)
			return -EINVAL;
		tokens = ks_arena_grow(arena, line->tokens, line->count, sizeof(*tokens));
		if (!tokens)
			return -ENOMEM;
		line->tokens = tokens;
		tokens[line->count++] = token;
	}
}

int ks_step_parse_text(const struct ks_policy *policy, const char *text, struct ks_arena *arena, struct ks_step *step,
		       struct ks_diags *diags)
{
	struct ks_source source = { .name = "packet", .dir = ".", .text = text, .length = strlen(text) };
	struct ks_complaints complaints = { .diags = diags, .sources = &source };
	struct ks_reader reader = { .policy = policy, .arena = arena, .complaints = &complaints };
	struct ks_place start = { "packet", 1, 1 };
	struct ks_test test = { 0 };
	int err = text_tokens(&source, &complaints, arena, &reader.line);

	if (!err && !reader.line.count) {
		ks_complain(&complaints, &start, false, "expected a packet, such as %s",
			    "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp");
		err = -EINVAL;
	}
	if (!err)
		err = packet_step_parse(&reader, &test, 1);
	free(source.lines);
	if (complaints.no_memory)
		return -ENOMEM;
	if (!err)
		*step = test.steps[0];
	return err;
}
