/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server-sent events: lines that the daemon or the journal sends for ever, and a sample every second. Lines that have come together
 * are one event, so that a browser can take thousands of them a second. When the daemon goes away, the stream says so (`event: away`),
 * waits for the next one and says that it goes on (`event: back`). A stream ends with its session (`event: over`), and is no request that keeps
 * the session alive.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/types.h"
#include "page/upstream.h"
#include "page/web.h"
#include "text/memory_file.h"
#include "text/scoped.h"

#define KS_LINE_MAX (256U << 10) /* of what is held until its end comes */
#define KS_AGAIN_SECONDS 1
#define KS_API "/api"
#define KS_API_JOURNAL_LOG "/api/journal-log"
#define KS_EVENTS "text/event-stream; charset=utf-8"

/* Whose stream it is. */
struct owner {
	struct ks_sessions *sessions;
	struct ks_token id;
};

static const char over[] = "event: over\ndata: the session is over\n\n";

static void note_owner(struct owner *owner, const struct ks_web_request *request)
{
	owner->sessions = request->page->sessions;
	owner->id = request->session.id;
}

static bool is_over(const struct owner *owner)
{
	struct ks_session session;

	return !ks_sessions_look(owner->sessions, owner->id.text, ks_sessions_now(), &session);
}

struct stream {
	struct owner owner;
	int opener;
	enum ks_opener_wish socket;
	char *target;
	struct ks_upstream *upstream; /* NULL: away */
	bool was_away, ended;
	char in[65536];
	char *rest; /* the beginning of a line */
	size_t rest_size;
	char *out; /* to be sent */
	size_t out_size, out_at;
};

static void stream_destroy(void *state)
{
	struct stream *stream = state;

	ks_upstream_close(stream->upstream);
	free(stream->target);
	free(stream->rest);
	free(stream->out);
	free(stream);
}

KS_SCOPED(auto_stream, struct stream *, stream_destroy)

static void stream_say(struct stream *stream, char *text)
{
	free(stream->out);
	stream->out = text;
	stream->out_at = 0;
	stream->out_size = text ? strlen(text) : 0;
	stream->ended |= !text;
}

/* An event with a sentence. */
static void say_event(struct stream *stream, const char *event, const char *text)
{
	char *line = NULL;

	if (asprintf(&line, "event: %s\ndata: %s\n\n", event, text) < 0)
		line = NULL;
	stream_say(stream, line);
}

/* Keeps the beginning of a line until the rest comes; one that is too long ends the stream. */
static void keep_rest(struct stream *stream, const char *data, size_t size)
{
	char *more =
		stream->rest_size + size > KS_LINE_MAX ? NULL : realloc(stream->rest, stream->rest_size + size + 1);

	if (!more) {
		stream->ended = true;
		return;
	}
	memcpy(more + stream->rest_size, data, size);
	stream->rest = more;
	stream->rest_size += size;
}

/* Writes the lines that are complete as one event; an empty one is only a sign of life, and so is what is written for it. */
static void print_lines(struct stream *stream, const char *data, size_t size, FILE *out)
{
	const char *behind = ":\n\n", *end;

	while ((end = memchr(data, '\n', size))) {
		size_t length = (size_t)(end - data);

		if (stream->rest_size || length) {
			fputs("data: ", out);
			fwrite(stream->rest ? stream->rest : "", 1, stream->rest_size, out);
			fwrite(data, 1, length, out);
			fputc('\n', out);
			behind = "\n";
		}
		stream->rest_size = 0;
		data += length + 1;
		size -= length + 1;
	}
	fputs(behind, out);
	keep_rest(stream, data, size);
}

static void take_lines(struct stream *stream, size_t size)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (ks_memory_file_open(&file)) {
		stream->ended = true;
		return;
	}
	print_lines(stream, stream->in, size, file.out);
	stream_say(stream, ks_memory_file_take(&file));
}

/* The daemon's refusal: it would be the same the next time. */
static void say_refusal(struct stream *stream)
{
	ssize_t n = ks_upstream_read(stream->upstream, stream->in, sizeof(stream->in) - 1);
	ks_auto_json json_t *answer = json_loadb(stream->in, n > 0 ? (size_t)n : 0, 0, NULL);

	(void)answer;
	stream->in[n > 0 ? n : 0] = '\0';
	say_event(stream, "refused", n > 0 && answer ? stream->in : "{}");
	ks_upstream_close(TAKE(stream->upstream));
	stream->ended = true;
}

static void go_away(struct stream *stream, int err)
{
	ks_upstream_close(TAKE(stream->upstream));
	stream->rest_size = 0;
	if (!stream->was_away)
		say_event(stream, "away", ks_upstream_complaint(stream->socket, err));
	else
		stream_say(stream, strdup(":\n\n"));
	stream->was_away = true;
}

static void stream_connect(struct stream *stream)
{
	const struct ks_upstream_call call = {
		.socket = stream->socket, .method = "GET", .target = stream->target, .stays = true
	};
	int err = ks_upstream_open(stream->opener, &call, &stream->upstream);

	if (err) {
		go_away(stream, err);
		return;
	}
	if (stream->upstream->status >= MHD_HTTP_BAD_REQUEST) {
		say_refusal(stream);
		return;
	}
	say_event(stream, "back", stream->was_away ? "again" : "first");
	stream->was_away = false;
}

/* Makes something to send, and waits for it. */
static void stream_more(struct stream *stream)
{
	ssize_t n;

	if (!stream->upstream) {
		if (stream->was_away)
			sleep(KS_AGAIN_SECONDS);
		stream_connect(stream);
		return;
	}
	n = ks_upstream_read(stream->upstream, stream->in, sizeof(stream->in));
	if (n > 0)
		take_lines(stream, (size_t)n);
	else
		go_away(stream, n ? (int)n : -ECONNREFUSED);
}

static ssize_t stream_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct stream *stream = state;
	size_t size;

	if (stream->out_at == stream->out_size) {
		if (stream->ended)
			return MHD_CONTENT_READER_END_OF_STREAM;
		stream_more(stream);
		if (is_over(&stream->owner)) { /* lines that came meanwhile are not for it any more */
			stream_say(stream, strdup(over));
			stream->ended = true;
		}
	}
	size = KS_MIN(max, stream->out_size - stream->out_at);
	if (size)
		memcpy(buf, stream->out + stream->out_at, size);
	stream->out_at += size;
	return (ssize_t)size;
}

static enum MHD_Result begin(struct ks_web_request *request, enum ks_opener_wish socket, const char *path,
			     const char *query)
{
	ks_scoped(auto_stream) struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return MHD_NO;
	note_owner(&stream->owner, request);
	stream->opener = request->page->opener;
	stream->socket = socket;
	if (asprintf(&stream->target, "%s%s", path, query ? query : "") < 0)
		return MHD_NO;
	return ks_web_stream(request, MHD_HTTP_OK, KS_EVENTS, stream_read, TAKE(stream), stream_destroy);
}

enum MHD_Result ks_web_log(struct ks_web_request *request)
{
	return begin(request, KS_OPEN_READ, "/v1/log", strchr(request->target, '?'));
}

enum MHD_Result ks_web_journal_log(struct ks_web_request *request)
{
	return begin(request, KS_OPEN_JOURNAL, "/v1/history", strchr(request->target, '?'));
}

/* --- a sample every second --- */

struct live {
	struct owner owner;
	struct ks_sampler *sampler;
	unsigned long long seen;
	bool ended;
	char *out;
	size_t size, at;
};

static void live_destroy(void *state)
{
	struct live *live = state;

	free(live->out);
	free(live);
}

/* Waits for a sample. */
static int live_more(struct live *live)
{
	ks_auto_free char *text = ks_sampler_wait(live->sampler, &live->seen);
	int n;

	free(TAKE(live->out));
	live->ended = is_over(&live->owner);
	if (live->ended)
		n = asprintf(&live->out, "%s", over);
	else
		n = text ? asprintf(&live->out, "data: %s\n\n", text) : asprintf(&live->out, ":\n\n");
	if (n < 0)
		return -ENOMEM;
	live->size = (size_t)n;
	live->at = 0;
	return 0;
}

static ssize_t live_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct live *live = state;
	size_t size;

	if (live->at == live->size && live->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (live->at == live->size && live_more(live))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	size = KS_MIN(max, live->size - live->at);
	memcpy(buf, live->out + live->at, size);
	live->at += size;
	return (ssize_t)size;
}

enum MHD_Result ks_web_live(struct ks_web_request *request)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live)
		return MHD_NO;
	note_owner(&live->owner, request);
	live->sampler = request->page->sampler;
	return ks_web_stream(request, MHD_HTTP_OK, KS_EVENTS, live_read, live, live_destroy);
}
