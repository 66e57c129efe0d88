/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs the tests of a policy (policy/scenario/scenario.h) against a home of the inspector.
 * The native home is here; tests/bpf/ has the programs in the kernel behind
 * the same interface, so that every scenario can be run through all of them.
 * A runner and its home are used by one thread.
 */
#ifndef KS_SCENARIO_SCENARIO_H
#define KS_SCENARIO_SCENARIO_H

#include <stdio.h>

#include "core/inspect.h"
#include "core/reject.h"
#include "engine/engine.h"
#include "engine/review.h"
#include "engine/set_store.h"
#include "policy/scenario/scenario.h"

#define KS_PASSAGE_OUTPUT_MAX 4096

/* One packet's way through a home, and what came of it. */
struct ks_passage {
	struct ks_inspection insp;
	__u8 answer[KS_REJECT_MAX]; /* the frame that a reject sends back */
	__u32 answer_len; /* 0: nothing */
	bool unreported; /* the log was not told of it; false where the home cannot tell */
	__u32 resumed; /* fragments that were held and went on behind it */
	const char *resumed_fault; /* a fault of one of them as it leaves; NULL without one */
	__u32 output_len; /* the frame as it leaves; 0: it does not */
	__u8 output[KS_PASSAGE_OUTPUT_MAX]; /* its beginning, if it is longer than this */
};

typedef int ks_home_flow_fn(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg);

/* A home; functions return 0 or -errno. `self` is the home's own. */
struct ks_home_ops {
	const char *name; /* "native", "tc", "xdp" */
	bool no_hold; /* nobody can see what becomes of a fragment that it holds */
	/* Returns why it cannot take such a frame, NULL if it can. May be NULL for a home that takes all. */
	const char *(*refuses)(void *self, const struct ks_frame *frame);

	/* Takes up a policy; flows stay. The policy outlives its use. */
	int (*set_policy)(void *self, const struct ks_policy *policy);
	/* Forgets every flow. */
	int (*reset)(void *self);
	/* Turns the clock on. */
	int (*advance)(void *self, __u64 ns);
	int (*inspect)(void *self, const struct ks_frame *frame, struct ks_passage *passage);
	/* Calls fn for every live flow until it returns nonzero; returns that, or 0. */
	int (*each_flow)(void *self, ks_home_flow_fn *fn, void *arg);
	/* The same for every live entry of the table, of whatever kind. */
	int (*each_entry)(void *self, ks_home_flow_fn *fn, void *arg);
	/* Says that a process of the box has a port, until the next reset. -ENOSPC after a few. */
	int (*listen)(void *self, __u8 proto, __u16 port);
	/* Says that it has just started and settles, until the next reset. */
	int (*settle)(void *self);
	/* Says that it is now this moment, seconds since 1970; schedules are asked by it. */
	int (*set_wall)(void *self, __s64 seconds);
	int (*counts)(void *self, struct ks_table_counts *counts);
	/* Gives the run-time sets to look at and to change, and the packet clock. */
	struct ks_set_store *(*sets)(void *self, __u64 *now);
	/* Gives the table to look at, until the next packet, and ends flows of it. */
	void (*table)(void *self, struct ks_review_table *table);
	int (*kill)(void *self, const struct ks_flow_key *keys, size_t count);
	/* Tells `tell` of flows from now on. What has happened so far was told when it is called again. */
	int (*tell_flows)(void *self, ks_engine_tell_fn *tell, void *arg);
};

struct ks_step_result;

/*
 * Proves a step about all packets of a kind (KS_STEP_NEVER, KS_STEP_ALWAYS), by the policy in force: sets the outcome and the
 * words of the result. Returns 0; -EINVAL with a message in result->got if the step makes no sense; or another -errno.
 */
typedef int ks_prove_fn(const struct ks_policy *policy, const struct ks_step *step, struct ks_step_result *result);

struct ks_home {
	const struct ks_home_ops *ops;
	void *self;
	ks_prove_fn *prove; /* proof/assertion.h; NULL: steps that need it are skipped */
};

/* The seed of a home's random numbers for its n-th packet since the reset: the same in all homes, never 0. */
static inline __u64 ks_home_random(__u64 n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ULL; /* 2^64 divided by the golden ratio: far apart for neighbours */
}

/* The time on every home's clock after a reset, so that cookies are the same in all of them: any but 0, which would hide mistakes. */
#define KS_HOME_START (1000 * KS_NSEC_PER_SEC)

/* The moment of every home's wall clock after a reset: Monday 2024-01-01 at noon, local time. */
__s64 ks_home_wall(void);

/* The secret of every home's hash, so that a full table recycles the same flow in all of them. */
#define KS_HOME_KEY { 0x6b65657073746174ULL, 0x652e7363656e6172ULL }

/* The outcome of a step. */
enum ks_outcome {
	KS_OUTCOME_OK,
	KS_OUTCOME_FAILED,
	KS_OUTCOME_SKIPPED, /* this home cannot take it */
};

#define KS_SCENARIO_TEXT 512

struct ks_step_result {
	const struct ks_test *test;
	const struct ks_step *step;
	enum ks_outcome outcome;
	__u64 repeat; /* the number of the packet where the step sends many, from 0 */
	bool has_passage;
	struct ks_passage passage; /* of a packet */
	char expected[KS_SCENARIO_TEXT]; /* in the words of the language */
	char got[KS_SCENARIO_TEXT];
	char why[KS_SCENARIO_TEXT]; /* the reason in a sentence, the numbers compared, the rule */
};

/* Called once for every step. If it sends many packets, the result is that of the last one, or of the one that failed. */
typedef void ks_step_fn(const struct ks_step_result *result, void *arg);

struct ks_test_result {
	enum ks_outcome outcome; /* FAILED or SKIPPED: at `step`, the last one */
	size_t steps; /* that were run */
	struct ks_step_result step;
};

/*
 * Runs one test from an empty table. It ends at the first step that fails or
 * that the home cannot take.
 * Returns 0 with *result, or -errno when the home could not do its part;
 * -EINVAL with a message in result->step.got when a step makes no sense
 * (a reload of a bad policy, a quotation of nothing).
 */
int ks_scenario_run(const struct ks_policy *policy, const struct ks_test *test, const struct ks_home *home,
		    ks_step_fn *fn, void *arg, struct ks_test_result *result);

/* The native home. Returns 0 or -errno. */
int ks_native_home_create(const struct ks_policy *policy, struct ks_home *home);
void ks_native_home_destroy(struct ks_home *home);

KS_SCOPED_STRUCT(ks_auto_native_home, struct ks_home, ks_native_home_destroy)
#define ks_auto_native_home ks_scoped(ks_auto_native_home)

struct ks_tests_summary {
	unsigned passed, failed;
	const struct ks_test *first_failed; /* NULL if none */
};

/*
 * Runs all tests of a policy natively, as `keepstate run` does before it lets
 * a policy near the kernel, and describes those that fail on `out` (NULL for
 * silence). `prove` is as of struct ks_home. Returns 0 if all passed or there are none, -EBADMSG if one failed,
 * or another -errno.
 */
int ks_policy_tests_run(const struct ks_policy *policy, ks_prove_fn *prove, FILE *out,
			struct ks_tests_summary *summary);

/* Describes a failing step in a few lines. `indent` stands before each. */
void ks_step_result_print(const struct ks_step_result *result, const char *indent, FILE *out);

/* The verdict of a passage in the words of the language; returns buf. */
const char *ks_passage_text(const struct ks_policy *policy, const struct ks_passage *passage,
			    char buf[KS_SCENARIO_TEXT]);

#endif
