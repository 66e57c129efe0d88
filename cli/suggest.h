/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate suggest from the journal: its flows as requests. */
#ifndef KS_CLI_SUGGEST_H
#define KS_CLI_SUGGEST_H

#include "cli/moment.h"
#include "suggest/suggest.h"

struct ks_suggest_time {
	char since[KS_MOMENT_TEXT], until[KS_MOMENT_TEXT]; /* empty: as far as the journal goes */
};

/* Reads the flows of a time; zones are found by their names. Returns an enum ks_exit. */
int ks_suggest_journal(struct ks_suggestion *suggestion, const struct ks_suggest_time *time);

#endif
