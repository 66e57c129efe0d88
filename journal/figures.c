/* SPDX-License-Identifier: BSD-2-Clause */
/* See figures.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "journal/figures.h"
#include "journal/pairs.h"
#include "text/memory_file.h"

#define SECONDS_KEPT 900
#define SECOND_MS 1000
#define PAUSE_MS 5000 /* between two totals: a point of more would be a peak that was none */

static const struct {
	enum ks_span span, of; /* sums of points of `of` */
	int64_t kept; /* seconds */
} spans[] = {
	{ KS_SPAN_SECOND, KS_SPAN_SECOND, SECONDS_KEPT },
	{ KS_SPAN_MINUTE, KS_SPAN_SECOND, 36 * 3600 },
	{ KS_SPAN_HOUR, KS_SPAN_MINUTE, 8 * 7 * 24 * 3600 },
};

int ks_figures_init(struct ks_figures *figures)
{
	memset(figures, 0, sizeof(*figures));
	pthread_mutex_init(&figures->mutex, NULL);
	figures->seconds = json_array();
	return figures->seconds ? 0 : -ENOMEM;
}

void ks_figures_fini(struct ks_figures *figures)
{
	json_decref(figures->seconds);
	json_decref(figures->totals);
	pthread_mutex_destroy(&figures->mutex);
}

static int64_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

/* --- a point from two totals --- */

static const json_t *reason_before(const json_t *totals, const char *name)
{
	const json_t *reason;
	size_t i;

	json_array_foreach(json_object_get(totals, "reasons"), i, reason)
	{
		const char *other = json_string_value(json_object_get(reason, "reason"));

		if (other && !strcmp(other, name))
			return reason;
	}
	return NULL;
}

struct passing {
	int64_t packets, bytes;
};

/* Adds what a reason counted since. Returns -ERANGE if it counts from anew: another table. */
static int add_reason(const json_t *reason, const json_t *before, json_t *reasons, struct passing sums[2])
{
	const char *name = json_string_value(json_object_get(reason, "reason"));
	const json_t *last = name ? reason_before(before, name) : NULL;
	bool passes = json_is_true(json_object_get(reason, "passes"));
	int64_t packets = number_of(reason, "packets") - number_of(last, "packets");
	int64_t bytes = number_of(reason, "bytes") - number_of(last, "bytes");

	if (!name || packets < 0 || bytes < 0)
		return -ERANGE;
	sums[passes].packets += packets;
	sums[passes].bytes += bytes;
	if (packets && !passes && json_object_set_new_nocheck(reasons, name, json_integer(packets)))
		return -ENOMEM;
	return 0;
}

static int point_make(const json_t *before, const json_t *totals, int64_t time, json_t **point)
{
	const json_t *table = json_object_get(totals, "table"), *reason;
	ks_auto_json json_t *reasons = json_object(), *pairs = NULL;
	int64_t created = number_of(table, "created") - number_of(json_object_get(before, "table"), "created");
	struct passing sums[2] = { 0 };
	int err = ks_pairs_since(before, totals, &pairs);
	json_t *made;
	size_t i;

	json_array_foreach(json_object_get(totals, "reasons"), i, reason) err =
		err ?: add_reason(reason, before, reasons, sums);
	if (err || created < 0)
		return err ?: -ERANGE;
	made = json_pack("{s:I, s:i, s:[I,I], s:[I,I], s:O, s:O, s:I, s:I, s:I, s:I}", "time", (json_int_t)time, "span",
			 KS_SPAN_SECOND, "passed", (json_int_t)sums[1].packets, (json_int_t)sums[1].bytes, "dropped",
			 (json_int_t)sums[0].packets, (json_int_t)sums[0].bytes, "reasons", reasons, "zones", pairs,
			 "created", (json_int_t)created, "flows", (json_int_t)number_of(table, "flows"), "half_open",
			 (json_int_t)number_of(table, "half_open"), "limit", (json_int_t)number_of(table, "limit"));
	if (!made)
		return -ENOMEM;
	*point = made;
	return 0;
}

static int append_second(struct ks_figures *figures, json_t *point)
{
	int err;

	pthread_mutex_lock(&figures->mutex);
	err = json_array_append_new(figures->seconds, point) ? -ENOMEM : 0;
	while (json_array_size(figures->seconds) > SECONDS_KEPT)
		json_array_remove(figures->seconds, 0);
	pthread_mutex_unlock(&figures->mutex);
	return err;
}

int ks_figures_take(struct ks_figures *figures, json_t *totals, int64_t now)
{
	json_t *point = NULL;
	int err = figures->time && now > figures->time && now - figures->time < PAUSE_MS
			  ? point_make(figures->totals, totals, now / SECOND_MS, &point)
			  : -ERANGE;

	json_decref(figures->totals);
	figures->totals = json_incref(totals);
	figures->time = now;
	if (!err)
		err = append_second(figures, point);
	return err == -ERANGE ? 0 : err;
}

void ks_figures_pause(struct ks_figures *figures)
{
	figures->time = 0;
}

/* --- sums --- */

static int add_pair(json_t *sum, const json_t *point, const char *name)
{
	const json_t *a = json_object_get(sum, name), *b = json_object_get(point, name);
	int64_t values[2];

	for (size_t i = 0; i < 2; i++)
		values[i] = json_integer_value(json_array_get(a, i)) + json_integer_value(json_array_get(b, i));
	return json_object_set_new(sum, name, json_pack("[I,I]", (json_int_t)values[0], (json_int_t)values[1]));
}

static int add_reasons(json_t *sum, const json_t *point)
{
	json_t *sums = json_object_get(sum, "reasons"), *packets;
	const char *name;

	if (!sums) {
		if (json_object_set_new(sum, "reasons", json_object()))
			return -ENOMEM;
		sums = json_object_get(sum, "reasons");
	}
	json_object_foreach(json_object_get(point, "reasons"), name, packets)
	{
		if (json_object_set_new_nocheck(sums, name,
						json_integer(number_of(sums, name) + json_integer_value(packets))))
			return -ENOMEM;
	}
	return 0;
}

int ks_figure_add(json_t *sum, const json_t *point)
{
	static const char *const last[] = { "flows", "half_open", "limit" }; /* not sums: how it was at the end */

	if (add_pair(sum, point, "passed") || add_pair(sum, point, "dropped") || add_reasons(sum, point) ||
	    ks_pairs_add(sum, point) ||
	    json_object_set_new(sum, "created", json_integer(number_of(sum, "created") + number_of(point, "created"))))
		return -ENOMEM;
	for (size_t i = 0; i < KS_ARRAY_SIZE(last); i++) {
		if (json_object_set(sum, last[i], json_object_get(point, last[i])))
			return -ENOMEM;
	}
	return 0;
}

/* --- the file --- */

static int write_point(struct ks_store *store, enum ks_span span, int64_t time, const json_t *point)
{
	sqlite3_stmt *stmt = ks_store_use(store, figure_add);
	ks_auto_free char *text = json_dumps(point, JSON_COMPACT | JSON_PRESERVE_ORDER);

	if (!text)
		return -ENOMEM;
	sqlite3_bind_int64(stmt, 1, span);
	sqlite3_bind_int64(stmt, 2, time);
	sqlite3_bind_text(stmt, 3, text, -1, SQLITE_STATIC);
	return ks_store_run(store, stmt);
}

/* Sums the points of a finer span from the file. *sum stays NULL if there are none. */
static int sum_points(struct ks_store *store, enum ks_span of, int64_t from, enum ks_span span, json_t **sum)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	ks_auto_json json_t *made = json_pack("{s:I, s:i}", "time", (json_int_t)from, "span", (int)span);
	int code = sqlite3_prepare_v2(
		store->db, "SELECT json FROM figure WHERE span = ?1 AND time >= ?2 AND time < ?3 ORDER BY time", -1,
		&stmt, NULL);
	bool any = false;

	if (code != SQLITE_OK || !made)
		return made ? ks_store_error(store->db, code) : -ENOMEM;
	sqlite3_bind_int64(stmt, 1, of);
	sqlite3_bind_int64(stmt, 2, from);
	sqlite3_bind_int64(stmt, 3, from + span);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		ks_auto_json json_t *point = json_loads((const char *)sqlite3_column_text(stmt, 0), 0, NULL);

		if (!point || ks_figure_add(made, point))
			return -ENOMEM;
		any = true;
	}
	if (code == SQLITE_DONE && any)
		*sum = TAKE(made);
	return ks_store_error(store->db, code);
}

static int write_sum(struct ks_store *store, size_t at, int64_t from)
{
	ks_auto_json json_t *sum = NULL;
	int err = sum_points(store, spans[at].of, from, spans[at].span, &sum);

	return err || !sum ? err : write_point(store, spans[at].span, from, sum);
}

static int write_seconds(struct ks_figures *figures, struct ks_store *store)
{
	const json_t *point;
	int err = 0;
	size_t i;

	json_array_foreach(figures->seconds, i, point)
	{
		int64_t time = number_of(point, "time");

		if (!err && time >= figures->written)
			err = write_point(store, KS_SPAN_SECOND, time, point);
	}
	return err;
}

static int forget_old(struct ks_store *store, int64_t seconds)
{
	sqlite3_stmt *stmt = ks_store_use(store, figure_drop);
	int err = 0;

	for (size_t i = 0; i < KS_ARRAY_SIZE(spans) && !err; i++) {
		sqlite3_bind_int64(stmt, 1, spans[i].span);
		sqlite3_bind_int64(stmt, 2, seconds - spans[i].kept);
		err = ks_store_run(store, stmt);
	}
	return err;
}

bool ks_figures_are_due(const struct ks_figures *figures, int64_t now)
{
	return json_array_size(figures->seconds) &&
	       now / SECOND_MS / KS_SPAN_MINUTE * KS_SPAN_MINUTE > figures->written;
}

/* Sums are made anew from the points below them, so a restart in the middle of a minute or an hour loses none. */
int ks_figures_write(struct ks_figures *figures, struct ks_store *store, int64_t now)
{
	int64_t seconds = now / SECOND_MS, minute = seconds / KS_SPAN_MINUTE * KS_SPAN_MINUTE;
	int64_t first = KS_MAX(figures->written, minute - SECONDS_KEPT);
	int err = write_seconds(figures, store);

	for (int64_t from = first; !err && from < minute; from += KS_SPAN_MINUTE)
		err = write_sum(store, 1, from / KS_SPAN_MINUTE * KS_SPAN_MINUTE);
	for (int64_t from = first / KS_SPAN_HOUR * KS_SPAN_HOUR; !err && from < minute; from += KS_SPAN_HOUR)
		err = write_sum(store, 2, from);
	err = err ?: forget_old(store, seconds);
	if (!err)
		figures->written = minute;
	return err;
}

void ks_figures_settle(struct ks_figures *figures, bool committed)
{
	if (committed)
		figures->committed = figures->written;
	else
		figures->written = figures->committed;
}

int ks_figures_load(struct ks_figures *figures, struct ks_store *store)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(store->db,
				      "SELECT json, time FROM figure WHERE span = 1 ORDER BY time DESC LIMIT 900", -1,
				      &stmt, NULL);

	pthread_mutex_lock(&figures->mutex);
	json_array_clear(figures->seconds);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		json_t *point = json_loads((const char *)sqlite3_column_text(stmt, 0), 0, NULL);

		if (point)
			json_array_insert_new(figures->seconds, 0, point);
		figures->written = KS_MAX(figures->written, sqlite3_column_int64(stmt, 1) + 1);
		code = SQLITE_OK;
	}
	pthread_mutex_unlock(&figures->mutex);
	ks_figures_settle(figures, true);
	return ks_store_error(store->db, code);
}

char *ks_figures_text(struct ks_figures *figures, int64_t since, int64_t until)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	const json_t *point;
	size_t i;

	if (ks_memory_file_open(&file))
		return NULL;
	pthread_mutex_lock(&figures->mutex);
	json_array_foreach(figures->seconds, i, point)
	{
		int64_t time = number_of(point, "time");

		if (time < since || time >= until)
			continue;
		json_dumpf(point, file.out, JSON_COMPACT | JSON_PRESERVE_ORDER);
		fputc('\n', file.out);
	}
	pthread_mutex_unlock(&figures->mutex);
	return ks_memory_file_take(&file);
}
