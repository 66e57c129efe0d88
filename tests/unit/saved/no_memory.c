/* SPDX-License-Identifier: BSD-2-Clause */
/* Saved states for which memory runs out, at each allocation in turn: all that count are taken back, or none. */
#include "tests/unit/shortage.h"

#include "tests/unit/saved/support.h"

static const char policy_text[] = "zone lan { eth1, address 10.0.0.1, network 10.0.0.0/8 }\n"
				  "zone wan { eth0, address 203.0.113.1, network 0.0.0.0/0 }\n"
				  "allow from lan to wan\n"
				  "allow from lan to wan\n"
				  "helper ftp from lan to wan tcp port 21\n"
				  "nat from lan to wan masquerade endpoint-independent\n";

static struct box box; /* where states are taken back to */
static struct bytes bytes;

static void empty_table(void)
{
	memory_pause(true);
	ks_engine_destroy(box.engine);
	assert_int_equal(ks_engine_create(&box.tables, &box.engine), 0);
	ks_engine_set_time(box.engine, BOX_START);
	memory_pause(false);
}

static int take_back(char **print)
{
	char error[KS_SAVED_ERROR] = "";
	ks_auto_saved struct ks_saved *saved = NULL;
	struct ks_saved_outcome outcome = { 0 };
	int err;

	empty_table();
	err = ks_saved_open(bytes.at, bytes.size, &saved, error);
	if (!err)
		err = ks_saved_restore(saved, &saved_moment, box.engine, box.policy, &outcome);
	if (err)
		assert_int_equal(ks_engine_counts(box.engine)->flows, 0);
	memory_pause(true);
	if (!err && asprintf(print, "%llu flows, %llu records", outcome.flows[KS_SAVED_TAKEN],
			     outcome.records[KS_SAVED_TAKEN]) < 0)
		*print = NULL;
	memory_pause(false);
	return err;
}

static void test_take_back(void **state)
{
	static const char *const packets[] = { "lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp syn",
					       "lan 10.0.0.5:5000 > wan 192.0.2.1:53000 udp len 10",
					       "wan 192.0.2.9:9 > self 203.0.113.1:5000 udp len 10" };
	char *whole = NULL;
	struct box old;

	box_open(&old, policy_text, NULL);
	for (size_t i = 0; i < KS_ARRAY_SIZE(packets); i++)
		assert_true(box_passes(&old, packets[i]));
	bytes = box_save(&old, true);
	box_close(&old);
	box_open(&box, policy_text, NULL);
	assert_int_equal(take_back(&whole), 0);
	assert_string_equal(whole, "3 flows, 4 records");
	free(whole);
	check_deed(take_back, 0);
	box_close(&box);
	free(bytes.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_take_back) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
