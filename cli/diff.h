/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of keepstate diff. */
#ifndef KS_CLI_DIFF_H
#define KS_CLI_DIFF_H

#include <stdbool.h>

#include "cli/options.h"
#include "policy/policy.h"

struct ks_diff_wish {
	bool json;
	struct ks_words captures;
};

/* Replays captures by both policies, and prints the frames and connections that differ. Returns an exit status. */
int ks_diff_captures(const struct ks_policy *before, const struct ks_policy *after, const struct ks_diff_wish *wish);

#endif
