/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON of `nft -j list ruleset`, libnftables-json(5); see nft.c. */
#ifndef KS_IMPORT_NFT_H
#define KS_IMPORT_NFT_H

#include <jansson.h>

#include "import/draft.h"

#define KS_NFT_STATEMENTS 128U
#define KS_NFT_LOOPS 6U /* sets of pairs and maps in one rule, each of which multiplies it */

/* A rule that is read. */
struct ks_nft {
	struct ks_import *import;
	const json_t *objects;
	const json_t *table; /* whose rule it is: family and name */
	const char *family, *table_name;
	struct ks_import_chain *chain;
	unsigned loops;
	bool is_list; /* the text without -j: rules have the lines that they were */
};

/* The entries of a value: those of a set, or the value itself. NULL: they change while the rules are in force. */
const json_t *ks_nft_entries(const struct ks_nft *nft, const json_t *value, json_t **made);

/* Restricts a draft by the entries of a value, for the key on the left. Returns 0 or -errno. */
int ks_nft_match(struct ks_nft *nft, struct ks_draft *draft, const json_t *left, const char *op, const json_t *right);

/* Applies the statements of a rule from `at` on, and appends what it is to the chain. Returns 0 or -errno. */
int ks_nft_statements(struct ks_nft *nft, struct ks_draft *draft, const json_t *list, size_t at);

/* The value of an element of a set, without that which stands beside it. */
const json_t *ks_nft_element(const json_t *entry);

/*
 * Times of a rule: "08:00"-"18:00", or days of the week. nft prints both as the clock shows them. Returns 0, -ENOMEM, or -EINVAL for
 * those that nothing of ours says.
 */
int ks_nft_times(struct ks_nft *nft, struct ks_draft *draft, const json_t *entries, bool days, bool negated);

/* The code point of a name; -1 for none. */
int ks_nft_dscp(const char *name);

/* A statement that sets a field, and what is changed so far, before a condition or the end of the rule. Return 0 or -errno. */
int ks_nft_mangle(struct ks_nft *nft, struct ks_draft *draft, const json_t *mangle);
int ks_nft_changes_end(struct ks_nft *nft, struct ks_draft *draft);

/* Drops packets of which nobody here knows what becomes. Returns 0 or -errno. */
int ks_nft_refuse(struct ks_nft *nft, struct ks_draft *draft, const char *what);

/* A chain of the table that is read. Returns 0 or -errno. */
int ks_nft_chain(struct ks_nft *nft, const char *name, struct ks_import_chain **chain);

/* A part of the JSON as text, to be shown. NULL without memory. */
const char *ks_nft_text(struct ks_import *import, const json_t *value);
const char *ks_nft_rule_text(struct ks_import *import, const json_t *list);

/*
 * The set of a value such as "@bad", if it changes while the rules are in force and can be a run-time set of ours: addresses,
 * which nobody but programs beside the firewall changes. NULL for all others.
 */
const json_t *ks_nft_dynamic(const struct ks_nft *nft, const json_t *value);

/* Such a set as ours, with its entries at the moment. Returns 0, -EINVAL if one is no address, or -errno. */
int ks_nft_dynamic_make(struct ks_import *import, const json_t *set, struct ks_named_spans **made);

/* Adds the address of an entry. Returns 0, -EINVAL if it is none, or -ENOMEM. */
int ks_nft_address(const json_t *entry, struct ks_ranges *ranges);

int ks_nft_read(struct ks_import *import, const char *text, size_t length);

#endif
