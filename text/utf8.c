/* SPDX-License-Identifier: BSD-2-Clause */
/* See utf8.h. */
#include <string.h>

#include "core/types.h"
#include "text/utf8.h"

/* The well-formed byte sequences: table 3-7 of the Unicode standard. Further bytes are 80..BF. */
static const struct utf8_row {
	unsigned char first_low, first_high; /* of the first byte */
	unsigned char second_low, second_high; /* of the second */
	unsigned char size;
} rows[] = {
	{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static bool follows(const struct utf8_row *row, const unsigned char *text, size_t length)
{
	if (length < row->size)
		return false;
	if (row->size > 1 && (text[1] < row->second_low || text[1] > row->second_high))
		return false;
	for (size_t i = 2; i < row->size; i++) {
		if (text[i] < 0x80 || text[i] > 0xbf)
			return false;
	}
	return true;
}

/* Returns the size of the first character, 0 if it is none. */
static size_t character_size(const unsigned char *text, size_t length)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(rows); i++) {
		if (text[0] >= rows[i].first_low && text[0] <= rows[i].first_high)
			return follows(&rows[i], text, length) ? rows[i].size : 0;
	}
	return 0;
}

size_t ks_utf8_length(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		size_t size = character_size((const unsigned char *)text + at, length - at);

		if (!size)
			break;
		at += size;
	}
	return at;
}

bool ks_utf8_is_valid(const char *text)
{
	size_t length = strlen(text);

	return ks_utf8_length(text, length) == length;
}

size_t ks_control_size(const char *text)
{
	static const struct {
		const char *lead; /* all bytes but the last */
		unsigned char low, high; /* of the last */
	} controls[] = {
		{ "", 0x01, 0x1f },	    { "", 0x7f, 0x7f },		{ "\xc2", 0x80, 0x9f },
		{ "\xe2\x80", 0xaa, 0xae }, { "\xe2\x81", 0xa6, 0xa9 },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(controls); i++) {
		size_t lead = strlen(controls[i].lead);
		unsigned char last;

		if (strncmp(text, controls[i].lead, lead))
			continue;
		last = (unsigned char)text[lead];
		if (last >= controls[i].low && last <= controls[i].high)
			return lead + 1;
	}
	return 0;
}
