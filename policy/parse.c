/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser's stream of tokens (variables, newlines, errors) and the loop over statements; see parse.h. */
#include "policy/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text/names.h"
#include "policy/file.h"
#include "policy/foreign.h"
#include "policy/nat.h"
#include "policy/print.h"
#include "policy/protect.h"
#include "policy/rule.h"
#include "policy/settings.h"
#include "policy/statement.h"
#include "policy/variable.h"

#include "policy/scenario/scenario.h"

static const char *const keywords[] = {
	"zone",	  "ignore",  "set",	 "include", "timeout", "limit", "option", "allow", "deny",    "reject",
	"bypass", "forward", "redirect", "nat",	    "binat",   "nptv6", "helper", "test",  "protect", "staged",
};

int ks_parser_no_memory(struct ks_parser *p)
{
	p->complaints.no_memory = true;
	return -ENOMEM;
}

/* --- tokens --- */

/* Takes the next token from the variable that is being put in, else from the text. */
static void fetch_token(struct ks_parser *p)
{
	bool after_newline = p->last.kind == KS_TOKEN_NEWLINE || p->last.kind == KS_TOKEN_END;

	if (p->replay_count) {
		p->token = *p->replay++;
		p->replay_count--;
		p->token.place = p->replay_place;
		p->token.variable = p->replay_name;
		p->line_start = false;
		return;
	}
	ks_lexer_next(p->lexer, &p->token);
	while (p->lists && p->token.kind == KS_TOKEN_NEWLINE) {
		after_newline = true;
		ks_lexer_next(p->lexer, &p->token);
	}
	p->line_start = after_newline;
}

static const struct ks_token *peek_raw(struct ks_parser *p)
{
	if (!p->has_token)
		fetch_token(p);
	p->has_token = true;
	return &p->token;
}

const struct ks_token *ks_parser_peek(struct ks_parser *p)
{
	peek_raw(p);
	while (p->token.kind == KS_TOKEN_WORD && p->token.text[0] == '$' && !p->token.variable) {
		if (ks_variable_use(p) == 0)
			fetch_token(p);
		else
			p->token.kind = KS_TOKEN_BAD;
	}
	return &p->token;
}

static void record_token(struct ks_parser *p)
{
	struct ks_token *list = ks_arena_grow(p->arena, p->record, p->record_count, sizeof(*list));

	if (!list) {
		ks_parser_no_memory(p);
		return;
	}
	p->record = list;
	list[p->record_count++] = p->token;
}

/* Consumes the token without looking at it. */
static void drop_token(struct ks_parser *p)
{
	p->last = p->token;
	p->has_token = false;
	if (p->recording)
		record_token(p);
}

const struct ks_token *ks_parser_next(struct ks_parser *p)
{
	ks_parser_peek(p);
	p->has_token = false;
	p->last = p->token;
	p->blocks += p->token.kind == KS_TOKEN_LBRACE;
	p->blocks -= p->token.kind == KS_TOKEN_RBRACE && p->blocks;
	if (p->recording)
		record_token(p);
	return &p->last;
}

const struct ks_token *ks_parser_last(const struct ks_parser *p)
{
	return &p->last;
}

bool ks_parser_is(struct ks_parser *p, enum ks_token_kind kind)
{
	return ks_parser_peek(p)->kind == kind;
}

bool ks_parser_is_word(struct ks_parser *p, const char *word)
{
	const struct ks_token *token = ks_parser_peek(p);

	return token->kind == KS_TOKEN_WORD && strcmp(token->text, word) == 0;
}

bool ks_parser_accept(struct ks_parser *p, enum ks_token_kind kind)
{
	bool is = ks_parser_is(p, kind);

	if (is)
		ks_parser_next(p);
	return is;
}

bool ks_parser_accept_word(struct ks_parser *p, const char *word)
{
	bool is = ks_parser_is_word(p, word);

	if (is)
		ks_parser_next(p);
	return is;
}

void ks_parser_skip_newlines(struct ks_parser *p)
{
	while (peek_raw(p)->kind == KS_TOKEN_NEWLINE)
		drop_token(p);
}

/* --- complaints --- */

int ks_parser_error_at(struct ks_parser *p, const struct ks_place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	ks_complain_v(&p->complaints, place, false, format, args);
	va_end(args);
	return -EINVAL;
}

void ks_parser_warn_at(struct ks_parser *p, const struct ks_place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	ks_complain_v(&p->complaints, place, true, format, args);
	va_end(args);
}

int ks_parser_error(struct ks_parser *p, const struct ks_token *token, size_t offset, const char *format, ...)
{
	struct ks_place place = token->place;
	ks_auto_free char *message = NULL;
	va_list args;

	if (token->kind == KS_TOKEN_BAD)
		return -EINVAL;
	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	if (!message)
		return ks_parser_no_memory(p);
	if (token->variable)
		ks_complain(&p->complaints, &place, false, "%s (in the value of $%s)", message, token->variable);
	else {
		place.column += (unsigned)offset;
		ks_complain(&p->complaints, &place, false, "%s", message);
	}
	return -EINVAL;
}

int ks_parser_expect(struct ks_parser *p, enum ks_token_kind kind, const char *what, struct ks_token *token)
{
	const struct ks_token *next = ks_parser_peek(p);
	char buf[96];

	if (next->kind != kind)
		return ks_parser_error(p, next, 0, "expected %s, found %s", what,
				       ks_token_describe(next, buf, sizeof(buf)));
	ks_parser_next(p);
	if (token)
		*token = p->last;
	return 0;
}

int ks_parser_expect_end(struct ks_parser *p)
{
	const struct ks_token *next = ks_parser_peek(p);
	char buf[96];

	if (next->kind == KS_TOKEN_NEWLINE) {
		ks_parser_next(p);
		return 0;
	}
	if (next->kind == KS_TOKEN_END || (next->kind == KS_TOKEN_RBRACE && p->blocks))
		return 0;
	return ks_parser_error(p, next, 0, "expected the end of the line, found %s",
			       ks_token_describe(next, buf, sizeof(buf)));
}

const char *ks_did_you_mean(struct ks_parser *p, const char *before, const char *word, const char *const *names,
			    size_t count)
{
	const char *nearest = ks_nearest(word, names, count);
	const char *text = nearest ? ks_arena_printf(p->arena, " (did you mean '%s%s'?)", before, nearest) : "";

	return text ? text : "";
}

/* --- recovery --- */

/* Returns true if the token begins a statement: then a brace before it was never closed. */
static bool begins_statement(struct ks_parser *p)
{
	if (!p->line_start || p->token.kind != KS_TOKEN_WORD)
		return false;
	for (size_t i = 0; i < KS_ARRAY_SIZE(keywords); i++) {
		if (strcmp(p->token.text, keywords[i]) == 0)
			return true;
	}
	return false;
}

void ks_parser_skip_block(struct ks_parser *p, unsigned outer)
{
	while (p->blocks > outer) {
		const struct ks_token *token = peek_raw(p);

		if (token->kind == KS_TOKEN_END || begins_statement(p)) {
			p->blocks = outer;
			p->at_statement = true;
			return;
		}
		p->blocks += token->kind == KS_TOKEN_LBRACE;
		p->blocks -= token->kind == KS_TOKEN_RBRACE;
		drop_token(p);
	}
}

void ks_parser_recover(struct ks_parser *p)
{
	unsigned depth = 0;

	if (p->at_statement) {
		p->at_statement = false;
		return;
	}
	for (;;) {
		const struct ks_token *token = peek_raw(p);

		if (token->kind == KS_TOKEN_END || (depth && begins_statement(p)))
			return;
		if (token->kind == KS_TOKEN_RBRACE && !depth && p->blocks)
			return;
		depth += token->kind == KS_TOKEN_LBRACE;
		depth -= token->kind == KS_TOKEN_RBRACE && depth;
		drop_token(p);
		if (p->last.kind == KS_TOKEN_NEWLINE && !depth)
			return;
	}
}

/* --- statements --- */

int ks_parser_defer(struct ks_parser *p, ks_parser_deferred_fn *fn, void *arg)
{
	struct ks_deferred *deferred = ks_arena_alloc(p->arena, sizeof(*deferred));

	if (!deferred)
		return ks_parser_no_memory(p);
	*deferred = (struct ks_deferred){ .fn = fn, .arg = arg };
	*p->deferred_end = deferred;
	p->deferred_end = &deferred->next;
	return 0;
}

/* Reads a test block and keeps its tokens for the normal form. */
static int parse_test(struct ks_parser *p)
{
	unsigned outer = p->blocks;
	int err;

	p->record = NULL;
	p->record_count = 0;
	p->recording = true;
	err = ks_test_parse(p);
	if (err)
		ks_parser_skip_block(p, outer);
	p->recording = false;
	return err ? err : ks_test_text_keep(p);
}

static int parse_include(struct ks_parser *p)
{
	const struct ks_source *source;
	struct ks_token path;
	int err = ks_parser_expect(p, KS_TOKEN_STRING, "a file name in quotes", &path);

	if (err)
		return err;
	err = ks_parser_expect_end(p);
	if (err)
		return err;
	if (p->include_depth >= KS_INCLUDE_DEPTH_MAX)
		return ks_parser_error(p, &path, 0, "files are included more than %d deep", KS_INCLUDE_DEPTH_MAX);
	err = ks_source_open(p, &path, &source);
	if (err)
		return err;
	for (unsigned i = 0; i < p->include_depth; i++) {
		if (ks_source_same(p->including[i], source))
			return ks_parser_error(p, &path, 0, "'%.200s' includes itself", source->name);
	}
	return ks_parser_read(p, source);
}

static int unknown_statement(struct ks_parser *p, const struct ks_token *word)
{
	const char *instead = word->kind == KS_TOKEN_WORD ? ks_foreign_statement(word->text) : NULL;
	char buf[96];

	if (word->kind != KS_TOKEN_WORD)
		return ks_parser_error(p, word, 0, "expected a statement such as 'allow' or 'zone', found %s",
				       ks_token_describe(word, buf, sizeof(buf)));
	if (instead)
		return ks_parser_error(p, word, 0, "unknown statement '%.60s': expected %s", word->text, instead);
	return ks_parser_error(p, word, 0,
			       "unknown statement '%.60s'%s: expected allow, deny, reject, bypass, staged, forward, "
			       "redirect, nat, binat, nptv6, helper, zone, protect, ignore, set, include, timeout, "
			       "limit, option, test, or "
			       "$name = value",
			       word->text, ks_did_you_mean(p, "", word->text, keywords, KS_ARRAY_SIZE(keywords)));
}

static int parse_statement(struct ks_parser *p, const struct ks_token *word)
{
	enum ks_statement statement;

	if (word->kind != KS_TOKEN_WORD)
		return unknown_statement(p, word);
	for (unsigned action = KS_ALLOW; action <= KS_BYPASS; action++) {
		if (strcmp(word->text, ks_action_name(action)) == 0)
			return ks_parse_rule(p, KS_STATEMENT_RULE, action);
	}
	if (strcmp(word->text, "staged") == 0)
		return ks_parse_staged(p);
	for (statement = KS_STATEMENT_FORWARD; statement <= KS_STATEMENT_HELPER; statement++) {
		if (strcmp(word->text, ks_statement_name(statement)) != 0)
			continue;
		return statement == KS_STATEMENT_BINAT || statement == KS_STATEMENT_NPTV6
			       ? ks_parse_binat(p, statement)
			       : ks_parse_rule(p, statement, KS_ALLOW);
	}
	if (word->text[0] == '$')
		return ks_variable_define(p, word);
	if (strcmp(word->text, "zone") == 0)
		return ks_parse_zone(p);
	if (strcmp(word->text, "ignore") == 0)
		return ks_parse_ignore(p);
	if (strcmp(word->text, "protect") == 0)
		return ks_parse_protect(p);
	if (strcmp(word->text, "set") == 0)
		return ks_parse_set(p);
	if (strcmp(word->text, "include") == 0)
		return parse_include(p);
	if (strcmp(word->text, "timeout") == 0 || strcmp(word->text, "limit") == 0 || strcmp(word->text, "option") == 0)
		return ks_parse_settings(p, word->text);
	if (strcmp(word->text, "test") == 0)
		return parse_test(p);
	return unknown_statement(p, word);
}

/* Reads one statement with its end. An include reads its end itself, before the other file. */
static void read_statement(struct ks_parser *p)
{
	struct ks_token word = *peek_raw(p);
	bool include = word.kind == KS_TOKEN_WORD && strcmp(word.text, "include") == 0;
	int err;

	drop_token(p);
	p->at_statement = false;
	err = parse_statement(p, &word);
	p->lists = 0;
	if (!err && !include)
		err = ks_parser_expect_end(p);
	p->blocks = 0;
	if (err && p->last.kind != KS_TOKEN_NEWLINE)
		ks_parser_recover(p);
	p->replay_count = 0;
}

int ks_parser_read(struct ks_parser *p, const struct ks_source *source)
{
	struct ks_lexer lexer, *outer = p->lexer;

	ks_lexer_init(&lexer, source, &p->complaints, p->arena);
	p->including[p->include_depth++] = source;
	p->lexer = &lexer;
	p->has_token = false;
	p->last = (struct ks_token){ .kind = KS_TOKEN_NEWLINE };
	for (;;) {
		ks_parser_skip_newlines(p);
		if (peek_raw(p)->kind == KS_TOKEN_END || p->complaints.no_memory)
			break;
		read_statement(p);
	}
	p->lexer = outer;
	p->has_token = false;
	p->last = (struct ks_token){ .kind = KS_TOKEN_NEWLINE };
	p->include_depth--;
	return p->complaints.no_memory ? -ENOMEM : 0;
}
