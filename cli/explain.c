/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate explain: how a packet is decided. Against a policy file it runs
 * the inspector here, after captures if they are given; without a file it
 * asks the daemon (cli/explain_live.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/explain.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "scenario/craft.h"
#include "explain/explain.h"
#include "capture/replay.h"
#include "policy/arena.h"

int ks_explain_show(json_t *explanation, bool json)
{
	bool passes;

	if (!explanation) {
		fprintf(stderr, "keepstate: %s\n", strerror(ENOMEM));
		return KS_EXIT_SYSTEM;
	}
	passes = json_is_true(json_object_get(explanation, "passes"));
	if (json) {
		ks_json_print(explanation, stdout);
	} else {
		ks_explain_print(explanation, stdout, ks_output_colour(stdout));
		json_decref(explanation);
	}
	return ks_cli_finish(passes ? KS_EXIT_OK : KS_EXIT_NO);
}

/* What explaining a packet against a file needs. */
struct workshop {
	const struct ks_policy *policy;
	const struct ks_zone_map *map;
	struct ks_arena *arena;
	struct ks_crafter *crafter;
	struct ks_replay *replay; /* its engine is where the packet goes */
	struct ks_step step;
};

static int words_parse(struct workshop *shop, const char *words)
{
	struct ks_diags diags = { 0 };
	int err = ks_step_parse_text(shop->policy, words, shop->arena, &shop->step, &diags);

	ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	ks_diags_fini(&diags);
	if (err)
		return err == -EINVAL ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
	if (shop->step.kind == KS_STEP_PACKET)
		return KS_EXIT_OK;
	fprintf(stderr, "keepstate: explain takes one packet, such as \"lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp\"\n");
	return KS_EXIT_USAGE;
}

/* Zones that the words leave open are those of the addresses, as in a replay. */
static void zones_complete(const struct ks_zone_map *map, struct ks_frame *frame)
{
	const struct ks_link_info none = { 0 };
	struct ks_frame guess = *frame;

	ks_zone_map_assign(map, KS_ZONE_NONE, &none, &guess);
	if (frame->from == KS_ZONE_UNKNOWN)
		frame->from = guess.from;
	if (frame->to == KS_ZONE_UNKNOWN)
		frame->to = guess.to;
}

/* Makes the frame, in the crafter's memory. */
static int frame_craft(struct workshop *shop, struct ks_frame *frame)
{
	int err = ks_crafter_craft(shop->crafter, &shop->step.packet, frame);

	if (!err) {
		zones_complete(shop->map, frame);
		return KS_EXIT_OK;
	}
	if (err == -EINVAL)
		fprintf(stderr, "keepstate: 'quoting last' has no packet before it to quote\n");
	else if (err == -EMSGSIZE)
		fprintf(stderr, "keepstate: the parts of this packet do not fit a datagram\n");
	else
		fprintf(stderr, "keepstate: %s\n", strerror(-err));
	return err == -EINVAL || err == -EMSGSIZE ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
}

/* The same once more, continuing the flow that the packet belongs to, if there is one. */
static int frame_continue(struct workshop *shop, struct ks_frame *frame)
{
	struct ks_inspection insp;

	ks_engine_inspect(ks_replay_engine(shop->replay), frame, true, &insp);
	if (!insp.flow.found)
		return KS_EXIT_OK;
	if (ks_explain_continue(&shop->step.packet, &insp.flow.key, &insp.flow.before, shop->arena)) {
		fprintf(stderr, "keepstate: %s\n", strerror(ENOMEM));
		return KS_EXIT_SYSTEM;
	}
	ks_crafter_reset(shop->crafter);
	return frame_craft(shop, frame);
}

/* Fills the state table from captures. */
static int captures_read(struct ks_replay *replay, const struct ks_words *captures)
{
	char error[KS_CAPTURE_ERROR];

	for (size_t i = 0; i < captures->count; i++) {
		int err = ks_replay_file(replay, captures->word[i], error);

		if (err) {
			fprintf(stderr, "keepstate: %s: %s\n", captures->word[i], error);
			return err == -EINVAL || err == -ENOENT || err == -EISDIR ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
		}
	}
	return KS_EXIT_OK;
}

static int workshop_explain(struct workshop *shop, const struct ks_words *captures, const char *words, bool json)
{
	struct ks_frame frame;
	int code = words_parse(shop, words);

	if (code == KS_EXIT_OK)
		code = captures_read(shop->replay, captures);
	if (code == KS_EXIT_OK)
		code = frame_craft(shop, &frame);
	if (code == KS_EXIT_OK)
		code = frame_continue(shop, &frame);
	if (code != KS_EXIT_OK)
		return code;
	return ks_explain_show(ks_explain_json(shop->policy, ks_replay_engine(shop->replay), &frame), json);
}

static int explain_with(const struct ks_policy *policy, const struct ks_zone_map *map, const struct ks_words *captures,
			const char *words, bool json)
{
	const struct ks_replay_config config = { .policy = policy, .zones = map };
	struct workshop shop = { .policy = policy, .map = map, .arena = ks_arena_create() };
	int code = KS_EXIT_SYSTEM;

	if (shop.arena && ks_crafter_create(&shop.crafter) == 0 && ks_replay_create(&config, &shop.replay) == 0)
		code = workshop_explain(&shop, captures, words, json);
	else
		fprintf(stderr, "keepstate: %s\n", strerror(ENOMEM));
	ks_replay_destroy(shop.replay);
	if (shop.crafter)
		ks_crafter_destroy(shop.crafter);
	if (shop.arena)
		ks_arena_destroy(shop.arena);
	return code;
}

static int explain_file(const char *path, const struct ks_words *captures, const char *words, bool json)
{
	struct ks_policy *policy;
	struct ks_zone_map *map;
	int code = ks_cli_load(path, &policy);

	if (code != KS_EXIT_OK)
		return code;
	if (ks_zone_map_create(policy, &map) == 0) {
		code = explain_with(policy, map, captures, words, json);
		ks_zone_map_destroy(map);
	} else {
		code = KS_EXIT_SYSTEM;
	}
	ks_policy_destroy(policy);
	return code;
}

static const char help[] =
	"Shows how a packet, given in the words of the test language (keepstate.conf(5)), is decided:\n"
	"headers, zones, flow, numbers compared, rules asked, the decision, what would be answered, what\n"
	"becomes of the state. With a policy FILE the packet meets an empty state table, or the one that\n"
	"captures leave behind; without one it meets the running firewall. Nothing changes.\n"
	"\n"
	"  keepstate explain gateway.conf \"lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp\"\n"
	"  keepstate explain \"wan 192.0.2.1:80 > lan 10.0.0.5:40000 rst seq =1000\"\n"
	"\n"
	"Zones may be left out where the policy's networks tell them. A TCP segment without numbers\n"
	"continues its flow. Returns 0 if the packet passes and 1 if it is dropped.";

int ks_cmd_explain(int argc, char **argv)
{
	bool json = false;
	struct ks_words captures = { .count = 0 };
	const struct ks_option options[] = {
		{ .name = "after",
		  .argument = "CAPTURE",
		  .help = "replay a capture first; may be repeated",
		  .take = ks_take_words,
		  .target = &captures },
		{ .name = "json",
		  .help = "print the explanation as one JSON object",
		  .take = ks_take_flag,
		  .target = &json },
	};
	const struct ks_usage usage = { "keepstate explain [OPTION]... [FILE] PACKET", help, options,
					KS_ARRAY_SIZE(options) };
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first == 2)
		return explain_file(argv[first], &captures, argv[first + 1], json);
	if (argc - first != 1)
		return ks_usage_error(&usage,
				      "explain needs one packet in quotes, and a policy file before it or none");
	if (captures.count)
		return ks_usage_error(&usage, "--after needs a policy file");
	return ks_explain_live(argv[first], json);
}
