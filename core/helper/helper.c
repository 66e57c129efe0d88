// SPDX-License-Identifier: BSD-2-Clause
/* The first and the last stage of packets whose flow has a helper; see helper.h. */
#include "core/helper/helper.h"

#include "core/env.h"
#include "core/helper/announcement.h"
#include "core/helper/resequence.h"
#include "core/home.h"
#include "core/judge.h"
#include "core/table/table.h"

#define MEMORY_REFRESH_PARTS 8U /* of its time, after one of which a memory is renewed */

/* Streams begin with the answer to the SYN: a memory found before it is of an earlier connection, which is over. */
static inline bool is_of_earlier(const struct ks_inspection *insp)
{
	return ks_is_stream(insp) && insp->flow.before.state == KS_STATE_TCP_SYN_SENT;
}

static void memory_load(struct ks_env *env, struct ks_inspection *insp, __u32 dir)
{
	struct ks_entry *e = &insp->helping.memory[dir & 1];

	e->key = insp->flow.key;
	e->key.kind = KS_KIND_HELPER_ORIGINAL + (dir & 1);
	e->clock = insp->flow.clock;
	ks_table_hash(env, e);
	ks_table_find(env, e);
	insp->helping.ready[dir & 1] = e->found && e->before.state == KS_STATE_HELPER && !is_of_earlier(insp);
	if (e->found)
		e->after = e->before;
	else
		e->after = (struct ks_flow){};
}

/* Once sequence numbers are shifted, the memory must live as long as its flow. */
static inline __u32 memory_lifetime(const struct ks_config *config, struct ks_inspection *insp, __u32 dir)
{
	__u32 flow = insp->flow.after.timeout;

	return ks_memory_of(insp, dir)->memory.form ? flow : KS_MIN(flow, config->timeout[KS_STATE_HELPER]);
}

/* Returns true if a part of its time is over, or its time has become another one. */
static bool memory_needs_refresh(const struct ks_config *config, struct ks_inspection *insp, __u32 dir)
{
	const struct ks_record *m = ks_memory_of(insp, dir);

	return m->timeout != memory_lifetime(config, insp, dir) ||
	       insp->flow.clock - m->seen > m->timeout / MEMORY_REFRESH_PARTS;
}

static bool memory_store(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, __u32 dir)
{
	struct ks_entry *e = &insp->helping.memory[dir & 1];

	e->after.state = KS_STATE_HELPER;
	e->after.flags &= (__u8)~KS_MEMORY_HIGH;
	e->after.flags |= ks_flow_orig_side(&insp->flow.after) ? KS_MEMORY_HIGH : 0;
	e->after.seen = insp->flow.clock;
	e->after.timeout = memory_lifetime(config, insp, dir);
	if (e->found)
		return ks_table_commit(env, e);
	return ks_table_insert(env, e) == KS_REASON_OK_NEW;
}

/* Moves the packet's acknowledgements back to the other side's own numbers, before anybody looks at them. */
static void unshift_acks(struct ks_inspection *insp)
{
	__u32 peer = insp->from_high == ks_flow_orig_side(&insp->flow.before);
	const struct ks_record *m = ks_memory_of(insp, peer);

	insp->helping.ack = insp->pkt.ack;
	insp->helping.sack = insp->pkt.sack;
	if (!ks_is_stream(insp) || !insp->helping.ready[peer & 1] || !m->memory.form)
		return;
	insp->pkt.ack = ks_shift_back(&m->memory.shift, ks_memory_length(m), insp->pkt.ack);
	insp->pkt.sack = ks_shift_back(&m->memory.shift, ks_memory_length(m), insp->pkt.sack);
}

/* Returns true for the answer to the SYN, which tells where both streams begin. */
static bool is_opening(const struct ks_inspection *insp)
{
	return insp->pkt.tcp_flags & KS_TCP_SYN && insp->pkt.tcp_flags & KS_TCP_ACK && insp->dir == KS_REPLY &&
	       insp->flow.after.state == KS_STATE_TCP_SYN_RECV && insp->flow.before.state != KS_STATE_TCP_SYN_RECV;
}

static void stream_begin(struct ks_inspection *insp, __u32 dir)
{
	struct ks_record *m = ks_memory_of(insp, dir);

	insp->helping.memory[dir & 1].after = (struct ks_flow){};
	ks_scanner_reset(&m->memory.scanner);
	m->memory.next = dir == KS_REPLY ? insp->pkt.seq + 1 : insp->pkt.ack;
	insp->helping.ready[dir & 1] = 1;
}

/*
 * The segment repeats messages that were rewritten: they are read and rewritten once more, which gives the same text. If
 * it ends inside them it is cut before them, and else before what was not read yet.
 */
static void messages_again(struct ks_inspection *insp, struct ks_record *m, __u32 end)
{
	struct ks_insp_helping *h = &insp->helping;
	__u32 seq = insp->pkt.seq, from = insp->pkt.payload_off + (m->memory.shift.position - seq),
	      len = ks_memory_length(m);

	if (ks_seq_after(m->memory.shift.position + len, end)) {
		h->cut = from;
		h->stop = 1;
		return;
	}
	h->again = 1;
	h->off = from;
	h->end = from + len;
	h->writing.from = h->off;
	h->writing.to = h->end;
	ks_scanner_reset(&m->memory.scanner);
	if (ks_seq_after(end, m->memory.next))
		h->cut = insp->pkt.payload_off + (m->memory.next - seq);
}

/* The segment may repeat the rewritten announcement, or begin inside it. Returns false if it cannot be rewritten the same way. */
static bool rewrite_again(struct ks_inspection *insp, struct ks_record *m)
{
	struct ks_insp_helping *h = &insp->helping;
	__u32 seq = insp->pkt.seq, end = seq + insp->pkt.payload_len,
	      edit_end = m->memory.shift.position + ks_memory_length(m);

	if (!m->memory.form || !insp->pkt.payload_len)
		return true;
	if (ks_seq_before(m->memory.shift.position, seq)) {
		/* It begins inside. If the listener has all of the announcement, it ignores the repetition. */
		return !ks_seq_before(seq, edit_end) ||
		       !ks_seq_before(insp->flow.after.ack[!(insp->dir & 1)], edit_end);
	}
	if (!ks_seq_before(m->memory.shift.position, end))
		return true;
	if (m->memory.form == KS_FORM_SDP) {
		messages_again(insp, m, end);
		return true;
	}
	h->edit = insp->pkt.payload_off + (m->memory.shift.position - seq);
	h->edit_len = m->memory.len;
	h->form = m->memory.form;
	h->text_port = m->memory.port;
	if (ks_seq_after(edit_end, end)) {
		h->cut = h->edit;
		h->edit = 0;
		h->stop = 1;
		return true;
	}
	ks_announcement_write(insp);
	return true;
}

/* Returns true if something can be announced in this direction. */
static inline bool is_listened_to(const struct ks_record *m)
{
	return !(m->flags & KS_MEMORY_OVER);
}

/*
 * Finds the bytes of the segment that come next in the stream; insp->helping.stop if there are none. A segment that comes
 * too early is refused, unless the listener has what is missing: then that went another way, and nothing of this line
 * counts. Returns the reason of a drop, or 0.
 */
static __u32 reading_begin(struct ks_inspection *insp, struct ks_record *m)
{
	struct ks_insp_helping *h = &insp->helping;
	__u32 seq = insp->pkt.seq, end = seq + insp->pkt.payload_len;

	h->stop = 1;
	if (!insp->pkt.payload_len || !is_listened_to(m) || !ks_seq_after(end, m->memory.next))
		return 0;
	if (ks_seq_after(seq, m->memory.next)) {
		if (!ks_seq_after(insp->flow.after.ack[!(insp->dir & 1)], m->memory.next))
			return KS_REASON_ANNOUNCEMENT;
		ks_helper_lose(insp, m);
		m->memory.next = seq;
	}
	h->stop = 0;
	h->off += m->memory.next - seq;
	m->memory.next = end;
	return 0;
}

/* TCP: finds what there is to be read. Returns the reason of a drop, or 0. */
static __u32 segment_begin(struct ks_inspection *insp)
{
	struct ks_record *m = ks_memory_of(insp, insp->dir);
	struct ks_insp_helping *h = &insp->helping;
	__u32 reason = 0;

	insp->stage = KS_STAGE_ADJUST;
	if (is_opening(insp)) {
		stream_begin(insp, KS_ORIGINAL);
		stream_begin(insp, KS_REPLY);
		return 0;
	}
	if (!h->ready[insp->dir & 1] || insp->pkt.tcp_flags & (KS_TCP_SYN | KS_TCP_RST))
		return 0;
	/* A fragmented segment is not whole here, so it can be neither read nor changed. */
	if (insp->pkt.flags & KS_PKT_FRAGMENT)
		return m->memory.form ? KS_REASON_ANNOUNCEMENT : 0;
	if (!rewrite_again(insp, m))
		return KS_REASON_ANNOUNCEMENT;
	if (!h->stop && !h->again)
		reason = reading_begin(insp, m);
	if (!h->stop)
		insp->stage = KS_STAGE_SCAN;
	return reason;
}

/* A request for a transfer is an announcement: the server will answer from any port to where the request came from. */
static void tftp_follow(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_tuple *want = &insp->helping.want;
	__u8 *bytes = insp->helping.bytes;

	insp->helping.stop = 1;
	if (insp->dir != KS_ORIGINAL || insp->pkt.payload_len < KS_TFTP_REQUEST_MIN ||
	    !env_packet_read(env, insp->pkt.payload_off, bytes, KS_TFTP_REQUEST_MIN) ||
	    !ks_tftp_is_request(bytes, KS_TFTP_REQUEST_MIN))
		return;
	*want = (struct ks_tuple){};
	want->family = insp->pkt.tuple.family;
	want->proto = KS_PROTO_UDP;
	want->src = insp->translate & KS_TRANSLATE_DST ? insp->sent.dst : insp->pkt.tuple.dst;
	want->dst = insp->translate & KS_TRANSLATE_SRC ? insp->sent.src : insp->pkt.tuple.src;
	want->dport = insp->translate & KS_TRANSLATE_SRC ? insp->sent.sport : insp->pkt.tuple.sport;
	insp->helping.port = ks_be16(insp->pkt.tuple.sport);
	insp->helping.choose = 0;
	insp->helping.pending = 1;
	if (ks_be16(want->dport) >= KS_PORT_UNPRIVILEGED && insp->helping.port >= KS_PORT_UNPRIVILEGED)
		insp->stage = KS_STAGE_ANNOUNCE;
}

/* UDP: every datagram is a message of its own. */
static void message_begin(struct ks_env *env, struct ks_inspection *insp)
{
	insp->stage = KS_STAGE_ADJUST;
	if (insp->flow.after.helper == KS_HELPER_TFTP)
		tftp_follow(env, insp);
	else if (insp->flow.after.helper == KS_HELPER_SIP && insp->pkt.payload_len)
		insp->stage = KS_STAGE_SCAN;
	insp->helping.writing.from = insp->pkt.payload_off;
	insp->helping.writing.to = insp->pkt.payload_off + insp->pkt.payload_len;
	ks_scanner_reset(&ks_memory_of(insp, insp->dir)->memory.scanner);
	ks_memory_of(insp, insp->dir)->flags = 0;
}

static void helping_begin(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_insp_helping *h = &insp->helping;

	h->rewrites = 0;
	h->heard = KS_HEARD_NOTHING;
	h->stop = 0;
	h->failed = 0;
	h->made = 0;
	h->announcements = 0;
	h->got = 0;
	h->at = 0;
	h->mark = 0;
	h->cut = 0;
	h->edit = 0;
	h->again = 0;
	h->port_pairs = 0;
	h->mapped = 0;
	h->refuses = 0;
	h->writing.from = 0;
	h->writing.to = 0;
	h->writing.says = 0;
	h->off = insp->pkt.payload_off;
	h->end = insp->pkt.payload_off + KS_MIN(insp->pkt.payload_len, KS_HELPER_READ_MAX);
	memory_load(env, insp, KS_ORIGINAL);
	memory_load(env, insp, KS_REPLY);
}

/* Ends these stages. A packet that is to be judged again gets the acknowledgements back with which it came. */
static void helper_conclude(struct ks_inspection *insp, const struct ks_config *config, __u32 reason)
{
	insp->stage = KS_STAGE_DONE;
	if (!ks_reason_is_pass(reason) && insp->verdict.action != KS_REJECT)
		insp->verdict.action = KS_DENY;
	if (reason == KS_REASON_CONTENDED) {
		insp->pkt.ack = insp->helping.ack;
		insp->pkt.sack = insp->helping.sack;
	}
	ks_inspect_conclude(insp, config, reason);
}

/*
 * The packet is read again because another CPU wrote a memory meanwhile. Its flow has judged and counted it already: only where
 * it goes is looked up. Returns the reason.
 */
static __u32 judge_counted(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 reason = 0;

	insp->flow.after = insp->flow.before;
	insp->verdict.rule = insp->flow.before.rule;
	insp->verdict.state = insp->flow.before.state;
	if (ks_nat_is_translated(&insp->flow.before))
		reason = ks_nat_translate(env, insp);
	if (reason)
		return ks_deny(insp, KS_CLASS_INVALID, reason);
	reason = insp->counted - 1U;
	return ks_pass(insp, reason == KS_REASON_OK_NEW ? KS_CLASS_NEW : KS_CLASS_ESTABLISHED, reason);
}

static __u32 judge_once(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
			const __u8 *head)
{
	__u32 reason = insp->counted ? judge_counted(env, insp) : ks_judge_known(env, config, insp, head);

	if (insp->verdict.action == KS_ALLOW && !insp->home.dry)
		insp->counted = (__u8)(1 + reason);
	return reason;
}

/* The halves of a translation for which texts change. SIP, PPTP and RTSP name both ends. */
static inline __u32 rewritten_halves(const struct ks_inspection *insp)
{
	__u32 helper = insp->flow.after.helper;

	return helper == KS_HELPER_SIP || helper == KS_HELPER_PPTP || helper == KS_HELPER_RTSP ? KS_TRANSLATE_BOTH
											       : KS_TRANSLATE_SRC;
}

void ks_stage_helper(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	bool known = insp->flow.found && !insp->opening.replaces;
	__u32 refused = 0;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	helping_begin(env, insp);
	insp->helping.reason = insp->verdict.reason;
	if (known) {
		unshift_acks(insp);
		insp->helping.reason = (__u8)judge_once(env, config, insp, head);
	}
	if (insp->verdict.action == KS_ALLOW && !insp->home.dry && !(known && ks_ends_here(config, insp))) {
		insp->helping.rewrites = !!(insp->translate & rewritten_halves(insp));
		if (ks_is_stream(insp))
			refused = segment_begin(insp);
		else
			message_begin(env, insp);
	}
	if (refused)
		helper_conclude(insp, config, refused);
	else if (insp->stage == KS_STAGE_DONE)
		helper_conclude(insp, config, insp->helping.reason);
}

/* Stores what was learnt. Returns false if another CPU was first. */
static bool memories_store(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_insp_helping *h = &insp->helping;
	__u32 dir = insp->dir & 1, peer = !dir;

	if (!ks_is_stream(insp)) {
		/* Without an expectation there is nothing to remember, nor if the speaker calls itself by its own port. */
		if (h->ready[dir] || ((h->made || h->writing.says) && insp->flow.after.helper == KS_HELPER_SIP))
			memory_store(env, config, insp, dir);
		return true;
	}
	if (is_opening(insp)) {
		/* Without room for both memories nothing is read. */
		h->ready[dir] = memory_store(env, config, insp, dir) && memory_store(env, config, insp, peer);
		return true;
	}
	if (h->ready[dir] && !memory_store(env, config, insp, dir))
		return false;
	/* Both memories are renewed, though only one side may speak. */
	if (h->ready[peer] && memory_needs_refresh(config, insp, peer))
		memory_store(env, config, insp, peer);
	return true;
}

/* A message that is not whole, or an announcement, is refused. Of messages that is counted (scan.c). Returns the reason. */
static __u32 refusal_note(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_entry *e = &insp->helping.memory[insp->dir & 1];

	if (insp->flow.after.helper == KS_HELPER_SIP && e->found) {
		e->after = e->before;
		ks_record_after(e)->refused++;
		memory_store(env, config, insp, insp->dir);
	}
	return KS_REASON_ANNOUNCEMENT;
}

void ks_stage_adjust(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason = insp->helping.reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	if (insp->helping.failed && insp->helping.again)
		reason = KS_REASON_ANNOUNCEMENT;
	else if (insp->helping.cut && insp->helping.cut <= insp->pkt.payload_off)
		reason = refusal_note(env, config, insp);
	else if (!memories_store(env, config, insp))
		reason = KS_REASON_CONTENDED;
	else if (!ks_adjust(env, insp, head))
		reason = KS_REASON_TRANSLATE;
	helper_conclude(insp, config, reason);
}
