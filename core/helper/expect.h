/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expectations: connections that a helper heard announced (core/helper/helper.h).
 *
 * Overview: an expectation is an entry of the state table (KS_KIND_EXPECT, struct
 * ks_expectation) under the key that the first packet of the connection will
 * have when it arrives, with 0 for the port of its sender. It names the two peers
 * of its control connection (IRC: its speaker and whom the server has named, see irc.c) and one port that
 * is not privileged. The port of one is reserved by inserting it: what is in the
 * table belongs to somebody.
 *
 * Life cycle: made when the announcement is complete (scan.c); consumed by the
 * packet that opens the connection (core/open.c); otherwise it goes after
 * `timeout helper.expected`, or when its control connection announces more than
 * KS_HELPER_EXPECTED others. It counts only as long as the control connection
 * lives, which is looked at when a packet comes.
 *
 * Races: two packets may open connections of one expectation on two CPUs.
 * Freeing the entry consumes the expectation, and only one CPU can free it. That
 * comes last, when the flow is in the table, so that a packet which is to be judged
 * again is still expected; if another was first, its flow goes again, and the packet
 * is judged by the rules. The control connection's flow is read where it lies,
 * without its version: a flow that ends at the same moment was alive a moment ago.
 */
#ifndef KS_CORE_HELPER_EXPECT_H
#define KS_CORE_HELPER_EXPECT_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

/*
 * Finds the expectation of the packet in insp->pkt. Says where the packet goes
 * and under which address its source is known there: insp->sent, insp->to, insp->verdict.rule, insp->helping.name.
 * Returns false if the packet is not expected.
 */
bool ks_expect_find(struct ks_env *env, struct ks_inspection *insp);

/* Consumes the expectation that was found, if there was one. Returns false if another packet has. */
bool ks_expect_consume(struct ks_env *env, struct ks_inspection *insp);

/*
 * Makes the expectation insp->helping.want of the control connection insp->flow.after. Its port may become another one
 * if insp->helping.choose. Returns the slot id of the expectation, or 0.
 */
__u32 ks_expect_make(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Returns true if a socket of the box has the port insp->helping.want.dport, or the rules forward it. */
bool ks_expect_port_is_reserved(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Frees an expectation of the control connection, if it is still there. */
void ks_expect_release(struct ks_env *env, struct ks_inspection *insp, __u32 slot_id);

#endif
