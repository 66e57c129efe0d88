/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packets that two policies treat differently, in classes: those about which one line of the one and one line of the other
 * decide. Each class is shown by a packet that the inspector has judged by both, with another outcome. A line with conditions that
 * regions cannot say may make a class for which there is no such packet: it is vague.
 *
 * A packet whose treatment differs is decided by a line that is not, or not there, in the other policy: lines that both have in
 * the same order take the same packets, if no other line takes them. So only lines that changed are looked at, each against
 * those of the other policy that overlap.
 *
 * Zones are the same if they have the same interfaces, else the same name. Run-time sets of one name have the same members.
 */
#ifndef KS_PROOF_DIFF_H
#define KS_PROOF_DIFF_H

#include "proof/effect.h"
#include "proof/witness.h"
#include "proof/words.h"

#include <jansson.h>

#define KS_DIFF_STEPS 400000000ULL
#define KS_DIFF_CLASSES_MAX 10000U
#define KS_DIFF_JSON_MAX 1000U /* classes that are told as JSON */
#define KS_DIFF_REGIONS_MAX 4
#define KS_DIFF_TEST_TEXT 1024

/* The policies, in the order in which they are given. */
enum { KS_DIFF_BEFORE, KS_DIFF_AFTER, KS_DIFF_SIDES };

/* The witness's fate by one policy. */
struct ks_diff_outcome {
	struct ks_deed deed; /* the line that decides, of the list that differs */
	__u8 action; /* enum ks_action */
	__u8 reason; /* enum ks_reason */
	struct ks_tuple sent; /* the packet as it leaves */
};

struct ks_diff_class {
	const struct ks_space *space;
	enum ks_list list;
	unsigned differs; /* KS_DIFFERS_* */
	bool is_lent; /* the packet leaves with an address for examples, because the policy says none: there is no test */
	bool vague; /* perhaps: a line has conditions that are not looked at, and no packet is shown */
	struct ks_region region[KS_DIFF_REGIONS_MAX];
	unsigned regions; /* that are of the class; KS_DIFF_REGIONS_MAX: there are perhaps more */
	struct ks_witness witness; /* in the words of the policy after */
	struct ks_diff_outcome outcome[KS_DIFF_SIDES];
	char test[KS_DIFF_TEST_TEXT]; /* for the policy after, that fails with the one before; "" if there is none */
};

/*
 * Writes a test for the policy after, that fails with the one before; none if the packet leaves with an address that the policy does
 * not say. What a packet shows of limits and helpers, no test can say.
 */
void ks_diff_test_write(struct ks_diff_class *class);

/* Called with each class, which is good during the call. Ends the search by another value than 0. */
typedef int ks_diff_fn(const struct ks_diff_class *found, void *arg);

struct ks_diff_stats {
	unsigned classes;
	unsigned unshown; /* pairs of lines that differ on packets that do not come to them, as far as was tried */
	bool given_up; /* there may be more */
	__u64 steps;
};

/*
 * Finds the classes. Empty sets of own addresses get addresses for examples. Returns 0, what fn returned, -E2BIG if the policies
 * have more than 64 zones together, or -ENOMEM.
 */
int ks_diff_policies(struct ks_policy *before, struct ks_policy *after, ks_diff_fn *fn, void *arg,
		     struct ks_diff_stats *stats);

/* Calls fn with each line of the normal form that only one policy has, and that is no rule and no plain set: `side` of enum above. */
typedef int ks_diff_line_fn(int side, const char *line, void *arg);
int ks_diff_settings(const struct ks_policy *before, const struct ks_policy *after, ks_diff_line_fn *fn, void *arg);

/*
 * The classes, settings and outcome as JSON: {"classes": [...], "settings": [...], "complete": true}, `complete` false if there are or may be
 * more classes. NULL without memory.
 */
json_t *ks_diff_json(struct ks_policy *before, struct ks_policy *after);

#endif
