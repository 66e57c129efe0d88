/* SPDX-License-Identifier: BSD-2-Clause */
/* Explanations of limits: how far they are used, and if there is room for a further count. */
#include "tests/unit/explain/fixture.h"

static int setup_limits(void **state)
{
	return setup_policy(state, "zone lan { eth1 }\nzone wan { eth0 }\n"
				   "allow from lan to wan udp port 53 limit 6/minute burst 2 per source\n"
				   "allow from lan to wan udp port 5000 limit 1 packets/second burst 2 per source\n"
				   "allow from lan to wan udp port 5001 limit 1 packets/second burst 2 per flow\n");
}

/* An explanation must give this reason, and its step about limits this result. */
static void limit_is(struct fixture *f, const char *words, const char *reason, const char *step)
{
	json_t *explanation = explain(f, words);

	assert_string_equal(text_of(explanation, "reason"), reason);
	assert_string_equal(text_of(step_of(explanation, "limit"), "outcome"), step);
	json_decref(explanation);
}

/* Packets that limits of packets refuse, of a flow that is there and of one that would begin. */
static void test_paced(void **state)
{
	static const char source[] = "lan 10.0.0.5:40000 > wan 192.0.2.1:5000 udp",
			  same[] = "lan 10.0.0.5:40001 > wan 192.0.2.1:5000 udp",
			  flow[] = "lan 10.0.0.5:40000 > wan 192.0.2.1:5001 udp",
			  other[] = "lan 10.0.0.5:40001 > wan 192.0.2.1:5001 udp";
	struct fixture *f = *state;

	limit_is(f, source, "new", "note");
	pass(f, source);
	limit_is(f, source, "new", "note");
	limit_is(f, same, "new", "note");
	pass(f, source);
	limit_is(f, source, "over limit of packets", "drop");
	limit_is(f, same, "over limit of packets", "drop");
	pass(f, flow);
	pass(f, flow);
	limit_is(f, flow, "over limit of packets", "drop");
	limit_is(f, other, "new", "note");
	ks_engine_set_time(f->engine, 102 * KS_NSEC_PER_SEC);
	limit_is(f, source, "new", "note");
	limit_is(f, flow, "new", "note");
}

/* Where no further tally may be made, who has none is refused, and who has one is not. */
static void test_tallies_full(void **state)
{
	struct fixture *f = *state;

	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp");
	f->policy->config.limit_kind[KS_KIND_TALLY] = 0;
	limit_is(f, "lan 10.0.0.6:40000 > wan 192.0.2.1:53 udp", "tallies full", "drop");
	limit_is(f, "lan 10.0.0.6:40000 > wan 192.0.2.1:5000 udp", "tallies full", "drop");
	limit_is(f, "lan 10.0.0.5:40001 > wan 192.0.2.1:53 udp", "new", "ok");
	f->policy->config.limit_kind[KS_KIND_PACE] = 0;
	limit_is(f, "lan 10.0.0.6:40000 > wan 192.0.2.1:5001 udp", "tallies full", "drop");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paced, setup_limits, teardown),
		cmocka_unit_test_setup_teardown(test_tallies_full, setup_limits, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
