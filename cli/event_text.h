/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of GET /v1/log as lines for people. */
#ifndef KS_CLI_EVENT_TEXT_H
#define KS_CLI_EVENT_TEXT_H

#include <jansson.h>
#include <stdbool.h>

/* Prints an event of a packet or a flow as a line. Events that were folded, too; of lost ones it is told on stderr. */
void ks_event_print(const json_t *event, bool colour);

/* Returns true for one that stands for itself: it is not about events that were folded or lost. */
bool ks_event_is_single(const json_t *event);

#endif
