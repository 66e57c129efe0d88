/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a policy, in JSON: the same for every command that reads one. */
#ifndef KS_CLI_DIAGNOSE_H
#define KS_CLI_DIAGNOSE_H

#include <jansson.h>

#include "policy/policy.h"

/* A JSON string of any text: bytes that are not UTF-8, of which JSON knows nothing, become U+FFFD. */
json_t *ks_json_text(const char *text);

/*
 * The outcome of ks_policy_load(path): "file", "good" and "diagnostics", an
 * array of every complaint. `err` is what it returned; a file that could not
 * even be read is a complaint too, without a line.
 */
json_t *ks_diagnose_json(const char *path, int err, const struct ks_diags *diags);

#endif
