/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two policies in one space: zones in pairs, the claims of one list of the first, then those of the second, and which rules both
 * have in the same order.
 */
#ifndef KS_PROOF_JOINT_H
#define KS_PROOF_JOINT_H

#include "proof/cover.h"
#include "proof/diff.h"

/* Interfaces that are in one zone before, and in one after. Bit 0 is no zone, bit 1 the box, in both. */
struct ks_zone_pairs {
	__u8 zone[KS_ZONE_MAX][KS_DIFF_SIDES];
	const char *name[KS_ZONE_MAX];
	unsigned count;
};

/* Returns 0, or -E2BIG if there are too many. */
int ks_zone_pairs_find(struct ks_policy *const policies[KS_DIFF_SIDES], struct ks_zone_pairs *pairs);

/* The claims of a rule of the list. */
struct ks_group {
	size_t first, end;
	__u32 info;
	bool changed; /* the other policy has no such rule there */
	size_t partner; /* that rule of the other policy, if not changed */
	__u64 hash; /* of what it claims and does */
};

struct ks_groups {
	struct ks_group *list;
	size_t count;
};

struct ks_joint {
	struct ks_policy *const *policies;
	struct ks_space space;
	struct ks_near near;
	struct ks_cover cover;
	struct ks_groups groups[KS_DIFF_SIDES];
	size_t second; /* the first claim of the second policy */
};

/*
 * Makes it, with the variables of another one, so that regions of both have the same; NULL: none. The policies and pairs must
 * outlive it. Returns 0 or -ENOMEM.
 */
int ks_joint_init(struct ks_joint *joint, struct ks_policy *const policies[KS_DIFF_SIDES],
		  const struct ks_zone_pairs *pairs, enum ks_list list, const struct ks_variables *variables);
void ks_joint_fini(struct ks_joint *joint);

KS_SCOPED_STRUCT(ks_auto_joint, struct ks_joint, ks_joint_fini)
#define ks_auto_joint ks_scoped(ks_auto_joint)

#define KS_NO_INFO 0xffffffffU /* in place of a rule's: a group of what passes without one */
#define KS_NO_CLAIM ((size_t)-1) /* in place of a claim: no rule decides */

/*
 * Calls fn with each region, within `bound` (or NULL), about which one claim decides before and one after; returns as
 * ks_cover_left().
 */
int ks_joint_left(struct ks_joint *joint, const struct ks_region *bound, size_t before, size_t after, ks_left_fn *fn,
		  void *arg);

/* The same without packets that do not come to the rules (proof/unasked.h): regions to choose witnesses from, but of many words. */
int ks_joint_come(struct ks_joint *joint, const struct ks_region *bound, size_t before, size_t after, ks_left_fn *fn,
		  void *arg);

/* Returns true if no packet may be found for some region of a claim: of conditions, or of sets, more is not known than their text. */
bool ks_joint_is_vague(const struct ks_joint *joint, size_t claim);

/* Returns the deed of a claim, or of KS_NO_CLAIM of a side. */
struct ks_deed ks_joint_deed(const struct ks_joint *joint, size_t claim, int side);

#endif
