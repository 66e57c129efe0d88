// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stages of packets whose flow has a helper; see helper.h. First the packet is
 * judged, then its payload is scanned (scan.c), then what was learnt is kept and
 * the packet written.
 *
 * A stream is read in the order of its sequence numbers. What was read before is
 * not read again. What comes too early is dropped, for TCP to repeat it behind
 * what is missing; if that has gone another way, reading goes on at the next
 * line: nothing counts whose beginning was not read.
 *
 * Where addresses are translated, an announcement is written anew within one
 * segment. A segment that ends inside one is cut before it, as is one with a
 * second announcement: TCP repeats what was cut off. If nothing is left it is dropped.
 */
#include "core/helper/helper.h"

#include "core/helper/resequence.h"
#include "core/env.h"
#include "core/helper/expect.h"
#include "core/helper/memory.h"
#include "core/home.h"
#include "core/table/table.h"

#define PORT_FIRST 1024U
#define TFTP_REQUEST 6U
#define REFRESH_PARTS 8U /* of its time, after one of which a memory is renewed */

/* Streams begin at the answer to the SYN: what is there before it is of an earlier connection, which is over. */
static inline bool is_of_before(const struct ks_inspection *in)
{
	return ks_is_stream(in) && in->flow.before.state == KS_STATE_TCP_SYN_SENT;
}

static void memory_load(struct ks_env *env, struct ks_inspection *in, __u32 dir)
{
	struct ks_entry *e = &in->helping.memory[dir & 1];

	e->key = in->flow.key;
	e->key.kind = KS_KIND_HELPER_ORIGINAL + (dir & 1);
	e->clock = in->flow.clock;
	ks_table_hash(env, e);
	ks_table_find(env, e);
	in->helping.ready[dir & 1] = e->found && e->before.state == KS_STATE_HELPER && !is_of_before(in);
	if (e->found)
		e->after = e->before;
	else
		e->after = (struct ks_flow){};
}

/* How long it lives: as long as its flow, where numbers have moved. */
static inline __u32 lifetime(const struct ks_config *config, struct ks_inspection *in, __u32 dir)
{
	__u32 flow = in->flow.after.timeout;

	return ks_memory_of(in, dir)->form ? flow : KS_MIN(flow, config->timeout[KS_STATE_HELPER]);
}

/* A part of its time is over, or it is to live for another one. */
static bool needs_refresh(const struct ks_config *config, struct ks_inspection *in, __u32 dir)
{
	const struct ks_helper_memory *m = ks_memory_of(in, dir);

	return m->timeout != lifetime(config, in, dir) || in->flow.clock - m->seen > m->timeout / REFRESH_PARTS;
}

static bool memory_keep(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in, __u32 dir)
{
	struct ks_entry *e = &in->helping.memory[dir & 1];

	e->after.state = KS_STATE_HELPER;
	e->after.seen = in->flow.clock;
	e->after.timeout = lifetime(config, in, dir);
	if (e->found)
		return ks_table_commit(env, e);
	return ks_table_insert(env, e) == KS_REASON_OK_NEW;
}

/* The listener's acknowledgements, in the speaker's own numbers, before anybody looks at them. */
static void unshift_acks(struct ks_inspection *in)
{
	__u32 peer = in->sender == ks_flow_orig_side(&in->flow.before);
	const struct ks_helper_memory *m = ks_memory_of(in, peer);

	in->helping.ack = in->pkt.ack;
	in->helping.sack = in->pkt.sack;
	if (!ks_is_stream(in) || !in->helping.ready[peer & 1] || !m->form)
		return;
	in->pkt.ack = ks_shift_back(&m->shift, m->len, in->pkt.ack);
	in->pkt.sack = ks_shift_back(&m->shift, m->len, in->pkt.sack);
}

/* The answer to the SYN tells where both streams begin. */
static bool is_opening(const struct ks_inspection *in)
{
	return in->pkt.tcp_flags & KS_TCP_SYN && in->pkt.tcp_flags & KS_TCP_ACK && in->dir == KS_REPLY &&
	       in->flow.after.state == KS_STATE_TCP_SYN_RECV && in->flow.before.state != KS_STATE_TCP_SYN_RECV;
}

static void stream_begin(struct ks_inspection *in, __u32 dir)
{
	struct ks_helper_memory *m = ks_memory_of(in, dir);

	in->helping.memory[dir & 1].after = (struct ks_flow){};
	ks_scanner_reset(&m->scanner);
	m->next = dir == KS_REPLY ? in->pkt.seq + 1 : in->pkt.ack;
	in->helping.ready[dir & 1] = 1;
}

/*
 * The segment repeats, or begins inside, what was written anew. Returns false
 * if it cannot be written in the same way.
 */
static bool repeat_edit(struct ks_inspection *in, struct ks_helper_memory *m)
{
	struct ks_helping *h = &in->helping;
	__u32 seq = in->pkt.seq, end = seq + in->pkt.payload_len, edit_end = m->shift.position + m->len;

	if (!m->form || !in->pkt.payload_len)
		return true;
	if (ks_seq_before(m->shift.position, seq)) {
		/* What the listener has already is not looked at again: only its end must not change. */
		return !ks_seq_before(seq, edit_end) || !ks_seq_before(in->flow.after.ack[!(in->dir & 1)], edit_end);
	}
	if (!ks_seq_before(m->shift.position, end))
		return true;
	h->edit = in->pkt.payload_off + (m->shift.position - seq);
	h->edit_len = m->len;
	h->form = m->form;
	h->text_port = m->port;
	if (ks_seq_after(edit_end, end)) {
		h->cut = h->edit;
		h->edit = 0;
		h->stop = 1;
		return true;
	}
	ks_announcement_write(in);
	return true;
}

/* Whether anything can be announced in this direction. */
static inline bool is_listened_to(const struct ks_inspection *in, const struct ks_helper_memory *m)
{
	return !(m->flags & KS_MEMORY_OVER) && (in->flow.after.helper != KS_HELPER_IRC || in->dir == KS_ORIGINAL);
}

/*
 * Which octets of the segment come next in the stream; none if in->helping.stop. What comes too early waits for what
 * is before it; but if the listener has that already, it went another way, and nothing of this line counts. Returns a
 * reason of a drop, or 0.
 */
static __u32 reading_begin(struct ks_inspection *in, struct ks_helper_memory *m)
{
	struct ks_helping *h = &in->helping;
	__u32 seq = in->pkt.seq, end = seq + in->pkt.payload_len;

	h->stop = 1;
	if (!in->pkt.payload_len || !is_listened_to(in, m) || !ks_seq_after(end, m->next))
		return 0;
	if (ks_seq_after(seq, m->next)) {
		if (!ks_seq_after(in->flow.after.ack[!(in->dir & 1)], m->next))
			return KS_REASON_ANNOUNCEMENT;
		ks_helper_lose(in, m);
		m->next = seq;
	}
	h->stop = 0;
	h->off += m->next - seq;
	m->next = end;
	return 0;
}

/* TCP: what there is to be read. Returns a reason of a drop, or 0. */
static __u32 segment_begin(struct ks_inspection *in)
{
	struct ks_helper_memory *m = ks_memory_of(in, in->dir);
	struct ks_helping *h = &in->helping;
	__u32 reason = 0;

	in->stage = KS_STAGE_ADJUST;
	if (is_opening(in)) {
		stream_begin(in, KS_ORIGINAL);
		stream_begin(in, KS_REPLY);
		return 0;
	}
	if (!h->ready[in->dir & 1] || in->pkt.tcp_flags & (KS_TCP_SYN | KS_TCP_RST))
		return 0;
	/* The rest of a segment in fragments is not here to be read or moved. */
	if (in->pkt.flags & KS_PKT_FRAGMENT)
		return m->form ? KS_REASON_ANNOUNCEMENT : 0;
	if (!repeat_edit(in, m))
		return KS_REASON_ANNOUNCEMENT;
	if (!h->stop)
		reason = reading_begin(in, m);
	if (!h->stop)
		in->stage = KS_STAGE_SCAN;
	return reason;
}

/* A request for a transfer: the server will answer from any port to where it came from. */
static void tftp_follow(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_tuple *want = &in->helping.want;
	__u8 *octets = in->helping.octets;

	in->helping.stop = 1;
	if (in->dir != KS_ORIGINAL || in->pkt.payload_len < TFTP_REQUEST ||
	    !env_packet_read(env, in->pkt.payload_off, octets, TFTP_REQUEST) ||
	    !ks_tftp_is_request(octets, TFTP_REQUEST))
		return;
	*want = (struct ks_tuple){};
	want->family = in->pkt.tuple.family;
	want->proto = KS_PROTO_UDP;
	want->src = in->translate & KS_TRANSLATE_DST ? in->out.dst : in->pkt.tuple.dst;
	want->dst = in->translate & KS_TRANSLATE_SRC ? in->out.src : in->pkt.tuple.src;
	want->dport = in->translate & KS_TRANSLATE_SRC ? in->out.sport : in->pkt.tuple.sport;
	in->helping.port = ks_be16(in->pkt.tuple.sport);
	in->helping.choose = 0;
	in->helping.left = 1;
	if (ks_be16(want->dport) >= PORT_FIRST && in->helping.port >= PORT_FIRST)
		in->stage = KS_STAGE_ANNOUNCE;
}

/* UDP: each datagram is a message of its own. */
static void message_begin(struct ks_env *env, struct ks_inspection *in)
{
	in->stage = KS_STAGE_ADJUST;
	if (in->flow.after.helper == KS_HELPER_TFTP)
		tftp_follow(env, in);
	else if (in->flow.after.helper == KS_HELPER_SIP && in->pkt.payload_len)
		in->stage = KS_STAGE_SCAN;
	ks_scanner_reset(&ks_memory_of(in, in->dir)->scanner);
	ks_memory_of(in, in->dir)->flags = 0;
}

static void helping_begin(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_helping *h = &in->helping;

	h->rewrites = 0;
	h->heard = KS_HEARD_NOTHING;
	h->stop = 0;
	h->failed = 0;
	h->made = 0;
	h->turns = 0;
	h->got = 0;
	h->at = 0;
	h->mark = 0;
	h->cut = 0;
	h->edit = 0;
	h->off = in->pkt.payload_off;
	h->end = in->pkt.payload_off + KS_MIN(in->pkt.payload_len, KS_HELPER_READ_MAX);
	memory_load(env, in, KS_ORIGINAL);
	memory_load(env, in, KS_REPLY);
}

/* Ends the packet's way through these stages. */
static void finish(struct ks_inspection *in, const struct ks_config *config, __u32 reason)
{
	in->stage = KS_STAGE_DONE;
	if (!ks_reason_is_pass(reason))
		in->action = KS_DENY;
	if (reason == KS_REASON_CONTENDED) {
		in->pkt.ack = in->helping.ack;
		in->pkt.sack = in->helping.sack;
	}
	ks_inspect_conclude(in, config, reason);
}

void ks_stage_helper(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_config *config = env_config(env);
	bool known = in->flow.found && !in->replaces;
	__u32 refused = 0;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	helping_begin(env, in);
	in->helping.reason = in->reason;
	if (known) {
		unshift_acks(in);
		in->helping.reason = (__u8)ks_judge_known(env, config, in);
	}
	if (in->action == KS_ALLOW && !in->dry) {
		in->helping.rewrites = !!(in->translate & KS_TRANSLATE_SRC);
		if (ks_is_stream(in))
			refused = segment_begin(in);
		else
			message_begin(env, in);
	}
	if (refused)
		finish(in, config, refused);
	else if (in->stage == KS_STAGE_DONE)
		finish(in, config, in->helping.reason);
}

/* Keeps what was learnt. Returns false if another processor was first. */
static bool memories_keep(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_helping *h = &in->helping;
	__u32 dir = in->dir & 1, peer = !dir;

	if (!ks_is_stream(in)) {
		/* Without expectations there is nothing to remember. */
		if (h->ready[dir] || (h->made && in->flow.after.helper == KS_HELPER_SIP))
			memory_keep(env, config, in, dir);
		return true;
	}
	if (is_opening(in)) {
		/* Without memory of both nothing is read. */
		h->ready[dir] = memory_keep(env, config, in, dir) && memory_keep(env, config, in, peer);
		return true;
	}
	if (h->ready[dir] && !memory_keep(env, config, in, dir))
		return false;
	/* What listens lives as long as what speaks. */
	if (h->ready[peer] && needs_refresh(config, in, peer))
		memory_keep(env, config, in, peer);
	return true;
}

void ks_stage_adjust(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason = in->helping.reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	if (in->helping.cut && in->helping.cut <= in->pkt.payload_off)
		reason = KS_REASON_ANNOUNCEMENT;
	else if (!memories_keep(env, config, in))
		reason = KS_REASON_CONTENDED;
	else if (ks_is_stream(in) && !ks_adjust(env, in, head))
		reason = KS_REASON_TRANSLATE;
	finish(in, config, reason);
}
