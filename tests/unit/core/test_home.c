// SPDX-License-Identifier: BSD-2-Clause
/* The home of the core for tests; see tests/unit/core/test_home.h. Counters are atomic: the stress test shares one home. */
#include "tests/unit/core/test_home.h"

#include "core/express.h"
#include "core/front.h"
#include "core/nat/alias.h"
#include "core/network.h"
#include "core/table/share.h"

const struct ks_rule test_allow_all = {
	.from_zones = KS_ZONES_ANY,
	.to_zones = KS_ZONES_ANY,
	.id = 1,
	.action = KS_ALLOW,
	.flags = KS_RULE_ANY_PROTO,
};

const struct ks_config *env_config(struct ks_env *env)
{
	return &env->config;
}

const struct ks_rule *env_rule(struct ks_env *env, __u32 index)
{
	return index < env->config.rules ? &env->rules[index] : NULL;
}

const struct ks_target *env_target(struct ks_env *env, __u32 index)
{
	return index < env->config.targets ? &env->targets[index] : NULL;
}

const struct ks_limit *env_limit(struct ks_env *env, __u32 index)
{
	return index < env->config.limits ? &env->limits[index] : NULL;
}

/* The lists of unit tests are short, or walked. */
const struct ks_tree_page *env_tree_page(struct ks_env *env, __u32 index)
{
	return NULL;
}

const struct ks_conditions *env_conditions(struct ks_env *env, __u32 index)
{
	return index < env->config.conditions ? &env->conditions[index] : NULL;
}

__u32 env_mtu(struct ks_env *env, const struct ks_inspection *insp)
{
	return KS_MTU_DEFAULT;
}

void env_mark(struct ks_env *env, const struct ks_inspection *insp)
{
}

const struct ks_effects *env_effects(struct ks_env *env, __u32 rule)
{
	return rule < env->config.effects ? &env->effects[rule] : NULL;
}

/* Known for ever, and closed. */
const struct ks_schedule *env_schedule(struct ks_env *env, __u32 index)
{
	static const struct ks_schedule closed = { .known = ~0ULL };

	(void)env;
	(void)index;
	return &closed;
}

void env_facts(struct ks_env *env, __u32 asks, struct ks_facts *facts)
{
	(void)asks;
	facts->mark = env->mark;
	facts->known |= KS_CONDITIONS_HOME;
}

const struct ks_set *env_set(struct ks_env *env, __u32 index)
{
	return index < env->config.sets ? &env->sets[index] : NULL;
}

const struct ks_range *env_range(struct ks_env *env, __u32 index)
{
	return index < env->config.ranges ? &env->ranges[index] : NULL;
}

const struct ks_table_shape *env_table_shape(struct ks_env *env)
{
	return &env->shape;
}

struct ks_budget *env_budget(struct ks_env *env, __u32 index)
{
	return &env->budgets[index & (KS_BUDGETS - 1)];
}

struct ks_shortage *env_shortage(struct ks_env *env, __u32 index)
{
	return &env->shortages[index & (KS_SHORTAGES - 1)];
}

struct ks_answers *env_answers(struct ks_env *env)
{
	return &env->answers;
}

struct ks_challenges *env_challenges(struct ks_env *env)
{
	return &env->challenges;
}

struct ks_challenge_set *env_challenge_set(struct ks_env *env, __u32 index)
{
	return index < KS_CHALLENGE_SETS ? &env->challenge_sets[index] : NULL;
}

struct ks_ended_set *env_ended_set(struct ks_env *env, __u32 index)
{
	return index < KS_ENDED_SETS ? &env->ended_sets[index] : NULL;
}

struct ks_flood_set *env_flood_set(struct ks_env *env, __u32 index)
{
	return index < KS_FLOOD_SETS ? &env->floods[index] : NULL;
}

struct ks_scan_set *env_scan_set(struct ks_env *env, __u32 index)
{
	return index < KS_SCAN_SETS ? &env->scans[index] : NULL;
}

struct ks_table_counts *env_table_counts(struct ks_env *env)
{
	return &env->counts;
}

struct ks_settling *env_settling(struct ks_env *env)
{
	return NULL;
}

struct ks_member_page *env_member_page(struct ks_env *env, __u32 set, __u32 index)
{
	return !set && index < env->member_pages ? &env->members[index] : NULL;
}

__u64 env_now(struct ks_env *env)
{
	return __atomic_load_n(&env->now, __ATOMIC_RELAXED);
}

struct ks_bucket *env_bucket(struct ks_env *env, __u32 index)
{
	if (env->on_bucket)
		env->on_bucket(env, index);
	return index < ks_table_length(env->shape.buckets) ? &env->buckets[index] : NULL;
}

__u32 env_zone_to(struct ks_env *env, const struct ks_tuple *tuple, __u32 hint)
{
	return hint == KS_ZONE_UNKNOWN ? env->zone_to : hint;
}

__u32 env_broadcast(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	return ks_network_broadcast(&env->config, tuple, from);
}

/* There are no routes here: what is sent leaves where the caller says. */
__u64 env_other_zones(struct ks_env *env, const struct ks_tuple *tuple, __u32 to)
{
	return 0;
}

bool env_source_is_near(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	return true;
}

bool env_leaves_as(struct ks_env *env, const struct ks_addr *addr, __u8 family)
{
	return true;
}

bool env_zones_are_one(struct ks_env *env, __u32 a, __u32 b)
{
	return false;
}

bool env_answers_for_box(struct ks_env *env)
{
	return false;
}

bool env_send_back(struct ks_env *env, __u32 zone, const struct ks_addr *as, __u8 family)
{
	return false;
}

bool env_source_is_at_home(struct ks_env *env, const struct ks_tuple *tuple, __u32 from, bool by_route)
{
	return ks_network_is_home(&env->config, tuple, from, by_route);
}

bool env_address_of(struct ks_env *env, enum ks_dir side, __u32 zone, __u8 family, struct ks_addr *addr)
{
	*addr = env->config.address[zone & (KS_ZONE_MAX - 1)][family == KS_IPV6];
	return addr->d[0] || addr->d[1];
}

bool env_port_is_used(struct ks_env *env, const struct ks_tuple *tuple)
{
	return env->used_port && tuple->dport == ks_be16(env->used_port);
}

__u32 env_random(struct ks_env *env)
{
	return env->random = env->random * 1664525 + 1013904223;
}

bool env_packet_read(struct ks_env *env, __u32 off, void *to, __u32 len)
{
	if (!env->frame || off + len > env->frame->len)
		return false;
	memcpy(to, env->frame->data + off, len);
	return true;
}

bool env_packet_write(struct ks_env *env, __u32 off, const void *from, __u32 len)
{
	if (!env->frame || off + len > env->frame->len)
		return false;
	memcpy(env->frame->data + off, from, len);
	return true;
}

bool env_packet_resize(struct ks_env *env, __u32 off, __s32 delta)
{
	struct frame *f = env->frame;
	__u32 from = delta < 0 ? off - (__u32)delta : off;

	if (!f || from > f->len || f->len + (__u32)delta > sizeof(f->data))
		return false;
	memmove(f->data + from + delta, f->data + from, f->len - from);
	f->len += (__u32)delta;
	return true;
}

__u8 *env_transcript(struct ks_env *env)
{
	return env->transcript;
}

bool env_checksum_add(struct ks_env *env, __u32 off, __u32 diff, bool pseudo, bool udp)
{
	__u16 old;

	if (!env_packet_read(env, off, &old, sizeof(old)))
		return false;
	if (udp && !old)
		return true;
	old = ks_checksum_apply(old, diff);
	if (udp && !old)
		old = 0xffff;
	return env_packet_write(env, off, &old, sizeof(old));
}

bool env_checksum_ok(struct ks_env *env, const __u8 *head, const struct ks_packet *pkt)
{
	return env->checksum_ok;
}

bool env_fragment_hold(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	if (env->held_count == TEST_HELD)
		return false;
	env->held[env->held_count++] = hash;
	return true;
}

static __u32 held_take(struct ks_env *env, __u64 hash)
{
	__u32 taken = 0, left = 0;

	for (__u32 i = 0; i < env->held_count; i++) {
		if (env->held[i] == hash)
			taken++;
		else
			env->held[left++] = env->held[i];
	}
	env->held_count = left;
	return taken;
}

bool env_fragment_release(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	env->released += held_take(env, hash);
	return true;
}

void env_fragment_forget(struct ks_env *env, __u64 hash)
{
	env->forgotten += held_take(env, hash);
}

void env_count_reason(struct ks_env *env, __u32 reason, __u32 bytes)
{
	assert_true(reason < KS_REASON_MAX);
	__atomic_fetch_add(&env->reasons[reason], 1, __ATOMIC_RELAXED);
}

void env_count_zones(struct ks_env *env, __u32 pair, __u32 fate, __u32 bytes)
{
	assert_true(pair < KS_ZONE_PAIRS && fate < KS_FATES);
}

void env_count_established(struct ks_env *env, __u32 pair, __u32 bytes)
{
	assert_true(pair < KS_FLOW_PAIRS);
	env_count_reason(env, KS_REASON_OK_ESTABLISHED, bytes);
}

void env_count_match(struct ks_env *env, __u32 rule)
{
	assert_true(rule < TEST_RULES);
	__atomic_fetch_add(&env->matches[rule], 1, __ATOMIC_RELAXED);
}

void env_count_flow(struct ks_env *env, const struct ks_flow *flow)
{
	__atomic_fetch_add(&env->ended, 1, __ATOMIC_RELAXED);
}

void env_event(struct ks_env *env, const struct ks_inspection *insp)
{
	__atomic_fetch_add(&env->events, 1, __ATOMIC_RELAXED);
}

__u32 env_asked(struct ks_env *env)
{
	return env->nobody_asks ? 0 : (1U << KS_EVENT_KINDS) - 1;
}

struct ks_flow_event *env_flow_event(struct ks_env *env)
{
	static _Thread_local struct ks_flow_event event;

	return &event;
}

void env_flow_event_send(struct ks_env *env, struct ks_flow_event *event)
{
	assert_true(event->kind < KS_EVENT_KINDS && event->why < KS_END_MAX);
	event->time = env->now;
	__atomic_fetch_add(&env->told[event->kind], 1, __ATOMIC_RELAXED);
	if (event->kind == KS_EVENT_END)
		__atomic_fetch_add(&env->ends[event->why], 1, __ATOMIC_RELAXED);
	if (!env->is_shared)
		env->told_last = *event;
}

struct ks_env *test_env_create(__u32 buckets)
{
	struct ks_env *env = calloc(1, sizeof(*env));

	assert_non_null(env);
	env->buckets = aligned_alloc(64, ks_table_length(buckets) * sizeof(struct ks_bucket));
	assert_non_null(env->buckets);
	memset(env->buckets, 0, ks_table_length(buckets) * sizeof(struct ks_bucket));
	env->shape =
		(struct ks_table_shape){ .key = { 0x0123456789abcdefULL, 0xfedcba9876543210ULL }, .buckets = buckets };
	env->config.limit_states = buckets * KS_BUCKET_SLOTS;
	env->config.limit_half_open = buckets * KS_BUCKET_SLOTS;
	env->config.limit_answers = env->config.limit_answers_source = KS_LIMIT_ANSWERS_MAX;
#define X(state, seconds) env->config.timeout[KS_STATE_##state] = (seconds) * KS_MSEC_PER_SEC;
	KS_TIMEOUT_DEFAULTS(X)
#undef X
	env->zone_to = KS_ZONE_NONE;
	env->checksum_ok = true;
	return env;
}

void test_env_translate(struct ks_env *env, struct ks_rule rules[2], const struct ks_target *target)
{
	rules[0] = rules[1] = test_allow_all;
	rules[1].id = 2;
	rules[1].from_zones = 1ULL << ZONE_LAN;
	rules[1].targets = 1;
	env->rules = rules;
	env->config.rules = 2; /* the first matches all: the second is only found from the source list */
	env->config.entries = 2;
	env->config.list[KS_LIST_SOURCE] = (struct ks_rule_list){ .first = 1, .count = 1 };
	env->targets = target;
	env->config.targets = 1;
	env->config.options |= KS_OPT_NAT;
}

void test_env_destroy(struct ks_env *env)
{
	free(env->buckets);
	free(env);
}

static void share_add(const struct ks_env *env, const struct ks_slot *slot, __u32 *cells)
{
	enum ks_share share = ks_share_of(slot->key.kind, &slot->flow);
	struct ks_share_source source = ks_share_source(&slot->key, ks_share_side(slot->key.kind, &slot->flow));
	__u64 hash = ks_share_hash(&env->shape, &source, share);

	if (share == KS_SHARE_NONE)
		return;
	cells[ks_share_cell(hash, 0)]++;
	cells[ks_share_cell(hash, 1)]++;
	cells[KS_SHARE_SUM] += share == KS_SHARE_HELD;
	cells[KS_SHARE_ZONE + slot->flow.zone[KS_ORIGINAL] % KS_ZONE_MAX] += share == KS_SHARE_HALF_OPEN;
}

void assert_shares(const struct ks_env *env)
{
	__u32 *cells = calloc(KS_BUDGETS, sizeof(*cells));

	assert_non_null(cells);
	for (__u32 n = 0; n < env->shape.buckets * KS_BUCKET_SLOTS; n++)
		share_add(env, &env->buckets[n / KS_BUCKET_SLOTS].slot[n % KS_BUCKET_SLOTS], cells);
	for (__u32 n = 0; n < KS_BUDGETS; n++)
		assert_int_equal(env->budgets[n].entries, cells[n]);
	free(cells);
}

/* The head buffer as a home may leave it: behind the captured bytes there is garbage of an earlier packet, which must never matter. */
static void head_fill(const struct frame *f, __u32 captured, __u8 head[KS_HEAD_SIZE], struct ks_packet *pkt)
{
	memset(head, 0xa5, KS_HEAD_SIZE);
	memcpy(head, f->data, KS_MIN(captured, KS_HEAD_SIZE));
	pkt->wire_len = f->len;
	pkt->head_len = KS_MIN(captured, KS_HEAD_MAX);
	pkt->link = f->link;
	pkt->flags = captured < f->len ? KS_PKT_SNAPPED : 0;
}

static void prepare(const struct frame *f, __u8 from, __u8 to, __u64 now, struct ks_inspection *insp, __u8 *head)
{
	memset(insp, 0xa5, sizeof(*insp));
	insp->home.now = now;
	insp->flow.clock = ks_flow_clock(now);
	insp->home.from = from;
	insp->home.to = to;
	insp->home.halves = KS_TRANSLATE_BOTH;
	insp->home.dry = 0;
	insp->home.resumed = 0;
	insp->home.segments = 0;
	head_fill(f, f->len, head, &insp->pkt);
}

__u32 test_inspect(struct ks_env *env, const struct frame *f, __u8 from, __u8 to, __u64 now, struct ks_inspection *insp)
{
	__u8 head[KS_HEAD_SIZE];

	prepare(f, from, to, now, insp, head);
	return ks_inspect(env, insp, head);
}

/* As a home does before it asks express or the front. */
static void read_and_find(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	ks_inspect_begin(env, insp, head);
	if (insp->stage == KS_STAGE_FIND)
		ks_nat_find(env, insp);
}

bool test_express(struct ks_env *env, const struct frame *f, __u8 from, __u64 now, struct ks_inspection *insp)
{
	__u8 head[KS_HEAD_SIZE];

	prepare(f, from, KS_ZONE_UNKNOWN, now, insp, head);
	read_and_find(env, insp, head);
	return ks_express_judge(env, insp);
}

bool test_front(struct ks_env *env, const struct frame *f, __u8 from, __u8 to, __u64 now, struct ks_inspection *insp)
{
	__u8 head[KS_HEAD_SIZE];

	prepare(f, from, to, now, insp, head);
	read_and_find(env, insp, head);
	return ks_front_refuses(env, insp, head, true) ||
	       (ks_front_may_protect(insp) && ks_front_protects(env, insp, head, true));
}

__u32 test_parse(const struct frame *f, __u32 captured, struct ks_packet *pkt)
{
	__u8 head[KS_HEAD_SIZE];

	assert_true(captured <= f->len);
	memset(pkt, 0xa5, sizeof(*pkt));
	head_fill(f, captured, head, pkt);
	return ks_packet_parse(head, pkt, 0);
}
