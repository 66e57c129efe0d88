/* SPDX-License-Identifier: BSD-2-Clause */
/* See policies.h. */
#include <string.h>

#include "core/types.h"
#include "journal/opener.h"
#include "journal/policies.h"
#include "journal/when.h"

#define SECOND_MS 1000

static int64_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static int is_last(struct ks_store *store, const char *text, bool *same)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(
		store->db, "SELECT text FROM policy WHERE until IS NULL ORDER BY time DESC LIMIT 1", -1, &stmt, NULL);
	const char *last = NULL;

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		last = (const char *)sqlite3_column_text(stmt, 0);
	*same = last && !strcmp(last, text);
	return ks_store_error(store->db, code);
}

int ks_policy_end(struct ks_store *store, int64_t time)
{
	sqlite3_stmt *end = ks_store_use(store, policy_end);

	sqlite3_bind_int64(end, 1, time);
	return ks_store_run(store, end);
}

static int policy_add(struct ks_store *store, const json_t *policy, const char *text, int64_t time)
{
	sqlite3_stmt *add = ks_store_use(store, policy_add);
	const char *path = json_string_value(json_object_get(policy, "policy"));
	int err = ks_policy_end(store, time);

	if (err)
		return err;
	sqlite3_bind_int64(add, 1, time);
	sqlite3_bind_text(add, 2, path ? path : "", -1, SQLITE_STATIC);
	sqlite3_bind_int64(add, 3, number_of(policy, "generation"));
	sqlite3_bind_text(add, 4, text, -1, SQLITE_STATIC);
	return ks_store_run(store, add);
}

int ks_policy_note(struct ks_store *store, const json_t *policy, int64_t time)
{
	const char *text = json_string_value(json_object_get(policy, "text"));
	int64_t last = 0;
	bool same = true;
	int err = ks_store_ask(store->db, "SELECT max(max(time) + 1, coalesce(max(until), 0)) FROM policy", &last);

	if (!err && text)
		err = is_last(store, text, &same);
	return err || same ? err : policy_add(store, policy, text, KS_MAX(time, last));
}

/*
 * A daemon that made the firewall anew ends the time of the policy before it: that was in force as long as it was heard of, and no longer
 * than until this daemon began.
 */
static int end_former(struct ks_policies *policies, struct ks_store *store, const json_t *totals, int64_t heard)
{
	int64_t started = number_of(totals, "started"), since = 0;
	int err;

	if (started == policies->started)
		return 0;
	policies->started = started;
	err = ks_store_ask(store->db, "SELECT time FROM policy WHERE until IS NULL", &since);
	if (err || !json_is_true(json_object_get(totals, "fresh")) || !since || since / SECOND_MS >= started)
		return err;
	policies->loaded = policies->generation = 0;
	return ks_store_begin(store) ?: ks_policy_end(store, KS_MAX(since, KS_MIN(heard, started * SECOND_MS)));
}

static bool is_same(const struct ks_policies *policies, const json_t *answer)
{
	return number_of(answer, "loaded") == policies->loaded &&
	       number_of(answer, "generation") == policies->generation;
}

/* Between the two questions another policy may have come into force, so the answer with the text says since when it is. */
int ks_policies_follow(struct ks_policies *policies, struct ks_store *store, const json_t *totals, int64_t heard)
{
	ks_auto_json json_t *policy = NULL;
	int64_t loaded;
	int err = end_former(policies, store, totals, heard);

	if (err || is_same(policies, totals) || ks_answer_json(KS_SOURCE_POLICY, &policy))
		return err; /* if the daemon is away, the next second asks again */
	loaded = number_of(policy, "loaded");
	err = ks_store_begin(store) ?: ks_policy_note(store, policy, loaded > 0 ? loaded * SECOND_MS : ks_when_now());
	if (!err) {
		policies->loaded = loaded;
		policies->generation = number_of(policy, "generation");
	}
	return err;
}
