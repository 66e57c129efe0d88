/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiles translations into entries of struct ks_target. All entries of a rule
 * share its targets. Those of one entry are of its family and stand one behind
 * the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/translate.h"
#include "policy/value.h"

/* The one's complement sum of the 16-bit words of an address. */
static __u32 npt_sum(const __u64 value[2])
{
	__u32 sum = 0;

	for (int i = 0; i < 2; i++) {
		for (int shift = 48; shift >= 0; shift -= 16)
			sum += (__u16)(value[i] >> shift);
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* sum(from) - sum(to) in one's complement: adding it to a word of the translated address restores the sum. */
__u16 ks_npt_adjust(const __u64 from[2], const __u64 to[2])
{
	__u32 sum = npt_sum(from) + (0xffffU ^ npt_sum(to));

	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : (__u16)sum;
}

int ks_compile_target(struct ks_compiler *c, const struct ks_target *target)
{
	struct ks_config *config = &c->policy->config;

	if (config->targets >= KS_TARGETS_MAX)
		return -EFBIG;
	if (ks_compile_reserve(&c->policy->targets, &c->target_room, config->targets, 1, sizeof(*target)))
		return -ENOMEM;
	c->policy->targets[config->targets++] = *target;
	return 0;
}

static struct ks_target target_of(const struct ks_ast_rule *rule, const struct ks_ast_target *from)
{
	const struct ks_ast_translation *translation = &rule->translation;
	struct ks_target target = {
		.port_lo = translation->port_lo,
		.port_hi = translation->port_hi,
		.port_from = translation->port_from,
		.kind = translation->kind,
		.flags = translation->flags,
		.zone = translation->kind == KS_TARGET_SELF ? KS_ZONE_SELF : KS_ZONE_UNKNOWN,
	};

	if (from) {
		memcpy(target.lo, from->range.lo, sizeof(target.lo));
		memcpy(target.hi, from->range.hi, sizeof(target.hi));
		target.family = from->family;
	}
	return target;
}

/* Adds the targets of a rule that are of a family. A rule without addresses has one target for both. */
int ks_compile_targets(struct ks_compiler *c, const struct ks_ast_rule *rule, unsigned family, struct ks_rule *entry)
{
	const struct ks_ast_translation *translation = &rule->translation;
	struct ks_target target;
	int err = 0;

	entry->target = (__u16)c->policy->config.targets;
	if (!translation->target_count) {
		target = target_of(rule, NULL);
		err = ks_compile_target(c, &target);
	}
	for (size_t i = 0; !err && i < translation->target_count; i++) {
		if (translation->targets[i].family != family)
			continue;
		target = target_of(rule, &translation->targets[i]);
		if (rule->statement == KS_STATEMENT_FORWARD)
			target.zone = ks_translation_zone(c->policy, translation, &translation->targets[i]);
		err = ks_compile_target(c, &target);
	}
	entry->targets = (__u16)(c->policy->config.targets - entry->target);
	return err;
}

/* Fills the entry of one direction of binat: addresses of `from` become those of `to`. */
static int compile_side(struct ks_compiler *c, const struct ks_ast_rule *rule, const struct ks_ast_target *from,
			const struct ks_ast_target *to, __u8 zone, struct ks_rule *entry)
{
	struct ks_target target = target_of(rule, to);

	target.prefix = to->prefix;
	target.zone = zone;
	if (target.kind == KS_TARGET_NPT)
		target.adjust = ks_npt_adjust(from->range.lo, to->range.lo);
	entry->family = to->family;
	entry->flags = KS_RULE_ANY_PROTO;
	entry->target = (__u16)c->policy->config.targets;
	entry->targets = 1;
	return ks_compile_target(c, &target);
}

static int side_set(struct ks_compiler *c, const struct ks_ast_target *side, __u32 *set)
{
	struct ks_range range = side->range;
	struct ks_merged merged = {
		.ranges = &range,
		.count4 = side->family == KS_IPV4,
		.count6 = side->family == KS_IPV6,
	};

	return ks_compile_set(c, &merged, set);
}

/* Makes two entries: an arriving packet's outside address becomes the inside one, a leaving packet's the other way round. */
int ks_compile_binat(struct ks_compiler *c, const struct ks_ast_rule *rule, size_t info)
{
	const struct ks_ast_target *inside = &rule->translation.targets[0], *outside = inside + 1;
	__u8 zone = ks_translation_zone(c->policy, &rule->translation, inside);
	struct ks_rule in = { .from_zones = rule->to_zones, .to_zones = KS_ZONES_ANY };
	struct ks_rule out = { .from_zones = ~(1ULL << KS_ZONE_SELF), .to_zones = rule->to_zones };
	int err = side_set(c, outside, &in.dst_set);

	in.id = out.id = c->policy->infos[info].id;
	if (!err)
		err = side_set(c, inside, &out.src_set);
	if (!err)
		err = compile_side(c, rule, outside, inside, zone, &in);
	if (!err)
		err = compile_side(c, rule, inside, outside, KS_ZONE_UNKNOWN, &out);
	if (!err)
		err = ks_compile_entry(c, KS_LIST_INBOUND, &in, info);
	return err ? err : ks_compile_entry(c, KS_LIST_SOURCE, &out, info);
}

/* The only address or the first port of a set, and the last; false if it has none, or several where `one` is demanded. */
static bool set_bounds(const struct ks_policy *policy, __u32 index, unsigned family, bool one, struct ks_range *bounds)
{
	const struct ks_set *set = &policy->sets[index];
	__u32 first = family == KS_IPV6 ? set->first6 : set->first4,
	      count = family == KS_IPV6 ? set->count6 : set->count4;

	if (!count || (one && count > 1))
		return false;
	*bounds = policy->ranges[first];
	return true;
}

static bool is_one_address(const struct ks_range *range)
{
	return range->lo[0] == range->hi[0] && range->lo[1] == range->hi[1];
}

/* The outer ports of a rule with ports, and the inner ones, in `own`; false if they cannot be told. */
static bool own_ports(const struct ks_policy *policy, const struct ks_rule *entry, const struct ks_target *target,
		      struct ks_target *own, struct ks_range *inner)
{
	bool one_by_one = target->flags & KS_TARGET_PORT_OFFSET;
	struct ks_range outer;

	if (entry->dport_set == KS_SET_ANY || entry->flags & KS_RULE_NOT_DPORT ||
	    !set_bounds(policy, entry->dport_set, KS_IPV4, one_by_one, &outer))
		return false;
	*inner = (struct ks_range){ .lo = { 0, target->port_lo }, .hi = { 0, target->port_lo } };
	if (one_by_one)
		inner->hi[1] += outer.hi[1] - outer.lo[1];
	own->flags = KS_TARGET_PORTS | KS_TARGET_PORT_OFFSET;
	own->port_lo = own->port_hi = (__u16)outer.lo[1];
	own->port_from = target->port_lo;
	return true;
}

static int range_set(struct ks_compiler *c, const struct ks_range *range, unsigned family, __u32 *set)
{
	struct ks_range copy = *range;
	struct ks_merged merged = { .ranges = &copy, .count4 = family == KS_IPV4, .count6 = family == KS_IPV6 };

	return ks_compile_set(c, &merged, set);
}

int ks_compile_own(struct ks_compiler *c, const struct ks_ast_rule *rule, const struct ks_rule *entry, size_t info)
{
	const struct ks_target *target = &c->policy->targets[entry->target];
	struct ks_rule reverse = { .from_zones = ~(1ULL << KS_ZONE_SELF),
				   .to_zones = entry->from_zones,
				   .id = entry->id,
				   .action = KS_ALLOW,
				   .family = entry->family,
				   .proto = entry->proto,
				   .flags = entry->flags & KS_RULE_ANY_PROTO,
				   .targets = 1 };
	struct ks_range inner = { .lo = { target->lo[0], target->lo[1] }, .hi = { target->hi[0], target->hi[1] } };
	struct ks_target own = { .kind = KS_TARGET_EXEMPT, .family = entry->family };
	struct ks_range ports, outer;
	int err;

	if (entry->targets != 1 || target->kind != KS_TARGET_RANGE || !is_one_address(&inner))
		return 0;
	err = range_set(c, &inner, entry->family, &reverse.src_set);
	reverse.sport_set = entry->dport_set;
	reverse.flags |= entry->flags & KS_RULE_NOT_DPORT ? KS_RULE_NOT_SPORT : 0;
	if (!err && target->flags & KS_TARGET_PORTS) {
		if (!own_ports(c->policy, entry, target, &own, &ports))
			return 0;
		reverse.flags &= (__u8)~KS_RULE_NOT_SPORT;
		err = range_set(c, &ports, KS_IPV4, &reverse.sport_set);
	}
	if (!err && entry->dst_set != KS_SET_ANY && !(entry->flags & KS_RULE_NOT_DST) &&
	    !rule->destination.address_of.text && set_bounds(c->policy, entry->dst_set, entry->family, true, &outer) &&
	    is_one_address(&outer)) {
		own.kind = KS_TARGET_RANGE;
		memcpy(own.lo, outer.lo, sizeof(own.lo));
		memcpy(own.hi, outer.hi, sizeof(own.hi));
	}
	reverse.target = (__u16)c->policy->config.targets;
	if (!err)
		err = ks_compile_target(c, &own);
	return err ? err : ks_compile_entry(c, KS_LIST_OWN, &reverse, info);
}
