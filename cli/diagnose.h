/* SPDX-License-Identifier: BSD-2-Clause */
/* The complaints about a policy in JSON, the same for every command that reads one. */
#ifndef KS_CLI_DIAGNOSE_H
#define KS_CLI_DIAGNOSE_H

#include <jansson.h>

#include "policy/policy.h"
#include "text/json.h"

/*
 * The outcome of ks_policy_load(path), which returned `err`: "file", "good" and
 * "diagnostics", an array of every complaint. A file that could not be read at all is
 * a complaint too, without a line. NULL without memory.
 */
json_t *ks_diagnose_json(const char *path, int err, const struct ks_diags *diags);

#endif
