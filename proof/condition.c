/* SPDX-License-Identifier: BSD-2-Clause */
/* See condition.h. */
#include "proof/condition.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/calendar.h"
#include "policy/cgroup.h"
#include "policy/condition.h"

#define BIT KS_CONDITION_BIT
#define KINDS_NEGATED                                                                \
	(BIT(KS_CONDITION_MAC) | BIT(KS_CONDITION_USER) | BIT(KS_CONDITION_CGROUP) | \
	 BIT(KS_CONDITION_DURING)) /* see condition.h */
#define KINDS_BY_ACTION (BIT(KS_CONDITION_MAC) | BIT(KS_CONDITION_DURING))
#define NO_USER (~0ULL)
#define NO_CGROUP (~0ULL)
#define OTHER_CGROUP 0ULL /* none that any rule asks for */
#define UNTOLD (~0ULL) /* the source of a frame that a router had, or a time of which nobody can tell */
#define MAC_MAX 0xffffffffffffULL

/* --- one condition --- */

static const struct ks_conditions *values_of(const struct ks_variable_set *set)
{
	return &set->policy->conditions[set->index];
}

/* The set of numbers that a condition asks for, KS_SET_ANY if it asks for something else. */
static __u32 numbers_of(const struct ks_variable_set *set)
{
	const struct ks_conditions *c = values_of(set);

	switch (set->condition) {
	case KS_CONDITION_TTL:
		return c->ttl_set;
	case KS_CONDITION_LENGTH:
		return c->length_set;
	case KS_CONDITION_MARK:
		return c->mark_set;
	case KS_CONDITION_MAC:
		return c->mac_set;
	case KS_CONDITION_USER:
		return c->user_set;
	default:
		return KS_SET_ANY;
	}
}

static struct ks_spans spans_of(const struct ks_variable_set *set)
{
	const struct ks_set *numbers = &set->policy->sets[numbers_of(set)];

	return (struct ks_spans){ set->policy->ranges + numbers->first4, numbers->count4 };
}

static bool has_number(const struct ks_variable_set *set, __u64 number)
{
	const struct ks_spans spans = spans_of(set);

	for (__u32 i = 0; i < spans.count; i++) {
		if (number >= spans.list[i].lo[1] && number <= spans.list[i].hi[1])
			return true;
	}
	return false;
}

static const struct ks_calendar *calendar_of(const struct ks_variable_set *set)
{
	return &set->policy->calendars[values_of(set)->schedule];
}

const char *ks_fact_cgroup(__u64 value)
{
	return value == OTHER_CGROUP ? "other" : (const char *)(uintptr_t)value;
}

/* Returns true if a group, by its path as a value, is one that the condition asks for, or is below it. */
static bool has_cgroup(const struct ks_variable_set *set, __u64 value)
{
	const struct ks_policy *policy = set->policy;

	if (value == OTHER_CGROUP)
		return false;
	for (__u32 i = 0; i < policy->config.cgroups; i++) {
		if (values_of(set)->cgroups >> (i + 1) & 1 &&
		    ks_cgroup_is_in(ks_fact_cgroup(value), policy->cgroups[i]))
			return true;
	}
	return false;
}

/* Returns true if a packet with this value is in the set of the variable. */
static bool is_in(const struct ks_variable_set *set, __u64 value)
{
	const struct ks_conditions *c = values_of(set);

	switch (set->condition) {
	case KS_CONDITION_FLAGS:
		return (value & c->tcp_mask) == c->tcp_flags;
	case KS_CONDITION_FRAGMENT:
		return value;
	case KS_CONDITION_IP_OPTION:
		return c->ip_options ? value & c->ip_options : !value;
	case KS_CONDITION_DSCP:
		return value < KS_DSCP_MAX && c->dscp >> value & 1;
	case KS_CONDITION_MARK:
		return has_number(set, value & c->mark_mask);
	case KS_CONDITION_MAC:
		return value == UNTOLD ? !set->lets : value && has_number(set, value) != set->is_negated;
	case KS_CONDITION_DURING:
		return value == UNTOLD ? !set->lets
				       : ks_calendar_has_minute(calendar_of(set), (unsigned)value) != set->is_negated;
	case KS_CONDITION_USER:
		return value != NO_USER && has_number(set, value) != set->is_negated;
	case KS_CONDITION_CGROUP:
		return value != NO_CGROUP && has_cgroup(set, value) != set->is_negated;
	default:
		return has_number(set, value);
	}
}

/* Returns true if each group that one condition asks for is one that the other asks for. */
static bool same_cgroups(const struct ks_variable_set *a, const struct ks_variable_set *b)
{
	for (__u32 i = 0; i < a->policy->config.cgroups; i++) {
		if (values_of(a)->cgroups >> (i + 1) & 1 && !has_cgroup(b, (uintptr_t)a->policy->cgroups[i]))
			return false;
	}
	return true;
}

static bool same_values(const struct ks_variable_set *a, const struct ks_variable_set *b)
{
	const struct ks_conditions *x = values_of(a), *y = values_of(b);
	struct ks_spans of_a, of_b;

	switch (a->condition) {
	case KS_CONDITION_FLAGS:
		return x->tcp_flags == y->tcp_flags && x->tcp_mask == y->tcp_mask;
	case KS_CONDITION_FRAGMENT:
		return true;
	case KS_CONDITION_IP_OPTION:
		return x->ip_options == y->ip_options;
	case KS_CONDITION_DSCP:
		return x->dscp == y->dscp;
	case KS_CONDITION_CGROUP:
		return same_cgroups(a, b) && same_cgroups(b, a);
	case KS_CONDITION_DURING:
		return !strcmp(a->policy->calendars[x->schedule].text, b->policy->calendars[y->schedule].text);
	default:
		of_a = spans_of(a);
		of_b = spans_of(b);
		return ks_spans_equal(&of_a, &of_b) &&
		       (a->condition != KS_CONDITION_MARK || x->mark_mask == y->mark_mask);
	}
}

/* --- variables --- */

/* The bit of a variable, made if it is new; 0 if there are too many. */
static __u64 variable_bit(struct ks_variables *variables, const struct ks_variable_set *set)
{
	for (__u64 some = variables->conditions; some; some &= some - 1) {
		const struct ks_variable_set *known = &variables->set[__builtin_ctzll(some)];

		if (known->condition == set->condition && known->is_negated == set->is_negated &&
		    known->lets == set->lets && same_values(known, set))
			return some & -some;
	}
	if (variables->count == KS_VARIABLES_MAX ||
	    (unsigned)__builtin_popcountll(variables->conditions) == KS_CONDITION_VARIABLES_MAX)
		return 0;
	variables->set[variables->count] = *set;
	variables->conditions |= 1ULL << variables->count;
	return 1ULL << variables->count++;
}

bool ks_conditions_bound(struct ks_space *space, const struct ks_rule *rule, struct ks_region *region)
{
	const struct ks_conditions *c = &space->policy->conditions[rule->conditions];
	bool is_whole = true;

	for (unsigned n = 0; rule->conditions && n < KS_CONDITION_MAX; n++) {
		const bool negated = c->nots & BIT(n), lets = rule->action == KS_ALLOW || rule->action == KS_BYPASS;
		const struct ks_variable_set set = { .policy = space->policy,
						     .index = rule->conditions,
						     .name = "",
						     .is_condition = true,
						     .condition = (__u8)n,
						     .is_negated = negated && KINDS_NEGATED & BIT(n),
						     .lets = lets && KINDS_BY_ACTION & BIT(n) };
		__u64 bit;

		if (!(c->asks & BIT(n)))
			continue;
		bit = variable_bit(&space->variables, &set);
		is_whole &= bit != 0;
		*(negated && !set.is_negated ? &region->in : &region->out) &= ~bit;
	}
	return is_whole;
}

/* --- values --- */

/* A search for a value that variables of one kind of condition agree with. */
struct search {
	const struct ks_variables *variables;
	__u64 bits, in; /* those that are looked at, and those whose sets the packet must be in */
	__u64 value;
};

enum found { FOUND, NONE, UNKNOWN };

static bool search_try(struct search *search, __u64 value)
{
	for (__u64 some = search->bits; some; some &= some - 1) {
		const struct ks_variable_set *set = &search->variables->set[__builtin_ctzll(some)];

		if (is_in(set, value) != !!(search->in & some & -some))
			return false;
	}
	search->value = value;
	return true;
}

/* The values that a usual packet has. */
static const __u64 usual[KS_CONDITION_MAX] = {
	[KS_CONDITION_FLAGS] = KS_TCP_SYN, [KS_CONDITION_TTL] = 64, /* as hosts send it (RFC 1700) */
	[KS_CONDITION_LENGTH] = 60,	   [KS_CONDITION_MAC] = 0x020000000001ULL,
	[KS_CONDITION_USER] = NO_USER,	   [KS_CONDITION_CGROUP] = NO_CGROUP,
};

static const __u64 most[KS_CONDITION_MAX] = {
	[KS_CONDITION_FLAGS] = 255,	     [KS_CONDITION_FRAGMENT] = 1,
	[KS_CONDITION_IP_OPTION] = 255,	     [KS_CONDITION_TTL] = 255,
	[KS_CONDITION_LENGTH] = 65535,	     [KS_CONDITION_DSCP] = KS_DSCP_MAX - 1,
	[KS_CONDITION_MARK] = 0xffffffffULL, [KS_CONDITION_MAC] = MAC_MAX,
	[KS_CONDITION_USER] = 0xffffffffULL,
};

/* Flags that open a connection, if there are any with them, the fewest first. */
static bool search_openers(struct search *search)
{
	const unsigned others = KS_TCP_FIN | KS_TCP_SYN | KS_TCP_RST | KS_TCP_ACK;

	for (unsigned flags = 0; flags <= most[KS_CONDITION_FLAGS]; flags++) {
		if ((flags & others) == KS_TCP_SYN && search_try(search, flags))
			return true;
	}
	return false;
}

/* Tries all values of a condition that has few, the highest first. */
static enum found search_all(struct search *search, unsigned n)
{
	if (n == KS_CONDITION_FLAGS && search_openers(search))
		return FOUND;
	if (n == KS_CONDITION_FLAGS && search->variables->opens_only)
		return NONE;
	for (__u64 value = most[n] + 1; value-- > 0;) {
		if (search_try(search, value))
			return FOUND;
	}
	return NONE;
}

/* Tries the ends of the ranges, and the numbers behind them: where none of these is right, none is. */
static enum found search_ends(struct search *search, unsigned n)
{
	bool is_masked = false;

	for (__u64 some = search->bits; some; some &= some - 1) {
		const struct ks_variable_set *set = &search->variables->set[__builtin_ctzll(some)];
		const struct ks_spans spans = spans_of(set);

		is_masked |= n == KS_CONDITION_MARK && values_of(set)->mark_mask != most[n];
		for (__u32 i = 0; i < spans.count; i++) {
			const struct ks_range *range = &spans.list[i];

			if (search_try(search, range->hi[1]) || search_try(search, range->lo[1]) ||
			    (range->hi[1] < most[n] && search_try(search, range->hi[1] + 1)))
				return FOUND;
		}
	}
	return search_try(search, 0) ? FOUND : is_masked ? UNKNOWN : NONE;
}

/* Tries the moments at which a span begins and at which it is over. */
static bool search_span(struct search *search, const struct ks_calendar_span *span)
{
	for (unsigned day = 0; day < KS_WEEK_DAYS; day++) {
		if (span->days >> day & 1 && (search_try(search, day * KS_DAY_MINUTES + span->begin) ||
					      search_try(search, ks_calendar_span_end(span, day))))
			return true;
	}
	return false;
}

/* The same for all spans of the schedules: where none of these moments is right, none is. */
static enum found search_times(struct search *search)
{
	for (__u64 some = search->bits; some; some &= some - 1) {
		const struct ks_calendar *calendar = calendar_of(&search->variables->set[__builtin_ctzll(some)]);

		for (size_t i = 0; i < calendar->count; i++) {
			if (search_span(search, &calendar->spans[i]))
				return FOUND;
		}
	}
	return NONE;
}

/* Tries each group that a policy asks for: the deepest of them above a group is all that rules see of it. */
static enum found search_cgroups(struct search *search)
{
	for (__u64 some = search->bits; some; some &= some - 1) {
		const struct ks_policy *policy = search->variables->set[__builtin_ctzll(some)].policy;

		for (__u32 i = 0; i < policy->config.cgroups; i++) {
			if (search_try(search, (uintptr_t)policy->cgroups[i]))
				return FOUND;
		}
	}
	return search_try(search, OTHER_CGROUP) ? FOUND : NONE;
}

static enum found search_known(struct search *search, unsigned n)
{
	if (search_try(search, usual[n]))
		return FOUND;
	if (n == KS_CONDITION_CGROUP)
		return search_cgroups(search);
	if (n == KS_CONDITION_DURING)
		return search_times(search);
	if (n == KS_CONDITION_LENGTH || n == KS_CONDITION_MARK || n == KS_CONDITION_MAC || n == KS_CONDITION_USER)
		return search_ends(search, n);
	return search_all(search, n);
}

/* Takes a packet of which nobody can tell only if there is no other one. */
static enum found search_run(struct search *search, unsigned n)
{
	enum found found = search_known(search, n);

	return found == NONE && KINDS_BY_ACTION & BIT(n) && search_try(search, UNTOLD) ? FOUND : found;
}

/* Those of some variables that are of a kind. */
static __u64 bits_of_kind(const struct ks_variables *variables, __u64 some, unsigned n)
{
	__u64 bits = 0;

	for (; some; some &= some - 1) {
		if (variables->set[__builtin_ctzll(some)].condition == n)
			bits |= some & -some;
	}
	return bits;
}

bool ks_conditions_are_possible(const struct ks_variables *variables, const struct ks_region *a,
				const struct ks_region *b)
{
	const __u64 in = a->in & b->in, some = variables->conditions & ~(in & a->out & b->out);

	for (unsigned n = 0; some && n < KS_CONDITION_MAX; n++) {
		struct search search = { variables, bits_of_kind(variables, some, n), in, 0 };

		if (search.bits && search_run(&search, n) == NONE)
			return false;
	}
	return true;
}

__u16 ks_conditions_choose(const struct ks_variables *variables, const struct ks_region *region,
			   __u64 facts[KS_CONDITION_MAX])
{
	const __u64 some = ks_region_conditions(variables, region);
	__u16 chosen = 0;

	for (unsigned n = 0; some && n < KS_CONDITION_MAX; n++) {
		struct search search = { variables, bits_of_kind(variables, some, n), region->in, 0 };

		if (!search.bits || search_run(&search, n) != FOUND || search.value == NO_USER)
			continue;
		facts[n] = search.value;
		chosen |= (__u16)BIT(n);
	}
	return chosen;
}

static __u64 fact_of(const struct ks_facts *facts, unsigned n)
{
	const __u64 values[KS_CONDITION_MAX] = {
		[KS_CONDITION_FLAGS] = facts->tcp_flags,
		[KS_CONDITION_FRAGMENT] = facts->fragment,
		[KS_CONDITION_IP_OPTION] = facts->ip_options,
		[KS_CONDITION_TTL] = facts->ttl,
		[KS_CONDITION_LENGTH] = facts->length,
		[KS_CONDITION_DSCP] = facts->dscp,
		[KS_CONDITION_MARK] = facts->mark,
		[KS_CONDITION_MAC] = facts->mac,
		[KS_CONDITION_USER] = facts->has_uid ? facts->uid : NO_USER,
		[KS_CONDITION_CGROUP] = facts->has_cgroup ? OTHER_CGROUP : NO_CGROUP,
	};

	return values[n];
}

bool ks_conditions_are_met(const struct ks_variables *variables, __u64 in, __u64 out, const struct ks_facts *facts)
{
	for (__u64 some = variables->conditions & ~(in & out); some; some &= some - 1) {
		const struct ks_variable_set *set = &variables->set[__builtin_ctzll(some)];
		const bool must = in & some & -some;

		if (set->condition == KS_CONDITION_DURING) { /* no packet is shown of certain times */
			if (must)
				return false;
			continue;
		}
		/* Its number is one of the policy that has judged: the packet is of the group that was chosen. */
		if (set->condition == KS_CONDITION_CGROUP && facts->has_cgroup)
			continue;
		if (!(facts->known & BIT(set->condition)) || is_in(set, fact_of(facts, set->condition)) != must)
			return false;
	}
	return true;
}

/* --- words --- */

static void print_mac(__u64 mac, FILE *out)
{
	char buf[KS_MAC_TEXT];

	fputs(ks_mac_text(mac, buf), out);
}

static void print_number(__u64 number, unsigned n, FILE *out)
{
	if (n == KS_CONDITION_MAC)
		print_mac(number, out);
	else
		fprintf(out, n == KS_CONDITION_MARK ? "0x%llx" : "%llu", number);
}

static void print_numbers(const struct ks_variable_set *set, FILE *out)
{
	const struct ks_spans spans = spans_of(set);
	const __u32 mask = values_of(set)->mark_mask;

	fputs(spans.count > 1 ? "{ " : "", out);
	for (__u32 i = 0; i < spans.count; i++) {
		const struct ks_range *range = &spans.list[i];

		fputs(i ? ", " : "", out);
		print_number(range->lo[1], set->condition, out);
		if (range->lo[1] != range->hi[1]) {
			fputc('-', out);
			print_number(range->hi[1], set->condition, out);
		}
		if (set->condition == KS_CONDITION_MARK && mask != UINT32_MAX)
			fprintf(out, "/0x%x", mask);
	}
	fputs(spans.count > 1 ? " }" : "", out);
}

/* Returns true if the condition asks for a group above this one, so that this one goes without saying. */
static bool is_below_another(const struct ks_variable_set *set, __u32 n)
{
	const struct ks_policy *policy = set->policy;

	for (__u32 i = 0; i < policy->config.cgroups; i++) {
		if (i != n && values_of(set)->cgroups >> (i + 1) & 1 &&
		    ks_cgroup_is_in(policy->cgroups[n], policy->cgroups[i]))
			return true;
	}
	return false;
}

static void print_cgroups(const struct ks_variable_set *set, FILE *out)
{
	struct ks_ast_cgroups list = { 0 };
	const char *paths[KS_CGROUPS_MAX];

	list.paths = paths;
	for (__u32 i = 0; i < set->policy->config.cgroups; i++) {
		if (values_of(set)->cgroups >> (i + 1) & 1 && !is_below_another(set, i))
			paths[list.count++] = set->policy->cgroups[i];
	}
	ks_cgroups_print(&list, out);
}

static void print_value(const struct ks_variable_set *set, FILE *out)
{
	const struct ks_conditions *c = values_of(set);
	char flags[KS_FLAGS_TEXT], mask[KS_FLAGS_TEXT];

	switch (set->condition) {
	case KS_CONDITION_FLAGS:
		fprintf(out, "%s/%s", ks_tcp_flags_letters(c->tcp_flags, flags),
			ks_tcp_flags_letters(c->tcp_mask, mask));
		return;
	case KS_CONDITION_IP_OPTION:
		ks_print_option_condition(c->ip_options, out);
		return;
	case KS_CONDITION_CGROUP:
		print_cgroups(set, out);
		return;
	case KS_CONDITION_DSCP:
		ks_print_dscp(c->dscp, out);
		return;
	case KS_CONDITION_DURING:
		fputs(set->policy->calendars[c->schedule].text, out);
		return;
	default:
		print_numbers(set, out);
	}
}

const char *ks_condition_text(const struct ks_variable_set *set, bool in, char buf[KS_CONDITION_TEXT])
{
	static const char *const words[] = {
#define X(id, name) name,
		KS_CONDITIONS(X)
#undef X
	};
	const bool negated = in == set->is_negated;
	FILE *out = fmemopen(buf, KS_CONDITION_TEXT, "w");

	buf[0] = '\0';
	if (!out)
		return buf;
	if (set->condition <= KS_CONDITION_FRAGMENT) /* they have no `not` behind them */
		fprintf(out, "%s%s", negated ? "not " : "", words[set->condition]);
	else
		fprintf(out, "%s%s", words[set->condition], negated ? " not" : "");
	if (set->condition != KS_CONDITION_FRAGMENT) {
		fputc(' ', out);
		print_value(set, out);
	}
	fclose(out);
	buf[KS_CONDITION_TEXT - 1] = '\0';
	if (strlen(buf) == KS_CONDITION_TEXT - 1) /* a long list */
		strcpy(buf + KS_CONDITION_TEXT - 4, "...");
	return buf;
}
