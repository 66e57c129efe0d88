/* SPDX-License-Identifier: BSD-2-Clause */
/* What explain against a file and against the running firewall share. */
#ifndef KS_CLI_EXPLAIN_H
#define KS_CLI_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>

/* Prints an explanation (explain/explain.h) and gives it up. Returns KS_EXIT_OK if the packet passes, else KS_EXIT_NO. */
int ks_explain_show(json_t *explanation, bool json);

/* Explains a packet in words against the running firewall: cli/explain_live.c. Returns an enum ks_exit. */
int ks_explain_live(const char *words, bool json);

#endif
