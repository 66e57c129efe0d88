/* SPDX-License-Identifier: BSD-2-Clause */
/* See region.h. */
#include "proof/region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/value.h"

#define CHUNK_SIZE (1U << 18)
#define WORD_BITS 64

struct ks_pool_chunk {
	struct ks_pool_chunk *next;
	size_t size;
	_Alignas(16) unsigned char data[];
};

/* --- memory --- */

static struct ks_pool_chunk *chunk_add(struct ks_pool *pool, size_t size)
{
	struct ks_pool_chunk *chunk = malloc(sizeof(*chunk) + KS_MAX(size, (size_t)CHUNK_SIZE));

	if (!chunk)
		return NULL;
	chunk->size = KS_MAX(size, (size_t)CHUNK_SIZE);
	if (pool->current) {
		chunk->next = pool->current->next;
		pool->current->next = chunk;
	} else {
		chunk->next = NULL;
		pool->chunks = chunk;
	}
	pool->current = chunk;
	pool->used = 0;
	return chunk;
}

void *ks_pool_alloc(struct ks_pool *pool, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	while (pool->current && pool->used + size > pool->current->size && pool->current->next) {
		pool->current = pool->current->next;
		pool->used = 0;
	}
	if ((!pool->current || pool->used + size > pool->current->size) && !chunk_add(pool, size))
		return NULL;
	pool->used += size;
	return pool->current->data + pool->used - size;
}

void ks_pool_reset(struct ks_pool *pool)
{
	pool->current = pool->chunks;
	pool->used = 0;
}

void ks_pool_fini(struct ks_pool *pool)
{
	while (pool->chunks) {
		struct ks_pool_chunk *chunk = pool->chunks;

		pool->chunks = chunk->next;
		free(chunk);
	}
	*pool = (struct ks_pool){ 0 };
}

/* --- ranges --- */

static const struct ks_range all_ports[] = { { .lo = { 0, 0 }, .hi = { 0, KS_PORT_MAX } } };
static const struct ks_range all_ipv4[] = { { .lo = { 0, 0 }, .hi = { 0, 0xffffffffU } } };
static const struct ks_range all_ipv6[] = { { .lo = { 0, 0 }, .hi = { ~0ULL, ~0ULL } } };

const struct ks_spans ks_spans_ports = { all_ports, 1 };
const struct ks_spans ks_spans_ipv4 = { all_ipv4, 1 };
const struct ks_spans ks_spans_ipv6 = { all_ipv6, 1 };

static bool is_all(const struct ks_spans *spans)
{
	return spans->list == all_ports || spans->list == all_ipv4 || spans->list == all_ipv6;
}

static bool is_same(const struct ks_spans *a, const struct ks_spans *b)
{
	return a->list == b->list && a->count == b->count;
}

/* The first range that ends at or behind a value. */
static __u32 seek(const struct ks_spans *spans, const __u64 value[2], __u64 *steps)
{
	__u32 begin = 0, end = spans->count;

	while (begin < end) {
		__u32 middle = begin + (end - begin) / 2;

		++*steps;
		if (ks_value_compare(spans->list[middle].hi, value) < 0)
			begin = middle + 1;
		else
			end = middle;
	}
	return begin;
}

static void value_next(const __u64 value[2], __u64 next[2])
{
	next[1] = value[1] + 1;
	next[0] = value[0] + (next[1] == 0);
}

static void value_before(const __u64 value[2], __u64 before[2])
{
	before[0] = value[0] - (value[1] == 0);
	before[1] = value[1] - 1;
}

static void value_copy(__u64 to[2], const __u64 from[2])
{
	to[0] = from[0];
	to[1] = from[1];
}

/* How many ranges of `spans` are, at least in part, between those of the other. */
static __u32 count_between(const struct ks_spans *spans, const struct ks_spans *other, __u32 *first, __u64 *steps)
{
	__u32 end;

	*first = seek(spans, other->list[0].lo, steps);
	end = seek(spans, other->list[other->count - 1].hi, steps);
	if (end < spans->count && ks_value_compare(spans->list[end].lo, other->list[other->count - 1].hi) <= 0)
		end++;
	return end > *first ? end - *first : 0;
}

int ks_spans_intersect(struct ks_pool *pool, const struct ks_spans *a, const struct ks_spans *b, __u64 *steps,
		       struct ks_spans *both)
{
	__u32 first_a, first_b, count_a, count_b, i, j, count = 0;
	struct ks_range *list;

	if (is_all(b) || is_same(a, b) || is_all(a)) {
		*both = is_all(b) ? *a : *b;
		return 0;
	}
	count_a = count_between(a, b, &first_a, steps);
	count_b = count_between(b, a, &first_b, steps);
	list = ks_pool_alloc(pool, (count_a + count_b + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = first_a, j = first_b; i < first_a + count_a && j < first_b + count_b; ++*steps) {
		const struct ks_range *x = &a->list[i], *y = &b->list[j];
		const __u64 *lo = ks_value_compare(x->lo, y->lo) > 0 ? x->lo : y->lo;
		bool x_ends = ks_value_compare(x->hi, y->hi) < 0;
		const __u64 *hi = x_ends ? x->hi : y->hi;

		if (ks_value_compare(lo, hi) <= 0) {
			value_copy(list[count].lo, lo);
			value_copy(list[count++].hi, hi);
		}
		i += x_ends;
		j += !x_ends;
	}
	*both = (struct ks_spans){ list, count };
	return 0;
}

/* Appends what is left of `whole` between the ranges of b from `j` on. Returns how many ranges. */
static __u32 range_subtract(const struct ks_range *whole, const struct ks_spans *b, __u32 j, struct ks_range *list,
			    __u64 *steps)
{
	__u64 at[2] = { whole->lo[0], whole->lo[1] };
	__u32 count = 0;

	for (; j < b->count && ks_value_compare(b->list[j].lo, whole->hi) <= 0; j++, ++*steps) {
		if (ks_value_compare(at, b->list[j].lo) < 0) {
			value_copy(list[count].lo, at);
			value_before(b->list[j].lo, list[count++].hi);
		}
		if (ks_value_compare(b->list[j].hi, whole->hi) >= 0)
			return count;
		value_next(b->list[j].hi, at);
	}
	value_copy(list[count].lo, at);
	value_copy(list[count++].hi, whole->hi);
	return count;
}

int ks_spans_subtract(struct ks_pool *pool, const struct ks_spans *a, const struct ks_spans *b, __u64 *steps,
		      struct ks_spans *left)
{
	__u32 first_a, first_b, count_a, count_b, count = 0;
	struct ks_range *list;

	*left = (struct ks_spans){ NULL, 0 };
	if (is_all(b) || is_same(a, b))
		return 0;
	count_a = count_between(a, b, &first_a, steps);
	count_b = count_between(b, a, &first_b, steps);
	if (!count_a || !count_b) {
		*left = *a;
		return 0;
	}
	*steps += a->count;
	list = ks_pool_alloc(pool, (a->count + count_b + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (__u32 i = 0; i < a->count; i++) {
		if (i < first_a || i >= first_a + count_a)
			list[count++] = a->list[i];
		else
			count += range_subtract(&a->list[i], b, seek(b, a->list[i].lo, steps), list + count, steps);
	}
	*left = (struct ks_spans){ list, count };
	return 0;
}

bool ks_spans_overlap(const struct ks_spans *a, const struct ks_spans *b, __u64 *steps)
{
	const struct ks_spans *few = a->count < b->count ? a : b, *many = few == a ? b : a;

	++*steps;
	for (__u32 i = 0; i < few->count; i++) {
		__u32 at = many->count == 1 ? 0 : seek(many, few->list[i].lo, steps);

		if (at < many->count && ks_value_compare(many->list[at].lo, few->list[i].hi) <= 0 &&
		    ks_value_compare(few->list[i].lo, many->list[at].hi) <= 0)
			return true;
	}
	return false;
}

bool ks_spans_hold(const struct ks_spans *spans, const __u64 value[2])
{
	for (__u32 begin = 0, end = spans->count; begin < end;) {
		__u32 middle = begin + (end - begin) / 2;

		if (ks_value_compare(spans->list[middle].hi, value) < 0)
			begin = middle + 1;
		else if (ks_value_compare(spans->list[middle].lo, value) > 0)
			end = middle;
		else
			return true;
	}
	return false;
}

bool ks_spans_equal(const struct ks_spans *a, const struct ks_spans *b)
{
	return a->count == b->count &&
	       (a->list == b->list || !memcmp(a->list, b->list, a->count * sizeof(struct ks_range)));
}

/* --- regions --- */

void ks_region_fill(struct ks_region *region, __u8 family, __u64 zones)
{
	const unsigned other = family == KS_IPV4 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP;

	*region = (struct ks_region){ .from = zones, .to = zones, .in = ~0ULL, .out = ~0ULL, .family = family };
	for (int i = 0; i < KS_PROTO_WORDS; i++)
		region->proto[i] = ~0ULL;
	region->proto[other / WORD_BITS] &= ~(1ULL << other % WORD_BITS); /* it is no message of this family */
	for (int dim = 0; dim < KS_DIMS; dim++)
		region->dim[dim] = *ks_spans_all((enum ks_dim)dim, family);
}

static bool protos_meet(const __u64 *a, const __u64 *b)
{
	return (a[0] & b[0]) | (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3]);
}

bool ks_region_is_empty(const struct ks_region *region)
{
	for (int dim = 0; dim < KS_DIMS; dim++) {
		if (!region->dim[dim].count)
			return true;
	}
	return !region->from || !region->to || ~(region->in | region->out) ||
	       !protos_meet(region->proto, region->proto);
}

bool ks_regions_overlap(const struct ks_region *a, const struct ks_region *b, __u64 *steps)
{
	++*steps;
	if (a->family != b->family || !(a->from & b->from) || !(a->to & b->to) || !protos_meet(a->proto, b->proto) ||
	    ~((a->in & b->in) | (a->out & b->out)))
		return false;
	for (int dim = KS_DIMS - 1; dim >= 0; dim--) {
		if (!is_all(&a->dim[dim]) && !is_all(&b->dim[dim]) &&
		    !ks_spans_overlap(&a->dim[dim], &b->dim[dim], steps))
			return false;
	}
	return true;
}

int ks_region_intersect(struct ks_pool *pool, const struct ks_region *a, const struct ks_region *b, __u64 *steps,
			struct ks_region *both)
{
	int err = 0;

	*both = *a;
	both->from &= b->from;
	both->to &= b->to;
	both->in &= b->in;
	both->out &= b->out;
	for (int i = 0; i < KS_PROTO_WORDS; i++)
		both->proto[i] &= b->proto[i];
	for (int dim = 0; !err && dim < KS_DIMS; dim++)
		err = ks_spans_intersect(pool, &a->dim[dim], &b->dim[dim], steps, &both->dim[dim]);
	return err;
}

/* The pieces so far, and what of the region agrees with the other one in all that was looked at. */
struct cut {
	struct ks_region rest;
	struct ks_region *pieces;
	int count;
};

/* Keeps those that are outside of `mask` in one word of the rest as a piece, and goes on with those inside. */
static void cut_word(struct cut *cut, __u64 *word, __u64 mask)
{
	const __u64 both = *word & mask;

	if (*word & ~mask) {
		*word &= ~mask;
		cut->pieces[cut->count++] = cut->rest;
	}
	*word = both;
}

static void cut_protos(struct cut *cut, const struct ks_region *b)
{
	struct ks_region piece = cut->rest;
	__u64 any = 0;

	for (int i = 0; i < KS_PROTO_WORDS; i++) {
		any |= piece.proto[i] &= ~b->proto[i];
		cut->rest.proto[i] &= b->proto[i];
	}
	if (any)
		cut->pieces[cut->count++] = piece;
}

/* A variable of which b has one side only. */
static void cut_variables(struct cut *cut, const struct ks_region *b)
{
	for (__u64 bits = ~(b->in & b->out); bits; bits &= bits - 1) {
		const __u64 bit = bits & -bits;
		struct ks_region piece = cut->rest;

		if (!(b->in & bit) && piece.in & bit) {
			piece.out &= ~bit;
			cut->pieces[cut->count++] = piece;
			cut->rest.in &= ~bit;
		} else if (!(b->out & bit) && piece.out & bit) {
			piece.in &= ~bit;
			cut->pieces[cut->count++] = piece;
			cut->rest.out &= ~bit;
		}
	}
}

static int cut_dims(struct cut *cut, struct ks_pool *pool, const struct ks_region *b, __u64 *steps)
{
	for (int dim = 0; dim < KS_DIMS; dim++) {
		struct ks_spans left, both;

		if (is_all(&b->dim[dim]))
			continue;
		if (ks_spans_subtract(pool, &cut->rest.dim[dim], &b->dim[dim], steps, &left) ||
		    ks_spans_intersect(pool, &cut->rest.dim[dim], &b->dim[dim], steps, &both))
			return -ENOMEM;
		if (left.count) {
			cut->pieces[cut->count] = cut->rest;
			cut->pieces[cut->count++].dim[dim] = left;
		}
		cut->rest.dim[dim] = both;
	}
	return 0;
}

int ks_region_subtract(struct ks_pool *pool, const struct ks_region *a, const struct ks_region *b, __u64 *steps,
		       struct ks_region pieces[KS_REGION_PIECES_MAX])
{
	struct cut cut = { .rest = *a, .pieces = pieces };

	cut_word(&cut, &cut.rest.from, b->from);
	cut_word(&cut, &cut.rest.to, b->to);
	cut_protos(&cut, b);
	cut_variables(&cut, b);
	return cut_dims(&cut, pool, b, steps) ? -ENOMEM : cut.count;
}
