// SPDX-License-Identifier: BSD-2-Clause
/*
 * The native home; see engine.h. An engine belongs to one thread. The table
 * is an anonymous mapping on huge pages where the system has them.
 */
#include "engine/engine.h"

#include "core/header/checksum.h"
#include "core/network.h"
#include "engine/upper_checksum.h"
#include "engine/held.h"
#include "core/table/hash.h"
#include "engine/entries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define HUGE_PAGE (2UL << 20)
/*
 * Dead flows are swept when the clock has moved so far and enough flows were
 * made for a walk over the table to be worth it: a quiet week is replayed in a
 * moment.
 */
#define SWEEP_INTERVAL (60 * KS_NSEC_PER_SEC)
#define SWEEP_LATEST (3600 * KS_NSEC_PER_SEC)
#define SWEEP_BUCKETS_A_FLOW 32
#define SWEEP_HALF_OPEN_SHARE 8 /* dead half-open connections may hold this part of their budget */
#define LEAP_MAX (24 * 3600 * KS_NSEC_PER_SEC)

struct ks_engine {
	struct ks_tables tables;
	struct ks_table_shape shape;
	struct ks_table_counts counts;
	struct ks_bucket *buckets;
	size_t mapped;
	__u64 now;
	__u64 swept; /* when the table was last swept */
	__u64 swept_created; /* flows made until then */
	ks_event_fn *event_fn;
	void *event_arg;
	const struct ks_world *world; /* NULL: what the policy says of it */
	const struct ks_frame *frame; /* the one being inspected */
	__u8 *output; /* what it becomes, if it is changed */
	__u32 output_len, output_room;
	bool changed;
	struct ks_held *held; /* fragments that wait */
	__u64 random;
	struct listener {
		__u8 proto;
		__u16 port;
	} listeners[KS_ENGINE_LISTEN_MAX];
	unsigned listener_count;
	struct ks_count reasons[KS_REASON_MAX];
	struct ks_rule_count *rules; /* KS_RULE_ID_MAX of them */
};

static struct ks_engine *engine_of(struct ks_env *env)
{
	return (struct ks_engine *)env;
}

static struct ks_env *env_of(struct ks_engine *engine)
{
	return (struct ks_env *)engine;
}

struct ks_env *env_isolated(struct ks_env *env)
{
	return env;
}

const struct ks_config *env_config(struct ks_env *env)
{
	return engine_of(env)->tables.config;
}

const struct ks_rule *env_rule(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &engine_of(env)->tables;

	return index < KS_MAX(t->config->rules, t->config->entries) ? &t->rules[index] : NULL;
}

const struct ks_set *env_set(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &engine_of(env)->tables;

	return index < t->config->sets ? &t->sets[index] : NULL;
}

const struct ks_range *env_range(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &engine_of(env)->tables;

	return index < t->config->ranges ? &t->ranges[index] : NULL;
}

const struct ks_target *env_target(struct ks_env *env, __u32 index)
{
	const struct ks_tables *t = &engine_of(env)->tables;

	return index < t->config->targets ? &t->targets[index] : NULL;
}

const struct ks_table_shape *env_table_shape(struct ks_env *env)
{
	return &engine_of(env)->shape;
}

struct ks_table_counts *env_table_counts(struct ks_env *env)
{
	return &engine_of(env)->counts;
}

struct ks_bucket *env_bucket(struct ks_env *env, __u32 index)
{
	struct ks_engine *engine = engine_of(env);

	return index < engine->shape.buckets ? &engine->buckets[index] : NULL;
}

/* Whoever offers a frame natively knows where it goes, and the policy where its translated destinations are. */
__u32 env_zone_to(struct ks_env *env, const struct ks_tuple *tuple, __u32 hint)
{
	const struct ks_engine *engine = engine_of(env);

	if (engine->world)
		return engine->world->zone_to(tuple, engine->frame->from, engine->world->arg);
	return hint == KS_ZONE_UNKNOWN ? KS_ZONE_NONE : hint;
}

__u32 env_broadcast(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_engine *engine = engine_of(env);

	if (engine->world)
		return engine->world->broadcast(tuple, from, engine->world->arg);
	return ks_network_broadcast(engine->tables.config, tuple, from);
}

/* What is sent leaves where the caller says, if he does. */
__u64 env_other_zones(struct ks_env *env, const struct ks_tuple *tuple, __u32 to)
{
	const struct ks_engine *engine = engine_of(env);

	if (!engine->world || engine->frame->to != KS_ZONE_UNKNOWN)
		return 0;
	return engine->world->other_zones(tuple, engine->frame->from, engine->world->arg);
}

bool env_source_is_near(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_world *world = engine_of(env)->world;

	return !world || world->source_is_near(tuple, from, world->arg);
}

bool env_leaves_as(struct ks_env *env, const struct ks_addr *addr, __u8 family)
{
	return true;
}

bool env_zones_are_one(struct ks_env *env, __u32 a, __u32 b)
{
	const struct ks_world *world = engine_of(env)->world;

	return world && world->zones_are_one(a, b, world->arg);
}

bool env_send_back(struct ks_env *env, __u32 zone, const struct ks_addr *as, __u8 family)
{
	const struct ks_world *world = engine_of(env)->world;

	return world && world->send_back(zone, world->arg);
}

/* The policy's networks stand for the routes where nobody knows these. */
bool env_source_is_at_home(struct ks_env *env, const struct ks_tuple *tuple, __u32 from, bool by_route)
{
	const struct ks_engine *engine = engine_of(env);

	if (engine->world)
		return engine->world->source_is_at_home(tuple, from, engine->frame->to, by_route, engine->world->arg);
	return ks_network_is_home(engine->tables.config, tuple, from, by_route);
}

bool env_address_of(struct ks_env *env, enum ks_dir side, __u32 zone, __u8 family, struct ks_addr *addr)
{
	const struct ks_engine *engine = engine_of(env);

	if (engine->world)
		return engine->world->address_of(zone, family, addr, engine->world->arg);
	*addr = engine->tables.config->address[zone & (KS_ZONE_MAX - 1)][family == KS_IPV6];
	return addr->d[0] || addr->d[1];
}

/* There are no sockets here but those that the caller told of. */
bool env_port_is_used(struct ks_env *env, const struct ks_tuple *tuple)
{
	const struct ks_engine *engine = engine_of(env);

	for (unsigned i = 0; i < engine->listener_count; i++) {
		const struct listener *listener = &engine->listeners[i];

		if (listener->proto == tuple->proto && listener->port == ks_be16(tuple->dport))
			return true;
	}
	return false;
}

/* Seeded by the table's secret; a test may set it. */
__u32 env_random(struct ks_env *env)
{
	return ks_random_step(&engine_of(env)->random);
}

void ks_engine_set_random(struct ks_engine *engine, __u64 seed)
{
	engine->random = seed ? seed : 1;
}

void ks_engine_set_key(struct ks_engine *engine, const __u64 key[2])
{
	engine->shape.key[0] = key[0];
	engine->shape.key[1] = key[1];
}

bool env_packet_read(struct ks_env *env, __u32 off, void *to, __u32 len)
{
	const struct ks_engine *engine = engine_of(env);
	const __u8 *data = engine->changed ? engine->output : engine->frame->data;
	__u32 size = engine->changed ? engine->output_len : engine->frame->captured;

	if (off > size || len > size - off)
		return false;
	memcpy(to, data + off, len);
	return true;
}

/* The frame is the caller's; changes are made to a copy. */
static bool output_begin(struct ks_engine *engine, __u32 room)
{
	__u32 size = engine->changed ? engine->output_len : engine->frame->captured;
	__u8 *data;

	if (size + room > engine->output_room) {
		data = realloc(engine->output, size + room + KS_HEAD_SIZE);
		if (!data)
			return false;
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
	struct ks_engine *engine = engine_of(env);

	if (!output_begin(engine, 0) || off > engine->output_len || len > engine->output_len - off)
		return false;
	memcpy(engine->output + off, from, len);
	return true;
}

bool env_packet_resize(struct ks_env *env, __u32 off, __s32 delta)
{
	struct ks_engine *engine = engine_of(env);
	__u32 from = delta < 0 ? off - delta : off;

	if (!output_begin(engine, delta > 0 ? delta : 0) || from > engine->output_len)
		return false;
	memmove(engine->output + from + delta, engine->output + from, engine->output_len - from);
	engine->output_len += delta;
	return true;
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

bool env_checksum_ok(struct ks_env *env, const struct ks_packet *pkt)
{
	return ks_checksum_is_right(engine_of(env)->frame, pkt);
}

bool env_fragment_hold(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	struct ks_engine *engine = engine_of(env);

	return ks_held_add(engine->held, engine->frame, hash, engine->now);
}

bool env_fragment_release(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	ks_held_release(engine_of(env)->held, hash);
	return true;
}

void env_fragment_forget(struct ks_env *env, __u64 hash)
{
	ks_held_forget(engine_of(env)->held, hash);
}

void env_count_reason(struct ks_env *env, __u32 reason, __u32 bytes)
{
	struct ks_count *count = &engine_of(env)->reasons[reason];

	count->packets++;
	count->bytes += bytes;
}

void env_count_match(struct ks_env *env, __u32 rule)
{
	if (rule < KS_RULE_ID_MAX)
		engine_of(env)->rules[rule].matches++;
}

void env_count_flow(struct ks_env *env, const struct ks_flow *flow)
{
	struct ks_rule_count *count;

	count = &engine_of(env)->rules[flow->rule];
	count->packets += ks_flow_packets(flow, 0) + ks_flow_packets(flow, 1);
	count->bytes += ks_flow_bytes(flow, 0) + ks_flow_bytes(flow, 1);
}

void env_event(struct ks_env *env, const struct ks_inspection *insp)
{
	struct ks_engine *engine = engine_of(env);
	struct ks_event event;

	if (!engine->event_fn)
		return;
	ks_event_make(insp, &event);
	engine->event_fn(&event, engine->event_arg);
}

static int table_create(struct ks_engine *engine, __u32 flows)
{
	size_t size;
	void *memory;

	engine->shape.buckets = ks_table_buckets(flows);
	size = (size_t)engine->shape.buckets * sizeof(struct ks_bucket);
	size = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	madvise(memory, size, MADV_HUGEPAGE);
	engine->buckets = memory;
	engine->mapped = size;
	if (getrandom(engine->shape.key, sizeof(engine->shape.key), 0) != sizeof(engine->shape.key))
		return -errno;
	engine->random = engine->shape.key[0] | 1;
	return 0;
}

int ks_engine_create(const struct ks_tables *tables, struct ks_engine **engine)
{
	struct ks_engine *new;
	int err;

	if (tables->config->limit_states < KS_LIMIT_STATES_MIN || tables->config->limit_states > KS_LIMIT_STATES_MAX)
		return -EINVAL;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->tables = *tables;
	new->rules = calloc(KS_RULE_ID_MAX, sizeof(*new->rules));
	new->held = ks_held_create();
	err = !new->rules || !new->held ? -ENOMEM : table_create(new, ks_table_entries(tables->config));
	if (err) {
		ks_engine_destroy(new);
		return err;
	}
	*engine = new;
	return 0;
}

void ks_engine_destroy(struct ks_engine *engine)
{
	if (!engine)
		return;
	if (engine->buckets)
		munmap(engine->buckets, engine->mapped);
	free(engine->rules);
	free(engine->output);
	ks_held_destroy(engine->held);
	free(engine);
}

void ks_engine_set_tables(struct ks_engine *engine, const struct ks_tables *tables)
{
	engine->tables = *tables;
}

void ks_engine_set_world(struct ks_engine *engine, const struct ks_world *world)
{
	engine->world = world;
}

const struct ks_world *ks_engine_world(const struct ks_engine *engine)
{
	return engine->world;
}

static bool sweep_is_due(const struct ks_engine *engine)
{
	__u64 elapsed = engine->now - engine->swept;
	__u32 enough = KS_MIN(engine->shape.buckets / SWEEP_BUCKETS_A_FLOW,
			      engine->tables.config->limit_half_open / SWEEP_HALF_OPEN_SHARE);

	if (!engine->counts.flows || elapsed < SWEEP_INTERVAL)
		return false;
	return engine->counts.created - engine->swept_created >= enough || elapsed >= SWEEP_LATEST;
}

void ks_engine_set_time(struct ks_engine *engine, __u64 now)
{
	/* Never so far at once that the age of a flow could wrap. */
	while (engine->counts.flows && now > engine->now && now - engine->now > LEAP_MAX) {
		engine->now += LEAP_MAX;
		ks_engine_sweep(engine);
	}
	if (now <= engine->now)
		return;
	engine->now = now;
	if (sweep_is_due(engine))
		ks_engine_sweep(engine);
}

__u64 ks_engine_time(const struct ks_engine *engine)
{
	return engine->now;
}

void ks_engine_on_event(struct ks_engine *engine, ks_event_fn *fn, void *arg)
{
	engine->event_fn = fn;
	engine->event_arg = arg;
}

/* What the core wants to know of a frame before it begins. */
static void frame_offer(struct ks_engine *engine, const struct ks_frame *frame, bool dry, struct ks_inspection *insp)
{
	insp->home.now = engine->now;
	insp->home.from = frame->from;
	insp->home.to = frame->to;
	insp->home.dry = dry;
	insp->home.resumed = 0;
	insp->home.halves = KS_TRANSLATE_BOTH;
	insp->pkt.wire_len = KS_MAX(frame->length, frame->captured);
	insp->pkt.head_len = KS_MIN(frame->captured, KS_HEAD_MAX);
	insp->pkt.link = frame->link;
	insp->pkt.flags = frame->captured < frame->length ? KS_PKT_SNAPPED : 0;
	engine->frame = frame;
	engine->changed = false;
}

__u32 ks_engine_inspect(struct ks_engine *engine, const struct ks_frame *frame, bool dry, struct ks_inspection *insp)
{
	frame_offer(engine, frame, dry, insp);
	return ks_inspect(env_of(engine), insp, frame->data);
}

const struct ks_frame *ks_engine_resume(struct ks_engine *engine, struct ks_inspection *insp)
{
	const struct ks_frame *frame = ks_held_take(engine->held);

	if (!frame)
		return NULL;
	frame_offer(engine, frame, false, insp);
	insp->home.resumed = 1;
	ks_inspect(env_of(engine), insp, frame->data);
	return frame;
}

const __u8 *ks_engine_output(const struct ks_engine *engine, __u32 *length)
{
	*length = engine->changed ? engine->output_len : engine->frame->captured;
	return engine->changed ? engine->output : engine->frame->data;
}

/* Fetches the line of tags of a bucket. */
static void prefetch_tags(const struct ks_engine *engine, __u64 hash, __u32 n)
{
	__builtin_prefetch(&engine->buckets[ks_table_bucket(&engine->shape, hash, n)]);
}

/* Fetches the two lines of the flow whose tag fits; writes follow. Returns whether there is one. */
static bool prefetch_flow(const struct ks_engine *engine, __u64 hash, __u32 n)
{
	const struct ks_bucket *bucket = &engine->buckets[ks_table_bucket(&engine->shape, hash, n)];
	__u16 tag = ks_table_tag(hash);

	for (__u32 k = 0; k < KS_BUCKET_SLOTS; k++) {
		__u32 i = ks_table_slot(hash, k);

		if (bucket->tag[i] != tag)
			continue;
		__builtin_prefetch(&bucket->slot[i].key, 1);
		__builtin_prefetch(&bucket->slot[i].flow.volume, 1);
		return true;
	}
	return false;
}

void ks_engine_inspect_burst(struct ks_engine *engine, const struct ks_frame *frames, unsigned count, bool dry,
			     struct ks_inspection *insp)
{
	for (unsigned i = 0; i < count; i++) {
		frame_offer(engine, &frames[i], dry, &insp[i]);
		ks_inspect_begin(env_of(engine), &insp[i], frames[i].data);
		if (insp[i].stage == KS_STAGE_FIND)
			prefetch_tags(engine, insp[i].flow.hash, 0);
	}
	for (unsigned i = 0; i < count; i++) {
		if (insp[i].stage == KS_STAGE_FIND && !prefetch_flow(engine, insp[i].flow.hash, 0))
			prefetch_tags(engine, insp[i].flow.hash, 1);
	}
	for (unsigned i = 0; i < count; i++) {
		engine->frame = &frames[i];
		engine->changed = false;
		ks_inspect_finish(env_of(engine), &insp[i], frames[i].data);
	}
}

struct ks_env *ks_engine_env(struct ks_engine *engine)
{
	return env_of(engine);
}

int ks_engine_each_flow(struct ks_engine *engine,
			int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg)
{
	for (__u32 b = 0; b < engine->shape.buckets; b++) {
		for (__u32 s = 0; s < KS_BUCKET_SLOTS; s++) {
			const struct ks_slot *slot = &engine->buckets[b].slot[s];
			int err;

			if (!ks_flow_is_shown(&slot->key, &slot->flow) || ks_flow_is_expired(&slot->flow, engine->now))
				continue;
			err = fn(&slot->key, &slot->flow, arg);
			if (err)
				return err;
		}
	}
	return 0;
}

int ks_engine_each_entry(struct ks_engine *engine,
			 int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg)
{
	return ks_entries_each(engine->buckets, engine->shape.buckets, engine->now, fn, arg);
}

int ks_engine_listen(struct ks_engine *engine, __u8 proto, __u16 port)
{
	if (engine->listener_count == KS_ENGINE_LISTEN_MAX)
		return -ENOSPC;
	engine->listeners[engine->listener_count++] = (struct listener){ .proto = proto, .port = port };
	return 0;
}

int ks_engine_add_flow(struct ks_engine *engine, const struct ks_flow_key *key, const struct ks_flow *flow)
{
	struct ks_inspection insp = { .home.now = engine->now,
				      .flow.clock = ks_flow_clock(engine->now),
				      .flow.key = *key };
	__u32 reason;

	ks_table_hash(env_of(engine), &insp.flow);
	ks_table_find(env_of(engine), &insp.flow);
	if (insp.flow.found)
		return -EEXIST;
	insp.flow.after = *flow;
	reason = ks_table_insert(env_of(engine), &insp.flow);
	return reason == KS_REASON_OK_NEW ? 0 : -ENOSPC;
}

unsigned ks_engine_sweep(struct ks_engine *engine)
{
	unsigned freed = 0;

	for (__u32 b = 0; b < engine->shape.buckets; b++)
		freed += ks_table_sweep(env_of(engine), b, engine->now);
	engine->swept = engine->now;
	engine->swept_created = engine->counts.created;
	return freed;
}

const struct ks_count *ks_engine_reasons(const struct ks_engine *engine)
{
	return engine->reasons;
}

const struct ks_rule_count *ks_engine_rule_count(const struct ks_engine *engine, __u32 rule)
{
	return rule < KS_RULE_ID_MAX ? &engine->rules[rule] : NULL;
}

const struct ks_table_counts *ks_engine_counts(const struct ks_engine *engine)
{
	return &engine->counts;
}
