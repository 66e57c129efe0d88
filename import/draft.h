/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A rule of the text while it is read. It matches the packets of one or more matches together, because conditions such as "no
 * answer, or translated" are no product; see draft.c.
 */
#ifndef KS_IMPORT_DRAFT_H
#define KS_IMPORT_DRAFT_H

#include "import/match.h"

#define KS_DRAFT_MATCHES 16U

/* States of connection tracking in a condition. */
enum {
	KS_CT_NEW = 1 << 0,
	KS_CT_ESTABLISHED = 1 << 1,
	KS_CT_RELATED = 1 << 2,
	KS_CT_INVALID = 1 << 3,
	KS_CT_UNTRACKED = 1 << 4,
	KS_CT_FORWARDED = 1 << 5, /* its destination was translated */
};

/* Times that a rule has, as its text says them; see times.c. */
struct ks_times {
	const char *text; /* all of it, to be shown; NULL without */
	const char *days, *start, *stop; /* NULL: any */
	bool other_days; /* than those */
	bool contiguous; /* hours over midnight belong to the day before */
	const char *elsewhere; /* why no clock here shows them */
};

struct ks_draft {
	struct ks_import *import;
	struct ks_import_match match[KS_DRAFT_MATCHES];
	unsigned matches;
	bool quiet; /* no note is kept if it matches nothing */
	struct ks_times times;
	struct ks_import_rule rule;
};

/* Restricts a rule to its times, when its verdict is known. Part of ks_draft_end(). Returns 0 or -errno. */
int ks_draft_times(struct ks_draft *draft);

void ks_draft_begin(struct ks_draft *draft, struct ks_import *import);

/* Appends the rule to a chain, once for each match that has packets. A note is kept if none has. Returns 0 or -errno. */
int ks_draft_end(struct ks_draft *draft, struct ks_import_chain *chain);

/* Restrict all matches. Return 0, -ENOMEM or -E2BIG. */
int ks_draft_addresses(struct ks_draft *draft, enum ks_dim dim, const struct ks_spans spans[2], bool negated);
int ks_draft_numbers(struct ks_draft *draft, enum ks_dim dim, const struct ks_spans *spans, bool negated);
int ks_draft_condition(struct ks_draft *draft, enum ks_import_word word, const char *text, bool negated);
int ks_draft_unsaid(struct ks_draft *draft, const char *text, bool negated); /* nothing of ours says it */
/*
 * A condition about a field that rules of the text may change before. `word` says it of the packet as it came. A rule has one of them;
 * further ones are unsaid.
 */
int ks_draft_field(struct ks_draft *draft, const struct ks_field_test *test, enum ks_import_word word,
		   const char *text);
int ks_draft_zones(struct ks_draft *draft, bool to, __u64 zones);
int ks_draft_proto(struct ks_draft *draft, unsigned proto, bool negated);
int ks_draft_ported(struct ks_draft *draft);
int ks_draft_family(struct ks_draft *draft, __u8 family);

/* The family of the addresses that a rule writes, which the rule is about even where it means all others of them. */
int ks_draft_written(struct ks_draft *draft, const struct ks_spans spans[2]);

/* The packets of either of the dimensions. */
int ks_draft_either(struct ks_draft *draft, enum ks_dim one, enum ks_dim other, const struct ks_spans *spans,
		    bool negated);

/* KS_CT_* of which the packet has one. */
int ks_draft_states(struct ks_draft *draft, unsigned states, bool negated);

/* TCP flags: of those in `mask` exactly those in `set`. */
int ks_draft_flags(struct ks_draft *draft, unsigned set, unsigned mask, bool negated);

/* The destination is an address of the box, and no broadcast; or it is a broadcast address. */
int ks_draft_own(struct ks_draft *draft, bool negated);
int ks_draft_broadcast(struct ks_draft *draft, bool negated);
int ks_draft_multicast(struct ks_draft *draft, enum ks_dim dim, bool negated);

#endif
