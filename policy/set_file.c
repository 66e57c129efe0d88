/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of sets, as blocklists come: one address, prefix or range on each line, or a port, with comments behind `#` or `;`
 * (Spamhaus: "192.0.2.0/24 ; SBL1"). Lists of names, as hosts files are, hold nothing that a packet has; whoever gives one is
 * told so once, and not for each of its lines.
 */
#include <errno.h>
#include <string.h>

#include "policy/file.h"
#include "policy/list.h"
#include "policy/value.h"

#define BLANKS " \t\r"
#define WORD_MAX 96

/* A line without its comment and the blanks around it. */
struct file_line {
	const char *text;
	size_t length;
	struct ks_token token; /* its place */
};

static bool is_blank(char c)
{
	return c && strchr(BLANKS, c);
}

static void read_line(const struct ks_source *source, size_t start, size_t end, unsigned number, struct file_line *line)
{
	const char *text = source->text + start;
	size_t length = 0, skip = 0;

	while (length < end - start && text[length] != '#' && text[length] != ';')
		length++;
	while (skip < length && is_blank(text[skip]))
		skip++;
	while (length > skip && is_blank(text[length - 1]))
		length--;
	*line = (struct file_line){
		.text = text + skip,
		.length = length - skip,
		.token = { .kind = KS_TOKEN_WORD,
			   .length = length - skip,
			   .place = { .file = source->name, .line = number, .column = (unsigned)skip + 1 } },
	};
}

/* Returns true if text[0..length) is a name such as ads.example.com, and no address. */
static bool is_host_name(const char *text, size_t length)
{
	char word[WORD_MAX];
	struct ks_range range;
	bool letter = false;
	__u8 family;

	if (length >= sizeof(word) || !memchr(text, '.', length))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!ks_is_name_char(text[i], false) && text[i] != '.')
			return false;
		letter |= ks_is_name_char(text[i], true);
		word[i] = text[i];
	}
	word[length] = '\0';
	return letter && ks_value_range(word, &range, &family) != 0;
}

/* Returns true if the line is a name, or an address with a name behind it. */
static bool has_host_name(const struct file_line *line)
{
	size_t first = 0, second;

	while (first < line->length && !is_blank(line->text[first]))
		first++;
	second = first;
	while (second < line->length && is_blank(line->text[second]))
		second++;
	if (second == line->length)
		return is_host_name(line->text, first);
	return is_host_name(line->text + second, line->length - second);
}

static int complain_names(struct ks_parser *p, const struct file_line *line)
{
	return ks_parser_error(
		p, &line->token, 0,
		"this file is a list of names, such as '%.*s', and a set holds addresses: expected one address, "
		"prefix or range on each line",
		(int)KS_MIN(line->length, (size_t)60), line->text);
}

static int read_entry(struct ks_parser *p, struct file_line *line, bool ports, struct ks_items *items)
{
	struct ks_token token = line->token;
	char word[WORD_MAX];

	if (++p->values > KS_VALUES_MAX)
		return ks_parser_error(p, &line->token, 0, "the policy's lists have more than %u entries",
				       KS_VALUES_MAX);
	if (line->length >= sizeof(word) || line->text[0] == '@' || memchr(line->text, '\0', line->length))
		return ks_parser_error(p, &line->token, 0, "expected one %s on each line",
				       ports ? "port, range of ports or service" : "address, prefix or range");
	memcpy(word, line->text, line->length);
	word[line->length] = '\0';
	token.text = word;
	return ks_read_item(p, &token, ports, items);
}

/* Reads all lines. Behind a name there are others, so that is the end. */
static int read_lines(struct ks_parser *p, const struct ks_source *source, bool ports, struct ks_items *items)
{
	static const char mark[] = "\xef\xbb\xbf"; /* some editors begin UTF-8 with it */
	size_t start = source->length > 3 && !memcmp(source->text, mark, 3) ? 3 : 0;
	struct file_line line;
	bool bad = false;

	for (unsigned number = 1; start < source->length; number++) {
		const char *newline = memchr(source->text + start, '\n', source->length - start);
		size_t end = newline ? (size_t)(newline - source->text) : source->length;

		read_line(source, start, end, number, &line);
		if (line.length && !ports && has_host_name(&line))
			return complain_names(p, &line);
		bad |= line.length && read_entry(p, &line, ports, items);
		if (p->values > KS_VALUES_MAX || p->complaints.no_memory)
			break;
		start = end + 1;
	}
	return bad ? -EINVAL : 0;
}

int ks_read_items(struct ks_parser *p, const struct ks_token *path, bool optional, bool ports, struct ks_items *items)
{
	const struct ks_source *source;
	int err = optional ? ks_source_open_optional(p, path, &source) : ks_source_open(p, path, &source);

	return err || !source ? err : read_lines(p, source, ports, items);
}
