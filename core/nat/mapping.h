/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Endpoint-independent mappings (RFC 4787 4.1, RFC 5382 4.1).
 *
 * Overview: an inner endpoint keeps one outer endpoint for all its peers, so that
 * it can tell them where to find it. A mapping is two or more records of the
 * state table (struct ks_mapping):
 *
 *   MAPPING_OUT   under the inner endpoint; names the outer one
 *   MAPPING_IN    under the outer endpoint, which it claims for all peers at once; names the inner one
 *   PERMIT        under the outer endpoint and a peer's address: the inside has spoken to that peer
 *                 (address-dependent filtering)
 *
 * Life cycle: MAPPING_IN is inserted first, which reserves the outer endpoint
 * (source.c), then MAPPING_OUT, then the PERMIT. All live `timeout nat.mapping`
 * beyond the last packet that left by the mapping (RFC 4787 REQ-5 and 6: at least
 * two minutes, and only what leaves keeps it alive).
 *
 * Races: the records are not written together. A MAPPING_OUT may name an
 * outer endpoint that died first and is another's now, and a PERMIT may be left
 * of an earlier mapping: each names its other end, and who follows one compares
 * it. Two CPUs may make a mapping of one inner endpoint at the same time: the last
 * MAPPING_OUT counts, and the other's MAPPING_IN dies unused.
 */
#ifndef KS_CORE_NAT_MAPPING_H
#define KS_CORE_NAT_MAPPING_H

#include "core/inspection.h"
#include "core/rules.h"

struct ks_env;

/*
 * For a packet that no flow knows: if its destination is an outer endpoint whose filtering admits the sender, makes the
 * inner endpoint insp->sent's destination, sets insp->verdict.rule and insp->to to those of the mapping and
 * insp->opening.expected to 1. Returns true if it did.
 */
bool ks_mapping_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * For a source that the policy translates to insp->sent.src: if it has a mapping there, makes the outer endpoint
 * insp->sent's source, renews the mapping and returns true. Else only sets insp->opening.mapped, for a search for a port
 * by ks_mapping_claim().
 */
bool ks_mapping_use(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		    const struct ks_target *target);

/* Makes insp->side the record that claims insp->sent's source for the packet's source. Inserting it reserves the port. */
void ks_mapping_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Completes a mapping whose claim was inserted: the record of the inner endpoint, and the permit of this peer. */
void ks_mapping_complete(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Renews the mapping of a flow with KS_FLOW_MAPPED, by which a packet left. */
void ks_mapping_refresh(struct ks_env *env, struct ks_inspection *insp);

#endif
