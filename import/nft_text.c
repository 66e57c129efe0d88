/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of the JSON as nft(8) would print them, for comments: near enough to be found again. */
#include <errno.h>
#include <string.h>

#include "import/nft.h"
#include "text/memory_file.h"

#define DEPTH_MAX 16U

static void value_print(FILE *out, const json_t *value, unsigned depth);

static void list_print(FILE *out, const json_t *list, const char *between, unsigned depth)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		fputs(i ? between : "", out);
		value_print(out, entry, depth + 1);
	}
}

static void member_print(FILE *out, const json_t *object, const char *name, const char *before)
{
	const json_t *value = json_object_get(object, name);

	if (!value)
		return;
	fputs(before, out);
	value_print(out, value, 1);
}

static void map_print(FILE *out, const json_t *map, unsigned depth)
{
	value_print(out, json_object_get(map, "key"), depth + 1);
	fputs(" vmap ", out);
	value_print(out, json_object_get(map, "data"), depth + 1);
}

static void limit_print(FILE *out, const json_t *limit)
{
	fputs(json_is_true(json_object_get(limit, "inv")) ? "limit rate over " : "limit rate ", out);
	member_print(out, limit, "rate", "");
	fprintf(out, "/%s",
		json_string_value(json_object_get(limit, "per")) ? json_string_value(json_object_get(limit, "per"))
								 : "second");
}

/* An object with one member, which says what it is. */
static bool known_print(FILE *out, const char *name, const json_t *value, unsigned depth)
{
	if (!strcmp(name, "payload")) {
		member_print(out, value, "protocol", "");
		member_print(out, value, "field", " ");
	} else if (!strcmp(name, "meta")) {
		member_print(out, value, "key", "");
	} else if (!strcmp(name, "ct")) {
		member_print(out, value, "key", "ct ");
	} else if (!strcmp(name, "prefix")) {
		member_print(out, value, "addr", "");
		member_print(out, value, "len", "/");
	} else if (!strcmp(name, "range")) {
		list_print(out, value, "-", depth);
	} else if (!strcmp(name, "concat")) {
		list_print(out, value, " . ", depth);
	} else if (!strcmp(name, "elem")) {
		member_print(out, value, "val", "");
	} else if (!strcmp(name, "vmap")) {
		map_print(out, value, depth);
	} else if (!strcmp(name, "limit")) {
		limit_print(out, value);
	} else if (strchr("&|^", name[0]) && json_is_array(value)) {
		list_print(out, value, name[0] == '&' ? " & " : name[0] == '|' ? " | " : " ^ ", depth);
	} else {
		return false;
	}
	return true;
}

static void match_print(FILE *out, const json_t *match, unsigned depth)
{
	const char *op = json_string_value(json_object_get(match, "op"));
	const char *key =
		json_string_value(json_object_get(json_object_get(json_object_get(match, "left"), "ct"), "key"));
	const bool said = key && !strcmp(key, "status"); /* "==" is of all of its bits */

	value_print(out, json_object_get(match, "left"), depth + 1);
	if (op && (said || strcmp(op, "==") != 0) && strcmp(op, "in") != 0)
		fprintf(out, " %s", op);
	fputc(' ', out);
	value_print(out, json_object_get(match, "right"), depth + 1);
}

static void object_print(FILE *out, const json_t *object, unsigned depth)
{
	void *pair = json_object_iter((json_t *)object);
	const char *name = pair ? json_object_iter_key(pair) : "";
	const json_t *value = pair ? json_object_iter_value(pair) : NULL;

	if (!pair || known_print(out, name, value, depth))
		return;
	if (!strcmp(name, "match")) {
		match_print(out, value, depth);
		return;
	}
	if (!strcmp(name, "set") && json_is_array(value)) {
		fputs("{ ", out);
		list_print(out, value, ", ", depth);
		fputs(" }", out);
		return;
	}
	fputs(name, out);
	if (json_is_object(value)) {
		member_print(out, value, "target", " ");
		member_print(out, value, "prefix", " prefix ");
		member_print(out, value, "addr", " to ");
		member_print(out, value, "port", ":");
		member_print(out, value, "val", " over ");
	} else if (value && !json_is_null(value)) {
		fputc(' ', out);
		value_print(out, value, depth + 1);
	}
}

static void value_print(FILE *out, const json_t *value, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return;
	if (json_is_string(value))
		fputs(json_string_value(value), out);
	else if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_array(value) && json_array_size(value) == 2 && json_is_object(json_array_get(value, 1)))
		list_print(out, value, " : ", depth); /* an entry of a map */
	else if (json_is_array(value))
		list_print(out, value, ",", depth);
	else if (json_is_object(value))
		object_print(out, value, depth);
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "exists" : "missing", out);
}

const char *ks_nft_text(struct ks_import *import, const json_t *value)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;

	if (ks_memory_file_open(&file))
		return NULL;
	value_print(file.out, value, 0);
	text = ks_memory_file_take(&file);
	return text ? ks_import_copy(import, text, strlen(text)) : NULL;
}

const char *ks_nft_rule_text(struct ks_import *import, const json_t *list)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;

	if (ks_memory_file_open(&file))
		return NULL;
	list_print(file.out, list, " ", 0);
	text = ks_memory_file_take(&file);
	return text ? ks_import_copy(import, text, strlen(text)) : NULL;
}
