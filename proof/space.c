/* SPDX-License-Identifier: BSD-2-Clause */
/* See space.h. */
#include "proof/space.h"

#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "proof/condition.h"
#include "proof/unasked.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define FLAGS_KNOWN                                                                                                    \
	(KS_RULE_LOG | KS_RULE_NOT_SRC | KS_RULE_NOT_DST | KS_RULE_NOT_SPORT | KS_RULE_NOT_DPORT | KS_RULE_ANY_PROTO | \
	 KS_RULE_LIMITED | KS_RULE_MAY_MISS)
#define ALTERNATIVES_MAX (KS_DYNAMIC_MAX + 2)

/* One way in which an address may satisfy a condition. */
struct alternative {
	struct ks_spans spans;
	__u64 in, out; /* as of a region */
	bool own; /* the address is one of the firewall's own */
};

struct alternatives {
	struct alternative list[ALTERNATIVES_MAX];
	unsigned count;
	bool vague;
};

static const __u8 families[] = { KS_IPV4, KS_IPV6 };

__u64 ks_policy_zone_bits(const struct ks_policy *policy)
{
	__u64 bits = 1ULL << KS_ZONE_NONE | SELF;

	for (size_t i = 0; i < policy->zone_count; i++)
		bits |= 1ULL << policy->zones[i].id;
	return bits;
}

int ks_space_claim(struct ks_space *space, const struct ks_region *region, __u32 entry, bool vague)
{
	if (ks_region_is_empty(region))
		return 0;
	if (space->count == space->room) {
		size_t room = space->room ? space->room * 2 : 64;
		struct ks_claim *claims = realloc(space->claims, room * sizeof(*claims));

		if (!claims)
			return -ENOMEM;
		space->claims = claims;
		space->room = room;
	}
	space->claims[space->count++] = (struct ks_claim){ .region = *region, .entry = entry, .vague = vague };
	return 0;
}

/* --- addresses --- */

static struct ks_spans run_of(const struct ks_policy *policy, __u32 index, __u8 family)
{
	const struct ks_set *set = &policy->sets[index];

	return family == KS_IPV6 ? (struct ks_spans){ policy->ranges + set->first6, set->count6 }
				 : (struct ks_spans){ policy->ranges + set->first4, set->count4 };
}

/* Returns true if two sets, perhaps of two policies, follow the interfaces of a zone in the same way. */
static bool follow_alike(const struct ks_address_set *a, const struct ks_address_set *b)
{
	if (a->kind != b->kind || a->suffix_count != b->suffix_count)
		return false;
	for (size_t i = 0; i < a->suffix_count; i++) {
		const struct ks_prefix *x = &a->suffixes[i], *y = &b->suffixes[i];

		if (x->length != y->length || !ks_addr_equal(&x->addr, &y->addr))
			return false;
	}
	return true;
}

/* Returns true if a variable is of the same members. In one policy each set that follows interfaces is another. */
static bool variables_equal(const struct ks_variable_set *known, const struct ks_variable_set *set)
{
	if (known->dim != set->dim || known->is_dynamic != set->is_dynamic || known->is_own != set->is_own ||
	    strcmp(known->name, set->name) != 0)
		return false;
	if (known->is_dynamic)
		return true;
	return known->side == set->side ? known->index == set->index : follow_alike(known->follows, set->follows);
}

/* The bit of a variable, made if it is new; 0 if there are too many. */
static __u64 variable_bit(struct ks_variables *variables, const struct ks_variable_set *set)
{
	for (unsigned i = 0; i < variables->count; i++) {
		if (!variables->set[i].is_condition && variables_equal(&variables->set[i], set))
			return 1ULL << i;
	}
	if (variables->count == KS_VARIABLES_MAX)
		return 0;
	variables->set[variables->count] = *set;
	return 1ULL << variables->count++;
}

static const struct ks_address_set *address_set_of(const struct ks_policy *policy, __u32 index)
{
	for (size_t i = 0; i < policy->address_set_count; i++) {
		if (policy->address_sets[i].set == index)
			return &policy->address_sets[i];
	}
	return NULL;
}

static const char *dynamic_name(const struct ks_policy *policy, __u32 number)
{
	for (size_t i = 0; i < policy->set_info_count; i++) {
		if (policy->set_infos[i].dynamic && policy->set_infos[i].number == number)
			return policy->set_infos[i].name;
	}
	return "";
}

/* The variables of a set, a bit each; *vague if they are too many. */
static __u64 variables_of(struct ks_space *space, __u32 index, bool is_own, enum ks_dim dim, bool *vague)
{
	const struct ks_address_set *own = address_set_of(space->policy, index);
	struct ks_variable_set set = {
		.dim = (__u8)dim, .is_dynamic = true, .side = space->side, .index = index, .policy = space->policy
	};
	__u64 bits = 0, bit;

	for (__u64 dynamic = space->policy->sets[index].dynamic; dynamic; dynamic &= dynamic - 1) {
		set.name = dynamic_name(space->policy, (__u32)__builtin_ctzll(dynamic));
		bit = variable_bit(&space->variables, &set);
		*vague |= !bit;
		bits |= bit;
	}
	if (!own)
		return bits;
	set.is_dynamic = false;
	set.is_own = is_own;
	set.follows = own;
	set.name = ks_policy_zone_name(space->policy, own->zone);
	bit = variable_bit(&space->variables, &set);
	*vague |= !bit;
	return bits | bit;
}

static void alternative_add(struct alternatives *to, const struct ks_spans *spans, __u64 in, __u64 out, bool own)
{
	if (spans->count)
		to->list[to->count++] = (struct alternative){ .spans = *spans, .in = in, .out = out, .own = own };
}

/* How an address satisfies a condition: it is in one of the ranges, or in one of the sets whose members come later. */
static int address_alternatives(struct ks_space *space, __u32 index, bool negated, bool is_own, enum ks_dim dim,
				__u8 family, struct alternatives *made)
{
	const struct ks_spans *all = ks_spans_all(dim, family);
	struct ks_spans run, left;
	__u64 variables, steps = 0;
	bool later;

	*made = (struct alternatives){ 0 };
	if (index == KS_SET_ANY) {
		alternative_add(made, all, ~0ULL, ~0ULL, false);
		return 0;
	}
	later = address_set_of(space->policy, index) != NULL;
	run = later ? (struct ks_spans){ NULL, 0 } : run_of(space->policy, index, family);
	variables = variables_of(space, index, is_own, dim, &made->vague);
	if (negated) {
		if (run.count && ks_spans_subtract(&space->pool, all, &run, &steps, &left))
			return -ENOMEM;
		alternative_add(made, run.count ? &left : all, ~variables, ~0ULL, false);
		return 0;
	}
	alternative_add(made, &run, ~0ULL, ~0ULL, false);
	for (; variables; variables &= variables - 1)
		alternative_add(made, all, ~0ULL, ~(variables & -variables), later && is_own && dim == KS_DIM_DST);
	if (made->vague)
		alternative_add(made, all, ~0ULL, ~0ULL, false);
	return 0;
}

/* --- rules --- */

static void protos_bound(struct ks_region *region, bool (*has)(__u32 proto))
{
	for (unsigned proto = 0; proto < 64 * KS_PROTO_WORDS; proto++) {
		if (!has(proto))
			region->proto[proto / 64] &= ~(1ULL << proto % 64);
	}
}

static bool proto_has_ports(__u32 proto)
{
	return ks_proto_has_ports(proto);
}

static bool proto_is_icmp(__u32 proto)
{
	return ks_proto_is_icmp(proto);
}

/* Bounds a region by a set of ports or ICMP types. */
static int number_bound(struct ks_space *space, __u32 index, bool negated, enum ks_dim dim, struct ks_region *region)
{
	struct ks_spans run;
	__u64 steps = 0;

	if (index == KS_SET_ANY)
		return 0;
	run = run_of(space->policy, index, KS_IPV4);
	protos_bound(region, dim == KS_DIM_ICMP ? proto_is_icmp : proto_has_ports);
	if (!negated)
		region->dim[dim] = run;
	else if (run.count)
		return ks_spans_subtract(&space->pool, &ks_spans_ports, &run, &steps, &region->dim[dim]);
	return 0;
}

static int entry_bound(struct ks_space *space, const struct ks_rule *rule, struct ks_region *region)
{
	int err;

	region->from &= rule->from_zones;
	region->to &= rule->to_zones;
	for (unsigned i = 0; i < KS_PROTO_WORDS && !(rule->flags & KS_RULE_ANY_PROTO); i++)
		region->proto[i] &= rule->proto / 64 == i ? 1ULL << rule->proto % 64 : 0;
	err = number_bound(space, rule->sport_set, rule->flags & KS_RULE_NOT_SPORT, KS_DIM_SPORT, region);
	if (!err)
		err = number_bound(space, rule->dport_set, rule->flags & KS_RULE_NOT_DPORT, KS_DIM_DPORT, region);
	return err ? err : number_bound(space, rule->icmp_set, false, KS_DIM_ICMP, region);
}

static int claims_multiply(struct ks_space *space, const struct ks_region *region, const struct alternatives *src,
			   const struct alternatives *dst, __u32 entry, bool vague)
{
	int err = 0;

	for (unsigned i = 0; !err && i < src->count; i++) {
		for (unsigned j = 0; !err && j < dst->count; j++) {
			struct ks_region made = *region;

			made.dim[KS_DIM_SRC] = src->list[i].spans;
			made.dim[KS_DIM_DST] = dst->list[j].spans;
			made.in &= src->list[i].in & dst->list[j].in;
			made.out &= src->list[i].out & dst->list[j].out;
			if (dst->list[j].own) /* its own address is where it is */
				made.to &= SELF;
			err = ks_space_claim(space, &made, entry, vague || src->vague || dst->vague);
		}
	}
	return err;
}

/* Returns true if the rule means the firewall's own addresses, and not others that follow its interfaces. */
static bool names_own(const struct ks_space *space, __u32 entry)
{
	return strstr(space->policy->infos[space->policy->rule_info[entry]].text, " address of ") != NULL;
}

int ks_space_add(struct ks_space *space, const struct ks_rule *rule, __u32 entry)
{
	const bool is_own = names_own(space, entry);
	bool vague = rule->flags & (__u8)~FLAGS_KNOWN;
	struct alternatives src, dst;
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(families); i++) {
		struct ks_region region;

		if (rule->family && rule->family != families[i])
			continue;
		ks_region_fill(&region, families[i], ks_policy_zone_bits(space->policy));
		vague |= !ks_conditions_bound(space, rule, &region);
		err = entry_bound(space, rule, &region);
		if (!err)
			err = address_alternatives(space, rule->src_set, rule->flags & KS_RULE_NOT_SRC, is_own,
						   KS_DIM_SRC, families[i], &src);
		if (!err)
			err = address_alternatives(space, rule->dst_set, rule->flags & KS_RULE_NOT_DST, is_own,
						   KS_DIM_DST, families[i], &dst);
		if (!err)
			err = claims_multiply(space, &region, &src, &dst, entry, vague);
	}
	return err;
}

int ks_space_join(struct ks_space *space, const struct ks_policy *policy, enum ks_list list, __u8 side)
{
	const struct ks_rule_list entries = ks_list_of(policy, list);
	size_t first = space->count;
	int err;

	space->policy = policy;
	space->side = side;
	err = ks_unasked_add(space);
	for (__u32 i = entries.first; !err && i < entries.first + entries.count; i++)
		err = ks_space_add(space, &policy->rules[i], i);
	if (!err)
		err = ks_unasked_add_last(space);
	for (size_t i = first; i < space->count; i++)
		space->claims[i].side = side;
	return err;
}

int ks_space_init_with(struct ks_space *space, const struct ks_policy *policy, enum ks_list list,
		       const struct ks_variables *variables)
{
	*space = (struct ks_space){ .zones = ks_policy_zone_bits(policy), .list = list, .is_whole = true };
	if (variables)
		space->variables = *variables;
	return ks_space_join(space, policy, list, 0);
}

int ks_space_init(struct ks_space *space, const struct ks_policy *policy, enum ks_list list)
{
	*space = (struct ks_space){ .zones = ks_policy_zone_bits(policy), .list = list };
	return ks_space_join(space, policy, list, 0);
}

void ks_space_fini(struct ks_space *space)
{
	free(space->claims);
	ks_pool_fini(&space->pool);
	*space = (struct ks_space){ 0 };
}
