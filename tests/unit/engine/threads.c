// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPUs that share one table, whole packets through: threads, each with an engine of its own on one table, open, answer and
 * close the same few connections, translated ones and datagrams in fragments among them, sweep and kill, while another one
 * lists the table and copies it into a second one. At the end every count is that of the slots. Built with
 * ThreadSanitizer (tools/run-tests threads), no access may race that core/home.h does not name.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/table/hash.h"
#include "engine/budgets.h"
#include "engine/engine.h"
#include "engine/entries.h"
#include "engine/internal.h"
#include "engine/table_copy.h"
#include "policy/policy.h"

#define THREADS 4
#define STEPS 30000
#define CLIENTS 12
#define COPY_PASSES 60
#define PORT_FIRST 4000

#define ETH_LEN 14
#define IP_LEN 20
#define TCP_LEN 20
#define UDP_LEN 8
#define DATA_LEN 16
#define FRAME_MAX 128

enum { LAN = KS_ZONE_FIRST, WAN };

#define SERVER 0xc6336401U /* 198.51.100.1 */
#define OUTSIDE 0xcb007101U /* 203.0.113.1: what masquerading translates to */
#define CLIENT(n) (0x0a000000U + 16 + (n)) /* 10.0.0.16 and up */

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/24 }\nzone wan { eth0, address 203.0.113.1 }\n"
				  "allow from lan to wan\nnat from lan to wan masquerade\n"
				  "limit states 64\nlimit half-open 48\n";

static struct ks_policy *policy;
static struct ks_engine *owner;
static unsigned clock_ms; /* moved by all */
static bool over; /* the threads that send are done */
static unsigned passed, strange;

struct frame_spec {
	__u8 proto, flags;
	__u32 src, dst;
	__u16 sport, dport;
	__u32 seq, ack;
	__u16 fragment; /* the IPv4 field: more fragments, and the offset */
	__u16 id;
};

static __u32 random_below(__u64 *seed, __u32 n)
{
	return ks_random_step(seed) % n;
}

static void put16(__u8 *at, __u16 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static void put32(__u8 *at, __u32 value)
{
	put16(at, (__u16)(value >> 16));
	put16(at + 2, (__u16)value);
}

static void ip_checksum(__u8 *ip)
{
	__u32 sum = 0;

	for (unsigned i = 0; i < IP_LEN; i += 2)
		sum += (__u32)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, (__u16) ~(sum + (sum >> 16)));
}

/* Returns the length of the frame. */
static __u32 frame_build(const struct frame_spec *spec, __u8 data[FRAME_MAX])
{
	__u32 upper = spec->proto == 6 ? TCP_LEN : UDP_LEN, length = IP_LEN + upper + DATA_LEN;
	__u8 *ip = data + ETH_LEN, *l4 = ip + IP_LEN;

	memset(data, 0, FRAME_MAX);
	put16(data + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (__u16)length);
	put16(ip + 4, spec->id);
	put16(ip + 6, spec->fragment);
	ip[8] = 64;
	ip[9] = spec->proto;
	put32(ip + 12, spec->src);
	put32(ip + 16, spec->dst);
	ip_checksum(ip);
	put16(l4, spec->sport);
	put16(l4 + 2, spec->dport);
	if (spec->proto == 6) {
		put32(l4 + 4, spec->seq);
		put32(l4 + 8, spec->ack);
		l4[12] = TCP_LEN / 4 << 4;
		l4[13] = spec->flags;
		put16(l4 + 14, 60000);
	} else {
		put16(l4 + 4, UDP_LEN + DATA_LEN + (spec->fragment ? UDP_LEN + DATA_LEN : 0));
	}
	return ETH_LEN + length;
}

static void send(struct ks_engine *engine, const struct frame_spec *spec, __u8 from, __u8 to)
{
	__u8 data[FRAME_MAX];
	struct ks_inspection *insp = calloc(1, sizeof(*insp));
	struct ks_frame frame = { .data = data, .link = KS_LINK_ETHERNET, .from = from, .to = to };

	frame.captured = frame.length = frame_build(spec, data);
	if (ks_engine_inspect(engine, &frame, false, insp) == KS_ALLOW)
		__atomic_fetch_add(&passed, 1, __ATOMIC_RELAXED);
	if (insp->verdict.reason == KS_REASON_INTERNAL)
		__atomic_fetch_add(&strange, 1, __ATOMIC_RELAXED);
	while (ks_engine_resume(engine, insp)) {
	}
	free(insp);
}

/* One packet of a conversation that all threads share: what it is, and which side sends it, is random. */
static void one_packet(struct ks_engine *engine, __u64 *seed)
{
	static const __u8 flags[] = { SYN, SYN, ACK, ACK, RST | ACK };
	static const __u8 answers[] = { SYN | ACK, ACK, ACK, RST | ACK };
	__u32 n = random_below(seed, CLIENTS);
	bool answer = random_below(seed, 3) == 0;
	struct frame_spec spec = {
		.proto = n % 3 ? 6 : 17,
		.src = answer ? SERVER : CLIENT(n),
		.dst = answer ? OUTSIDE : SERVER,
		.sport = answer ? 443 : (__u16)(PORT_FIRST + n),
		.dport = answer ? (__u16)(PORT_FIRST + n) : 443,
		.flags = answer ? answers[random_below(seed, KS_ARRAY_SIZE(answers))]
				: flags[random_below(seed, KS_ARRAY_SIZE(flags))],
	};

	spec.seq = 1000 + (spec.flags & SYN ? 0 : 1);
	spec.ack = spec.flags & ACK ? 1001 : 0;
	send(engine, &spec, answer ? WAN : LAN, answer ? KS_ZONE_UNKNOWN : WAN);
}

/* A datagram in two fragments, in either order; threads take the same identifications. */
static void one_datagram(struct ks_engine *engine, __u64 *seed)
{
	__u32 n = random_below(seed, CLIENTS);
	bool first = random_below(seed, 2);
	struct frame_spec spec = { .proto = 17,
				   .src = CLIENT(n),
				   .dst = SERVER,
				   .sport = (__u16)(PORT_FIRST + n),
				   .dport = 53,
				   .id = (__u16)random_below(seed, 8) };

	for (unsigned i = 0; i < 2; i++, first = !first) {
		spec.fragment = first ? 0x2000 : (UDP_LEN + DATA_LEN) / 8;
		send(engine, &spec, LAN, WAN);
	}
}

static void kill_one(struct ks_engine *engine, __u64 *seed)
{
	__u32 n = random_below(seed, CLIENTS);
	struct ks_tuple tuple = {
		.proto = n % 3 ? 6 : 17, .family = KS_IPV4, .sport = ks_be16(PORT_FIRST + n), .dport = ks_be16(443)
	};
	struct ks_entry *entry = calloc(1, sizeof(*entry));

	ks_addr_set_ipv4(&tuple.src, ks_be32(CLIENT(n)));
	ks_addr_set_ipv4(&tuple.dst, ks_be32(SERVER));
	entry->clock = ks_flow_clock(ks_engine_time(engine));
	ks_flow_key_make(&tuple, &entry->key);
	ks_table_kill(ks_engine_env(engine), entry, KS_END_KILLED);
	free(entry);
}

static void *run_cpu(void *arg)
{
	__u64 seed = 77 + (uintptr_t)arg;
	struct ks_tables tables = ks_policy_tables(policy);
	struct ks_engine *engine = NULL;

	if (ks_engine_create_beside(owner, &tables, &engine))
		return (void *)1;
	for (unsigned i = 0; i < STEPS; i++) {
		__u32 ms = __atomic_add_fetch(&clock_ms, random_below(&seed, 4), __ATOMIC_RELAXED);

		ks_engine_set_time(engine, ms * KS_NSEC_PER_MSEC);
		if (i % 64 == 0)
			ks_engine_sweep(engine);
		else if (i % 64 == 1)
			kill_one(engine, &seed);
		else if (i % 8 == 2)
			one_datagram(engine, &seed);
		else
			one_packet(engine, &seed);
	}
	ks_engine_destroy(engine);
	return NULL;
}

/* Results of the listings, over all passes. */
struct seen {
	unsigned long flows, aliases, datagrams;
};

static int look_at(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct seen *seen = arg;

	if (flow->version & 1 || flow->state >= KS_STATE_MAX || key->family != KS_IPV4)
		__atomic_fetch_add(&strange, 1, __ATOMIC_RELAXED);
	seen->aliases += flow->state == KS_STATE_ALIAS;
	seen->datagrams += key->kind == KS_KIND_FRAGMENT;
	seen->flows += ks_flow_is_shown(key, flow);
	return 0;
}

/* The table is listed and copied while it is in use. */
static void *run_copy(void *arg)
{
	struct ks_env *env = ks_engine_env(owner);
	const struct ks_table_shape *shape = env_table_shape(env);
	size_t size = ks_table_length(2 * shape->buckets) * sizeof(struct ks_bucket);
	struct ks_table_counts counts = { 0 };
	struct ks_table_copy copy = {
		.from = env_bucket(env, 0),
		.from_buckets = shape->buckets,
		.to = aligned_alloc(64, size),
		.to_shape = { .key = { 1, 2 }, .buckets = 2 * shape->buckets },
		.counts = &counts,
	};

	memset(copy.to, 0, size);
	if (ks_table_copy_init(&copy))
		return NULL;
	for (unsigned i = 0; i < COPY_PASSES || !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
		__u32 clock = __atomic_load_n(&clock_ms, __ATOMIC_RELAXED);

		ks_table_copy_pass(&copy, clock);
		ks_entries_each(copy.from, copy.from_buckets, clock * KS_NSEC_PER_MSEC, look_at, arg);
	}
	ks_table_copy_fini(&copy);
	free(copy.to);
	return NULL;
}

/* Counts what is in the slots: flows, half-open ones, and records by kind. */
static void census(struct ks_table_counts *count)
{
	struct ks_env *env = ks_engine_env(owner);
	const struct ks_table_shape *shape = env_table_shape(env);

	for (__u32 b = 0; b < shape->buckets; b++) {
		const struct ks_bucket *bucket = env_bucket(env, b);
		const struct ks_tags *tags = ks_tags_of(env_bucket(env, 0), shape->buckets, b);

		assert_int_equal(bucket->claim, 0);
		for (unsigned i = 0; i < KS_BUCKET_SLOTS; i++) {
			const struct ks_slot *slot = &bucket->slot[i];

			assert_false(slot->flow.version & 1);
			assert_int_equal(!tags->tag[i], slot->flow.state == KS_STATE_NONE);
			if (slot->flow.state == KS_STATE_NONE)
				continue;
			if (slot->key.kind != KS_KIND_FLOW || slot->flow.state == KS_STATE_ALIAS) {
				count->records[slot->key.kind]++;
				continue;
			}
			count->flows++;
			count->half_open += ks_state_is_half_open(slot->flow.state);
		}
	}
}

static void test_one_table(void **state)
{
	struct ks_tables tables = ks_policy_tables(policy);
	static struct ks_budget budgets[KS_BUDGETS];
	const struct ks_table_counts *counts;
	struct ks_table_counts found = { 0 };
	pthread_t cpu[THREADS], copier;
	struct seen seen = { 0 };
	void *failed;

	assert_int_equal(ks_engine_create(&tables, &owner), 0);
	counts = ks_engine_counts(owner);
	clock_ms = 1000;
	assert_int_equal(pthread_create(&copier, NULL, run_copy, &seen), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&cpu[i], NULL, run_cpu, (void *)i), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(cpu[i], &failed);
		assert_null(failed);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(copier, NULL);
	assert_int_equal(strange, 0);
	assert_true(passed > STEPS);
	assert_true(seen.flows && seen.aliases && seen.datagrams);
	assert_true(counts->created > 100 && counts->killed > 10);
	census(&found);
	assert_int_equal(counts->flows, found.flows);
	assert_int_equal(counts->half_open, found.half_open);
	ks_budgets_count(owner->buckets, &owner->shape, budgets);
	assert_memory_equal(owner->budgets, budgets, sizeof(budgets));
	assert_memory_equal(counts->records, found.records, sizeof(found.records));
	assert_int_equal(counts->created, counts->flows + counts->expired + counts->recycled + counts->killed);
	ks_engine_destroy(owner);
}

static int setup(void **state)
{
	struct ks_diags diags = { 0 };

	return ks_policy_load_text(policy_text, sizeof(policy_text) - 1, "threads", ".", &policy, &diags);
}

static int teardown(void **state)
{
	ks_policy_destroy(policy);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_table) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
