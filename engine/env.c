// SPDX-License-Identifier: BSD-2-Clause
/*
 * The native home's answers to the core at run time (core/env.h): tables, routes, the packet's bytes, held fragments,
 * counters. Its part at compile time is home.h. One thread uses an engine, so nothing is locked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/checksum.h"
#include "core/network.h"
#include "core/table/hash.h"
#include "core/tree.h"
#include "engine/internal.h"
#include "engine/upper_checksum.h"

/* Tables. */

const struct ks_config *env_config(struct ks_env *env)
{
	return ks_engine_of(env)->tables.config;
}

const struct ks_rule *env_rule(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return index < KS_MAX(t->config->rules, t->config->entries) ? &t->rules[index] : NULL;
}

const struct ks_set *env_set(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return index < t->config->sets ? &t->sets[index] : NULL;
}

const struct ks_range *env_range(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return index < t->config->ranges ? &t->ranges[index] : NULL;
}

const struct ks_tree_page *env_tree_page(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return t->tree && index < ks_tree_pages(t->config->tree_nodes) ? &t->tree[index] : NULL;
}

const struct ks_target *env_target(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return index < t->config->targets ? &t->targets[index] : NULL;
}

const struct ks_limit *env_limit(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return index < t->config->limits ? &t->limits[index] : NULL;
}

const struct ks_conditions *env_conditions(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return index < t->config->conditions ? &t->conditions[index] : NULL;
}

const struct ks_effects *env_effects(struct ks_env *env, __u32 rule)
{
	const struct ks_tables *t = &ks_engine_of(env)->tables;

	return rule < t->config->effects ? &t->effects[rule] : NULL;
}

void env_facts(struct ks_env *env, __u32 asks, struct ks_facts *facts)
{
	const struct ks_frame *frame = ks_engine_of(env)->frame;

	facts->mark = frame->mark;
	facts->uid = frame->uid;
	facts->has_uid = frame->has_uid;
	facts->cgroup = frame->cgroup;
	facts->has_cgroup = frame->has_cgroup;
	facts->known |= KS_CONDITIONS_HOME;
}

__u32 env_mtu(struct ks_env *env, const struct ks_inspection *insp)
{
	const __u8 *zone = insp->flow.after.zone;

	return ks_config_mtu(ks_engine_of(env)->tables.config, zone[KS_ORIGINAL], zone[KS_REPLY]);
}

void env_mark(struct ks_env *env, const struct ks_inspection *insp)
{
	(void)env;
	(void)insp;
}

const struct ks_table_shape *env_table_shape(struct ks_env *env)
{
	return &ks_engine_of(env)->shape;
}

struct ks_table_counts *env_table_counts(struct ks_env *env)
{
	return ks_engine_of(env)->counts;
}

struct ks_bucket *env_bucket(struct ks_env *env, __u32 index)
{
	struct ks_engine *engine = ks_engine_of(env);

	return index < engine->length ? &engine->buckets[index] : NULL;
}

struct ks_budget *env_budget(struct ks_env *env, __u32 index)
{
	return &ks_engine_of(env)->budgets[index & (KS_BUDGETS - 1)];
}

struct ks_shortage *env_shortage(struct ks_env *env, __u32 index)
{
	return &ks_engine_of(env)->shortages[index & (KS_SHORTAGES - 1)];
}

struct ks_answers *env_answers(struct ks_env *env)
{
	return &ks_engine_of(env)->answers;
}

struct ks_challenges *env_challenges(struct ks_env *env)
{
	return ks_engine_of(env)->challenges;
}

struct ks_challenge_set *env_challenge_set(struct ks_env *env, __u32 index)
{
	struct ks_challenge_set *sets = ks_engine_of(env)->challenge_sets;

	return sets && index < KS_CHALLENGE_SETS ? &sets[index] : NULL;
}

struct ks_ended_set *env_ended_set(struct ks_env *env, __u32 index)
{
	return index < KS_ENDED_SETS ? &ks_engine_of(env)->ended[index] : NULL;
}

struct ks_flood_set *env_flood_set(struct ks_env *env, __u32 index)
{
	return index < KS_FLOOD_SETS ? &ks_engine_of(env)->floods[index] : NULL;
}

struct ks_scan_set *env_scan_set(struct ks_env *env, __u32 index)
{
	return index < KS_SCAN_SETS ? &ks_engine_of(env)->scans[index] : NULL;
}

struct ks_settling *env_settling(struct ks_env *env)
{
	return &ks_engine_of(env)->settling;
}

struct ks_member_page *env_member_page(struct ks_env *env, __u32 set, __u32 index)
{
	const struct ks_member_memory *memory = &ks_engine_of(env)->members[set & (KS_DYNAMIC_MAX - 1)];

	return index < memory->pages ? &memory->page[index] : NULL;
}

__u64 env_now(struct ks_env *env)
{
	return ks_engine_of(env)->now;
}

/* Routes and addresses: those of the caller's world, else the policy's networks stand for them. */

/* The caller says with the frame where it goes to, and the policy (`hint`) where its translated destination is. */
__u32 env_zone_to(struct ks_env *env, const struct ks_tuple *tuple, __u32 hint)
{
	const struct ks_engine *engine = ks_engine_of(env);

	if (engine->world)
		return engine->world->zone_to(tuple, engine->frame->from, engine->world->arg);
	return hint == KS_ZONE_UNKNOWN ? KS_ZONE_NONE : hint;
}

__u32 env_broadcast(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_engine *engine = ks_engine_of(env);

	if (engine->world)
		return engine->world->broadcast(tuple, from, engine->world->arg);
	return ks_network_broadcast(engine->tables.config, tuple, from);
}

/* None if the caller says where the frame leaves. */
__u64 env_other_zones(struct ks_env *env, const struct ks_tuple *tuple, __u32 to)
{
	const struct ks_engine *engine = ks_engine_of(env);

	if (!engine->world || engine->frame->to != KS_ZONE_UNKNOWN)
		return 0;
	return engine->world->other_zones(tuple, engine->frame->from, engine->world->arg);
}

bool env_source_is_near(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_world *world = ks_engine_of(env)->world;

	return !world || world->source_is_near(tuple, from, world->arg);
}

bool env_leaves_as(struct ks_env *env, const struct ks_addr *addr, __u8 family)
{
	return true;
}

bool env_zones_are_one(struct ks_env *env, __u32 a, __u32 b)
{
	const struct ks_world *world = ks_engine_of(env)->world;

	return world && world->zones_are_one(a, b, world->arg);
}

/* Frames of devices that are stacked on others are in no capture. */
bool env_answers_for_box(struct ks_env *env)
{
	return false;
}

bool env_send_back(struct ks_env *env, __u32 zone, const struct ks_addr *as, __u8 family)
{
	const struct ks_world *world = ks_engine_of(env)->world;

	return world && world->send_back(zone, world->arg);
}

bool env_source_is_at_home(struct ks_env *env, const struct ks_tuple *tuple, __u32 from, bool by_route)
{
	const struct ks_engine *engine = ks_engine_of(env);

	if (engine->world)
		return engine->world->source_is_at_home(tuple, from, engine->frame->to, by_route, engine->world->arg);
	return ks_network_is_home(engine->tables.config, tuple, from, by_route);
}

bool env_address_of(struct ks_env *env, enum ks_dir side, __u32 zone, __u8 family, struct ks_addr *addr)
{
	const struct ks_engine *engine = ks_engine_of(env);

	if (engine->world)
		return engine->world->address_of(zone, family, addr, engine->world->arg);
	*addr = engine->tables.config->address[zone & (KS_ZONE_MAX - 1)][family == KS_IPV6];
	return addr->d[0] || addr->d[1];
}

/* The only sockets here are those of ks_engine_listen(). */
bool env_port_is_used(struct ks_env *env, const struct ks_tuple *tuple)
{
	const struct ks_engine *engine = ks_engine_of(env);

	for (unsigned i = 0; i < engine->listener_count; i++) {
		const struct ks_listener *listener = &engine->listeners[i];

		if (listener->proto == tuple->proto && listener->port == ks_be16(tuple->dport))
			return true;
	}
	return false;
}

/* Seeded by the secret of the table's hash, unless ks_engine_set_random() has set another seed. */
__u32 env_random(struct ks_env *env)
{
	return ks_random_step(&ks_engine_of(env)->random);
}

/* The packet. */

bool env_packet_read(struct ks_env *env, __u32 off, void *to, __u32 len)
{
	const struct ks_engine *engine = ks_engine_of(env);
	const __u8 *data = engine->changed ? engine->output : engine->frame->data;
	__u32 size = engine->changed ? engine->output_len : engine->frame->captured;

	if (off > size || len > size - off)
		return false;
	memcpy(to, data + off, len);
	return true;
}

/* The frame is the caller's, so changes are made to a copy, with room for `room` more bytes. Returns false without memory. */
static bool output_begin(struct ks_engine *engine, __u32 room)
{
	__u32 size = engine->changed ? engine->output_len : engine->frame->captured;
	__u8 *data;

	if (size + room > engine->output_room) {
		data = realloc(engine->output, size + room + KS_HEAD_SIZE);
		if (!data) {
			engine->error = -ENOMEM;
			return false;
		}
		engine->output = data;
		engine->output_room = size + room + KS_HEAD_SIZE;
	}
	if (!engine->changed) {
		memcpy(engine->output, engine->frame->data, size);
		engine->output_len = size;
		engine->changed = true;
	}
	return true;
}

bool env_packet_write(struct ks_env *env, __u32 off, const void *from, __u32 len)
{
	struct ks_engine *engine = ks_engine_of(env);

	if (!output_begin(engine, 0) || off > engine->output_len || len > engine->output_len - off)
		return false;
	memcpy(engine->output + off, from, len);
	return true;
}

bool env_packet_resize(struct ks_env *env, __u32 off, __s32 delta)
{
	struct ks_engine *engine = ks_engine_of(env);
	__u32 from = delta < 0 ? off + (__u32)-delta : off;

	if (!output_begin(engine, delta > 0 ? (__u32)delta : 0) || from > engine->output_len)
		return false;
	memmove(engine->output + from + delta, engine->output + from, engine->output_len - from);
	engine->output_len += (__u32)delta;
	return true;
}

__u8 *env_transcript(struct ks_env *env)
{
	return ks_engine_of(env)->transcript;
}

bool env_checksum_add(struct ks_env *env, __u32 off, __u32 diff, bool pseudo, bool udp)
{
	__u16 sum;

	if (!env_packet_read(env, off, &sum, sizeof(sum)))
		return false;
	if (udp && !sum)
		return true;
	sum = ks_checksum_apply(sum, diff);
	if (udp && !sum)
		sum = KS_CHECKSUM_MASK;
	return env_packet_write(env, off, &sum, sizeof(sum));
}

bool env_checksum_ok(struct ks_env *env, const __u8 *head, const struct ks_packet *pkt)
{
	return ks_checksum_is_right(ks_engine_of(env)->frame, pkt);
}

/* Fragments that wait for the first one of their datagram. */

bool env_fragment_hold(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	struct ks_engine *engine = ks_engine_of(env);

	return ks_held_pool_add(engine->held, engine->frame, hash, engine->now);
}

bool env_fragment_release(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	ks_held_pool_release(ks_engine_of(env)->held, hash);
	return true;
}

void env_fragment_forget(struct ks_env *env, __u64 hash)
{
	ks_held_pool_forget(ks_engine_of(env)->held, hash);
}

/* Counters. */

void env_count_reason(struct ks_env *env, __u32 reason, __u32 bytes)
{
	struct ks_count *count = &ks_engine_of(env)->reasons[reason];

	count->packets++;
	count->bytes += bytes;
}

void env_count_zones(struct ks_env *env, __u32 pair, __u32 fate, __u32 bytes)
{
	struct ks_count *count = &ks_engine_of(env)->zones[pair].by[fate];

	count->packets++;
	count->bytes += bytes;
}

void env_count_established(struct ks_env *env, __u32 pair, __u32 bytes)
{
	struct ks_count *count = &ks_engine_of(env)->established[pair];

	count->packets++;
	count->bytes += bytes;
}

void env_count_match(struct ks_env *env, __u32 rule)
{
	if (rule < KS_RULE_ID_MAX)
		ks_engine_of(env)->rules[rule].matches++;
}

void env_count_flow(struct ks_env *env, const struct ks_flow *flow)
{
	struct ks_rule_count *count = &ks_engine_of(env)->rules[flow->rule];

	count->packets += ks_flow_packets(flow, 0) + ks_flow_packets(flow, 1);
	count->bytes += ks_flow_bytes(flow, 0) + ks_flow_bytes(flow, 1);
}

/* The caller of ks_engine_inspect() gets the whole inspection, so it is only told that there was a report. */
void env_event(struct ks_env *env, const struct ks_inspection *insp)
{
	ks_engine_of(env)->reported++;
}

#define ALL_KINDS ((1U << KS_EVENT_KINDS) - 1)

__u32 env_asked(struct ks_env *env)
{
	return ks_engine_of(env)->tell ? ALL_KINDS : 0;
}

struct ks_flow_event *env_flow_event(struct ks_env *env)
{
	return &ks_engine_of(env)->event;
}

void env_flow_event_send(struct ks_env *env, struct ks_flow_event *event)
{
	struct ks_engine *engine = ks_engine_of(env);

	event->time = engine->now;
	engine->tell(event, engine->tell_arg);
}
