// SPDX-License-Identifier: BSD-2-Clause
/*
 * An engine's life, its clock and its callers; see engine.h. The table is an
 * anonymous mapping, on huge pages where the system has them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <sys/mman.h>
#include <sys/random.h>

#include "core/members.h"
#include "core/overload.h"
#include "engine/entries.h"
#include "engine/internal.h"
#include "engine/seats.h"
#include "policy/policy.h"
#include "text/scoped.h"

#define HUGE_PAGE (2UL << 20)

/*
 * Dead flows are swept when the clock has moved on by SWEEP_INTERVAL and enough
 * flows were made since for a walk over the table to be worth it, or after
 * SWEEP_LATEST. So a quiet week is replayed in a moment.
 */
#define SWEEP_INTERVAL (60 * KS_NSEC_PER_SEC)
#define SWEEP_LATEST (3600 * KS_NSEC_PER_SEC)
#define SWEEP_BUCKETS_A_FLOW 32
#define SWEEP_HALF_OPEN_SHARE 8 /* dead half-open connections may hold this part of their budget */
#define LEAP_MAX (24 * 3600 * KS_NSEC_PER_SEC) /* of the clock between two sweeps: the age of a flow must not wrap */

static int table_create(struct ks_engine *engine, __u32 flows)
{
	size_t size, sets;
	void *memory;

	engine->shape.buckets = ks_table_buckets(flows);
	engine->length = ks_table_length(engine->shape.buckets);
	sets = (size_t)engine->length * sizeof(struct ks_bucket); /* they begin there, on a cache line of their own */
	size = sets + KS_CHALLENGE_SETS * sizeof(struct ks_challenge_set);
	size = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	madvise(memory, size, MADV_HUGEPAGE);
	engine->buckets = memory;
	engine->challenge_sets = (struct ks_challenge_set *)((char *)memory + sets);
	engine->mapped = size;
	if (getrandom(engine->shape.key, sizeof(engine->shape.key), 0) != sizeof(engine->shape.key))
		return -errno;
	engine->random = engine->shape.key[0] | 1;
	return 0;
}

static int table_share(struct ks_engine *engine, const struct ks_table_memory *memory)
{
	engine->counts = memory->counts;
	engine->budgets = memory->budgets;
	engine->shape = memory->shape;
	engine->length = ks_table_length(memory->shape.buckets);
	engine->buckets = memory->buckets;
	engine->challenge_sets = memory->challenge_sets;
	if (memory->challenges)
		engine->challenges = memory->challenges;
	engine->now = memory->now;
	engine->swept = memory->now;
	return getrandom(&engine->random, sizeof(engine->random), 0) == sizeof(engine->random) ? 0 : -errno;
}

/* Makes an engine on the table in `memory`, or on one of its own (NULL). */
static int engine_create(const struct ks_tables *tables, const struct ks_table_memory *memory,
			 struct ks_engine **engine)
{
	ks_auto_engine struct ks_engine *made = NULL;
	int err;

	if (tables->config->limit_states < KS_LIMIT_STATES_MIN || tables->config->limit_states > KS_LIMIT_STATES_MAX)
		return -EINVAL;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->tables = *tables;
	made->counts = &made->own_counts;
	made->budgets = made->own_budgets;
	made->challenges = &made->own_challenges;
	made->rules = calloc(KS_RULE_ID_MAX, sizeof(*made->rules));
	made->zones = calloc(KS_ZONE_PAIRS, sizeof(*made->zones));
	made->established = calloc(KS_FLOW_PAIRS, sizeof(*made->established));
	made->shown = calloc(KS_REASON_MAX, sizeof(*made->shown));
	if (!made->rules || !made->zones || !made->established || !made->shown)
		return -ENOMEM;
	err = ks_held_pool_create(&made->held);
	if (!err)
		err = memory ? table_share(made, memory) : table_create(made, ks_table_entries(tables->config));
	if (err)
		return err;
	*engine = TAKE(made);
	return 0;
}

int ks_engine_create(const struct ks_tables *tables, struct ks_engine **engine)
{
	return engine_create(tables, NULL, engine);
}

int ks_engine_create_beside(const struct ks_engine *owner, const struct ks_tables *tables, struct ks_engine **engine)
{
	const struct ks_table_memory memory = { .buckets = owner->buckets,
						.shape = owner->shape,
						.counts = owner->counts,
						.budgets = owner->budgets,
						.challenges = owner->challenges,
						.challenge_sets = owner->challenge_sets,
						.now = owner->now };

	return engine_create(tables, &memory, engine);
}

int ks_engine_create_on(const struct ks_table_memory *memory, const struct ks_tables *tables, struct ks_engine **engine)
{
	return engine_create(tables, memory, engine);
}

void ks_engine_destroy(struct ks_engine *engine)
{
	if (!engine)
		return;
	if (engine->mapped)
		munmap(engine->buckets, engine->mapped);
	free(engine->rules);
	free(engine->zones);
	free(engine->established);
	free(engine->shown);
	free(engine->output);
	ks_held_pool_destroy(engine->held);
	free(engine);
}

struct ks_tables ks_policy_tables(const struct ks_policy *policy)
{
	return (struct ks_tables){
		.config = &policy->config,
		.rules = policy->rules,
		.sets = policy->sets,
		.ranges = policy->ranges,
		.targets = policy->targets,
		.limits = policy->limits,
		.tree = policy->tree,
		.conditions = policy->conditions,
		.effects = policy->effects,
		.calendars = policy->calendars,
	};
}

void ks_engine_set_tables(struct ks_engine *engine, const struct ks_tables *tables)
{
	bool differ = ks_seats_differ(engine->tables.config, tables->config);

	engine->tables = *tables;
	engine->schedules_known = 0;
	if (differ && ks_engine_seat_all(engine))
		engine->error = -ENOMEM;
}

void ks_engine_set_world(struct ks_engine *engine, const struct ks_world *world)
{
	engine->world = world;
}

const struct ks_world *ks_engine_world(const struct ks_engine *engine)
{
	return engine->world;
}

void ks_engine_settle(struct ks_engine *engine, __u64 since)
{
	engine->settling.since = since;
}

const struct ks_settling *ks_engine_settling(const struct ks_engine *engine)
{
	return &engine->settling;
}

void ks_engine_challenge_nobody(struct ks_engine *engine)
{
	engine->challenges = NULL;
}

void ks_engine_remember(struct ks_engine *engine, const struct ks_remembered *what)
{
	memcpy(engine->challenge_sets, what->challenged, KS_CHALLENGE_SETS * sizeof(*what->challenged));
	memcpy(engine->ended, what->ended, sizeof(engine->ended));
	memcpy(engine->floods, what->floods, sizeof(engine->floods));
	memcpy(engine->scans, what->scans, sizeof(engine->scans));
}

const struct ks_challenges *ks_engine_challenges(const struct ks_engine *engine)
{
	return engine->challenges;
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

static bool sweep_is_due(const struct ks_engine *engine)
{
	__u64 elapsed = engine->now - engine->swept;
	__u32 enough = KS_MIN(engine->shape.buckets / SWEEP_BUCKETS_A_FLOW,
			      engine->tables.config->limit_half_open / SWEEP_HALF_OPEN_SHARE);

	if (!ks_load_relaxed(&engine->counts->flows) || elapsed < SWEEP_INTERVAL)
		return false;
	return ks_load_relaxed(&engine->counts->created) - engine->swept_created >= enough || elapsed >= SWEEP_LATEST;
}

void ks_engine_set_time(struct ks_engine *engine, __u64 now)
{
	while (ks_load_relaxed(&engine->counts->flows) && now > engine->now && now - engine->now > LEAP_MAX) {
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

/* Fills in the facts that the core expects of a home before it inspects a frame (core/inspection.h). */
static void frame_offer(struct ks_engine *engine, const struct ks_frame *frame, bool dry, struct ks_inspection *insp)
{
	__u32 captured = frame->captured, length = frame->length; /* before anything is stored that may be the frame */
	__u8 from = frame->from, to = frame->to, link = frame->link;

	insp->home.now = engine->now;
	insp->home.from = from;
	insp->home.to = to;
	insp->home.dry = dry;
	insp->home.halves = KS_TRANSLATE_BOTH;
	insp->home.resumed = 0;
	insp->home.hops = 0;
	insp->home.segments = 0;
	insp->pkt.wire_len = KS_MAX(length, captured);
	insp->pkt.head_len = KS_MIN(captured, KS_HEAD_MAX);
	insp->pkt.link = link;
	insp->pkt.flags = captured < length ? KS_PKT_SNAPPED : 0;
	insp->flow.ref.bucket = engine->length; /* nobody has looked */
	engine->frame = frame;
	engine->changed = false;
}

__u32 ks_engine_inspect(struct ks_engine *engine, const struct ks_frame *frame, bool dry, struct ks_inspection *insp)
{
	frame_offer(engine, frame, dry, insp);
	return ks_inspect(ks_engine_env(engine), insp, frame->data);
}

const struct ks_frame *ks_engine_resume(struct ks_engine *engine, struct ks_inspection *insp)
{
	const struct ks_frame *frame = ks_held_pool_take(engine->held);

	if (!frame)
		return NULL;
	frame_offer(engine, frame, false, insp);
	insp->home.resumed = 1;
	ks_inspect(ks_engine_env(engine), insp, frame->data);
	return frame;
}

__u64 ks_engine_reported(const struct ks_engine *engine)
{
	return engine->reported;
}

bool ks_engine_holds(const struct ks_engine *engine, __u64 tag)
{
	return ks_held_pool_has(engine->held, tag);
}

const __u8 *ks_engine_output(const struct ks_engine *engine, __u32 *length)
{
	*length = engine->changed ? engine->output_len : engine->frame->captured;
	return engine->changed ? engine->output : engine->frame->data;
}

/* Where a packet's flow is looked for, and where it lies, or will. */
struct place {
	const struct ks_tags *tags; /* of the bucket; NULL: the packet is not looked for */
	__u32 index; /* of the bucket */
	const struct ks_slot *slot; /* NULL: not known */
	const struct ks_bucket *claimed; /* by an insert; NULL: the flow is in the table */
};

/* Fetches the tags of the first (n = 0) or second bucket of a hash. */
static ks_inline void place_begin(const struct ks_engine *engine, __u64 hash, __u32 n, struct place *place)
{
	place->index = ks_table_bucket(&engine->shape, hash, n);
	place->tags = ks_tags_of(engine->buckets, engine->shape.buckets, place->index);
	__builtin_prefetch(place->tags);
}

static ks_inline void slot_prefetch(const struct ks_slot *slot)
{
	__builtin_prefetch(&slot->key, 1);
	__builtin_prefetch(&slot->flow.volume, 1);
}

/*
 * Returns a slot of the bucket whose tag is this one, or KS_BUCKET_SLOTS. All are compared at once where a CPU can: which one it is,
 * no CPU foresees.
 */
static ks_inline __u32 tag_find(const struct ks_tags *tags, __u16 tag)
{
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
	__m128i same = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)tags), _mm_set1_epi16((short)tag));
	unsigned mask = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(same, same));

	return mask ? (__u32)__builtin_ctz(mask) : KS_BUCKET_SLOTS;
#else
	__u32 i = 0;

	while (i < KS_BUCKET_SLOTS && ks_load_hint(&tags->tag[i]) != tag)
		i++;
	return i;
#endif
}

/* Fetches the two lines of the slot whose tag fits, to be written, and says which that is. Returns false if no tag does. */
static ks_inline bool place_find(const struct ks_engine *engine, __u64 hash, struct place *place,
				 struct ks_flow_ref *ref)
{
	__u32 i = tag_find(place->tags, ks_table_tag(hash));

	if (i == KS_BUCKET_SLOTS)
		return false;
	place->slot = &engine->buckets[place->index].slot[i];
	slot_prefetch(place->slot);
	ref->bucket = place->index;
	ref->slot = i;
	return true;
}

/* Of a flow that is new: the line with the claim of its first bucket, and the slot that it will get there, if one is free. */
static ks_inline void room_find(const struct ks_engine *engine, __u64 hash, struct place *place)
{
	place_begin(engine, hash, 0, place);
	place->claimed = &engine->buckets[place->index];
	__builtin_prefetch(&place->claimed->claim, 1);
	for (__u32 k = 0; k < KS_BUCKET_SLOTS; k++) {
		__u32 i = ks_table_slot(hash, k);

		if (ks_load_hint(&place->tags->tag[i]))
			continue;
		place->slot = &place->claimed->slot[i];
		slot_prefetch(place->slot);
		return;
	}
}

/*
 * Finds the flows of a burst, and fetches them. One flow in seven lies in its second bucket, and its packet would wait for memory
 * alone: the tags of these are fetched while the other flows are. One that is in neither is new. What is found is where the flow
 * probably lies (KS_LOOKS_AHEAD): another packet may change that before its own is judged.
 */
static ks_inline void burst_find(const struct ks_engine *engine, struct place *place, unsigned count,
				 struct ks_inspection *insp)
{
	unsigned late[KS_BURST_MAX], n = 0;

	for (unsigned i = 0; i < count; i++) {
		__u64 hash = insp[i].flow.hash;

		if (!place[i].tags || place_find(engine, hash, &place[i], &insp[i].flow.ref))
			continue;
		place_begin(engine, hash, 1, &place[i]);
		late[n++] = i;
	}
	for (unsigned k = 0; k < n; k++) {
		unsigned i = late[k];
		__u64 hash = insp[i].flow.hash;

		if (!place_find(engine, hash, &place[i], &insp[i].flow.ref))
			room_find(engine, hash, &place[i]);
	}
}

/*
 * A CPU drops what it is told to fetch while it waits for too many lines: of a large table that was one flow in four. So each is
 * fetched again some packets before its own; what has come costs a few instructions.
 */
#define FETCH_AHEAD 4

static ks_inline void fetch_again(const struct place *place, unsigned count, unsigned at)
{
	unsigned next = at + FETCH_AHEAD;

	if (next >= count)
		return;
	if (ks_likely(place[next].slot))
		slot_prefetch(place[next].slot);
	if (ks_unlikely(place[next].claimed))
		__builtin_prefetch(&place[next].claimed->claim, 1);
}

/* At most KS_BURST_MAX frames. */
static void burst_inspect(struct ks_engine *engine, const struct ks_frame *frames, unsigned count, bool dry,
			  struct ks_inspection *insp)
{
	struct place place[KS_BURST_MAX];

	for (unsigned i = 0; i < count; i++) {
		frame_offer(engine, &frames[i], dry, &insp[i]);
		ks_inspect_begin(ks_engine_env(engine), &insp[i], frames[i].data);
		place[i].tags = NULL;
		place[i].slot = NULL;
		place[i].claimed = NULL;
		if (insp[i].stage == KS_STAGE_FIND)
			place_begin(engine, insp[i].flow.hash, 0, &place[i]);
	}
	burst_find(engine, place, count, insp);
	for (unsigned i = 0; i < count; i++) {
		fetch_again(place, count, i);
		engine->frame = &frames[i];
		engine->changed = false;
		ks_inspect_finish(ks_engine_env(engine), &insp[i], frames[i].data);
	}
}

void ks_engine_inspect_burst(struct ks_engine *engine, const struct ks_frame *frames, unsigned count, bool dry,
			     struct ks_inspection *insp)
{
	for (unsigned done = 0; done < count; done += KS_BURST_MAX)
		burst_inspect(engine, frames + done, KS_MIN(count - done, KS_BURST_MAX), dry, insp + done);
}

struct ks_env *ks_engine_env(struct ks_engine *engine)
{
	return (struct ks_env *)engine;
}

int ks_engine_each_flow(struct ks_engine *engine,
			int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg)
{
	for (__u32 b = 0; b < engine->shape.buckets; b++) {
		for (__u32 s = 0; s < KS_BUCKET_SLOTS; s++) {
			struct ks_slot slot;
			int err;

			if (!ks_slot_copy(&engine->buckets[b].slot[s], &slot) ||
			    !ks_flow_is_shown(&slot.key, &slot.flow) || ks_flow_is_expired(&slot.flow, engine->now))
				continue;
			err = fn(&slot.key, &slot.flow, arg);
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

void ks_engine_tell_flows(struct ks_engine *engine, ks_engine_tell_fn *tell, void *arg)
{
	engine->tell = tell;
	engine->tell_arg = arg;
}

int ks_engine_listen(struct ks_engine *engine, __u8 proto, __u16 port)
{
	if (engine->listener_count == KS_ENGINE_LISTEN_MAX)
		return -ENOSPC;
	engine->listeners[engine->listener_count++] = (struct ks_listener){ .proto = proto, .port = port };
	return 0;
}

bool ks_engine_has_room(const struct ks_engine *engine)
{
	return ks_load_relaxed(&engine->counts->flows) < engine->tables.config->limit_states;
}

int ks_engine_add_flow(struct ks_engine *engine, const struct ks_flow_key *key, const struct ks_flow *flow)
{
	struct ks_inspection insp = { .home.now = engine->now,
				      .flow.clock = ks_flow_clock(engine->now),
				      .flow.key = *key };
	__u32 reason;

	ks_table_hash(ks_engine_env(engine), &insp.flow);
	ks_table_find(ks_engine_env(engine), &insp.flow);
	if (insp.flow.found)
		return -EEXIST;
	if (!ks_engine_has_room(engine))
		return -ENOSPC;
	insp.flow.after = *flow;
	reason = ks_table_admit(ks_engine_env(engine), &insp.flow);
	return reason == KS_REASON_OK_NEW ? 0 : -ENOSPC;
}

/* Ends the flows of those that limits have put into sets since the last sweep. */
static void flows_end(struct ks_engine *engine)
{
	struct ks_overload_round round = { 0 };
	struct ks_entry e = { .clock = ks_flow_clock(engine->now) };

	for (__u32 i = 0; i < KS_DYNAMIC_MAX; i++) {
		const struct ks_member_page *page = env_member_page(ks_engine_env(engine), i, 0);

		if (page)
			ks_overload_note(&round, i, ks_load_relaxed(&page->head.ending));
	}
	for (__u32 b = 0; round.ending != engine->ending && b < engine->shape.buckets; b++)
		ks_overload_end(ks_engine_env(engine), &e, b, round.sets);
	engine->ending = round.ending;
}

unsigned ks_engine_sweep(struct ks_engine *engine)
{
	unsigned freed = 0;

	for (__u32 b = 0; b < engine->shape.buckets; b++)
		freed += ks_table_sweep(ks_engine_env(engine), b, engine->now);
	flows_end(engine);
	engine->swept = engine->now;
	engine->swept_created = ks_load_relaxed(&engine->counts->created);
	return freed;
}

int ks_engine_error(const struct ks_engine *engine)
{
	return engine->error;
}

const struct ks_count *ks_engine_reasons(const struct ks_engine *engine)
{
	struct ks_count *sum = &engine->shown[KS_REASON_OK_ESTABLISHED];

	memcpy(engine->shown, engine->reasons, sizeof(engine->reasons));
	for (__u32 pair = 0; pair < KS_FLOW_PAIRS; pair++) {
		sum->packets += engine->established[pair].packets;
		sum->bytes += engine->established[pair].bytes;
	}
	return engine->shown;
}

const struct ks_zone_count *ks_engine_zones(const struct ks_engine *engine)
{
	return engine->zones;
}

const struct ks_count *ks_engine_established(const struct ks_engine *engine)
{
	return engine->established;
}

const struct ks_rule_count *ks_engine_rule_count(const struct ks_engine *engine, __u32 rule)
{
	return rule < KS_RULE_ID_MAX ? &engine->rules[rule] : NULL;
}

const struct ks_table_counts *ks_engine_counts(const struct ks_engine *engine)
{
	return engine->counts;
}
