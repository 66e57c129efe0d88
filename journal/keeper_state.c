/* SPDX-License-Identifier: BSD-2-Clause */
/* The keeper's state as it tells it to any thread; see keeper.h. */
#include <unistd.h>

#include "core/types.h"
#include "journal/keeper.h"
#include "journal/when.h"

static const char *const state_names[] = { "waiting", "off", "writing", "stopped" };

int64_t ks_keeper_known(struct ks_keeper *keeper)
{
	int64_t known;

	pthread_mutex_lock(&keeper->mutex);
	known = keeper->connected ? INT64_MAX : keeper->heard;
	pthread_mutex_unlock(&keeper->mutex);
	return known;
}

json_t *ks_keeper_json(struct ks_keeper *keeper)
{
	char heard[KS_WHEN_TEXT];
	json_t *value;

	pthread_mutex_lock(&keeper->mutex);
	value = json_pack("{s:s, s:i, s:s, s:s*, s:I, s:I, s:I, s:I, s:I, s:b, s:s?}", "version", KS_VERSION, "pid",
			  (int)getpid(), "state", state_names[keeper->state], "why", *keeper->why ? keeper->why : NULL,
			  "size", (json_int_t)keeper->size, "limit", (json_int_t)keeper->limit, "age_limit",
			  (json_int_t)keeper->age, "lost", (json_int_t)keeper->lost, "unsent",
			  (json_int_t)keeper->unsent, "daemon", keeper->connected, "heard",
			  keeper->heard ? ks_when_text(keeper->heard, heard) : NULL);
	pthread_mutex_unlock(&keeper->mutex);
	return value;
}
