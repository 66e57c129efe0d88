// SPDX-License-Identifier: BSD-2-Clause
/*
 * ICMP and ICMPv6: every type and code there can be, questions and answers,
 * and errors: what they quote, in which direction, from
 * where, and that no error changes anything (RFC 5927).
 */
#include "tests/unit/core/test_home.h"

#include "core/verdict.h"
#include "core/header/icmp.h"

#define NOW (1000 * KS_NSEC_PER_SEC)

static struct ks_env *env;

static int setup(void **state)
{
	env = test_env_create(16);
	env->rules = &test_allow_all;
	env->config.rules = 1;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

/* An ICMP message of `len` bytes behind its 8, from host `src` to `dst`. */
static void message(struct frame *f, bool v6, __u8 src, __u8 dst, __u8 type, __u8 code, __u16 id, __u32 len)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, v6 ? 0x86dd : 0x0800, 0);
	if (v6)
		frame_ipv6(f, KS_PROTO_ICMPV6, src, dst, 8 + len);
	else
		frame_ipv4(f, KS_PROTO_ICMP, src, dst, 0, 8 + len);
	frame_put8(f, type);
	frame_put8(f, code);
	frame_put16(f, 0);
	frame_put16(f, id);
	frame_put16(f, 1);
}

static __u32 parse(const struct frame *f, struct ks_packet *pkt)
{
	return test_parse(f, f->len, pkt);
}

/* --- types --- */

enum kind { BAD, QUERY, ANSWER, ERROR, NEIGHBOUR };

struct type {
	__u8 type;
	enum kind kind;
	__u8 codes; /* highest */
	__u8 min; /* bytes */
};

/* After the IANA registries; obsolete ones (RFC 6633, 6918) and what has no business here are left out: refused. */
static const struct type types4[] = {
	{ 0, ANSWER, 255, 8 }, { 3, ERROR, 15, 8 },    { 5, ERROR, 3, 8 },     { 8, QUERY, 255, 8 },
	{ 11, ERROR, 1, 8 },   { 12, ERROR, 2, 8 },    { 13, QUERY, 255, 20 }, { 14, ANSWER, 255, 20 },
	{ 15, QUERY, 255, 8 }, { 16, ANSWER, 255, 8 }, { 17, QUERY, 255, 12 }, { 18, ANSWER, 255, 12 },
};
static const struct type types6[] = {
	{ 1, ERROR, 8, 8 },	   { 2, ERROR, 255, 8 },      { 3, ERROR, 1, 8 },	 { 4, ERROR, 10, 8 },
	{ 128, QUERY, 255, 8 },	   { 129, ANSWER, 255, 8 },   { 130, NEIGHBOUR, 0, 24 }, { 131, NEIGHBOUR, 0, 24 },
	{ 132, NEIGHBOUR, 0, 24 }, { 133, NEIGHBOUR, 0, 8 },  { 134, NEIGHBOUR, 0, 16 }, { 135, NEIGHBOUR, 0, 24 },
	{ 136, NEIGHBOUR, 0, 24 }, { 137, NEIGHBOUR, 0, 40 }, { 143, NEIGHBOUR, 0, 8 },
};

static struct type type_of(bool v6, __u8 type)
{
	const struct type *table = v6 ? types6 : types4;

	for (size_t i = 0; i < (v6 ? KS_ARRAY_SIZE(types6) : KS_ARRAY_SIZE(types4)); i++) {
		if (table[i].type == type)
			return table[i];
	}
	return (struct type){ .type = type };
}

static void check_type(bool v6, __u8 type, __u8 code)
{
	struct type t = type_of(v6, type);
	struct ks_packet pkt;
	struct frame f;
	__u32 reason;

	message(&f, v6, 1, 2, type, code, 77, 60);
	frame_zeros(&f, 60);
	reason = parse(&f, &pkt);
	if (t.kind == BAD || code > t.codes) {
		assert_int_equal(reason, KS_REASON_ICMP_TYPE);
		return;
	}
	/* A zeroed one is not sane; tests/unit/core/header/neighbour.c has those that are. */
	assert_int_equal(reason, t.kind == NEIGHBOUR ? KS_REASON_NEIGHBOUR : KS_REASON_OK_NEW);
	assert_int_equal(!!(pkt.flags & KS_PKT_ICMP_QUERY), t.kind == QUERY);
	assert_int_equal(!!(pkt.flags & KS_PKT_ICMP_ANSWER), t.kind == ANSWER);
	assert_int_equal(!!(pkt.flags & KS_PKT_ICMP_ERROR), t.kind == ERROR);
	assert_int_equal(!!(pkt.flags & KS_PKT_NEIGHBOUR), t.kind == NEIGHBOUR);
}

static void test_types_and_codes(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned type = 0; type < 256; type++) {
			for (unsigned code = 0; code < 256; code++)
				check_type(v6, (__u8)type, (__u8)code);
		}
	}
}

static void test_lengths(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned type = 0; type < 256; type++) {
			struct type t = type_of(v6, (__u8)type);

			for (__u32 len = 0; t.kind != BAD && t.kind != NEIGHBOUR && len < 48; len++) {
				__u32 want = KS_REASON_OK_NEW;
				struct ks_packet pkt;
				struct frame f;

				message(&f, v6, 1, 2, t.type, 0, 77, 60);
				frame_zeros(&f, 60);
				f.data[14 + (v6 ? 5 : 3)] = (__u8)((v6 ? 0 : 20) + len);
				if (!v6)
					frame_ipv4_checksum(&f, 14);
				if (len < 8)
					want = KS_REASON_ICMP_HEADER;
				else if (len < t.min)
					want = KS_REASON_ICMP_HEADER;
				assert_int_equal(parse(&f, &pkt), want);
			}
		}
	}
}

/* The other family's ICMP is nobody's. */
static void test_family(void **state)
{
	struct ks_packet pkt;
	struct frame f;

	message(&f, false, 1, 2, 8, 0, 1, 0);
	f.data[14 + 9] = KS_PROTO_ICMPV6;
	frame_ipv4_checksum(&f, 14);
	assert_int_equal(parse(&f, &pkt), KS_REASON_ICMP_TYPE);
	message(&f, true, 1, 2, 128, 0, 1, 0);
	f.data[14 + 6] = KS_PROTO_ICMP;
	assert_int_equal(parse(&f, &pkt), KS_REASON_ICMP_TYPE);
}

/* --- questions and answers --- */

static __u32 inspect(const struct frame *f, __u8 from, __u8 to, struct ks_inspection *insp)
{
	test_inspect(env, f, from, to, NOW, insp);
	return insp->verdict.reason;
}

static __u32 echo(bool v6, bool answer, bool from_lan, __u16 id)
{
	struct ks_inspection insp;
	struct frame f;
	__u8 type = v6 ? (answer ? 129 : 128) : (answer ? 0 : 8);

	message(&f, v6, from_lan ? 1 : 2, from_lan ? 2 : 1, type, 0, id, 0);
	return inspect(&f, from_lan ? ZONE_LAN : ZONE_WAN, from_lan ? ZONE_WAN : ZONE_LAN, &insp);
}

static void test_echo(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		assert_int_equal(echo(v6, true, false, 7), KS_REASON_ICMP_REPLY);
		assert_int_equal(env->counts.flows, v6 ? 2 : 0);
		assert_int_equal(echo(v6, false, true, 7), KS_REASON_OK_NEW);
		assert_int_equal(echo(v6, true, true, 7), KS_REASON_ICMP_REPLY); /* the asker answers: another flow's */
		assert_int_equal(echo(v6, true, false, 8), KS_REASON_ICMP_REPLY);
		assert_int_equal(echo(v6, true, false, 7), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(echo(v6, false, true, 7), KS_REASON_OK_ESTABLISHED);
		/* The same identifier asked from the other side is a question of its own. */
		assert_int_equal(echo(v6, false, false, 7), KS_REASON_OK_NEW);
		assert_int_equal(echo(v6, true, true, 7), KS_REASON_OK_ESTABLISHED);
	}
}

/* A timestamp's answer is no echo's. */
static void test_answer_of_another_type(void **state)
{
	struct ks_inspection insp;
	struct frame f;

	assert_int_equal(echo(false, false, true, 7), KS_REASON_OK_NEW);
	message(&f, false, 2, 1, 14, 0, 7, 12);
	frame_zeros(&f, 12);
	assert_int_equal(inspect(&f, ZONE_WAN, ZONE_LAN, &insp), KS_REASON_ICMP_REPLY);
}

/* --- errors --- */

/* A UDP flow 1:4000 > 2:53 or a TCP connection 1:4000 > 2:80, LAN to WAN. */
static void open_udp(bool v6)
{
	struct ks_inspection insp;
	struct frame f = { 0 };

	frame_ethernet(&f, v6 ? 0x86dd : 0x0800, 0);
	if (v6)
		frame_ipv6(&f, KS_PROTO_UDP, 1, 2, 8);
	else
		frame_ipv4(&f, KS_PROTO_UDP, 1, 2, 0, 8);
	frame_udp(&f, 4000, 53, 0);
	assert_int_equal(inspect(&f, ZONE_LAN, ZONE_WAN, &insp), KS_REASON_OK_NEW);
}

#define ISN 0xf0000000U

static void open_tcp(bool v6)
{
	struct ks_inspection insp;
	struct frame f = { 0 };

	frame_ethernet(&f, v6 ? 0x86dd : 0x0800, 0);
	if (v6)
		frame_ipv6(&f, KS_PROTO_TCP, 1, 2, 20);
	else
		frame_ipv4(&f, KS_PROTO_TCP, 1, 2, 0, 20);
	frame_tcp(&f, 4000, 80, ISN, 0, KS_TCP_SYN, 1000);
	assert_int_equal(inspect(&f, ZONE_LAN, ZONE_WAN, &insp), KS_REASON_OK_NEW);
}

/* The packet that an error quotes. */
struct quote {
	bool v6;
	__u8 proto, src, dst;
	__u16 sport, dport;
	__u32 seq;
	__u32 cut; /* bytes missing at the end of header and 8 */
};

/* An error of `type` from host `from` (any router) to host `to`. */
static void error(struct frame *f, const struct quote *q, __u8 type, __u8 from, __u8 to)
{
	__u32 len = (q->v6 ? 48 : 28) - q->cut;
	struct frame quoted = { 0 };

	if (q->v6)
		frame_ipv6(&quoted, q->proto, q->src, q->dst, 100);
	else
		frame_ipv4(&quoted, q->proto, q->src, q->dst, 0, 100);
	frame_put16(&quoted, q->sport);
	frame_put16(&quoted, q->dport);
	frame_put32(&quoted, q->seq);
	message(f, q->v6, from, to, type, 0, 0, len);
	frame_put(f, quoted.data, len);
}

static __u8 unreachable(bool v6)
{
	return v6 ? 1 : 3;
}

/* The reason of an error from the WAN; it must change nothing whatever it is. */
static __u32 judge_error(const struct quote *q, __u8 from, __u8 to, __u8 from_zone, __u8 to_zone)
{
	size_t size = ks_table_length(env->shape.buckets) * sizeof(*env->buckets);
	struct ks_table_counts counts = env->counts;
	struct ks_bucket *before = malloc(size);
	struct ks_inspection insp;
	struct frame f;

	assert_non_null(before);
	memcpy(before, env->buckets, size);
	error(&f, q, unreachable(q->v6), from, to);
	inspect(&f, from_zone, to_zone, &insp);
	assert_memory_equal(before, env->buckets, size);
	assert_memory_equal(&counts, &env->counts, sizeof(counts));
	assert_int_equal(insp.verdict.class,
			 insp.verdict.reason == KS_REASON_OK_RELATED ? KS_CLASS_RELATED : KS_CLASS_INVALID);
	assert_int_equal(insp.verdict.action, insp.verdict.reason == KS_REASON_OK_RELATED ? KS_ALLOW : KS_DENY);
	free(before);
	return insp.verdict.reason;
}

static void test_error_about_udp(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct quote q = { .v6 = v6, .proto = KS_PROTO_UDP, .src = 1, .dst = 2, .sport = 4000, .dport = 53 }, w;

		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_NO_FLOW);
		open_udp(v6);
		/* From the other end, or from any router on the way. */
		assert_int_equal(judge_error(&q, 2, 1, ZONE_WAN, ZONE_LAN), KS_REASON_OK_RELATED);
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_OK_RELATED);
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, KS_ZONE_UNKNOWN), KS_REASON_OK_RELATED);
		assert_int_equal(judge_error(&q, 9, 1, KS_ZONE_SELF, ZONE_LAN), KS_REASON_OK_RELATED);
		/* Not from the sender's own side, nor from a third. */
		assert_int_equal(judge_error(&q, 9, 1, ZONE_LAN, ZONE_LAN), KS_REASON_ZONE);
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN + 1, ZONE_LAN), KS_REASON_ZONE);
		/* It goes to whoever sent what it quotes. */
		assert_int_equal(judge_error(&q, 9, 3, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_QUOTE);
		w = q, w.sport = 4001;
		assert_int_equal(judge_error(&w, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_NO_FLOW);
		w = q, w.proto = KS_PROTO_TCP;
		assert_int_equal(judge_error(&w, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_NO_FLOW);
		/* About an answer that nobody has sent. */
		w = q, w.src = 2, w.dst = 1, w.sport = 53, w.dport = 4000;
		assert_int_equal(judge_error(&w, 9, 2, ZONE_LAN, ZONE_WAN), KS_REASON_ICMP_NO_FLOW);
	}
}

static void test_quote_too_short(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct quote q = { .v6 = v6, .proto = KS_PROTO_UDP, .src = 1, .dst = 2, .sport = 4000, .dport = 53 };

		open_udp(v6);
		for (q.cut = 1; q.cut <= (v6 ? 48 : 28); q.cut++)
			assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_QUOTE);
	}
}

/* RFC 5927: the quoted segment must be one that was sent. */
static void test_error_about_tcp(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct quote q = { .v6 = v6, .proto = KS_PROTO_TCP, .src = 1, .dst = 2, .sport = 4000, .dport = 80 };

		open_tcp(v6);
		q.seq = ISN;
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_OK_RELATED);
		q.seq = ISN + 1;
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_OK_RELATED);
		q.seq = ISN + 2;
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_QUOTE);
		q.seq = ISN - 100000;
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_QUOTE);
		q.seq = ISN + 0x80000000U;
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_QUOTE);
	}
}

/* An error about a question, never one about an error. */
static void test_error_about_icmp(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		__u8 ask = v6 ? 128 : 8;
		struct quote q = { .v6 = v6, .proto = v6 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP, .src = 1, .dst = 2 };

		assert_int_equal(echo(v6, false, true, 7), KS_REASON_OK_NEW);
		q.sport = (__u16)(ask << 8);
		q.seq = 7U << 16 | 1;
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_OK_RELATED);
		q.seq = 8U << 16 | 1;
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_NO_FLOW);
		q.sport = (__u16)(unreachable(v6) << 8);
		assert_int_equal(judge_error(&q, 9, 1, ZONE_WAN, ZONE_LAN), KS_REASON_ICMP_QUOTE);
	}
}

/* A rule's match is not counted for an error that the policy was asked about in vain. */
static void test_bypass_rules_and_errors(void **state)
{
	const struct quote q = { .proto = KS_PROTO_UDP, .src = 1, .dst = 2, .sport = 4000, .dport = 53 };
	struct ks_rule logged = test_allow_all;
	struct ks_inspection insp;
	struct frame f;

	logged.flags |= KS_RULE_LOG;
	env->rules = &logged;
	env->config.options = KS_OPT_BYPASS_RULES;
	error(&f, &q, unreachable(false), 9, 1);
	assert_int_equal(inspect(&f, ZONE_WAN, ZONE_LAN, &insp), KS_REASON_ICMP_NO_FLOW);
	assert_int_equal(insp.verdict.rule, KS_RULE_DEFAULT);
	assert_int_equal(insp.verdict.rule_index, KS_DECISION_DEFAULT);
	assert_int_equal(env->matches[1], 0);
	assert_int_equal(env->events, 0);
	logged.action = KS_BYPASS;
	assert_int_equal(inspect(&f, ZONE_WAN, ZONE_LAN, &insp), KS_REASON_OK_BYPASS);
	assert_int_equal(env->matches[1], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_types_and_codes),
		TEST(test_lengths),
		TEST(test_family),
		TEST(test_echo),
		TEST(test_answer_of_another_type),
		TEST(test_error_about_udp),
		TEST(test_quote_too_short),
		TEST(test_error_about_tcp),
		TEST(test_error_about_icmp),
		TEST(test_bypass_rules_and_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
