/* SPDX-License-Identifier: BSD-2-Clause */
/* The outcome of a dry run of a reload, as the daemon answers it, for keepstate reload and keepstate diff. */
#ifndef KS_CLI_DRY_RUN_H
#define KS_CLI_DRY_RUN_H

#include <jansson.h>

/* Prints the living states that would not be allowed or end, and the packets that would be treated differently. */
void ks_dry_run_print(const json_t *answer);

#endif
