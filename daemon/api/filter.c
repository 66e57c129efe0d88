/* SPDX-License-Identifier: BSD-2-Clause */
/* See filter.h. All values come from outside and are checked to the last character. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "daemon/api/filter.h"
#include "text/names.h"
#include "text/scoped.h"

void ks_filter_init(struct ks_filter *filter)
{
	*filter = (struct ks_filter){
		.port = -1,
		.proto = -1,
		.zone = -1,
		.state = -1,
		.verdict = -1,
		.reason = -1,
	};
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

static int take_address(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	return ks_prefix_parse(value, &filter->address);
}

static int take_source(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	return ks_prefix_parse(value, &filter->source);
}

static int take_destination(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	return ks_prefix_parse(value, &filter->destination);
}

static int take_int(int *target, int value)
{
	if (value < 0)
		return -EINVAL;
	*target = value;
	return 0;
}

static int take_port(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	return take_int(&filter->port, parse_number(value, 65535));
}

static int take_proto(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	return take_int(&filter->proto, ks_proto_from_name(value));
}

static int take_zone(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	return take_int(&filter->zone, ks_policy_zone_id(policy, value));
}

static int take_state(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	int state = ks_state_from_name(value);

	return take_int(&filter->state, state == KS_STATE_NONE ? -1 : state);
}

static int take_verdict(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	for (int i = KS_ALLOW; i < KS_ACTION_MAX; i++) {
		if (!strcasecmp(ks_action_name((unsigned)i), value))
			return take_int(&filter->verdict, i);
	}
	return -EINVAL;
}

static int take_reason(struct ks_filter *filter, const struct ks_policy *policy, const char *value)
{
	return take_int(&filter->reason, ks_reason_from_name(value));
}

static const struct {
	const char *name;
	unsigned kinds;
	int (*take)(struct ks_filter *filter, const struct ks_policy *policy, const char *value);
	const char *right; /* describes a right value */
} conditions[] = {
	{ "address", KS_FILTER_FLOWS | KS_FILTER_EVENTS, take_address, "an address or prefix such as 192.0.2.0/24" },
	{ "source", KS_FILTER_FLOWS | KS_FILTER_EVENTS, take_source, "an address or prefix such as 192.0.2.0/24" },
	{ "destination", KS_FILTER_FLOWS | KS_FILTER_EVENTS, take_destination,
	  "an address or prefix such as 2001:db8::/32" },
	{ "port", KS_FILTER_FLOWS | KS_FILTER_EVENTS, take_port, "a port from 0 to 65535" },
	{ "proto", KS_FILTER_FLOWS | KS_FILTER_EVENTS, take_proto, "a protocol such as tcp, or its number up to 255" },
	{ "zone", KS_FILTER_FLOWS | KS_FILTER_EVENTS, take_zone, "" },
	{ "state", KS_FILTER_FLOWS, take_state, "" },
	{ "verdict", KS_FILTER_EVENTS, take_verdict, "allow, deny, reject or bypass" },
	{ "reason", KS_FILTER_EVENTS, take_reason, "" },
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

static void complain_value(size_t i, const struct ks_policy *policy, const char *value, char *complaint, size_t size)
{
	ks_auto_file FILE *out = fmemopen(complaint, size, "w");

	if (!out) {
		snprintf(complaint, size, "%s: '%s' is not right", conditions[i].name, value);
		return;
	}
	fprintf(out, "%s: '%s' is not right; give ", conditions[i].name, value);
	if (conditions[i].take == take_zone)
		say_zones(policy, out);
	else if (conditions[i].take == take_state)
		say_states(out);
	else if (conditions[i].take == take_reason)
		say_reasons(out);
	else
		fputs(conditions[i].right, out);
}

static void complain_name(unsigned kind, const char *name, char *complaint, size_t size)
{
	size_t n = (size_t)snprintf(complaint, size, "there is no filter '%s'; there are:", name);

	for (size_t i = 0; i < KS_ARRAY_SIZE(conditions) && n < size; i++) {
		if (conditions[i].kinds & kind)
			n += (size_t)snprintf(complaint + n, size - n, " %s", conditions[i].name);
	}
}

int ks_filter_set(struct ks_filter *filter, unsigned kind, const struct ks_policy *policy, const char *name,
		  const char *value, char *complaint, size_t size)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(conditions); i++) {
		if (!(conditions[i].kinds & kind) || strcmp(conditions[i].name, name))
			continue;
		if (conditions[i].take(filter, policy, value)) {
			complain_value(i, policy, value, complaint, size);
			return -EINVAL;
		}
		filter->conditions++;
		return 0;
	}
	complain_name(kind, name, complaint, size);
	return -ENOENT;
}

/* The conditions that flows and packets share. Ports do not exist for protocols without them. */
bool ks_filter_match_ends(const struct ks_filter *filter, const struct ks_tuple *tuple)
{
	bool has_ports = ks_proto_has_ports(tuple->proto);
	int sport = has_ports ? ks_be16(tuple->sport) : -1, dport = has_ports ? ks_be16(tuple->dport) : -1;

	if (filter->proto >= 0 && filter->proto != tuple->proto)
		return false;
	if (filter->port >= 0 && filter->port != sport && filter->port != dport)
		return false;
	if (filter->address.family && !ks_prefix_contains(&filter->address, &tuple->src, tuple->family) &&
	    !ks_prefix_contains(&filter->address, &tuple->dst, tuple->family))
		return false;
	if (filter->source.family && !ks_prefix_contains(&filter->source, &tuple->src, tuple->family))
		return false;
	return !filter->destination.family || ks_prefix_contains(&filter->destination, &tuple->dst, tuple->family);
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

bool ks_filter_match_flow(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *flow,
			  const struct ks_translation *translation)
{
	__u32 side = ks_flow_orig_side(flow);
	struct ks_tuple tuple = { .src = key->addr[side],
				  .dst = key->addr[!side],
				  .sport = key->port[side],
				  .dport = key->port[!side],
				  .proto = key->proto,
				  .family = key->family };
	struct ks_tuple original = tuple, reply = tuple;

	if (filter->state >= 0 && filter->state != flow->state)
		return false;
	if (filter->zone >= 0 && filter->zone != flow->zone[0] && filter->zone != flow->zone[1])
		return false;
	return ks_filter_match_ends(filter, &tuple) ||
	       (translate(translation, KS_ORIGINAL, &original) && ks_filter_match_ends(filter, &original)) ||
	       (translate(translation, KS_REPLY, &reply) && ks_filter_match_ends(filter, &reply));
}

bool ks_filter_match_event(const struct ks_filter *filter, const struct ks_event *event)
{
	if (filter->verdict >= 0 && filter->verdict != event->action)
		return false;
	if (filter->reason >= 0 && filter->reason != event->reason)
		return false;
	if (filter->zone >= 0 && filter->zone != event->from && filter->zone != event->to)
		return false;
	return ks_filter_match_ends(filter, &event->tuple);
}
