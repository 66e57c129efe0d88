/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy/reach.c: warnings of rules that decide nothing. A rule that the loader
 * calls unreachable must never decide: random policies over a small world, and
 * random packets judged by reading the tables plainly.
 */
#include "tests/unit/policy/complaints.h"

#define RULES 12
#define PACKETS 2000

struct packet {
	unsigned from, to, family, proto;
	__u64 src, dst; /* the last 64 bits of the addresses; IPv6 has fd00:: above */
	unsigned sport, dport, icmp;
};

static const char *const sources[] = {
	"10.0.0.0/30", "10.0.0.0/31", "not 10.0.0.0/30", "fd00::/127", "{ 10.0.0.1, fd00::/127 }", "not fd00::/127"
};

static void write_rule(FILE *out, uint64_t *seed)
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
		fprintf(out, " port %s%u", random_below(seed, 3) ? "" : "not ", random_below(seed, 2));
	if (proto >= 5 && random_below(seed, 2))
		fprintf(out, " type %s", random_below(seed, 2) ? "echo-request" : "{ 8, 128 }");
	if (random_below(seed, 2))
		fprintf(out, " source %s", sources[random_below(seed, 6)]);
	if (random_below(seed, 4) == 0)
		fprintf(out, " destination %s", sources[random_below(seed, 6)]);
	fprintf(out, "%s\n", ends[verb]);
}

static bool holds(const struct ks_policy *policy, __u32 index, bool ipv6, __u64 high, __u64 low)
{
	const struct ks_set *set = &policy->sets[index];
	__u32 first = ipv6 ? set->first6 : set->first4, count = ipv6 ? set->count6 : set->count4;

	for (__u32 i = first; i < first + count; i++) {
		const struct ks_range *range = &policy->ranges[i];

		if (high >= range->lo[0] && high <= range->hi[0] && low >= range->lo[1] && low <= range->hi[1])
			return true;
	}
	return false;
}

static bool number_fits(const struct ks_policy *policy, __u32 index, bool negated, unsigned number)
{
	return index == KS_SET_ANY || holds(policy, index, false, 0, number) != negated;
}

static bool addr_fits(const struct ks_policy *policy, __u32 index, bool negated, const struct packet *packet,
		      __u64 addr)
{
	bool ipv6 = packet->family == KS_IPV6;

	if (index == KS_SET_ANY)
		return true;
	return holds(policy, index, ipv6, ipv6 ? 0xfd00ULL << 48 : 0, ipv6 ? addr : 0x0a000000 + addr) != negated;
}

static bool matches(const struct ks_policy *policy, const struct ks_rule *rule, const struct packet *packet)
{
	return (rule->from_zones >> packet->from & 1) && (rule->to_zones >> packet->to & 1) &&
	       (!rule->family || rule->family == packet->family) &&
	       ((rule->flags & KS_RULE_ANY_PROTO) || rule->proto == packet->proto) &&
	       number_fits(policy, rule->sport_set, rule->flags & KS_RULE_NOT_SPORT, packet->sport) &&
	       number_fits(policy, rule->dport_set, rule->flags & KS_RULE_NOT_DPORT, packet->dport) &&
	       number_fits(policy, rule->icmp_set, false, packet->icmp) &&
	       addr_fits(policy, rule->src_set, rule->flags & KS_RULE_NOT_SRC, packet, packet->src) &&
	       addr_fits(policy, rule->dst_set, rule->flags & KS_RULE_NOT_DST, packet, packet->dst);
}

static struct packet random_packet(uint64_t *seed)
{
	static const unsigned protos4[] = { 6, 17, 1, 47 }, protos6[] = { 6, 17, 58, 47 };
	unsigned family = random_below(seed, 2) ? KS_IPV4 : KS_IPV6;
	unsigned proto = random_below(seed, 4);

	return (struct packet){
		.from = random_below(seed, 4),
		.to = random_below(seed, 4),
		.family = family,
		.proto = family == KS_IPV4 ? protos4[proto] : protos6[proto],
		.src = random_below(seed, 5),
		.dst = random_below(seed, 5),
		.sport = random_below(seed, 3),
		.dport = random_below(seed, 3),
		.icmp = (random_below(seed, 2) ? 8 : 128) << 8,
	};
}

/* Marks the rule of entries first..end-1 that decides a packet, by index of its info. */
static void decide(const struct ks_policy *policy, __u32 first, __u32 end, const struct packet *packet,
		   bool decided[RULES])
{
	while (first < end && !matches(policy, &policy->rules[first], packet))
		first++;
	if (first < end)
		decided[policy->rule_info[first]] = true;
}

static void decide_all(const struct ks_policy *policy, uint64_t *seed, bool decided[RULES])
{
	const struct ks_rule_list *source = &policy->config.list[KS_LIST_SOURCE];

	for (int i = 0; i < PACKETS; i++) {
		struct packet packet = random_packet(seed);

		decide(policy, 0, policy->config.rules, &packet, decided);
		decide(policy, source->first, source->first + source->count, &packet, decided);
	}
}

/* Returns how many rules were warned of. The rules stand in lines 3, 4, ... */
static size_t check_policy(const char *text, uint64_t *seed)
{
	struct ks_policy *policy = NULL;
	bool decided[RULES] = { false };
	struct ks_diags diags;
	size_t warned;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "t", NULL, &policy, &diags), 0);
	decide_all(policy, seed, decided);
	for (size_t i = 0; i < diags.count; i++) {
		if (decided[diags.list[i].place.line - 3])
			fail_msg("line %u decides, but: %s\n%s", diags.list[i].place.line, diags.list[i].message, text);
	}
	warned = diags.count;
	ks_diags_fini(&diags);
	ks_policy_destroy(policy);
	return warned;
}

static void test_random(void **state)
{
	uint64_t seed = 99;
	size_t warned = 0;

	for (int round = 0; round < 300; round++) {
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);

		assert_non_null(out);
		fputs("zone a { eth0 }\nzone b { eth1 }\n", out);
		for (int i = 0; i < RULES; i++)
			write_rule(out, &seed);
		fclose(out);
		warned += check_policy(text, &seed);
		free(text);
	}
	assert_true(warned > 300); /* else nothing was tried */
}

static void test_warnings(void **state)
{
	static const struct complaint list[] = {
		{ "allow family ipv6 source 10.0.0.0/8\n", 1, 1, "can never match" },
		{ "allow source fd00::1 destination 10.0.0.1\n", 1, 1, "can never match" },
		{ "allow icmp source fd00::1\n", 1, 1, "can never match" },
		{ "set a { }\nallow source @a\n", 2, 14, "set '@a' is empty, so this rule can never match" },
		{ "set a { }\nset b { @a }\nallow destination { @b, @a }\n", 3, 21, "set '@b' is empty" },
		{ "allow tcp port 80\ndeny tcp port 80\n", 2, 1, "the rule at test.conf:1 has the same conditions" },
		{ "allow tcp port { 80, 81 } log\nallow tcp port 80-81\n", 2, 1, "has the same conditions" },
		{ "deny from any\nallow tcp\n", 2, 1, "the rule at test.conf:1 takes all of its packets" },
		{ "zone a { eth0 }\ndeny from a\nallow from a to self tcp port 22\n", 3, 1,
		  "the rule at test.conf:2 takes all" },
		{ "allow { tcp, udp }\ndeny udp family ipv6\n", 2, 1, "the rule at test.conf:1 takes all" },
		{ "allow tcp\nallow udp\ndeny { udp, tcp } source 10.0.0.1\n", 3, 1, "takes all of its packets" },
		{ "deny source not 10.0.0.0/8\ndeny tcp source not 10.0.0.0/8\n", 2, 1, "takes all of its packets" },
		{ "allow icmp type 8\nallow family ipv4 icmp type echo-request\n", 2, 1, "takes all of its packets" },
		{ NAT_ZONES "allow from b\nforward from b tcp port 80 to 10.0.0.5\n", 4, 1,
		  "this rule is never reached: the rule at test.conf:3 takes all" },
		{ NAT_ZONES "nat to b masquerade\nnat from a to b family ipv4 exempt\n", 4, 1,
		  "test.conf:3 takes all of its packets" },
		{ NAT_ZONES "nat to b masquerade\nbinat 10.0.0.5 to 203.0.113.5 on b\n", 4, 1,
		  "the outbound direction of this rule is never reached: the rule at test.conf:3" },
		{ NAT_ZONES "helper ftp from a\nhelper ftp from a to b\n", 4, 1, "takes all of its packets" },
		{ NAT_ZONES "nat to b source fd00::/64 to 203.0.113.7\n", 3, 1, "can never match" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

/* Rules that look alike but leave packets to each other. */
static void test_no_warnings(void **state)
{
	static const char *const texts[] = {
		"allow tcp port 80\nallow udp port 80\nallow tcp port 81\nallow tcp\ndeny\n",
		"allow source 10.0.0.0/8\nallow source not 10.0.0.0/8\n",
		"zone a { eth0 }\nallow from a\nallow to a\nallow from self\n",
		"allow family ipv4\nallow tcp family ipv6\nallow family ipv6 log\n",
		"allow icmp type 8 code 0\nallow icmp type 8\n",
		"allow tcp\nallow { tcp, udp }\n",
		"allow tcp source port 80\nallow tcp port 80\n",
		"zone a { eth0 }\nallow from none to a\nallow from a to none\nallow from self to { a, none }\n",
		NAT_ZONES "forward from b tcp port 80 to 10.0.0.5\nallow from b tcp port 80\nnat to b masquerade\n",
		NAT_ZONES "nat to b source 10.0.0.1 exempt\nnat to b masquerade\nallow to b\nhelper ftp to b\n",
		NAT_ZONES "binat 10.0.0.5 to 203.0.113.5 on b\nnat to b masquerade\nhelper { ftp, tftp } to b\n",
		"allow from none\nallow to none\nallow from { none, self } to any\n",
		"allow from self to self\nallow from { none, self } to self\n",
		"allow from none to self\nallow from self to none\nallow from none to none\n",
		"deny icmpv6 type router-advertisement\nallow icmpv6 type redirect\nallow icmp type redirect\n",
		"deny icmpv6 type { neighbour-solicitation, router-advertisement }\n",
		"zone a { eth* }\nzone b { eth1, eth1* }\nzone rest { * }\nignore { eth2, docker* }\nignore docker*\n",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(texts); i++) {
		struct ks_policy *policy = NULL;
		struct ks_diags diags;

		assert_int_equal(ks_policy_load_text(texts[i], strlen(texts[i]), "t", NULL, &policy, &diags), 0);
		if (diags.count)
			fail_msg("%s: %s", texts[i], diags.list[0].message);
		ks_diags_fini(&diags);
		ks_policy_destroy(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_no_warnings),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
