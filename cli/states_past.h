/* SPDX-License-Identifier: BSD-2-Clause */
/* The states of an earlier moment, from the journal. */
#ifndef KS_CLI_STATES_PAST_H
#define KS_CLI_STATES_PAST_H

#include "cli/state_filters.h"

/* Lists the flows that lived at a moment (cli/moment.h). Returns an enum ks_exit. */
int ks_states_past(const char *at, const struct ks_state_filters *filters, bool json);

#endif
