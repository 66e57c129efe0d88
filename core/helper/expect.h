/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expectations: connections that a helper heard announced (core/helper/helper.h). One is
 * an entry of the state table (KS_KIND_EXPECT) under the key that the first packet will have
 * when it arrives, with 0 for the port of whoever opens it. It names the two peers
 * of its control connection and one port that is not privileged (IRC: anybody may open it, see
 * irc.c), counts only as long as that connection lives, and is used once.
 */
#ifndef KS_CORE_HELPER_EXPECT_H
#define KS_CORE_HELPER_EXPECT_H

#include "core/table/flow.h"
#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

/* What an expectation remembers, over the part of a flow that is the kind's own. */
struct ks_expectation {
	__u32 version;
	__u8 state;
	__u8 flags;
	__u8 zone[2]; /* of who opens, of who waits */
	__u32 seen;
	__u32 timeout;
	struct ks_addr to; /* who waits: its true address ... */
	__be16 port; /* ... and port */
	__u16 rule; /* of the control connection */
	__u32 place; /* of the control connection */
	__u32 created; /* when that was */
	__u32 spare;
	__u64 control; /* hash of its key */
	struct ks_addr name; /* by which who waits knows who opens; zeros: by its own */
	__u32 own[4];
};

_Static_assert(sizeof(struct ks_expectation) == sizeof(struct ks_flow), "an expectation lies over a flow");

/*
 * Finds the expectation of the packet in insp->pkt, uses it up (unless insp->home.dry), and
 * says where the packet goes and what its source is to become: insp->sent, insp->to, insp->verdict.rule, insp->helping.name. Returns
 * false if it is not expected.
 */
bool ks_expect_find(struct ks_env *env, struct ks_inspection *insp);

/*
 * Makes the expectation insp->helping.want of the control connection insp->flow.after;
 * its port may become another one if insp->helping.choose. Returns the place of the expectation, or 0.
 */
__u32 ks_expect_make(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Gives up an expectation of the control connection, if it is still there. */
void ks_expect_drop(struct ks_env *env, struct ks_inspection *insp, __u32 place);

#endif
