/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy, an engine and packets in words, for tests of explanations. */
#ifndef KS_TESTS_UNIT_EXPLAIN_FIXTURE_H
#define KS_TESTS_UNIT_EXPLAIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "scenario/craft.h"
#include "explain/explain.h"
#include "policy/arena.h"

struct fixture {
	struct ks_policy *policy;
	struct ks_engine *engine;
	struct ks_crafter *crafter;
	struct ks_arena *arena;
};

static inline int setup_policy(void **state, const char *text)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ks_tables tables;
	struct ks_diags diags;

	assert_non_null(f);
	assert_int_equal(ks_policy_load_text(text, strlen(text), "test", NULL, &f->policy, &diags), 0);
	ks_diags_fini(&diags);
	tables = ks_policy_tables(f->policy);
	assert_int_equal(ks_engine_create(&tables, &f->engine), 0);
	ks_engine_set_time(f->engine, 100 * KS_NSEC_PER_SEC);
	assert_int_equal(ks_crafter_create(&f->crafter), 0);
	f->arena = ks_arena_create();
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	ks_arena_destroy(f->arena);
	ks_crafter_destroy(f->crafter);
	ks_engine_destroy(f->engine);
	ks_policy_destroy(f->policy);
	free(f);
	return 0;
}

static inline void craft(struct fixture *f, const char *words, struct ks_frame *frame)
{
	struct ks_diags diags = { 0 };
	struct ks_step step;

	if (ks_step_parse_text(f->policy, words, f->arena, &step, &diags))
		fail_msg("%s: %s", words, diags.list[0].message);
	assert_int_equal(ks_crafter_craft(f->crafter, &step.packet, frame), 0);
	ks_diags_fini(&diags);
}

/* Lets a packet through the engine, which must pass it. */
static inline void pass(struct fixture *f, const char *words)
{
	struct ks_inspection insp;
	struct ks_frame frame;

	craft(f, words, &frame);
	assert_int_equal(ks_engine_inspect(f->engine, &frame, false, &insp), KS_ALLOW);
	ks_crafter_delivered(f->crafter, frame.data, frame.length, KS_ZONE_UNKNOWN);
}

static inline json_t *explain(struct fixture *f, const char *words)
{
	struct ks_frame frame;
	json_t *explanation;

	craft(f, words, &frame);
	explanation = ks_explain_json(f->policy, f->engine, &frame, false);
	assert_non_null(explanation);
	return explanation;
}

static inline const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The step of a name; it must be there. */
static inline const json_t *step_of(const json_t *explanation, const char *name)
{
	const json_t *step;
	size_t i;

	json_array_foreach(json_object_get(explanation, "steps"), i, step)
	{
		if (strcmp(text_of(step, "step"), name) == 0)
			return step;
	}
	fail_msg("no step '%s'", name);
	return NULL;
}

#endif
