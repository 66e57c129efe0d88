/* SPDX-License-Identifier: BSD-2-Clause */
/* See line.h. */
#include "text/line.h"

#include <string.h>

#include "text/json.h"
#include "text/names.h"
#include "text/scoped.h"

#define NUMBER_TEXT 20 /* digits of the largest one */
#define SECONDS_DIGITS 3 /* behind the point */
#define IPV4_OFFSET 12 /* of an IPv4 address in struct ks_addr */

void ks_line_begin(struct ks_line *line, FILE *out)
{
	line->out = out;
	line->used = 0;
}

void ks_line_flush(struct ks_line *line)
{
	fwrite_unlocked(line->text, 1, line->used, line->out);
	line->used = 0;
}

/* Room for so many bytes, which are no more than the whole. */
static char *room(struct ks_line *line, size_t size)
{
	if (size > sizeof(line->text) - line->used)
		ks_line_flush(line);
	return line->text + line->used;
}

void ks_line_bytes(struct ks_line *line, const char *bytes, size_t size)
{
	if (size > sizeof(line->text)) {
		ks_line_flush(line);
		fwrite_unlocked(bytes, 1, size, line->out);
		return;
	}
	memcpy(room(line, size), bytes, size);
	line->used += size;
}

void ks_line_text(struct ks_line *line, const char *text)
{
	ks_line_bytes(line, text, strlen(text));
}

void ks_line_char(struct ks_line *line, char c)
{
	*room(line, 1) = c;
	line->used++;
}

void ks_line_number(struct ks_line *line, __u64 number)
{
	char digits[NUMBER_TEXT];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	ks_line_bytes(line, digits + at, sizeof(digits) - at);
}

void ks_line_seconds(struct ks_line *line, __u64 ms)
{
	unsigned rest = (unsigned)(ms % KS_MSEC_PER_SEC);
	char fraction[SECONDS_DIGITS + 1] = { '.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
					      (char)('0' + rest % 10) };

	ks_line_number(line, ms / KS_MSEC_PER_SEC);
	ks_line_bytes(line, fraction, sizeof(fraction));
}

void ks_line_addr(struct ks_line *line, const struct ks_addr *addr, unsigned family)
{
	char text[KS_ADDR_TEXT];

	if (family != KS_IPV4) {
		ks_line_text(line, ks_addr_text(addr, family, text));
		return;
	}
	for (unsigned i = IPV4_OFFSET; i < sizeof(addr->b); i++) {
		if (i > IPV4_OFFSET)
			ks_line_char(line, '.');
		ks_line_number(line, addr->b[i]);
	}
}

static bool is_ascii(const char *text)
{
	while (*text && !(*text & 0x80))
		text++;
	return !*text;
}

/* A character that JSON does not take as it is. */
static void put_escaped(struct ks_line *line, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char escape[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 0xf] };

	if (c == '"' || c == '\\') {
		ks_line_char(line, '\\');
		ks_line_char(line, (char)c);
	} else {
		ks_line_bytes(line, escape, sizeof(escape));
	}
}

void ks_line_json(struct ks_line *line, const char *text)
{
	bool plain = is_ascii(text);
	ks_auto_json json_t *value = plain ? NULL : ks_json_text(text);
	const char *rest = plain ? text : value ? json_string_value(value) : "";

	ks_line_char(line, '"');
	while (*rest) {
		size_t length = 0;

		while ((unsigned char)rest[length] >= 0x20 && rest[length] != '"' && rest[length] != '\\')
			length++;
		ks_line_bytes(line, rest, length);
		rest += length;
		if (*rest)
			put_escaped(line, (unsigned char)*rest++);
	}
	ks_line_char(line, '"');
}

void ks_line_csv(struct ks_line *line, const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		ks_line_text(line, text);
		return;
	}
	ks_line_char(line, '"');
	for (; *text; text++) {
		if (*text == '"')
			ks_line_char(line, '"');
		ks_line_char(line, *text);
	}
	ks_line_char(line, '"');
}
