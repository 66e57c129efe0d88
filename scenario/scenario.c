/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs tests against a home, step by step; see scenario.h. The words about a step are made in report.c. */
#include "policy/calendar.h"
#include "scenario/scenario.h"
#include "scenario/set_step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/flow_keys.h"
#include "scenario/craft.h"
#include "scenario/runner.h"
#include "text/names.h"

static void runner_fini(struct ks_runner *runner)
{
	ks_ids_fini(&runner->ids);
	ks_crafter_destroy(runner->crafter);
	if (runner->reloaded) {
		/* The home uses this policy: it gets back the first one, which outlives us, before this is freed. */
		runner->home->ops->set_policy(runner->home->self, runner->first);
		ks_policy_destroy(runner->reloaded);
	}
}

KS_SCOPED_STRUCT(ks_auto_runner, struct ks_runner, runner_fini)
#define ks_auto_runner ks_scoped(ks_auto_runner)

/* The id of a zone in the policy in force. After a reload it may be another one than in the test, which means the name. */
static __u8 zone_now(const struct ks_runner *runner, __u8 zone)
{
	int now;

	if (runner->policy == runner->first || zone < KS_ZONE_FIRST || zone == KS_ZONE_UNKNOWN)
		return zone;
	now = ks_policy_zone_id(runner->policy, ks_policy_zone_name(runner->first, zone));
	return now < 0 ? KS_ZONE_NONE : (__u8)now;
}

/* Returns why this home cannot take the step, NULL if it can. */
static const char *home_refuses(const struct ks_runner *runner, const struct ks_step *step,
				const struct ks_packet_spec *spec, const struct ks_frame *frame)
{
	const struct ks_home_ops *ops = runner->home->ops;

	if (ops->no_hold && step->expect.action == KS_HOLD)
		return "what this home does with fragments that it holds cannot be seen";
	return ops->refuses ? ops->refuses(runner->home->self, frame) : NULL;
}

static bool rule_fits(const struct ks_runner *runner, const struct ks_passage *passage, const struct ks_expect *expect)
{
	const struct ks_rule_info *info = ks_policy_rule(runner->policy, passage->insp.verdict.rule);

	if (expect->rule_label)
		return info && info->label && strcmp(info->label, expect->rule_label) == 0;
	if (expect->rule_line < 0)
		return true;
	return expect->rule_line == 0 ? !info : info && (int)info->place.line == expect->rule_line;
}

static bool staged_fits(const struct ks_runner *runner, const struct ks_passage *passage,
			const struct ks_expect *expect)
{
	const struct ks_rule_info *info = ks_policy_rule(runner->policy, passage->insp.verdict.staged);

	return expect->staged < 0 || expect->staged == (info ? info->action : KS_STAGED_NONE);
}

/* Tests that are older than "no rule" say "no state" for both. */
static bool reason_fits(int expected, unsigned reason)
{
	return expected < 0 || expected == (int)reason ||
	       (expected == KS_REASON_NO_STATE && reason == KS_REASON_NO_RULE);
}

static bool passage_fits(const struct ks_runner *runner, const struct ks_passage *passage,
			 const struct ks_expect *expect)
{
	const struct ks_inspection *insp = &passage->insp;

	return (int)insp->verdict.action == expect->action &&
	       (expect->class < 0 || insp->verdict.class == expect->class) &&
	       (expect->state < 0 || insp->verdict.state == expect->state) &&
	       reason_fits(expect->reason, insp->verdict.reason) && (expect->dir < 0 || insp->dir == expect->dir) &&
	       (expect->answer < 0 || expect->answer == (int)ks_answer_kind(passage)) &&
	       (expect->resumes < 0 || expect->resumes == (int)passage->resumed) &&
	       rule_fits(runner, passage, expect) && staged_fits(runner, passage, expect) &&
	       (expect->logs < 0 || expect->logs == ks_logs_of(passage));
}

/* Checks a packet that was let through as it leaves, and hands it to its receiver. */
static void packet_leaves(struct ks_runner *runner, const struct ks_step *step, const struct ks_frame *frame,
			  struct ks_step_result *result)
{
	const struct ks_passage *passage = &result->passage;
	bool kept = passage->output_len <= sizeof(passage->output);
	const __u8 *data = kept ? passage->output : frame->data;
	__u32 length = kept ? passage->output_len : frame->captured;
	const char *fault = ks_leaving_fault(runner, frame, step, passage);

	if (!fault && !step->expect.as.given)
		fault = ks_crafter_surprise(runner->crafter, data, length);
	if (fault) {
		result->outcome = KS_OUTCOME_FAILED;
		snprintf(result->why, sizeof(result->why), "%s", fault);
	}
	/* If the box sent it to another zone than the test says, its receiver is there. */
	ks_crafter_delivered(runner->crafter, data, length,
			     passage->insp.to == frame->to ? KS_ZONE_UNKNOWN : passage->insp.to);
}

static int packet_one(struct ks_runner *runner, const struct ks_step *step, const struct ks_packet_spec *spec,
		      struct ks_step_result *result)
{
	const char *refusal;
	struct ks_frame frame;
	int err = ks_crafter_craft(runner->crafter, spec, &frame);

	if (err) {
		snprintf(result->got, sizeof(result->got), "%s",
			 err == -EINVAL	    ? "there is no packet to quote"
			 : err == -EMSGSIZE ? "the packet does not fit a datagram, or its headers do not fit theirs"
					    : strerror(-err));
		return err == -ENOMEM ? err : -EINVAL;
	}
	ks_frame_find_cgroup(runner->policy, spec, &frame);
	refusal = home_refuses(runner, step, spec, &frame);
	if (refusal) {
		snprintf(result->got, sizeof(result->got), "%s", refusal);
		result->outcome = KS_OUTCOME_SKIPPED;
		return 0;
	}
	frame.from = zone_now(runner, frame.from);
	frame.to = zone_now(runner, frame.to);
	err = runner->home->ops->inspect(runner->home->self, &frame, &result->passage);
	if (err)
		return err;
	result->has_passage = true;
	result->outcome = passage_fits(runner, &result->passage, &step->expect) ? KS_OUTCOME_OK : KS_OUTCOME_FAILED;
	ks_passage_describe(runner, step, &frame, result);
	if (result->passage.insp.verdict.action == KS_ALLOW || result->passage.insp.verdict.action == KS_BYPASS)
		packet_leaves(runner, step, &frame, result);
	if (ks_answer_kind(&result->passage) == KS_ANSWER_CHALLENGE)
		ks_crafter_challenged(runner->crafter, result->passage.insp.challenge.ack);
	return 0;
}

static int packet_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	struct ks_packet_spec varied;
	int err = packet_one(runner, step, &step->packet, result);

	for (__u64 n = 1; !err && n < step->number && result->outcome == KS_OUTCOME_OK; n++) {
		ks_craft_vary(&step->packet, n, &varied);
		result->repeat = n;
		err = packet_one(runner, step, &varied, result);
		if (varied.proto == KS_PROTO_TCP)
			ks_crafter_forget(runner->crafter);
	}
	return err;
}

/* Looks for one flow. */
struct flow_search_ctx {
	struct ks_flow_key key;
	bool found;
	struct ks_flow flow;
};

static int flow_search(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct flow_search_ctx *search = arg;

	if (memcmp(key, &search->key, sizeof(*key)) != 0)
		return 0;
	search->found = true;
	search->flow = *flow;
	return 1;
}

/* The key of the flow that a packet like this belongs to (core/track/icmp_error.h for queries). */
static void flow_key_of(const struct ks_packet_spec *spec, struct ks_flow_key *key)
{
	struct ks_tuple tuple = { .src = spec->src, .dst = spec->dst, .proto = spec->proto, .family = spec->family };

	if (ks_proto_is_icmp(spec->proto)) {
		__s64 echo = spec->proto == KS_PROTO_ICMP ? 8 : 128;

		tuple.sport = ks_be16(ks_spec_number(spec, KS_MOD_ID, 0));
		tuple.dport = ks_be16(ks_spec_number(spec, KS_MOD_TYPE, echo) << 8);
	} else if (spec->has_ports) {
		tuple.sport = ks_be16(spec->sport);
		tuple.dport = ks_be16(spec->dport);
	}
	ks_flow_key_make(&tuple, key);
}

static int home_flow_find(struct ks_runner *runner, const struct ks_step *step, struct flow_search_ctx *search)
{
	struct ks_packet_spec ends;
	int ret;

	memset(search, 0, sizeof(*search));
	ks_crafter_ends(runner->crafter, &step->packet, &ends);
	flow_key_of(&ends, &search->key);
	ret = runner->home->ops->each_flow(runner->home->self, flow_search, search);
	return ret < 0 ? ret : 0;
}

static int expect_flow_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	struct flow_search_ctx search;
	int err = home_flow_find(runner, step, &search);
	bool ok;

	if (err)
		return err;
	if (step->kind == KS_STEP_EXPECT_STATE) {
		int state = search.found ? search.flow.state : KS_STATE_NONE;

		ok = state == step->expect.state;
		snprintf(result->expected, sizeof(result->expected), "%s",
			 step->expect.state ? ks_state_name((unsigned)step->expect.state) : "no state");
		snprintf(result->got, sizeof(result->got), "%s",
			 search.found ? ks_state_name((unsigned)state) : "no state");
	} else {
		ok = search.found && ks_flow_packets(&search.flow, 0) == step->number &&
		     ks_flow_packets(&search.flow, 1) == step->number2;
		snprintf(result->expected, sizeof(result->expected), "packets %llu %llu", step->number, step->number2);
		if (search.found)
			snprintf(result->got, sizeof(result->got), "packets %llu %llu",
				 ks_flow_packets(&search.flow, 0), ks_flow_packets(&search.flow, 1));
		else
			snprintf(result->got, sizeof(result->got), "no state");
	}
	result->outcome = ok ? KS_OUTCOME_OK : KS_OUTCOME_FAILED;
	return 0;
}

static int kill_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	struct flow_search_ctx search;
	int err = home_flow_find(runner, step, &search);

	if (err)
		return err;
	if (search.found)
		return runner->home->ops->kill(runner->home->self, &search.key, 1);
	snprintf(result->expected, sizeof(result->expected), "a state to be killed");
	snprintf(result->got, sizeof(result->got), "no state");
	result->outcome = KS_OUTCOME_FAILED;
	return 0;
}

struct flows_tally_ctx {
	__u64 flows, half_open;
};

static int flows_tally(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct flows_tally_ctx *tally = arg;

	tally->flows++;
	tally->half_open += ks_state_is_half_open(flow->state);
	return 0;
}

struct entries_tally_ctx {
	__u16 kind;
	__u64 count;
};

/* Counts the entries of a kind that are no flows; with the kind of flows these are the aliases. */
static int entries_tally(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct entries_tally_ctx *tally = arg;

	tally->count += key->kind == tally->kind && !ks_flow_is_shown(key, flow);
	return 0;
}

static int expect_number_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	bool half_open = step->kind == KS_STEP_EXPECT_HALF_OPEN;
	const char *what = half_open ? "half-open" : "states";
	struct flows_tally_ctx tally = { 0 };
	int err = runner->home->ops->each_flow(runner->home->self, flows_tally, &tally);
	__u64 have = half_open ? tally.half_open : tally.flows;

	if (err)
		return err;
	snprintf(result->expected, sizeof(result->expected), "%s %llu", what, step->number);
	snprintf(result->got, sizeof(result->got), "%s %llu", what, have);
	result->outcome = have == step->number ? KS_OUTCOME_OK : KS_OUTCOME_FAILED;
	return 0;
}

static int expect_records_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	struct entries_tally_ctx tally = { .kind = (__u16)step->number2 };
	int err = runner->home->ops->each_entry(runner->home->self, entries_tally, &tally);

	if (err)
		return err;
	snprintf(result->expected, sizeof(result->expected), "%llu", step->number);
	snprintf(result->got, sizeof(result->got), "%llu", tally.count);
	result->outcome = tally.count == step->number ? KS_OUTCOME_OK : KS_OUTCOME_FAILED;
	return 0;
}

/* The path of a reload, beside the file that names it. The caller frees it. */
static char *reload_path(const struct ks_step *step)
{
	const char *file = step->place.file ? step->place.file : "";
	const char *slash = strrchr(file, '/');
	char *path;

	if (step->path[0] == '/' || !slash)
		return strdup(step->path);
	return asprintf(&path, "%.*s/%s", (int)(slash - file), file, step->path) < 0 ? NULL : path;
}

/* Gives a policy the ids of those before it and puts it in force. */
static int policy_switch(struct ks_runner *runner, struct ks_policy *policy)
{
	ks_auto_ids struct ks_ids ids = { 0 };
	int err = ks_ids_adopt(&runner->ids, policy, &ids);

	if (!err)
		err = runner->home->ops->set_policy(runner->home->self, policy);
	if (err)
		return err;
	ks_ids_fini(&runner->ids);
	runner->ids = TAKE_STRUCT(ids);
	return 0;
}

/* Flows that the policy does not allow any more, or of these only the ones that it forwards elsewhere. */
struct denied_ctx {
	struct ks_flow_keys keys;
	bool all;
};

static int denied_collect(const struct ks_reviewed *reviewed, void *arg)
{
	struct denied_ctx *ctx = arg;

	if (reviewed->review != KS_REVIEW_RETARGETED && (!ctx->all || reviewed->review == KS_REVIEW_ALLOWED))
		return 0;
	return ks_flow_keys_add(&ctx->keys, reviewed->key);
}

static int denied_end(struct ks_runner *runner, bool all)
{
	const struct ks_policy *policy = runner->policy;
	const struct ks_tables tables = ks_policy_tables(policy);
	const struct ks_home *home = runner->home;
	ks_auto_asked struct ks_asked asked = { 0 };
	struct denied_ctx ctx = { .all = all };
	struct ks_set_store *sets;
	struct ks_review_table table;
	__u64 now;
	int err = ks_asked_init(&asked, &tables, NULL);

	if (err)
		return err;
	sets = home->ops->sets(home->self, &now);
	ks_engine_set_time(asked.engine, now);
	ks_engine_set_wall(asked.engine, runner->wall - (__s64)now);
	ks_engine_use_sets(asked.engine, sets, policy);
	home->ops->table(home->self, &table);
	err = ks_review_flows(&table, &asked, NULL, denied_collect, &ctx);
	if (!err && ctx.keys.count)
		err = home->ops->kill(home->self, ctx.keys.list, ctx.keys.count);
	ks_flow_keys_fini(&ctx.keys);
	return err;
}

static int reload_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	ks_auto_diags struct ks_diags diags = { 0 };
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_free char *path = reload_path(step);
	int err = path ? ks_policy_load(path, &policy, &diags) : -ENOMEM;

	if (err && diags.count)
		snprintf(result->got, sizeof(result->got), "%s:%u: %s", diags.list[0].place.file,
			 diags.list[0].place.line, diags.list[0].message);
	else if (err)
		snprintf(result->got, sizeof(result->got), "\"%s\": %s", step->path, strerror(-err));
	if (err)
		return err == -ENOMEM ? err : -EINVAL;
	err = policy_switch(runner, policy);
	if (err)
		return err;
	ks_policy_destroy(runner->reloaded);
	runner->policy = runner->reloaded = TAKE(policy);
	/* As the daemon does: what is forwarded to another destination now does not stay with the old one. */
	return denied_end(runner, false);
}

static __u64 schedules_open(const struct ks_runner *runner)
{
	struct ks_schedule list[KS_SCHEDULES_MAX];
	const __u32 count = runner->policy->config.schedules;

	ks_calendars_tell(runner->policy->calendars, count, (__u64)runner->wall, 0, list);
	return ks_schedules_open(list, count, (__u64)runner->wall);
}

static bool ends_by_schedule(const struct ks_runner *runner)
{
	const struct ks_config *config = &runner->policy->config;

	return config->schedules && config->schedule_end != KS_SCHEDULE_END_KEEP;
}

/* As the daemon does: if the policy says so, a schedule that begins or ends takes flows with it. */
static int time_pass(struct ks_runner *runner, __u64 ns)
{
	const struct ks_policy *policy = runner->policy;
	int err = 0;

	while (!err && ns) {
		__u64 next = ~0ULL, step;

		if (ends_by_schedule(runner))
			next = ks_calendars_next(policy->calendars, policy->config.schedules, (__u64)runner->wall, 0);
		step = KS_MIN(ns, next - (__u64)runner->wall);
		runner->wall += (__s64)step;
		ns -= step;
		err = runner->home->ops->advance(runner->home->self, step);
		if (!err && (__u64)runner->wall == next)
			err = denied_end(runner, true);
	}
	return err;
}

static int clock_set(struct ks_runner *runner, const struct ks_step *step)
{
	__u64 before = schedules_open(runner);
	int err = runner->home->ops->set_wall(runner->home->self, (__s64)step->number);

	runner->wall = (__s64)(step->number * KS_NSEC_PER_SEC);
	if (err || !ends_by_schedule(runner) || schedules_open(runner) == before)
		return err;
	return denied_end(runner, true);
}

/* Proves what no packet can show. */
static int proof_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	if (runner->home->prove)
		return runner->home->prove(runner->policy, step, result);
	snprintf(result->got, sizeof(result->got), "nothing is proved here");
	result->outcome = KS_OUTCOME_SKIPPED;
	return 0;
}

static int step_run(struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result)
{
	switch (step->kind) {
	case KS_STEP_PACKET:
		return packet_run(runner, step, result);
	case KS_STEP_AFTER:
		return time_pass(runner, step->number * KS_NSEC_PER_MSEC);
	case KS_STEP_CLOCK:
		return clock_set(runner, step);
	case KS_STEP_RELOAD:
		return reload_run(runner, step, result);
	case KS_STEP_LISTEN:
		return runner->home->ops->listen(runner->home->self, step->packet.proto, (__u16)step->number);
	case KS_STEP_SETTLE:
		return runner->home->ops->settle(runner->home->self);
	case KS_STEP_KILL:
		return kill_run(runner, step, result);
	case KS_STEP_SET:
		return ks_set_step_run(runner->home, runner->policy, step, result);
	case KS_STEP_EXPECT_SET:
		return ks_set_expect_run(runner->home, step, result);
	case KS_STEP_EXPECT_RECORDS:
		return expect_records_run(runner, step, result);
	case KS_STEP_EXPECT_STATE:
	case KS_STEP_EXPECT_PACKETS:
		return expect_flow_run(runner, step, result);
	case KS_STEP_NEVER:
	case KS_STEP_ALWAYS:
		return proof_run(runner, step, result);
	default:
		return expect_number_run(runner, step, result);
	}
}

__s64 ks_home_wall(void)
{
	struct tm noon = { .tm_year = KS_CLOCK_YEAR, .tm_mday = 1, .tm_hour = 12, .tm_isdst = -1 };

	return mktime(&noon);
}

static int steps_run(struct ks_runner *runner, const struct ks_test *test, ks_step_fn *fn, void *arg,
		     struct ks_test_result *result)
{
	for (size_t i = 0; i < test->step_count; i++) {
		struct ks_step_result now = { .test = test, .step = &test->steps[i] };
		int err = step_run(runner, now.step, &now);

		result->steps++;
		if (err || now.outcome != KS_OUTCOME_OK) {
			result->outcome = err ? KS_OUTCOME_FAILED : now.outcome;
			result->step = now;
		}
		if (err)
			return err;
		if (fn)
			fn(&now, arg);
		if (now.outcome != KS_OUTCOME_OK)
			return 0;
	}
	return 0;
}

int ks_scenario_run(const struct ks_policy *policy, const struct ks_test *test, const struct ks_home *home,
		    ks_step_fn *fn, void *arg, struct ks_test_result *result)
{
	ks_auto_runner struct ks_runner runner = { .first = policy, .policy = policy, .home = home };
	int err = ks_ids_of(policy, &runner.ids);

	memset(result, 0, sizeof(*result));
	runner.wall = ks_home_wall() * (__s64)KS_NSEC_PER_SEC;
	if (!err)
		err = ks_crafter_create(&runner.crafter);
	if (!err)
		err = home->ops->set_policy(home->self, policy);
	if (!err)
		err = home->ops->reset(home->self);
	return err ? err : steps_run(&runner, test, fn, arg, result);
}

int ks_policy_tests_run(const struct ks_policy *policy, ks_prove_fn *prove, FILE *out, struct ks_tests_summary *summary)
{
	ks_auto_free struct ks_test_result *result = malloc(sizeof(*result));
	ks_auto_native_home struct ks_home home = { 0 };
	struct ks_tests_summary sum = { 0 };
	int err = result ? ks_native_home_create(policy, &home) : -ENOMEM;

	home.prove = prove;
	for (size_t i = 0; !err && i < policy->test_count; i++) {
		if (!ks_test_can_fail(&policy->tests[i]))
			continue;
		err = ks_scenario_run(policy, &policy->tests[i], &home, NULL, NULL, result);
		if (err == -EINVAL)
			err = 0; /* said in the result */
		if (err || result->outcome != KS_OUTCOME_FAILED) {
			sum.passed += !err;
			continue;
		}
		sum.failed++;
		if (!sum.first_failed)
			sum.first_failed = &policy->tests[i];
		if (out)
			ks_step_result_print(&result->step, "", out);
	}
	if (err)
		return err;
	*summary = sum;
	return sum.failed ? -EBADMSG : 0;
}
