/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate explain: how a packet is decided. Against a policy file it runs
 * the inspector here, after captures if they are given; without a file it
 * asks the daemon.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/confine.h"
#include "cli/history.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/past_flows.h"
#include "core/types.h"
#include "scenario/craft.h"
#include "explain/explain.h"
#include "capture/replay.h"
#include "policy/arena.h"

/* How an explanation is to be printed. */
struct explain_wish {
	bool json;
	bool all; /* with every rule that was asked */
};

/* Prints an explanation (explain/explain.h). Returns KS_EXIT_OK if the packet passes, else KS_EXIT_NO. */
static int explanation_print(const json_t *explanation, const struct explain_wish *wish)
{
	bool passes = json_is_true(json_object_get(explanation, "passes"));

	if (wish->json)
		ks_json_print(json_incref((json_t *)explanation), stdout);
	else
		ks_explain_print(explanation, stdout, ks_output_colour(stdout), wish->all);
	return ks_cli_finish(passes ? KS_EXIT_OK : KS_EXIT_NO);
}

/* A packet, and the replay whose engine it meets. */
struct explain_ctx {
	const struct ks_policy *policy;
	const struct ks_zone_map *map;
	struct ks_arena *arena;
	struct ks_crafter *crafter;
	struct ks_replay *replay;
	const char *at; /* the flows of this moment are in the table; NULL: none */
	struct ks_step step;
};

static int words_parse(struct explain_ctx *ctx, const char *words)
{
	ks_auto_diags struct ks_diags diags = { 0 };
	int err = ks_step_parse_text(ctx->policy, words, ctx->arena, &ctx->step, &diags);

	ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	if (err)
		return err == -EINVAL ? KS_EXIT_USAGE : ks_cli_no_memory();
	if (ctx->step.kind == KS_STEP_PACKET)
		return KS_EXIT_OK;
	fprintf(stderr, "keepstate: explain takes one packet, such as \"lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp\"\n");
	return KS_EXIT_USAGE;
}

/* Sets the zones that the words leave open by the addresses, as in a replay. */
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
static int frame_craft(struct explain_ctx *ctx, struct ks_frame *frame)
{
	int err = ks_crafter_craft(ctx->crafter, &ctx->step.packet, frame);

	if (!err) {
		zones_complete(ctx->map, frame);
		ks_frame_find_cgroup(ctx->policy, &ctx->step.packet, frame);
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

/* If the packet belongs to a flow, crafts it again so that it continues the flow. */
static int frame_continue(struct explain_ctx *ctx, struct ks_frame *frame)
{
	struct ks_inspection insp;

	ks_engine_inspect(ks_replay_engine(ctx->replay), frame, true, &insp);
	if (!insp.flow.found)
		return KS_EXIT_OK;
	if (ks_explain_continue(&ctx->step.packet, &insp.flow.key, &insp.flow.before, ctx->arena))
		return ks_cli_no_memory();
	ks_crafter_reset(ctx->crafter);
	return frame_craft(ctx, frame);
}

/* Fills the state table from the journal, as far as the packet may meet it. */
static int past_read(const struct explain_ctx *ctx, const struct ks_frame *frame)
{
	const struct ks_past past = { .at = ctx->at, .policy = ctx->policy, .engine = ks_replay_engine(ctx->replay) };
	struct ks_inspection insp;

	if (!ctx->at)
		return KS_EXIT_OK;
	ks_engine_inspect(past.engine, frame, true, &insp);
	return ks_past_flows_load(&past, &insp);
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

static int packet_explain(struct explain_ctx *ctx, const struct ks_words *captures, const char *words,
			  const struct explain_wish *wish)
{
	ks_auto_json json_t *explanation = NULL;
	struct ks_frame frame;
	int code = words_parse(ctx, words);

	if (code == KS_EXIT_OK)
		code = captures_read(ctx->replay, captures);
	if (code == KS_EXIT_OK)
		code = frame_craft(ctx, &frame);
	if (code == KS_EXIT_OK)
		code = past_read(ctx, &frame);
	if (code == KS_EXIT_OK)
		code = frame_continue(ctx, &frame);
	if (code != KS_EXIT_OK)
		return code;
	explanation = ks_explain_json(ctx->policy, ks_replay_engine(ctx->replay), &frame, wish->all);
	if (!explanation) {
		ks_json_print(NULL, stdout); /* says why */
		return KS_EXIT_SYSTEM;
	}
	return explanation_print(explanation, wish);
}

/* `at`: with the flows of this moment; NULL: with those of the captures. */
static int explain_by_policy(const struct ks_policy *policy, const struct ks_words *captures, const char *at,
			     const char *words, const struct explain_wish *wish)
{
	ks_auto_zone_map struct ks_zone_map *map = NULL;
	ks_auto_arena struct ks_arena *arena = NULL;
	ks_auto_crafter struct ks_crafter *crafter = NULL;
	ks_auto_replay struct ks_replay *replay = NULL;
	struct ks_replay_config config = { .policy = policy };

	arena = ks_arena_create();
	if (!arena || ks_zone_map_create(policy, &map) || ks_crafter_create(&crafter))
		return ks_cli_no_memory();
	config.zones = map;
	if (ks_replay_create(&config, &replay))
		return ks_cli_no_memory();
	if (!at && !captures->count)
		ks_engine_set_wall_now(ks_replay_engine(replay));
	return packet_explain(
		&(struct explain_ctx){
			.policy = policy, .map = map, .arena = arena, .crafter = crafter, .replay = replay, .at = at },
		captures, words, wish);
}

static int explain_by_file(const char *path, const struct ks_words *captures, const char *words,
			   const struct explain_wish *wish)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	int code = ks_cli_load(path, &policy);

	return code == KS_EXIT_OK ? explain_by_policy(policy, captures, NULL, words, wish) : code;
}

/*
 * The journal does not know which addresses the interfaces had: others stand for them, of blocks that nobody uses (RFC 7600,
 * RFC 6666), so that a translation is shown as one.
 */
static void addresses_stand_in(struct ks_policy *policy)
{
	static const struct ks_addr dummy[] = { { .b = { [12] = 192, [15] = 8 } }, { .b = { 1, [15] = 1 } } };
	struct ks_config *config = &policy->config;
	bool any = false;

	for (size_t i = 0; config->options & KS_OPT_NAT && i < policy->zone_count; i++) {
		unsigned zone = policy->zones[i].id;

		if (config->addressed >> zone & 1)
			continue;
		memcpy(config->address[zone], dummy, sizeof(dummy));
		config->addressed |= 1ULL << zone;
		any = true;
	}
	if (any)
		fputs("keepstate: the addresses of the interfaces then are not known: 192.0.0.8 and 100::1 stand for "
		      "them\n",
		      stderr);
}

/* By the policy that was in force at a moment, as the journal has it: its text in one piece; and with the flows of then. */
static int explain_by_past(const char *at, const char *words, const struct explain_wish *wish)
{
	const struct ks_words none = { .count = 0 };
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	ks_auto_json json_t *then = NULL;
	const char *text, *name;
	char form[PATH_MAX + 32];
	int err, code = ks_history_policy(at, &then);

	if (code != KS_EXIT_OK)
		return code;
	text = json_string_value(json_object_get(then, "text"));
	name = json_string_value(json_object_get(then, "policy"));
	snprintf(form, sizeof(form), "normal form of %s",
		 name ? name : "the policy"); /* its lines are not those of the file */
	err = ks_policy_load_text(text ? text : "", text ? strlen(text) : 0, form, NULL, &policy, &diags);
	ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	if (err)
		return ks_cli_load_code(err);
	addresses_stand_in(policy);
	ks_history_note_known(at);
	return explain_by_policy(policy, &none, at, words, wish);
}

static int explain_by_daemon(const char *words, const struct explain_wish *wish)
{
	struct ks_call call = { .method = "POST", .path = "/v1/explain" };
	ks_auto_json json_t *body = json_pack("{s:s, s:b}", "packet", words, "all", wish->all), *answer = NULL;
	int code;

	if (!body) {
		fprintf(stderr, "keepstate: the packet is not UTF-8, or memory is short\n");
		return KS_EXIT_USAGE;
	}
	call.body = body;
	code = ks_client_call(&call, &answer);
	return code == KS_EXIT_OK ? explanation_print(answer, wish) : code;
}

static const char help[] =
	"Shows how a packet, given in the words of the test language (keepstate.conf(5)), is decided:\n"
	"headers, zones, flow, numbers compared, rules asked, the decision, what would be answered, what\n"
	"becomes of the state. Of the rules the one that decides is shown, and where the policy drops the\n"
	"packet those that come closest to letting it pass, with the condition that fails. With a policy FILE the "
	"packet meets an empty state table, or the one that\n"
	"captures leave behind; without one it meets the running firewall. Nothing changes.\n"
	"\n"
	"  keepstate explain gateway.conf \"lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp\"\n"
	"  keepstate explain \"wan 192.0.2.1:80 > lan 10.0.0.5:40000 rst seq =1000\"\n"
	"\n"
	"Zones may be left out where the policy's networks tell them. A TCP segment without numbers\n"
	"continues its flow. With --at policy and flows are those of then, from the journal. Returns 0 if "
	"the packet passes and 1 if it is dropped.";

int ks_cmd_explain(int argc, char **argv)
{
	struct explain_wish wish = { false, false };
	char at[KS_MOMENT_TEXT] = "";
	struct ks_words captures = { .count = 0 };
	const struct ks_option options[] = {
		{ .name = "after",
		  .argument = "CAPTURE",
		  .help = "replay a capture first; may be repeated",
		  .take = ks_take_words,
		  .target = &captures },
		{ .name = "at",
		  .argument = "TIME",
		  .help = "by the policy and the flows of then, which the journal has (10:00, \"2026-11-29 10:00\", "
			  "5m)",
		  .take = ks_take_moment,
		  .target = at },
		{ .name = "json",
		  .help = "print the explanation as one JSON object",
		  .take = ks_take_flag,
		  .target = &wish.json },
		{ .name = "verbose",
		  .letter = 'v',
		  .help = "every rule that was asked, and why it does not match",
		  .take = ks_take_flag,
		  .target = &wish.all },
	};
	const struct ks_usage usage = { "keepstate explain [OPTION]... [FILE] PACKET", help, options,
					KS_ARRAY_SIZE(options) };
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (*at && (argc - first != 1 || captures.count))
		return ks_usage_error(&usage, "--at takes one packet in quotes; the policy is that of then");
	if (*at)
		return explain_by_past(at, argv[first], &wish);
	if (argc - first == 2) {
		ks_cli_confine(false);
		return explain_by_file(argv[first], &captures, argv[first + 1], &wish);
	}
	if (argc - first != 1)
		return ks_usage_error(&usage,
				      "explain needs one packet in quotes, and a policy file before it or none");
	if (captures.count)
		return ks_usage_error(&usage, "--after needs a policy file");
	return explain_by_daemon(argv[first], &wish);
}
