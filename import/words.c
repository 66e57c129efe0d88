/* SPDX-License-Identifier: BSD-2-Clause */
/* See words.h. */
#include "import/words.h"

#include <errno.h>
#include <string.h>

#include "policy/dscp.h"
#include "policy/value.h"

#define LINE_MAX_SIZE (1U << 20)
#define PART 64

void ks_lines_begin(struct ks_lines *lines, const char *text, size_t length)
{
	*lines = (struct ks_lines){ .next = text, .end = text + length };
}

/* The end of the line, with those that are joined to it. */
static const char *line_end(struct ks_lines *lines, const char *begin)
{
	const char *end = begin;

	for (;; end++) {
		end = memchr(end, '\n', (size_t)(lines->end - end));
		lines->number++;
		if (!end)
			return lines->end;
		if (end == begin || end[-1] != '\\')
			return end;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies a word without its quotes, and goes behind it. */
static char *word_read(char **in, char *out)
{
	char *at = *in;
	char quote = 0;

	for (; *at && (quote || !is_blank(*at)); at++) {
		if (quote ? *at == quote : *at == '"' || *at == '\'')
			quote = quote ? 0 : *at;
		else if (*at == '\\' && quote != '\'' && at[1])
			*out++ = *++at == '\n' ? ' ' : *at;
		else
			*out++ = *at;
	}
	*in = *at ? at + 1 : at;
	*out++ = '\0';
	return out;
}

int ks_words_split(struct ks_import *import, const char *text, size_t length, struct ks_words_line *words)
{
	char *in = ks_import_copy(import, text, length), *out = ks_pool_alloc(&import->pool, length + 2);

	words->count = words->at = 0;
	if (!in || !out)
		return -ENOMEM;
	for (;;) {
		while (is_blank(*in))
			in++;
		if (!*in || *in == '#')
			return 0;
		if (words->count == KS_LINE_WORDS)
			return ks_import_fail(import, "line %u has too many words", import->line);
		words->word[words->count++] = out;
		out = word_read(&in, out);
	}
}

int ks_lines_next(struct ks_lines *lines, struct ks_import *import, struct ks_words_line *words)
{
	const char *begin = lines->next, *end;
	int err;

	if (begin >= lines->end)
		return 0;
	import->line = lines->number + 1;
	end = line_end(lines, begin);
	lines->next = end < lines->end ? end + 1 : end;
	if ((size_t)(end - begin) > LINE_MAX_SIZE)
		return ks_import_fail(import, "line %u is too long", import->line);
	if (memchr(begin, '\0', (size_t)(end - begin)))
		return ks_import_fail(import, "line %u is no text", import->line);
	import->text = ks_import_copy(import, begin, (size_t)(end - begin));
	if (!import->text)
		return -ENOMEM;
	err = ks_words_split(import, begin, (size_t)(end - begin), words);
	return err ? err : 1;
}

const char *ks_words_peek(const struct ks_words_line *words)
{
	return words->at < words->count ? words->word[words->at] : NULL;
}

const char *ks_words_take(struct ks_words_line *words)
{
	return words->at < words->count ? words->word[words->at++] : NULL;
}

int ks_word_ports(const char *word, char dash, __u32 max, __u32 *low, __u32 *high)
{
	const char *between = strchr(word, dash);
	__u64 first = 0, last = max;
	char buf[16];

	if (!between) {
		if (ks_value_number(word, 0, max, &first))
			return -EINVAL;
		last = first;
	} else {
		if ((size_t)(between - word) >= sizeof(buf))
			return -EINVAL;
		memcpy(buf, word, (size_t)(between - word));
		buf[between - word] = '\0';
		if ((*buf && ks_value_number(buf, 0, max, &first)) ||
		    (between[1] && ks_value_number(between + 1, 0, max, &last)) || first > last)
			return -EINVAL;
	}
	*low = (__u32)first;
	*high = (__u32)last;
	return 0;
}

void ks_word_part(const char **rest, char separator, char *buf, size_t size)
{
	const char *end = strchr(*rest, separator);
	const size_t length = end ? (size_t)(end - *rest) : strlen(*rest);

	snprintf(buf, size, "%.*s", (int)(length < size ? length : size - 1), *rest);
	*rest = end ? end + 1 : NULL;
}

int ks_word_masked(const char *word, __u32 all, __u32 *number, __u32 *mask)
{
	const char *slash = strchr(word, '/');
	__u64 read = 0, bits = all;
	char text[PART];

	snprintf(text, sizeof(text), "%.*s", slash ? (int)KS_MIN(slash - word, PART - 1) : PART - 1, word);
	if (ks_value_number(text, 0, all, &read) || (slash && ks_value_number(slash + 1, 0, all, &bits)))
		return -EINVAL;
	*number = (__u32)read;
	*mask = (__u32)bits;
	return 0;
}

int ks_word_dscp(const char *word)
{
	char name[PART];

	snprintf(name, sizeof(name), "%s", word);
	for (char *at = name; *at; at++)
		*at |= 'a' ^ 'A';
	return !strcmp(name, "be") || !strcmp(name, "cs0") ? 0 : ks_dscp_from_text(name);
}
