/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory runs out at every allocation of what a reload does before the kernel is asked: loading with its tests, the
 * addresses of the interfaces, the adoption, the ledger on disk. Whatever fails, the ledger before it is whole.
 */
#include "tests/unit/shortage.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/daemon.h"

static struct ks_ledger ledger; /* of the policy in force */
static char path[] = "/tmp/keepstate-ledger-XXXXXX";

/* Everything of the ledger as text, for the caller to free. */
static char *print_ledger(const struct ks_ledger *printed)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	memory_pause(true);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	fprintf(out, "since %lld, namespace %llu\n", printed->since, printed->cookie);
	for (size_t i = 0; i < printed->ids.rule_count; i++)
		fprintf(out, "%u %s\n", printed->ids.rules[i].id, printed->ids.rules[i].text);
	for (unsigned i = 0; i < KS_ZONE_MAX; i++)
		fprintf(out, "%s%s", printed->ids.zones[i] ? printed->ids.zones[i] : "",
			i + 1 < KS_ZONE_MAX ? "," : "\n");
	for (unsigned i = 0; i < printed->qdisc_count; i++)
		fprintf(out, "qdisc %u\n", printed->qdiscs[i]);
	fclose(out);
	memory_pause(false);
	return text;
}

static void assert_whole(const struct ks_ledger *is, const char *was)
{
	char *text = print_ledger(is);

	assert_string_equal(text, was);
	memory_pause(true);
	free(text);
	memory_pause(false);
}

static int load(char **print)
{
	struct ks_load_outcome outcome;
	struct ks_policy *policy = NULL;
	int err = ks_daemon_load("policy.conf", &policy, &outcome);

	ks_load_outcome_fini(&outcome);
	ks_policy_destroy(policy);
	/* A packet that could not be copied or held was dropped for it: the test that wanted it let through fails. */
	return err == -EBADMSG ? -ENOMEM : err;
}

static void test_load(void **state)
{
	check_deed(load, 0);
}

static struct ks_policy *load_policy(const char *name)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	memory_pause(true);
	assert_int_equal(ks_policy_load(name, &policy, &diags), 0);
	ks_diags_fini(&diags);
	memory_pause(false);
	return policy;
}

static int adopt(char **print)
{
	ks_auto_policy struct ks_policy *policy = load_policy("after.conf");
	ks_auto_ledger struct ks_ledger new = { 0 };
	char *was = print_ledger(&ledger);
	int err = ks_ledger_adopt(&ledger, policy, &new);

	if (!err)
		*print = print_ledger(&new);
	assert_whole(&ledger, was);
	free(was);
	return err;
}

static void test_adopt(void **state)
{
	check_deed(adopt, 0);
}

/* The old file stays, or the new one is there, but never a part of it. */
static int rewrite(char **print)
{
	char *was = print_ledger(&ledger);
	struct ks_ledger read = { 0 };
	int err = ks_ledger_write(&ledger, path);

	memory_pause(true);
	assert_int_equal(ks_ledger_read(path, &read), 0);
	assert_whole(&read, was);
	ks_ledger_fini(&read);
	free(was);
	memory_pause(false);
	return err == -EIO ? -ENOMEM : err; /* the library does not say why it could not write */
}

static void test_write(void **state)
{
	check_deed(rewrite, 0);
}

static int reread(char **print)
{
	struct ks_ledger read = { 0 };
	int err = ks_ledger_read(path, &read);

	if (!err)
		*print = print_ledger(&read);
	ks_ledger_fini(&read);
	return err;
}

static void test_read(void **state)
{
	check_deed(reread, 0);
}

static int add_qdisc(char **print)
{
	int err = ks_ledger_add_qdisc(&ledger, 12);

	if (!err)
		*print = print_ledger(&ledger);
	ks_ledger_drop_qdisc(&ledger, 12);
	return err;
}

static void test_qdisc(void **state)
{
	check_deed(add_qdisc, 0);
}

static int begin(void **state)
{
	struct ks_policy *policy = load_policy("policy.conf");
	const struct ks_ledger none = { .since = 1234, .cookie = 77 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ks_ledger_adopt(&none, policy, &ledger), 0);
	assert_int_equal(ks_ledger_add_qdisc(&ledger, 7), 0);
	assert_int_equal(ks_ledger_write(&ledger, path), 0);
	ks_policy_destroy(policy);
	return 0;
}

static int end(void **state)
{
	ks_ledger_fini(&ledger);
	return unlink(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load), cmocka_unit_test(test_adopt), cmocka_unit_test(test_write),
		cmocka_unit_test(test_read), cmocka_unit_test(test_qdisc),
	};

	if (argc != 2 || chdir(argv[1])) {
		fputs("usage: no_memory DIRECTORY-OF-POLICIES\n", stderr);
		return 2;
	}
	return cmocka_run_group_tests(tests, begin, end);
}
