/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of a policy that does what the chains do, before they are written; see plan.c. */
#ifndef KS_IMPORT_PLAN_H
#define KS_IMPORT_PLAN_H

#include "import/flatten.h"

/* Lists for IPv4 and IPv6. Verdicts are ACCEPT, DROP, REJECT, and UNTRACK for what passes untracked. */
struct ks_plan {
	struct ks_flat filter[2];
	struct ks_flat helpers[2]; /* HELPER alone */
	struct ks_flat sources[2]; /* SOURCE, MASQUERADE, and ACCEPT for what stays as it is */
};

/* Returns 0, -ENOMEM, -E2BIG, or -EINVAL with import->error. */
int ks_plan_make(struct ks_import *import, struct ks_plan *plan);

struct ks_plan_question {
	enum ks_hook hook; /* PRE: only those that come before it is known where the packet goes */
	bool untracked; /* connection tracking does not see the packets */
	bool translated; /* their destination is the new one, and the bases before that were asked already */
};

/*
 * Appends what all bases of a hook together do with the packets of a piece, and with all further packets of the flows that they
 * open. Same results.
 */
int ks_plan_hook(struct ks_import *import, const struct ks_plan_question *question, const struct ks_piece *piece,
		 struct ks_flat *flat);

/* The packets of a hook, as far as zones tell it. */
void ks_plan_restrict(const struct ks_import *import, enum ks_hook hook, struct ks_region *region);

/* New destinations and untracked packets come before the hooks: see translate.c. */
int ks_plan_untracked(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat);
int ks_plan_forwards(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat);
int ks_plan_helpers(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat);
int ks_plan_sources(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat);

/* Finds the entries that must deny where they cannot be said. */
void ks_plan_close(struct ks_import *import, struct ks_flat *flat);

/* Asks about the packets of a region that have the new destination when they come. Returns 0, -ENOMEM or -E2BIG. */
int ks_plan_unchanged(struct ks_import *import, const struct ks_region *came, const struct ks_import_target *target,
		      struct ks_flat *flat);

/* Regions that shrink. */
struct ks_shreds {
	struct ks_region *list;
	int count;
};

/* The rest of an entry when those before it that accept have had their packets. Returns 0, -ENOMEM or -E2BIG. */
int ks_plan_shred(struct ks_import *import, const struct ks_flat *flat, size_t at, struct ks_shreds *shreds);

#endif
