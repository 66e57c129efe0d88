/* SPDX-License-Identifier: BSD-2-Clause */
/* A box: a policy, and an engine that packets run through, whose table can be saved and restored. */
#ifndef KS_TESTS_UNIT_SAVED_SUPPORT_H
#define KS_TESTS_UNIT_SAVED_SUPPORT_H

#include <string.h>

#include "engine/internal.h"
#include "policy/arena.h"
#include "policy/scenario/scenario.h"
#include "saved/saved.h"
#include "scenario/craft.h"
#include "tests/unit/policy/support.h"

#define BOX_START (5000 * KS_NSEC_PER_SEC) /* on the engine's clock */

struct box {
	struct ks_policy *policy;
	struct ks_ids ids;
	struct ks_tables tables;
	struct ks_engine *engine;
	struct ks_crafter *crafter;
	struct ks_arena *arena;
};

/* Opens a box with a policy. Its rules and zones keep the numbers that they had in `before` (NULL: a box of its own). */
static inline void box_open(struct box *box, const char *policy, const struct box *before)
{
	*box = (struct box){ .policy = load_good(policy), .arena = ks_arena_create() };
	if (before)
		assert_int_equal(ks_ids_adopt(&before->ids, box->policy, &box->ids), 0);
	else
		assert_int_equal(ks_ids_of(box->policy, &box->ids), 0);
	box->tables = ks_policy_tables(box->policy);
	assert_int_equal(ks_engine_create(&box->tables, &box->engine), 0);
	ks_engine_set_time(box->engine, BOX_START);
	assert_int_equal(ks_crafter_create(&box->crafter), 0);
}

static inline void box_close(struct box *box)
{
	ks_crafter_destroy(box->crafter);
	ks_engine_destroy(box->engine);
	ks_arena_destroy(box->arena);
	ks_ids_fini(&box->ids);
	ks_policy_destroy(box->policy);
}

/* Sends a packet through, in the words of a test; returns the reason of its verdict. */
static inline __u8 box_send(struct box *box, const char *words)
{
	struct ks_diags diags = { 0 };
	struct ks_inspection insp;
	struct ks_frame frame;
	struct ks_step step;

	if (ks_step_parse_text(box->policy, words, box->arena, &step, &diags))
		fail_msg("%s: %s", words, diags.count ? diags.list[0].message : "no packet");
	ks_crafter_reset(box->crafter);
	assert_int_equal(ks_crafter_craft(box->crafter, &step.packet, &frame), 0);
	ks_engine_inspect(box->engine, &frame, false, &insp);
	ks_diags_fini(&diags);
	return insp.verdict.reason;
}

static inline bool box_passes(struct box *box, const char *words)
{
	return ks_reason_is_pass(box_send(box, words));
}

static inline struct ks_saved_table box_table(const struct box *box)
{
	return (struct ks_saved_table){ .buckets = box->engine->buckets,
					.count = box->engine->shape.buckets,
					.now = ks_engine_time(box->engine),
					.ids = &box->ids };
}

/* Bytes of a file of saved states. */
struct bytes {
	char *at;
	size_t size;
	__u64 flows;
};

static const struct ks_saved_moment saved_moment = { .wall = 1000000, .boottime = 50000, .boot = { 1, 2, 3 } };

static inline struct bytes box_save(const struct box *box, bool quiet)
{
	const struct ks_saved_table table = box_table(box);
	struct ks_saved_moment moment = saved_moment;
	struct bytes bytes = { 0 };
	FILE *out = open_memstream(&bytes.at, &bytes.size);

	moment.quiet = quiet;
	assert_non_null(out);
	assert_int_equal(ks_saved_write(out, &table, &moment, &bytes.flows), 0);
	fclose(out);
	return bytes;
}

static inline struct ks_saved *bytes_open(const struct bytes *bytes)
{
	char error[KS_SAVED_ERROR] = "";
	struct ks_saved *saved = NULL;

	if (ks_saved_open(bytes->at, bytes->size, &saved, error))
		fail_msg("%s", error);
	return saved;
}

#endif
