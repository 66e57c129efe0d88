/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions in the words of rules; see clauses.c. */
#ifndef KS_IMPORT_CLAUSES_H
#define KS_IMPORT_CLAUSES_H

#include "import/plan.h"

/* A list that is too long for a rule has a name, and stands above all rules. */
struct ks_clause_set {
	struct ks_clause_set *next;
	const char *name;
	struct ks_spans spans[2]; /* of IPv4, or ports; of IPv6 */
	bool ports;
};

struct ks_clause_protos {
	struct ks_clause_protos *next;
	char name[24]; /* of a variable */
	__u64 protos[KS_PROTO_WORDS];
};

struct ks_clauses {
	struct ks_import *import;
	FILE *out;
	struct ks_clause_set *sets, **last_set;
	unsigned set_count;
	struct ks_clause_protos *protos;
	bool failed; /* for want of memory */
};

/* The rule that is written: regions of one family, or of both if they are the same but for it. */
struct ks_clause_rule {
	const struct ks_region *of[2]; /* NULL: not of this family */
	enum ks_verdict_kind verdict;
	unsigned line; /* that it comes from */
	bool translates; /* in the list of new sources */
};

/* Why a rule of ours cannot have exactly these packets; NULL if it can. */
const char *ks_clauses_trouble(struct ks_clauses *clauses, const struct ks_clause_rule *rule);

/* Writes the clauses, with a blank before each. Conditions that cannot be said are left out. */
void ks_clauses_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule);

/* Writes a list of addresses of both families, or of ports. */
void ks_spans_write(FILE *out, const struct ks_spans spans[2], bool ports);

/* The same of addresses as prefixes alone, as run-time sets have them. */
void ks_prefixes_write(FILE *out, const struct ks_spans spans[2]);

void ks_protos_write(FILE *out, const __u64 protos[KS_PROTO_WORDS]);

/* The zone of a bit. */
const char *ks_clauses_zone(const struct ks_import *import, unsigned zone);

#endif
