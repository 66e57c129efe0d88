/* SPDX-License-Identifier: BSD-2-Clause */
/* See json.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/json.h"
#include "text/memory_file.h"
#include "text/scoped.h"
#include "text/utf8.h"

void ks_json_append(json_t **list, json_t *value)
{
	if (!json_array_append_new(*list, value))
		return;
	json_decref(*list);
	*list = NULL;
}

void ks_json_set(json_t **object, const char *key, json_t *value)
{
	if (!json_object_set_new(*object, key, value))
		return;
	json_decref(*object);
	*object = NULL;
}

/* Returns how many bytes the first character of a text has, 0 if it is not UTF-8. */
static size_t character_size(const char *text)
{
	unsigned char lead = (unsigned char)*text;
	size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	ks_auto_json json_t *value = NULL;

	if (strnlen(text, size) < size)
		return 0;
	value = json_stringn(text, size);
	return value ? size : 0;
}

/* Returns a copy with U+FFFD for each byte that is not UTF-8, to be freed; NULL without memory. */
static char *clean_copy(const char *text)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	size_t size;

	if (ks_memory_file_open(&file))
		return NULL;
	for (; *text; text += size ? size : 1) {
		size = character_size(text);
		if (size)
			fwrite(text, 1, size, file.out);
		else
			fputs("\xef\xbf\xbd", file.out);
	}
	return ks_memory_file_take(&file);
}

json_t *ks_json_text(const char *text)
{
	json_t *value = text ? json_string(text) : NULL;
	ks_auto_free char *clean = NULL;

	if (value || !text)
		return value;
	clean = clean_copy(text);
	return clean ? json_string(clean) : NULL;
}

static bool has_control(const char *text)
{
	for (; *text; text++) {
		if (ks_control_size(text))
			return true;
	}
	return false;
}

const char *ks_name_text(const char *name, char text[KS_NAME_TEXT])
{
	const bool is_utf8 = ks_utf8_is_valid(name);
	size_t used = 0, hidden = 0;

	if (is_utf8 && !has_control(name))
		return name;
	for (; *name && used + sizeof("\\xff") <= KS_NAME_TEXT; name++) {
		hidden = hidden ? hidden : is_utf8 ? ks_control_size(name) : *name & 0x80 || ks_control_size(name);
		used += (size_t)snprintf(text + used, KS_NAME_TEXT - used, hidden ? "\\x%02x" : "%c",
					 (unsigned char)*name);
		hidden -= hidden > 0;
	}
	text[used] = '\0';
	return text;
}
