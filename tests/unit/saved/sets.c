// SPDX-License-Identifier: BSD-2-Clause
/* Run-time sets over reloads, and in a file: what stays, what goes, and that a damaged file counts for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "policy/value.h"
#include "saved/sets.h"
#include "text/memory_file.h"

#define SECOND KS_NSEC_PER_SEC
#define HEAD "zone lan { eth0 }\nallow from lan to self source { @kept, @other }\n"
#define POLICY HEAD "set kept { 192.0.2.9 } dynamic, limit 20, keep\nset other { } dynamic\n"

static __u64 now;

static struct ks_policy *load(const char *text)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "policy", NULL, &policy, &diags), 0);
	ks_diags_fini(&diags);
	return policy;
}

/* A set of the store, to be changed as an inspection would, and the entry of a prefix. */
static struct ks_engine *set_open(struct ks_set_store *store, const char *set, const char *prefix,
				  struct ks_member_entry *entry)
{
	struct ks_engine *engine;
	struct ks_prefix parsed;

	assert_int_equal(ks_value_prefix(prefix, &parsed), 0);
	assert_int_equal(ks_members_open(&ks_set_store_find(store, set)->memory, now, NULL, &engine), 0);
	ks_member_entry_make(&parsed, entry);
	return engine;
}

static void add(struct ks_set_store *store, const char *set, const char *prefix, __u64 seconds)
{
	struct ks_member_entry entry;
	struct ks_engine *engine = set_open(store, set, prefix, &entry);

	entry.limit = 20;
	entry.expires = seconds ? now + seconds * SECOND : 0;
	assert_int_equal(ks_member_add(ks_engine_env(engine), &entry), KS_MEMBER_ADDED);
	ks_engine_destroy(engine);
}

static void remove_entry(struct ks_set_store *store, const char *set, const char *prefix)
{
	struct ks_member_entry entry;
	struct ks_engine *engine = set_open(store, set, prefix, &entry);

	assert_true(ks_member_remove(ks_engine_env(engine), &entry));
	ks_engine_destroy(engine);
}

static const struct ks_member *get(struct ks_set_store *store, const char *set, const char *prefix)
{
	struct ks_stored_set *stored = ks_set_store_find(store, set);
	struct ks_prefix parsed;

	assert_int_equal(ks_value_prefix(prefix, &parsed), 0);
	return stored ? ks_members_get(&stored->memory, &parsed) : NULL;
}

static void store_make(struct ks_set_store *store, const struct ks_policy *policy)
{
	ks_set_store_init(store, &ks_set_memory_native);
	assert_int_equal(ks_set_store_adopt(store, policy, now), 0);
}

/* --- reloads --- */

static void entries_stay_and_those_of_the_text_follow(void **state)
{
	struct ks_policy *first = load(POLICY);
	struct ks_policy *larger = load(HEAD "set other { 10.0.0.0/8 } dynamic\n"
					     "set kept { 192.0.2.8 } dynamic, limit 5000\n");
	struct ks_policy *without =
		load("zone lan { eth0 }\nset kept { } dynamic\nallow from lan to self source @kept\n");
	struct ks_set_store store;

	store_make(&store, first);
	add(&store, "kept", "2001:db8::/32", 60);
	add(&store, "other", "10.0.0.1", 0);
	assert_int_equal(ks_set_store_adopt(&store, larger, now), 0);
	assert_non_null(get(&store, "kept", "2001:db8::/32"));
	assert_non_null(get(&store, "kept", "192.0.2.8"));
	assert_null(get(&store, "kept", "192.0.2.9"));
	assert_non_null(get(&store, "other", "10.0.0.1"));
	assert_non_null(get(&store, "other", "10.0.0.0/8"));
	assert_int_equal(ks_set_store_adopt(&store, without, now), 0);
	assert_null(ks_set_store_find(&store, "other"));
	assert_non_null(get(&store, "kept", "2001:db8::/32"));
	ks_set_store_fini(&store);
	ks_policy_destroy(first);
	ks_policy_destroy(larger);
	ks_policy_destroy(without);
}

/* Nothing has swept them. */
static void only_what_lives_is_counted(void **state)
{
	struct ks_policy *policy = load(HEAD "set kept { } dynamic\nset other { } dynamic\n");
	const struct ks_member_memory *memory;
	struct ks_set_store store;
	struct ks_prefix prefix;

	store_make(&store, policy);
	add(&store, "kept", "10.0.0.1", 60);
	add(&store, "kept", "2001:db8::/32", 61);
	add(&store, "kept", "10.0.0.2", 0);
	memory = &ks_set_store_find(&store, "kept")->memory;
	assert_int_equal(ks_value_prefix("10.0.0.1", &prefix), 0);
	assert_int_equal(ks_members_living(memory, now), 3);
	assert_true(ks_members_have(memory, &prefix, now));
	assert_int_equal(ks_members_living(memory, now + 60 * SECOND), 2);
	assert_false(ks_members_have(memory, &prefix, now + 60 * SECOND));
	assert_int_equal(ks_members_living(memory, now + 61 * SECOND), 1);
	assert_int_equal(memory->page->head.count, 3);
	ks_set_store_fini(&store);
	ks_policy_destroy(policy);
}

/* A larger limit takes other memory. */
static void counters_stay_in_a_set_that_grows(void **state)
{
	struct ks_policy *first = load(POLICY);
	struct ks_policy *larger = load(HEAD "set other { } dynamic\nset kept { 192.0.2.9 } dynamic, limit 5000\n");
	struct ks_set_store store;
	struct ks_member *member;

	store_make(&store, first);
	add(&store, "kept", "10.0.0.1", 60);
	member = (struct ks_member *)(uintptr_t)get(&store, "kept", "10.0.0.1");
	member->packets = 3;
	member->bytes = 180;
	ks_set_store_find(&store, "kept")->memory.page->head.evicted = 7;
	assert_int_equal(ks_set_store_adopt(&store, larger, now), 0);
	assert_true(ks_set_store_find(&store, "kept")->memory.pages > ks_member_pages(1000));
	assert_int_equal(get(&store, "kept", "10.0.0.1")->packets, 3);
	assert_int_equal(get(&store, "kept", "10.0.0.1")->bytes, 180);
	assert_int_equal(get(&store, "kept", "192.0.2.9")->packets, 0);
	assert_int_equal(ks_set_store_find(&store, "kept")->memory.page->head.evicted, 7);
	ks_set_store_fini(&store);
	ks_policy_destroy(first);
	ks_policy_destroy(larger);
}

/* Versions of the two entries of `kept` as a daemon leaves them that is killed while it changes them. */
static void what_a_killed_process_held_is_given_back(void **state)
{
	struct ks_policy *policy = load(POLICY);
	struct ks_set_store store;
	struct ks_member_memory *memory;
	struct ks_member *renewed, *ended;

	store_make(&store, policy);
	memory = &ks_set_store_find(&store, "kept")->memory;
	add(&store, "kept", "10.0.0.1", 60);
	renewed = (struct ks_member *)(uintptr_t)get(&store, "kept", "192.0.2.9");
	ended = (struct ks_member *)(uintptr_t)get(&store, "kept", "10.0.0.1");
	renewed->version |= KS_MEMBER_CLAIMED;
	ended->version |= KS_MEMBER_CLAIMED | 1;
	ks_members_mend(memory);
	assert_int_equal((renewed->version | ended->version) & (KS_MEMBER_CLAIMED | 1), 0);
	assert_non_null(get(&store, "kept", "192.0.2.9"));
	assert_null(get(&store, "kept", "10.0.0.1"));
	add(&store, "kept", "10.0.0.1", 60);
	assert_non_null(get(&store, "kept", "10.0.0.1"));
	ks_set_store_fini(&store);
	ks_policy_destroy(policy);
}

static void what_is_abandoned_changes_nothing(void **state)
{
	struct ks_policy *first = load(POLICY), *larger = load(HEAD "set other { } dynamic\nset kept { } dynamic\n");
	struct ks_set_store store, next;

	store_make(&store, first);
	add(&store, "kept", "10.0.0.1", 60);
	assert_int_equal(ks_set_store_prepare(&store, larger, now, &next), 0);
	ks_set_store_abandon(&next);
	assert_non_null(get(&store, "kept", "10.0.0.1"));
	assert_non_null(get(&store, "kept", "192.0.2.9"));
	ks_set_store_fini(&store);
	ks_policy_destroy(first);
	ks_policy_destroy(larger);
}

/* --- files --- */

static const struct ks_saved_moment then = { .wall = 1000000, .boottime = 5000, .boot = { 1 } };

/* The bytes of a file with two entries, the caller's to free. */
static char *file_make(struct ks_policy *policy, size_t *size)
{
	struct ks_memory_file file;
	struct ks_set_store store;
	__u64 entries;
	char *text;

	now = 1000 * SECOND;
	store_make(&store, policy);
	add(&store, "kept", "10.0.0.0/24", 100);
	add(&store, "kept", "2001:db8::1", 0);
	add(&store, "other", "10.0.0.1", 0);
	((struct ks_member *)(uintptr_t)get(&store, "kept", "2001:db8::1"))->packets = 77;
	assert_int_equal(ks_memory_file_open(&file), 0);
	assert_int_equal(
		ks_saved_sets_write(file.out, &(struct ks_saved_sets){ &store, policy, now, false }, &then, &entries),
		0);
	assert_int_equal(entries, 2);
	text = ks_memory_file_take(&file);
	*size = strlen(text);
	ks_set_store_fini(&store);
	return text;
}

static int restore(struct ks_policy *policy, struct ks_set_store *store, char *bytes, size_t size, __u64 elapsed,
		   struct ks_saved_sets_outcome *outcome)
{
	const struct ks_saved_moment moment = { .wall = then.wall + elapsed, .boottime = 10, .boot = { 2 } };
	char error[KS_SAVED_ERROR] = "";

	now = 5 * SECOND;
	store_make(store, policy);
	return ks_saved_sets_restore(bytes, size, &(struct ks_saved_sets){ store, policy, now, false }, &moment,
				     outcome, error);
}

/* As the daemon does when a policy on trial lacked `other`, and the one before comes back. */
static void sets_that_a_trial_lacked_come_back(void **state)
{
	const struct ks_saved_moment moment = { .wall = then.wall + 3000, .boottime = 8000, .boot = { 1 } };
	struct ks_policy *before = load(POLICY);
	struct ks_policy *trial =
		load("zone lan { eth0 }\nset kept { } dynamic\nallow from lan to self source @kept\n");
	struct ks_saved_sets_outcome outcome;
	char error[KS_SAVED_ERROR] = "";
	struct ks_memory_file file;
	struct ks_set_store store;
	__u64 entries;
	char *text;

	store_make(&store, before);
	add(&store, "other", "10.0.0.1", 60);
	add(&store, "kept", "10.0.0.2", 0);
	assert_int_equal(ks_memory_file_open(&file), 0);
	assert_int_equal(
		ks_saved_sets_write(file.out, &(struct ks_saved_sets){ &store, NULL, now, true }, &then, &entries), 0);
	text = ks_memory_file_take(&file);
	assert_int_equal(entries, 2);
	assert_int_equal(ks_set_store_adopt(&store, trial, now), 0);
	remove_entry(&store, "kept", "10.0.0.2");
	assert_int_equal(ks_set_store_adopt(&store, before, now), 0);
	assert_int_equal(ks_saved_sets_restore(text, strlen(text), &(struct ks_saved_sets){ &store, before, now, true },
					       &moment, &outcome, error),
			 0);
	assert_int_equal(outcome.taken, 1);
	assert_int_equal(get(&store, "other", "10.0.0.1")->expires, now + 57 * SECOND);
	assert_null(get(&store, "kept", "10.0.0.2")); /* the trial had this set, and it was taken out there */
	ks_set_store_fini(&store);
	free(text);
	ks_policy_destroy(before);
	ks_policy_destroy(trial);
}

static void entries_come_back_with_the_time_that_they_have_left(void **state)
{
	struct ks_policy *policy = load(POLICY);
	struct ks_saved_sets_outcome outcome;
	struct ks_set_store store;
	size_t size;
	char *bytes = file_make(policy, &size);

	assert_int_equal(restore(policy, &store, bytes, size, 40000, &outcome), 0);
	assert_int_equal(outcome.taken, 2);
	assert_int_equal(get(&store, "kept", "10.0.0.0/24")->expires, 65 * SECOND);
	assert_int_equal(get(&store, "kept", "2001:db8::1")->expires, 0);
	assert_int_equal(get(&store, "kept", "2001:db8::1")->packets, 77);
	assert_non_null(get(&store, "kept", "192.0.2.9"));
	assert_null(get(&store, "other", "10.0.0.1"));
	ks_set_store_fini(&store);
	free(bytes);
	ks_policy_destroy(policy);
}

static void what_has_expired_and_what_is_kept_no_more_is_left_out(void **state)
{
	struct ks_policy *policy = load(POLICY), *without = load(HEAD "set kept { } dynamic\nset other { } dynamic\n");
	struct ks_saved_sets_outcome outcome;
	struct ks_set_store store;
	size_t size;
	char *bytes = file_make(policy, &size);

	assert_int_equal(restore(policy, &store, bytes, size, 100000, &outcome), 0);
	assert_int_equal(outcome.taken, 1);
	assert_int_equal(outcome.expired, 1);
	ks_set_store_fini(&store);
	free(bytes);
	bytes = file_make(policy, &size);
	assert_int_equal(restore(without, &store, bytes, size, 10, &outcome), 0);
	assert_int_equal(outcome.gone, 2);
	ks_set_store_fini(&store);
	free(bytes);
	ks_policy_destroy(policy);
	ks_policy_destroy(without);
}

static void what_finds_no_room_is_counted_by_set(void **state)
{
	struct ks_policy *policy = load(POLICY);
	struct ks_policy *smaller = load(HEAD "set other { } dynamic\nset kept { 192.0.2.9 } dynamic, limit 2, keep\n");
	struct ks_saved_sets_outcome outcome;
	struct ks_set_store store;
	size_t size;
	char *bytes = file_make(policy, &size);

	assert_int_equal(restore(smaller, &store, bytes, size, 1, &outcome), 0);
	assert_int_equal(outcome.taken, 1);
	assert_true(outcome.no_room > 0);
	assert_int_equal(outcome.no_room_in[0], 0);
	assert_int_equal(outcome.no_room_in[1], outcome.no_room);
	ks_set_store_fini(&store);
	free(bytes);
	ks_policy_destroy(policy);
	ks_policy_destroy(smaller);
}

static void a_damaged_file_counts_for_nothing(void **state)
{
	struct ks_policy *policy = load(POLICY);
	struct ks_saved_sets_outcome outcome;
	struct ks_set_store store;
	size_t size, whole;

	free(file_make(policy, &whole));
	for (size_t at = 0; at < whole; at++) {
		char *bytes = file_make(policy, &size);

		bytes[at] ^= 1; /* every byte, one after the other */
		assert_int_equal(restore(policy, &store, bytes, size, 10, &outcome), -EBADMSG);
		assert_null(get(&store, "kept", "10.0.0.0/24"));
		ks_set_store_fini(&store);
		free(bytes);
		bytes = file_make(policy, &size);
		assert_int_equal(restore(policy, &store, bytes, at, 10, &outcome), -EBADMSG); /* and cut off there */
		ks_set_store_fini(&store);
		free(bytes);
	}
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_stay_and_those_of_the_text_follow),
		cmocka_unit_test(only_what_lives_is_counted),
		cmocka_unit_test(counters_stay_in_a_set_that_grows),
		cmocka_unit_test(what_a_killed_process_held_is_given_back),
		cmocka_unit_test(what_is_abandoned_changes_nothing),
		cmocka_unit_test(sets_that_a_trial_lacked_come_back),
		cmocka_unit_test(entries_come_back_with_the_time_that_they_have_left),
		cmocka_unit_test(what_has_expired_and_what_is_kept_no_more_is_left_out),
		cmocka_unit_test(what_finds_no_room_is_counted_by_set),
		cmocka_unit_test(a_damaged_file_counts_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
