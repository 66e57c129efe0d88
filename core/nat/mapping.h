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
 * Life cycle: MAPPING_IN is inserted first, which claims the outer endpoint,
 * then MAPPING_OUT, then the PERMIT (port.h has the steps). All live `timeout
 * nat.mapping` beyond the last packet that left by the mapping (RFC 4787 REQ-5 and
 * 6: at least two minutes, and only what leaves keeps it alive), less if that
 * asked the DNS or another well-known port.
 *
 * Races: the records are not written together, so each names its other end, and who
 * follows one compares it. An inner endpoint has one outer one for each address of
 * the box, whatever many CPUs do: MAPPING_OUT decides. Who has claimed a port and
 * then finds one named whose claim lives, takes that and frees his own; a name
 * without a claim is written over, if it is still what was compared. Who renews
 * renews the claim first and then the name. A CPU may be stopped in the middle of a
 * record for long; a claim that is being written still belongs to whom it names. Who
 * finds his claim used by another packet of the endpoint does not give it back.
 */
#ifndef KS_CORE_NAT_MAPPING_H
#define KS_CORE_NAT_MAPPING_H

#include "core/inspection.h"
#include "core/rules.h"

struct ks_env;

/*
 * For a packet that no flow knows: if its destination is an outer endpoint whose filtering admits the sender, makes the
 * inner endpoint insp->sent's destination and sets insp->to to its zone. Returns true if it did.
 *
 * The mapping stands where no rule does: insp->opening.expected is 1, and insp->verdict.rule the mapping's, if no rule of the
 * filter decides about the packet as it goes to the inner endpoint; else that rule has the word. It admits nobody if a rule
 * forwards the packet as it came, or if the inner endpoint might not make the mapping any more: by the present filter and
 * source list, towards whom it has spoken to.
 */
bool ks_mapping_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * For a source that the policy translates to insp->sent.src, by a target of insp->search.flags: if it has a mapping there, makes the outer port insp->sent's,
 * renews the mapping and returns true. Else only sets insp->opening.mapped, for a search for a port (port.h).
 */
bool ks_mapping_use(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Makes insp->side the record that claims insp->sent's source for the packet's source. Inserting it reserves the port. */
void ks_mapping_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Returns true if the record found in insp->side names the packet's own source. */
bool ks_mapping_is_own(const struct ks_inspection *insp);

/* Renews the record found, by a packet that leaves now. Returns false if another CPU was first. */
bool ks_mapping_renew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * Names the port that was claimed in the record of the packet's source. Returns true if insp->side is that record, to be
 * inserted. Else insp->search.step is the next one, if this is done: insp->sent.sport is then the port that counts, which
 * another CPU may have named. If not, it is to be done again.
 */
bool ks_mapping_name(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Gives the claim insp->search.claim back. */
void ks_mapping_release(struct ks_env *env, struct ks_inspection *insp);

/* Notes that the inside speaks to this peer. Returns true if insp->side is a record to be inserted for that. */
bool ks_mapping_permit(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Returns true for a packet that renews the mapping of its flow. */
static inline bool ks_mapping_is_refreshed(const struct ks_inspection *insp)
{
	return insp->flow.before.flags & KS_FLOW_MAPPED && insp->dir == KS_ORIGINAL;
}

/* Renews it, by such a packet, which leaves. */
void ks_mapping_refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
