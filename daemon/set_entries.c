/* SPDX-License-Identifier: BSD-2-Clause */
/* See set_entries.h. */
#include "daemon/set_entries.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/value.h"
#include "text/json.h"

#define WORD_MAX 64U /* of an address with its length */
#define BLANKS " \t\r"

void ks_set_entries_fini(struct ks_set_entries *entries)
{
	free(entries->list);
	*entries = (struct ks_set_entries){ 0 };
}

/* A text being read. */
struct reader {
	struct ks_set_entries *entries;
	const char *unit; /* "line" or "entry" */
	size_t number; /* of it, from 1 */
	char *complaint;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct reader *reader, const char *format, ...)
{
	int used = snprintf(reader->complaint, KS_SET_COMPLAINT, "%s %zu: ", reader->unit, reader->number);
	va_list args;

	va_start(args, format);
	vsnprintf(reader->complaint + used, KS_SET_COMPLAINT - (size_t)used, format, args);
	va_end(args);
	return -EINVAL;
}

static int entry_add(struct ks_set_entries *entries, const struct ks_set_entry *entry)
{
	size_t room = entries->room ? 2 * entries->room : 64;
	struct ks_set_entry *list;

	if (entries->count == entries->room) {
		list = realloc(entries->list, room * sizeof(*list));
		if (!list)
			return -ENOMEM;
		entries->list = list;
		entries->room = room;
	}
	entries->list[entries->count++] = *entry;
	return 0;
}

/* The next word of a line that ends at `end`; false without one. */
static bool next_word(const char **at, const char *end, char word[WORD_MAX])
{
	size_t length = 0;

	while (*at < end && strchr(BLANKS, **at))
		++*at;
	while (*at < end && !strchr(BLANKS, **at) && length < WORD_MAX - 1)
		word[length++] = *(*at)++;
	word[length] = '\0';
	return length != 0;
}

static int time_read(const struct reader *reader, const char *word, __u64 *ms)
{
	__u64 value;

	if (ks_value_duration(word, &value) || value < KS_DYNAMIC_TIMEOUT_MIN_MS || value > KS_DYNAMIC_TIMEOUT_MAX_MS)
		return refuse(reader, "'%s' is no time to live: expected a duration such as 10m or 1h30m, 1s to 3650d",
			      word);
	*ms = value;
	return 0;
}

static int prefix_read(const struct reader *reader, const char *word, struct ks_prefix *prefix)
{
	if (ks_value_prefix(word, prefix))
		return refuse(reader, "'%s' is no address: expected an address, or a prefix such as 192.0.2.0/24",
			      word);
	ks_prefix_mask(prefix);
	ks_prefix_unmap(prefix);
	return 0;
}

/* Reads `PREFIX [for DURATION]`, or nothing. */
static int line_read(struct reader *reader, const char *text, size_t length)
{
	struct ks_set_entry entry = { .ms = KS_SET_FOR_NOT_SAID };
	const char *comment = memchr(text, '#', length);
	const char *at = text, *end = comment ? comment : text + length;
	char word[WORD_MAX];
	int err;

	if (!next_word(&at, end, word))
		return 0;
	err = prefix_read(reader, word, &entry.prefix);
	if (!err && next_word(&at, end, word)) {
		if (strcmp(word, "for"))
			return refuse(reader, "expected the end of the line or 'for' and a duration, found '%s'", word);
		if (!next_word(&at, end, word))
			return refuse(reader, "expected a duration such as 1h behind 'for'");
		err = time_read(reader, word, &entry.ms);
	}
	if (!err && next_word(&at, end, word))
		return refuse(reader, "expected the end of the line, found '%s'", word);
	return err ?: entry_add(reader->entries, &entry);
}

static int lines_read(struct reader *reader, const char *text, size_t size)
{
	const char *end = text + size;
	int err = 0;

	for (; !err && text < end; reader->number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);

		err = line_read(reader, text, length);
		text += length + 1;
	}
	return err;
}

/* --- JSON --- */

static int element_read(struct reader *reader, const json_t *element)
{
	const char *text = json_string_value(element);

	if (!text)
		return refuse(reader, "expected a string such as \"192.0.2.1\" or \"192.0.2.0/24 for 1h\"");
	return line_read(reader, text, json_string_length(element));
}

static int time_apply(const struct reader *reader, const json_t *time)
{
	__u64 ms = 0;

	if (!time)
		return 0;
	if (!json_is_string(time) || time_read(reader, json_string_value(time), &ms)) {
		snprintf(reader->complaint, KS_SET_COMPLAINT, "for: expected a duration such as \"1h\", 1s to 3650d");
		return -EINVAL;
	}
	for (size_t i = 0; i < reader->entries->count; i++) {
		if (reader->entries->list[i].ms == KS_SET_FOR_NOT_SAID)
			reader->entries->list[i].ms = ms;
	}
	return 0;
}

static int json_read(struct reader *reader, const char *text, size_t size)
{
	json_error_t error;
	ks_auto_json json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	const json_t *list = json_is_object(root) ? json_object_get(root, "entries") : root;
	int err = 0;

	if (!root || !json_is_array(list)) {
		snprintf(reader->complaint, KS_SET_COMPLAINT,
			 "the body is no array of entries, nor an object with one in \"entries\"%s%s", root ? "" : ": ",
			 root ? "" : error.text);
		return -EINVAL;
	}
	reader->unit = "entry";
	for (; !err && reader->number <= json_array_size(list); reader->number++)
		err = element_read(reader, json_array_get(list, reader->number - 1));
	return err ?: json_is_object(root) ? time_apply(reader, json_object_get(root, "for")) : 0;
}

/* --- order --- */

static int prefix_compare(const struct ks_prefix *a, const struct ks_prefix *b)
{
	if (a->family != b->family || a->length != b->length)
		return a->family != b->family ? a->family - b->family : a->length - b->length;
	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

/* An entry and where it stood. */
struct ordered {
	struct ks_set_entry entry;
	size_t at;
};

static int ordered_compare(const void *a, const void *b)
{
	const struct ordered *first = a, *second = b;
	int order = prefix_compare(&first->entry.prefix, &second->entry.prefix);

	return order ?: first->at < second->at ? -1 : 1;
}

/* Sorts the entries. Of those with one prefix the last one stays. */
static int entries_sort(struct ks_set_entries *entries)
{
	ks_auto_free struct ordered *ordered = malloc((entries->count + 1) * sizeof(*ordered));
	size_t kept = 0;

	if (!ordered)
		return -ENOMEM;
	for (size_t i = 0; i < entries->count; i++)
		ordered[i] = (struct ordered){ entries->list[i], i };
	qsort(ordered, entries->count, sizeof(*ordered), ordered_compare);
	for (size_t i = 0; i < entries->count; i++) {
		if (kept && !prefix_compare(&entries->list[kept - 1].prefix, &ordered[i].entry.prefix))
			kept--;
		entries->list[kept++] = ordered[i].entry;
	}
	entries->count = kept;
	return 0;
}

int ks_set_entries_read(const char *text, size_t size, struct ks_set_entries *entries, char complaint[KS_SET_COMPLAINT])
{
	ks_auto_set_entries struct ks_set_entries made = { 0 };
	struct reader reader = { .entries = &made, .unit = "line", .number = 1, .complaint = complaint };
	size_t blanks = 0;
	int err;

	while (blanks < size && strchr(BLANKS "\n", text[blanks]))
		blanks++;
	if (blanks < size && (text[blanks] == '[' || text[blanks] == '{'))
		err = json_read(&reader, text, size);
	else
		err = lines_read(&reader, text, size);
	if (!err)
		err = entries_sort(&made);
	if (!err)
		*entries = TAKE_STRUCT(made);
	return err;
}
