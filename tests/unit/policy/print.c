/* SPDX-License-Identifier: BSD-2-Clause */
/* The normal form loads to the same tables and prints the same again: on a hand-written policy and on random ones. */
#include "text/names.h"
#include "tests/unit/policy/support.h"

static void check_round_trip(const char *text)
{
	struct ks_policy *policy = load_good(text), *again;
	char *first = print_text(policy), *second;

	again = load_good(first);
	second = print_text(again);
	assert_same_tables(policy, again);
	assert_string_equal(first, second);
	assert_int_equal(policy->info_count, again->info_count);
	for (size_t i = 0; i < policy->info_count; i++)
		assert_string_equal(policy->infos[i].text, again->infos[i].text);
	free(first);
	free(second);
	ks_policy_destroy(policy);
	ks_policy_destroy(again);
}

static const char sample[] = "zone lan { eth1, antispoof on, wg0, network 10.0.0.0/24 }\n"
			     "ignore docker0\n"
			     "zone wan { antispoof off, eth0, network 0.0.0.0/0, mac 02:00:5e:10:00:01 }\n"
			     "set web port { 80, 443, 8000-8099 }\n"
			     "set admins { 10.0.0.0/24, fd00:1::/64, 192.0.2.5-192.0.2.9 }\n"
			     "$dns = 9.9.9.9\n"
			     "timeout tcp.established 1h\n"
			     "ignore { br-*, docker0 }\n"
			     "limit states 4096, questions 100\n"
			     "option other-protocols on, pickup on\n"
			     "deny from wan source @admins log \"a \\\"label\\\" with \\\\\"\n"
			     "allow from { lan, wan } to self tcp port @web source { $dns, @admins, $dns }\n"
			     "bypass from lan udp port 4789\n"
			     "allow family ipv6 to any from lan proto 47 destination not 192.0.2.0/24\n"
			     "test \"dns\" { \n"
			     "  lan 10.0.0.5:40000 > wan $dns:53 udp => deny \"no state\"\n"
			     "\n"
			     "  after 10m\n"
			     "}\n";

static void test_sample(void **state)
{
	check_round_trip(sample);
}

static void test_zones_not_meant(void **state)
{
	static const char text[] = "zone lan { eth1 }\nzone wan { eth0 }\n"
				   "nat from not wan to not lan family ipv4 masquerade\n"
				   "forward from not { lan, wan } to not { wan, none } proto esp to lan 10.0.0.5\n"
				   "deny from not self to lan\n"
				   "allow from not { none, self } to not lan log\n";
	struct ks_policy *policy = load_good(text);
	char *printed = print_text(policy);

	check_round_trip(text);
	assert_string_equal(printed, text);
	assert_true(policy->rules[2].from_zones == ~(1ULL << KS_ZONE_SELF | 1ULL << KS_ZONE_NONE));
	free(printed);
	ks_policy_destroy(policy);
}

static void test_normal_form(void **state)
{
	struct ks_policy *policy = load_good(sample);
	char *text = print_text(policy);

	assert_string_equal(text, "zone lan { eth1, wg0, network 10.0.0.0/24 }\n"
				  "zone wan { eth0, network 0.0.0.0/0, mac 02:00:5e:10:00:01, antispoof off }\n"
				  "ignore { docker0, br-* }\n"
				  "set web port { 80, 443, 8000-8099 }\n"
				  "set admins { 10.0.0.0/24, 192.0.2.5-192.0.2.9, fd00:1::/64 }\n"
				  "timeout tcp.established 1h\n"
				  "limit states 4096, questions 100\n"
				  "option pickup on, other-protocols on\n"
				  "deny from wan source @admins log \"a \\\"label\\\" with \\\\\"\n"
				  "allow from { lan, wan } to self tcp port @web source { @admins, 9.9.9.9 }\n"
				  "bypass from lan udp port 4789\n"
				  "allow from lan family ipv6 proto gre destination not 192.0.2.0/24\n"
				  "test \"dns\" {\n"
				  "\tlan 10.0.0.5:40000 > wan 9.9.9.9:53 udp => deny \"no state\"\n"
				  "\tafter 10m\n"
				  "}\n");
	free(text);
	ks_policy_destroy(policy);
}

/* --- random policies --- */

static void write_addrs(FILE *out, uint64_t *seed)
{
	unsigned count = 1 + random_below(seed, 5);

	fputs("{ ", out);
	for (unsigned i = 0; i < count; i++) {
		unsigned a = random_below(seed, 4), b = random_below(seed, 256);

		switch (random_below(seed, 5)) {
		case 0:
			fprintf(out, "10.%u.%u.7", a, b);
			break;
		case 1:
			fprintf(out, "10.%u.%u.0/%u", a, b, 16 + random_below(seed, 17));
			break;
		case 2:
			fprintf(out, "10.%u.0.%u-10.%u.255.%u", a, b, a, b);
			break;
		case 3:
			fprintf(out, "fd00:%x::%x/%u", a, b, random_below(seed, 129));
			break;
		default:
			fprintf(out, "@s%u", random_below(seed, 4));
		}
		fputs(i + 1 < count ? ", " : " }", out);
	}
}

static void write_ports(FILE *out, uint64_t *seed)
{
	unsigned low = random_below(seed, 65536), high = low + random_below(seed, 100);

	fprintf(out, " port %s{ %u, %u-%u, @p%u }", random_below(seed, 4) ? "" : "not ", random_below(seed, 65536), low,
		high < 65536 ? high : 65535, random_below(seed, 2));
}

static void write_rule(FILE *out, uint64_t *seed)
{
	static const char *const actions[] = { "allow", "deny", "reject", "bypass" };
	static const char *const zones[] = { "a", "b", "self", "any", "none", "{ a, self }", "{ b, a, b }" };
	static const char *const types[] = { "echo-request", "{ 3 code 1, 8, redirect }", "{ 0, 255 code 255 }" };
	unsigned kind = random_below(seed, 4);

	fputs(actions[random_below(seed, 4)], out);
	if (random_below(seed, 2))
		fprintf(out, " to %s", zones[random_below(seed, 7)]);
	if (random_below(seed, 2))
		fprintf(out, " from %s", zones[random_below(seed, 7)]);
	if (kind == 1)
		fprintf(out, " %s", random_below(seed, 2) ? "{ udp, tcp }" : "tcp");
	if (kind == 2)
		fprintf(out, " { icmpv6, icmp } type %s", types[random_below(seed, 3)]);
	if (kind == 3)
		fprintf(out, " proto { %u, gre }", random_below(seed, 256));
	if (kind == 1 && random_below(seed, 2))
		write_ports(out, seed);
	if (kind == 1 && random_below(seed, 3) == 0) {
		fputs(" source", out);
		write_ports(out, seed);
	}
	if (random_below(seed, 3) == 0) {
		fprintf(out, " destination %s", random_below(seed, 2) ? "" : "not ");
		write_addrs(out, seed);
	}
	if (random_below(seed, 2)) {
		fprintf(out, " source %s", random_below(seed, 2) ? "" : "not ");
		write_addrs(out, seed);
	}
	if (random_below(seed, 3) == 0)
		fprintf(out, " family %s", random_below(seed, 2) ? "ipv4" : "ipv6");
	if (random_below(seed, 4) == 0)
		fprintf(out, " log%s", random_below(seed, 2) ? "" : " \"label\"");
	fputc('\n', out);
}

/* Conditions that every kind of rule may have. */
static void write_conditions(FILE *out, uint64_t *seed)
{
	if (random_below(seed, 2))
		fprintf(out, " from %s", random_below(seed, 2) ? "a" : "{ b, a }");
	if (random_below(seed, 3) == 0) {
		fprintf(out, " source %s", random_below(seed, 3) ? "" : "not ");
		if (random_below(seed, 4) == 0)
			fprintf(out, "address of %s", random_below(seed, 2) ? "a" : "b");
		else
			write_addrs(out, seed);
	}
}

static void write_forward(FILE *out, uint64_t *seed)
{
	static const char *const targets[] = { "10.0.0.5", "b 10.0.0.5", "{ 10.0.0.5, fd00::5, 10.0.0.6 }",
					       "a { fd00::1 }" };
	unsigned low = 1 + random_below(seed, 1000), ports = random_below(seed, 3) * random_below(seed, 20);
	bool redirect = random_below(seed, 3) == 0;

	fputs(redirect ? "redirect" : "forward", out);
	write_conditions(out, seed);
	if (random_below(seed, 3) == 0)
		fprintf(out, " to %s", random_below(seed, 2) ? "any" : "{ a, self }");
	fprintf(out, " %s port %u-%u", random_below(seed, 2) ? "tcp" : "{ tcp, udp }", low, low + ports);
	if (random_below(seed, 3) == 0)
		fprintf(out, " destination 192.0.2.%u", random_below(seed, 256));
	fprintf(out, " to %s", redirect ? "self" : targets[random_below(seed, 4)]);
	if (random_below(seed, 3))
		fprintf(out, " port %u", 1 + random_below(seed, 60000));
	else if (random_below(seed, 2))
		fprintf(out, " port %u-%u", 40000, 40000 + ports);
	fprintf(out, "%s\n", random_below(seed, 4) ? "" : " log \"f\"");
}

static void write_nat(FILE *out, uint64_t *seed)
{
	static const char *const targets[] = { "203.0.113.7", "203.0.113.8-203.0.113.15", "203.0.113.16/28",
					       "2001:db8::/64",
					       "{ 203.0.113.7, 2001:db8::1, 203.0.113.9-203.0.113.10 }" };
	unsigned kind = random_below(seed, 4), low = 1 + random_below(seed, 60000);

	fputs("nat", out);
	write_conditions(out, seed);
	if (random_below(seed, 2))
		fprintf(out, " to %s", random_below(seed, 2) ? "b" : "any");
	if (kind == 0) {
		fputs(" exempt\n", out);
		return;
	}
	if (kind == 1)
		fputs(" masquerade", out);
	else
		fprintf(out, " to %s", targets[random_below(seed, 5)]);
	if (random_below(seed, 2))
		fprintf(out, " endpoint-independent%s",
			random_below(seed, 2)	? ""
			: random_below(seed, 2) ? " filtering address-dependent"
						: " filtering endpoint-independent");
	if (random_below(seed, 2))
		fputs(" random-port", out);
	if (random_below(seed, 2))
		fprintf(out, " port %u-%u", low, low + random_below(seed, 5000));
	fputc('\n', out);
}

/* One to one, or helpers. */
static void write_other(FILE *out, uint64_t *seed)
{
	static const char *const helpers[] = { "ftp", "{ tftp, sip }", "{ irc, pptp, irc }" };
	unsigned n = random_below(seed, 250), bits = 8 + random_below(seed, 25);

	switch (random_below(seed, 4)) {
	case 0:
		fprintf(out, "binat 10.%u.%u.%u/%u to 203.0.113.%u/%u on b\n", n, n, n, bits, n, bits);
		break;
	case 1:
		fprintf(out, "binat a fd00::%x to 2001:db8::%x on { b, a }\n", n, n);
		break;
	case 2:
		fprintf(out, "nptv6 fd%02x:1234:%x::/%u to 2001:db8:%x::/%u on b\n", n, n * 7, 40 + bits % 25, n,
			40 + bits % 25);
		break;
	default:
		fprintf(out, "helper %s", helpers[random_below(seed, 3)]);
		write_conditions(out, seed);
		fputc('\n', out);
	}
}

static void write_settings(FILE *out, uint64_t *seed)
{
	unsigned low = 1 + random_below(seed, 50);

	fprintf(out, "timeout tcp.fin_wait %us, icmp.replied 1m%us, udp.dns %us\nlimit states %u\noption checksum %s\n",
		random_below(seed, 100000) + 1, random_below(seed, 60), random_below(seed, 60) + 1,
		64 + random_below(seed, 100000), random_below(seed, 2) ? "on" : "off");
	fprintf(out, "limit fragments %u, mappings %u\n", 1 + random_below(seed, 5000), 1 + random_below(seed, 5000));
	if (random_below(seed, 3))
		fprintf(out, "limit adaptive %u%%-%u%%\n", low, low + 1 + random_below(seed, 49));
	else if (random_below(seed, 2))
		fputs("limit adaptive off\n", out);
	if (random_below(seed, 2))
		fprintf(out, "option scrub-ttl %u, mss %u, scrub-id on\n", 1 + random_below(seed, 255),
			536 + random_below(seed, 60000));
}

static void write_any_rule(FILE *out, uint64_t *seed)
{
	switch (random_below(seed, 6)) {
	case 0:
		write_forward(out, seed);
		break;
	case 1:
		write_nat(out, seed);
		break;
	case 2:
		write_other(out, seed);
		break;
	default:
		write_rule(out, seed);
	}
}

static void write_policy(FILE *out, uint64_t *seed)
{
	unsigned rules = random_below(seed, 30);

	fputs("zone a { eth0, network 10.0.0.0/8, address 10.0.0.1 }\nset s3 { 192.0.2.1, fd00::/8 }\n", out);
	fprintf(out, "zone b { eth1, antispoof %s, challenge %s }\n", random_below(seed, 2) ? "on" : "off",
		ks_challenge_mode_name(random_below(seed, 3)));
	if (random_below(seed, 2))
		fputs("ignore { docker0, br-* }\n", out);
	for (int i = 2; i >= 0; i--) {
		fprintf(out, "set s%d { @s%d, 172.16.%d.0/30, 10.0.%u.1, 2001:db8::%d-2001:db8::1:%u } \n", i, i + 1, i,
			random_below(seed, 3), i, random_below(seed, 1000) + 10);
	}
	fprintf(out, "set p0 port { %u, @p1 }\nset p1 port 0-%u\n", random_below(seed, 65536),
		random_below(seed, 65536));
	write_settings(out, seed);
	for (unsigned i = 0; i < rules; i++)
		write_any_rule(out, seed);
}

static void test_random(void **state)
{
	uint64_t seed = 4711;

	for (int round = 0; round < 300; round++) {
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);

		assert_non_null(out);
		write_policy(out, &seed);
		fclose(out);
		check_round_trip(text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_normal_form),
		cmocka_unit_test(test_zones_not_meant),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
