/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions in words, for people. */
#ifndef KS_PROOF_WORDS_H
#define KS_PROOF_WORDS_H

#include <stdio.h>

#include "proof/space.h"

#define KS_REGION_TEXT 480

/*
 * Writes a region in the words of rules, "from wan to lan tcp port 22-23 source 10.0.0.0/8", with its family, unless it is of
 * both; returns buf.
 */
const char *ks_region_text(const struct ks_space *space, const struct ks_region *region, bool both,
			   char buf[KS_REGION_TEXT]);

/* Returns true if a region has all addresses, ports or types there, as far as packets have them. */
bool ks_region_is_whole(const struct ks_region *region, enum ks_dim dim);

/* Returns true if two regions differ in nothing but the family. */
bool ks_regions_are_twins(const struct ks_region *a, const struct ks_region *b);

/* Prints regions with semicolons between them, twins as one. Returns how many it has printed. */
unsigned ks_regions_print(const struct ks_space *space, const struct ks_region *list, unsigned count, FILE *out);

/* The same as a text, which is the caller's to free; NULL without memory. */
char *ks_regions_text(const struct ks_space *space, const struct ks_region *list, unsigned count);

#endif
