/* SPDX-License-Identifier: BSD-2-Clause */
/* States in words, from their JSON. */
#ifndef KS_CLI_STATE_TEXT_H
#define KS_CLI_STATE_TEXT_H

#include <jansson.h>
#include <stdbool.h>

/* "10.0.0.5:40000" of one end of a state; for ICMP the source has the identifier behind it. Returns buf. */
#define KS_STATE_END_TEXT 80
const char *ks_state_end_text(const json_t *state, bool source, char buf[KS_STATE_END_TEXT]);

#endif
