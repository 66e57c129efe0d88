/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Explains how a packet is decided: every step of the inspector's path with
 * the numbers that were compared. It runs the inspector itself, dry, on the
 * engine's state, so that it cannot disagree with it; the daemon gives it an
 * engine with the flow of the kernel's table (engine/transplant.h).
 */
#ifndef KS_EXPLAIN_EXPLAIN_H
#define KS_EXPLAIN_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "engine/engine.h"
#include "policy/arena.h"
#include "policy/policy.h"
#include "policy/scenario/scenario.h"

/*
 * Explains a frame at the engine's time with its tables, which are the
 * policy's; nothing changes. The object has
 *   verdict, class, reason, reason_text, state   names, as everywhere
 *   passes    true if the packet may go on
 *   rule      id, file, line, text of the rule that decided or made the flow; null for the default deny
 *   packet    what the parser found
 *   flow      the flow before and after, null without one
 *   closest   [ { file, line, text, label?, matched, behind, failed: [ { condition, why } ] } ], the best first: rules that
 *             would let it pass, if the policy drops it. matched: in how many conditions; behind: it stands behind the rule
 *             that decided
 *   steps     [ { step, outcome, text, details... } ] in the order of the path; outcome is "ok", "drop" or "note".
 *             The step `policy` has the rules that were asked: the last 200 of them, or `all`
 * Returns a new reference, NULL without memory.
 */
json_t *ks_explain_json(const struct ks_policy *policy, struct ks_engine *engine, const struct ks_frame *frame,
			bool all);

/*
 * Lets a TCP segment in words continue its flow: without `seq` it starts
 * where its sender's last one ended, without `ack-number` it acknowledges all
 * that the peer sent. A SYN, and a packet that is not TCP, stays as it is. `arena` is
 * the packet's. Returns 0 or -ENOMEM; ks_crafter_reset() before crafting it.
 */
int ks_explain_continue(struct ks_packet_spec *spec, const struct ks_flow_key *key, const struct ks_flow *flow,
			struct ks_arena *arena);

/*
 * Prints such an object (also one that came from the daemon) for people: of the rules the one that decided, and the closest;
 * or all that it has. Unknown members are left out.
 */
void ks_explain_print(const json_t *explanation, FILE *out, bool colour, bool all);

#endif
