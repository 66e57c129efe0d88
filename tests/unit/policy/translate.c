/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/nat.c and policy/translate.c: translations that cannot be. */
#include "tests/unit/policy/complaints.h"

static void test_translations(void **state)
{
	static const struct complaint list[] = {
		{ NAT_ZONES "forward from b tcp port 80\n", 3, 1, "no new destination: expected 'to' and an address" },
		{ NAT_ZONES "forward from b to c 10.0.0.5\n", 3, 19, "unknown zone 'c'" },
		{ NAT_ZONES "forward from b to self 10.0.0.5\n", 3, 19, "'self' is not where an address can be" },
		{ NAT_ZONES "forward from b to 10.0.0.5 port 80\n", 3, 33, "a port needs a protocol" },
		{ NAT_ZONES "forward from b icmp to 10.0.0.5 port 80\n", 3, 38, "a port needs a protocol" },
		{ NAT_ZONES "forward from b { tcp, gre } to 10.0.0.5 port 81\n", 3, 46, "a port needs a protocol" },
		{ NAT_ZONES "forward from b tcp to 10.0.0.5 port 0\n", 3, 37,
		  "'0' is no port: expected a number 1 to" },
		{ NAT_ZONES "forward from b tcp to 10.0.0.5 tcp\n", 3, 32,
		  "'tcp' cannot stand behind the translation: expected port or log, and every condition of the rule" },
		{ NAT_ZONES "forward from b tcp to 10.0.0.5 prt 80\n", 3, 32, "(did you mean 'port'?)" },
		{ NAT_ZONES "forward from b to 10.0.0.0/24\n", 3, 19, "a packet is forwarded to one address" },
		{ NAT_ZONES "forward from b to 10.0.0.5-10.0.0.4\n", 3, 19, "expected the lower address first" },
		{ NAT_ZONES "forward from b to { 10.0.0.5, a }\n", 3, 31,
		  "'10.0.0.5' and 'a' cannot stand in one list: expected addresses" },
		{ NAT_ZONES "forward from b family ipv6 to 10.0.0.5\n", 3, 31,
		  "this address is IPv4, but the rule is for IPv6" },
		{ NAT_ZONES "forward from b tcp port 80-89 to 10.0.0.5 port 70-78\n", 3, 48,
		  "the rule has 10 ports, but 9 are given here" },
		{ NAT_ZONES "forward from b tcp port 80-89 to 10.0.0.5 port 65530\n", 3, 48, "10 ports from 65530 on" },
		{ NAT_ZONES "forward from b tcp port { 80, 90 } to 10.0.0.5 port 1-2\n", 3, 53,
		  "a range of ports needs a range of as many" },
		{ NAT_ZONES "redirect from a tcp port 80\n", 3, 1, "expected 'to port' and a port" },
		{ NAT_ZONES "redirect from a tcp port 80 to 10.0.0.5\n", 3, 29, "redirect goes to the box itself" },
		{ NAT_ZONES "nat from a to b\n", 3, 1, "expected 'masquerade', 'exempt', or 'to' and an address" },
		{ NAT_ZONES "forward from { a, self } to b tcp port 80 to 10.0.0.5\n", 3, 19,
		  "what the firewall itself sends is routed before a rule sees it" },
		{ NAT_ZONES "redirect from self udp port 53 to self\n", 3, 15,
		  "what the firewall itself sends is routed before a rule sees it" },
		{ NAT_ZONES "nat from a to self masquerade\n", 3, 15, "what goes to the box itself is not translated" },
		{ NAT_ZONES "nat from a to b exempt port 80\n", 3, 17, "'exempt' translates nothing" },
		{ NAT_ZONES "nat from a to b masquerade filtering address-dependent\n", 3, 17,
		  "expected 'endpoint-independent' before it" },
		{ NAT_ZONES "nat from a to b masquerade endpoint-independent filtering adress-dependent\n", 3, 59,
		  "unknown filtering 'adress-dependent' (did you mean 'address-dependent'?)" },
		{ NAT_ZONES "nat from a to b masquerade log\n", 3, 28, "'log' cannot stand behind the translation" },
		{ NAT_ZONES "nat from a log to b masquerade\n", 3, 12, "'log' cannot stand in a nat rule" },
		{ NAT_ZONES "nat from a to b masquerade port 5-4\n", 3, 33, "'5-4' is no port" },
		{ NAT_ZONES "nat from a to b to 203.0.113.x\n", 3, 20, "'203.0.113.x' is no address: expected an" },
		{ NAT_ZONES "nat from a to a to b masquerade\n", 3, 17, "'to' stands twice with zones" },
		{ NAT_ZONES "binat 10.0.0.5 203.0.113.5\n", 3, 16,
		  "expected 'to' and the outside, found '203.0.113.5'" },
		{ NAT_ZONES "binat 10.0.0.5 to 203.0.113.5\n", 3, 30, "expected 'on' and the zone of the outside" },
		{ NAT_ZONES "binat 10.0.0.5 to 203.0.113.5 on self\n", 3, 34, "the outside is a zone with interfaces" },
		{ NAT_ZONES "binat 10.0.0.0/24 to 203.0.113.0/25 on b\n", 3, 22,
		  "the inside has a prefix of 24 bits and the outside of 25" },
		{ NAT_ZONES "binat 10.0.0.5 to 2001:db8::5 on b\n", 3, 19, "the inside is IPv4 and the outside IPv6" },
		{ NAT_ZONES "binat 10.0.0.5 to 10.0.0.5 on b\n", 3, 19, "are the same" },
		{ NAT_ZONES "binat 10.0.0.5 to 203.0.113.5-203.0.113.6 on b\n", 3, 19,
		  "a range cannot be translated one" },
		{ NAT_ZONES "nptv6 fd00::/65 to 2001:db8::/64 on b\n", 3, 7, "a prefix of at most 64 bits" },
		{ "zone a { address 10.0.0.1, address 10.0.0.2 }\n", 1, 36, "zone 'a' has two IPv4 addresses" },
		{ "zone a { address 10.0.0.0/8 }\n", 1, 18, "'10.0.0.0/8' is no address: expected one address" },
		{ NAT_ZONES "allow destination address b\n", 3, 27, "expected 'of' and a zone, found 'b'" },
		{ NAT_ZONES "allow destination address of c\n", 3, 30, "unknown zone 'c'" },
		{ NAT_ZONES "allow destination address of self\n", 3, 30, "zone 'self' has no interfaces" },
		{ NAT_ZONES "allow destination { address of b }\n", 3, 21, "'address' is no address" },
		{ "zone nat { eth0 }\n", 1, 6, "'nat' is a word of the language" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
