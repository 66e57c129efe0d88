/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Staged rules: rules of the policy that are tried, and decide nothing yet.
 *
 * Overview. They stand in a list of their own, each with the number of entries of the filter before it. When the filter has decided
 * about a packet, this list is asked, too. If its first rule that matches stands before the one that decided, it would have
 * decided instead: then it is counted, shown beside the verdict, and its `log` reports the packet.
 */
#ifndef KS_CORE_STAGED_H
#define KS_CORE_STAGED_H

#include "core/types.h"

struct ks_decision;
struct ks_env;
struct ks_inspection;

/* Notes the staged rule that would have decided about a packet for which the filter has made this decision. */
void ks_staged_note(struct ks_env *env, struct ks_inspection *insp, const struct ks_decision *decision);

#endif
