/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET and DELETE /v1/states. A listing is produced while it is sent, a run of
 * buckets at a time, so that a million states cost neither memory nor a pause
 * of the daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api.h"
#include "daemon/api/forms.h"

#define KS_BUCKETS_A_RUN 1024 /* up to 8192 flows, or 1 MiB of a sparse table, between two looks at the client */

struct listing {
	const struct ks_daemon *daemon;
	struct ks_filter filter;
	bool conntrack;
	__u32 cursor; /* next bucket */
	__u64 now;
	FILE *out; /* into text */
	char *text;
	size_t size, sent;
};

static void listing_destroy(void *state)
{
	struct listing *listing = state;

	if (listing->out)
		fclose(listing->out);
	free(listing->text);
	free(listing);
}

static int print_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct listing *listing = arg;
	struct ks_translation translation;
	const struct ks_listed_flow listed = { .key = key, .flow = flow, .translation = &translation };

	ks_kernel_translation(listing->daemon->kernel, key, flow, &translation);
	if (!ks_filter_match_flow(&listing->filter, key, flow, &translation))
		return 0;
	if (listing->conntrack)
		ks_flow_print_conntrack(listing->out, listing->now, &listed);
	else
		ks_flow_print_json(listing->out, listing->daemon->policy, listing->now, &listed);
	return 0;
}

/* Fills the text with the next flows. Returns false at the end of the table. */
static bool listing_fill(struct listing *listing)
{
	const struct ks_kernel *kernel = listing->daemon->kernel;
	__u32 end = ks_kernel_shape(kernel)->buckets;

	rewind(listing->out);
	listing->now = ks_kernel_now(kernel);
	listing->sent = 0;
	do {
		if (listing->cursor >= end)
			return false;
		ks_kernel_each_flow_from(kernel, &listing->cursor, KS_BUCKETS_A_RUN, print_flow, listing);
	} while (ftell(listing->out) == 0);
	fflush(listing->out); /* now size is where the stream stands */
	return true;
}

static ssize_t listing_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct listing *listing = state;
	size_t n;

	if (listing->sent == listing->size && !listing_fill(listing))
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = KS_MIN(listing->size - listing->sent, max);
	memcpy(buf, listing->text + listing->sent, n);
	listing->sent += n;
	return (ssize_t)n;
}

static bool read_format(struct ks_request *request, bool *conntrack, enum MHD_Result *result)
{
	const char *format = ks_api_parameter(request, "format");

	*conntrack = format && !strcmp(format, "conntrack");
	if (!format || *conntrack || !strcmp(format, "json"))
		return true;
	*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "format: '%s' is not right; give json or conntrack",
				format);
	return false;
}

enum MHD_Result ks_api_states(struct ks_request *request)
{
	static const char *const others[] = { "format", NULL };
	struct listing *listing = calloc(1, sizeof(*listing));
	enum MHD_Result result = MHD_NO;

	if (!listing)
		return MHD_NO;
	listing->daemon = request->daemon;
	listing->out = open_memstream(&listing->text, &listing->size);
	if (!listing->out || !read_format(request, &listing->conntrack, &result) ||
	    !ks_api_filter(request, KS_FILTER_FLOWS, others, &listing->filter, &result)) {
		listing_destroy(listing);
		return result;
	}
	return ks_api_stream(request, listing->conntrack ? "text/plain" : "application/x-ndjson", listing_read, listing,
			     listing_destroy);
}

#define KS_KEYS_A_RUN 4096

struct killing {
	struct ks_kernel *kernel;
	struct ks_filter filter;
	struct ks_flow_key keys[KS_KEYS_A_RUN];
	size_t count;
	long killed;
	long err;
};

static void kill_collected(struct killing *killing)
{
	long result = ks_kernel_kill(killing->kernel, killing->keys, killing->count);

	if (result < 0)
		killing->err = result;
	else
		killing->killed += result;
	killing->count = 0;
}

static int collect_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct killing *killing = arg;
	struct ks_translation translation;

	ks_kernel_translation(killing->kernel, key, flow, &translation);
	if (!ks_filter_match_flow(&killing->filter, key, flow, &translation))
		return 0;
	killing->keys[killing->count++] = *key;
	if (killing->count == KS_KEYS_A_RUN)
		kill_collected(killing);
	return killing->err != 0;
}

/* Without any condition only on the explicit wish: all=1. */
static bool may_kill(struct ks_request *request, const struct ks_filter *filter, enum MHD_Result *result)
{
	const char *all = ks_api_parameter(request, "all");

	if (all && strcmp(all, "1"))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "all: '%s' is not right; give 1", all);
	else if (!all && !filter->conditions)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
					"this would kill every state: give a filter, or say that you mean all");
	else if (all && filter->conditions)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "give either a filter or all, not both");
	else
		return true;
	return false;
}

enum MHD_Result ks_api_states_kill(struct ks_request *request)
{
	static const char *const others[] = { "all", NULL };
	struct killing *killing = calloc(1, sizeof(*killing));
	enum MHD_Result result = MHD_NO;

	if (!killing)
		return MHD_NO;
	killing->kernel = request->daemon->kernel;
	if (ks_api_filter(request, KS_FILTER_FLOWS, others, &killing->filter, &result) &&
	    may_kill(request, &killing->filter, &result)) {
		ks_kernel_each_flow(killing->kernel, collect_flow, killing);
		if (!killing->err)
			kill_collected(killing);
		if (killing->err)
			result = ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
					       "the kernel refused after %ld states: %s", killing->killed,
					       strerror((int)-killing->err));
		else
			result = ks_api_answer(request, MHD_HTTP_OK,
					       json_pack("{s:I}", "killed", (json_int_t)killing->killed));
	}
	free(killing);
	return result;
}
