/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of `nft list ruleset`, as the JSON that `nft -j` would print of it; see nft_list.c. */
#ifndef KS_IMPORT_NFT_LIST_H
#define KS_IMPORT_NFT_LIST_H

#include <jansson.h>

#include "import/ruleset.h"

/* A word, a text in quotes, or one of the marks that stand alone: { } ( ) , ; and the end of a line. No text: the end. */
struct ks_nft_token {
	const char *text;
	size_t length;
	bool quoted;
};

/* A place in the text. */
struct ks_nft_scan {
	const char *at, *end;
	unsigned line;
	bool lines; /* the ends of lines are marks, too */
	bool behind; /* something stands before it in its line, so that '#' is no comment */
};

struct ks_nft_token ks_nft_token_next(struct ks_nft_scan *scan);
struct ks_nft_token ks_nft_token_peek(const struct ks_nft_scan *scan);
bool ks_nft_token_is(struct ks_nft_token token, const char *word);

/* Goes past a word, if it comes. */
bool ks_nft_token_comes(struct ks_nft_scan *scan, const char *word);

/* A token as JSON: a number, a range of numbers, or a text. NULL without memory. */
json_t *ks_nft_list_value(struct ks_nft_token token);

/*
 * A key such as `ip saddr . tcp dport`, a right side such as `{ 22, 80-90 }`, a verdict such as `jump web`, entries up to the brace
 * that closes them. NULL: it is none that is known here, or there is no memory.
 */
json_t *ks_nft_list_key(struct ks_nft_scan *scan);
json_t *ks_nft_list_right(struct ks_nft_scan *scan, bool *many);
json_t *ks_nft_list_verdict(struct ks_nft_scan *scan);
json_t *ks_nft_list_entries(struct ks_nft_scan *scan);

/* The match of a key that was read, from its operator on; or from the mask on, behind '&'. NULL: as above. */
json_t *ks_nft_list_match(struct ks_nft_scan *scan, const json_t *key);
json_t *ks_nft_list_masked(struct ks_nft_scan *scan, const json_t *key);

/* The statements of a rule. NULL without memory. */
json_t *ks_nft_list_rule(struct ks_nft_scan scan);

/* The whole text. Returns 0, -ENOMEM, or -EINVAL with import->error. */
int ks_nft_list(struct ks_import *import, const char *text, size_t length, json_t **root);

#endif
