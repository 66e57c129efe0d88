/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address translation, inside the state table. A flow is known by its two true
 * endpoints: C, the originator's own address, and S, the address of whoever
 * answers. What one side sees instead is an alias: an entry under that other
 * key which names the place of its flow, as the flow names the place of its
 * aliases.
 *
 *   alias[KS_ORIGINAL]  C and V: the originator believes to speak with V (destination translation)
 *   alias[KS_REPLY]     N and S: the responder believes to speak with N (source translation)
 *
 * So a packet finds its flow by what it bears, whoever sends it, and a port is
 * taken by inserting the alias: what is in the table belongs to somebody. An
 * alias without a flow that names it back is nobody's, and is swept.
 *
 * Endpoint-independent mappings (RFC 4787) are entries of their own: from the
 * inner endpoint to the outer one, back, and one for each address spoken to.
 */
#ifndef KS_CORE_NAT_NAT_H
#define KS_CORE_NAT_NAT_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

/* Ports tried for a new flow before it is refused. */
#define KS_NAT_TRIES 64U

/*
 * Finds the flow of the packet whose key is in insp->flow.key, by the key or by
 * an alias: insp->flow, insp->by_alias and insp->from_high. Sets insp->flow.busy when somebody
 * writes.
 */
void ks_nat_find(struct ks_env *env, struct ks_inspection *insp);

/* Whether a packet of the flow insp->flow.before bears the address by which its sender's side knows the flow. */
static inline bool ks_nat_is_addressed(const struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1;

	return insp->by_alias == (insp->flow.before.alias[dir] ? 1 + dir : 0);
}

/* Whether the flow has any alias: most have none. */
static inline bool ks_nat_is_translated(const struct ks_flow *flow)
{
	return flow->alias[KS_ORIGINAL] | flow->alias[KS_REPLY];
}

/*
 * Fills in insp->sent and insp->translate for a packet of the flow (insp->dir is
 * known). Returns 0, or a reason.
 */
__u32 ks_nat_translate(struct ks_env *env, struct ks_inspection *insp);

/* For an ICMP error: insp->sent, insp->quote.sent and insp->translate. */
__u32 ks_nat_leave_error(struct ks_env *env, struct ks_inspection *insp);

/*
 * What comes before the filter for a packet that no flow knows: insp->opening.as_filtered is
 * the packet with its destination translated by a mapping or by the inbound list; an address that has no counterpart
 * (RFC 6296 3.4) stays what it is, for the rules to judge.
 * insp->opening.expected is 1 when a mapping admits it; insp->verdict.rule is then set.
 */
void ks_nat_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* The new destination that the rule gives: insp->sent and insp->to. Returns 0 or a reason. */
__u32 ks_nat_forward(struct ks_env *env, struct ks_inspection *insp, const struct ks_decision *decision);

/*
 * Chooses the source of an allowed packet and takes what aliases its flow
 * needs: insp->sent, insp->translate and their places in insp->opening.alias. Returns 0 or a
 * reason, and then holds nothing.
 */
__u32 ks_nat_reserve(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Returns true if the policy translates the source of the packet in insp->sent. */
bool ks_nat_has_source(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Gives the aliases to the flow at insp->flow.ref, or frees them when it did not come to be. */
void ks_nat_commit(struct ks_env *env, struct ks_inspection *insp);
void ks_nat_release(struct ks_env *env, struct ks_inspection *insp);

#endif
