/* SPDX-License-Identifier: BSD-2-Clause */
/* Words that other firewalls have, and what to write instead; see foreign.c. */
#ifndef KS_POLICY_FOREIGN_H
#define KS_POLICY_FOREIGN_H

/* The words that would be right where a statement, or a clause of a rule, begins by this one; NULL if nobody says it. */
const char *ks_foreign_statement(const char *word);
const char *ks_foreign_clause(const char *word);

/* The type of ICMP that is meant by "ping", or the time of a rate that is meant by "min"; NULL if the word is none of those. */
const char *ks_foreign_type(const char *word);
const char *ks_foreign_period(const char *word);

/* The zone that is meant by "all" or "localhost"; NULL if the word is none of those. */
const char *ks_foreign_zone(const char *word);

#endif
