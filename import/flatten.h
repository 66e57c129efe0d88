/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains as one list of which the first entry that matches decides; see flatten.c. */
#ifndef KS_IMPORT_FLATTEN_H
#define KS_IMPORT_FLATTEN_H

#include "import/ruleset.h"

#define KS_FLAT_MAX 20000U /* entries of all lists together: what jumps multiply ends here */
#define KS_FLAT_STEPS (1ULL << 26)

#define KS_PIECE_LIMITS 4U

/* The packets of a flow that a walk is about. */
enum ks_side { KS_SIDE_FIRST, KS_SIDE_LATER, KS_SIDE_ANSWER, KS_SIDES };

/* Packets on their way through chains, and what rules have said of them so far. */
struct ks_piece {
	struct ks_region region;
	struct ks_import_limit *limit[KS_PIECE_LIMITS]; /* as many of them are let through */
	unsigned limits;
	bool crowded; /* by more limits than that */
	bool logged;
	const char *label;
	enum ks_side side; /* that rules are asked about */
	bool alters; /* fields change, also those that no rule asks for */
	struct ks_field_bits fields[KS_SIDES][KS_FIELDS];
	struct ks_import_rule *changed[KS_SIDES][KS_FIELDS]; /* the last rule that did */
	struct ks_import_rule *unsaid; /* one whose change no rule of ours makes, */
	const char *unsaid_why;
	bool routed; /* and it changed a mark when it was known where the packet goes */
};

struct ks_flat_entry {
	struct ks_piece piece;
	enum ks_verdict_kind verdict;
	const struct ks_import_rule *rule; /* NULL: the policy of a base, or what the import adds */
	const struct ks_import_rule *translation; /* its new destination */
	__u64 target_zones; /* a bit for each where that may be */
	const char *trouble; /* why it is denied instead of what the text says */
	bool closes; /* its packets are denied if no rule can be it, and not those of others below */
	unsigned line;
	const char *text; /* the line */
};

struct ks_flat {
	struct ks_flat_entry *list;
	size_t count, room;
};

/* Packets that a base is asked about. */
enum ks_flat_mode {
	KS_FLAT_OPENING, /* those that open flows, or are not tracked: limits count them */
	KS_FLAT_LATER, /* all others of a flow */
	KS_FLAT_UNTRACKING, /* those that come to a rule which says that they are not tracked */
	KS_FLAT_HELPING, /* those that come to a rule which gives a helper to their flow */
};

/* Returns true if the same limits count both, and the same was changed of them. */
bool ks_pieces_are_alike(const struct ks_piece *a, const struct ks_piece *b);

/* A piece of which nothing was changed yet: it has no tag. */
void ks_piece_begin(struct ks_piece *piece);

/* Makes nothing known of what rules change. */
void ks_piece_forget(const struct ks_import *import, struct ks_piece *piece);

/* Bounds a piece by the limits of another one, too. */
void ks_piece_bound_as(struct ks_piece *piece, const struct ks_piece *other);

/* Appends an entry. Returns 0, -ENOMEM or -E2BIG. */
int ks_flat_add(struct ks_import *import, struct ks_flat *flat, const struct ks_flat_entry *entry);

/* Returns true if all packets of a region are in the other one. */
bool ks_region_is_within(const struct ks_region *region, const struct ks_region *around, __u64 *steps);

/* Takes away entries that have nothing left because of a single one above them. */
void ks_flat_prune(struct ks_import *import, struct ks_flat *flat);

/* Takes away entries that deny, if an entry of the same rule below them, or any one below a policy's, does the same with all. */
void ks_flat_trim(struct ks_import *import, struct ks_flat *flat);

/* Appends what a base does with the packets of a piece, all of them. Returns 0, -ENOMEM or -E2BIG. */
int ks_flatten(struct ks_import *import, const struct ks_import_base *base, const struct ks_piece *piece,
	       enum ks_flat_mode mode, struct ks_flat *flat);

#endif
