/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signature test: every scenario of tests/cases runs natively, through
 * the tc program, through the XDP program, and through the front with tc behind
 * it; each step must come to the same action, reason, class, state, numbers and
 * flow, each test to the same state table, and of flows the same must be told. With the front packets and rules
 * must also be counted as without it. Usage: cases_agree DIRECTORY|FILE.ks...  Speaks TAP.
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proof/assertion.h"
#include "tests/bpf/compare.h"
#include "text/names.h"
#include "tests/bpf/kernel_home.h"

enum { NATIVE, TC, XDP, FRONT, HOMES };

#define RULES 32 /* ids whose counts are compared */

struct counts {
	struct ks_count reasons[KS_REASON_MAX];
	struct ks_rule_count rules[RULES];
	struct ks_zone_count
		from[KS_ZONE_MAX]; /* by the zone that they come from: the front does not know where they go to */
};

/* The results of one home for each step of a test. */
struct record {
	struct seen_step {
		enum ks_outcome outcome;
		bool has_passage;
		struct ks_passage passage;
	} *steps;
	size_t count, room;
	bool no_memory;
	struct ks_test_result result;
	struct flow_list flows;
	struct event_list events;
	struct counts counts; /* by this test */
};

struct bench {
	struct ks_policy *policy;
	struct ks_home homes[HOMES];
	struct record records[HOMES];
	unsigned number, failed, cut_short;
};

static void record_step(const struct ks_step_result *result, void *arg)
{
	struct record *record = arg;
	struct seen_step *step;

	if (record->count == record->room) {
		size_t room = record->room ? 2 * record->room : 64;
		void *grown = realloc(record->steps, room * sizeof(*record->steps));

		if (!grown) {
			record->no_memory = true;
			return;
		}
		record->steps = grown;
		record->room = room;
	}
	step = &record->steps[record->count++];
	step->outcome = result->outcome;
	step->has_passage = result->has_passage;
	if (result->has_passage)
		step->passage = result->passage;
}

static int zones_read(const struct ks_kernel *kernel, struct ks_zone_count from[KS_ZONE_MAX])
{
	ks_auto_free struct ks_zone_count *zones = calloc(KS_ZONE_PAIRS, sizeof(*zones));
	int err = zones ? ks_kernel_zones(kernel, zones) : -ENOMEM;

	memset(from, 0, KS_ZONE_MAX * sizeof(*from));
	for (__u32 pair = 0; !err && pair < KS_ZONE_PAIRS; pair++) {
		for (unsigned fate = 0; fate < KS_FATES; fate++) {
			from[pair / KS_ZONE_TARGETS].by[fate].packets += zones[pair].by[fate].packets;
			from[pair / KS_ZONE_TARGETS].by[fate].bytes += zones[pair].by[fate].bytes;
		}
	}
	return err;
}

/* The programs count on from the beginning. */
static int counts_read(const struct bench *bench, struct counts *counts)
{
	const struct ks_kernel *kernel = kernel_home_kernel(&bench->homes[TC]);
	int err = ks_kernel_reasons(kernel, counts->reasons);

	for (__u32 rule = 0; !err && rule < RULES; rule++)
		err = ks_kernel_rule_count(kernel, rule, &counts->rules[rule]);
	return err ?: zones_read(kernel, counts->from);
}

/* Leaves what came after `before`. */
static void counts_since(const struct counts *before, struct counts *counts)
{
	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		counts->reasons[i].packets -= before->reasons[i].packets;
		counts->reasons[i].bytes -= before->reasons[i].bytes;
	}
	for (unsigned i = 0; i < RULES; i++) {
		counts->rules[i].matches -= before->rules[i].matches;
		counts->rules[i].packets -= before->rules[i].packets;
		counts->rules[i].bytes -= before->rules[i].bytes;
	}
	for (unsigned i = 0; i < KS_ZONE_MAX * KS_FATES; i++) {
		struct ks_count *now = &counts->from[i / KS_FATES].by[i % KS_FATES];
		const struct ks_count *then = &before->from[i / KS_FATES].by[i % KS_FATES];

		now->packets -= then->packets;
		now->bytes -= then->bytes;
	}
}

static int record_make(struct bench *bench, int which, const struct ks_test *test)
{
	struct record *record = &bench->records[which];
	struct ks_home *home = &bench->homes[which];
	struct counts before;
	int err = counts_read(bench, &before);

	record->count = 0;
	if (!err)
		err = home->ops->tell_flows(home->self, event_list_add, &record->events);
	record->events.count = 0;
	if (!err)
		err = ks_scenario_run(bench->policy, test, home, record_step, record, &record->result)
			      ?: counts_read(bench, &record->counts);
	if (err)
		return err;
	counts_since(&before, &record->counts);
	event_list_complete(&record->events, home);
	return record->no_memory || record->events.no_memory ? -ENOMEM : flow_list_take(&record->flows, home);
}

/* Prints the first difference from the native home. Returns true if there is one. */
static bool steps_differ(const struct bench *bench, int which, const struct ks_test *test)
{
	const struct record *native = &bench->records[NATIVE], *other = &bench->records[which];
	char text[DIFFERENCE_TEXT], got[2][KS_SCENARIO_TEXT];

	for (size_t i = 0; i < native->count && i < other->count; i++) {
		const struct seen_step *a = &native->steps[i], *b = &other->steps[i];
		const struct ks_step *step = &test->steps[i];

		if (!a->has_passage || !b->has_passage || !passages_differ(&a->passage, &b->passage, text))
			continue;
		printf("# %s:%u: %s\n# native and %s differ in %s\n#   native %s\n#   %s %s\n", step->place.file,
		       step->place.line, step->text, bench->homes[which].ops->name, text,
		       ks_passage_text(bench->policy, &a->passage, got[0]), bench->homes[which].ops->name,
		       ks_passage_text(bench->policy, &b->passage, got[1]));
		return true;
	}
	return false;
}

/* A home that skipped a packet may well have other flows. */
static bool tables_differ(const struct bench *bench, int which)
{
	char text[DIFFERENCE_TEXT];

	if (bench->records[which].result.outcome == KS_OUTCOME_SKIPPED ||
	    !flow_lists_differ(&bench->records[NATIVE].flows, &bench->records[which].flows, text))
		return false;
	printf("# at the end, the tables of native and %s differ: %s\n", bench->homes[which].ops->name, text);
	return true;
}

/* The same with what was told of flows. */
static bool events_differ(const struct bench *bench, int which)
{
	char text[DIFFERENCE_TEXT];

	if (bench->records[which].result.outcome == KS_OUTCOME_SKIPPED ||
	    !event_lists_differ(&bench->records[NATIVE].events, &bench->records[which].events, text))
		return false;
	printf("# native and %s tell of flows otherwise: %s\n", bench->homes[which].ops->name, text);
	return true;
}

/* Returns true, with a note, if the front and tc have not counted the same; a test that was cut short counts nothing. */
static bool counts_differ(const struct bench *bench)
{
	const struct counts *tc = &bench->records[TC].counts, *front = &bench->records[FRONT].counts;

	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		if (!memcmp(&tc->reasons[i], &front->reasons[i], sizeof(tc->reasons[i])))
			continue;
		printf("# %s: tc has counted %llu packets, with the front %llu\n", ks_reason_name(i),
		       tc->reasons[i].packets, front->reasons[i].packets);
		return true;
	}
	for (unsigned i = 0; i < RULES; i++) {
		if (tc->rules[i].matches == front->rules[i].matches)
			continue;
		printf("# rule %u: tc has counted %llu packets, with the front %llu\n", i, tc->rules[i].matches,
		       front->rules[i].matches);
		return true;
	}
	return false;
}

static struct ks_count fate_sum(const struct counts *counts, enum ks_fate fate)
{
	struct ks_count sum = { 0 };

	for (unsigned zone = 0; zone < KS_ZONE_MAX; zone++) {
		sum.packets += counts->from[zone].by[fate].packets;
		sum.bytes += counts->from[zone].by[fate].bytes;
	}
	return sum;
}

/* The packets of a fate, by their reasons: but those of flows, those that are counted again where they leave, and that the program refuses itself. */
static struct ks_count reason_sum(const struct counts *counts, enum ks_fate fate)
{
	struct ks_count sum = { 0 };

	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		enum ks_fate is = !ks_reason_is_pass(i)	  ? KS_FATE_DROPPED
				  : i == KS_REASON_OK_NEW ? KS_FATE_NEW
							  : KS_FATE_PASSED;

		if (is != fate || i == KS_REASON_OK_ESTABLISHED || i == KS_REASON_OK_UNDECIDED ||
		    i == KS_REASON_OK_HELD || i == KS_REASON_INTERNAL)
			continue;
		sum.packets += counts->reasons[i].packets;
		sum.bytes += counts->reasons[i].bytes;
	}
	return sum;
}

/* Returns true, with a note, if the counts by zones are not those by reasons, or the front's others than those of tc. */
static bool zones_differ(const struct bench *bench, int which)
{
	const struct counts *counts = &bench->records[which].counts, *tc = &bench->records[TC].counts;

	for (unsigned fate = 0; fate < KS_FATES; fate++) {
		struct ks_count zones = fate_sum(counts, fate), reasons = reason_sum(counts, fate);

		if (!memcmp(&zones, &reasons, sizeof(zones)))
			continue;
		printf("# fate %u: %llu packets by zones, %llu by reasons\n", fate, zones.packets, reasons.packets);
		return true;
	}
	for (unsigned zone = 0; which == FRONT && zone < KS_ZONE_MAX; zone++) {
		if (!memcmp(&tc->from[zone], &counts->from[zone], sizeof(tc->from[zone])))
			continue;
		printf("# packets from zone %u are not counted with the front as by tc\n", zone);
		return true;
	}
	return false;
}

static bool home_judge(struct bench *bench, int which, const struct ks_test *test)
{
	const struct ks_test_result *result = &bench->records[which].result;

	if (result->outcome == KS_OUTCOME_FAILED) {
		printf("# %s:\n", bench->homes[which].ops->name);
		ks_step_result_print(&result->step, "# ", stdout);
		return false;
	}
	bench->cut_short += result->outcome == KS_OUTCOME_SKIPPED;
	return !which || (!steps_differ(bench, which, test) && !tables_differ(bench, which) &&
			  !events_differ(bench, which) && (which != FRONT || !counts_differ(bench)));
}

static void test_agree(struct bench *bench, const struct ks_test *test)
{
	const char *slash = strrchr(test->place.file, '/');
	bool good = true;

	for (int i = 0; i < HOMES; i++) {
		int err = record_make(bench, i, test);

		if (err)
			printf("# %s: %s\n", bench->homes[i].ops->name, strerror(-err));
		good = !err && home_judge(bench, i, test) && good;
		good = good && (i == XDP || !zones_differ(bench, i));
	}
	bench->failed += !good;
	printf("%sok %u - %s: %s\n", good ? "" : "not ", ++bench->number, slash ? slash + 1 : test->place.file,
	       test->name);
}

static void records_fini(struct bench *bench)
{
	for (int i = 0; i < HOMES; i++) {
		flow_list_fini(&bench->records[i].flows);
		event_list_fini(&bench->records[i].events);
		free(bench->records[i].steps);
		bench->records[i] = (struct record){ 0 };
	}
}

static void file_agree(struct bench *bench, const char *path)
{
	struct ks_diags diags;
	int err = ks_policy_load(path, &bench->policy, &diags);

	ks_diags_print(&diags, stdout, false);
	ks_diags_fini(&diags);
	if (!err)
		err = ks_native_home_create(bench->policy, &bench->homes[NATIVE]);
	if (err) {
		bench->failed++;
		printf("not ok %u - %s loads\n", ++bench->number, path);
		return;
	}
	for (int i = 0; i < HOMES; i++)
		bench->homes[i].prove = ks_assertion_prove;
	for (size_t i = 0; i < bench->policy->test_count; i++)
		test_agree(bench, &bench->policy->tests[i]);
	ks_native_home_destroy(&bench->homes[NATIVE]);
	kernel_home_forget_policy(&bench->homes[TC]);
	ks_policy_destroy(bench->policy);
}

/* A directory stands for its *.ks. */
static int arguments_expand(int argc, char **argv, glob_t *found)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		char pattern[4096];
		bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

		snprintf(pattern, sizeof(pattern), folder ? "%s/*.ks" : "%s", argv[i]);
		if (glob(pattern, i > 1 ? GLOB_APPEND : 0, NULL, found)) {
			fprintf(stderr, "cases_agree: no scenarios in %s\n", argv[i]);
			return -ENOENT;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct bench bench = { 0 };
	glob_t found;
	int code;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		fprintf(stderr, "usage: cases_agree DIRECTORY|FILE.ks...\n");
		return 2;
	}
	if (arguments_expand(argc, argv, &found))
		return 2;
	code = kernel_home_open(HOOK_TC, &bench.homes[TC]);
	if (code)
		return code;
	if (kernel_home_share(&bench.homes[TC], HOOK_XDP, &bench.homes[XDP]) ||
	    kernel_home_share(&bench.homes[TC], HOOK_FRONT, &bench.homes[FRONT])) {
		printf("Bail out! the XDP programs cannot be held\n");
		return 1;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		file_agree(&bench, found.gl_pathv[i]);
	globfree(&found);
	records_fini(&bench);
	printf("# the front has dropped %u packets, express has sent on %u\n",
	       kernel_home_front(&bench.homes[FRONT])->refused, kernel_home_front(&bench.homes[FRONT])->sent);
	kernel_home_close(&bench.homes[FRONT]);
	kernel_home_close(&bench.homes[XDP]);
	kernel_home_close(&bench.homes[TC]);
	printf("1..%u\n# %u times a test ended sooner in the kernel, whose test runs take whole Ethernet frames of a "
	       "fair length\n",
	       bench.number, bench.cut_short);
	return bench.failed ? 1 : 0;
}
