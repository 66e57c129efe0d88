/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to tokens; see lex.h for the rules. */
#include "policy/lex.h"

#include <stdio.h>
#include <string.h>

#include "policy/arena.h"
#include "policy/diag.h"
#include "text/utf8.h"

void ks_lexer_init(struct ks_lexer *lexer, const struct ks_source *source, struct ks_complaints *complaints,
		   struct ks_arena *arena)
{
	*lexer = (struct ks_lexer){
		.source = source,
		.complaints = complaints,
		.arena = arena,
		.line = 1,
		.last = KS_TOKEN_NEWLINE,
	};
	if (source->length >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0) /* some editors begin UTF-8 with it */
		lexer->at = lexer->line_start = 3;
}

/* The character `ahead` of the present one; 0 behind the end. */
static unsigned char char_at(const struct ks_lexer *lexer, size_t ahead)
{
	size_t at = lexer->at + ahead;

	return at < lexer->source->length ? (unsigned char)lexer->source->text[at] : 0;
}

static bool at_end(const struct ks_lexer *lexer)
{
	return lexer->at >= lexer->source->length;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
}

/* Returns true if the character cannot stand in a string. */
static bool breaks_string(unsigned char c)
{
	return c == '\n' || c == '\r' || is_control(c);
}

static bool is_word(unsigned char c)
{
	return c > ' ' && c != 0x7f && !strchr("{},\"=>#\\", c);
}

static void pass_newline(struct ks_lexer *lexer)
{
	lexer->at++;
	lexer->line++;
	lexer->line_start = lexer->at;
}

/* The length of a backslash with the newline behind it, which join two lines, or 0. */
static size_t joint_length(const struct ks_lexer *lexer)
{
	if (char_at(lexer, 0) != '\\')
		return 0;
	if (char_at(lexer, 1) == '\n')
		return 2;
	return char_at(lexer, 1) == '\r' && char_at(lexer, 2) == '\n' ? 3 : 0;
}

static void skip_blanks(struct ks_lexer *lexer)
{
	while (!at_end(lexer)) {
		size_t joint = joint_length(lexer);

		if (joint) {
			lexer->at += joint - 1;
			pass_newline(lexer);
		} else if (char_at(lexer, 0) == '#') {
			while (!at_end(lexer) && char_at(lexer, 0) != '\n')
				lexer->at++;
		} else if (is_blank(char_at(lexer, 0))) {
			lexer->at++;
		} else {
			return;
		}
	}
}

static void set_text(struct ks_lexer *lexer, struct ks_token *token, const char *text, size_t length)
{
	token->text = ks_arena_strndup(lexer->arena, text, length);
	token->length = length;
	if (!token->text) {
		lexer->complaints->no_memory = true;
		token->kind = KS_TOKEN_BAD;
		token->text = "";
		token->length = 0;
	}
}

static void read_word(struct ks_lexer *lexer, struct ks_token *token)
{
	size_t start = lexer->at;

	while (!at_end(lexer) && is_word(char_at(lexer, 0)))
		lexer->at++;
	token->kind = KS_TOKEN_WORD;
	set_text(lexer, token, lexer->source->text + start, lexer->at - start);
}

/* Removes the backslashes that escape quotes and backslashes, in place. Returns the new length. */
static size_t unescape(char *text, size_t length)
{
	size_t out = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\\' && i + 1 < length && (text[i + 1] == '"' || text[i + 1] == '\\'))
			i++;
		text[out++] = text[i];
	}
	text[out] = '\0';
	return out;
}

/* The lexer itself ends strings at those of one byte. */
static void check_controls(struct ks_lexer *lexer, struct ks_token *token, const char *text, size_t length)
{
	struct ks_place place = token->place;

	for (size_t i = 0; i < length; i++) {
		if (!ks_control_size(text + i) || text[i] == '\t')
			continue;
		place.column += (unsigned)i + 1;
		ks_complain(lexer->complaints, &place, false,
			    "this string has a control character, which would move what people see: expected text");
		token->kind = KS_TOKEN_BAD;
		return;
	}
}

/* Labels, names and paths are shown and sent as JSON, which is UTF-8. */
static void check_encoding(struct ks_lexer *lexer, struct ks_token *token, size_t start)
{
	const char *text = lexer->source->text + start;
	size_t length = lexer->at - start;
	size_t good = ks_utf8_length(text, length);
	struct ks_place place = token->place;

	if (good == length) {
		check_controls(lexer, token, text, length);
		return;
	}
	place.column += (unsigned)good + 1; /* behind the quote */
	ks_complain(lexer->complaints, &place, false,
		    "this string is not UTF-8 (byte 0x%02x): expected the file to be saved as UTF-8",
		    (unsigned char)text[good]);
	token->kind = KS_TOKEN_BAD;
}

static void read_string(struct ks_lexer *lexer, struct ks_token *token)
{
	size_t start = ++lexer->at;
	bool escaped = false;

	token->kind = KS_TOKEN_STRING;
	while (!at_end(lexer) && char_at(lexer, 0) != '"' && !breaks_string(char_at(lexer, 0))) {
		if (char_at(lexer, 0) == '\\' && (char_at(lexer, 1) == '"' || char_at(lexer, 1) == '\\')) {
			escaped = true;
			lexer->at++;
		}
		lexer->at++;
	}
	if (at_end(lexer) || char_at(lexer, 0) != '"') {
		ks_complain(lexer->complaints, &token->place, false,
			    "this string has no end: expected '\"' on the same line, and no control characters");
		token->kind = KS_TOKEN_BAD;
		return;
	}
	check_encoding(lexer, token, start);
	if (token->kind == KS_TOKEN_STRING)
		set_text(lexer, token, lexer->source->text + start, lexer->at - start);
	lexer->at++;
	if (escaped && token->kind == KS_TOKEN_STRING)
		token->length = unescape((char *)token->text, token->length);
}

static void read_bad(struct ks_lexer *lexer, struct ks_token *token)
{
	unsigned char c = char_at(lexer, 0);

	if (c == '\\')
		ks_complain(lexer->complaints, &token->place, false,
			    "'\\' can only stand in a string, or at the end of a line to join it with the next");
	else
		ks_complain(lexer->complaints, &token->place, false,
			    "a control character (0x%02x) cannot stand in a policy: expected text", c);
	token->kind = KS_TOKEN_BAD;
	while (!at_end(lexer) && (is_control(char_at(lexer, 0)) || char_at(lexer, 0) == '\\') && !joint_length(lexer))
		lexer->at++;
}

static void read_mark(struct ks_lexer *lexer, struct ks_token *token)
{
	static const struct {
		const char *text;
		enum ks_token_kind kind;
	} marks[] = {
		{ "=>", KS_TOKEN_ARROW }, { "{", KS_TOKEN_LBRACE }, { "}", KS_TOKEN_RBRACE },
		{ ",", KS_TOKEN_COMMA },  { "=", KS_TOKEN_EQUALS }, { ">", KS_TOKEN_GREATER },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(marks); i++) {
		const char *text = marks[i].text;

		if (char_at(lexer, 0) == (unsigned char)text[0] &&
		    (!text[1] || char_at(lexer, 1) == (unsigned char)text[1])) {
			token->kind = marks[i].kind;
			token->text = text;
			token->length = strlen(text);
			lexer->at += token->length;
			return;
		}
	}
	read_bad(lexer, token);
}

/* Returns false for a newline after another one or after a comma, which ends nothing. */
static bool newline_counts(const struct ks_lexer *lexer)
{
	return lexer->last != KS_TOKEN_NEWLINE && lexer->last != KS_TOKEN_COMMA;
}

static void read_token(struct ks_lexer *lexer, struct ks_token *token)
{
	for (;;) {
		skip_blanks(lexer);
		token->place.line = lexer->line;
		token->place.column = (unsigned)(lexer->at - lexer->line_start + 1);
		if (at_end(lexer))
			return;
		if (char_at(lexer, 0) != '\n')
			break;
		pass_newline(lexer);
		if (newline_counts(lexer)) {
			token->kind = KS_TOKEN_NEWLINE;
			return;
		}
	}
	if (char_at(lexer, 0) == '"')
		read_string(lexer, token);
	else if (is_word(char_at(lexer, 0)))
		read_word(lexer, token);
	else
		read_mark(lexer, token);
}

void ks_lexer_next(struct ks_lexer *lexer, struct ks_token *token)
{
	*token = (struct ks_token){ .kind = KS_TOKEN_END, .text = "", .place = { .file = lexer->source->name } };
	read_token(lexer, token);
	lexer->last = token->kind;
}

const char *ks_token_describe(const struct ks_token *token, char *buf, size_t size)
{
	switch (token->kind) {
	case KS_TOKEN_END:
		return "the end of the file";
	case KS_TOKEN_NEWLINE:
		return "the end of the line";
	case KS_TOKEN_STRING:
		snprintf(buf, size, "the string \"%.60s\"", token->text);
		return buf;
	case KS_TOKEN_BAD:
		return "something unreadable";
	default:
		snprintf(buf, size, "'%.60s'", token->text);
		return buf;
	}
}
