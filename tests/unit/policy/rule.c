/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/rule.c: clauses of rules. */
#include "tests/unit/policy/complaints.h"

static void test_rules(void **state)
{
	static const struct complaint list[] = {
		{ "allow tcp prot 53\n", 1, 11, "unknown word 'prot' in a rule (did you mean 'port'?)" },
		{ "allow tcp \"x\"\n", 1, 11, "found the string \"x\"" },
		{ "allow from self from any\n", 1, 17, "'from' stands twice" },
		{ "allow source 10.0.0.1 source 10.0.0.2\n", 1, 23, "'source' stands twice" },
		{ "allow tcp port 1 port 2\n", 1, 18, "'port' stands twice" },
		{ "allow log log\n", 1, 11, "'log' stands twice" },
		{ "allow family ipv4 family ipv6\n", 1, 19, "'family' stands twice" },
		{ "allow tcp udp\n", 1, 11, "two protocols: expected one, or a list such as { tcp, udp }" },
		{ "allow proto 256\n", 1, 13, "unknown protocol '256'" },
		{ "allow proto tpc\n", 1, 13, "unknown protocol 'tpc' (did you mean 'tcp'?)" },
		{ "allow port 53\n", 1, 7, "a port needs a protocol" },
		{ "allow icmp port 53\n", 1, 12, "a port needs tcp, udp, sctp or dccp, but this rule has icmp" },
		{ "allow tcp port httpz\n", 1, 16, "'httpz' is no port (did you mean 'http'?)" },
		{ "allow tcp source 10.0.0.1 type 8\n", 1, 27, "a type needs icmp or icmpv6" },
		{ "allow type 8\n", 1, 7, "a type needs a protocol" },
		{ "allow icmp type 256\n", 1, 17, "unknown ICMP type '256'" },
		{ "allow icmp type echo-requst\n", 1, 17, "(did you mean 'echo-request'?)" },
		{ "allow icmp type 3 code x\n", 1, 24, "'x' is no ICMP code" },
		{ "allow icmp type packet-too-big\n", 1, 17, "'packet-too-big' is a type of icmpv6" },
		{ "allow icmp type port-unreachable code 1\n", 1, 17, "says the code itself" },
		{ "allow family ip\n", 1, 14, "unknown family 'ip': expected 'ipv4' or 'ipv6'" },
		{ "allow log \"\"\n", 1, 11, "a label has 1 to 127 characters" },
		{ "allow source network\n", 1, 21, "expected 'of' and a zone, found the end of the line" },
		{ "allow source network of self\n", 1, 25, "zone 'self' has no interfaces to have a network" },
		{ "allow source address of none\n", 1, 25, "zone 'none' has no interfaces to have an address" },
		{ "zone lan { eth1 }\nallow source network of lna\n", 2, 25,
		  "unknown zone 'lna' (did you mean 'lan'?)" },
		{ "allow source suffix ::10\n", 1, 21, "'::10' is no suffix: expected the end of an IPv6 address" },
		{ "allow source suffix ::10/128\n", 1, 21, "'::10/128' is no suffix" },
		{ "allow source suffix 0.0.0.10/24\n", 1, 21, "'0.0.0.10/24' is no suffix" },
		{ "zone lan { eth1 }\nallow source suffix fd00::10/64 of lan\n", 2, 21,
		  "has bits in its first 64, which come from the zone's interfaces: expected only those of the host, "
		  "such as "
		  "::10/64" },
		{ "zone lan { eth1 }\nallow from lan destination suffix ::10/64\n", 2, 28,
		  "this suffix says no zone, nor does the rule: expected 'of' and the zone" },
		{ "zone lan { eth1 }\nallow from not lan source suffix ::10/64\n", 2, 27, "this suffix says no zone" },
		{ "zone lan { eth1 }\nallow source suffix { } of lan\n", 2, 7,
		  "this list is empty: expected at least one suffix" },
		{ "allow from any source suffix ::10/64\n", 1, 12, "zone 'any' has no interfaces" },
		{ "allow source not\n", 1, 17,
		  "expected an address, a prefix, a range or @set, found the end of the line" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
