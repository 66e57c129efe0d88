/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate diff --on: captured traffic by two policies; what becomes of each frame, and the connections whose frames differ. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/replay.h"
#include "cli/command.h"
#include "cli/diff.h"
#include "cli/output.h"
#include "core/header/packet.h"
#include "policy/index.h"
#include "text/json.h"
#include "text/names.h"
#include "text/plural.h"

enum { BEFORE, AFTER, SIDES };

/* A frame's fate by one policy. */
struct fate {
	struct ks_tuple sent; /* as it leaves */
	__u32 rule; /* id; 0: none */
	__u8 action;
	bool is_known;
};

struct fates {
	struct fate *list; /* of all frames of all captures */
	size_t count, room;
};

/* Frames of one connection, or of one pair of hosts, that differ. */
struct differing {
	struct ks_tuple tuple; /* of the first one */
	const char *path;
	__u64 number, frames; /* of the first one, and how many */
	struct fate fate[SIDES];
	__u8 from, to; /* zones after */
};

struct captures_ctx {
	const struct ks_policy *policies[SIDES];
	struct fates before;
	size_t begin; /* of the capture in hand among all frames */
	size_t last; /* the last frame's number in it */
	const char *path;
	int side;
	struct differing *list;
	size_t count;
	__u64 frames, differ;
	struct ks_index index;
	bool no_memory;
};

static void ctx_fini(struct captures_ctx *ctx)
{
	free(ctx->before.list);
	free(ctx->list);
	ks_index_fini(&ctx->index);
}

KS_SCOPED_STRUCT(auto_ctx, struct captures_ctx, ctx_fini)

/* The frames of a capture stand behind those of the captures before it. */
static size_t place_of(struct captures_ctx *ctx, const struct ks_replay_frame *frame)
{
	if (!ctx->path || strcmp(ctx->path, frame->path) != 0) {
		ctx->begin += ctx->last;
		ctx->path = frame->path;
		ctx->last = 0;
	}
	ctx->last = KS_MAX(ctx->last, (size_t)frame->number);
	return ctx->begin + (size_t)frame->number - 1;
}

static void fate_get(const struct ks_inspection *insp, struct fate *fate)
{
	const bool passes = insp->verdict.action == KS_ALLOW || insp->verdict.action == KS_BYPASS;

	*fate = (struct fate){ .rule = insp->verdict.rule, .action = insp->verdict.action, .is_known = true };
	if (passes)
		fate->sent = insp->sent;
}

static int fate_keep(struct captures_ctx *ctx, size_t at, const struct fate *fate)
{
	struct fates *fates = &ctx->before;

	if (at >= fates->room) {
		size_t room = KS_MAX(at + 1, fates->room * 2 + 4096);
		struct fate *list = realloc(fates->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		memset(list + fates->room, 0, (room - fates->room) * sizeof(*list));
		fates->list = list;
		fates->room = room;
	}
	fates->list[at] = *fate;
	fates->count = KS_MAX(fates->count, at + 1);
	return 0;
}

static bool fates_differ(const struct fate *a, const struct fate *b)
{
	return a->action != b->action || !ks_addr_equal(&a->sent.src, &b->sent.src) ||
	       !ks_addr_equal(&a->sent.dst, &b->sent.dst) || a->sent.dport != b->sent.dport ||
	       a->sent.sport != b->sent.sport;
}

/* The same for both directions. */
static __u64 tuple_hash(const struct ks_tuple *tuple)
{
	__u64 hash =
		tuple->src.d[0] + tuple->dst.d[0] + tuple->src.d[1] + tuple->dst.d[1] + tuple->sport + tuple->dport;

	return ks_hash_bytes(tuple->proto, &hash, sizeof(hash));
}

static bool is_end(const struct ks_tuple *a, const struct ks_tuple *b, bool crossed)
{
	const struct ks_addr *src = crossed ? &b->dst : &b->src, *dst = crossed ? &b->src : &b->dst;

	return ks_addr_equal(&a->src, src) && ks_addr_equal(&a->dst, dst) &&
	       a->sport == (crossed ? b->dport : b->sport) && a->dport == (crossed ? b->sport : b->dport);
}

static bool same_tuples(const struct ks_tuple *a, const struct ks_tuple *b)
{
	return a->proto == b->proto && a->family == b->family && (is_end(a, b, false) || is_end(a, b, true));
}

/* Answers to a translated connection have the tuple as which it leaves, by one policy or the other. */
static bool same_connection(const void *owner, __u32 value, const void *key)
{
	const struct differing *one = &((const struct captures_ctx *)owner)->list[value];

	return same_tuples(&one->tuple, key) || same_tuples(&one->fate[BEFORE].sent, key) ||
	       same_tuples(&one->fate[AFTER].sent, key);
}

static int connection_add(struct captures_ctx *ctx)
{
	const struct differing *one = &ctx->list[ctx->count];
	const struct ks_tuple *tuples[] = { &one->tuple, &one->fate[BEFORE].sent, &one->fate[AFTER].sent };
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(tuples); i++) {
		if (!i || (tuples[i]->family && !same_tuples(tuples[i], &one->tuple)))
			err = ks_index_add(&ctx->index, tuple_hash(tuples[i]), (__u32)ctx->count);
	}
	ctx->count++;
	return err;
}

static int differing_note(struct captures_ctx *ctx, const struct ks_replay_frame *frame, const struct fate *before,
			  const struct fate *after)
{
	const struct ks_tuple *tuple = &frame->insp->pkt.tuple;
	__u64 hash = tuple_hash(tuple);
	long found = ks_index_find(&ctx->index, hash, same_connection, ctx, tuple);
	struct differing *list;

	ctx->differ++;
	if (found >= 0) {
		ctx->list[found].frames++;
		return 0;
	}
	list = realloc(ctx->list, (ctx->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	ctx->list = list;
	list[ctx->count] = (struct differing){ .tuple = *tuple,
					       .path = frame->path,
					       .number = frame->number,
					       .frames = 1,
					       .fate = { *before, *after },
					       .from = frame->insp->home.from,
					       .to = frame->insp->to };
	return connection_add(ctx);
}

static int frame_compare(const struct ks_replay_frame *frame, void *arg)
{
	struct captures_ctx *ctx = arg;
	struct fate fate;
	size_t at;

	if (!frame->insp || frame->insp->verdict.action == KS_HOLD)
		return 0;
	at = place_of(ctx, frame);
	fate_get(frame->insp, &fate);
	if (ctx->side == BEFORE)
		return fate_keep(ctx, at, &fate);
	ctx->frames++;
	if (at < ctx->before.count && ctx->before.list[at].is_known && fates_differ(&ctx->before.list[at], &fate))
		return differing_note(ctx, frame, &ctx->before.list[at], &fate);
	return 0;
}

/* Replays all captures by one policy. Returns an exit status. */
static int side_replay(struct captures_ctx *ctx, const struct ks_words *captures)
{
	struct ks_replay_config config = { .policy = ctx->policies[ctx->side], .each = frame_compare, .arg = ctx };
	ks_auto_zone_map struct ks_zone_map *map = NULL;
	ks_auto_replay struct ks_replay *replay = NULL;
	char error[KS_CAPTURE_ERROR];
	int err = ks_zone_map_create(config.policy, &map);

	config.zones = map;
	if (err || ks_replay_create(&config, &replay))
		return ks_cli_no_memory();
	ctx->begin = ctx->last = 0;
	ctx->path = NULL;
	for (size_t i = 0; !err && i < captures->count; i++) {
		err = ks_replay_file(replay, captures->word[i], error);
		if (err && err != -ENOMEM)
			fprintf(stderr, "keepstate: %s: %s\n", captures->word[i], error);
	}
	if (!err)
		err = ks_replay_finish(replay);
	if (err == -ENOMEM)
		return ks_cli_no_memory();
	return err ? KS_EXIT_USAGE : KS_EXIT_OK;
}

/* --- output --- */

static void place_text(const struct ks_policy *policy, const struct fate *fate, char *buf, size_t size)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, fate->rule);

	if (info)
		snprintf(buf, size, "%s:%u", info->place.file, info->place.line);
	else
		snprintf(buf, size, "no rule");
}

static const char *ends_text(const struct ks_tuple *tuple, char *buf, size_t size)
{
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT];
	bool ports = ks_proto_has_ports(tuple->proto);

	snprintf(buf, size, "%s > %s", ks_endpoint_text(&tuple->src, tuple->family, ports ? tuple->sport : 0, src),
		 ks_endpoint_text(&tuple->dst, tuple->family, ports ? tuple->dport : 0, dst));
	return buf;
}

static void fate_print(const struct captures_ctx *ctx, const struct differing *one, int side)
{
	const struct fate *fate = &one->fate[side];
	char place[512], ends[2 * KS_ENDPOINT_TEXT + 8];

	place_text(ctx->policies[side], fate, place, sizeof(place));
	printf("  %c %s", side == BEFORE ? '-' : '+', ks_action_name(fate->action));
	if (fate->sent.family && (one->fate[BEFORE].action == one->fate[AFTER].action))
		printf(" as %s", ends_text(&fate->sent, ends, sizeof(ends)));
	printf(", %s\n", place);
}

static void all_print(const struct captures_ctx *ctx)
{
	char ends[2 * KS_ENDPOINT_TEXT + 8], proto[8];

	for (size_t i = 0; i < ctx->count; i++) {
		const struct differing *one = &ctx->list[i];

		printf("%s: frame %llu: %s %s, %llu frame%s\n", one->path, one->number,
		       ends_text(&one->tuple, ends, sizeof(ends)),
		       ks_proto_name(one->tuple.proto, proto, sizeof(proto)), one->frames, ks_plural(one->frames));
		fate_print(ctx, one, BEFORE);
		fate_print(ctx, one, AFTER);
	}
	printf("%llu of %llu frames differ, of %zu connection%s\n", ctx->differ, ctx->frames, ctx->count,
	       ks_plural(ctx->count));
}

static json_t *fate_json(const struct captures_ctx *ctx, const struct differing *one, int side)
{
	const struct fate *fate = &one->fate[side];
	const struct ks_rule_info *info = ks_policy_rule(ctx->policies[side], fate->rule);
	char ends[2 * KS_ENDPOINT_TEXT + 8];

	return json_pack(
		"{s:s, s:s*, s:o}", "verdict", ks_action_name(fate->action), "as",
		fate->sent.family ? ends_text(&fate->sent, ends, sizeof(ends)) : NULL, "rule",
		info ? json_pack("{s:o*, s:i}", "file", ks_json_text(info->place.file), "line", (int)info->place.line)
		     : json_null());
}

static void all_json(const struct captures_ctx *ctx)
{
	json_t *list = json_array();
	char ends[2 * KS_ENDPOINT_TEXT + 8], proto[8];

	for (size_t i = 0; i < ctx->count; i++) {
		const struct differing *one = &ctx->list[i];

		json_array_append_new(
			list, json_pack("{s:o*, s:I, s:I, s:s, s:s, s:o, s:o}", "capture", ks_json_text(one->path),
					"frame", (json_int_t)one->number, "frames", (json_int_t)one->frames, "ends",
					ends_text(&one->tuple, ends, sizeof(ends)), "proto",
					ks_proto_name(one->tuple.proto, proto, sizeof(proto)), "before",
					fate_json(ctx, one, BEFORE), "after", fate_json(ctx, one, AFTER)));
	}
	ks_json_print(json_pack("{s:I, s:I, s:o}", "frames", (json_int_t)ctx->frames, "differ", (json_int_t)ctx->differ,
				"connections", list),
		      stdout);
}

int ks_diff_captures(const struct ks_policy *before, const struct ks_policy *after, const struct ks_diff_wish *wish)
{
	ks_scoped(auto_ctx) struct captures_ctx ctx = { .policies = { before, after } };
	int code = KS_EXIT_OK;

	for (ctx.side = BEFORE; ctx.side < SIDES && code == KS_EXIT_OK; ctx.side++)
		code = side_replay(&ctx, &wish->captures);
	if (code != KS_EXIT_OK)
		return code;
	if (wish->json)
		all_json(&ctx);
	else
		all_print(&ctx);
	return ctx.differ ? KS_EXIT_NO : KS_EXIT_OK;
}
