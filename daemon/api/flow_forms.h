/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows as the control API lists them: as JSON, as CSV, as lines of conntrack. docs/api.md lists the members and columns. */
#ifndef KS_DAEMON_API_FLOW_FORMS_H
#define KS_DAEMON_API_FLOW_FORMS_H

#include "kernel/kernel.h"
#include "policy/policy.h"
#include "text/line.h"

/* A flow and what belongs to it in a listing. */
struct ks_listed_flow {
	const struct ks_flow_key *key;
	const struct ks_flow *flow;
	const struct ks_translation *translation; /* all absent where nothing is translated */
	bool details; /* the number, the text of the rule, the windows of TCP */
	bool rates; /* rates are wanted ... */
	bool rate_known; /* ... and there has been a moment before this one */
	__u64 rate[2]; /* bytes a second by direction */
};

/* The true ends of a flow, from the originator. */
struct ks_tuple ks_listed_tuple(const struct ks_listed_flow *listed);

/* Milliseconds until a flow dies if nothing comes. `now` is on the clock of the flow. */
__u64 ks_flow_time_left(const struct ks_flow *flow, __u64 now);

/* One line of JSON. */
void ks_flow_print_json(struct ks_line *line, const struct ks_policy *policy, __u64 now,
			const struct ks_listed_flow *listed);

/* "rate":[10,20] or "rate":null, with a comma before. */
void ks_rate_print_json(struct ks_line *line, bool known, const __u64 rate[2]);

/* ,"rule":{...} of an id. */
void ks_rule_print_json(struct ks_line *line, const struct ks_policy *policy, __u32 id);

/* One line as in /proc/net/nf_conntrack: both directions as they are on the wire. */
void ks_flow_print_conntrack(struct ks_line *line, __u64 now, const struct ks_listed_flow *listed);

/* Columns of CSV, in the order in which they are wanted. */
#define KS_CSV_COLUMNS_MAX 64

struct ks_csv {
	size_t count;
	unsigned char column[KS_CSV_COLUMNS_MAX];
};

/* Parses "proto,source,bytes_out"; NULL: all columns. Returns 0, or -EINVAL with `complaint` saying what there is. */
int ks_csv_parse(const char *text, struct ks_csv *csv, char *complaint, size_t size);

void ks_csv_print_titles(struct ks_line *line, const struct ks_csv *csv);
void ks_flow_print_csv(struct ks_line *line, const struct ks_csv *csv, const struct ks_policy *policy, __u64 now,
		       const struct ks_listed_flow *listed);

#endif
