/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes that zones and rules ask for in passing packets of flows: a greatest MSS, a code point of differentiated services, a mark.
 *
 * Overview. An MSS says how large segments its receiver may send. So it is lowered in the SYN and in its answer, whichever way
 * they go, to the least that the zones of the flow and its rule name; `mtu` stands for what fits both links. Code point and mark are
 * those that the flow's rule has for the packet's direction. The mark is put on before the packet is routed, so that rules of the
 * kernel may route by it. Fragments behind the first one know no rule, and stay as they are.
 */
#ifndef KS_CORE_ALTER_H
#define KS_CORE_ALTER_H

#include "core/rules.h"
#include "core/types.h"

struct ks_env;
struct ks_inspection;

/* Makes the changes. Returns 0 or KS_REASON_TRANSLATE; the packet must be dropped then. */
__u32 ks_alter(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, const __u8 *head);

/* Puts the mark on the packet: for a home that must know it before. */
void ks_alter_mark(struct ks_env *env, struct ks_inspection *insp);

#endif
