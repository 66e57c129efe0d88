// SPDX-License-Identifier: BSD-2-Clause
/*
 * The TCP machine. Closing is enumerated against a model that only knows which
 * FINs were sent and which acknowledged (RFC 9293 3.6, as seen from between
 * both ends); opening, resets and windows against expectations written from
 * RFC 9293, 5961, 7323, 7413 and van Rooij's bounds. Everything is repeated
 * for initial numbers that lie low, high and just before the wrap.
 */
#include "core_env.h"

#include "core/conn.h"
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
struct talk {
	struct ks_config config;
	struct ks_flow flow;
	__u32 isn[2];
	__u64 now;
	__u8 wscale[2], opts[2];
	__u32 sack; /* relative right edge for the next segment; 0: none */
	struct ks_inspection in; /* the last one */
};

static void talk_start(struct talk *t, const __u32 isn[2])
{
	*t = (struct talk){ .isn = { isn[0], isn[1] }, .now = 1000 * KS_NSEC_PER_SEC };
#define X(state, seconds) t->config.timeout[KS_STATE_##state] = (seconds) * KS_MSEC_PER_SEC;
	KS_TIMEOUT_DEFAULTS(X)
#undef X
}

static void segment(struct talk *t, unsigned dir, __u8 flags, __u32 seq, __u32 ack, __u32 len, __u16 window)
{
	t->in = (struct ks_inspection){ .now = t->now,
					.dir = (__u8)dir,
					.flow = { .clock = ks_flow_clock(t->now), .found = 1, .before = t->flow } };
	t->in.pkt = (struct ks_packet){
		.tuple.proto = KS_PROTO_TCP,
		.tcp_flags = flags,
		.seq = t->isn[dir] + seq,
		.ack = flags & ACK ? t->isn[!dir] + ack : 0,
		.payload_len = len,
		.l3_len = 40 + len,
		.window = window,
	};
	t->in.pkt.sack = t->in.pkt.ack;
	if (t->sack)
		t->in.pkt.sack = t->isn[!dir] + t->sack;
	if (flags & SYN) {
		t->in.pkt.wscale = t->wscale[dir];
		t->in.pkt.tcp_opts = t->opts[dir];
	}
	t->sack = 0;
}

static void talk_open(struct talk *t, __u8 flags, __u32 seq, __u32 ack, __u32 len, __u16 window)
{
	segment(t, ORIG, flags, seq, ack, len, window);
	ks_conn_open(NULL, &t->config, &t->in);
	t->flow = t->in.flow.after;
}

/* Whether two flows differ in nothing but what is counted. */
static bool same_but_counts(const struct ks_flow *a, const struct ks_flow *b)
{
	struct ks_flow x = *a;

	memcpy(x.packets_low, b->packets_low, sizeof(x.packets_low));
	memcpy(x.volume, b->volume, sizeof(x.volume));
	return memcmp(&x, b, sizeof(x)) == 0;
}

/* A segment of the connection; returns its reason. The time moves with each, so that a moved timer shows. */
static __u32 say_window(struct talk *t, unsigned dir, __u8 flags, __u32 seq, __u32 ack, __u32 len, __u16 window)
{
	__u32 reason;

	t->now += 7 * KS_NSEC_PER_MSEC;
	segment(t, dir, flags, seq, ack, len, window);
	reason = ks_conn_update(NULL, &t->config, &t->in);
	if (ks_reason_is_pass(reason))
		t->flow = t->in.flow.after;
	return reason;
}

static __u32 say(struct talk *t, unsigned dir, __u8 flags, __u32 seq, __u32 ack, __u32 len)
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

static void talk_syn_sent(struct talk *t, const __u32 isn[2])
{
	talk_start(t, isn);
	talk_open(t, SYN, 0, 0, 0, WINDOW);
	assert_state(t, SYN_SENT);
}

static void talk_syn_recv(struct talk *t, const __u32 isn[2])
{
	talk_syn_sent(t, isn);
	assert_passes(say(t, REPL, SYN | ACK, 0, 1, 0));
	assert_state(t, SYN_RECV);
}

/* Established, 100 octets sent and acknowledged each way. */
static void talk_established(struct talk *t, const __u32 isn[2])
{
	talk_syn_recv(t, isn);
	assert_passes(say(t, ORIG, ACK, 1, 1, 0));
	assert_state(t, ESTABLISHED);
	assert_passes(say(t, ORIG, ACK, 1, 1, 100));
	assert_passes(say(t, REPL, ACK, 1, 101, 100));
	assert_passes(say(t, ORIG, ACK, 101, 101, 0));
}

#define NEXT 101U /* the number that both sides of talk_established() use next */

#define FOR_STARTS(isn) for (const __u32 *isn = starts[0]; isn < starts[KS_ARRAY_SIZE(starts)]; isn += 2)

/* --- opening --- */

static void test_opening_wrong_answers(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t;

		talk_syn_sent(&t, isn);
		/* An answer that acknowledges something else goes to the asker, who resets it (RFC 9293 3.10.7.3). */
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 0, 0));
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 2, 0));
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 0x80000000U, 0));
		/* The roles never change. */
		assert_int_equal(say(&t, REPL, SYN, 0, 0, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_SPLIT);
		/* Nothing is open yet. */
		assert_int_equal(say(&t, ORIG, ACK, 1, 1, 0), KS_REASON_TCP_STATE);
		assert_int_equal(say(&t, ORIG, FIN | ACK, 1, 1, 0), KS_REASON_TCP_STATE);
		assert_int_equal(say(&t, REPL, FIN | ACK, 1, 1, 0), KS_REASON_TCP_STATE);
		/* A challenge from an old connection at the responder, and the reset it provokes (RFC 9293 3.5.1). */
		assert_only_passes(&t, say(&t, REPL, ACK, 777, 55555, 0));
		assert_only_passes(&t, say(&t, ORIG, RST, 55555, 0, 0));
		assert_state(&t, SYN_SENT);
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_state(&t, SYN_RECV);
	}
}

static void test_refused(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t;

		/* RFC 9293 3.10.7.3: in SYN-SENT a reset is believed if it acknowledges the SYN. */
		talk_syn_sent(&t, isn);
		assert_int_equal(say(&t, REPL, RST, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST | ACK, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST | ACK, 0, 2, 0), KS_REASON_TCP_RST_SEQ);
		assert_state(&t, SYN_SENT);
		assert_passes(say(&t, REPL, RST | ACK, 0, 1, 0));
		assert_state(&t, CLOSE);
		/* The asker gives up. */
		talk_syn_sent(&t, isn);
		assert_passes(say(&t, ORIG, RST, 1, 0, 0));
		assert_state(&t, CLOSE);
		/* The asker did not want the answer. */
		talk_syn_recv(&t, isn);
		assert_int_equal(say(&t, ORIG, RST, 2, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, ORIG, RST, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_passes(say(&t, ORIG, RST, 1, 0, 0));
		assert_state(&t, CLOSE);
		/* The responder changed its mind. */
		talk_syn_recv(&t, isn);
		assert_int_equal(say(&t, REPL, RST, 2, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_passes(say(&t, REPL, RST | ACK, 1, 1, 0));
		assert_state(&t, CLOSE);
	}
}

static void test_syn_again(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t;

		talk_syn_sent(&t, isn);
		assert_passes(say(&t, ORIG, SYN, 0, 0, 0));
		assert_state(&t, SYN_SENT);
		/* A fresh try with another number is learnt anew. */
		t.isn[ORIG] += 123456;
		assert_passes(say(&t, ORIG, SYN, 0, 0, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		/* The answer was lost: the SYN and the answer come again, even with a new number (a cookie). */
		assert_only_passes(&t, say(&t, ORIG, SYN, 0, 0, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, REPL, SYN, 0, 0, 0), KS_REASON_TCP_SPLIT);
		t.isn[REPL] += 0x23456789;
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_state(&t, SYN_RECV);
		/* Only the acknowledgement of what was answered completes the handshake. */
		assert_int_not_equal(say(&t, ORIG, ACK, 1, 0, 0), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(say(&t, ORIG, ACK, 1, 2, 0), KS_REASON_TCP_ACK_AHEAD);
		assert_state(&t, SYN_RECV);
		assert_passes(say(&t, ORIG, ACK, 1, 1, 0));
		assert_state(&t, ESTABLISHED);
		/* The third segment was lost. */
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 1, 0));
	}
}

static void test_fast_open(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t;

		/* RFC 7413: the answer may take the SYN's data, a part of it, or none. */
		for (__u32 taken = 0; taken <= 100; taken += 50) {
			talk_start(&t, isn);
			talk_open(&t, SYN, 0, 0, 100, WINDOW);
			assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 102, 0));
			assert_passes(say(&t, REPL, SYN | ACK, 0, 1 + taken, 0));
			assert_state(&t, SYN_RECV);
			/* Data before the handshake is complete, the answer again, then the acknowledgement of all. */
			assert_passes(say(&t, REPL, ACK, 1, 1 + taken, 500));
			assert_passes(say(&t, REPL, SYN | ACK, 0, 1 + taken, 0));
			assert_passes(say(&t, ORIG, ACK, 101, 501, 0));
			assert_state(&t, ESTABLISHED);
		}
		/* The SYN comes again without its data while the answer to the first is under way. */
		talk_start(&t, isn);
		talk_open(&t, SYN, 0, 0, 100, WINDOW);
		assert_passes(say(&t, ORIG, SYN, 0, 0, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 101, 0));
		assert_passes(say(&t, ORIG, ACK, 101, 1, 0));
		assert_state(&t, ESTABLISHED);
	}
}

/* --- closing, against the model --- */

struct model {
	bool sent[2], acked[2]; /* each side's FIN */
};

/* States by their definition in core/flow.h. */
static __u32 model_state(const struct model *m)
{
	if (m->sent[0] && m->sent[1])
		return m->acked[0] && m->acked[1] ? KS_STATE_TCP_TIME_WAIT : KS_STATE_TCP_LAST_ACK;
	if (!m->sent[0] && !m->sent[1])
		return KS_STATE_TCP_ESTABLISHED;
	return m->acked[0] || m->acked[1] ? KS_STATE_TCP_CLOSE_WAIT : KS_STATE_TCP_FIN_WAIT;
}

/* A segment that a side may send: with its FIN or not, acknowledging the peer's or not. */
static void model_say(struct talk *t, struct model *m, unsigned dir, bool fin, bool acks)
{
	__u32 seq = NEXT + (m->sent[dir] && !fin), ack = NEXT + acks;

	assert_passes(say(t, dir, fin ? FIN | ACK : ACK, seq, ack, 0));
	m->sent[dir] |= fin;
	if (acks)
		m->acked[!dir] = true;
	assert_int_equal(t->flow.state, model_state(m));
	assert_int_equal(t->flow.timeout, t->config.timeout[t->flow.state]);
	assert_int_equal(t->flow.seen, (__u32)(t->now / KS_NSEC_PER_MSEC));
}

/* All histories of up to five segments; what a side may not do (acknowledge an unsent FIN) must be refused. */
static void explore(const struct talk *t, const struct model *m, unsigned depth)
{
	for (unsigned choice = 0; depth && choice < 8; choice++) {
		unsigned dir = choice & 1;
		bool fin = choice & 2, acks = choice & 4;
		struct talk next = *t;
		struct model after = *m;

		if (acks && !m->sent[!dir]) {
			assert_int_equal(say(&next, dir, ACK, NEXT, NEXT + 1, 0), KS_REASON_TCP_ACK_AHEAD);
			continue;
		}
		model_say(&next, &after, dir, fin, acks);
		explore(&next, &after, depth - 1);
	}
}

static void test_closing_histories(void **state)
{
	FOR_STARTS(isn)
	{
		struct model m = { { false } };
		struct talk t;

		talk_established(&t, isn);
		explore(&t, &m, 6);
	}
}

/* From every state of closing: SYNs, SYN+ACKs and resets. */
static void check_strays(const struct talk *t)
{
	bool time_wait = t->flow.state == KS_STATE_TCP_TIME_WAIT;
	struct talk s;

	/* RFC 5961 4.2: the receiver answers with a challenge; nothing moves here but the note of the SYN. */
	s = *t;
	assert_int_equal(say(&s, ORIG, SYN, 0x1234567, 0, 0), KS_REASON_OK_ESTABLISHED);
	assert_true(s.flow.flags & KS_FLOW_SYN_SEEN);
	assert_int_equal(s.flow.ack[ORIG], t->isn[ORIG] + 0x1234568);
	s.flow.flags &= ~KS_FLOW_SYN_SEEN;
	s.flow.ack[ORIG] = t->flow.ack[ORIG];
	assert_true(same_but_counts(&t->flow, &s.flow));
	assert_int_equal(say(&s, REPL, SYN, 0x1234567, 0, 0), KS_REASON_TCP_STATE);
	assert_int_equal(say(&s, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_STATE);
	if (time_wait)
		assert_int_equal(say(&s, REPL, SYN | ACK, 0, 1, 0), KS_REASON_TCP_STATE);
	else
		assert_only_passes(&s, say(&s, REPL, SYN | ACK, 0, 1, 0));
	for (unsigned dir = 0; dir < 2; dir++) {
		__u32 end = t->flow.end[dir] - t->isn[dir];
		const __u32 wrong[] = { end + 1, end + WINDOW / 2, end - 200, end + 0x80000000U, 0U - t->isn[dir] };

		for (size_t i = 0; i < KS_ARRAY_SIZE(wrong); i++) {
			s = *t;
			if (wrong[i] == end || wrong[i] == NEXT)
				continue;
			assert_int_equal(say(&s, dir, RST, wrong[i], 0, 0), KS_REASON_TCP_RST_SEQ);
		}
		s = *t;
		assert_passes(say(&s, dir, RST, end, 0, 0));
		assert_state(&s, CLOSE);
	}
}

static void test_strays_in_every_state(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned first = 0; first < 2; first++) {
			struct model m = { { false } };
			struct talk t;

			talk_established(&t, isn);
			check_strays(&t);
			model_say(&t, &m, first, true, false);
			check_strays(&t);
			model_say(&t, &m, !first, false, true);
			check_strays(&t);
			model_say(&t, &m, !first, true, true);
			check_strays(&t);
			model_say(&t, &m, first, false, true);
			assert_state(&t, TIME_WAIT);
			check_strays(&t);
		}
	}
}

static void test_closed(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct talk t;

			talk_established(&t, isn);
			assert_passes(say(&t, dir, RST, NEXT, 0, 0));
			assert_state(&t, CLOSE);
			/* What was in flight arrives; the timer no longer moves. */
			assert_only_passes(&t, say(&t, dir, ACK, NEXT, NEXT, 0));
			assert_only_passes(&t, say(&t, !dir, FIN | ACK, NEXT, NEXT, 0));
			assert_only_passes(&t, say(&t, !dir, RST, NEXT, 0, 0));
			assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 1, 0));
			assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_STATE);
			assert_int_equal(say(&t, REPL, SYN, 0, 0, 0), KS_REASON_TCP_STATE);
			/* Either side may open anew, by policy. */
			segment(&t, ORIG, SYN, 0, 0, 0, WINDOW);
			assert_true(ks_conn_reopens(&t.in.pkt, &t.flow));
			segment(&t, ORIG, ACK, 0, 0, 0, WINDOW);
			assert_false(ks_conn_reopens(&t.in.pkt, &t.flow));
		}
	}
}

/* The responder closes before the handshake is complete. */
static void test_early_fin(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t, u;

		talk_syn_recv(&t, isn);
		assert_passes(say(&t, REPL, FIN | ACK, 1, 1, 0));
		assert_state(&t, SYN_RECV);
		u = t;
		assert_passes(say(&u, ORIG, ACK, 1, 2, 0));
		assert_state(&u, CLOSE_WAIT);
		u = t;
		assert_passes(say(&u, ORIG, FIN | ACK, 1, 2, 0));
		assert_state(&u, LAST_ACK);
		assert_passes(say(&u, REPL, ACK, 2, 2, 0));
		assert_state(&u, TIME_WAIT);
		/* The third segment does not acknowledge the FIN yet. */
		u = t;
		assert_passes(say(&u, ORIG, ACK, 1, 1, 0));
		assert_state(&u, FIN_WAIT);
		assert_passes(say(&u, ORIG, ACK, 1, 2, 0));
		assert_state(&u, CLOSE_WAIT);
	}
}

/* Nothing comes behind a FIN; what comes again is no more than what was sent. */
static void test_data_behind_a_fin(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct talk t;

			talk_established(&t, isn);
			assert_passes(say(&t, dir, FIN | ACK, NEXT, NEXT, 50));
			assert_int_equal(say(&t, dir, ACK, NEXT + 51, NEXT, 1), KS_REASON_TCP_STATE);
			assert_int_equal(say(&t, dir, FIN | ACK, NEXT + 51, NEXT, 0), KS_REASON_TCP_STATE);
			assert_passes(say(&t, dir, FIN | ACK, NEXT, NEXT, 50));
			assert_passes(say(&t, dir, ACK, NEXT, NEXT, 50));
			/* The other half goes on. */
			assert_passes(say(&t, !dir, ACK, NEXT, NEXT + 51, 100));
			assert_passes(say(&t, dir, ACK, NEXT + 51, NEXT + 100, 0));
			assert_state(&t, CLOSE_WAIT);
		}
	}
}

/* --- resets --- */

static void test_reset_exactness(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct talk t, u;

			/* 300 octets sent, 100 of them acknowledged: the peer expects NEXT + 100. */
			talk_established(&t, isn);
			assert_passes(say(&t, dir, ACK, NEXT, NEXT, 300));
			assert_passes(say(&t, !dir, ACK, NEXT, NEXT + 100, 0));
			for (__u32 seq = NEXT - 50; seq <= NEXT + 1400; seq++) {
				__u32 reason;

				u = t;
				reason = say(&u, dir, RST, seq, 0, 0);
				if (seq == NEXT + 100 || seq == NEXT + 300) {
					assert_passes(reason);
					assert_state(&u, CLOSE);
				} else {
					assert_int_equal(reason, KS_REASON_TCP_RST_SEQ);
				}
			}
			/* Absolute zero is no good guess. */
			u = t;
			assert_int_equal(say(&u, dir, RST, 0U - t.isn[dir], 0, 0), KS_REASON_TCP_RST_SEQ);
		}
	}
}

/* --- windows --- */

/* Each bound of van Rooij at its edge: the peer offers `window` octets, the sender itself `own`. */
static void check_window_edges(struct talk *t, unsigned dir, __u32 window, __u32 own)
{
	struct talk u = *t;
	__u32 bound = NEXT + window;
	__u32 ack_floor = own > 66000 ? own : 66000; /* what may be under way towards the sender */
	__u32 reach = window > 66000 ? window : 66000; /* how much older than a window repeated data may be */

	/* I: not past the offered window. */
	assert_int_equal(say(&u, dir, ACK, bound, NEXT, 1), KS_REASON_TCP_WINDOW_SEQ);
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT, window + 1), KS_REASON_TCP_WINDOW_SEQ);
	assert_int_equal(say(&u, dir, FIN | ACK, NEXT, NEXT, window), KS_REASON_TCP_WINDOW_SEQ);
	assert_passes(say(&u, dir, ACK, NEXT, NEXT, window));
	/* II: not older than a window, unless repeated: that is let through, but teaches nothing, up to one more. */
	assert_passes(say(&u, dir, ACK, NEXT, NEXT, 0));
	assert_only_passes(&u, say(&u, dir, ACK, NEXT - 1, NEXT, 0));
	assert_only_passes(&u, say(&u, dir, ACK, NEXT - reach, NEXT, 0));
	assert_int_equal(say(&u, dir, ACK, NEXT - reach - 1, NEXT, 0), KS_REASON_TCP_OLD_SEQ);
	assert_int_equal(say(&u, dir, ACK, NEXT - 1, NEXT + 1, 0), KS_REASON_TCP_ACK_AHEAD);
	u = *t;
	assert_int_equal(say(&u, dir, ACK, NEXT - window - reach - 1, NEXT, 0), KS_REASON_TCP_OLD_SEQ);
	assert_passes(say(&u, dir, ACK, NEXT - window, NEXT, 0));
	/* III: no acknowledgement of what was never sent. */
	u = *t;
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT + 1, 0), KS_REASON_TCP_ACK_AHEAD);
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT + 0x7ffffff0U, 0), KS_REASON_TCP_ACK_AHEAD);
	/* IV: none older than a window. */
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT - ack_floor - 1, 0), KS_REASON_TCP_ACK_OLD);
	assert_passes(say(&u, dir, ACK, NEXT, NEXT - ack_floor, 0));
	/* Keep-alive: one octet below, with and without data (RFC 9293 3.8.4). */
	u = *t;
	assert_passes(say(&u, dir, ACK, NEXT - 1, NEXT, 1));
	assert_passes(say(&u, dir, ACK, NEXT - 1, NEXT, 0));
}

static void test_window_edges(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct talk t;

			talk_established(&t, isn);
			check_window_edges(&t, dir, WINDOW, WINDOW);
		}
	}
}

static void talk_scaled(struct talk *t, const __u32 isn[2], __u8 a, __u8 b, bool offer_a, bool offer_b)
{
	talk_start(t, isn);
	t->wscale[0] = a;
	t->wscale[1] = b;
	t->opts[0] = offer_a ? KS_TCP_WSCALE : 0;
	t->opts[1] = offer_b ? KS_TCP_WSCALE : 0;
	talk_open(t, SYN, 0, 0, 0, WINDOW);
	assert_passes(say(t, REPL, SYN | ACK, 0, 1, 0));
}

static void test_scaling(void **state)
{
	FOR_STARTS(isn)
	{
		for (__u8 a = 0; a <= 14; a += 7) {
			for (__u8 b = 0; b <= 14; b += 7) {
				struct talk t, u;

				talk_scaled(&t, isn, a, b, true, true);
				/* RFC 7323 2.2: the windows of SYN and SYN+ACK are not scaled. */
				u = t;
				assert_int_equal(say(&u, ORIG, ACK, 1, 1, WINDOW + 1), KS_REASON_TCP_WINDOW_SEQ);
				assert_int_equal(say(&u, REPL, ACK, 1, 1, WINDOW + 1), KS_REASON_TCP_WINDOW_SEQ);
				assert_passes(say(&u, ORIG, ACK, 1, 1, WINDOW));
				assert_passes(say(&u, REPL, ACK, 1, 1, WINDOW));
				/* From then on they are. */
				assert_passes(say(&t, ORIG, ACK, 1, 1, 100));
				assert_passes(say(&t, REPL, ACK, 1, 101, 100));
				assert_passes(say(&t, ORIG, ACK, 101, 101, 0));
				u = t;
				check_window_edges(&u, ORIG, WINDOW << b, WINDOW << a);
				check_window_edges(&t, REPL, WINDOW << a, WINDOW << b);
			}
		}
	}
}

static void test_scaling_needs_both(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned who = 0; who < 2; who++) {
			struct talk t;

			talk_scaled(&t, isn, 7, 7, who == 0, who == 1);
			assert_passes(say(&t, ORIG, ACK, 1, 1, 100));
			assert_passes(say(&t, REPL, ACK, 1, 101, 100));
			assert_passes(say(&t, ORIG, ACK, 101, 101, 0));
			check_window_edges(&t, ORIG, WINDOW, WINDOW);
			check_window_edges(&t, REPL, WINDOW, WINDOW);
		}
	}
}

/* A closed window admits a probe of one octet, and the octet sent again (RFC 9293 3.8.6.1). */
static void test_zero_window(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t;

		talk_established(&t, isn);
		assert_passes(say(&t, ORIG, ACK, NEXT, NEXT, WINDOW));
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT + WINDOW, 0, 0));
		assert_int_equal(say(&t, ORIG, ACK, NEXT + WINDOW, NEXT, 2), KS_REASON_TCP_WINDOW_SEQ);
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW, NEXT, 1));
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT + WINDOW, 0, 0));
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW, NEXT, 1));
		/* Linux probes one below, without data. */
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW - 1, NEXT, 0));
		/* The window opens. */
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT + WINDOW + 1, 0, WINDOW));
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW + 1, NEXT, WINDOW));
	}
}

/* A window once offered is not taken back by an older segment, nor by one that shrinks it (RFC 9293 3.8.6). */
static void test_window_never_shrinks(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t;

		talk_established(&t, isn);
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT, 0, 3000));
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT, 0, 10));
		assert_passes(say(&t, ORIG, ACK, NEXT, NEXT, 3000));
		assert_int_equal(say(&t, ORIG, ACK, NEXT + 3000, NEXT, 1), KS_REASON_TCP_WINDOW_SEQ);
	}
}

static void test_sack(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t, u;

		talk_start(&t, isn);
		t.opts[0] = KS_TCP_SACK_PERM;
		t.opts[1] = KS_TCP_SACK_PERM;
		talk_open(&t, SYN, 0, 0, 0, WINDOW);
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_passes(say(&t, ORIG, ACK, 1, 1, 300));
		/* The first 100 are lost; the rest is acknowledged selectively. */
		u = t;
		u.sack = 301;
		assert_passes(say(&u, REPL, ACK, 1, 1, 0));
		u = t;
		u.sack = 302;
		assert_int_equal(say(&u, REPL, ACK, 1, 1, 0), KS_REASON_TCP_ACK_AHEAD);
		/* A block cannot hide an acknowledgement of what was never sent. */
		u = t;
		u.sack = 0x60000000U + 0x60000000U + 0x40000000U;
		assert_int_equal(say(&u, REPL, ACK, 1, 0x60000000U, 0), KS_REASON_TCP_ACK_AHEAD);
		u = t;
		u.sack = 300;
		assert_int_equal(say(&u, REPL, ACK, 1, 302, 0), KS_REASON_TCP_ACK_AHEAD);
		assert_true(same_but_counts(&t.flow, &u.flow));
		/* Without the option agreed a block means nothing: neither refused nor a help. */
		talk_established(&u, isn);
		u.sack = NEXT + 5000;
		assert_passes(say(&u, REPL, ACK, NEXT, NEXT, 0));
	}
}

/* --- mid-stream --- */

static void test_pickup(void **state)
{
	FOR_STARTS(isn)
	{
		struct talk t;

		talk_start(&t, isn);
		segment(&t, ORIG, ACK, 500, 700, 100, WINDOW);
		assert_int_equal(ks_conn_may_open(&t.config, &t.in.pkt), KS_REASON_NO_STATE);
		t.config.options = KS_OPT_PICKUP;
		assert_int_equal(ks_conn_may_open(&t.config, &t.in.pkt), 0);
		for (unsigned i = 0; i < 4; i++) {
			static const __u8 never[] = { SYN | ACK, FIN | ACK, RST, RST | ACK };

			segment(&t, ORIG, never[i], 500, 700, 0, WINDOW);
			assert_int_equal(ks_conn_may_open(&t.config, &t.in.pkt), KS_REASON_NO_STATE);
		}
		talk_open(&t, ACK, 500, 700, 100, WINDOW);
		assert_state(&t, ESTABLISHED);
		assert_true(t.flow.flags & KS_FLOW_PICKUP);
		/* Windows may be scaled, nobody saw how. */
		assert_passes(say(&t, REPL, ACK, 700, 600, 60000));
		/* Resets stay exact. */
		assert_int_equal(say(&t, REPL, RST, 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, ORIG, RST, 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_passes(say(&t, ORIG, FIN | ACK, 600, 60700, 0));
		assert_state(&t, FIN_WAIT);
		assert_passes(say(&t, REPL, FIN | ACK, 60700, 601, 0));
		assert_passes(say(&t, ORIG, ACK, 601, 60701, 0));
		assert_state(&t, TIME_WAIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening_wrong_answers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_syn_again),
		cmocka_unit_test(test_fast_open),
		cmocka_unit_test(test_closing_histories),
		cmocka_unit_test(test_strays_in_every_state),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_early_fin),
		cmocka_unit_test(test_data_behind_a_fin),
		cmocka_unit_test(test_reset_exactness),
		cmocka_unit_test(test_window_edges),
		cmocka_unit_test(test_scaling),
		cmocka_unit_test(test_scaling_needs_both),
		cmocka_unit_test(test_zero_window),
		cmocka_unit_test(test_window_never_shrinks),
		cmocka_unit_test(test_sack),
		cmocka_unit_test(test_pickup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
