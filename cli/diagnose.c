/* SPDX-License-Identifier: BSD-2-Clause */
/* See diagnose.h. */
#include "cli/diagnose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/scoped.h"

/* How many bytes the first character has, by UTF-8; 0 if the text does not begin with a character. */
static size_t character_size(const char *text)
{
	unsigned char lead = (unsigned char)*text;
	size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	json_t *value;

	if (strnlen(text, size) < size)
		return 0;
	value = json_stringn(text, size); /* refuses bytes that are no character */
	json_decref(value);
	return value ? size : 0;
}

json_t *ks_json_text(const char *text)
{
	json_t *value = json_string(text);
	ks_auto_free char *clean = NULL;
	size_t length, size;
	FILE *out;

	if (value)
		return value;
	out = open_memstream(&clean, &length);
	if (!out)
		return NULL;
	for (; *text; text += size ? size : 1) {
		size = character_size(text);
		if (size)
			fwrite(text, 1, size, out);
		else
			fputs("\xef\xbf\xbd", out);
	}
	return fclose(out) ? NULL : json_string(clean);
}

static json_t *diag_json(const struct ks_diag *diag)
{
	json_t *value = json_pack("{s:s, s:o, s:i, s:i, s:o}", "severity", diag->warning ? "warning" : "error", "file",
				  ks_json_text(diag->place.file), "line", (int)diag->place.line, "column",
				  (int)diag->place.column, "message", ks_json_text(diag->message));

	if (value && diag->excerpt)
		json_object_set_new(value, "excerpt", ks_json_text(diag->excerpt));
	return value;
}

json_t *ks_diagnose_json(const char *path, int err, const struct ks_diags *diags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < diags->count; i++)
		json_array_append_new(list, diag_json(&diags->list[i]));
	if (err && err != -EINVAL)
		json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "severity", "error", "file",
						      ks_json_text(path), "message", strerror(-err)));
	return json_pack("{s:o, s:b, s:o}", "file", ks_json_text(path), "good", !err, "diagnostics", list);
}
