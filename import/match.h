/* SPDX-License-Identifier: BSD-2-Clause */
/* Making what a rule matches, one condition after the other; see match.c. */
#ifndef KS_IMPORT_MATCH_H
#define KS_IMPORT_MATCH_H

#include "import/ruleset.h"

/* Ranges on the way to spans, of each family; ports and types of ICMP are in the first. */
struct ks_ranges {
	struct ks_range *list[2];
	size_t count[2], room[2];
};

void ks_ranges_fini(struct ks_ranges *ranges);

KS_SCOPED_STRUCT(ks_auto_ranges, struct ks_ranges, ks_ranges_fini)
#define ks_auto_ranges ks_scoped(ks_auto_ranges)

#define KS_RANGES_MAX (1U << 20)

/* Return 0, -ENOMEM or -E2BIG. */
int ks_ranges_add(struct ks_ranges *ranges, unsigned at, const struct ks_range *range);
int ks_ranges_number(struct ks_ranges *ranges, __u32 low, __u32 high);
int ks_ranges_spans(struct ks_ranges *ranges, unsigned at, const struct ks_spans *spans);

/* An address, a prefix (also "10.0.0.0/255.0.0.0") or a range. Returns 0, -EINVAL, -ENOMEM or -E2BIG. */
int ks_ranges_address(struct ks_ranges *ranges, const char *text);

/* Sorts and merges them, into the import's memory. Returns 0 or -ENOMEM. */
int ks_ranges_take(struct ks_import *import, struct ks_ranges *ranges, struct ks_spans spans[2]);

void ks_import_match_fill(struct ks_import_match *match);
void ks_import_match_family(struct ks_import_match *match, __u8 family);
bool ks_import_match_is_empty(const struct ks_import_match *match);

/* Restricts both families. */
void ks_import_match_from(struct ks_import_match *match, __u64 zones);
void ks_import_match_to(struct ks_import_match *match, __u64 zones);
void ks_import_match_variable(struct ks_import_match *match, unsigned variable, bool in);
void ks_import_match_proto(struct ks_import_match *match, unsigned proto);
void ks_import_match_not_proto(struct ks_import_match *match, unsigned proto);
void ks_import_match_protos(struct ks_import_match *match, const __u64 protos[KS_PROTO_WORDS]);
void ks_import_match_ported(struct ks_import_match *match); /* protocols with ports */

/*
 * Restricts a dimension to spans: addresses of both families (a family without any matches nothing), or with `negated` all
 * others. Returns 0 or -ENOMEM.
 */
int ks_import_match_addresses(struct ks_import *import, struct ks_import_match *match, enum ks_dim dim,
			      const struct ks_spans spans[2], bool negated);
int ks_import_match_numbers(struct ks_import *import, struct ks_import_match *match, enum ks_dim dim,
			    const struct ks_spans *spans, bool negated);

/* Restricts a match by a condition of the text. Returns 0, -ENOMEM or -E2BIG. */
int ks_import_match_condition(struct ks_import *import, struct ks_import_match *match, enum ks_import_word word,
			      const char *text, bool negated);

/* The packets of both. Returns 0 or -ENOMEM. */
int ks_import_match_join(struct ks_import *import, struct ks_import_match *match, const struct ks_import_match *with);

#endif
