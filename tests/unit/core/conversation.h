/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCP connection driven from outside, for the tests of the machine: what
 * each side says, in numbers relative to its initial one, and what came of it.
 * Everything is repeated for initial numbers that lie low, high and just
 * before the wrap. Each test program has its own copy.
 */
#ifndef KS_TESTS_UNIT_CORE_CONVERSATION_H
#define KS_TESTS_UNIT_CORE_CONVERSATION_H

#include "tests/unit/core/test_home.h"

#include "core/track/track.h"
#include "core/verdict.h"

#define SYN KS_TCP_SYN
#define ACK KS_TCP_ACK
#define FIN KS_TCP_FIN
#define RST KS_TCP_RST
#define ORIG KS_ORIGINAL
#define REPL KS_REPLY
#define WINDOW 1000U

static const __u32 starts[][2] = {
	{ 1000, 5000 },	      { 0x80000000U, 0x7fffffffU }, { 0x90000000U, 0xf0000000U }, { 0xffffffffU, 0xfffffffeU },
	{ 0xfffffff0U, 100 }, { 7, 0xc0000000U },
};

/* A connection, driven from outside; numbers are relative to each side's initial one, as tcpdump shows them. */
struct conversation {
	struct ks_config config;
	struct ks_flow flow;
	__u32 isn[2];
	__u64 now;
	__u8 wscale[2], opts[2];
	__u32 sack; /* relative right edge for the next segment; 0: none */
	struct ks_inspection insp; /* the last one */
};

static inline void conversation_start(struct conversation *t, const __u32 isn[2])
{
	*t = (struct conversation){ .isn = { isn[0], isn[1] }, .now = 1000 * KS_NSEC_PER_SEC };
#define X(state, seconds) t->config.timeout[KS_STATE_##state] = (seconds) * KS_MSEC_PER_SEC;
	KS_TIMEOUT_DEFAULTS(X)
#undef X
}

static inline void segment(struct conversation *t, unsigned dir, __u8 flags, __u32 seq, __u32 ack, __u32 len,
			   __u16 window)
{
	t->insp = (struct ks_inspection){ .home.now = t->now,
					  .dir = (__u8)dir,
					  .flow = { .clock = ks_flow_clock(t->now), .found = 1, .before = t->flow } };
	t->insp.pkt = (struct ks_packet){
		.tuple.proto = KS_PROTO_TCP,
		.tcp_flags = flags,
		.seq = t->isn[dir] + seq,
		.ack = flags & ACK ? t->isn[!dir] + ack : 0,
		.payload_len = len,
		.l3_len = 40 + len,
		.window = window,
	};
	t->insp.pkt.sack = t->insp.pkt.ack;
	if (t->sack)
		t->insp.pkt.sack = t->isn[!dir] + t->sack;
	if (flags & SYN) {
		t->insp.pkt.wscale = t->wscale[dir];
		t->insp.pkt.tcp_opts = t->opts[dir];
	}
	t->sack = 0;
}

static inline void conversation_open(struct conversation *t, __u8 flags, __u32 seq, __u32 ack, __u32 len, __u16 window)
{
	segment(t, ORIG, flags, seq, ack, len, window);
	ks_track_open(NULL, &t->config, &t->insp);
	t->flow = t->insp.flow.after;
}

/* Returns true if two flows differ only in what is counted. */
static inline bool same_but_counts(const struct ks_flow *a, const struct ks_flow *b)
{
	struct ks_flow x = *a;

	memcpy(x.packets_low, b->packets_low, sizeof(x.packets_low));
	memcpy(x.volume, b->volume, sizeof(x.volume));
	return memcmp(&x, b, sizeof(x)) == 0;
}

/* A segment of the connection; returns its reason. The time moves with each, so that a moved timer shows. */
static inline __u32 say_window(struct conversation *t, unsigned dir, __u8 flags, __u32 seq, __u32 ack, __u32 len,
			       __u16 window)
{
	__u32 reason;

	t->now += 7 * KS_NSEC_PER_MSEC;
	segment(t, dir, flags, seq, ack, len, window);
	reason = ks_track_update(NULL, &t->config, &t->insp);
	if (ks_reason_is_pass(reason))
		t->flow = t->insp.flow.after;
	return reason;
}

static inline __u32 say(struct conversation *t, unsigned dir, __u8 flags, __u32 seq, __u32 ack, __u32 len)
{
	return say_window(t, dir, flags, seq, ack, len, WINDOW);
}

#define assert_passes(call) assert_int_equal((call), KS_REASON_OK_ESTABLISHED)
#define assert_state(t, name) assert_int_equal((t)->flow.state, KS_STATE_TCP_##name)

/* Let through, but neither state nor windows nor timer moved. */
#define assert_only_passes(t, call)                              \
	do {                                                     \
		struct ks_flow was_ = (t)->flow;                 \
		assert_passes(call);                             \
		assert_true(same_but_counts(&was_, &(t)->flow)); \
	} while (0)

static inline void conversation_syn_sent(struct conversation *t, const __u32 isn[2])
{
	conversation_start(t, isn);
	conversation_open(t, SYN, 0, 0, 0, WINDOW);
	assert_state(t, SYN_SENT);
}

static inline void conversation_syn_recv(struct conversation *t, const __u32 isn[2])
{
	conversation_syn_sent(t, isn);
	assert_passes(say(t, REPL, SYN | ACK, 0, 1, 0));
	assert_state(t, SYN_RECV);
}

/* Established, 100 bytes sent and acknowledged each way. */
static inline void conversation_established(struct conversation *t, const __u32 isn[2])
{
	conversation_syn_recv(t, isn);
	assert_passes(say(t, ORIG, ACK, 1, 1, 0));
	assert_state(t, ESTABLISHED);
	assert_passes(say(t, ORIG, ACK, 1, 1, 100));
	assert_passes(say(t, REPL, ACK, 1, 101, 100));
	assert_passes(say(t, ORIG, ACK, 101, 101, 0));
}

#define NEXT 101U /* the number that both sides of conversation_established() use next */

#define FOR_STARTS(isn) for (const __u32 *isn = starts[0]; isn < starts[0] + 2 * KS_ARRAY_SIZE(starts); isn += 2)

#endif
