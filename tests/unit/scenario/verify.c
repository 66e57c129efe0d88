/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check of every translated packet: a good translation passes, and each way
 * to break one is found. Frames are crafted from words, changed as a
 * translator does, and spoilt.
 */
#include "tests/unit/policy/support.h"

#include "scenario/craft.h"
#include "scenario/layout.h"
#include "scenario/verify.h"
#include "policy/arena.h"

#define HEAD "zone lan { eth1 }\nzone wan { eth0 }\n"
#define LAYER2 14
#define IPV4_L4 (LAYER2 + 20)

struct fixture {
	struct ks_policy *policy;
	struct ks_arena *arena;
	struct ks_crafter *crafter;
	__u8 in[2048], out[2048];
	size_t length;
};

static int setup(void **state)
{
	static struct fixture fixture;

	fixture.policy = load_good(HEAD);
	fixture.arena = ks_arena_create();
	assert_int_equal(ks_crafter_create(&fixture.crafter), 0);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ks_crafter_destroy(f->crafter);
	ks_arena_destroy(f->arena);
	ks_policy_destroy(f->policy);
	return 0;
}

static void craft(struct fixture *f, const char *words, __u8 *to)
{
	struct ks_diags diags = { 0 };
	struct ks_frame frame;
	struct ks_step step;

	assert_int_equal(ks_step_parse_text(f->policy, words, f->arena, &step, &diags), 0);
	assert_int_equal(ks_crafter_craft(f->crafter, &step.packet, &frame), 0);
	assert_in_range(frame.length, 1, 2048);
	memcpy(to, frame.data, frame.length);
	f->length = frame.length;
	ks_diags_fini(&diags);
}

static const char *fault(struct fixture *f, unsigned may)
{
	struct ks_bytes_view in = { f->in, f->length }, out = { f->out, f->length };

	return ks_translation_fault(&in, &out, KS_LINK_ETHERNET, may);
}

/* Crafted twice, before and after, both with right checksums: nothing is wrong. */
static void test_right(void **state)
{
	static const char *const pairs[][2] = {
		{ "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp", "lan 203.0.113.1:41000 > wan 192.0.2.1:53 udp" },
		{ "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp checksum 0",
		  "lan 203.0.113.1:41000 > wan 192.0.2.1:53 udp checksum 0" },
		{ "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn data \"abc\"",
		  "lan 203.0.113.1:4 > wan 192.0.2.1:80 tcp syn data \"abc\"" },
		{ "lan [fd00::5]:40000 > wan [2001:db8::1]:53 udp",
		  "lan [2001:db8:f::1]:4 > wan [2001:db8::1]:53 udp" },
		{ "lan 10.0.0.5 > wan 192.0.2.1 icmp echo-request id 7",
		  "lan 203.0.113.1 > wan 192.0.2.1 icmp echo-request id 8" },
		{ "lan fd00::5 > wan 2001:db8::1 icmpv6 echo-request id 7",
		  "lan 2001:db8:f::1 > wan 2001:db8::1 icmpv6 echo-request id 8" },
		{ "lan 10.0.0.5:40000 > wan 192.0.2.1:53 sctp init",
		  "lan 203.0.113.1:41000 > wan 192.0.2.1:53 sctp init" },
		{ "lan 10.0.0.5:40000 > wan 192.0.2.1:53 dccp request",
		  "lan 203.0.113.1:41000 > wan 192.0.2.1:53 dccp request" },
		{ "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udplite coverage 8",
		  "lan 203.0.113.1:41000 > wan 192.0.2.1:53 udplite coverage 8" },
		{ "wan 192.0.2.1 > lan 203.0.113.1 icmp unreachable port quoting 203.0.113.1:4 > 192.0.2.1:53 udp",
		  "wan 192.0.2.1 > lan 10.0.0.5 icmp unreachable port quoting 10.0.0.5:5 > 192.0.2.1:53 udp" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < KS_ARRAY_SIZE(pairs); i++) {
		const char *found;

		craft(f, pairs[i][0], f->in);
		craft(f, pairs[i][1], f->out);
		found = fault(f, 0);
		if (found)
			fail_msg("%s: %s", pairs[i][0], found);
	}
}

/* The same with one byte of what leaves spoilt, or a word that the translator should have kept. */
static void test_wrong(void **state)
{
	static const struct {
		const char *in, *out;
		int spoil; /* offset, -1: nothing */
		const char *part; /* of the sentence */
	} cases[] = {
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp", "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp", LAYER2 + 11,
		  "IPv4 header checksum" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp", "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp", IPV4_L4 + 7,
		  "was right and is wrong" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:80 tcp syn", "lan 10.9.0.5:4 > wan 192.0.2.1:80 tcp syn",
		  IPV4_L4 + 16, "was right and is wrong" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp checksum bad", "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp", -1,
		  "not adjusted" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp checksum 0", "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp", -1,
		  "had no UDP checksum" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp", "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp checksum 0", -1,
		  "lost its UDP checksum" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp data \"ab\"",
		  "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp data \"ac\"", -1, "octets changed" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp ttl 9", "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp ttl 8", -1,
		  "octets changed" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp len 9", "lan 10.9.0.5:4 > wan 192.0.2.1:53 udp len 8", -1,
		  "length changed" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 udp", "lan 10.9.0.5:4 > wan 192.0.2.1:53 tcp syn len 20", -1,
		  "another one" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 sctp init", "lan 10.0.0.5:5 > wan 192.0.2.1:53 sctp init",
		  IPV4_L4 + 8, "SCTP checksum was right and is wrong" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 sctp init checksum bad",
		  "lan 10.0.0.5:5 > wan 192.0.2.1:53 sctp init", -1, "SCTP checksum was wrong and is right" },
		{ "lan 10.0.0.5:4 > wan 192.0.2.1:53 sctp init checksum 0",
		  "lan 10.0.0.5:5 > wan 192.0.2.1:53 sctp init", -1, "had no SCTP checksum" },
		{ "lan 10.0.0.5 > wan 192.0.2.1 icmp echo-request id 7",
		  "lan 10.0.0.5 > wan 192.0.2.1 icmp echo-request id 8 checksum bad", -1, "was right and is wrong" },
		{ "wan 192.0.2.1 > lan 10.0.0.6 icmp unreachable port quoting 10.0.0.6:4 > 192.0.2.1:53 udp",
		  "wan 192.0.2.1 > lan 10.0.0.5 icmp unreachable port quoting 10.0.0.5:5 > 192.0.2.1:53 udp checksum "
		  "bad",
		  -1, "of what it quotes" },
		{ "wan 192.0.2.1 > lan 10.0.0.6 icmp unreachable port quoting 10.0.0.6:4 > 192.0.2.1:53 udp",
		  "wan 192.0.2.1 > lan 10.0.0.5 icmp unreachable port quoting 10.0.0.5:5 > 192.0.2.1:53 udp "
		  "ip-checksum "
		  "bad",
		  -1, "of what it quotes" },
		{ "wan 192.0.2.1 > lan 10.0.0.6 icmp unreachable port quoting 10.0.0.6:4 > 192.0.2.1:53 udp len 8",
		  "wan 192.0.2.1 > lan 10.0.0.5 icmp unreachable port quoting 10.0.0.5:5 > 192.0.2.1:53 udp data "
		  "\"12345678\"",
		  -1, "octets changed" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		const char *found;
		size_t length;

		craft(f, cases[i].in, f->in);
		length = f->length;
		craft(f, cases[i].out, f->out);
		if (cases[i].spoil >= 0)
			f->out[cases[i].spoil] ^= 0x55;
		if (length != f->length) {
			struct ks_bytes_view in = { f->in, length }, out = { f->out, f->length };

			found = ks_translation_fault(&in, &out, KS_LINK_ETHERNET, 0);
		} else {
			found = fault(f, 0);
		}
		if (!found || !strstr(found, cases[i].part))
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].out, found ? found : "nothing", cases[i].part);
	}
}

/* A quotation that ends early has no checksum that can be right, but one that must be adjusted. */
static void test_truncated_quotation(void **state)
{
	struct fixture *f = *state;

	craft(f,
	      "wan 192.0.2.1 > lan 10.0.0.6 icmp unreachable port quoting 10.0.0.6:4 > 192.0.2.1:53 udp len 100 "
	      "truncate 40",
	      f->in);
	craft(f,
	      "wan 192.0.2.1 > lan 10.0.0.5 icmp unreachable port quoting 10.0.0.5:5 > 192.0.2.1:53 udp len 100 "
	      "truncate 40",
	      f->out);
	assert_null(fault(f, 0));
	craft(f,
	      "wan 192.0.2.1 > lan 10.0.0.5 icmp unreachable port quoting 10.0.0.5:5 > 192.0.2.1:53 udp len 100 "
	      "truncate 40 checksum 7",
	      f->out);
	assert_non_null(fault(f, 0));
}

/* The changes of a policy's option are no fault if it is on. */
static void test_scrubbed(void **state)
{
	struct fixture *f = *state;

	craft(f, "lan 10.0.0.5:4 > wan 192.0.2.1:80 tcp syn mss 1460 ttl 3 ip-id 7 df", f->in);
	craft(f, "lan 10.0.0.5:4 > wan 192.0.2.1:80 tcp syn mss 1400 ttl 64 ip-id 9", f->out);
	assert_non_null(fault(f, 0));
	assert_null(fault(f, KS_VERIFY_SCRUBBED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_truncated_quotation),
		cmocka_unit_test(test_scrubbed),
	};

	return cmocka_run_group_tests_name("verify", tests, setup, teardown);
}
