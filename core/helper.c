// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage of packets whose flow has a helper; see helper.h.
 *
 * A stream is read in the order of its sequence numbers. What was read before is
 * not read again. What comes too early passes unread, and reading goes on behind
 * it at the next line: nothing counts whose beginning was not read.
 *
 * Where addresses are translated, an announcement is written anew within one
 * segment. A segment that ends inside one is cut before it, as is one with a
 * second announcement: TCP repeats what was cut off. If nothing is left it is dropped.
 */
#include "helper.h"

#include "adjust.h"
#include "env.h"
#include "expect.h"
#include "home.h"
#include "inspect.h"
#include "nat.h"
#include "table.h"

#define RUNS 128U /* chunks and announcements in a packet */
#define READ_MAX 8192U /* octets of a packet that are read */
#define PORT_FIRST 1024U
#define TFTP_REQUEST 6U

_Static_assert((KS_HELPER_CHUNK & (KS_HELPER_CHUNK - 1)) == 0 && KS_HELPER_CHUNK <= KS_EDIT_MAX, "chunks are masked");
_Static_assert(READ_MAX / KS_HELPER_CHUNK < RUNS, "all chunks can be read");

/* The memory of direction `dir`, as it will be. */
static inline struct ks_helper_memory *memory(struct ks_inspection *in, __u32 dir)
{
	return (struct ks_helper_memory *)&in->helping.memory[dir & 1].after;
}

static inline bool is_tcp(const struct ks_inspection *in)
{
	return in->pkt.tuple.proto == KS_PROTO_TCP;
}

static void memory_load(struct ks_env *env, struct ks_inspection *in, __u32 dir)
{
	struct ks_entry *e = &in->helping.memory[dir & 1];

	e->key = in->flow.key;
	e->key.kind = KS_KIND_HELPER_ORIGINAL + (dir & 1);
	e->clock = in->flow.clock;
	ks_table_hash(env, e);
	ks_table_find(env, e);
	in->helping.ready[dir & 1] = e->found && e->before.state == KS_STATE_HELPER;
	if (e->found)
		e->after = e->before;
	else
		e->after = (struct ks_flow){};
}

/* It lives as long as its flow. */
static bool memory_keep(struct ks_env *env, struct ks_inspection *in, __u32 dir)
{
	struct ks_entry *e = &in->helping.memory[dir & 1];

	e->after.state = KS_STATE_HELPER;
	e->after.seen = in->flow.clock;
	e->after.timeout = in->flow.after.timeout;
	if (e->found)
		return ks_table_commit(env, e);
	return ks_table_insert(env, e) == KS_REASON_OK_NEW;
}

/* The listener's acknowledgements, in the speaker's own numbers, before anybody looks at them. */
static void turn_back(struct ks_inspection *in)
{
	__u32 peer = in->sender == ks_flow_orig_side(&in->flow.before);
	const struct ks_helper_memory *m = memory(in, peer);

	in->helping.ack = in->pkt.ack;
	in->helping.sack = in->pkt.sack;
	if (!is_tcp(in) || !in->helping.ready[peer & 1] || !m->form)
		return;
	in->pkt.ack = ks_shift_back(&m->shift, m->len, in->pkt.ack);
	in->pkt.sack = ks_shift_back(&m->shift, m->len, in->pkt.sack);
}

/* Nothing counts before the next line; a protocol without lines cannot be followed any more. */
static void lose_thread(struct ks_inspection *in, struct ks_helper_memory *m)
{
	m->scanner.phase = KS_SCANNER_SKIP;
	m->scanner.column = KS_SCANNER_LINE_MAX;
	if (in->flow.after.helper == KS_HELPER_PPTP)
		m->flags |= KS_MEMORY_OVER;
}

/* The answer to the SYN tells where both streams begin. */
static void streams_begin(struct ks_env *env, struct ks_inspection *in)
{
	for (__u32 dir = KS_ORIGINAL; dir <= KS_REPLY; dir++) {
		struct ks_entry *e = &in->helping.memory[dir];
		struct ks_helper_memory *m = memory(in, dir);

		e->after = (struct ks_flow){};
		ks_scanner_reset(&m->scanner);
		m->next = dir == KS_REPLY ? in->pkt.seq + 1 : in->pkt.ack;
		in->helping.ready[dir] = memory_keep(env, in, dir);
	}
}

static inline bool is_opening(const struct ks_inspection *in)
{
	return in->pkt.tcp_flags & KS_TCP_SYN && in->pkt.tcp_flags & KS_TCP_ACK && in->dir == KS_REPLY &&
	       in->flow.after.state == KS_STATE_TCP_SYN_RECV && in->flow.before.state != KS_STATE_TCP_SYN_RECV;
}

/* The sequence number of the octet at an offset of the frame. */
static inline __u32 seq_at(const struct ks_inspection *in, __u32 off)
{
	return in->pkt.seq + (off - in->pkt.payload_off);
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
		return h->cut > in->pkt.payload_off;
	}
	ks_announcement_write(in);
	return true;
}

/* Which octets of the segment come next in the stream. Returns false if there are none. */
static bool reading_begin(struct ks_inspection *in, struct ks_helper_memory *m)
{
	struct ks_helping *h = &in->helping;
	__u32 seq = in->pkt.seq, end = seq + in->pkt.payload_len;

	h->off = in->pkt.payload_off;
	h->end = in->pkt.payload_off + in->pkt.payload_len;
	if (!is_tcp(in))
		return in->pkt.payload_len;
	if (!ks_seq_after(end, m->next))
		return false;
	if (ks_seq_after(seq, m->next)) {
		lose_thread(in, m);
		m->next = end;
		return false;
	}
	h->off += m->next - seq;
	m->next = end;
	return !(m->flags & KS_MEMORY_OVER);
}

static enum ks_heard octet_heard(struct ks_inspection *in, struct ks_scanner *p, __u8 octet, bool begun)
{
	bool client = in->dir == KS_ORIGINAL;

	switch (in->flow.after.helper) {
	case KS_HELPER_FTP:
		return ks_ftp_octet(p, octet, client, begun);
	case KS_HELPER_IRC:
		return client ? ks_irc_octet(p, octet) : KS_HEARD_NOTHING;
	case KS_HELPER_PPTP:
		return ks_pptp_octet(p, octet, client);
	case KS_HELPER_SIP:
		return ks_sip_octet(p, octet);
	default:
		return KS_HEARD_OVER;
	}
}

struct run {
	struct ks_env *env;
	struct ks_inspection *in;
	bool done; /* all was read */
};

static long octet_step(__u32 n, void *arg)
{
	struct run *run = arg;
	struct ks_inspection *in = run->in;
	struct ks_helping *h = &in->helping;
	struct ks_helper_memory *m = memory(in, in->dir);

	if (h->at >= h->got)
		return 1;
	if (!h->mark)
		h->saved = m->scanner;
	h->heard = octet_heard(in, &m->scanner, h->octets[h->at & (KS_HELPER_CHUNK - 1)], m->flags & KS_MEMORY_BEGUN);
	h->at++;
	return h->heard != KS_HEARD_NOTHING;
}

/* FTP: an announcement of the client counts when the server has greeted, one of the server when it was asked for. */
static bool is_in_time(struct ks_inspection *in, struct ks_helper_memory *m)
{
	const struct ks_helper_memory *peer = memory(in, !(in->dir & 1));

	if (in->flow.after.helper != KS_HELPER_FTP)
		return true;
	if (!in->helping.ready[!(in->dir & 1)] || peer->flags & KS_MEMORY_OVER)
		return false;
	if (in->dir == KS_ORIGINAL)
		return peer->flags & KS_MEMORY_BEGUN;
	if (peer->asked == m->answered)
		return false;
	m->answered++;
	return true;
}

/* Whether the announcement names its speaker, at a port that anybody may use. */
static bool is_of_speaker(const struct ks_inspection *in, const struct ks_scanner *p)
{
	if (p->form == KS_FORM_CALL)
		return true;
	if (p->port < PORT_FIRST)
		return false;
	if (p->form == KS_FORM_PORT || p->form == KS_FORM_SDP)
		return true;
	return ks_scanner_names(p, &in->pkt.tuple.src);
}

/* What the connection will be: from the listener, as it arrives here, to the speaker, as the listener knows it. */
static void want_make(struct ks_inspection *in, const struct ks_scanner *p)
{
	struct ks_tuple *want = &in->helping.want;
	bool is_call = p->form == KS_FORM_CALL, is_sdp = p->form == KS_FORM_SDP;

	*want = (struct ks_tuple){ .family = in->pkt.tuple.family, .proto = KS_PROTO_TCP };
	if (p->form != KS_FORM_DCC)
		want->src = in->translate & KS_TRANSLATE_DST ? in->out.dst : in->pkt.tuple.dst;
	want->dst = in->translate & KS_TRANSLATE_SRC ? in->out.src : in->pkt.tuple.src;
	want->dport = ks_be16(p->port);
	if (is_call || is_sdp)
		want->proto = is_call ? KS_PROTO_GRE : KS_PROTO_UDP;
	in->helping.port = p->port;
	in->helping.choose = in->helping.rewrites && !is_call && !is_sdp;
}

/* Makes the expectation wanted and remembers it, in the place of the oldest. */
static bool expect(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in,
		   struct ks_helper_memory *m)
{
	__u32 place = ks_expect_make(env, config, in);

	if (!place)
		return false;
	in->helping.made++;
	if (m->places[0] == place || m->places[1] == place || m->places[2] == place || m->places[3] == place)
		return true;
	ks_expect_drop(env, in, m->places[3]);
	m->places[3] = m->places[2];
	m->places[2] = m->places[1];
	m->places[1] = m->places[0];
	m->places[0] = place;
	return true;
}

_Static_assert(KS_HELPER_EXPECTED == 4, "places are moved one by one");

/* The announcement before the octet just read is written anew. */
static void edit_begin(struct ks_inspection *in, struct ks_helper_memory *m)
{
	struct ks_helping *h = &in->helping;

	h->edit = h->mark;
	h->edit_len = h->off + h->at - 1 - h->mark;
	h->form = m->scanner.form;
	h->text_port = ks_be16(h->want.dport);
	ks_announcement_write(in);
	m->shift.before = m->shift.after;
	m->shift.position = seq_at(in, h->edit);
	m->shift.after += h->text_len - h->edit_len;
	m->form = h->form;
	m->len = (__u8)h->edit_len;
	m->port = h->text_port;
}

static void announced(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in,
		      struct ks_helper_memory *m)
{
	if (!is_in_time(in, m) || !is_of_speaker(in, &m->scanner))
		return;
	/* A message that would need new addresses in its header and body is left as it is. */
	if (m->scanner.form == KS_FORM_SDP && in->helping.rewrites)
		return;
	want_make(in, &m->scanner);
	if (!expect(env, config, in, m))
		return;
	if (m->scanner.form == KS_FORM_SDP && in->helping.port < 0xffff) {
		in->helping.port++;
		in->helping.want.dport = ks_be16(in->helping.port);
		expect(env, config, in, m);
	}
	if (in->helping.choose)
		edit_begin(in, m);
}

/* The mark is where the packet ends; the scanner waits for what is cut off. */
static void cut_at_mark(struct ks_inspection *in, struct ks_helper_memory *m)
{
	in->helping.cut = in->helping.mark;
	in->helping.stop = 1;
	m->scanner = in->helping.saved;
	m->next = seq_at(in, in->helping.mark);
}

/* Whether another announcement can be written anew: the last one must have arrived. */
static bool may_edit(const struct ks_inspection *in, const struct ks_helper_memory *m)
{
	return !in->helping.edit &&
	       (!m->form || !ks_seq_before(in->flow.after.ack[!(in->dir & 1)], m->shift.position + m->len));
}

static void mark_set(struct ks_inspection *in, struct ks_helper_memory *m)
{
	in->helping.mark = in->helping.off + in->helping.at - 1;
	if (in->helping.rewrites && is_tcp(in) && !may_edit(in, m))
		cut_at_mark(in, m);
}

static void heard(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in,
		  struct ks_helper_memory *m)
{
	switch (in->helping.heard) {
	case KS_HEARD_MARK:
		mark_set(in, m);
		break;
	case KS_HEARD_ANNOUNCED:
		announced(env, config, in, m);
		in->helping.mark = 0;
		break;
	case KS_HEARD_UNMARK:
		in->helping.mark = 0;
		break;
	case KS_HEARD_ADDRESS:
		ks_sip_address(&m->scanner, ks_scanner_names(&m->scanner, &in->pkt.tuple.src));
		break;
	case KS_HEARD_ASKED:
		m->asked++;
		break;
	case KS_HEARD_GREETED:
		m->flags |= KS_MEMORY_BEGUN;
		break;
	case KS_HEARD_OVER:
		m->flags |= KS_MEMORY_OVER;
		in->helping.stop = 1;
		break;
	default:
		break;
	}
}

/* The next chunk. Returns false at the end of what is to be read. */
static bool chunk_read(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_helping *h = &in->helping;

	h->off += h->got;
	h->at = 0;
	h->got = 0;
	if (h->off >= h->end)
		return false;
	h->got = KS_MIN(h->end - h->off, KS_HELPER_CHUNK);
	h->failed = !env_packet_read(env, h->off, h->octets, ks_edit_length(h->got));
	return !h->failed;
}

/* Reads to the end of the chunk, or to where something is heard. */
static long run_step(__u32 n, void *arg)
{
	struct run *run = arg;
	struct ks_inspection *in = run->in;
	const struct ks_config *config = env_config(run->env);

	if (in->helping.at >= in->helping.got && !chunk_read(run->env, in)) {
		run->done = !in->helping.failed;
		return 1;
	}
	ks_loop(KS_HELPER_CHUNK, octet_step, run);
	if (in->helping.heard && config)
		heard(run->env, config, in, memory(in, in->dir));
	in->helping.heard = KS_HEARD_NOTHING;
	return in->helping.stop != 0;
}

/* Reads the payload. Returns false if all of the packet has to wait for what follows it. */
static bool payload_read(struct ks_env *env, struct ks_inspection *in, struct ks_helper_memory *m)
{
	struct run run = { .env = env, .in = in };
	struct ks_helping *h = &in->helping;

	ks_loop(RUNS, run_step, &run);
	/* Too long to be read, or cut off by a capture. */
	if (!run.done && !h->stop)
		lose_thread(in, m);
	if (h->mark && !h->stop && h->rewrites && is_tcp(in))
		cut_at_mark(in, m);
	return !h->cut || h->cut > in->pkt.payload_off;
}

/* TCP. Returns a reason of a drop, or 0. */
static __u32 segment_follow(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	__u32 dir = in->dir & 1, peer = !dir;
	struct ks_helper_memory *m = memory(in, dir);

	if (is_opening(in)) {
		streams_begin(env, in);
		return 0;
	}
	if (in->helping.ready[dir] && !(in->pkt.tcp_flags & (KS_TCP_SYN | KS_TCP_RST))) {
		if (!repeat_edit(in, m))
			return KS_REASON_ANNOUNCEMENT;
		if (!in->helping.stop && reading_begin(in, m) && !payload_read(env, in, m))
			return KS_REASON_ANNOUNCEMENT;
		if (!memory_keep(env, in, dir))
			return KS_REASON_CONTENDED;
	}
	/* What listens lives as long as what speaks. */
	if (in->helping.ready[peer] && memory(in, peer)->timeout != in->flow.after.timeout)
		memory_keep(env, in, peer);
	return ks_adjust(env, in, head) ? 0 : KS_REASON_TRANSLATE;
}

/* A request for a transfer: the server will answer from any port to where it came from. */
static void tftp_follow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_tuple *want = &in->helping.want;
	__u8 *octets = in->helping.octets;

	if (in->dir != KS_ORIGINAL || in->pkt.payload_len < TFTP_REQUEST ||
	    !env_packet_read(env, in->pkt.payload_off, octets, TFTP_REQUEST) ||
	    !ks_tftp_is_request(octets, TFTP_REQUEST))
		return;
	*want = (struct ks_tuple){ .family = in->pkt.tuple.family, .proto = KS_PROTO_UDP };
	want->src = in->translate & KS_TRANSLATE_DST ? in->out.dst : in->pkt.tuple.dst;
	want->dst = in->translate & KS_TRANSLATE_SRC ? in->out.src : in->pkt.tuple.src;
	want->dport = in->translate & KS_TRANSLATE_SRC ? in->out.sport : in->pkt.tuple.sport;
	in->helping.port = ks_be16(in->pkt.tuple.sport);
	in->helping.choose = 0;
	if (ks_be16(want->dport) >= PORT_FIRST && in->helping.port >= PORT_FIRST)
		ks_expect_make(env, config, in);
}

/* A message in a datagram: read from its start to its end. */
static void message_follow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_helper_memory *m = memory(in, in->dir);
	struct run run = { .env = env, .in = in };

	ks_scanner_reset(&m->scanner);
	if (!reading_begin(in, m))
		return;
	ks_loop(RUNS, run_step, &run);
	if (run.done && ks_sip_end(&m->scanner))
		announced(env, config, in, m);
	m->flags = 0;
	/* Without expectations there is nothing to remember. */
	if (in->helping.made || in->helping.ready[in->dir & 1])
		memory_keep(env, in, in->dir);
}

static void helping_begin(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_helping *h = &in->helping;

	h->rewrites = 0;
	h->heard = KS_HEARD_NOTHING;
	h->stop = 0;
	h->failed = 0;
	h->made = 0;
	h->got = 0;
	h->at = 0;
	h->mark = 0;
	h->cut = 0;
	h->edit = 0;
	memory_load(env, in, KS_ORIGINAL);
	memory_load(env, in, KS_REPLY);
}

/* What a packet that passes announces. Returns a reason of a drop, or 0. */
static __u32 follow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in, const __u8 *head)
{
	in->helping.rewrites = !!(in->translate & KS_TRANSLATE_SRC);
	if (is_tcp(in))
		return segment_follow(env, in, head);
	if (in->pkt.tuple.proto != KS_PROTO_UDP)
		return 0;
	if (in->flow.after.helper == KS_HELPER_TFTP)
		tftp_follow(env, config, in);
	else if (in->flow.after.helper == KS_HELPER_SIP)
		message_follow(env, config, in);
	return 0;
}

void ks_helper_inspect(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	bool known = in->flow.found && !in->replaces;
	__u32 reason = in->reason, refused;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	helping_begin(env, in);
	if (known) {
		turn_back(in);
		reason = ks_judge_known(env, config, in);
	}
	if (in->action == KS_ALLOW && !in->dry) {
		refused = follow(env, config, in, head);
		if (refused) {
			in->action = KS_DENY;
			reason = refused;
		}
	}
	if (reason == KS_REASON_CONTENDED) {
		in->pkt.ack = in->helping.ack;
		in->pkt.sack = in->helping.sack;
	}
	ks_inspect_conclude(in, config, reason);
}
