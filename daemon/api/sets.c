/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /v1/sets: run-time sets (daemon/sets.h changes them). A listing is made while it is sent, some pages at a time, so that a
 * million entries cost neither memory nor a pause of the daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api.h"
#include "daemon/api/text_stream.h"
#include "daemon/sets.h"
#include "policy/value.h"
#include "text/json.h"
#include "text/scoped.h"

#define LISTED_PAGES 256U /* in one call: up to 4096 entries */
#define PREFIX_TEXT 64

/* --- the target of a request --- */

static bool read_target(struct ks_request *request, struct ks_set_target *target, enum MHD_Result *result)
{
	const char *name = ks_api_parameter(request, "name");

	if (name && ks_set_target_find(request->daemon, name, target))
		return true;
	if (!name)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "name: give the name of a dynamic set");
	else
		*result = ks_api_refuse(request, MHD_HTTP_NOT_FOUND,
					"the policy in force has no dynamic set '%s': define it as set %s { } dynamic",
					name, name);
	return false;
}

/* The same for a change by people: what host names resolve to is the daemon's to change. */
static bool read_own_target(struct ks_request *request, struct ks_set_target *target, enum MHD_Result *result)
{
	if (!read_target(request, target, result))
		return false;
	if (!target->info->host_count)
		return true;
	*result = ks_api_refuse(
		request, MHD_HTTP_CONFLICT,
		"the set '%s' has host names, and holds what they resolve to: other entries stand in the policy, "
		"or in a dynamic set of their own",
		target->info->name);
	return false;
}

/* Reads the parameter `for`. */
static bool read_time(struct ks_request *request, struct ks_set_target *target, enum MHD_Result *result)
{
	const char *text = ks_api_parameter(request, "for");
	__u64 ms;

	if (!text)
		return true;
	if (!ks_value_duration(text, &ms) && ms >= KS_DYNAMIC_TIMEOUT_MIN_MS && ms <= KS_DYNAMIC_TIMEOUT_MAX_MS) {
		target->ms = ms;
		return true;
	}
	*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
				"for: '%s' is not right; give a duration such as 10m or 1h30m, 1s to 3650d", text);
	return false;
}

static bool read_wish(struct ks_request *request, const char *name, bool *wish, enum MHD_Result *result)
{
	const char *text = ks_api_parameter(request, name);

	*wish = text != NULL;
	if (!text || !strcmp(text, "1"))
		return true;
	*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s: '%s' is not right; give 1", name, text);
	return false;
}

static bool read_entries(struct ks_request *request, struct ks_set_entries *entries, enum MHD_Result *result)
{
	char complaint[KS_SET_COMPLAINT];
	int err = ks_set_entries_read(request->body, request->body_size, entries, complaint);

	if (!err && entries->count)
		return true;
	*result = MHD_NO;
	if (err != -ENOMEM)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s",
					err ? complaint
					    : "the body has no entries: give one on each line, or a JSON array");
	return false;
}

/* --- changes --- */

static enum MHD_Result answer_change(struct ks_request *request, const struct ks_set_target *target, int err,
				     const struct ks_set_changed *changed, long ended)
{
	if (err == -ENOSPC)
		return ks_api_refuse(request, MHD_HTTP_CONFLICT, "%s", changed->refused);
	if (err)
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "the set '%s' cannot be changed: %s",
				     target->set->name, strerror(-err));
	if (ended < 0)
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
				     "the set was changed, and the states cannot be ended: %s", strerror((int)-ended));
	return ks_api_answer(request, MHD_HTTP_OK,
			     json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "added", (json_int_t)changed->added,
				       "renewed", (json_int_t)changed->renewed, "removed", (json_int_t)changed->removed,
				       "missing", (json_int_t)changed->missing, "no_room", (json_int_t)changed->no_room,
				       "states_ended", (json_int_t)ended, "entries",
				       (json_int_t)ks_set_living(target)));
}

enum MHD_Result ks_api_sets_add(struct ks_request *request)
{
	ks_auto_set_entries struct ks_set_entries entries = { 0 };
	struct ks_set_changed changed = { 0 };
	struct ks_set_target target;
	enum MHD_Result result;
	bool end_flows;
	long ended = 0;
	int err;

	if (!read_own_target(request, &target, &result) || !read_time(request, &target, &result) ||
	    !read_wish(request, "end_states", &end_flows, &result) || !read_entries(request, &entries, &result))
		return result;
	err = ks_set_add_entries(&target, &entries, &changed);
	if (!err && end_flows)
		ended = ks_set_end_flows(request->daemon, &entries);
	return answer_change(request, &target, err, &changed, ended);
}

enum MHD_Result ks_api_sets_replace(struct ks_request *request)
{
	ks_auto_set_entries struct ks_set_entries entries = { 0 };
	struct ks_set_changed changed = { 0 };
	char complaint[KS_SET_COMPLAINT];
	struct ks_set_target target;
	enum MHD_Result result;
	int err;

	if (!read_own_target(request, &target, &result) || !read_time(request, &target, &result))
		return result;
	err = ks_set_entries_read(request->body, request->body_size, &entries, complaint);
	if (err == -EINVAL)
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s", complaint);
	if (!err)
		err = ks_set_replace_entries(&target, &entries, &changed);
	return answer_change(request, &target, err, &changed, 0);
}

enum MHD_Result ks_api_sets_remove(struct ks_request *request)
{
	ks_auto_set_entries struct ks_set_entries entries = { 0 };
	struct ks_set_changed changed = { 0 };
	struct ks_set_target target;
	enum MHD_Result result;
	bool all;
	int err;

	if (!read_own_target(request, &target, &result) || !read_wish(request, "all", &all, &result))
		return result;
	if (all && request->body_size)
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "give either entries or all, not both");
	if (!all && !read_entries(request, &entries, &result))
		return result;
	err = all ? ks_set_flush_entries(&target, &changed) : ks_set_remove_entries(&target, &entries, &changed);
	return answer_change(request, &target, err, &changed, 0);
}

/* --- lists --- */

static json_t *set_json(const struct ks_set_target *target)
{
	const struct ks_stored_set *set = target->set;
	const struct ks_dynamic *settings = target->settings;
	const struct ks_member_head *head = &set->memory.page->head;

	return json_pack("{s:s, s:I, s:I, s:o, s:b, s:I, s:I, s:I, s:o}", "name", target->info->name, "entries",
			 (json_int_t)ks_set_living(target), "limit", (json_int_t)settings->limit, "timeout",
			 settings->timeout ? json_integer((json_int_t)(settings->timeout / KS_MSEC_PER_SEC))
					   : json_null(),
			 "keep", settings->flags & KS_DYNAMIC_KEEP ? 1 : 0, "evicted", (json_int_t)head->evicted,
			 "refused", (json_int_t)head->refused, "memory",
			 (json_int_t)((__u64)set->memory.pages * sizeof(struct ks_member_page)), "hosts",
			 ks_hosts_json(target->daemon, target->info));
}

static enum MHD_Result answer_sets(struct ks_request *request)
{
	struct ks_daemon *daemon = request->daemon;
	json_t *list = json_array();

	for (size_t i = 0; i < daemon->policy->set_info_count; i++) {
		struct ks_set_target target;

		if (daemon->policy->set_infos[i].dynamic &&
		    ks_set_target_find(daemon, daemon->policy->set_infos[i].name, &target))
			ks_json_append(&list, set_json(&target));
	}
	return ks_api_answer(request, MHD_HTTP_OK, json_pack("{s:o}", "sets", list));
}

struct listing {
	struct ks_text_stream stream;
	const struct ks_daemon *daemon;
	char name[KS_NAME_MAX + 1];
	const struct ks_member_page *pages; /* that are being listed */
	bool has_address;
	struct ks_prefix address; /* only entries around it */
	bool plain;
	__u32 cursor; /* next page */
	__u64 now;
};

static void listing_destroy(void *state)
{
	struct listing *listing = state;

	ks_text_stream_close(&listing->stream);
	free(listing);
}

KS_SCOPED(auto_listing, struct listing *, listing_destroy)

static bool is_around(const struct ks_member *member, const struct ks_prefix *prefix)
{
	struct ks_addr masked = prefix->addr;

	if (member->family != prefix->family || member->length > prefix->length)
		return false;
	ks_addr_mask(&masked, member->family, member->length);
	return ks_addr_equal(&masked, &member->addr);
}

static void print_plain(const struct listing *listing, const char *prefix, const struct ks_member *member)
{
	char left[KS_DURATION_TEXT];
	__u64 ms = (member->expires - listing->now + KS_NSEC_PER_MSEC - 1) / KS_NSEC_PER_MSEC;

	if (member->expires)
		fprintf(listing->stream.out, "%s for %s\n", prefix,
			ks_duration_text(KS_MAX(ms, KS_DYNAMIC_TIMEOUT_MIN_MS), left));
	else
		fprintf(listing->stream.out, "%s\n", prefix);
}

static void print_json(const struct listing *listing, const char *prefix, const struct ks_member *member)
{
	__u64 ms = (member->expires - listing->now) / KS_NSEC_PER_MSEC;

	fprintf(listing->stream.out, "{\"entry\":\"%s\",\"left\":", prefix);
	if (member->expires)
		fprintf(listing->stream.out, "%llu.%03llu", ms / KS_MSEC_PER_SEC, ms % KS_MSEC_PER_SEC);
	else
		fputs("null", listing->stream.out);
	fprintf(listing->stream.out, ",\"packets\":%llu,\"bytes\":%llu,\"policy\":%s,\"limit\":%s}\n", member->packets,
		member->bytes, member->flags & KS_MEMBER_POLICY ? "true" : "false",
		member->flags & KS_MEMBER_LIMIT ? "true" : "false");
}

static int print_member(const struct ks_member *member, void *arg)
{
	const struct ks_prefix prefix = { .addr = member->addr, .family = member->family, .length = member->length };
	struct listing *listing = arg;
	char text[PREFIX_TEXT];

	if (listing->has_address && !is_around(member, &listing->address))
		return 0;
	ks_prefix_text(&prefix, text, sizeof(text));
	if (listing->plain)
		print_plain(listing, text, member);
	else
		print_json(listing, text, member);
	return 0;
}

/* Prints the next entries. Returns -ESTALE if the set has other memory now. */
static int print_members(struct ks_text_stream *stream)
{
	struct listing *listing = (struct listing *)stream;
	const struct ks_stored_set *set = ks_set_store_find(ks_kernel_sets(listing->daemon->kernel), listing->name);

	if (!set || set->memory.page != listing->pages)
		return -ESTALE;
	if (listing->cursor >= set->memory.pages)
		return -ENODATA;
	listing->now = ks_kernel_now(listing->daemon->kernel);
	ks_members_each_from(&set->memory, listing->now, &listing->cursor, LISTED_PAGES, print_member, listing);
	return 0;
}

static bool read_listing(struct ks_request *request, struct listing *listing, enum MHD_Result *result)
{
	const char *address = ks_api_parameter(request, "address"), *format = ks_api_parameter(request, "format");

	listing->plain = format && !strcmp(format, "plain");
	listing->has_address = address != NULL;
	if (format && !listing->plain && strcmp(format, "json"))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "format: '%s' is not right; give json or plain",
					format);
	else if (address && ks_value_prefix(address, &listing->address))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
					"address: '%s' is not right; give an address or a prefix", address);
	else
		return true;
	return false;
}

enum MHD_Result ks_api_sets(struct ks_request *request)
{
	ks_scoped(auto_listing) struct listing *listing = NULL;
	enum MHD_Result result = MHD_NO;
	struct ks_set_target target;
	const char *type;

	if (!ks_api_parameter(request, "name"))
		return answer_sets(request);
	if (!read_target(request, &target, &result))
		return result;
	listing = calloc(1, sizeof(*listing));
	if (!listing)
		return MHD_NO;
	listing->daemon = request->daemon;
	listing->pages = target.set->memory.page;
	listing->cursor = 1;
	memcpy(listing->name, target.set->name, sizeof(listing->name));
	if (ks_text_stream_open(&listing->stream, print_members) || !read_listing(request, listing, &result))
		return result;
	type = listing->plain ? "text/plain" : "application/x-ndjson";
	return ks_api_text(request, type, &TAKE(listing)->stream, listing_destroy);
}
