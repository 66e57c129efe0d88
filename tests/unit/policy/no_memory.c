/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory runs out at every allocation of loading, testing and reloading a policy, once: what comes is an error or the
 * whole result, never a crash, a part of the result, or a leak.
 */
#include "tests/unit/policy/support.h"

#include <unistd.h>

#include "policy/adopt.h"
#include "policy/arena.h"
#include "policy/index.h"
#include "policy/scenario/scenario.h"
#include "scenario/scenario.h"
#include "tests/unit/shortage.h"

static int load(const char *path, struct ks_policy **policy)
{
	ks_auto_diags struct ks_diags diags = { 0 };

	return ks_policy_load(path, policy, &diags);
}

/* --- load --- */

static void print_table(const void *table, size_t size, FILE *out)
{
	fprintf(out, "%016llx\n", ks_hash_bytes(0, table, size));
}

/* Compares what the normal form does not show: ids, and the tables. */
static void print_tables(const struct ks_policy *policy, FILE *out)
{
	const struct ks_config *config = &policy->config;

	for (size_t i = 0; i < policy->info_count; i++)
		fprintf(out, "%u ", policy->infos[i].id);
	for (size_t i = 0; i < policy->zone_count; i++)
		fprintf(out, "%u ", policy->zones[i].id);
	print_table(config, sizeof(*config), out);
	print_table(policy->rules, config->entries * sizeof(*policy->rules), out);
	print_table(policy->sets, config->sets * sizeof(*policy->sets), out);
	print_table(policy->ranges, config->ranges * sizeof(*policy->ranges), out);
	print_table(policy->targets, config->targets * sizeof(*policy->targets), out);
}

/* Printing is the test's own work, and has memory. */
static char *print_loaded(const struct ks_policy *policy)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	memory_pause(true);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	ks_policy_print(policy, out);
	print_tables(policy, out);
	fclose(out);
	memory_pause(false);
	return text;
}

static int load_policy(char **print)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	int err = load("policy.conf", &policy);

	if (!err)
		*print = print_loaded(policy);
	return err;
}

static void test_load(void **state)
{
	check_deed(load_policy, 0);
}

/* Every complaint is there, though the lines that they are about may be missing. */
static int load_wrong(char **print)
{
	ks_auto_diags struct ks_diags diags = { 0 };
	struct ks_policy *policy = NULL;
	int err = ks_policy_load("wrong.conf", &policy, &diags);
	size_t size;
	FILE *out;

	if (err != -EINVAL)
		return err;
	memory_pause(true);
	out = open_memstream(print, &size);
	assert_non_null(out);
	for (size_t i = 0; i < diags.count; i++)
		fprintf(out, "%u: %s\n", diags.list[i].place.line, diags.list[i].message);
	fclose(out);
	memory_pause(false);
	return err;
}

static void test_load_wrong(void **state)
{
	check_deed(load_wrong, -EINVAL);
}

/* --- check --- */

static int check(char **print)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	int err = ks_policy_load("after.conf", &policy, &diags);

	if (!err)
		err = ks_policy_advise(policy, &diags);
	if (err)
		return err;
	memory_pause(true);
	assert_true(asprintf(print, "%zu warnings", diags.count) > 0);
	memory_pause(false);
	return 0;
}

static void test_check(void **state)
{
	check_deed(check, 0);
}

/* --- test --- */

static struct ks_policy *loaded; /* the policy under test, and the one to reload from */

static int run_the_tests(char **print)
{
	struct ks_tests_summary summary;
	int err = ks_policy_tests_run(loaded, NULL, NULL, &summary);

	/* A packet that could not be copied or held was dropped for it: the test that wanted it let through fails. */
	return err == -EBADMSG ? -ENOMEM : err;
}

static void test_tests(void **state)
{
	assert_int_equal(load("policy.conf", &loaded), 0);
	check_deed(run_the_tests, 0);
	ks_policy_destroy(loaded);
}

static int read_packet(char **print)
{
	static const char words[] =
		"lan 10.0.0.5:1 > wan 192.0.2.1:2 tcp syn data \"abc\" ip-option record-route mss 1460";
	struct ks_arena *arena = ks_arena_create();
	ks_auto_diags struct ks_diags diags = { 0 };
	struct ks_step step;
	int err = arena ? ks_step_parse_text(loaded, words, arena, &step, &diags) : -ENOMEM;

	if (!err)
		assert_int_equal(step.packet.mod_count, 3);
	ks_arena_destroy(arena);
	return err;
}

static void test_packet_in_words(void **state)
{
	assert_int_equal(load("policy.conf", &loaded), 0);
	check_deed(read_packet, 0);
	ks_policy_destroy(loaded);
}

/* --- reload --- */

/* As the daemon: load, test, adopt, switch; what fails leaves the policy before it, its ids and its engine as they were. */
static int reload(char **print)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_ids struct ks_ids before = { 0 }, after = { 0 };
	char *was;
	int err = ks_ids_of(loaded, &before);

	if (err)
		return err;
	was = print_loaded(loaded);
	err = load("after.conf", &policy);
	if (!err)
		err = ks_ids_adopt(&before, policy, &after);
	if (!err)
		*print = print_loaded(policy);
	if (!err) {
		assert_string_equal(after.zones[ks_policy_zone_id(loaded, "dmz")], "dmz");
		assert_string_equal(after.zones[ks_policy_zone_id(policy, "new")], "new");
	}
	memory_pause(true);
	{
		char *is = print_loaded(loaded);

		assert_string_equal(is, was);
		free(is);
	}
	memory_pause(false);
	free(was);
	return err;
}

static void test_reload(void **state)
{
	assert_int_equal(load("policy.conf", &loaded), 0);
	check_deed(reload, 0);
	ks_policy_destroy(loaded);
}

/* A policy whose adoption failed has the ids that it was loaded with. */
static int adopt(char **print)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_ids struct ks_ids before = { 0 }, after = { 0 };
	int err;

	memory_pause(true);
	assert_int_equal(ks_ids_of(loaded, &before), 0);
	assert_int_equal(load("after.conf", &policy), 0);
	memory_pause(false);
	err = ks_ids_adopt(&before, policy, &after);
	memory_pause(true);
	if (!err) {
		*print = print_loaded(policy);
	} else {
		ks_auto_policy struct ks_policy *fresh = NULL;

		assert_int_equal(load("after.conf", &fresh), 0);
		assert_same_tables(policy, fresh);
	}
	memory_pause(false);
	return err;
}

static void test_adopt(void **state)
{
	assert_int_equal(load("policy.conf", &loaded), 0);
	check_deed(adopt, 0);
	ks_policy_destroy(loaded);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_wrong),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_tests),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_packet_in_words),
	};

	if (argc != 2 || chdir(argv[1])) {
		fputs("usage: no_memory DIRECTORY-OF-POLICIES\n", stderr);
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
