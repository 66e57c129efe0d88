/* SPDX-License-Identifier: BSD-2-Clause */
/* See diagnose.h. */
#include "cli/diagnose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *diag_json(const struct ks_diag *diag)
{
	json_t *value = json_pack("{s:s, s:o, s:o}", "severity", ks_diag_severity(diag), "file",
				  ks_json_text(diag->place.file), "message", ks_json_text(diag->message));

	if (value && diag->place.line) /* else it is about the file as a whole */
		json_object_update_new(value, json_pack("{s:i, s:i}", "line", (int)diag->place.line, "column",
							(int)diag->place.column));
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
