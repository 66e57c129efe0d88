/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers of the journal's API, see server.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "journal/stream.h"
#include "journal/when.h"
#include "text/memory_file.h"

#define SECOND_MS 1000

static int nothing_more(struct ks_inquiry *inquiry, struct ks_where *where)
{
	return 0;
}

enum MHD_Result ks_answer_history(struct ks_inquiry *inquiry)
{
	return ks_stream_answer(inquiry, false, nothing_more);
}

/* A moment that is said in whole seconds is all of that second. */
static int add_moment(struct ks_inquiry *inquiry, struct ks_where *where)
{
	const char *at = ks_inquiry_wish(inquiry, "at"), *who = ks_inquiry_wish(inquiry, "who");
	int64_t ms;
	int err = who ? ks_where_who(where, who) : 0;

	if (err || !at)
		return err;
	if (ks_when_read(at, &ms)) {
		snprintf(where->complaint, sizeof(where->complaint),
			 "at: '%.60s' is no time such as 2026-11-29T10:00:00Z, or seconds of the epoch", at);
		return -EINVAL;
	}
	return ks_where_number(where, "begun < ?", ms + (ms % SECOND_MS ? 1 : SECOND_MS))
		       ?: ks_where_number(where, "ended IS NULL OR ended >= ?", ms);
}

enum MHD_Result ks_answer_flows(struct ks_inquiry *inquiry)
{
	return ks_stream_answer(inquiry, true, add_moment);
}

/* Reads a time in seconds of the epoch. Returns false after answering that it is none. */
static bool read_seconds(struct ks_inquiry *inquiry, const char *name, int64_t *seconds, enum MHD_Result *result)
{
	const char *text = ks_inquiry_wish(inquiry, name);
	int64_t ms;

	if (!text)
		return true;
	if (ks_when_read(text, &ms)) {
		*result = ks_inquiry_refuse(
			inquiry, MHD_HTTP_BAD_REQUEST,
			"%s: '%.60s' is no time such as 2026-11-29T10:00:00Z, or seconds of the epoch", name, text);
		return false;
	}
	*seconds = ms / SECOND_MS;
	return true;
}

static char *figures_print(sqlite3 *db, int span, int64_t since, int64_t until)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_stmt sqlite3_stmt *stmt = NULL;

	if (ks_memory_file_open(&file) ||
	    sqlite3_prepare_v2(db, "SELECT json FROM figure WHERE span = ?1 AND time >= ?2 AND time < ?3 ORDER BY time",
			       -1, &stmt, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_int(stmt, 1, span);
	sqlite3_bind_int64(stmt, 2, since);
	sqlite3_bind_int64(stmt, 3, until);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		fprintf(file.out, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
	return ks_memory_file_take(&file);
}

enum MHD_Result ks_answer_figures(struct ks_inquiry *inquiry)
{
	const char *span = ks_inquiry_wish(inquiry, "span");
	int64_t since = 0, until = INT64_MAX;
	ks_auto_db sqlite3 *db = NULL;
	enum MHD_Result result;

	if (!read_seconds(inquiry, "since", &since, &result) || !read_seconds(inquiry, "until", &until, &result))
		return result;
	if (!span || !strcmp(span, "1"))
		return ks_inquiry_text(inquiry, ks_figures_text(&inquiry->server->keeper->figures, since, until));
	if (strcmp(span, "60") && strcmp(span, "3600"))
		return ks_inquiry_refuse(inquiry, MHD_HTTP_BAD_REQUEST, "span: '%.60s' is not 1, 60 or 3600 (seconds)",
					 span);
	if (ks_store_read(inquiry->server->path, &db))
		return ks_inquiry_refuse(inquiry, MHD_HTTP_INTERNAL_SERVER_ERROR, "the journal cannot be read");
	return ks_inquiry_text(inquiry, figures_print(db, atoi(span), since, until));
}

/* `known`: until then the journal knows that the one in force is. */
static json_t *policy_json(sqlite3_stmt *row, bool with_text, int64_t known)
{
	char time[KS_WHEN_TEXT], until[KS_WHEN_TEXT], last[KS_WHEN_TEXT];
	bool is_over = sqlite3_column_type(row, 1) != SQLITE_NULL;

	return json_pack(
		"{s:s, s:o, s:s*, s:s, s:I, s:s*}", "time", ks_when_text(sqlite3_column_int64(row, 0), time), "until",
		is_over ? json_string(ks_when_text(sqlite3_column_int64(row, 1), until)) : json_null(), "known",
		is_over || known > ks_when_now() ? NULL : ks_when_text(known, last), "policy",
		(const char *)sqlite3_column_text(row, 2), "generation", (json_int_t)sqlite3_column_int64(row, 3),
		"text", with_text ? (const char *)sqlite3_column_text(row, 4) : NULL);
}

static char *policies_print(sqlite3_stmt *stmt, bool with_text, int64_t known)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (ks_memory_file_open(&file))
		return NULL;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		ks_auto_json json_t *policy = policy_json(stmt, with_text, known);

		if (policy && !json_dumpf(policy, file.out, JSON_COMPACT | JSON_PRESERVE_ORDER))
			fputc('\n', file.out);
	}
	return ks_memory_file_take(&file);
}

/* A policy counts from the second at which it was loaded, to that at which it was replaced or the firewall taken away. */
static void bind_second(sqlite3_stmt *stmt, int64_t seconds)
{
	sqlite3_bind_int64(stmt, 1, (seconds + 1) * SECOND_MS);
	sqlite3_bind_int64(stmt, 2, seconds * SECOND_MS);
}

enum MHD_Result ks_answer_policies(struct ks_inquiry *inquiry)
{
	const char *at = ks_inquiry_wish(inquiry, "at");
	ks_auto_db sqlite3 *db = NULL;
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	int64_t seconds = 0;
	enum MHD_Result result;

	if (!read_seconds(inquiry, "at", &seconds, &result))
		return result;
	if (ks_store_read(inquiry->server->path, &db) ||
	    sqlite3_prepare_v2(db,
			       at ? "SELECT time, until, path, generation, text FROM policy WHERE time < ?1 AND "
				    "(until IS NULL OR until >= ?2) ORDER BY time DESC LIMIT 1"
				  : "SELECT time, until, path, generation FROM policy ORDER BY time",
			       -1, &stmt, NULL) != SQLITE_OK)
		return ks_inquiry_refuse(inquiry, MHD_HTTP_INTERNAL_SERVER_ERROR, "the journal cannot be read");
	if (at)
		bind_second(stmt, seconds);
	return ks_inquiry_text(inquiry, policies_print(stmt, at != NULL, ks_keeper_known(inquiry->server->keeper)));
}
