/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/stray.c and policy/foreign.c: words in wrong places, and words of other firewalls. */
#include "tests/unit/policy/complaints.h"

#define HERE "zone lan { eth1, wg* }\nzone wan { eth0 }\nset admins { 10.0.0.5 }\nset web port { 80 }\n"
#define USED "allow source @admins tcp port @web\n" /* so that nothing is warned of; the word comes at line 6 */

/* All that people write by habit, from six other languages: each message says what would be right here. */
static void test_habits(void **state)
{
	static const struct complaint list[] = {
		{ "ct state established accept\n", 1, 1, "expected no such line, because every rule keeps state" },
		{ "notrack udp\n", 1, 1, "expected 'bypass', such as 'bypass from lan" },
		{ "flush ruleset\n", 1, 1, "because a policy takes the place of the one before" },
		{ "networks lan\n", 1, 1, "expected 'zone', such as" },
		{ HERE USED "allow tcp 22\n", 6, 11, "'22' is a number: expected 'port 22' behind a protocol" },
		{ HERE USED "allow tcp 80-90\n", 6, 11, "'80-90' is a number: expected 'port 80-90'" },
		{ HERE USED "allow tcp ports 22\n", 6, 11, "unknown word 'ports' in a rule: expected 'port'" },
		{ HERE USED "allow icmp-type 8\n", 6, 7, "expected 'type' behind the protocol, such as icmp type" },
		{ HERE USED "allow icmp type ping\n", 6, 17, "unknown ICMP type 'ping': expected 'echo-request'" },
		{ HERE USED "allow icmp type unreach\n", 6, 17, "expected 'destination-unreachable'" },
		{ HERE USED "allow icmpv6 type nd-neighbor-solicit\n", 6, 19, "expected 'neighbour-solicitation'" },
		{ HERE USED "allow from lan limit 5/min\n", 6, 24, "unknown time 'min': expected 'minute'" },
		{ HERE USED "allow from lan limit 5/s\n", 6, 24, "unknown time 's': expected 'second'" },
		{ HERE USED "allow from lan limit 5 per minute\n", 6, 24, "expected one such as '5/minute'" },
		{ HERE USED "allow from lan per source\n", 6, 16, "expected 'limit' and a rate before it" },
		{ HERE USED "allow source 10.0.0.1;\n", 6, 14, "';' is no word of the language" },
		{ HERE USED "allow to wan;\n", 6, 10, "';' is no word of the language" },
		{ HERE USED "allow tcp port 22;\n", 6, 16, "';' is no word of the language" },
		{ HERE USED "deny from wan add source to admins\n", 6, 29, "'admins' is no set: expected @admins" },
		{ HERE USED "deny from wan add source to bad\n", 6, 29,
		  "'bad' is no set: expected one such as @knock" },
		{ HERE USED "allow from lan timeout 10\n", 6, 24, "'10' has no unit: expected 10s, 10m or 10h" },
		{ HERE USED "allow from lan during 08:00-18:00 monday\n", 6, 35, "such as during mon-fri 08:00-18:00" },
		{ HERE USED "allow mac 02-00-00-00-00-01\n", 6, 11, "expected '02:00:00:00:00:01'" },
		{ HERE USED "allow mac 020000000001\n", 6, 11, "expected one such as 02:00:5e:10:00:01" },
		{ HERE USED "redirect from lan tcp port 80 to :3128\n", 6, 34, "expected 'to port 3128'" },
		{ HERE USED "nat from lan to wan masquerade random\n", 6, 32, "expected 'random-port'" },
		{ HERE USED "allow source www.example.com\n", 6, 14, "such as 'set NAME { host www.example.com }'" },
		{ HERE USED "allow from lan notrack\n", 6, 16, "expected 'bypass' in the place of 'allow'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_statements(void **state)
{
	static const struct complaint list[] = {
		{ "pass from lan\n", 1, 1, "unknown statement 'pass': expected 'allow'" },
		{ "accept tcp port 22\n", 1, 1, "unknown statement 'accept': expected 'allow'" },
		{ "block from wan\n", 1, 1, "unknown statement 'block': expected 'deny', or 'reject', which sends" },
		{ "DROP from wan\n", 1, 1, "unknown statement 'DROP': expected 'deny', or 'reject', which sends" },
		{ "policy drop\n", 1, 1, "expected no such line, because what no rule allows is denied" },
		{ "masquerade from lan\n", 1, 1, "expected 'nat', such as 'nat from lan to wan masquerade'" },
		{ "rdr tcp port 80 to 10.0.0.5\n", 1, 1, "expected 'forward', such as 'forward from wan" },
		{ "table bad { 192.0.2.1 }\n", 1, 1, "expected 'set' for a list of addresses" },
		{ "chain input\n", 1, 1, "of which the first that matches decides" },
		{ "interface eth0\n", 1, 1, "expected 'zone', such as 'zone lan { eth1 }'" },
		{ "tcp port 80\n", 1, 1, "expected 'allow', 'deny' or 'reject' before it" },
		{ "// why\n", 1, 1, "expected '#' before a comment" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_clauses(void **state)
{
	static const struct complaint list[] = {
		{ HERE USED "allow in on eth1\n", 6, 7, "expected 'from' and the zone that packets come from" },
		{ HERE USED "allow from lan tcp dport 22\n", 6, 20, "unknown word 'dport' in a rule: expected 'port'" },
		{ HERE USED "allow from lan src 10.0.0.5\n", 6, 16, "expected 'source'" },
		{ HERE USED "allow from lan keep state\n", 6, 16, "expected nothing, because every rule keeps state" },
		{ HERE USED "deny all\n", 6, 6, "expected nothing, because a rule without conditions" },
		{ HERE USED "allow from lan to wan masquerade\n", 6, 23,
		  "expected a rule of its own, such as 'nat from" },
		{ HERE USED "allow lan to wan\n", 6, 7, "'lan' is a zone: expected 'from lan' or 'to lan'" },
		{ HERE USED "allow eth1\n", 6, 7,
		  "'eth1' is an interface of zone lan: expected 'from lan' or 'to lan'" },
		{ HERE USED "allow from lan 10.0.0.5\n", 6, 16,
		  "'10.0.0.5' is an address: expected 'source 10.0.0.5' or 'destination 10.0.0.5'" },
		{ HERE USED "allow @admins\n", 6, 7,
		  "is a set of addresses: expected 'source @admins' or 'destination" },
		{ HERE USED "allow tcp web\n", 6, 11, "'web' is a set of ports: expected 'port @web'" },
		{ HERE USED "allow 22/tcp\n", 6, 7, "expected 'tcp port 22'" },
		{ HERE USED "allow tcp/22\n", 6, 7, "expected 'tcp port 22'" }, /* { tcp, 22 } would be all of TCP */
		{ HERE USED "allow udp/4000-5000\n", 6, 7, "expected 'udp port 4000-5000'" },
		{ HERE USED "allow from lan 10.0.0.5:8443\n", 6, 16,
		  "is an address and a port: expected 'tcp port 8443 destination 10.0.0.5'" },
		{ HERE USED "allow from lan [fd00::5]:53\n", 6, 16, "expected 'tcp port 53 destination fd00::5'" },
		{ HERE USED "allow from lan during mon-fri,08:00-18:00\n", 6, 30, "expected 'mon-fri 08:00-18:00'" },
		{ HERE USED "allow from lan during 08:00-12:00,13:00-18:00\n", 6, 34,
		  "expected { 08:00-12:00, 13:00-18:00 }" },
		{ HERE USED "allow ssh\n", 6, 7, "'ssh' is a service: expected 'tcp port ssh'" },
		{ HERE USED "allow dns\n", 6, 7, "expected '{ tcp, udp } port dns'" },
		{ HERE USED "allow tcp/udp port 53\n", 6, 7, "expected { tcp, udp }" },
		{ HERE USED "allow from lan tcp port 22,80\n", 6, 27,
		  "several values stand in braces: expected { 22, 80 }" },
		{ HERE USED "allow from lan, wan\n", 6, 15, "expected { lan, wan }" },
		{ HERE USED "allow from lan,\n{ wan }\n", 6, 15, "expected { 22, 80 }" },
		{ HERE USED "allow from lan zzz\n", 6, 16,
		  "unknown word 'zzz' in a rule: expected from, to, a protocol" },
		{ HERE USED "$all = all\nallow $all\n", 7, 7, "is about every packet (in the value of $all)" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_values(void **state)
{
	static const struct complaint list[] = {
		{ HERE USED "allow source admins\n", 6, 14, "'admins' is a set: expected '@admins'" },
		{ "allow source admins\nset admins { 10.0.0.5 }\n", 1, 14, "'admins' is a set: expected '@admins'" },
		{ HERE USED "allow source ! 10.0.0.1\n", 6, 14,
		  "'!' is no word of the language: expected 'not 10.0.0.1'" },
		{ HERE USED "allow from ! lan to wan\n", 6, 12, "'!' is no word of the language: expected 'not lan'" },
		{ HERE USED "allow tcp port !\n", 6, 16, "'!' is no word of the language: expected 'not'" },
		{ HERE USED "zone b eth9 eth8\n", 6, 13, "expected '{ eth9, eth8 }'" },
		{ HERE USED "allow source !admins\n", 6, 14, "'!' is no word of the language: expected 'not @admins'" },
		{ HERE USED "allow source !10.0.0.5\n", 6, 14, "expected 'not 10.0.0.5'" },
		{ HERE USED "allow source lan\n", 6, 14, "'lan' is a zone: expected 'from lan' or 'to lan'" },
		{ HERE USED "allow source wg3\n", 6, 14, "'wg3' is an interface of zone lan: expected" },
		{ HERE USED "allow source any\n", 6, 14,
		  "'any' is no condition: expected none, because every address" },
		{ HERE USED "allow source web\n", 6, 14, "'web' is no address: expected an address, a prefix" },
		{ HERE USED "allow tcp destination 10.0.0.5:8443\n", 6, 23,
		  "'10.0.0.5:8443' is an address with a port: expected '10.0.0.5' here, and 'port 8443' behind" },
		{ HERE USED "allow source [fd00::1]:53\n", 6, 14, "expected 'fd00::1' here, and 'port 53'" },
		{ HERE USED "allow source 10.0.0.0/255.255.254.0\n", 6, 14, "has a mask: expected '10.0.0.0/23'" },
		{ HERE USED "allow source 10.0.0.0/255.0.255.0\n", 6, 14, "'10.0.0.0/255.0.255.0' is no address" },
		{ HERE USED "allow source www.example.com\n", 6, 14,
		  "'www.example.com' is a name, and packets have addresses" },
		{ HERE USED "allow source 10.0.0.x1\n", 6, 14, "'10.0.0.x1' is no address" },
		{ HERE USED "allow tcp port 80:90\n", 6, 16, "'80:90' is no port: expected the range '80-90'" },
		{ HERE USED "allow tcp port 90:80\n", 6, 16, "'90:80' is no port: expected a number" },
		{ HERE USED "allow tcp port web\n", 6, 16, "'web' is a set: expected '@web'" },
		{ HERE USED "allow tcp port sshh\n", 6, 16,
		  "'sshh' is no port (did you mean 'ssh'?): expected a number" },
		{ HERE USED "allow tcp port http-https\n", 6, 16, "'http-https' is no port" },
		{ HERE USED "forward tcp port 80 to lan 10.0.0.5 port httpss\n", 6, 42, "'httpss' is no port" },
		{ HERE USED "allow tcp port any\n", 6, 16, "expected none, because every port is meant without it" },
		{ HERE USED "allow tcp port !22\n", 6, 16, "expected 'not 22'" },
		{ HERE USED "forward from wan tcp port 80 to 10.0.0.5:8080\n", 6, 33, "expected '10.0.0.5 port 8080'" },
		{ HERE USED "redirect from lan tcp port 80 to 3128\n", 6, 34, "expected 'to port 3128'" },
		{ HERE USED "nat from lan masquerade port 1:5\n", 6, 30, "expected the range '1-5'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_zones(void **state)
{
	static const struct complaint list[] = {
		{ HERE USED "allow from 10.0.0.5\n", 6, 12,
		  "'10.0.0.5' is an address and no zone: expected 'source 10.0.0.5'" },
		{ HERE USED "allow to fd00::/64\n", 6, 10, "expected 'destination fd00::/64'" },
		{ HERE USED "allow from admins\n", 6, 12, "'admins' is a set of addresses: expected 'source @admins'" },
		{ HERE USED "allow to @admins\n", 6, 10, "expected 'destination @admins'" },
		{ HERE USED "allow from eth1\n", 6, 12, "'eth1' is an interface of zone lan: expected 'from lan'" },
		{ HERE USED "allow from !lan\n", 6, 12, "'!' is no word of the language: expected 'from not lan'" },
		{ HERE USED "allow from all\n", 6, 12, "unknown zone 'all': expected 'from any'" },
		{ HERE USED "allow to firewall\n", 6, 10, "unknown zone 'firewall': expected 'to self'" },
		{ HERE USED "allow from dmz\n", 6, 12, "unknown zone 'dmz': expected lan, wan, self, none or any" },
		{ HERE USED "allow from LAN\n", 6, 12, "unknown zone 'LAN' (did you mean 'lan'?): expected lan, wan" },
		{ "zone lan { eth1 }\nallow from wan\n", 2, 12, "unknown zone 'wan': expected lan, self, none or any" },
		{ "zone rest { * }\nallow from eth1\n", 2, 12, "unknown zone 'eth1': expected rest, self" },
		{ "allow from lan\n", 1, 12, "unknown zone 'lan': expected a zone of this policy, 'self' or 'any'" },
		{ HERE USED "allow destination address of dmz\n", 6, 30, "unknown zone 'dmz': expected lan or wan" },
		{ HERE USED "zone x { 10.0.0.0/8 }\n", 6, 10,
		  "cannot name an interface: expected an interface, or 'network 10.0.0.0/8' for tests" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements), cmocka_unit_test(test_habits), cmocka_unit_test(test_clauses),
		cmocka_unit_test(test_values),	   cmocka_unit_test(test_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
