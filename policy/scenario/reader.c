/* SPDX-License-Identifier: BSD-2-Clause */
/* See reader.h. */
#include <errno.h>
#include <string.h>

#include "policy/value.h"
#include "policy/scenario/reader.h"

static const struct ks_token end_of_line = { .kind = KS_TOKEN_END }; /* nobody looks at more */

const struct ks_token *ks_reader_peek(const struct ks_reader *reader)
{
	return reader->at < reader->line.count ? &reader->line.tokens[reader->at] : &end_of_line;
}

const struct ks_token *ks_reader_next(struct ks_reader *reader)
{
	const struct ks_token *token = ks_reader_peek(reader);

	if (reader->at < reader->line.count)
		reader->at++;
	return token;
}

bool ks_reader_is_word(const struct ks_reader *reader, const char *word)
{
	const struct ks_token *token = ks_reader_peek(reader);

	return token->kind == KS_TOKEN_WORD && strcmp(token->text, word) == 0;
}

bool ks_reader_accept_word(struct ks_reader *reader, const char *word)
{
	if (!ks_reader_is_word(reader, word))
		return false;
	ks_reader_next(reader);
	return true;
}

bool ks_reader_accept(struct ks_reader *reader, enum ks_token_kind kind)
{
	if (ks_reader_peek(reader)->kind != kind || kind == KS_TOKEN_END)
		return false;
	ks_reader_next(reader);
	return true;
}

/* The place of a token; for the end of the line, the one behind its last token. */
static struct ks_place place_at(const struct ks_reader *reader, size_t at)
{
	struct ks_place place;

	if (at < reader->line.count)
		return reader->line.tokens[at].place;
	place = reader->line.tokens[reader->line.count - 1].place;
	place.column += (unsigned)reader->line.tokens[reader->line.count - 1].length;
	return place;
}

static int complain_v(struct ks_reader *reader, size_t at, const char *format, va_list args)
{
	struct ks_place place = place_at(reader, at);

	if (!reader->error)
		ks_complain_v(reader->complaints, &place, false, format, args);
	reader->error = -EINVAL;
	return -EINVAL;
}

int ks_reader_complain(struct ks_reader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain_v(reader, reader->at, format, args);
	va_end(args);
	return -EINVAL;
}

int ks_reader_complain_last(struct ks_reader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain_v(reader, reader->at ? reader->at - 1 : 0, format, args);
	va_end(args);
	return -EINVAL;
}

int ks_reader_expected(struct ks_reader *reader, const char *what)
{
	const struct ks_token *token = ks_reader_peek(reader);
	char buf[128];

	if (token->kind == KS_TOKEN_END)
		return ks_reader_complain(reader, "expected %s, found the end of the line", what);
	return ks_reader_complain(reader, "expected %s, found %s", what, ks_token_describe(token, buf, sizeof(buf)));
}

int ks_reader_no_memory(struct ks_reader *reader)
{
	reader->error = -ENOMEM;
	reader->complaints->no_memory = true;
	return -ENOMEM;
}

int ks_reader_number(struct ks_reader *reader, __u64 lo, __u64 hi, const char *what, __u64 *number)
{
	const struct ks_token *token = ks_reader_peek(reader);

	if (token->kind != KS_TOKEN_WORD || ks_value_number(token->text, lo, hi, number))
		return ks_reader_expected(reader, what);
	ks_reader_next(reader);
	return 0;
}

static int hex_parse(struct ks_reader *reader, __u8 **data, size_t *length)
{
	const struct ks_token *token = ks_reader_peek(reader);
	size_t n = 0;
	int high = -1;

	if (token->kind != KS_TOKEN_STRING)
		return ks_reader_expected(reader, "octets in quotes, such as \"45 00 0a0b\"");
	*data = ks_arena_alloc(reader->arena, token->length / 2 + 1);
	if (!*data)
		return ks_reader_no_memory(reader);
	for (const char *c = token->text; *c; c++) {
		int digit = ks_hex_digit(*c);

		if (*c == ' ' || *c == ':')
			continue;
		if (digit < 0)
			return ks_reader_complain(reader, "'%c' is no hexadecimal digit", *c);
		if (high >= 0)
			(*data)[n++] = (__u8)(high << 4 | digit);
		high = high >= 0 ? -1 : digit;
	}
	if (high >= 0)
		return ks_reader_complain(reader, "half an octet is missing at the end");
	ks_reader_next(reader);
	*length = n;
	return 0;
}

static int hex_pair(const __u8 *at)
{
	int high = ks_hex_digit((char)at[0]), low = ks_hex_digit((char)at[1]);

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Replaces escapes by the characters that they mean, in place; any other backslash stays. Returns the new length. */
static size_t escapes_undo(__u8 *data, size_t length)
{
	static const char letters[] = "rnt", bytes[] = "\r\n\t";
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		const char *at = NULL;

		if (data[i] == '\\' && i + 3 < length && data[i + 1] == 'x' && hex_pair(data + i + 2) >= 0) {
			data[n++] = (__u8)hex_pair(data + i + 2);
			i += 3;
			continue;
		}
		if (data[i] == '\\' && i + 1 < length)
			at = memchr(letters, data[i + 1], sizeof(letters) - 1);
		data[n++] = at ? (__u8)bytes[at - letters] : data[i];
		i += at != NULL;
	}
	return n;
}

int ks_reader_bytes(struct ks_reader *reader, __u8 **data, size_t *length)
{
	const struct ks_token *token = ks_reader_peek(reader);

	if (ks_reader_accept_word(reader, "hex"))
		return hex_parse(reader, data, length);
	if (token->kind != KS_TOKEN_STRING)
		return ks_reader_expected(reader, "\"text\" or hex \"0a0b\"");
	*data = ks_arena_alloc(reader->arena, token->length + 1);
	if (!*data)
		return ks_reader_no_memory(reader);
	memcpy(*data, token->text, token->length);
	*length = escapes_undo(*data, token->length);
	ks_reader_next(reader);
	return 0;
}

int ks_reader_end(struct ks_reader *reader)
{
	return ks_reader_peek(reader)->kind == KS_TOKEN_END ? 0 : ks_reader_expected(reader, "the end of the line");
}

struct ks_named_conversation *ks_reader_conversation(const struct ks_reader *reader, const char *name)
{
	for (struct ks_named_conversation *c = reader->conversations; c; c = c->next) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}
