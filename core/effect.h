/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Effects of rules: what a rule does besides letting a packet pass or not.
 *
 * Overview. The effects of a rule stand in a table by its id, so that a flow's rule leads to them. ks_rule.effects has a bit for each that there is,
 * so that others pay for nothing.
 *
 * Adding to a set. When the rule has decided a packet, its source or destination comes into a run-time set for a while
 * (core/members.h). For a rule that allows this is the packet that opens a flow; for one that denies, each packet. Nobody proves
 * here that a source is real: `overload` of a limit does (core/overload.h).
 *
 * Effects on flows. A flow of such a rule has a bit of its own (KS_FLOW_RULED), and its packets ask the table. A rule that is gone has no
 * effects any more.
 */
#ifndef KS_CORE_EFFECT_H
#define KS_CORE_EFFECT_H

#include "core/types.h"

struct ks_env;
struct ks_inspection;

/* ks_rule.effects */
#define KS_EFFECT_ADD 0x01 /* an address comes into a set */
#define KS_EFFECT_TIMEOUT 0x02 /* its flows have a timeout of their own */
#define KS_EFFECT_MSS 0x04 /* the MSS of their SYNs is lowered (core/alter.h) */
#define KS_EFFECT_DSCP 0x08 /* their packets get a code point */
#define KS_EFFECT_MARK 0x10 /* ... and a mark */
#define KS_EFFECT_ASYMMETRIC 0x20 /* only one direction of them may be seen (core/track/tcp_asymmetric.c) */
#define KS_EFFECTS_ALTER (KS_EFFECT_MSS | KS_EFFECT_DSCP | KS_EFFECT_MARK)
#define KS_EFFECTS_OF_FLOWS (KS_EFFECT_TIMEOUT | KS_EFFECTS_ALTER | KS_EFFECT_ASYMMETRIC)

#define KS_MSS_OF_MTU 0xffffU /* instead of an MSS: as large as the MTU allows */

/* The addresses of a packet that a rule may add. */
enum ks_effect_end { KS_EFFECT_SOURCE, KS_EFFECT_DESTINATION, KS_EFFECT_ENDS };

struct ks_effect_add {
	__u64 hold; /* ms; 0: as the set says */
	__u8 set; /* number of a run-time set and 1; 0: none */
	__u8 zero[7];
};

/* The effects of a rule. */
struct ks_effects {
	struct ks_effect_add add[KS_EFFECT_ENDS];
	__u32 timeout; /* ms, of flows that last (core/track/track.c) */
	__u32 flags; /* KS_EFFECT_* of flows: those that there are */
	__u32 mark[2], mark_mask[2]; /* by enum ks_dir: bits of the mark that are set, of those in the mask */
	__u8 dscp[2]; /* by enum ks_dir: a code point and 1, 0: it stays */
	__u16 mss; /* at most, or KS_MSS_OF_MTU */
	__u32 zero;
};

_Static_assert(sizeof(struct ks_effects) == 64, "effects are one cache line");

/* Carries out what the rule that decided the packet does besides. Never to be called for a dry inspection. */
void ks_effects_apply(struct ks_env *env, const struct ks_inspection *insp);

#endif
