/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation of a packet that no flow knows.
 *
 * Overview: an opening packet passes three questions. Before the filter its
 * destination may be translated by a mapping or by the inbound list (binat,
 * prefixes). A rule of the filter that forwards gives it a new destination. Once
 * it is allowed, the source list gives it a new source.
 *
 * port.h finds the port. The table itself says who owns what, so no other flow's
 * port can be taken over (the "port shadow", CVE-2021-3773).
 *
 * Life cycle: ks_nat_reserve() inserts what aliases the flow needs, ks_nat_commit()
 * names the flow in them once it is inserted, ks_nat_release() frees them if it
 * was not.
 *
 * Races: two CPUs that want the same port insert the same key; the table
 * lets one of them, the other tries the next port. Between reservation and commit
 * an alias names no flow: packets that find it are judged again.
 */
#ifndef KS_CORE_NAT_SOURCE_H
#define KS_CORE_NAT_SOURCE_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

struct ks_env;

/*
 * Before the filter: translates insp->sent's destination by a mapping or by the inbound list. If a mapping admits the
 * packet, insp->opening.expected is 1 and insp->verdict.rule is set. An address without a counterpart (RFC 6296 3.4) stays
 * what it is, for the rules to judge.
 */
void ks_nat_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Translates insp->sent's destination as the rule says, which moves insp->to. Returns 0 or a reason. */
__u32 ks_nat_forward(struct ks_env *env, struct ks_inspection *insp, const struct ks_decision *decision);

/*
 * Translates insp->sent's source as the policy says and reserves the aliases that the flow needs: insp->translate, and
 * their slot ids in insp->opening.alias. Returns 0 or a reason; then nothing is reserved.
 */
__u32 ks_nat_reserve(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Returns true if the policy translates the source of the packet in insp->sent. */
bool ks_nat_has_source(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Names the flow at insp->flow.ref in the aliases reserved. */
void ks_nat_commit(struct ks_env *env, struct ks_inspection *insp);

/* Frees the aliases reserved: the flow did not come to be. */
void ks_nat_release(struct ks_env *env, struct ks_inspection *insp);

#endif
