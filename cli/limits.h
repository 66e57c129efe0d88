/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate states --limits. */
#ifndef KS_CLI_LIMITS_H
#define KS_CLI_LIMITS_H

#include <stdbool.h>

/* Lists what the limits of rules count. Returns an exit code. */
int ks_limits_list(bool json);

#endif
