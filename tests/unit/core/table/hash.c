// SPDX-License-Identifier: BSD-2-Clause
/* The hash of flows against an independent SipHash-1-3 over the same words, known answers, and how it spreads. */
#include "tests/unit/core/test_home.h"

#include "core/table/hash.h"

/* SipHash-c-d of whole words, written after the paper's text with an array of state: v0..v3. */
static uint64_t reference(const uint64_t *words, unsigned count, uint64_t k0, uint64_t k1)
{
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			  k1 ^ 0x7465646279746573 };
	unsigned steps = count + 3;

	for (unsigned i = 0; i < steps; i++) {
		uint64_t m = i < count ? words[i] : 0;

		if (i == count)
			v[2] ^= 0xff;
		v[3] ^= m;
		v[0] += v[1], v[2] += v[3];
		v[1] = v[1] << 13 | v[1] >> 51, v[3] = v[3] << 16 | v[3] >> 48;
		v[1] ^= v[0], v[3] ^= v[2];
		v[0] = v[0] << 32 | v[0] >> 32;
		v[2] += v[1], v[0] += v[3];
		v[1] = v[1] << 17 | v[1] >> 47, v[3] = v[3] << 21 | v[3] >> 43;
		v[1] ^= v[2], v[3] ^= v[0];
		v[2] = v[2] << 32 | v[2] >> 32;
		v[0] ^= m;
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * The reference itself, checked once against the published SipHash-1-3 vector
 * of the empty message under the key 00 01 .. 0f: its only block is the length
 * block, a word of zero.
 */
static void test_reference_is_siphash(void **state)
{
	uint64_t zero = 0;

	assert_int_equal(reference(&zero, 1, 0x0706050403020100, 0x0f0e0d0c0b0a0908), 0xabac0158050fc4dc);
}

static void random_key(__u64 *seed, bool v6, struct ks_flow_key *key)
{
	*key = (struct ks_flow_key){ .proto = (__u8)test_random(seed), .family = v6 ? KS_IPV6 : KS_IPV4 };
	key->port[0] = (__u16)test_random(seed);
	key->port[1] = (__u16)test_random(seed);
	for (int side = 0; side < 2; side++) {
		for (int w = v6 ? 0 : 3; w < 4; w++)
			key->addr[side].w[w] = test_random(seed);
	}
}

static unsigned words_of(const struct ks_flow_key *key, uint64_t words[5])
{
	words[0] =
		key->port[0] | (uint64_t)key->port[1] << 16 | (uint64_t)key->proto << 32 | (uint64_t)key->family << 40;
	if (key->family == KS_IPV4) {
		words[1] = key->addr[0].w[3] | (uint64_t)key->addr[1].w[3] << 32;
		return 2;
	}
	for (int side = 0; side < 2; side++) {
		for (int half = 0; half < 2; half++)
			words[1 + 2 * side + half] = key->addr[side].d[half];
	}
	return 5;
}

static void test_against_reference(void **state)
{
	__u64 seed = 1, secret[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };

	for (int i = 0; i < 2000; i++) {
		struct ks_flow_key key;
		uint64_t words[5];
		unsigned count;

		random_key(&seed, i & 1, &key);
		secret[i & 1] += i;
		count = words_of(&key, words);
		assert_int_equal(ks_flow_key_hash(&key, secret), reference(words, count, secret[0], secret[1]));
	}
}

/* Every bit of the key and of the secret changes about half of the hash. */
static void test_avalanche(void **state)
{
	const __u64 secret[2] = { 1, 2 };
	__u64 seed = 7, flipped = 0, trials = 0;

	for (int round = 0; round < 50; round++) {
		struct ks_flow_key key;
		__u64 hash;

		random_key(&seed, true, &key);
		hash = ks_flow_key_hash(&key, secret);
		for (unsigned bit = 0; bit < 36 * 8; bit++) { /* addresses and ports */
			struct ks_flow_key other = key;
			__u64 changed;

			((__u8 *)&other)[bit / 8] ^= 1 << bit % 8;
			changed = hash ^ ks_flow_key_hash(&other, secret);
			assert_true(changed != 0);
			flipped += __builtin_popcountll(changed);
			trials++;
		}
	}
	assert_in_range(flipped * 1000 / trials, 31500, 32500);
}

/* Flows that differ in one port only fill buckets like random ones: chi square over both halves of the hash. */
static void test_distribution(void **state)
{
	enum { BUCKETS = 1024, KEYS = 65536 };
	const __u64 secret[2] = { 3, 4 };

	for (int half = 0; half < 2; half++) {
		static unsigned load[BUCKETS];
		double chi = 0, mean = (double)KEYS / (double)BUCKETS;

		memset(load, 0, sizeof(load));
		for (unsigned port = 0; port < KEYS; port++) {
			struct ks_flow_key key = { .proto = 6, .family = KS_IPV4, .port = { (__u16)port, 80 } };
			__u32 hash = (__u32)(ks_flow_key_hash(&key, secret) >> (32 * half));

			load[((__u64)hash * BUCKETS) >> 32]++;
		}
		for (unsigned b = 0; b < BUCKETS; b++)
			chi += (load[b] - mean) * (load[b] - mean) / mean;
		/* 1023 degrees of freedom: mean 1023, deviation 45; five deviations either side. */
		assert_true(chi > 800 && chi < 1250);
	}
}

static void test_secret_matters(void **state)
{
	const struct ks_flow_key key = { .proto = 17, .family = KS_IPV4, .port = { 1, 2 } };
	const __u64 a[2] = { 5, 6 }, b[2] = { 5, 7 }, c[2] = { 4, 6 };

	assert_true(ks_flow_key_hash(&key, a) != ks_flow_key_hash(&key, b));
	assert_true(ks_flow_key_hash(&key, a) != ks_flow_key_hash(&key, c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_is_siphash),
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_avalanche),
		cmocka_unit_test(test_distribution),
		cmocka_unit_test(test_secret_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
