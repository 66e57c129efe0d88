/* SPDX-License-Identifier: BSD-2-Clause */
/* Explanations for which memory runs out, at each of their allocations in turn: they are whole, or none. */
#include "explain/explain.h"
#include "policy/arena.h"
#include "scenario/craft.h"
#include "tests/unit/shortage.h"

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/8 }\n"
				  "zone wan { eth0, address 203.0.113.1 }\n"
				  "allow from lan to wan\n"
				  "reject from wan to lan tcp port 113\n"
				  "nat from lan to wan masquerade\n";

static struct ks_policy *policy;
static struct ks_tables tables;
static struct ks_frame frame;

static int explain_frame(char **print)
{
	ks_auto_engine struct ks_engine *engine = NULL;
	ks_auto_json json_t *explanation = NULL;

	memory_pause(true);
	assert_int_equal(ks_engine_create(&tables, &engine), 0);
	memory_pause(false);
	explanation = ks_explain_json(policy, engine, &frame, false);
	memory_pause(true);
	if (explanation)
		*print = json_dumps(explanation, JSON_COMPACT | JSON_SORT_KEYS);
	memory_pause(false);
	return explanation ? ks_engine_error(engine) : -ENOMEM;
}

/* A packet that opens a translated flow, and one that is rejected. */
static void test_explain(void **state)
{
	static const char *const packets[] = { "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn",
					       "wan 192.0.2.1:40000 > lan 10.0.0.5:113 tcp syn" };
	ks_auto_arena struct ks_arena *arena = ks_arena_create();
	ks_auto_crafter struct ks_crafter *crafter = NULL;

	assert_int_equal(ks_crafter_create(&crafter), 0);
	for (size_t i = 0; i < KS_ARRAY_SIZE(packets); i++) {
		ks_auto_diags struct ks_diags diags = { 0 };
		struct ks_step step;

		assert_int_equal(ks_step_parse_text(policy, packets[i], arena, &step, &diags), 0);
		assert_int_equal(ks_crafter_craft(crafter, &step.packet, &frame), 0);
		check_deed(explain_frame, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_explain) };
	ks_auto_diags struct ks_diags diags = { 0 };

	if (ks_policy_load_text(policy_text, strlen(policy_text), "test", NULL, &policy, &diags))
		return 1;
	tables = ks_policy_tables(policy);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
