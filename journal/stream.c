/* SPDX-License-Identifier: BSD-2-Clause */
/* See stream.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "journal/stream.h"
#include "journal/when.h"
#include "text/memory_file.h"

#define WINDOW 50000 /* ids that are looked at in one step */
#define WINDOWS_AT_ONCE 20 /* without a row; then an empty line is sent */
#define ROWS_AT_ONCE 256
#define FOLLOWERS_MAX 32
#define WISHES_MAX 128
#define LIMIT_NONE INT64_MAX

static void stream_free(void *arg)
{
	struct ks_stream *stream = arg, **link;

	if (stream->follows) {
		pthread_mutex_lock(&stream->server->mutex);
		for (link = &stream->server->streams; *link && *link != stream; link = &(*link)->next)
			continue;
		if (*link) {
			*link = stream->next;
			stream->server->followers--;
		}
		pthread_mutex_unlock(&stream->server->mutex);
	}
	sqlite3_finalize(stream->rows);
	ks_row_names_fini(&stream->names);
	sqlite3_close(stream->db);
	for (size_t i = 0; i < stream->text_count; i++) {
		free((void *)(uintptr_t)stream->texts[i].name);
		free((void *)(uintptr_t)stream->texts[i].value);
	}
	free(stream->texts);
	free(stream->buf);
	free(stream);
}

KS_SCOPED(auto_stream, struct ks_stream *, stream_free)

/* --- sending --- */

static int64_t newest_id(const struct ks_stream *stream)
{
	int64_t id = 0;

	ks_store_ask(stream->db, stream->flows ? "SELECT max(id) FROM flow" : "SELECT max(id) FROM entry", &id);
	return id;
}

/* Prints the rows of one window. Returns the number of rows; *stopped: the id of the last one, if there may be more. */
static int64_t print_window(struct ks_stream *stream, int64_t low, int64_t high, FILE *out, int64_t *stopped)
{
	int64_t count = 0, most = KS_MIN(stream->left, ROWS_AT_ONCE);
	int at = ks_where_bind(&stream->where, stream->rows, 4);

	sqlite3_bind_int64(stream->rows, 1, low);
	sqlite3_bind_int64(stream->rows, 2, high);
	sqlite3_bind_int64(stream->rows, 3, most);
	*stopped = 0;
	while (at && sqlite3_step(stream->rows) == SQLITE_ROW) {
		ks_auto_json json_t *line = stream->flows ? ks_row_flow(&stream->names, stream->rows, &stream->times)
							  : ks_row_entry(&stream->names, stream->rows);

		if (line && !json_dumpf(line, out, JSON_COMPACT | JSON_PRESERVE_ORDER))
			fputc('\n', out);
		if (++count == most)
			*stopped = sqlite3_column_int64(stream->rows, 0);
	}
	sqlite3_reset(stream->rows);
	return count;
}

/* One step. Moves the end from which it reads. Returns the number of rows. */
static int64_t print_step(struct ks_stream *stream, FILE *out)
{
	int64_t low = stream->first, high = stream->last, stopped, count;

	if (stream->newest_first)
		low = KS_MAX(low, high - WINDOW + 1);
	else
		high = KS_MIN(high, low + WINDOW - 1);
	count = print_window(stream, low, high, out, &stopped);
	stream->left -= count;
	if (stream->newest_first)
		stream->last = stopped ? stopped - 1 : low - 1;
	else
		stream->first = stopped ? stopped + 1 : high + 1;
	return count;
}

static bool is_ending(struct ks_stream *stream)
{
	pthread_mutex_lock(&stream->server->mutex);
	stream->ended = stream->server->ended;
	pthread_mutex_unlock(&stream->server->mutex);
	return stream->ended;
}

/*
 * Prints up to the first window that has rows. A long search without any prints an empty line and goes on at the next call: so a
 * client that has left is noticed, and the thread can serve others meanwhile.
 */
static void print_rows(struct ks_stream *stream, FILE *out)
{
	int64_t rows = 0;

	for (int i = 0; !rows && stream->first <= stream->last && stream->left > 0 && !is_ending(stream); i++) {
		if (i == WINDOWS_AT_ONCE) {
			fputc('\n', out);
			return;
		}
		rows = print_step(stream, out);
	}
}

/* Fills the buffer, as far as there is something. Returns 0 or -ENOMEM. */
static int fill(struct ks_stream *stream)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	free(TAKE(stream->buf));
	stream->used = stream->at = 0;
	if (ks_memory_file_open(&file))
		return -ENOMEM;
	print_rows(stream, file.out);
	stream->buf = ks_memory_file_take(&file);
	if (!stream->buf)
		return -ENOMEM;
	stream->used = file.length;
	return 0;
}

static bool is_over(const struct ks_stream *stream)
{
	return stream->left <= 0 || (stream->first > stream->last && !stream->follows);
}

/* Looks if something was added. Puts the connection to sleep if not; then the next commit wakes it. */
static bool is_more(struct ks_stream *stream)
{
	struct ks_server *server = stream->server;
	bool more;

	pthread_mutex_lock(&server->mutex);
	more = stream->commits != server->commits || server->ended;
	stream->commits = server->commits;
	stream->ended = server->ended;
	if (!more && !stream->beaten) {
		stream->asleep = true;
		MHD_suspend_connection(stream->connection);
	}
	pthread_mutex_unlock(&server->mutex);
	if (more)
		stream->last = newest_id(stream);
	return more;
}

static ssize_t stream_read(void *arg, uint64_t position, char *buf, size_t max)
{
	struct ks_stream *stream = arg;
	size_t size;

	if (stream->at == stream->used) {
		if (is_over(stream))
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (stream->first > stream->last && !is_more(stream)) {
			if (!stream->beaten)
				return 0;
			stream->beaten = false;
			*buf = '\n';
			return 1;
		}
		if (stream->ended)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (fill(stream))
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	size = KS_MIN(max, stream->used - stream->at);
	if (size) {
		memcpy(buf, stream->buf + stream->at, size);
		stream->at += size;
		return (ssize_t)size;
	}
	return stream->ended || is_over(stream) ? MHD_CONTENT_READER_END_OF_STREAM : 0;
}

/* --- asking --- */

static int copy_wish(struct ks_stream *stream, const char *name, const char *mark, const char *value, size_t size)
{
	struct ks_wish *copy = &stream->texts[stream->text_count];
	char *text;

	if (stream->text_count == WISHES_MAX) {
		snprintf(stream->where.complaint, sizeof(stream->where.complaint),
			 "too many conditions: at most %d values", WISHES_MAX);
		return -EINVAL;
	}
	stream->text_count++;
	copy->name = strdup(name);
	if (asprintf(&text, "%s%.*s", mark, (int)size, value) < 0)
		return -ENOMEM;
	copy->value = text;
	return copy->name ? 0 : -ENOMEM;
}

/* Labels of rules, and what people look for, may have commas. */
static bool is_list(const char *name)
{
	return ks_where_knows(name) && strcmp(name, "rule") && strcmp(name, "text");
}

/* "80,443" is two values, "!80,443" two that are excluded. */
static int copy_list(struct ks_stream *stream, const struct ks_wish *wish)
{
	const char *value = wish->value, *mark = "";
	int err = 0;

	if (!is_list(wish->name))
		return copy_wish(stream, wish->name, "", value, strlen(value));
	if (ks_where_is_excluded(&value))
		mark = "!";
	for (size_t size; !err; value += size + 1) {
		size = strcspn(value, ",");
		err = copy_wish(stream, wish->name, mark, value, size);
		if (!value[size])
			break;
	}
	return err;
}

static int copy_wishes(struct ks_stream *stream, const struct ks_inquiry *inquiry)
{
	int err = 0;

	stream->texts = calloc(WISHES_MAX, sizeof(*stream->texts));
	if (!stream->texts)
		return -ENOMEM;
	for (size_t i = 0; i < inquiry->count && !err; i++)
		err = copy_list(stream, &inquiry->wish[i]);
	return err;
}

/*
 * Narrows the ids by the entries' times. They are not in the order of these where the clock has been set back, so all are looked at, in the
 * index: the sign keeps SQLite from walking through the rows.
 */
static int narrow_by_time(struct ks_stream *stream, const char *name, const char *text, bool is_end)
{
	struct ks_where *where = &stream->where;
	int64_t ms, id = 0;
	char sql[160];

	if (!text)
		return 0;
	if (ks_when_read(text, &ms)) {
		snprintf(where->complaint, sizeof(where->complaint),
			 "%s: '%.60s' is no time such as 2026-11-29T10:00:00Z, or seconds of the epoch", name, text);
		return -EINVAL;
	}
	if (stream->flows) /* those that lived at some moment of that time */
		return ks_where_number(where, is_end ? "begun < ?" : "ended IS NULL OR ended >= ?", ms);
	snprintf(sql, sizeof(sql),
		 is_end ? "SELECT max(+id) FROM entry WHERE time < %" PRId64
			: "SELECT min(+id) FROM entry WHERE time >= %" PRId64,
		 ms);
	ks_store_ask(stream->db, sql, &id);
	if (is_end)
		stream->last = KS_MIN(stream->last, id);
	else
		stream->first = id ? KS_MAX(stream->first, id) : stream->last + 1;
	return ks_where_number(where, is_end ? "time < ?" : "time >= ?", ms);
}

static int read_number(struct ks_stream *stream, const struct ks_inquiry *inquiry, const char *name, int64_t *number)
{
	const char *text = ks_inquiry_wish(inquiry, name);
	char *end;

	if (!text)
		return 0;
	errno = 0;
	*number = strtoll(text, &end, 10);
	if (!errno && end != text && !*end && *number >= 0)
		return 0;
	snprintf(stream->where.complaint, sizeof(stream->where.complaint), "%s: '%.60s' is no number", name, text);
	return -EINVAL;
}

static int narrow(struct ks_stream *stream, const struct ks_inquiry *inquiry)
{
	int64_t after = 0, before = 0, newest = newest_id(stream);
	int err = read_number(stream, inquiry, "after", &after) ?: read_number(stream, inquiry, "before", &before);

	err = err ?: read_number(stream, inquiry, "limit", &stream->left);
	if (err)
		return err;
	stream->first = KS_MIN(after, newest) + 1;
	stream->last = before ? KS_MIN(before - 1, newest) : newest;
	err = narrow_by_time(stream, "since", ks_inquiry_wish(inquiry, "since"), false);
	return err ?: narrow_by_time(stream, "until", ks_inquiry_wish(inquiry, "until"), true);
}

static int prepare(struct ks_stream *stream)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *sql = NULL;

	if (ks_memory_file_open(&file))
		return -ENOMEM;
	/* The limit is named before the conditions, whose places have no numbers and count on from the highest. */
	fprintf(file.out, "SELECT %s FROM %s WHERE id BETWEEN ?1 AND ?2 AND ?3 > 0%s ORDER BY id %s LIMIT ?3",
		stream->flows ? KS_ROW_COMMON : KS_ROW_ENTRY, stream->flows ? "flow" : "history", stream->where.text,
		stream->newest_first ? "DESC" : "ASC");
	sql = ks_memory_file_take(&file);
	if (!sql)
		return -ENOMEM;
	return ks_store_error(stream->db, sqlite3_prepare_v2(stream->db, sql, -1, &stream->rows, NULL))
		       ?: ks_row_names_init(stream->db, &stream->names);
}

static bool is_wish(const struct ks_inquiry *inquiry, const char *name, const char *value)
{
	const char *text = ks_inquiry_wish(inquiry, name);

	return text && !strcmp(text, value);
}

/* Without parameters packets are meant, the oldest first. */
static int make(struct ks_stream *stream, struct ks_inquiry *inquiry,
		int (*more)(struct ks_inquiry *inquiry, struct ks_where *where))
{
	int err = ks_store_read(stream->server->path, &stream->db) ?: copy_wishes(stream, inquiry);

	if (err)
		return err;
	stream->left = LIMIT_NONE;
	stream->times.moment = stream->times.now = ks_when_now();
	stream->times.known = ks_keeper_known(stream->server->keeper);
	if (ks_inquiry_wish(inquiry, "at"))
		ks_when_read(ks_inquiry_wish(inquiry, "at"), &stream->times.moment);
	stream->newest_first = is_wish(inquiry, "order", "desc");
	stream->follows = is_wish(inquiry, "follow", "1") && !stream->newest_first && !stream->flows;
	if (!stream->flows && !ks_inquiry_wish(inquiry, "kind") && !ks_inquiry_wish(inquiry, "flows") &&
	    !ks_inquiry_wish(inquiry, "events"))
		err = copy_wish(stream, "kind", "", "packet", strlen("packet"));
	if (err)
		return err;
	err = ks_where_make(&stream->where, stream->flows ? KS_WHERE_FLOWS : KS_WHERE_PACKETS, stream->texts,
			    stream->text_count);
	return err ?: narrow(stream, inquiry) ?: more(inquiry, &stream->where) ?: prepare(stream);
}

/* From here on commits wake it. Returns false if too many follow. */
static bool enlist(struct ks_stream *stream)
{
	struct ks_server *server = stream->server;
	bool room;

	pthread_mutex_lock(&server->mutex);
	room = server->followers < FOLLOWERS_MAX;
	if (room) {
		server->followers++;
		stream->next = server->streams;
		server->streams = stream;
	}
	stream->commits = server->commits - 1; /* looks once more before it sleeps */
	pthread_mutex_unlock(&server->mutex);
	return room;
}

enum MHD_Result ks_stream_answer(struct ks_inquiry *inquiry, bool flows,
				 int (*more)(struct ks_inquiry *inquiry, struct ks_where *where))
{
	ks_scoped(auto_stream) struct ks_stream *stream = calloc(1, sizeof(*stream));
	struct MHD_Response *response;
	enum MHD_Result result;
	int err;

	if (!stream)
		return MHD_NO;
	stream->server = inquiry->server;
	stream->connection = inquiry->connection;
	stream->flows = flows;
	err = make(stream, inquiry, more);
	if (err == -EINVAL)
		return ks_inquiry_refuse(inquiry, MHD_HTTP_BAD_REQUEST, "%s", stream->where.complaint);
	if (err)
		return ks_inquiry_refuse(inquiry, MHD_HTTP_INTERNAL_SERVER_ERROR, "the journal cannot be read: %s",
					 strerror(-err));
	if (stream->follows && !enlist(stream)) {
		stream->follows = false;
		return ks_inquiry_refuse(inquiry, MHD_HTTP_SERVICE_UNAVAILABLE, "%d clients follow the journal already",
					 FOLLOWERS_MAX);
	}
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, stream_read, stream, stream_free);
	if (!response)
		return MHD_NO;
	stream = NULL; /* the response's */
	MHD_add_response_header(response, "Content-Type", "application/x-ndjson");
	result = MHD_queue_response(inquiry->connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}
