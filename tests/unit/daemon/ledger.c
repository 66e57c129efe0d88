/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/ledger.c: the ids of rules and zones, and what must be cleaned up, outlive the daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "daemon/ledger.h"

static struct ks_policy *load(const char *text)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "test", ".", &policy, &diags), 0);
	ks_diags_fini(&diags);
	return policy;
}

/* Adopts into a policy of `text` what `ledger` knows, and replaces the ledger. */
static struct ks_policy *adopt(struct ks_ledger *ledger, const char *text)
{
	struct ks_policy *policy = load(text);
	struct ks_ledger new;

	assert_int_equal(ks_ledger_adopt(ledger, policy, &new), 0);
	ks_ledger_fini(ledger);
	*ledger = new;
	return policy;
}

#define TWO_ZONES "zone lan { eth1 }\nzone wan { eth0 }\n"

static void test_file_round_trip(void **state)
{
	char path[] = "/tmp/keepstate-ledger-XXXXXX";
	struct ks_ledger ledger = { .since = 1234, .cookie = 77 }, read;
	struct ks_policy *policy = adopt(&ledger, TWO_ZONES "allow from lan to wan  log \"a \\\"label\\\"\"\n");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ks_ledger_add_qdisc(&ledger, 7), 0);
	assert_int_equal(ks_ledger_add_qdisc(&ledger, 9), 0);
	assert_true(ledger.changed);
	ledger.changed = false; /* as when it was written */
	assert_int_equal(ks_ledger_add_qdisc(&ledger, 7), 0);
	ks_ledger_drop_qdisc(&ledger, 8);
	assert_false(ledger.changed);
	ks_ledger_drop_qdisc(&ledger, 9);
	assert_true(ledger.changed);
	assert_int_equal(ks_ledger_write(&ledger, path), 0);
	assert_int_equal(ks_ledger_read(path, &read), 0);
	assert_int_equal(read.since, 1234);
	assert_int_equal(read.cookie, 77);
	assert_int_equal(read.ids.rule_count, 1);
	assert_int_equal(read.ids.rules[0].id, policy->infos[0].id);
	assert_string_equal(read.ids.rules[0].text, policy->infos[0].text);
	assert_string_equal(read.ids.zones[ks_policy_zone_id(policy, "wan")], "wan");
	assert_false(read.changed);
	assert_int_equal(read.qdisc_count, 1);
	assert_true(ks_ledger_has_qdisc(&read, 7));
	ks_ledger_fini(&read);
	ks_ledger_fini(&ledger);
	ks_policy_destroy(policy);
	unlink(path);
}

static void test_damaged_files_are_refused(void **state)
{
	static const char *const damaged[] = {
		"",
		"{",
		"{\"rules\": [{\"id\": 0, \"text\": \"x\"}]}",
		"{\"rules\": [{\"id\": 65536, \"text\": \"x\"}]}",
		"{\"rules\": [{\"id\": 1}]}",
		"{\"rules\": [7]}",
		"{\"rules\": [], \"zones\": [{\"id\": 1, \"name\": \"x\"}]}",
		"{\"rules\": [], \"zones\": [{\"id\": 64, \"name\": \"x\"}]}",
		"{\"rules\": [], \"zones\": [{\"id\": 2, \"name\": \"x\"}, {\"id\": 2, \"name\": \"y\"}]}",
	};
	struct ks_ledger ledger;

	assert_int_equal(ks_ledger_read("/nonexistent/record", &ledger), -ENOENT);
	for (size_t i = 0; i < KS_ARRAY_SIZE(damaged); i++) {
		char path[] = "/tmp/keepstate-ledger-XXXXXX";
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, damaged[i], strlen(damaged[i])), (ssize_t)strlen(damaged[i]));
		close(fd);
		if (ks_ledger_read(path, &ledger) != -EINVAL)
			fail_msg("accepted: %s", damaged[i]);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_round_trip),
		cmocka_unit_test(test_damaged_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
