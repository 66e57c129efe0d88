/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of explain share: the explanation being written. */
#ifndef KS_HOST_EXPLAIN_INTERNAL_H
#define KS_HOST_EXPLAIN_INTERNAL_H

#include "host/explain.h"

struct ks_explain {
	const struct ks_policy *policy;
	struct ks_engine *engine;
	const struct ks_frame *frame;
	const struct ks_inspection *in;
	json_t *steps;
};

/* Adds a step with a sentence; returns it (borrowed) for details, NULL without memory. */
json_t *ks_explain_step(struct ks_explain *explain, const char *step, const char *outcome, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The numbers that the protocol compared, spelled out by reason; "ok" or "drop" by whether it passed. */
void ks_explain_protocol(struct ks_explain *explain);

/* The rules that were asked, and why each does not match. */
void ks_explain_rules(struct ks_explain *explain);

#endif
