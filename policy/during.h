/* SPDX-License-Identifier: BSD-2-Clause */
/* The condition `during` of rules: times of the week (policy/calendar.h); see during.c. */
#ifndef KS_POLICY_DURING_H
#define KS_POLICY_DURING_H

#include <stdio.h>

#include "policy/calendar.h"
#include "policy/compile.h"
#include "policy/parse.h"

struct ks_ast_conditions;

/* The times as they are written. */
struct ks_ast_during {
	struct ks_calendar_span *spans;
	size_t count;
};

/* Reads what stands behind the word. Returns 0 or -errno. */
int ks_read_during(struct ks_parser *p, struct ks_ast_conditions *conditions);

/* Prints it in one order, each once. */
void ks_during_print(const struct ks_ast_during *during, FILE *out);

/* Finds or makes the schedule: its number. Returns 0, -EINVAL after a complaint, or -ENOMEM. */
int ks_during_compile(struct ks_compiler *c, const struct ks_ast_conditions *conditions, __u32 *number);

#endif
