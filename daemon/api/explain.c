/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POST /v1/explain: a packet in words, judged by the native home as the programs
 * would judge it now. The engine gets the policy in force, the routes as they are
 * (daemon/world.h), and a copy of the flow that the packet belongs to, or of the
 * question to a group that it answers. TCP numbers that the words leave open
 * continue that flow. Nothing in the kernel changes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/group.h"
#include "core/limit.h"
#include "core/table/tally.h"
#include "daemon/api/api.h"
#include "daemon/api/beside.h"
#include "daemon/world.h"
#include "engine/entries.h"
#include "explain/explain.h"
#include "policy/arena.h"
#include "policy/scenario/scenario.h"
#include "scenario/craft.h"
#include "text/names.h"
#include "text/scoped.h"

struct explainer {
	struct ks_daemon *daemon;
	struct ks_config config; /* the policy's, with a small table: it will hold one flow */
	struct ks_arena *arena;
	struct ks_crafter *crafter;
	struct ks_engine *engine;
	struct ks_world world; /* of the engine */
	struct ks_step step;
	struct ks_diags diags;
	bool all; /* every rule that was asked is told */
	__u8 named; /* the zone that the words name as the destination's, where its address is the box's own; else unknown */
};

static void explainer_end(struct explainer *explainer)
{
	ks_engine_destroy(explainer->engine);
	ks_crafter_destroy(explainer->crafter);
	ks_diags_fini(&explainer->diags);
	ks_arena_destroy(explainer->arena);
}

static int explainer_init(struct explainer *explainer, struct ks_daemon *daemon)
{
	struct ks_policy *policy = daemon->policy;
	struct ks_tables tables = ks_policy_tables(policy);
	int err;

	tables.config = &explainer->config;
	explainer->config = policy->config;
	explainer->config.limit_states = KS_LIMIT_STATES_MIN;
	explainer->config.challenge_always |=
		ks_challenge_zones(daemon); /* its own table has no half-open connections */
	explainer->daemon = daemon;
	explainer->arena = ks_arena_create();
	if (!explainer->arena)
		return -ENOMEM;
	err = ks_crafter_create(&explainer->crafter);
	if (!err)
		err = ks_engine_create(&tables, &explainer->engine);
	if (!err)
		err = ks_kernel_copy_remembered(daemon->kernel, explainer->engine);
	if (err)
		return err;
	ks_world_init(&explainer->world, daemon);
	ks_engine_set_world(explainer->engine, &explainer->world);
	ks_engine_set_time(explainer->engine, ks_kernel_now(daemon->kernel));
	ks_engine_set_wall(explainer->engine, ks_kernel_wall(daemon->kernel));
	ks_engine_use_sets(explainer->engine, ks_kernel_sets(daemon->kernel), policy);
	ks_engine_settle(explainer->engine, ks_kernel_control(daemon->kernel)->settling.since);
	return 0;
}

/* Copies a question of this asker to a group, if the packet may answer it, from the kernel into the engine. */
static int copy_question(struct explainer *explainer, const struct ks_inspection *insp, const struct ks_addr *asker)
{
	__u32 asker_zone = insp->to < KS_ZONE_MAX ? insp->to : KS_ZONE_SELF;
	struct ks_flow_key key;
	struct ks_flow question;
	int err;

	ks_group_key(&insp->pkt, asker, insp->pkt.tuple.dport, ks_group_link(insp->home.from, asker_zone), &key);
	if (!ks_kernel_entry(explainer->daemon->kernel, &key, &question))
		return 0;
	err = ks_engine_add_flow(explainer->engine, &key, &question);
	return err == -EEXIST ? 0 : err;
}

static int copy_tally(struct explainer *explainer, const struct ks_flow_key *key)
{
	struct ks_flow tally;
	int err;

	if (!ks_kernel_entry(explainer->daemon->kernel, key, &tally))
		return 0;
	err = ks_engine_add_flow(explainer->engine, key, &tally);
	return err == -EEXIST ? 0 : err;
}

/* Copies the counts of a rule's limits for a flow, whose originator is the key's second address if `high`. */
static int copy_tallies(struct explainer *explainer, __u32 rule, const struct ks_flow_key *flow, __u32 high)
{
	const struct ks_config *config = &explainer->config;
	const struct ks_limit *limits = explainer->daemon->policy->limits;
	__u32 at = ks_limit_first(ks_engine_env(explainer->engine), config, rule);
	int err = 0;

	for (; !err && rule != KS_RULE_DEFAULT && at < config->limits && limits[at].rule == rule; at++) {
		struct ks_flow_key key;

		ks_tally_key(&limits[at], flow, high, &key);
		err = copy_tally(explainer, &key);
	}
	return err;
}

static int tally_can_go(const struct ks_flow_key *key, const struct ks_flow *entry, void *arg)
{
	const __u32 *kind = arg;

	return key->kind == *kind && entry->state == KS_STATE_TALLY &&
	       (ks_tally_is_forgeable(key) || !ks_tally_is_held(entry));
}

/* The engine's own table has room for tallies: it has as much as the kernel's, where new ones may take the place of others. */
static void room_for_tallies(struct explainer *explainer)
{
	static const __u32 kinds[] = { KS_KIND_TALLY, KS_KIND_PACE };
	const struct ks_kernel *kernel = explainer->daemon->kernel;

	for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		__u32 kind = kinds[i], *limit = &explainer->config.limit_kind[kind];

		bool full = ks_load_relaxed(&ks_kernel_counts(kernel)->records[kind]) >= *limit &&
			    !ks_entries_each(ks_kernel_table(kernel), ks_kernel_shape(kernel)->buckets,
					     ks_kernel_now(kernel), tally_can_go, &kind);

		*limit = full ? 0 : KS_LIMIT_KIND_MAX;
	}
}

/* Copies the packet's flow from the kernel into the engine, with its translation, and lets the packet continue it. */
static int copy_flow(struct explainer *explainer, const struct ks_frame *frame)
{
	const struct ks_addr nameless = { 0 };
	struct ks_transplant live;
	struct ks_inspection insp;
	int err;

	ks_engine_inspect(explainer->engine, frame, true, &insp);
	if (!ks_kernel_transplant(explainer->daemon->kernel, &insp.flow.key, &live))
		return copy_question(explainer, &insp, &insp.pkt.tuple.dst)
			       ?: copy_question(explainer, &insp, &nameless)
			       ?: copy_tallies(explainer, insp.verdict.rule, &insp.limiting.flow, insp.limiting.high);
	err = copy_tallies(explainer, live.flow.rule, &live.key, ks_flow_orig_side(&live.flow))
		      ?: ks_engine_transplant(explainer->engine, &live);
	return err ?: ks_explain_continue(&explainer->step.packet, &live.key, &live.flow, explainer->arena);
}

/* The zone that the routes lead to, or KS_ZONE_UNKNOWN if more than routes decides: then the inspection asks, as at ingress. */
static __u8 zone_of_route(const struct explainer *explainer, const struct ks_packet_spec *spec)
{
	const struct ks_world *world = &explainer->world;
	const struct ks_tuple tuple = { .src = spec->src,
					.dst = spec->dst,
					.sport = ks_be16(spec->sport),
					.dport = ks_be16(spec->dport),
					.proto = spec->proto,
					.family = spec->family };
	__u32 zone = world->zone_to(&tuple, spec->from, world->arg);

	if (zone >= KS_ZONE_MAX || world->other_zones(&tuple, spec->from, world->arg))
		return KS_ZONE_UNKNOWN;
	return (__u8)zone;
}

/*
 * Returns true if the packet is for the box, whatever the words say: those of the log have the address before a translation, and
 * the zone behind it.
 */
static bool is_for_self(const struct explainer *explainer, const struct ks_packet_spec *spec)
{
	return spec->from != KS_ZONE_SELF && spec->to < KS_ZONE_MAX && !ks_addr_is_group(&spec->dst, spec->family) &&
	       zone_of_route(explainer, spec) == KS_ZONE_SELF;
}

/* Fills in zones that the words leave open. A source is taken to come from the zone that the route to it leads to. */
static void complete_zones(struct explainer *explainer)
{
	struct ks_packet_spec *spec = &explainer->step.packet;

	if (spec->kind != KS_SPEC_IP)
		return;
	if (spec->from == KS_ZONE_UNKNOWN)
		spec->from = ks_world_zone_of(explainer->daemon, &spec->src, spec->family);
	if (spec->to == KS_ZONE_UNKNOWN)
		spec->to = spec->from == KS_ZONE_SELF ? ks_world_zone_of(explainer->daemon, &spec->dst, spec->family)
						      : zone_of_route(explainer, spec);
	else if (is_for_self(explainer, spec)) {
		explainer->named = spec->to;
		spec->to = KS_ZONE_SELF;
	}
}

/* The place behind the step that tells the zones. */
static size_t behind_zones(const json_t *steps)
{
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const char *name = json_string_value(json_object_get(json_array_get(steps, i), "step"));

		if (name && !strcmp(name, "zones"))
			return i + 1;
	}
	return json_array_size(steps);
}

/* Tells that an address of the box is judged as that, whatever zone the words name. */
static void note_named_zone(const struct explainer *explainer, json_t *answer)
{
	const struct ks_packet_spec *spec = &explainer->step.packet;
	json_t *steps = json_object_get(answer, "steps");
	char addr[KS_ADDR_TEXT];
	json_t *text;

	if (explainer->named >= KS_ZONE_MAX || explainer->named == KS_ZONE_SELF)
		return;
	text = json_sprintf("%s is an address of the box: it is judged as for self, not as for zone %s",
			    ks_addr_text(&spec->dst, spec->family, addr),
			    ks_policy_zone_name(explainer->daemon->policy, explainer->named));
	json_array_insert_new(steps, behind_zones(steps),
			      json_pack("{s:s, s:s, s:o}", "step", "zones", "outcome", "note", "text", text));
}

static enum MHD_Result refuse_words(struct ks_request *request, const struct ks_diags *diags)
{
	const struct ks_diag *diag = diags->count ? &diags->list[0] : NULL;

	if (!diag)
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "packet: it cannot be understood");
	return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "packet:%u: %s\n%s", diag->place.column, diag->message,
			     diag->excerpt ? diag->excerpt : "");
}

static enum MHD_Result answer_words(struct ks_request *request, struct explainer *explainer, const char *words)
{
	struct ks_frame frame;
	json_t *answer;
	int err = ks_step_parse_text(explainer->daemon->policy, words, explainer->arena, &explainer->step,
				     &explainer->diags);

	if (err)
		return refuse_words(request, &explainer->diags);
	complete_zones(explainer);
	err = ks_crafter_craft(explainer->crafter, &explainer->step.packet, &frame);
	if (!err)
		err = copy_flow(explainer, &frame);
	room_for_tallies(explainer);
	if (!err) {
		ks_crafter_reset(explainer->crafter);
		err = ks_crafter_craft(explainer->crafter, &explainer->step.packet, &frame);
	}
	if (err == -EINVAL)
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
				     "packet: it quotes the packet before, and there is none: describe what it quotes");
	if (err == -EMSGSIZE)
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "packet: its parts do not fit a datagram");
	if (err)
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "packet: %s", strerror(-err));
	ks_frame_find_cgroup(explainer->daemon->policy, &explainer->step.packet, &frame);
	answer = ks_explain_json(explainer->daemon->policy, explainer->engine, &frame, explainer->all);
	note_named_zone(explainer, answer);
	ks_beside_add(explainer->daemon, &explainer->step.packet, answer);
	return ks_api_answer(request, MHD_HTTP_OK, answer);
}

enum MHD_Result ks_api_explain(struct ks_request *request)
{
	enum MHD_Result result;
	ks_auto_json json_t *body = ks_api_body(request, &result);
	const char *words = json_string_value(json_object_get(body, "packet"));
	const json_t *all = json_object_get(body, "all");
	ks_scoped(explainer) struct explainer explainer = { .all = json_is_true(all), .named = KS_ZONE_UNKNOWN };

	if (!body)
		return result;
	if (!words)
		return ks_api_refuse(
			request, MHD_HTTP_BAD_REQUEST,
			"packet: give a packet in words, such as \"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn\"");
	if (all && !json_is_boolean(all))
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "all: give true or false");
	if (explainer_init(&explainer, request->daemon))
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
	return answer_words(request, &explainer, words);
}
