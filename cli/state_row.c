/* SPDX-License-Identifier: BSD-2-Clause */
/* See state_row.h. */
#include "cli/state_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(id, name, member, index) name,
const char *const ks_state_field_names[KS_STATE_FIELD_MAX] = { KS_STATE_FIELDS(X) };
#undef X

#define X(id, name, member, index) { member, index },
static const struct {
	const char *member; /* "nat.source" is the member source of the member nat */
	int index; /* in its list, -1: it is none */
} members[KS_STATE_FIELD_MAX] = { KS_STATE_FIELDS(X) };
#undef X

static void row_clear(struct ks_state_row *row)
{
	for (size_t i = 0; i < KS_STATE_FIELD_MAX; i++)
		row->field[i] = "";
}

/* Reads a field in quotes, whose opening quote is behind us. Returns where it ends, NULL if it does not. */
static char *quoted_end(char *text, char **out)
{
	char *to = text;

	for (; *text; text++) {
		if (*text != '"')
			*to++ = *text;
		else if (text[1] == '"')
			*to++ = *text++;
		else
			break;
	}
	*out = to;
	return *text ? text + 1 : NULL;
}

bool ks_state_row_from_csv(struct ks_state_row *row, const char *line, size_t length, const unsigned char *fields,
			   size_t count)
{
	char *at = row->text;

	row_clear(row);
	if (length >= sizeof(row->text))
		return false;
	memcpy(row->text, line, length);
	row->text[length] = '\0';
	for (size_t i = 0; i < count; i++) {
		char *begin = at, *end, *stop;

		if (*at == '"') {
			begin = at + 1;
			at = quoted_end(begin, &end);
		} else {
			at = end = strchrnul(at, ',');
		}
		if (!at)
			return false;
		stop = at;
		if (*stop != (i + 1 < count ? ',' : '\0'))
			return false;
		at += *stop == ',';
		*end = '\0';
		row->field[fields[i]] = begin;
	}
	return true;
}

static const json_t *member_find(const json_t *object, const char *path)
{
	const char *dot = strchr(path, '.');
	char name[32];

	if (!dot)
		return json_object_get(object, path);
	snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
	return json_object_get(json_object_get(object, name), dot + 1);
}

/* Writes a value as text. Returns its length, without its end; 0 for none. */
static size_t value_print(const json_t *value, char *buf, size_t size)
{
	int n = 0;

	if (json_is_string(value))
		n = snprintf(buf, size, "%s", json_string_value(value));
	else if (json_is_integer(value))
		n = snprintf(buf, size, "%lld", json_integer_value(value));
	else if (json_is_real(value))
		n = snprintf(buf, size, "%.3f", json_real_value(value));
	else if (json_is_boolean(value))
		n = snprintf(buf, size, "%s", json_is_true(value) ? "true" : "false");
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

void ks_state_row_from_json(struct ks_state_row *row, const json_t *object)
{
	size_t used = 0;

	row_clear(row);
	for (size_t i = 0; i < KS_STATE_FIELD_MAX && used < sizeof(row->text); i++) {
		const json_t *value = member_find(object, members[i].member);
		size_t length;

		if (members[i].index >= 0)
			value = json_array_get(value, (size_t)members[i].index);
		length = value_print(value, row->text + used, sizeof(row->text) - used);
		if (!length)
			continue;
		row->field[i] = row->text + used;
		used += length + 1;
	}
}

uint64_t ks_state_row_number(const struct ks_state_row *row, enum ks_state_field field)
{
	return strtoull(row->field[field], NULL, 10);
}
