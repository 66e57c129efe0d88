// SPDX-License-Identifier: BSD-2-Clause
/*
 * The boxes of rules. A condition that is negated, or that run-time sets or the box's own addresses belong to, bounds
 * nothing here: its field is whole. A set of many ranges is held by a few that cover it, apart where its gaps are widest.
 * IPv6 addresses are words: behind the first word in which the ends of a range differ, the others are whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/compile.h"
#include "policy/tree_internal.h"

#define RANGES_MAX 8U /* that hold a set */
#define BOXES_PER_RULE 16U

enum side { SIDE_SRC, SIDE_DST, SIDE_SPORT, SIDE_DPORT, SIDE_ICMP, SIDES };

/* The ranges of a condition; none: the rule matches nothing. */
struct side_ranges {
	__u32 count;
	bool loose; /* they hold more than the condition allows */
	struct ks_range range[RANGES_MAX];
};

struct boxes_ctx {
	const struct ks_policy *policy;
	struct ks_boxes *boxes;
	__u8 family;
	__u32 per_rule; /* boxes */
	bool *own; /* by set: the box's addresses, which change */
	struct side_ranges *hulls; /* of sets with more ranges than RANGES_MAX, once they were asked for */
	__u32 *hull_of; /* by set: its place there and 1 */
	size_t hull_count, hull_room;
};

__u32 ks_field_max(unsigned field)
{
	static const __u32 max[KS_WORDS_IPV4] = {
		[KS_WORD_FROM] = KS_ZONE_MAX - 1, [KS_WORD_TO] = KS_ZONE_MAX - 1, [KS_WORD_PROTO] = 0xff,
		[KS_WORD_ICMP] = 0xffff,	  [KS_WORD_SPORT] = 0xffff,	  [KS_WORD_DPORT] = 0xffff,
	};

	return field < KS_WORDS_IPV4 && max[field] ? max[field] : 0xffffffffU;
}

/* --- sets --- */

static bool gap_less(const __u64 a[2], const __u64 b[2])
{
	return a[0] < b[0] || (a[0] == b[0] && a[1] < b[1]);
}

/* The values between a range and the next one, and one more. */
static void gap_between(const struct ks_range *range, __u64 gap[2])
{
	gap[1] = range[1].lo[1] - range[0].hi[1];
	gap[0] = range[1].lo[0] - range[0].hi[0] - (range[1].lo[1] < range[0].hi[1]);
}

/* Notes the widest gaps among `count` ranges: `behind` are the ranges that they come behind, ascending. */
static __u32 find_gaps(const struct ks_range *ranges, __u32 count, __u32 behind[RANGES_MAX])
{
	__u64 width[RANGES_MAX][2], gap[2];
	__u32 found = 0;

	for (__u32 i = 0; i + 1 < count; i++) {
		__u32 least = 0;

		gap_between(&ranges[i], gap);
		for (__u32 j = 1; j < found; j++)
			least = gap_less(width[j], width[least]) ? j : least;
		if (found == RANGES_MAX - 1 && !gap_less(width[least], gap))
			continue;
		if (found == RANGES_MAX - 1) { /* the least one goes */
			found--;
			memmove(&behind[least], &behind[least + 1], (found - least) * sizeof(*behind));
			memmove(&width[least], &width[least + 1], (found - least) * sizeof(*width));
		}
		behind[found] = i;
		memcpy(width[found++], gap, sizeof(gap));
	}
	return found;
}

static void cover_ranges(const struct ks_range *ranges, __u32 count, struct side_ranges *side)
{
	__u32 behind[RANGES_MAX], gaps = find_gaps(ranges, count, behind), from = 0;

	side->loose = true;
	side->count = gaps + 1;
	for (__u32 i = 0; i <= gaps; i++) {
		__u32 last = i < gaps ? behind[i] : count - 1;

		memcpy(side->range[i].lo, ranges[from].lo, sizeof(ranges->lo));
		memcpy(side->range[i].hi, ranges[last].hi, sizeof(ranges->hi));
		from = last + 1;
	}
}

/* The same, kept for the next rule of the set. */
static int cover_large(struct boxes_ctx *ctx, __u32 set, const struct ks_range *ranges, __u32 count,
		       struct side_ranges *side)
{
	if (!ctx->hull_of[set]) {
		if (ks_compile_reserve(&ctx->hulls, &ctx->hull_room, ctx->hull_count, 1, sizeof(*ctx->hulls)))
			return -ENOMEM;
		cover_ranges(ranges, count, &ctx->hulls[ctx->hull_count]);
		ctx->hull_of[set] = (__u32)++ctx->hull_count;
	}
	*side = ctx->hulls[ctx->hull_of[set] - 1];
	return 0;
}

static int take_ranges(struct boxes_ctx *ctx, __u32 set, __u32 first, __u32 count, struct side_ranges *side)
{
	const struct ks_range *ranges = ctx->policy->ranges + first;

	if (count > RANGES_MAX)
		return cover_large(ctx, set, ranges, count, side);
	side->loose = false;
	side->count = count;
	if (count)
		memcpy(side->range, ranges, count * sizeof(*ranges));
	return 0;
}

static void whole(struct side_ranges *side, bool loose)
{
	side->loose = loose;
	side->count = 1;
	side->range[0] = (struct ks_range){ .hi = { ~0ULL, ~0ULL } };
}

static int address_side(struct boxes_ctx *ctx, __u32 index, bool negated, struct side_ranges *side)
{
	const struct ks_set *set = &ctx->policy->sets[index];

	if (index == KS_SET_ANY || negated || set->dynamic || ctx->own[index])
		return whole(side, index != KS_SET_ANY), 0;
	return ctx->family == KS_IPV4 ? take_ranges(ctx, index, set->first4, set->count4, side)
				      : take_ranges(ctx, index, set->first6, set->count6, side);
}

static int number_side(struct boxes_ctx *ctx, __u32 index, bool negated, struct side_ranges *side)
{
	const struct ks_set *set = &ctx->policy->sets[index];

	if (index == KS_SET_ANY || negated)
		return whole(side, index != KS_SET_ANY), 0;
	return take_ranges(ctx, index, set->first4, set->count4, side);
}

/* --- boxes --- */

static bool reserve_heads(struct ks_boxes *boxes, __u32 room)
{
	__u64 *grown = realloc(boxes->head, room * sizeof(*grown));

	if (grown)
		boxes->head = grown;
	return grown;
}

static int boxes_reserve(struct ks_boxes *boxes)
{
	__u32 room = boxes->room ? 2 * boxes->room : 64;
	__u32 **arrays[] = { &boxes->rule };
	int err = 0;

	if (boxes->count < boxes->room)
		return 0;
	for (__u32 i = 0; !err && i <= 2 * boxes->fields; i++) {
		__u32 **array = i ? (i & 1 ? &boxes->lo[i / 2] : &boxes->hi[i / 2 - 1]) : arrays[0];
		__u32 *grown = realloc(*array, room * sizeof(**array));

		if (grown)
			*array = grown;
		err = grown ? 0 : -ENOMEM;
	}
	if (!err && !reserve_heads(boxes, room))
		err = -ENOMEM;
	if (!err)
		boxes->room = room;
	return err;
}

void ks_boxes_fini(struct ks_boxes *boxes)
{
	for (unsigned i = 0; i < KS_WORDS; i++) {
		free(boxes->lo[i]);
		free(boxes->hi[i]);
	}
	free(boxes->rule);
	free(boxes->head);
}

static void write_number(struct ks_boxes *boxes, unsigned field, __u64 lo, __u64 hi)
{
	__u32 max = ks_field_max(field);

	boxes->lo[field][boxes->count] = (__u32)lo;
	boxes->hi[field][boxes->count] = hi > max ? max : (__u32)hi;
}

static __u32 word_of(const __u64 value[2], unsigned word)
{
	return (__u32)(word & 1 ? value[word / 2] : value[word / 2] >> 32);
}

static void write_address(struct boxes_ctx *ctx, unsigned first, unsigned rest, const struct ks_range *range)
{
	bool equal = true;

	if (ctx->family == KS_IPV4) {
		write_number(ctx->boxes, first, range->lo[1], range->hi[0] ? ~0ULL : range->hi[1]);
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		__u32 lo = equal ? word_of(range->lo, i) : 0, hi = equal ? word_of(range->hi, i) : 0xffffffffU;

		write_number(ctx->boxes, i ? rest + i - 1 : first, lo, hi);
		equal = equal && lo == hi;
	}
}

static void write_zones(struct ks_boxes *boxes, unsigned field, __u64 zones)
{
	write_number(boxes, field, (unsigned)__builtin_ctzll(zones),
		     KS_ZONE_MAX - 1U - (unsigned)__builtin_clzll(zones));
}

/* --- heads: if a box is sure, that is holds nothing but packets of its rule --- */

static bool is_one_zone(__u64 zones)
{
	return !(zones & (zones - 1));
}

/* The mask of a field of which a box asks for one value, or for none. */
static __u32 zone_mask(__u64 zones)
{
	return is_one_zone(zones) ? KS_ZONE_MAX - 1 : 0;
}

static bool zones_are_sure(__u64 zones)
{
	return zones == KS_ZONES_ANY || is_one_zone(zones);
}

/* Returns true if the first word of an IPv6 address tells all. */
static bool first_word_tells(const struct ks_range *range)
{
	return !((__u32)range->lo[0] | range->lo[1]) && (__u32)range->hi[0] == ~0U && range->hi[1] == ~0ULL;
}

static bool ports_are_sure(const struct ks_rule *rule)
{
	return (rule->sport_set == KS_SET_ANY && rule->dport_set == KS_SET_ANY) ||
	       (!(rule->flags & KS_RULE_ANY_PROTO) && ks_proto_has_ports(rule->proto));
}

static bool box_is_sure(const struct boxes_ctx *ctx, const struct ks_rule *rule, const struct side_ranges sides[SIDES],
			const struct ks_range *const ranges[SIDES])
{
	for (unsigned i = 0; i < SIDES; i++) {
		if (sides[i].loose)
			return false;
	}
	if (ctx->family == KS_IPV6 && !(first_word_tells(ranges[SIDE_SRC]) && first_word_tells(ranges[SIDE_DST])))
		return false;
	return !rule->conditions && rule->icmp_set == KS_SET_ANY && ports_are_sure(rule) &&
	       zones_are_sure(rule->from_zones) && zones_are_sure(rule->to_zones);
}

static __u64 box_head(const struct ks_rule *rule, __u32 entry, bool sure)
{
	bool any = rule->flags & KS_RULE_ANY_PROTO;
	__u32 from = (__u32)__builtin_ctzll(rule->from_zones), to = (__u32)__builtin_ctzll(rule->to_zones);
	__u64 key = ks_tree_key(from, to, rule->proto);
	__u64 mask = ks_tree_key(zone_mask(rule->from_zones), zone_mask(rule->to_zones), any ? 0 : 0xff);

	return entry | key << KS_BOX_KEY_SHIFT | mask << KS_BOX_MASK_SHIFT | (sure ? KS_BOX_SURE : 0);
}

static int add_box(struct boxes_ctx *ctx, __u32 entry, const struct side_ranges sides[SIDES],
		   const struct ks_range *const ranges[SIDES])
{
	const struct ks_rule *rule = &ctx->policy->rules[entry];
	bool any = rule->flags & KS_RULE_ANY_PROTO;

	if (boxes_reserve(ctx->boxes))
		return -ENOMEM;
	write_zones(ctx->boxes, KS_WORD_FROM, rule->from_zones);
	write_zones(ctx->boxes, KS_WORD_TO, rule->to_zones);
	write_number(ctx->boxes, KS_WORD_PROTO, any ? 0 : rule->proto, any ? ~0ULL : rule->proto);
	write_number(ctx->boxes, KS_WORD_ICMP, ranges[SIDE_ICMP]->lo[1], ranges[SIDE_ICMP]->hi[1]);
	write_number(ctx->boxes, KS_WORD_SPORT, ranges[SIDE_SPORT]->lo[1], ranges[SIDE_SPORT]->hi[1]);
	write_number(ctx->boxes, KS_WORD_DPORT, ranges[SIDE_DPORT]->lo[1], ranges[SIDE_DPORT]->hi[1]);
	write_address(ctx, KS_WORD_SRC, KS_WORD_SRC_REST, ranges[SIDE_SRC]);
	write_address(ctx, KS_WORD_DST, KS_WORD_DST_REST, ranges[SIDE_DST]);
	ctx->boxes->head[ctx->boxes->count] = box_head(rule, entry, box_is_sure(ctx, rule, sides, ranges));
	ctx->boxes->rule[ctx->boxes->count++] = entry;
	return 0;
}

/* Returns how many boxes they make. The one with the most ranges becomes its hull until these are not too many. */
static __u32 bound_sides(struct side_ranges sides[SIDES], __u32 max)
{
	__u32 product = 1, most = 0;

	for (__u32 i = 0; i < SIDES; i++) {
		product *= sides[i].count;
		most = sides[i].count > sides[most].count ? i : most;
	}
	if (product <= max)
		return product;
	memcpy(sides[most].range[0].hi, sides[most].range[sides[most].count - 1].hi, sizeof(sides->range->hi));
	sides[most].count = 1;
	sides[most].loose = true;
	return bound_sides(sides, max);
}

static int add_boxes(struct boxes_ctx *ctx, __u32 entry, struct side_ranges sides[SIDES])
{
	__u32 product = bound_sides(sides, ctx->per_rule);
	const struct ks_range *ranges[SIDES];
	int err = 0;

	for (__u32 n = 0; !err && n < product; n++) {
		__u32 rest = n;

		for (unsigned i = 0; i < SIDES; i++) {
			ranges[i] = &sides[i].range[rest % sides[i].count];
			rest /= sides[i].count;
		}
		err = add_box(ctx, entry, sides, ranges);
	}
	return err;
}

static int add_rule(struct boxes_ctx *ctx, __u32 entry)
{
	const struct ks_rule *rule = &ctx->policy->rules[entry];
	struct side_ranges sides[SIDES];

	if (!rule->from_zones || !rule->to_zones || (rule->family && rule->family != ctx->family))
		return 0;
	if (address_side(ctx, rule->src_set, rule->flags & KS_RULE_NOT_SRC, &sides[SIDE_SRC]) ||
	    address_side(ctx, rule->dst_set, rule->flags & KS_RULE_NOT_DST, &sides[SIDE_DST]) ||
	    number_side(ctx, rule->sport_set, rule->flags & KS_RULE_NOT_SPORT, &sides[SIDE_SPORT]) ||
	    number_side(ctx, rule->dport_set, rule->flags & KS_RULE_NOT_DPORT, &sides[SIDE_DPORT]) ||
	    number_side(ctx, rule->icmp_set, false, &sides[SIDE_ICMP]))
		return -ENOMEM;
	for (unsigned i = 0; i < SIDES; i++) {
		if (!sides[i].count)
			return 0; /* it matches nothing of this family */
	}
	return add_boxes(ctx, entry, sides);
}

static void ctx_fini(struct boxes_ctx *ctx)
{
	free(ctx->own);
	free(ctx->hulls);
	free(ctx->hull_of);
}

KS_SCOPED_STRUCT(auto_ctx, struct boxes_ctx, ctx_fini)
#define auto_ctx ks_scoped(auto_ctx)

int ks_boxes_make(const struct ks_policy *policy, __u32 first, __u32 end, __u8 family, struct ks_boxes *boxes)
{
	auto_ctx struct boxes_ctx ctx = { .policy = policy, .boxes = boxes, .family = family };
	int err = 0;

	boxes->fields = family == KS_IPV4 ? KS_WORDS_IPV4 : KS_WORDS;
	ctx.per_rule = KS_MAX(1U, KS_MIN(BOXES_PER_RULE, KS_TREE_BOXES_MAX / (end - first)));
	ctx.own = calloc(policy->config.sets + 1, sizeof(*ctx.own));
	ctx.hull_of = calloc(policy->config.sets + 1, sizeof(*ctx.hull_of));
	if (!ctx.own || !ctx.hull_of)
		return -ENOMEM;
	for (size_t i = 0; i < policy->address_set_count; i++)
		ctx.own[policy->address_sets[i].set] = true;
	for (__u32 i = first; !err && i < end; i++)
		err = add_rule(&ctx, i);
	return err;
}
