/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * suggest/: a policy of random requests allows each of them, and of all packets of a small world those that the joining of
 * addresses allows (suggest/atoms.h), and no other; what nobody answered is left out and said.
 */
#include "suggest/suggest.h"
#include "policy/value.h"
#include "tests/unit/proof/world.h"

#define ROUNDS 60
#define REQUESTS_MAX 14

/* The networks of zone a leave 10.0.0.4 and fd00::2 to fd00::4 out; zone b has none. */
#define ZONES                                                                             \
	"zone a { eth0, network 10.0.0.0/31, network 10.0.0.2/31, network fd00::/127 }\n" \
	"zone b { eth1 }\n"

enum { ZONE_A = KS_ZONE_FIRST, ZONE_B };

static void request_of(const struct world_packet *packet, struct ks_request *request)
{
	bool ipv6 = packet->family == KS_IPV6;
	const __u64 src[2] = { ipv6 ? 0xfd00ULL << 48 : 0, ipv6 ? packet->src : 0x0a000000 + packet->src };
	const __u64 dst[2] = { src[0], ipv6 ? packet->dst : 0x0a000000 + packet->dst };

	*request = (struct ks_request){ .from = (__u8)packet->from,
					.to = (__u8)packet->to,
					.icmp = (__u16)packet->icmp,
					.tuple = { .proto = (__u8)packet->proto, .family = (__u8)packet->family } };
	request->tuple.sport = ks_be16(1000);
	request->tuple.dport = ks_be16((__u16)packet->dport);
	ks_addr_from_value(src, packet->family, &request->tuple.src);
	ks_addr_from_value(dst, packet->family, &request->tuple.dst);
}

/* The sources that a request stands for, a bit for each address of the world; and its destinations. */
static unsigned sources_of(const struct world_packet *packet, bool exact)
{
	const unsigned own = 1U << packet->src, all = (1U << WORLD_ADDRESSES) - 1;

	if (exact)
		return own;
	if (packet->from != ZONE_A)
		return all;
	if (packet->family == KS_IPV6)
		return packet->src < 2 ? 3U : own;
	return packet->src < 4 ? 3U << (packet->src & ~1ULL) : own;
}

static unsigned destinations_of(const struct world_packet *packet, bool exact)
{
	return packet->to == ZONE_A || exact ? 1U << packet->dst : (1U << WORLD_ADDRESSES) - 1;
}

static bool same_service(const struct world_packet *a, const struct world_packet *b)
{
	if (a->from != b->from || a->to != b->to || a->family != b->family || a->proto != b->proto)
		return false;
	if (a->proto == 6 || a->proto == 17)
		return a->dport == b->dport;
	return (a->proto != 1 && a->proto != 58) || a->icmp == b->icmp;
}

/* Returns true if the requests ask for a packet, by the rules of suggest/atoms.h read plainly. */
static bool is_asked(const struct world_packet *seen, unsigned count, const struct world_packet *packet, bool exact)
{
	for (unsigned i = 0; i < count; i++) {
		const unsigned to = destinations_of(&seen[i], exact);
		const unsigned whole = packet->family == KS_IPV6 ? 3U : 15U;
		unsigned from = 0;

		if (!same_service(&seen[i], packet) || !(to >> packet->dst & 1))
			continue;
		for (unsigned j = 0; j < count; j++)
			from |= same_service(&seen[j], packet) && destinations_of(&seen[j], exact) == to
					? sources_of(&seen[j], exact)
					: 0;
		if (from >> packet->src & 1 || (!exact && packet->from == ZONE_A && (from & whole) == whole))
			return true;
	}
	return false;
}

static struct ks_policy *suggest(const struct ks_policy *zones, const struct world_packet *seen, unsigned count,
				 bool exact, char **text)
{
	ks_auto_suggestion struct ks_suggestion suggestion = { .wish = { .zones = zones, .exact = exact } };

	for (unsigned i = 0; i < count; i++) {
		struct ks_request request;

		request_of(&seen[i], &request);
		assert_int_equal(ks_suggestion_add(&suggestion, &request, true), 0);
	}
	assert_int_equal(ks_suggestion_write(&suggestion, "a test", text), 0);
	return load_good(*text);
}

static void packet_choose(uint64_t *seed, struct world_packet *packet)
{
	do {
		while (!world_packet_get(random_below(seed, WORLD_PACKETS), packet))
			;
	} while (packet->from == KS_ZONE_NONE || packet->to == KS_ZONE_NONE || packet->member);
	if (random_below(seed, 2)) { /* so that some are alike */
		packet->from = ZONE_A;
		packet->to = ZONE_B;
		packet->proto = 6;
	}
}

/* Compares with every packet of the world. Returns how many are allowed. */
static unsigned all_check(const struct ks_policy *policy, const struct world_packet *seen, unsigned count, bool exact,
			  const char *text)
{
	unsigned allowed = 0;

	for (unsigned n = 0; n < WORLD_PACKETS; n++) {
		struct world_packet packet;
		bool allows;

		if (!world_packet_get(n, &packet) || packet.member)
			continue;
		allows = world_decide(policy, KS_LIST_FILTER, &packet) != KS_DECISION_DEFAULT;
		if (allows != is_asked(seen, count, &packet, exact))
			fail_msg("from %u to %u proto %u %u > %u port %u icmp %x is %s\n%s", packet.from, packet.to,
				 packet.proto, (unsigned)packet.src, (unsigned)packet.dst, packet.dport, packet.icmp,
				 allows ? "allowed, and nobody asked for it" : "denied, and was asked for", text);
		allowed += allows;
	}
	return allowed;
}

static void test_exact_and_no_wider(void **state)
{
	ks_auto_policy struct ks_policy *zones = load_good(ZONES);
	uint64_t seed = 16;
	unsigned rules = 0, requests = 0;

	for (int round = 0; round < ROUNDS; round++) {
		ks_auto_policy struct ks_policy *policy = NULL;
		ks_auto_free char *text = NULL;
		struct world_packet seen[REQUESTS_MAX];
		unsigned count = 1 + random_below(&seed, REQUESTS_MAX);
		bool exact = round % 3 == 0;

		for (unsigned i = 0; i < count; i++)
			packet_choose(&seed, &seen[i]);
		policy = suggest(zones, seen, count, exact, &text);
		assert_true(all_check(policy, seen, count, exact, text) > 0);
		rules += (unsigned)policy->info_count;
		requests += count;
	}
	assert_true(rules < requests);
}

static void test_few_rules(void **state)
{
	ks_auto_policy struct ks_policy *zones = load_good(ZONES), *policy = NULL;
	ks_auto_free char *text = NULL;
	struct world_packet seen[32], *next = seen;

	for (unsigned src = 0; src < 4; src++) {
		for (unsigned port = 1; port <= 3; port++)
			*next++ = (struct world_packet){
				.from = ZONE_A, .to = ZONE_B, .family = KS_IPV4, .proto = 6, .src = src, .dport = port
			};
	}
	for (unsigned port = 1; port <= 3; port++)
		*next++ = (struct world_packet){
			.from = ZONE_A, .to = ZONE_B, .family = KS_IPV6, .proto = 6, .src = port % 2, .dport = port
		};
	policy = suggest(zones, seen, (unsigned)(next - seen), false, &text);
	assert_int_equal(policy->info_count, 1);
	assert_string_equal(policy->infos[0].text, "allow from a to b tcp port 1-3");
	assert_non_null(strstr(text, "test \"from a to b tcp port 1-3\" {\n\ta 10.0.0.0:1000 > b 10.0.0.0:1 tcp syn"));
	assert_non_null(strstr(text, "\tnever b > { self, a, b }\n"));
}

static void test_left_out(void **state)
{
	ks_auto_policy struct ks_policy *zones = load_good(ZONES);
	ks_auto_suggestion struct ks_suggestion suggestion = { .wish = { .zones = zones } };
	ks_auto_free char *text = NULL, *wider = NULL;
	struct world_packet packet = {
		.from = ZONE_B, .to = ZONE_A, .family = KS_IPV4, .proto = 6, .dst = 1, .dport = 2
	};
	struct ks_request request;

	request_of(&packet, &request);
	assert_int_equal(ks_suggestion_add(&suggestion, &request, false), 0);
	request.to = KS_ZONE_NONE;
	assert_int_equal(ks_suggestion_add(&suggestion, &request, true), 0);
	suggestion.left[KS_LEFT_MIDSTREAM] = 2;
	suggestion.dropped[KS_REASON_SPOOFED] = 3;
	assert_int_equal(ks_suggestion_write(&suggestion, "a test", &text), 0);
	assert_non_null(
		strstr(text, "#   1 request that nobody answered:\n#     from b to a tcp port 2 destination 10.0.0.1\n"
			     "#   2 TCP connections whose beginning was not seen\n"
			     "#   1 connection with an end in no zone\n"
			     "#   3 invalid packets: spoofed source (3)\n"));
	assert_null(strstr(text, "\nallow"));

	suggestion.takes_unanswered = true;
	request.to = ZONE_A;
	assert_int_equal(ks_suggestion_add(&suggestion, &request, false), 0);
	assert_int_equal(ks_suggestion_write(&suggestion, "a test", &wider), 0);
	assert_non_null(strstr(wider, "\nallow from b to a tcp port 2 destination 10.0.0.1"));
}

/* Ports stand for their services, and others for prefixes that the user allows; groups for themselves. */
static void test_joining(void **state)
{
	static const struct {
		const char *src, *dst;
		unsigned proto, port;
		const char *rule;
	} list[] = {
		{ "10.0.0.1", "192.0.2.77", 17, 33500, "allow from a to b udp port traceroute source 10.0.0.0/31" },
		{ "10.0.9.9", "192.0.2.77", 6, 443, "allow from a to b tcp port https source 10.0.9.0/24" },
		{ "fd00::9", "2001:db8::1", 6, 22, "allow from a to b family ipv6 tcp port ssh" },
		{ "10.0.0.1", "224.0.0.251", 17, 5353,
		  "allow from a to b udp port mdns source 10.0.0.0/31 destination 224.0.0.251" },
		{ "10.0.0.1", "192.0.2.77", 47, 0, "allow from a to b gre source 10.0.0.0/31" },
	};
	ks_auto_policy struct ks_policy *zones = load_good(ZONES);

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		ks_auto_suggestion struct ks_suggestion suggestion = {
			.wish = { .zones = zones, .join4 = 24, .join6 = 64 }
		};
		ks_auto_policy struct ks_policy *policy = NULL;
		ks_auto_free char *text = NULL;
		struct ks_request request = { .from = ZONE_A, .to = ZONE_B, .tuple = { .proto = (__u8)list[i].proto } };

		assert_int_equal(ks_value_addr(list[i].src, &request.tuple.src, &request.tuple.family), 0);
		assert_int_equal(ks_value_addr(list[i].dst, &request.tuple.dst, &request.tuple.family), 0);
		request.tuple.sport = ks_be16(1000);
		request.tuple.dport = ks_be16((__u16)list[i].port);
		assert_int_equal(ks_suggestion_add(&suggestion, &request, true), 0);
		assert_int_equal(ks_suggestion_write(&suggestion, "a test", &text), 0);
		policy = load_good(text);
		assert_int_equal(policy->info_count, 1);
		if (!strstr(text, list[i].rule))
			fail_msg("not '%s'\n%s", list[i].rule, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_and_no_wider),
		cmocka_unit_test(test_few_rules),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_joining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
