/* SPDX-License-Identifier: BSD-2-Clause */
/* See filter.h. All values come from outside and are checked to the last character. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "daemon/api/filter.h"
#include "daemon/api/flow_event.h"
#include "text/names.h"
#include "text/scoped.h"

#define NEGATION "not "
#define KS_VALUE_TEXT 256

void ks_filter_init(struct ks_filter *filter)
{
	memset(filter, 0, sizeof(*filter));
}

/* Returns a whole decimal number up to max, or -1. */
static int parse_number(const char *text, int max)
{
	char *end;
	long value;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno || *end || value > max ? -1 : (int)value;
}

static void clear_host_bits(struct ks_prefix *prefix)
{
	unsigned first = prefix->family == KS_IPV4 ? 12 : 0;

	for (unsigned i = first; i < 16; i++) {
		unsigned bit = (i - first) * 8;

		if (bit + 8 > prefix->length)
			prefix->addr.b[i] &= bit >= prefix->length ? 0 : (__u8)(0xff00 >> (prefix->length - bit));
	}
}

int ks_prefix_parse(const char *text, struct ks_prefix *prefix)
{
	struct ks_prefix new = { .family = strchr(text, ':') ? KS_IPV6 : KS_IPV4 };
	int bits = new.family == KS_IPV4 ? 32 : 128;
	char address[KS_ADDR_TEXT];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);

	if (!length || length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	if (slash)
		bits = parse_number(slash + 1, bits);
	if (bits < 0 || inet_pton(new.family == KS_IPV4 ? AF_INET : AF_INET6, address,
				  new.family == KS_IPV4 ? &new.addr.b[12] : &new.addr.b[0]) != 1)
		return -EINVAL;
	new.length = (__u8)bits;
	clear_host_bits(&new);
	*prefix = new;
	return 0;
}

bool ks_prefix_contains(const struct ks_prefix *prefix, const struct ks_addr *addr, unsigned family)
{
	struct ks_prefix other = { .addr = *addr, .family = (__u8)family, .length = prefix->length };

	if (family != prefix->family)
		return false;
	clear_host_bits(&other);
	return !memcmp(&other.addr, &prefix->addr, sizeof(other.addr));
}

/* A value that is being read, and what it becomes. */
struct value_ctx {
	struct ks_filter *filter;
	const struct ks_policy *policy;
	struct ks_condition *condition;
};

static int take_prefix(struct value_ctx *ctx, const char *value)
{
	return ks_prefix_parse(value, &ctx->condition->prefix);
}

static int take_int(struct value_ctx *ctx, int value)
{
	if (value < 0)
		return -EINVAL;
	ctx->condition->low = ctx->condition->high = (__u16)value;
	return 0;
}

/* "443" or "8000-8100" */
static int take_port(struct value_ctx *ctx, const char *value)
{
	const char *dash = strchr(value, '-');
	char low[8];
	int first, last;

	if (!dash)
		return take_int(ctx, parse_number(value, 65535));
	if (dash - value >= (ptrdiff_t)sizeof(low))
		return -EINVAL;
	snprintf(low, sizeof(low), "%.*s", (int)(dash - value), value);
	first = parse_number(low, 65535);
	last = parse_number(dash + 1, 65535);
	if (first < 0 || last < first)
		return -EINVAL;
	ctx->condition->low = (__u16)first;
	ctx->condition->high = (__u16)last;
	return 0;
}

static int take_proto(struct value_ctx *ctx, const char *value)
{
	return take_int(ctx, ks_proto_from_name(value));
}

static int take_zone(struct value_ctx *ctx, const char *value)
{
	return take_int(ctx, ks_policy_zone_id(ctx->policy, value));
}

static int take_state(struct value_ctx *ctx, const char *value)
{
	int state = ks_state_from_name(value);

	return take_int(ctx, state == KS_STATE_NONE ? -1 : state);
}

static int take_verdict(struct value_ctx *ctx, const char *value)
{
	for (int i = KS_ALLOW; i < KS_ACTION_MAX; i++) {
		if (!strcasecmp(ks_action_name((unsigned)i), value))
			return take_int(ctx, i);
	}
	return -EINVAL;
}

static int take_reason(struct value_ctx *ctx, const char *value)
{
	return take_int(ctx, ks_reason_from_name(value));
}

static int take_why(struct value_ctx *ctx, const char *value)
{
	return take_int(ctx, ks_end_from_name(value));
}

/* The number of a flow as it is told: all of its digits. */
static int take_flow(struct value_ctx *ctx, const char *value)
{
	if (strlen(value) != KS_FLOW_NUMBER_DIGITS || strspn(value, "0123456789abcdef") != KS_FLOW_NUMBER_DIGITS)
		return -EINVAL;
	ctx->condition->flow = strtoull(value, NULL, 16);
	return 0;
}

/* Returns true if "gateway.conf:12" or its path names this place. */
static bool is_place(const struct ks_place *place, const char *value)
{
	const char *colon = strrchr(value, ':'), *slash = strrchr(place->file, '/');
	size_t length = colon ? (size_t)(colon - value) : 0;
	const char *last = slash ? slash + 1 : place->file;

	if (!length || parse_number(colon + 1, INT_MAX) != (int)place->line)
		return false;
	return (strlen(place->file) == length && !memcmp(place->file, value, length)) ||
	       (strlen(last) == length && !memcmp(last, value, length));
}

static void rule_add(struct value_ctx *ctx, __u32 id)
{
	ctx->filter->rules[ctx->condition->negated][id / 8 % (KS_FILTER_RULES / 8)] |= (__u8)(1U << id % 8);
}

/* Several rules may have a label, or stand on a line. The id may be one of a rule that is gone. */
static int take_rule(struct value_ctx *ctx, const char *value)
{
	int id = parse_number(value, KS_FILTER_RULES - 1);
	bool found = id >= 0;

	if (id >= 0)
		rule_add(ctx, (__u32)id);
	for (size_t i = 0; i < ctx->policy->info_count; i++) {
		const struct ks_rule_info *info = &ctx->policy->infos[i];

		if ((info->label && !strcmp(info->label, value)) || is_place(&info->place, value)) {
			rule_add(ctx, info->id);
			found = true;
		}
	}
	return found ? 0 : -EINVAL;
}

#define ALL (KS_FILTER_FLOWS | KS_FILTER_EVENTS | KS_FILTER_TOLD)
#define ENDS                                                                                       \
	(1U << KS_CONDITION_ADDRESS | 1U << KS_CONDITION_SOURCE | 1U << KS_CONDITION_DESTINATION | \
	 1U << KS_CONDITION_PORT | 1U << KS_CONDITION_PROTO)

static const struct {
	const char *name;
	unsigned kinds;
	bool whole; /* a value may have commas */
	int (*take)(struct value_ctx *ctx, const char *value);
	const char *right; /* describes a right value */
} conditions[] = {
	[KS_CONDITION_ADDRESS] = { "address", ALL, false, take_prefix, "an address or prefix such as 192.0.2.0/24" },
	[KS_CONDITION_SOURCE] = { "source", ALL, false, take_prefix, "an address or prefix such as 192.0.2.0/24" },
	[KS_CONDITION_DESTINATION] = { "destination", ALL, false, take_prefix,
				       "an address or prefix such as 2001:db8::/32" },
	[KS_CONDITION_PORT] = { "port", ALL, false, take_port, "a port from 0 to 65535, or a range such as 8000-8100" },
	[KS_CONDITION_PROTO] = { "proto", ALL, false, take_proto, "a protocol such as tcp, or its number up to 255" },
	[KS_CONDITION_ZONE] = { "zone", ALL, false, take_zone, "" },
	[KS_CONDITION_FROM] = { "from", ALL, false, take_zone, "" },
	[KS_CONDITION_TO] = { "to", ALL, false, take_zone, "" },
	[KS_CONDITION_RULE] = { "rule", ALL, true, take_rule,
				"the label of a rule, where it stands such as gateway.conf:12, or its id" },
	[KS_CONDITION_STATE] = { "state", KS_FILTER_FLOWS | KS_FILTER_TOLD, false, take_state, "" },
	[KS_CONDITION_VERDICT] = { "verdict", KS_FILTER_EVENTS, false, take_verdict, "allow, deny, reject or bypass" },
	[KS_CONDITION_REASON] = { "reason", KS_FILTER_EVENTS, false, take_reason, "" },
	[KS_CONDITION_WHY] = { "why", KS_FILTER_TOLD, false, take_why, "" },
	[KS_CONDITION_FLOW] = { "flow", KS_FILTER_FLOWS | KS_FILTER_TOLD, false, take_flow,
				"the number of a flow in 16 digits, as details=1 of a listing or its events tell it" },
};

static void say_zones(const struct ks_policy *policy, FILE *out)
{
	fputs("a zone of the policy: self", out);
	for (size_t i = 0; i < policy->zone_count; i++)
		fprintf(out, ", %s", policy->zones[i].name);
}

static void say_states(FILE *out)
{
	fputs("a state:", out);
	for (unsigned i = KS_STATE_NONE + 1; i < KS_STATE_MAX; i++)
		fprintf(out, "%s %s", i == KS_STATE_NONE + 1 ? "" : ",", ks_state_name(i));
}

static void say_reasons(FILE *out)
{
	fputs("a reason:", out);
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		fprintf(out, "%s %s", i ? "," : "", ks_reason_name(i));
}

static void say_ends(FILE *out)
{
	fputs("why a flow has ended:", out);
	for (unsigned i = KS_END_UNTOLD + 1; i < KS_END_MAX; i++)
		fprintf(out, "%s %s", i == KS_END_UNTOLD + 1 ? "" : ",", ks_end_name(i));
}

static void complain_value(size_t i, const struct ks_policy *policy, const char *value, char *complaint, size_t size)
{
	ks_auto_file FILE *out = fmemopen(complaint, size, "w");

	if (!out) {
		snprintf(complaint, size, "%s: '%s' is not right", conditions[i].name, value);
		return;
	}
	fprintf(out, "%s: '%.200s' is not right; give ", conditions[i].name, value);
	if (conditions[i].take == take_zone)
		say_zones(policy, out);
	else if (i == KS_CONDITION_STATE)
		say_states(out);
	else if (i == KS_CONDITION_REASON)
		say_reasons(out);
	else if (i == KS_CONDITION_WHY)
		say_ends(out);
	else
		fputs(conditions[i].right, out);
}

static void complain_name(unsigned kind, const char *name, char *complaint, size_t size)
{
	size_t n = (size_t)snprintf(complaint, size, "there is no filter '%.60s'; there are:", name);

	for (size_t i = 0; i < KS_ARRAY_SIZE(conditions) && n < size; i++) {
		if (conditions[i].kinds & kind)
			n += (size_t)snprintf(complaint + n, size - n, " %s", conditions[i].name);
	}
}

/* Adds one value. Returns 0, -EINVAL or -E2BIG. */
static int value_add(struct ks_filter *filter, const struct ks_policy *policy, unsigned name, bool negated,
		     const char *value)
{
	struct ks_condition condition = { .name = (__u8)name, .negated = negated };
	struct value_ctx ctx = { .filter = filter, .policy = policy, .condition = &condition };

	if (filter->conditions == KS_FILTER_CONDITIONS_MAX)
		return -E2BIG;
	if (conditions[name].take(&ctx, value))
		return -EINVAL;
	filter->list[filter->conditions++] = condition;
	filter->named |= 1U << name;
	if (!negated)
		filter->wanted |= 1U << name;
	return 0;
}

/* Adds the values between commas. */
static int values_add(struct ks_filter *filter, const struct ks_policy *policy, unsigned name, bool negated,
		      const char *text)
{
	char value[KS_VALUE_TEXT];
	int err = 0;

	if (conditions[name].whole)
		return value_add(filter, policy, name, negated, text);
	for (size_t length; !err; text += length + 1) {
		length = strcspn(text, ",");
		if (length >= sizeof(value))
			return -EINVAL;
		memcpy(value, text, length);
		value[length] = '\0';
		err = value_add(filter, policy, name, negated, value);
		if (!text[length])
			break;
	}
	return err;
}

/* Some names begin with "not ", such as the reason "not ip": a value is taken as a whole first. */
static int condition_add(struct ks_filter *filter, const struct ks_policy *policy, unsigned name, const char *value)
{
	unsigned before = filter->conditions;
	int err = values_add(filter, policy, name, false, value);

	if (err != -EINVAL || strncmp(value, NEGATION, strlen(NEGATION)) || filter->conditions != before)
		return err;
	return values_add(filter, policy, name, true, value + strlen(NEGATION));
}

int ks_filter_set(struct ks_filter *filter, unsigned kind, const struct ks_policy *policy, const char *name,
		  const char *value, char *complaint, size_t size)
{
	for (unsigned i = 0; i < KS_ARRAY_SIZE(conditions); i++) {
		int err;

		if (!(conditions[i].kinds & kind) || strcmp(conditions[i].name, name))
			continue;
		err = condition_add(filter, policy, i, value);
		if (err == -EINVAL)
			complain_value(i, policy, value, complaint, size);
		else if (err)
			snprintf(complaint, size, "%s: there are more than %d filters", name, KS_FILTER_CONDITIONS_MAX);
		return err;
	}
	complain_name(kind, name, complaint, size);
	return -ENOENT;
}

static bool in_range(const struct ks_condition *condition, int number)
{
	return number >= condition->low && number <= condition->high;
}

static bool is_in(const struct ks_condition *condition, const struct ks_addr *addr, unsigned family)
{
	return ks_prefix_contains(&condition->prefix, addr, family);
}

/* A condition about the ends of something. Ports do not exist for protocols without them. */
static bool end_holds(const struct ks_condition *condition, const struct ks_tuple *tuple)
{
	switch (condition->name) {
	case KS_CONDITION_ADDRESS:
		return is_in(condition, &tuple->src, tuple->family) || is_in(condition, &tuple->dst, tuple->family);
	case KS_CONDITION_SOURCE:
		return is_in(condition, &tuple->src, tuple->family);
	case KS_CONDITION_DESTINATION:
		return is_in(condition, &tuple->dst, tuple->family);
	case KS_CONDITION_PORT:
		return ks_proto_has_ports(tuple->proto) &&
		       (in_range(condition, ks_be16(tuple->sport)) || in_range(condition, ks_be16(tuple->dport)));
	default:
		return in_range(condition, tuple->proto);
	}
}

/* Asks all values about ends. Returns the names of which one holds; *refused is set if one holds that must not. */
static __u32 ends_held(const struct ks_filter *filter, const struct ks_tuple *tuple, bool *refused)
{
	__u32 held = 0;

	for (unsigned i = 0; i < filter->conditions; i++) {
		const struct ks_condition *condition = &filter->list[i];

		if (!(1U << condition->name & ENDS) || !end_holds(condition, tuple))
			continue;
		if (condition->negated)
			*refused = true;
		else
			held |= 1U << condition->name;
	}
	return held;
}

bool ks_filter_match_ends(const struct ks_filter *filter, const struct ks_tuple *faces, size_t count)
{
	bool fits = false, refused = false;

	if (!(filter->named & ENDS))
		return true;
	for (size_t i = 0; i < count && !refused; i++)
		fits |= ends_held(filter, &faces[i], &refused) == (filter->wanted & ENDS);
	return fits && !refused;
}

static bool rule_is_in(const __u8 *rules, __u32 id)
{
	return id < KS_FILTER_RULES && rules[id / 8] >> id % 8 & 1;
}

static bool match_rule(const struct ks_filter *filter, __u32 id)
{
	if (!(filter->named & 1U << KS_CONDITION_RULE))
		return true;
	return (!(filter->wanted & 1U << KS_CONDITION_RULE) || rule_is_in(filter->rules[0], id)) &&
	       !rule_is_in(filter->rules[1], id);
}

/* Asks the values of one name, for something that has this number and perhaps another one (-1: none). */
static bool match_number(const struct ks_filter *filter, enum ks_condition_name name, int number, int other)
{
	bool held = !(filter->wanted & 1U << name);

	if (!(filter->named & 1U << name))
		return true;
	for (unsigned i = 0; i < filter->conditions; i++) {
		const struct ks_condition *condition = &filter->list[i];

		if (condition->name != name || (!in_range(condition, number) && !in_range(condition, other)))
			continue;
		if (condition->negated)
			return false;
		held = true;
	}
	return held;
}

bool ks_filter_match_kind(const struct ks_filter *filter, unsigned state, const __u8 zone[2], __u32 rule)
{
	return match_number(filter, KS_CONDITION_STATE, (int)state, -1) &&
	       match_number(filter, KS_CONDITION_ZONE, zone[0], zone[1]) && match_rule(filter, rule);
}

/* The zones that something comes from and goes to. */
static bool match_way(const struct ks_filter *filter, int from, int to)
{
	return match_number(filter, KS_CONDITION_FROM, from, -1) && match_number(filter, KS_CONDITION_TO, to, -1);
}

bool ks_filter_is_of_flows(const struct ks_filter *filter)
{
	return filter->named & (1U << KS_CONDITION_FROM | 1U << KS_CONDITION_TO | 1U << KS_CONDITION_FLOW);
}

/* Its number is only made where it is asked for: most walks do not. */
static bool match_flow_number(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *flow)
{
	bool held = !(filter->wanted & 1U << KS_CONDITION_FLOW);
	__u64 number;

	if (!(filter->named & 1U << KS_CONDITION_FLOW))
		return true;
	number = ks_flow_number(key, flow->created);
	for (unsigned i = 0; i < filter->conditions; i++) {
		const struct ks_condition *condition = &filter->list[i];

		if (condition->name != KS_CONDITION_FLOW || condition->flow != number)
			continue;
		if (condition->negated)
			return false;
		held = true;
	}
	return held;
}

/* Makes the tuple what a side of the flow sees. Returns false if it is the same. */
static bool translate(const struct ks_translation *translation, enum ks_dir side, struct ks_tuple *tuple)
{
	if (!translation->present[side])
		return false;
	if (side == KS_ORIGINAL) {
		tuple->dst = translation->addr[side];
		tuple->dport = translation->port[side];
		tuple->sport = translation->moved ? translation->own_port : tuple->sport;
	} else {
		tuple->src = translation->addr[side];
		tuple->sport = translation->port[side];
	}
	return true;
}

bool ks_filter_needs_translation(const struct ks_filter *filter)
{
	return filter->named & ENDS & ~(1U << KS_CONDITION_PROTO);
}

bool ks_filter_match_flow(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *flow,
			  const struct ks_translation *translation)
{
	__u32 side = ks_flow_orig_side(flow);
	struct ks_tuple faces[3] = { { .src = key->addr[side],
				       .dst = key->addr[!side],
				       .sport = key->port[side],
				       .dport = key->port[!side],
				       .proto = key->proto,
				       .family = key->family } };
	size_t count = 1;

	if (!filter->conditions)
		return true;
	if (!ks_filter_match_kind(filter, flow->state, flow->zone, flow->rule) ||
	    !match_way(filter, flow->zone[KS_ORIGINAL], flow->zone[KS_REPLY]) || !match_flow_number(filter, key, flow))
		return false;
	for (unsigned i = 0; translation && i < 2; i++) {
		faces[count] = faces[0];
		count += translate(translation, (enum ks_dir)i, &faces[count]);
	}
	return ks_filter_match_ends(filter, faces, count);
}

/* Returns true if something is wanted of the names, a bit each, that the event does not have. */
static bool is_wanted(const struct ks_filter *filter, __u32 names)
{
	return filter->wanted & names;
}

bool ks_filter_match_event(const struct ks_filter *filter, const struct ks_event *event)
{
	const struct ks_tuple faces[2] = { event->tuple, event->sent };

	if (is_wanted(filter, 1U << KS_CONDITION_STATE | 1U << KS_CONDITION_WHY | 1U << KS_CONDITION_FLOW))
		return false;
	return match_number(filter, KS_CONDITION_VERDICT, event->action, -1) &&
	       match_number(filter, KS_CONDITION_REASON, event->reason, -1) &&
	       match_number(filter, KS_CONDITION_ZONE, event->from, event->to) &&
	       match_way(filter, event->from, event->to) &&
	       (match_rule(filter, event->rule) || (event->staged && match_rule(filter, event->staged))) &&
	       ks_filter_match_ends(filter, faces, KS_ARRAY_SIZE(faces));
}

bool ks_filter_match_told(const struct ks_filter *filter, const struct ks_flow_event *event,
			  const struct ks_translation *translation)
{
	if (is_wanted(filter, 1U << KS_CONDITION_VERDICT | 1U << KS_CONDITION_REASON))
		return false;
	return match_number(filter, KS_CONDITION_WHY, event->kind == KS_EVENT_END ? event->why : KS_END_UNTOLD, -1) &&
	       ks_filter_match_flow(filter, &event->key, &event->flow, translation);
}
