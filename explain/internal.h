/* SPDX-License-Identifier: BSD-2-Clause */
/* An explanation that is being written, for the files of explain/. */
#ifndef KS_EXPLAIN_INTERNAL_H
#define KS_EXPLAIN_INTERNAL_H

#include "explain/explain.h"
#include "text/names.h"

struct ks_explain {
	const struct ks_policy *policy;
	struct ks_engine *engine;
	const struct ks_frame *frame;
	const struct ks_inspection *insp;
	json_t *steps;
	json_t *closest; /* rules that would let the packet pass (closest.c), or NULL: it does, or rules do not decide */
	bool all; /* every rule that was asked is told */
	bool no_memory; /* a part is missing */
};

/* Adds a step with a sentence; returns it (borrowed) for details, NULL without memory. */
json_t *ks_explain_step(struct ks_explain *explain, const char *step, const char *outcome, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds a member to a step, and takes its reference. */
void ks_explain_detail(struct ks_explain *explain, json_t *step, const char *key, json_t *value);

/* "tcp 10.0.0.5:40000 > 192.0.2.1:80"; "ip ..." if the upper protocol was not read. */
#define KS_EXPLAIN_TUPLE (2 * KS_ENDPOINT_TEXT + KS_KEY_TEXT + 16)
void ks_explain_tuple(const struct ks_tuple *tuple, const char *arrow, char buf[KS_EXPLAIN_TUPLE]);

const char *ks_explain_zone_name(const struct ks_explain *explain, unsigned zone);

/* The zone that the packet went to when the filter was asked: a forward rule may send it elsewhere afterwards. */
__u8 ks_explain_zone_asked(const struct ks_explain *explain);

/* For a packet of no flow: where its source is at home, and which question to a group it may answer (core/group.h). */
void ks_explain_source(struct ks_explain *explain);
void ks_explain_question(struct ks_explain *explain);

/* The numbers that the protocol compared, spelled out by reason; "ok" or "drop" by whether it passed. */
void ks_explain_protocol(struct ks_explain *explain);

/* The rules that were asked, and why each does not match. */
void ks_explain_rules(struct ks_explain *explain);
void ks_explain_staged(struct ks_explain *explain);
void ks_explain_alter(struct ks_explain *explain);

/* Writes the condition that failed, enum ks_miss, in words, with the packet's own value. */
#define KS_MISS_TEXT 128
void ks_explain_miss(const struct ks_explain *explain, unsigned miss, char buf[KS_MISS_TEXT]);

/* The same for one of the further conditions (core/match.h). */
void ks_explain_condition(const struct ks_explain *explain, unsigned condition, char buf[KS_MISS_TEXT]);

/*
 * The rules that come closest to letting the packet pass, the best first: a list, NULL without memory. explain->insp is as
 * it was when the filter was asked; `decided` is the entry of the rule that drops it, KS_DECISION_DEFAULT if none does.
 */
json_t *ks_explain_closest(const struct ks_explain *explain, __u32 decided);

/* The limits of the rule that lets the packet open a flow. */
void ks_explain_limits(struct ks_explain *explain);

/* The item of `protect` by which the packet is refused. Returns true if neither flows nor rules were asked before. */
bool ks_explain_protect(struct ks_explain *explain);

/* The translation of the packet, and the helper that reads its connection. */
void ks_explain_translation(struct ks_explain *explain);

#endif
