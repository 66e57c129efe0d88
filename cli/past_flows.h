/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows that lived at a moment, as the journal has them, in an engine: the ones that a packet of then would have met. The journal knows
 * when they began, were established and ended, and how they were translated, but no numbers of TCP; so these are learnt, as of a
 * connection that is taken up in its middle.
 */
#ifndef KS_CLI_PAST_FLOWS_H
#define KS_CLI_PAST_FLOWS_H

#include "engine/engine.h"
#include "policy/policy.h"

#define KS_PAST_FLOWS_MAX 10000 /* with an address of one packet */

struct ks_past {
	const char *at; /* seconds of the epoch (cli/moment.h) */
	const struct ks_policy
		*policy; /* of then; its zones and rules are those of the flows, by their names and texts */
	struct ks_engine *engine;
};

/* Puts those into the engine that have an address of the packet, or of what it quotes. Returns an enum ks_exit. */
int ks_past_flows_load(const struct ks_past *past, const struct ks_inspection *packet);

#endif
