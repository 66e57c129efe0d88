/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the two halves of `protect`: protect.c (the statement) and protect_items.c (each item, and its value). */
#ifndef KS_POLICY_PROTECT_INTERNAL_H
#define KS_POLICY_PROTECT_INTERNAL_H

#include "policy/ast.h"
#include "policy/protect.h"

/* A statement until the zones and sets are known. */
struct ks_ast_protect {
	struct ks_ast_protect *next;
	struct ks_place place; /* of the keyword */
	struct ks_names zones;
	struct ks_protection protection;
	struct ks_name into, except; /* sets of `port scan`; text NULL without */
	size_t items; /* said so far */
	struct ks_place given[KS_PROTECT_MAX]; /* where each item is said; line 0 if not */
	__u32 always; /* a bit for each that holds anyway, and is said */
};

/* An item: how it is read and printed besides on and off, and what it means. */
struct ks_protect_word {
	const char *name;
	__u8 reason;
	const char *means; /* continues "refused is" */
	int (*read)(struct ks_parser *p, struct ks_ast_protect *said); /* NULL: it has no value */
	/* The value, with a blank before it. */
	void (*print)(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out);
};

extern const struct ks_protect_word ks_protect_words[KS_PROTECT_MAX];

/* The protection of a zone that the text says nothing about but `protect`. */
void ks_protect_defaults(struct ks_protection *protection);

/* Takes away what would only do harm in a zone like this. */
void ks_protect_fit(struct ks_protection *protection, const struct ks_zone *zone);

/* Returns true if the value of an item is the same in both. */
bool ks_protect_same_value(const struct ks_protection *a, const struct ks_protection *b, unsigned item);

#endif
