/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Endpoint-independent mappings (RFC 4787 4.1, RFC 5382 4.1): an inner
 * endpoint keeps one outer endpoint for all its peers, so that it can tell them
 * where to find it. Three kinds of entries: MAPPING_OUT under the inner endpoint
 * names the outer one; MAPPING_IN under the outer endpoint, which claims it for all
 * peers at once, names the inner one; PERMIT under the outer endpoint and a
 * peer's address says that the inside has spoken to it (address-dependent filtering).
 */
#ifndef KS_CORE_NAT_MAPPING_H
#define KS_CORE_NAT_MAPPING_H

#include "core/inspection.h"
#include "core/rules.h"

/*
 * A packet that no flow knows: if its destination is an outer endpoint whose
 * filtering admits the sender, insp->sent's destination becomes the inner one,
 * insp->verdict.rule and insp->to are those of the mapping, and insp->opening.expected is 1. Returns
 * whether it was.
 */
bool ks_mapping_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * The source of insp->pkt under insp->sent.src: if it has a mapping there, insp->sent's
 * source becomes its outer endpoint, its time begins again, and true is returned. Else
 * insp->opening.mapped is set: the search for a port goes by ks_mapping_claim().
 */
bool ks_mapping_use(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		    const struct ks_target *target);

/* Makes insp->side the entry that claims insp->sent's source for the packet's; inserted, it is ours. */
void ks_mapping_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* What follows when it is: the way out, and leave for this peer to answer. */
void ks_mapping_claimed(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* A packet of a flow with KS_FLOW_MAPPED left: its mapping lives on. */
void ks_mapping_refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
