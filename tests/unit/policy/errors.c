/* SPDX-License-Identifier: BSD-2-Clause */
/* Every complaint of the policy language: its place and what it says. */
#include "tests/unit/policy/support.h"

struct complaint {
	const char *text;
	unsigned line, column;
	const char *says;
};

/* The only complaint of this kind must be the expected one. */
static void check_one(const struct complaint *expected, bool warning)
{
	struct ks_policy *policy = NULL;
	const struct ks_diag *found = NULL;
	struct ks_diags diags;
	int err = ks_policy_load_text(expected->text, strlen(expected->text), "test.conf", NULL, &policy, &diags);

	for (size_t i = 0; i < diags.count; i++) {
		if (diags.list[i].warning != warning)
			continue;
		if (found)
			fail_msg("more than one complaint about\n%s\n%s\n%s", expected->text, found->message,
				 diags.list[i].message);
		found = &diags.list[i];
	}
	if (!found)
		fail_msg("no complaint about\n%s", expected->text);
	if (found->place.line != expected->line || found->place.column != expected->column)
		fail_msg("%u:%u instead of %u:%u for\n%s\n%s", found->place.line, found->place.column, expected->line,
			 expected->column, expected->text, found->message);
	if (!strstr(found->message, expected->says))
		fail_msg("'%s' instead of '%s' for\n%s", found->message, expected->says, expected->text);
	assert_string_equal(found->place.file, "test.conf");
	assert_non_null(found->excerpt);
	assert_int_equal(err, warning ? 0 : -EINVAL);
	ks_diags_fini(&diags);
	ks_policy_destroy(policy);
}

static void check_all(const struct complaint *list, size_t count, bool warning)
{
	for (size_t i = 0; i < count; i++)
		check_one(&list[i], warning);
}

static void test_characters(void **state)
{
	static const struct complaint list[] = {
		{ "allow log \"never ends\nallow\n", 1, 11, "this string has no end" },
		{ "allow \001\n", 1, 7, "a control character (0x01)" },
		{ "allow \\ tcp\n", 1, 7, "'\\' can only stand in a string" },
		{ "}\n", 1, 1, "expected a statement such as 'allow' or 'zone', found '}'" },
		{ "\n\n  alow\n", 3, 3, "unknown statement 'alow' (did you mean 'allow'?)" },
		{ "\"zone\" lan\n", 1, 1, "found the string \"zone\"" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_lists(void **state)
{
	static const struct complaint list[] = {
		{ "zone lan { eth1, eth 2 }\n", 1, 22, "expected ',' or '}', found '2'" },
		{ "zone lan { eth1\nallow\n", 2, 1,
		  "expected ',' or '}', found 'allow' (the list begins at line 1, column 10)" },
		{ "zone lan { eth1", 1, 16, "found the end of the file" },
		{ "allow { tcp { udp }\n", 1, 13, "expected ',' or '}', found '{'" },
		{ "allow {{{{{{{{{{{{{{{{{tcp}}}}}}}}}}}}}}}}}\n", 1, 23, "lists stand in lists more than 16 deep" },
		{ "allow from\n", 1, 11, "expected a zone, 'self' or 'any', found the end of the line" },
		{ "allow from {}\n", 1, 1, "an empty list of zones" },
		{ "allow tcp port {}\n", 1, 11, "this list is empty" },
		{ "allow proto {}\n", 1, 7, "this list is empty" },
		{ "allow icmp type {}\n", 1, 12, "this list is empty" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_zones(void **state)
{
	static const struct complaint list[] = {
		{ "zone\n", 1, 5, "expected the name of the zone, found the end of the line" },
		{ "zone lan { }\n", 1, 6, "zone 'lan' is empty" },
		{ "zone self { eth1 }\n", 1, 6, "'self' is a word of the language and cannot name a zone" },
		{ "zone 1lan { eth1 }\n", 1, 6, "'1lan' cannot name a zone" },
		{ "zone la.n { eth1 }\n", 1, 8, "'la.n' cannot name a zone" },
		{ "zone abcdefghijklmnopqrstuvwxyzabcdef { eth1 }\n", 1, 6, "has at most 31 characters" },
		{ "zone a { eth1 }\nzone a { eth2 }\n", 2, 6, "zone 'a' is already defined at test.conf:1:6" },
		{ "zone a { eth1 }\nzone b { eth2, eth1 }\n", 2, 16,
		  "interface 'eth1' is already in zone 'a' (test.conf:1:10)" },
		{ "zone a { eth* }\nzone b { eth1, eth* }\n", 2, 16, "interface 'eth*' is already in zone 'a'" },
		{ "zone a { lo }\n", 1, 10, "'lo' is always ignored" },
		{ "zone a { sixteen-letters-x }\n", 1, 10, "at most 15 characters" },
		{ "zone a { et*h }\n", 1, 12, "'*' can only stand at the end" },
		{ "zone a { eth/1 }\n", 1, 10, "'eth/1' cannot name an interface" },
		{ "zone a { network 10.0.0.0/33 }\n", 1, 18, "'10.0.0.0/33' is no network" },
		{ "zone a { network }\n", 1, 18, "expected a network such as 10.0.0.0/24, found '}'" },
		{ "zone a { mac 02:00 }\n", 1, 14, "'02:00' is no MAC address" },
		{ "zone a { network 10.0.0.0/8 }\nzone b { network 10.0.0.0/8 }\n", 2, 18,
		  "already in zone 'a' (test.conf:1:18)" },
		{ "zone a { mac 02:00:00:00:00:01 }\nzone b { mac 02:00:00:00:00:01 }\n", 2, 14,
		  "already in zone 'a' (test.conf:1:14)" },
		{ "zone a { eth0, antispoof }\n", 1, 26, "expected 'on' or 'off' for antispoof, found '}'" },
		{ "zone a { eth0, antispoof no }\n", 1, 26, "expected 'on' or 'off' for antispoof, found 'no'" },
		{ "zone a { eth0, antispoof off, antispoof on }\n", 1, 31,
		  "antispoof is already set at test.conf:1:16" },
		{ "zone a { antispoof off }\n", 1, 6, "zone 'a' is empty" },
		{ "zone antispoof { eth0 }\n", 1, 6, "'antispoof' is a word of the language" },
		{ "zone lan { eth1 }\nallow from lna\n", 2, 12, "unknown zone 'lna' (did you mean 'lan'?)" },
		{ "allow from not self\n", 1, 12, "'not' cannot stand before a zone" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_ignore(void **state)
{
	static const struct complaint list[] = {
		{ "ignore\n", 1, 7, "expected an interface such as docker0, or a list of them, found the end" },
		{ "ignore { }\n", 1, 1, "this list is empty: expected interfaces such as docker0 or br-*" },
		{ "ignore lo\n", 1, 8, "'lo' is always ignored" },
		{ "ignore { br-*, docker*0 }\n", 1, 22, "'*' can only stand at the end" },
		{ "ignore eth/0\n", 1, 8, "'eth/0' cannot name an interface" },
		{ "ignore docker0 docker1\n", 1, 16, "expected the end of the line, found 'docker1'" },
		{ "zone a { eth0, br-* }\nignore { docker0, br-* }\n", 2, 19,
		  "interface 'br-*' is in zone 'a' (test.conf:1:16): expected it in a zone or ignored, not both" },
		{ "ignore docker0\nzone a { docker0 }\n", 1, 8, "is in zone 'a' (test.conf:2:10)" },
		{ "ignor docker0\n", 1, 1, "unknown statement 'ignor' (did you mean 'ignore'?)" },
		{ "zone ignore { eth0 }\n", 1, 6, "'ignore' is a word of the language" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_sets(void **state)
{
	static const struct complaint list[] = {
		{ "set\n", 1, 4, "expected the name of the set" },
		{ "set port { 1 }\n", 1, 5, "'port' is a word of the language" },
		{ "set a { 10.0.0.300 }\nallow source @a\n", 1, 9, "'10.0.0.300' is no address" },
		{ "set a { 10.0.0.0/33 }\nallow source @a\n", 1, 18, "'33' is no prefix length: expected 0 to 32" },
		{ "set a { fd00::/129 }\nallow source @a\n", 1, 16, "expected 0 to 128" },
		{ "set a { 10.0.0.2-10.0.0.1 }\nallow source @a\n", 1, 9,
		  "is no range: expected the lower address first" },
		{ "set a { 10.0.0.2-fd00::1 }\nallow source @a\n", 1, 9, "both of one family" },
		{ "set a port { 65536 }\nallow tcp port @a\n", 1, 14, "'65536' is no port" },
		{ "set a port { 9-8 }\nallow tcp port @a\n", 1, 14, "'9-8' is no port" },
		{ "set a { 10.0.0.1 }\nset a { 10.0.0.2 }\nallow source @a\n", 2, 5,
		  "set 'a' is already defined at test.conf:1:5" },
		{ "set a { @a }\nallow source @a\n", 1, 9, "set '@a' contains itself" },
		{ "set a { @b }\nset b { @a }\nallow source @a\n", 2, 9, "set '@a' contains itself" },
		{ "set admins { 10.0.0.1 }\nallow source { @admins, @admin }\n", 2, 25,
		  "unknown set '@admin' (did you mean '@admins'?)" },
		{ "set a port { 80 }\nallow source @a\n", 2, 14, "set '@a' holds ports: expected a set of addresses" },
		{ "set a { 10.0.0.1 }\nallow tcp port @a\n", 2, 16,
		  "set '@a' holds addresses: expected a set of ports" },
		{ "set a file blocklist\n", 1, 12, "expected a file name in quotes, found 'blocklist'" },
		{ "set a file \"x\"\n", 1, 12, "cannot read files" },
		{ "allow source @\n", 1, 15, "'' cannot name a set" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

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
		{ "allow tcp port http\n", 1, 16, "'http' is no port" },
		{ "allow tcp source 10.0.0.1 type 8\n", 1, 27, "a type needs icmp or icmpv6" },
		{ "allow type 8\n", 1, 7, "a type needs a protocol" },
		{ "allow icmp type 256\n", 1, 17, "unknown ICMP type '256'" },
		{ "allow icmp type echo-requst\n", 1, 17, "(did you mean 'echo-request'?)" },
		{ "allow icmp type 3 code x\n", 1, 24, "'x' is no ICMP code" },
		{ "allow icmp type packet-too-big\n", 1, 17, "'packet-too-big' is a type of icmpv6" },
		{ "allow icmp type port-unreachable code 1\n", 1, 17, "says the code itself" },
		{ "allow family ip\n", 1, 14, "unknown family 'ip': expected 'ipv4' or 'ipv6'" },
		{ "allow log \"\"\n", 1, 11, "a label has 1 to 127 characters" },
		{ "allow source not\n", 1, 17,
		  "expected an address, a prefix, a range or @set, found the end of the line" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

#define NAT_ZONES "zone a { eth0 }\nzone b { eth1 }\n" /* rules begin at line 3 */

static void test_translations(void **state)
{
	static const struct complaint list[] = {
		{ NAT_ZONES "forward from b tcp port 80\n", 3, 1, "no new destination: expected 'to' and an address" },
		{ NAT_ZONES "forward from b to c 10.0.0.5\n", 3, 19, "unknown zone 'c'" },
		{ NAT_ZONES "forward from b to self 10.0.0.5\n", 3, 19, "'self' is not where an address can be" },
		{ NAT_ZONES "forward from b to 10.0.0.5 port 80\n", 3, 33, "a port needs a protocol" },
		{ NAT_ZONES "forward from b icmp to 10.0.0.5 port 80\n", 3, 38, "a port needs a protocol" },
		{ NAT_ZONES "forward from b { tcp, sctp } port 80 to 10.0.0.5 port 81\n", 3, 55,
		  "the ports of sctp stay as they are" },
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

static void test_helpers(void **state)
{
	static const struct complaint list[] = {
		{ "helper ftpp\n", 1, 8,
		  "unknown helper 'ftpp' (did you mean 'ftp'?): expected ftp, tftp, sip, irc or pptp" },
		{ "helper tftp tcp port 69\n", 1, 13, "helper tftp does not work over tcp: expected udp" },
		{ "helper { ftp, irc } tcp port 21\n", 1, 25, "several helpers cannot share a port" },
		{ "helper {}\n", 1, 1, "this list of helpers is empty" },
		{ "helper ftp log\n", 1, 12, "'log' cannot stand in a helper rule" },
		{ "helper from a\n", 1, 8, "unknown helper 'from'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_variables(void **state)
{
	static const struct complaint list[] = {
		{ "$x 5\n", 1, 4, "expected '=' and a value, found '5'" },
		{ "$x =\n", 1, 5, "expected a value" },
		{ "$x = 1\n$x = 2\n", 2, 1, "variable '$x' is already defined at test.conf:1:1" },
		{ "$1x = 1\n", 1, 2, "'1x' cannot name a variable" },
		{ "$dns = 9.9.9.9\nallow source $dsn\n", 2, 14, "unknown variable '$dsn' (did you mean '$dns'?)" },
		{ "allow source $\n", 1, 15, "expected the name of a variable after '$'" },
		{ "$x = foo\nallow source $x\n", 2, 14, "'foo' is no address: expected an address, a prefix" },
		{ "$x = foo\nallow source $x\n", 2, 14, "(in the value of $x)" },
		{ "$x = { 10.0.0.1 }\nallow source $x/8\n", 2, 14, "'/8' cannot stand behind $x" },
		{ "$x = { 10.0.0.1\n", 2, 1, "the '{' at line 1 is not closed" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_settings(void **state)
{
	static const struct complaint list[] = {
		{ "timeout tcp.estblished 5s\n", 1, 9, "(did you mean 'tcp.established'?)" },
		{ "timeout tcp.established 5\n", 1, 25,
		  "'5' is no timeout: expected a duration such as 30s, 10m or 1h30m, 1s to 20d" },
		{ "timeout tcp.established 21d\n", 1, 25, "1s to 20d" },
		{ "timeout tcp.established 5s, udp.stream\n", 1, 39,
		  "expected a duration such as 1h30m, found the end of the line" },
		{ "timeout udp.single 5s\ntimeout udp.single 6s\n", 2, 9,
		  "timeout udp.single is already set at test.conf:1:9" },
		{ "limit states 63\n", 1, 14, "expected a number 64 to 16777216" },
		{ "limit state 64\n", 1, 7, "unknown limit 'state' (did you mean 'states'?)" },
		{ "limit half-open 300000\n", 1, 7, "limit half-open 300000 is above limit states 262144" },
		{ "option pikup on\n", 1, 8,
		  "(did you mean 'pickup'?): expected one of pickup, checksum, log-drops, source-routes" },
		{ "limit adaptive 90%-60%\n", 1, 16, "expected two shares of the states, the lower first" },
		{ "limit adaptive 60-90\n", 1, 16, "such as 60%-90%, or 'off'" },
		{ "limit mappings 0\n", 1, 16, "expected a number 1 to 1048576" },
		{ "option mss 500\n", 1, 12, "'500' is no value for mss: expected a number 536 to 65495, or 'off'" },
		{ "option scrub-ttl 256\n", 1, 18, "expected a number 1 to 255" },
		{ "option pickup yes\n", 1, 15, "expected 'on' or 'off' for pickup, found 'yes'" },
		{ "option other-protocols 1\n", 1, 24, "expected 'on' or 'off' for other-protocols, found '1'" },
		{ "timeout group.answer 10\n", 1, 22, "'10' is no timeout" },
		{ "limit questions 0\n", 1, 17, "'0' is no limit for questions: expected a number 1 to 1048576" },
		{ "option pickup on off\n", 1, 18, "expected the end of the line, found 'off'" },
		{ "include other\n", 1, 9, "expected a file name in quotes, found 'other'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_warnings(void **state)
{
	static const struct complaint list[] = {
		{ "set a { 10.0.0.1 }\n", 1, 5, "set 'a' is never used" },
		{ "allow source 10.0.0.1/24\n", 1, 14, "the network 10.0.0.0/24 is used" },
		{ "allow source fd00::1/64\n", 1, 14, "the network fd00::/64 is used" },
		{ "zone a { network 10.0.0.1/8 }\nallow from a\n", 1, 18, "the network 10.0.0.0/8 is used" },
		{ "allow family ipv6 source 10.0.0.0/8\n", 1, 1, "can never match" },
		{ "allow source fd00::1 destination 10.0.0.1\n", 1, 1, "can never match" },
		{ "allow icmp source fd00::1\n", 1, 1, "can never match" },
		{ "set a { }\nallow source @a\n", 2, 1, "can never match" },
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
		{ NAT_ZONES "nat to b masquerade\nnat from a to b exempt\n", 4, 1,
		  "test.conf:3 takes all of its packets" },
		{ NAT_ZONES "nat to b masquerade\nbinat 10.0.0.5 to 203.0.113.5 on b\n", 4, 1,
		  "the outbound direction of this rule is never reached: the rule at test.conf:3" },
		{ NAT_ZONES "helper ftp from a\nhelper ftp from a to b\n", 4, 1, "takes all of its packets" },
		{ NAT_ZONES "nat to b source fd00::/64 to 203.0.113.7\n", 3, 1, "can never match" },
		{ NAT_ZONES "nat to b to 203.0.113.17/28\n", 3, 13, "the network 203.0.113.16/28 is used" },
		{ NAT_ZONES "forward from b tcp port { 80, 81 } to 10.0.0.5 port 90\n", 3, 53,
		  "ports 80-81 become 90-91 one by one" },
		{ "\ndeny proto igmp\n", 2, 1, "no rule is asked about IGMP" },
		{ "deny icmpv6 type neighbour-solicitation\n", 1, 13, "no rule is asked about these types" },
		{ "deny icmpv6 type { 130, 133, 143 }\n", 1, 13, "no rule is asked about these types" },
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

/* One run reports all errors, in the order of the text. */
static void test_many(void **state)
{
	static const char text[] = "zone lan { eth1, bad name, et*h, wlan0 }\n"
				   "alow from lan\n"
				   "set a { 10.0.0.300,\n"
				   "        10.0.0.1, # good\n"
				   "        10.0.0.301 }\n"
				   "allow from wan source @a\n"
				   "deny tcp port 99999\n"
				   "zone wan { eth2\n"
				   "option pickup maybe\n";
	static const unsigned lines[] = { 1, 2, 3, 5, 7, 9, 9 };
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "test.conf", NULL, &policy, &diags), -EINVAL);
	assert_null(policy);
	assert_int_equal(diags.errors, KS_ARRAY_SIZE(lines));
	for (size_t i = 0; i < KS_ARRAY_SIZE(lines); i++)
		assert_int_equal(diags.list[i].place.line, lines[i]);
	ks_diags_fini(&diags);
}

static void test_print(void **state)
{
	static const char text[] = "\tallow\tsource 10.0.0.300\n";
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char *out = NULL;
	size_t length;
	FILE *file = open_memstream(&out, &length);

	assert_non_null(file);
	assert_int_equal(ks_policy_load_text(text, strlen(text), "test.conf", NULL, &policy, &diags), -EINVAL);
	ks_diags_print(&diags, file, false);
	fclose(file);
	assert_string_equal(out,
			    "test.conf:1:15: error: '10.0.0.300' is no address: expected an address, a prefix such as "
			    "10.0.0.0/24, a range such as 192.0.2.5-192.0.2.9, or @set\n"
			    "    \tallow\tsource 10.0.0.300\n"
			    "    \t     \t       ^\n");
	free(out);
	ks_diags_fini(&diags);
}

/* However many errors there are, the list is bounded and the count true. */
static void test_bounds(void **state)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs("nonsense\n", file);
	fclose(file);
	assert_int_equal(ks_policy_load_text(text, length, "test.conf", NULL, &policy, &diags), -EINVAL);
	assert_int_equal(diags.errors, 1000);
	assert_int_equal(diags.count, 200);
	ks_diags_fini(&diags);
	free(text);
}

/* The tables have room for so many networks. */
static void test_networks(void **state)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	assert_non_null(file);
	fputs("zone a {\n", file);
	for (unsigned i = 0; i <= KS_NETWORKS_MAX; i++)
		fprintf(file, "network 10.0.%u.0/24,\n", i);
	fputs("}\n", file);
	fclose(file);
	assert_int_equal(ks_policy_load_text(text, length, "test.conf", NULL, &policy, &diags), -EINVAL);
	assert_int_equal(diags.count, 1);
	assert_int_equal(diags.list[0].place.line, KS_NETWORKS_MAX + 2);
	assert_string_equal(diags.list[0].message, "the policy's zones have more than 64 networks");
	ks_diags_fini(&diags);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),     cmocka_unit_test(test_characters), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_zones),	     cmocka_unit_test(test_sets),	cmocka_unit_test(test_ignore),
		cmocka_unit_test(test_rules),	     cmocka_unit_test(test_variables),	cmocka_unit_test(test_settings),
		cmocka_unit_test(test_translations), cmocka_unit_test(test_helpers),	cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_no_warnings),  cmocka_unit_test(test_many),	cmocka_unit_test(test_print),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
