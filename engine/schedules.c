/* SPDX-License-Identifier: BSD-2-Clause */
/* The schedules of a policy by the clock of an engine: told again when it has passed what was known. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "engine/flow_keys.h"
#include "engine/internal.h"
#include "engine/review.h"
#include "engine/set_store.h"
#include "policy/calendar.h"
#include "policy/policy.h"

void ks_engine_set_wall(struct ks_engine *engine, __s64 wall)
{
	engine->wall = wall;
	engine->schedules_known = 0;
}

__s64 ks_engine_wall(const struct ks_engine *engine)
{
	return engine->wall;
}

void ks_engine_set_wall_now(struct ks_engine *engine)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	ks_engine_set_wall(engine, (__s64)now.tv_sec * (__s64)KS_NSEC_PER_SEC + now.tv_nsec - (__s64)engine->now);
}

static void schedules_follow(struct ks_engine *engine)
{
	if (engine->now >= engine->schedules_since && engine->now < engine->schedules_known)
		return;
	engine->schedules_since = engine->now;
	engine->schedules_known = ks_calendars_tell(engine->tables.calendars, engine->tables.config->schedules,
						    engine->now, engine->wall, engine->schedules);
}

const struct ks_schedule *env_schedule(struct ks_env *env, __u32 index)
{
	struct ks_engine *engine = ks_engine_of(env);

	if (index >= engine->tables.config->schedules || index >= KS_SCHEDULES_MAX)
		return NULL;
	schedules_follow(engine);
	return &engine->schedules[index];
}

__u64 ks_engine_open(struct ks_engine *engine)
{
	if (!engine->tables.config->schedules)
		return 0;
	schedules_follow(engine);
	return ks_schedules_open(engine->schedules, engine->tables.config->schedules, engine->now);
}

static int denied_collect(const struct ks_reviewed *reviewed, void *arg)
{
	return reviewed->review == KS_REVIEW_ALLOWED ? 0 : ks_flow_keys_add(arg, reviewed->key);
}

/* Ends the flows that the policy does not allow at this time. */
static int denied_end(struct ks_engine *engine, struct ks_set_store *sets, const struct ks_policy *policy)
{
	ks_auto_flow_keys struct ks_flow_keys denied = { 0 };
	ks_auto_asked struct ks_asked asked = { 0 };
	struct ks_review_table table;
	int err = ks_asked_init(&asked, &engine->tables, engine->world);

	if (err)
		return err;
	ks_engine_set_time(asked.engine, engine->now);
	ks_engine_set_wall(asked.engine, engine->wall);
	ks_engine_use_sets(asked.engine, sets, policy);
	ks_review_engine_table(engine, &table);
	err = ks_review_flows(&table, &asked, NULL, denied_collect, &denied);
	for (size_t i = 0; !err && i < denied.count; i++) {
		struct ks_entry entry = { .key = denied.list[i], .clock = ks_flow_clock(engine->now) };

		ks_table_kill(ks_engine_env(engine), &entry, KS_END_DENIED);
	}
	return err;
}

int ks_engine_turn(struct ks_engine *engine, struct ks_set_store *sets, const struct ks_policy *policy, __u64 time)
{
	const struct ks_config *config = engine->tables.config;
	bool ends = config->schedules && config->schedule_end != KS_SCHEDULE_END_KEEP;
	int err = 0;

	while (!err && ends && ks_load_relaxed(&engine->counts->flows)) {
		__u64 next = ks_calendars_next(engine->tables.calendars, config->schedules, engine->now, engine->wall);

		if (next > time)
			break;
		ks_engine_set_time(engine, next);
		err = denied_end(engine, sets, policy);
	}
	ks_engine_set_time(engine, time);
	return err;
}
