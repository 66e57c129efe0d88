/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate states --mappings. */
#ifndef KS_CLI_MAPPINGS_H
#define KS_CLI_MAPPINGS_H

#include "cli/client.h"

/* Lists the mappings that fit the filters. Returns an exit code. */
int ks_mappings_list(const struct ks_parameter *filters, size_t count, bool json);

#endif
