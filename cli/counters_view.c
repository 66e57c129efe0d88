/* SPDX-License-Identifier: BSD-2-Clause */
/* See counters_view.h. */
#include "cli/counters_view.h"

#include <stdio.h>
#include <time.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/scoped.h"

#define NAME_TEXT 96

/* The name of an entry, by which it is found again in another look: rules by their ids, because lines move. */
static void entry_name(const json_t *entry, char name[NAME_TEXT])
{
	const char *reason = ks_member_text(entry, "reason");

	if (*reason)
		snprintf(name, NAME_TEXT, "reason %s", reason);
	else
		snprintf(name, NAME_TEXT, "rule %lld", ks_member_number(entry, "id"));
}

static json_t *index_make(const json_t *answer)
{
	static const char *const lists[] = { "reasons", "rules" };
	ks_auto_json json_t *index = json_object();

	for (size_t i = 0; i < KS_ARRAY_SIZE(lists); i++) {
		const json_t *list = json_object_get(answer, lists[i]);

		for (size_t k = 0; k < json_array_size(list); k++) {
			json_t *entry = json_array_get(list, k);
			char name[NAME_TEXT];

			entry_name(entry, name);
			if (json_object_set(index, name, entry))
				return NULL;
		}
	}
	return TAKE(index);
}

static void look_fini(struct ks_counters_look *look)
{
	json_decref(look->answer);
	json_decref(look->index);
	*look = (struct ks_counters_look){ 0 };
}

bool ks_counters_view_put(struct ks_counters_view *view, json_t *answer, uint64_t time)
{
	struct ks_counters_look look = { .answer = answer, .index = index_make(answer), .time = time };

	if (!look.index) {
		look_fini(&look);
		return false;
	}
	look_fini(&view->before);
	view->before = view->now;
	view->now = look;
	return true;
}

int ks_counters_view_take(struct ks_counters_view *view)
{
	const struct ks_call call = { .method = "GET", .path = "/v1/counters" };
	json_t *answer = NULL;
	struct timespec now;
	int code = ks_client_call(&call, &answer);

	if (code != KS_EXIT_OK)
		return code;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ks_counters_view_put(view, answer, (uint64_t)now.tv_sec * KS_NSEC_PER_SEC + (uint64_t)now.tv_nsec)
		       ? KS_EXIT_OK
		       : ks_cli_no_memory();
}

void ks_counters_view_reset(struct ks_counters_view *view)
{
	look_fini(&view->base);
	view->base = view->now;
	json_incref(view->base.answer);
	json_incref(view->base.index);
}

void ks_counters_view_unset(struct ks_counters_view *view)
{
	look_fini(&view->base);
}

void ks_counters_view_fini(struct ks_counters_view *view)
{
	look_fini(&view->now);
	look_fini(&view->before);
	look_fini(&view->base);
}

/* The member of the same entry in an earlier look, 0 if it was not there. */
static uint64_t earlier(const struct ks_counters_look *look, const json_t *entry, const char *member)
{
	char name[NAME_TEXT];

	entry_name(entry, name);
	return (uint64_t)ks_member_number(json_object_get(look->index, name), member);
}

/* A count that went back is one of another firewall: it counts from zero. */
static uint64_t difference(uint64_t now, uint64_t then)
{
	return now >= then ? now - then : now;
}

uint64_t ks_counters_since(const struct ks_counters_view *view, const json_t *entry, const char *member)
{
	return difference((uint64_t)ks_member_number(entry, member), earlier(&view->base, entry, member));
}

double ks_counters_rate(const struct ks_counters_view *view, const json_t *entry, const char *member)
{
	double seconds = (double)(view->now.time - view->before.time) / (double)KS_NSEC_PER_SEC;

	if (!view->before.answer || seconds <= 0)
		return 0;
	return (double)difference((uint64_t)ks_member_number(entry, member), earlier(&view->before, entry, member)) /
	       seconds;
}
