/* SPDX-License-Identifier: BSD-2-Clause */
/* Nouns behind numbers. */
#ifndef KS_TEXT_PLURAL_H
#define KS_TEXT_PLURAL_H

/* The ending of a noun behind a number: "1 rule", "2 rules". */
static inline const char *ks_plural(unsigned long long number)
{
	return number == 1 ? "" : "s";
}

/* The verb behind such a noun: "1 test fails", "2 tests fail". */
static inline const char *ks_plural_verb(unsigned long long number)
{
	return number == 1 ? "s" : "";
}

#endif
