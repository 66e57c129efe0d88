/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes texts of other firewalls; the first byte says of which one. Any text is refused with a message, or becomes a policy that
 * loads.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/import.h"
#include "policy/policy.h"
#include "text/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int good, const char *what, const char *text)
{
	if (good)
		return;
	fprintf(stderr, "%s:\n%s\n", what, text);
	abort();
}

static void policy_check(const char *text)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags = { 0 };
	int err = ks_policy_load_text(text, strlen(text), "imported", NULL, &policy, &diags);

	if (err)
		ks_diags_print(&diags, stderr, false);
	check(!err, "the policy does not load", text);
	ks_diags_fini(&diags);
	ks_policy_destroy(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *policy = NULL;
	struct ks_import_outcome outcome;
	char error[KS_IMPORT_ERROR] = "";
	int err;

	if (!size)
		return 0;
	check(!ks_memory_file_open(&file), "no memory", "");
	err = ks_import((enum ks_import_form)(data[0] % KS_IMPORT_FORMS), (const char *)data + 1, size - 1, NULL,
			"fuzz", file.out, &outcome, error);
	policy = ks_memory_file_take(&file);
	check(policy != NULL, "no memory", "");
	if (err)
		check(error[0] && !policy[0], "refused without a message, or with a policy", policy);
	else
		policy_check(policy);
	return 0;
}
