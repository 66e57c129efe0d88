/* SPDX-License-Identifier: BSD-2-Clause */
/* See rates.h. */
#include "daemon/rates.h"

#include <errno.h>
#include <stdlib.h>

#define COUNT_BITS 40 /* of a count: a flow carries less than half of 2^40 bytes between two moments */
#define COUNT_MASK ((1ULL << COUNT_BITS) - 1)
#define COUNT_LOW_BITS 32
#define IDENTITY_MULTIPLIER 0x9e3779b97f4a7c15ULL
#define IDENTITY_SHIFT 48

static __u32 chunks(__u32 buckets)
{
	return (buckets + KS_RATES_CHUNK - 1) / KS_RATES_CHUNK;
}

void ks_rates_fini(struct ks_rates *rates)
{
	free(rates->cells);
	free(rates->moments);
	*rates = (struct ks_rates){ 0 };
}

int ks_rates_want(struct ks_rates *rates, const struct ks_bucket *table, __u32 buckets, __u64 now)
{
	rates->asked = now;
	if (rates->cells && rates->table == table && rates->buckets == buckets)
		return 0;
	ks_rates_fini(rates);
	rates->cells = calloc((size_t)buckets * KS_BUCKET_SLOTS, sizeof(*rates->cells));
	rates->moments = calloc(chunks(buckets), sizeof(*rates->moments));
	if (!rates->cells || !rates->moments) {
		ks_rates_fini(rates);
		return -ENOMEM;
	}
	rates->table = table;
	rates->buckets = buckets;
	rates->asked = now;
	return 0;
}

void ks_rates_tick(struct ks_rates *rates, __u64 now)
{
	if (rates->cells && now > rates->asked + KS_RATES_PATIENCE)
		ks_rates_fini(rates);
}

__u64 ks_rates_begin(struct ks_rates *rates, __u32 bucket, __u64 now)
{
	struct ks_rate_moment *moment;

	rates->renew = false;
	if (bucket >= rates->buckets)
		return 0;
	moment = &rates->moments[bucket / KS_RATES_CHUNK];
	rates->before = moment->time;
	if (!moment->time || now >= moment->time + KS_RATES_LEAST) {
		rates->renew = true;
		moment->span = moment->time ? now - moment->time : 0;
		moment->time = now;
	}
	rates->moment = *moment;
	return moment->span;
}

bool ks_rates_are_whole(const struct ks_rates *rates, __u64 now)
{
	for (__u64 i = 0; i < chunks(rates->buckets); i++) {
		const struct ks_rate_moment *moment = &rates->moments[i];

		if (!moment->time || (!moment->span && now < moment->time + KS_RATES_LEAST))
			return false;
	}
	return true;
}

static __u16 identity(const struct ks_slot *slot)
{
	const struct ks_flow_key *key = &slot->key;
	__u64 x = key->addr[0].d[1] ^ key->addr[1].d[1] << 1 ^ key->tail ^ (__u64)slot->flow.created << COUNT_LOW_BITS;
	__u16 name = (__u16)(x * IDENTITY_MULTIPLIER >> IDENTITY_SHIFT);

	return name ? name : 1;
}

static __u64 count_of(const struct ks_rate_cell *cell, unsigned dir)
{
	return (__u64)cell->high[dir] << COUNT_LOW_BITS | cell->low[dir];
}

/* Returns what was carried since `before`; 0 if the count has gone back, which is another flow under the same name. */
static __u64 carried(__u64 before, __u64 count)
{
	__u64 difference = (count - before) & COUNT_MASK;

	return difference >> (COUNT_BITS - 1) ? 0 : difference;
}

/* Makes the cell that of the flow at this moment. */
static void cell_renew(const struct ks_rates *rates, struct ks_rate_cell *cell, const struct ks_slot *slot, __u16 name)
{
	bool same = cell->identity == name;
	bool is_new = !same && ((__u64)slot->flow.created + 1) * KS_NSEC_PER_SEC > rates->before;
	double seconds = (double)rates->moment.span / (double)KS_NSEC_PER_SEC;

	for (unsigned dir = 0; dir < 2; dir++) {
		__u64 count = ks_flow_bytes(&slot->flow, dir);
		__u64 since = same ? carried(count_of(cell, dir), count) : is_new ? count : 0;

		cell->rate[dir] = rates->moment.span ? (float)((double)since / seconds) : 0;
		cell->low[dir] = (__u32)count;
		cell->high[dir] = (__u8)(count >> COUNT_LOW_BITS);
	}
	cell->identity = name;
}

static bool cell_rate(const struct ks_rate_cell *cell, __u16 name, __u64 rate[2])
{
	bool known = cell->identity == name;

	for (unsigned dir = 0; dir < 2; dir++)
		rate[dir] = known ? (__u64)cell->rate[dir] : 0;
	return known;
}

void ks_rates_see(struct ks_rates *rates, __u32 id, const struct ks_slot *slot, __u64 rate[2])
{
	__u16 name = identity(slot);
	struct ks_rate_cell *cell = &rates->cells[id - 1];

	if (rates->renew)
		cell_renew(rates, cell, slot, name);
	cell_rate(cell, name, rate);
}

bool ks_rates_at(const struct ks_rates *rates, __u32 id, const struct ks_slot *slot, __u64 rate[2])
{
	if (!rates->cells || id > (__u64)rates->buckets * KS_BUCKET_SLOTS)
		return false;
	return cell_rate(&rates->cells[id - 1], identity(slot), rate);
}
