/* SPDX-License-Identifier: BSD-2-Clause */
/* The search for shadowed rules (shadow.c), and what it says (shadow_text.c). */
#ifndef KS_PROOF_SHADOW_INTERNAL_H
#define KS_PROOF_SHADOW_INTERNAL_H

#include "proof/cover.h"
#include "proof/effect.h"
#include "proof/shadow.h"
#include "proof/witness.h"
#include "proof/words.h"

#define KS_COVERS_MAX 32 /* rules that are told from one another among those that take another one's packets */
#define KS_LEFT_MAX 8 /* regions that are left, and told */

/* A list that is looked at. */
struct ks_shadow {
	struct ks_policy *policy;
	const struct ks_shadow_wish *wish;
	struct ks_diags *diags;
	struct ks_shadow_stats *stats;
	struct ks_court *court;
	struct ks_space space;
	struct ks_near near;
	struct ks_cover cover;
	unsigned warned, noted;
};

/* The rule in hand: its claims. */
struct ks_shadowed {
	size_t info;
	size_t first, end;
};

/* The rules that take a rule's packets. */
struct ks_covers {
	__u32 info[KS_COVERS_MAX];
	unsigned count;
	unsigned more; /* that are not listed */
};

/* A packet that a cover takes from the rule, and how it differs. */
struct ks_taken {
	struct ks_witness witness;
	struct ks_deed cover, rule;
	unsigned differs; /* KS_DIFFERS_* */
	bool is_shown; /* the inspector has confirmed it */
	bool is_refuted; /* it decides otherwise: a fault of the proof */
};

/* A zone or a protocol that is lost to a rule. */
struct ks_lost {
	const char *word; /* "from zone", "to zone", "of protocol" */
	char name[32];
};

int ks_shadow_tell_never(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct ks_covers *covers,
			 const struct ks_taken *taken);
int ks_shadow_tell_lost(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct ks_lost *lost,
			const struct ks_covers *covers, const struct ks_taken *taken);
int ks_shadow_tell_part(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct ks_covers *covers,
			const struct ks_taken *taken, const struct ks_region *left, unsigned count);
/* Tells how many warnings and notes were too many. */
int ks_shadow_tell_rest(const struct ks_shadow *shadow);
int ks_shadow_tell_given_up(struct ks_shadow *shadow, const struct ks_shadowed *first);

#endif
