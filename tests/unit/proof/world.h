/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small world for proofs: random policies whose rules tell a few addresses and ports apart, and every packet of it. What is
 * proved about a policy must be so for each of these, as a plain reading of the tables says.
 */
#ifndef KS_TESTS_UNIT_PROOF_WORLD_H
#define KS_TESTS_UNIT_PROOF_WORLD_H

#include "proof/space.h"
#include "tests/unit/policy/support.h"

#define WORLD_ZONES 4 /* none, self, a, b */
#define WORLD_ADDRESSES 5 /* 10.0.0.0 to 10.0.0.4, fd00::0 to fd00::4 */
#define WORLD_PORTS 3 /* to send to: 1, 2, 3 */
#define WORLD_TTLS 3
#define WORLD_DSCPS 2
#define WORLD_PACKETS                                                                                               \
	(WORLD_ZONES * WORLD_ZONES * 2 * 4 * WORLD_ADDRESSES * WORLD_ADDRESSES * WORLD_PORTS * 3 * 2 * WORLD_TTLS * \
	 WORLD_DSCPS)

struct world_packet {
	unsigned from, to, family, proto;
	__u64 src, dst; /* the last 64 bits of the addresses; IPv6 has fd00:: above */
	unsigned dport, icmp;
	unsigned ttl, dscp;
	bool member; /* its source is in run-time set d */
};

static const char *const world_sources[] = { "10.0.0.0/30",    "10.0.0.0/31", "not 10.0.0.0/30",
					     "fd00::/127",     "@d",	      "{ 10.0.0.1, fd00::/127 }",
					     "not fd00::/127", "not @d",      "{ 10.0.0.2, @d }" };

/* They tell apart three TTLs and two code points. */
static const char *const world_conditions[] = {
	"ttl 1-9",	    "ttl not 1-9",	   "ttl 1-20", "ttl not { 1-9, 21-255 }", "dscp ef", "dscp not ef",
	"ttl 1-20 dscp ef", "ttl 1-9 dscp not ef", "ttl 0-255"
};

static inline void world_rule(FILE *out, uint64_t *seed)
{
	static const char *const protos[] = { "", "", "tcp", "udp", "{ tcp, udp }", "icmp", "{ icmp, icmpv6 }" };
	static const char *const zones[] = { "a", "b", "{ a, b }", "self" };
	static const char *const verbs[] = { "allow", "deny", "allow", "forward to any", "nat" };
	static const char *const ends[] = { "", "", "", " to 10.9.9.9", " masquerade" };
	unsigned proto = random_below(seed, 7), verb = random_below(seed, 5);

	fputs(verbs[verb], out);
	if (random_below(seed, 3) == 0)
		fprintf(out, " from %s", zones[random_below(seed, verb == 3 ? 3 : 4)]);
	if (random_below(seed, 3) == 0 && verb != 3)
		fprintf(out, " to %s", zones[random_below(seed, verb == 4 ? 3 : 4)]);
	if (random_below(seed, 4) == 0)
		fprintf(out, " family ipv%u", verb == 3 || random_below(seed, 2) ? 4 : 6);
	fprintf(out, " %s", protos[proto]);
	if (proto >= 2 && proto <= 4 && random_below(seed, 2))
		fprintf(out, " port %s%u", random_below(seed, 3) ? "" : "not ", 1 + random_below(seed, 2));
	if (proto >= 5 && random_below(seed, 2))
		fprintf(out, " type %s", random_below(seed, 2) ? "echo-request" : "{ 8, 128 }");
	if (random_below(seed, 2))
		fprintf(out, " source %s", world_sources[random_below(seed, 9)]);
	if (random_below(seed, 4) == 0)
		fprintf(out, " destination %s", world_sources[random_below(seed, 4)]);
	if (random_below(seed, 3) == 0)
		fprintf(out, " %s", world_conditions[random_below(seed, KS_ARRAY_SIZE(world_conditions))]);
	fprintf(out, "%s\n", ends[verb]);
}

/* Writes a policy of so many rules, the first in line 4. */
static inline char *world_policy(uint64_t *seed, int rules)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	fputs("zone a { eth0, address 192.0.2.1 }\nzone b { eth1, address 192.0.2.2 }\nset d { } dynamic\n", out);
	for (int i = 0; i < rules; i++)
		world_rule(out, seed);
	fclose(out);
	return text;
}

/* Gets the n-th packet. Returns false if no host could send it. */
static inline bool world_packet_get(unsigned n, struct world_packet *packet)
{
	static const unsigned protos4[] = { 6, 17, 1, 47 }, protos6[] = { 6, 17, 58, 47 };
	static const unsigned types[] = { 8, 128, 13 };
	static const unsigned ttls[WORLD_TTLS] = { 5, 15, 64 }, dscps[WORLD_DSCPS] = { 0, 46 };
	unsigned proto;

	packet->from = n % WORLD_ZONES, n /= WORLD_ZONES;
	packet->to = n % WORLD_ZONES, n /= WORLD_ZONES;
	packet->family = n % 2 ? KS_IPV6 : KS_IPV4, n /= 2;
	proto = n % 4, n /= 4;
	packet->proto = packet->family == KS_IPV4 ? protos4[proto] : protos6[proto];
	packet->src = n % WORLD_ADDRESSES, n /= WORLD_ADDRESSES;
	packet->dst = n % WORLD_ADDRESSES, n /= WORLD_ADDRESSES;
	packet->dport = 1 + n % WORLD_PORTS, n /= WORLD_PORTS;
	packet->icmp = types[n % 3] << 8, n /= 3;
	packet->member = n % 2, n /= 2;
	packet->ttl = ttls[n % WORLD_TTLS], n /= WORLD_TTLS;
	packet->dscp = dscps[n % WORLD_DSCPS];
	return !(packet->from == KS_ZONE_SELF && packet->to == KS_ZONE_SELF);
}

static inline bool world_holds(const struct ks_policy *policy, __u32 index, bool ipv6, __u64 high, __u64 low,
			       bool member)
{
	const struct ks_set *set = &policy->sets[index];
	__u32 first = ipv6 ? set->first6 : set->first4, count = ipv6 ? set->count6 : set->count4;

	for (__u32 i = first; i < first + count; i++) {
		const struct ks_range *range = &policy->ranges[i];

		if (high >= range->lo[0] && high <= range->hi[0] && low >= range->lo[1] && low <= range->hi[1])
			return true;
	}
	return set->dynamic && member;
}

static inline bool world_addr_fits(const struct ks_policy *policy, __u32 index, bool negated,
				   const struct world_packet *packet, __u64 addr, bool member)
{
	bool ipv6 = packet->family == KS_IPV6;

	if (index == KS_SET_ANY)
		return true;
	return world_holds(policy, index, ipv6, ipv6 ? 0xfd00ULL << 48 : 0, ipv6 ? addr : 0x0a000000 + addr, member) !=
	       negated;
}

static inline bool world_meets(const struct ks_policy *policy, const struct ks_rule *rule,
			       const struct world_packet *packet)
{
	const struct ks_conditions *c = &policy->conditions[rule->conditions];

	if (!rule->conditions)
		return true;
	if (c->asks & KS_CONDITION_BIT(KS_CONDITION_TTL) &&
	    world_holds(policy, c->ttl_set, false, 0, packet->ttl, false) ==
		    !!(c->nots & KS_CONDITION_BIT(KS_CONDITION_TTL)))
		return false;
	return !(c->asks & KS_CONDITION_BIT(KS_CONDITION_DSCP)) ||
	       (c->dscp >> packet->dscp & 1) == !(c->nots & KS_CONDITION_BIT(KS_CONDITION_DSCP));
}

static inline bool world_matches(const struct ks_policy *policy, const struct ks_rule *rule,
				 const struct world_packet *packet)
{
	bool has_ports = packet->proto == 6 || packet->proto == 17;
	bool is_icmp = packet->proto == 1 || packet->proto == 58;

	if (rule->dport_set && (!has_ports || world_holds(policy, rule->dport_set, false, 0, packet->dport, false) ==
						      !!(rule->flags & KS_RULE_NOT_DPORT)))
		return false;
	if (rule->icmp_set && (!is_icmp || !world_holds(policy, rule->icmp_set, false, 0, packet->icmp, false)))
		return false;
	if (!world_meets(policy, rule, packet))
		return false;
	return (rule->from_zones >> packet->from & 1) && (rule->to_zones >> packet->to & 1) &&
	       (!rule->family || rule->family == packet->family) &&
	       ((rule->flags & KS_RULE_ANY_PROTO) || rule->proto == packet->proto) &&
	       world_addr_fits(policy, rule->src_set, rule->flags & KS_RULE_NOT_SRC, packet, packet->src,
			       packet->member) &&
	       world_addr_fits(policy, rule->dst_set, rule->flags & KS_RULE_NOT_DST, packet, packet->dst, false);
}

/* The entry of a list that decides about a packet, or KS_DECISION_DEFAULT. */
static inline __u32 world_decide(const struct ks_policy *policy, enum ks_list list, const struct world_packet *packet)
{
	const struct ks_rule_list entries = ks_list_of(policy, list);

	for (__u32 i = entries.first; i < entries.first + entries.count; i++) {
		if (world_matches(policy, &policy->rules[i], packet))
			return i;
	}
	return KS_DECISION_DEFAULT;
}

#endif
