/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A review of living flows: would a policy let each of them open again, and translate it as it is translated?
 *
 * Each flow is asked about with the question by which it would be opened: in the direction of its originator, with its true zones,
 * and, where its destination is translated, with the one that the originator knows. What no rule need allow is asked about
 * otherwise: a connection that a helper heard announced stands and falls with its control connection, one through a mapping with
 * the mapping.
 *
 * The table is read twice, while packets may change it: first for what flows rely on, then for the flows. Nothing in it is
 * changed. The daemon reviews the kernel's table, a policy test that of its home.
 */
#ifndef KS_ENGINE_REVIEW_H
#define KS_ENGINE_REVIEW_H

#include "core/verdict.h"
#include "engine/engine.h"
#include "engine/translation.h"

struct ks_set_store;

enum ks_review {
	KS_REVIEW_ALLOWED,
	KS_REVIEW_DENIED, /* by a rule, or because no rule allows it */
	KS_REVIEW_REDIRECTED, /* its destination would be another one, or translated where it is not, or not where it is */
	KS_REVIEW_RETARGETED, /* it is forwarded, and would be forwarded to another destination */
	KS_REVIEW_RENAMED, /* its source would be another one, or translated where it is not, or not where it is */
	KS_REVIEW_MAX
};

/* A policy that is asked, for as long as this lives. */
struct ks_asked {
	struct ks_config config;
	struct ks_engine *engine; /* without flows */
};

/* Makes it. The tables must outlive it, and so must the world (NULL: the policy's networks stand for routes). */
int ks_asked_init(struct ks_asked *asked, const struct ks_tables *tables, const struct ks_world *world);
void ks_asked_fini(struct ks_asked *asked);

KS_SCOPED_STRUCT(ks_auto_asked, struct ks_asked, ks_asked_fini)
#define ks_auto_asked ks_scoped(ks_auto_asked)

/* A table of states. */
struct ks_review_table {
	const struct ks_bucket *buckets;
	__u32 count;
	__u64 now; /* ns on its clock */
};

/* That of an engine, until its next inspection. */
void ks_review_engine_table(const struct ks_engine *engine, struct ks_review_table *table);

/*
 * Turns the clock of an engine on to a time. If the policy says so (`option schedule-end end`), whenever a schedule begins or ends
 * until then the flows end that it does not allow any more. `sets`: its run-time sets. Returns 0 or -ENOMEM.
 */
int ks_engine_turn(struct ks_engine *engine, struct ks_set_store *sets, const struct ks_policy *policy, __u64 time);

/* The flow that is reviewed, and what came of it. */
struct ks_reviewed {
	const struct ks_flow_key *key;
	const struct ks_flow *flow;
	const struct ks_translation *translation;
	enum ks_review review;
	struct ks_decision decision; /* of the filter; the index is KS_DECISION_DEFAULT where no rule decided */
};

typedef int ks_review_fn(const struct ks_reviewed *reviewed, void *arg);

/*
 * Calls fn with every flow of the table until it returns nonzero; returns that, 0, or -ENOMEM. `before` is the policy under which the
 * flows were opened; without it (NULL) no connection counts as announced.
 */
int ks_review_flows(const struct ks_review_table *table, const struct ks_asked *policy, const struct ks_asked *before,
		    ks_review_fn *fn, void *arg);

#endif
