// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads the payload of a control connection, byte by byte, and handles what is
 * announced in it: two stages that alternate (helper.h). Scanning stops where an
 * announcement is complete; the other stage makes the expectation, and has the
 * text rewritten where addresses are translated.
 */
#include "core/env.h"
#include "core/header/gre.h"
#include "core/helper/announcement.h"
#include "core/helper/expect.h"
#include "core/helper/helper.h"
#include "core/home.h"

#define RUN_MAX 1400U /* bytes of several messages that are rewritten together: less than a segment */
#define KS_CALLS 4U /* ids of calls that are remembered, of a side */
#define CALL_SHIFT 16 /* of the inner id in a pair */
#define SCAN_STEPS 128U /* chunks, and announcements in them */

_Static_assert((KS_HELPER_CHUNK & (KS_HELPER_CHUNK - 1)) == 0 && KS_HELPER_CHUNK <= KS_EDIT_MAX, "chunks are masked");
_Static_assert(KS_HELPER_READ_MAX / KS_HELPER_CHUNK < SCAN_STEPS, "all chunks can be read");

static enum ks_heard byte_heard(struct ks_inspection *insp, struct ks_scanner *p, __u8 byte, bool begun)
{
	bool client = insp->dir == KS_ORIGINAL;

	switch (insp->flow.after.helper) {
	case KS_HELPER_FTP:
		return ks_ftp_byte(p, byte, client, begun);
	case KS_HELPER_IRC:
		return client ? ks_irc_byte(p, byte) : ks_irc_server_byte(p, byte);
	case KS_HELPER_PPTP:
		return ks_pptp_byte(p, byte, client);
	case KS_HELPER_RTSP:
		return ks_rtsp_byte(p, byte, client);
	case KS_HELPER_SIP:
		return ks_sip_byte(p, byte, ks_is_stream(insp));
	default:
		return KS_HEARD_OVER;
	}
}

/* A scan: to the end, or to where another stage must act. */
struct scan_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	bool done; /* all was read */
};

static long scan_byte(__u32 n, void *arg)
{
	struct scan_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_helping *h = &insp->helping;
	struct ks_record *m = ks_memory_of(insp, insp->dir);

	if (h->at >= h->got)
		return 1;
	if (!h->mark)
		h->saved = m->memory.scanner;
	h->heard = (__u8)byte_heard(insp, &m->memory.scanner, h->bytes[h->at & (KS_HELPER_CHUNK - 1)],
				    m->flags & KS_MEMORY_BEGUN);
	h->at++;
	return h->heard != KS_HEARD_NOTHING;
}

/* FTP: an announcement of the client counts once the server has greeted, one of the server if it was asked for. */
static bool announcement_is_due(struct ks_inspection *insp, struct ks_record *m)
{
	const struct ks_record *peer = ks_memory_of(insp, !(insp->dir & 1));

	if (insp->flow.after.helper != KS_HELPER_FTP)
		return true;
	if (!insp->helping.ready[!(insp->dir & 1)] || peer->flags & KS_MEMORY_OVER)
		return false;
	if (insp->dir == KS_ORIGINAL)
		return peer->flags & KS_MEMORY_BEGUN;
	if (peer->asked == m->answered)
		return false;
	m->answered++;
	return true;
}

/* The port that is announced: SIP's scanner has another use for ks_scanner.port. */
static inline __u16 announced_port(const struct ks_scanner *p)
{
	return p->form == KS_FORM_SDP ? p->code : p->port;
}

/* Returns true if media over UDP are announced: SIP, RTSP. */
static inline bool announces_media(const struct ks_inspection *insp, const struct ks_scanner *p)
{
	return p->form == KS_FORM_SDP || insp->flow.after.helper == KS_HELPER_RTSP;
}

/* Returns true if the announcement names its speaker and a port that is not privileged. */
static bool names_speaker(const struct ks_inspection *insp, const struct ks_scanner *p)
{
	if (p->form == KS_FORM_CALL)
		return true;
	if (announced_port(p) < KS_PORT_UNPRIVILEGED)
		return false;
	if (p->form == KS_FORM_PORT || p->form == KS_FORM_PORTS || p->form == KS_FORM_SDP)
		return true;
	return ks_scanner_names(p, &insp->pkt.tuple.src);
}

/*
 * IRC: the nicks that the server has named by an address, the latest first. They lie in its memory, in words that are not
 * needed otherwise: nothing that a server says is written anew, and an IPv4 address takes one word of a scanner's.
 */
static void nick_note(struct ks_record *m)
{
	struct ks_spoken *words = &m->memory.scanner.addr;
	struct ks_shift *shift = &m->memory.shift;

	if (shift->position != m->memory.scanner.word) {
		words->w[1] = shift->after;
		words->w[2] = words->w[0];
		shift->after = shift->position;
		words->w[0] = shift->before;
	}
	shift->position = m->memory.scanner.word;
	shift->before = words->w[IRC_NAMED_ADDRESS];
}

/* Makes the address of a nick the opener in insp->helping.want. If the server has not named it, whoever opens is refused. */
static void nick_find(struct ks_inspection *insp, __u32 nick)
{
	const struct ks_record *server = ks_memory_of(insp, KS_REPLY);
	const struct ks_spoken *words = &server->memory.scanner.addr;
	const struct ks_shift *shift = &server->memory.shift;
	__u32 found = 0;

	if (words->w[1] == nick)
		found = words->w[2];
	if (shift->after == nick)
		found = words->w[0];
	if (shift->position == nick)
		found = shift->before;
	if (found && insp->helping.ready[KS_REPLY])
		ks_addr_set_ipv4(&insp->helping.want.src, found);
	else
		insp->helping.refuses = 1;
}

/* The connection announced: from the listener, as it arrives here, to the speaker, as the listener knows it. */
static void want_make(struct ks_inspection *insp, const struct ks_scanner *p)
{
	struct ks_tuple *want = &insp->helping.want;
	bool is_call = p->form == KS_FORM_CALL, is_media = announces_media(insp, p);

	*want = (struct ks_tuple){ .family = insp->pkt.tuple.family, .proto = KS_PROTO_TCP };
	insp->helping.refuses = 0;
	if (p->form != KS_FORM_DCC)
		want->src = insp->translate & KS_TRANSLATE_DST ? insp->sent.dst : insp->pkt.tuple.dst;
	else
		nick_find(insp, p->value);
	want->dst = insp->translate & KS_TRANSLATE_SRC ? insp->sent.src : insp->pkt.tuple.src;
	want->dport = ks_be16(announced_port(p));
	if (is_call)
		want->dport = ks_gre_call_port(want->dport);
	if (is_call || is_media)
		want->proto = is_call ? KS_PROTO_GRE : KS_PROTO_UDP;
	insp->helping.port = ks_be16(want->dport);
	/* The id of a server is never translated, nor is 0, which is no port. */
	insp->helping.choose =
		insp->translate & KS_TRANSLATE_SRC && !is_media && (!is_call || (insp->helping.mark && p->port));
}

/* A media stream: of a speaker whose address is translated it gets a mapping, else it is expected, and its control with it. */
static void media_want(struct ks_inspection *insp, const struct ks_scanner *p)
{
	struct ks_insp_helping *h = &insp->helping;

	h->control = p->form == KS_FORM_SDP ? ks_sip_control(p) : p->code;
	if (h->control < KS_PORT_UNPRIVILEGED)
		h->control = h->port;
	h->pending = h->control != h->port ? 2 : 1;
	if (insp->translate & KS_TRANSLATE_SRC) {
		h->maps = 1;
		h->mapped = 0;
		insp->stage = KS_STAGE_MEDIA;
	}
}

/* An announcement is complete. One that does not count is ignored. */
static void announcement_complete(struct ks_inspection *insp, struct ks_record *m)
{
	struct ks_insp_helping *h = &insp->helping;

	if (!announcement_is_due(insp, m) || !names_speaker(insp, &m->memory.scanner))
		return;
	want_make(insp, &m->memory.scanner);
	h->pending = 1;
	insp->stage = KS_STAGE_ANNOUNCE;
	if (announces_media(insp, &m->memory.scanner))
		media_want(insp, &m->memory.scanner);
}

/* The sequence number of the byte at an offset of the frame. */
static inline __u32 seq_at(const struct ks_inspection *insp, __u32 off)
{
	return insp->pkt.seq + (off - insp->pkt.payload_off);
}

#define REFUSALS_MAX 3U /* of a message that is not whole, before it passes as it is */

/*
 * The packet will end at the mark. The scanner goes back to there, and waits for what is cut off. A message of SIP that
 * came several times and was never whole is longer than a segment: it passes, and nothing is read any more.
 */
static void helper_cut(struct ks_inspection *insp, struct ks_record *m)
{
	bool is_sip = insp->flow.after.helper == KS_HELPER_SIP;

	if (is_sip && insp->helping.mark <= insp->pkt.payload_off && m->refused >= REFUSALS_MAX) {
		m->flags |= KS_MEMORY_OVER;
		insp->helping.stop = 1;
		return;
	}
	insp->helping.cut = insp->helping.mark;
	insp->helping.stop = 1;
	m->memory.scanner = insp->helping.saved;
	m->memory.next = seq_at(insp, insp->helping.mark);
}

/* Returns true if another announcement can be rewritten: the last one must have arrived. */
static bool may_rewrite(const struct ks_inspection *insp, const struct ks_record *m)
{
	return !insp->helping.edit &&
	       (!m->memory.form ||
		!ks_seq_before(insp->flow.after.ack[!(insp->dir & 1)], m->memory.shift.position + ks_memory_length(m)));
}

static void mark_set(struct ks_inspection *insp, struct ks_record *m)
{
	insp->helping.mark = insp->helping.off + insp->helping.at - 1;
	if (insp->helping.rewrites && ks_is_stream(insp) && !insp->helping.again && !may_rewrite(insp, m))
		helper_cut(insp, m);
}

/* The announcement before the byte just read is to be rewritten. */
static void rewrite_begin(struct ks_inspection *insp, struct ks_record *m, __u16 port)
{
	struct ks_insp_helping *h = &insp->helping;

	h->edit = h->mark;
	h->edit_len = h->off + h->at - 1 - h->mark;
	h->form = m->memory.scanner.form;
	h->text_port = port;
	ks_announcement_write(insp);
	m->memory.shift.before = m->memory.shift.after;
	m->memory.shift.position = seq_at(insp, h->edit);
	m->memory.shift.after += h->text_len - h->edit_len;
	m->memory.form = h->form;
	m->memory.len = (__u8)h->edit_len;
	m->memory.port = h->text_port;
}

/* The id by which a side knows a call of the other one's, or itself: the pairs lie in the memory of whose they are. 0: none. */
static __u16 call_find(const struct ks_record *m, __u16 id, bool outer)
{
	__u32 found = 0;

	for (__u32 i = 0; i < KS_CALLS; i++) {
		__u32 pair = m->memory.scanner.addr.w[i], inner = pair >> CALL_SHIFT;

		if (pair && id == (outer ? pair & KS_PORT_MAX : inner))
			found = outer ? inner : pair & KS_PORT_MAX;
	}
	return (__u16)found;
}

/* Remembers the id that the speaker gave a call, or its port, and the one outside, instead of the oldest pair. */
static void call_note(struct ks_record *m, __u32 inner, __u32 outer)
{
	struct ks_spoken *calls = &m->memory.scanner.addr;

	if (call_find(m, (__u16)inner, false) == outer)
		return;
	calls->w[3] = calls->w[2];
	calls->w[2] = calls->w[1];
	calls->w[1] = calls->w[0];
	calls->w[0] = inner << CALL_SHIFT | outer;
}

/* PPTP, RTSP: a call or a port that was announced before is named again. It is translated as it was then. */
static void named_complete(struct ks_inspection *insp, struct ks_record *m)
{
	bool own = m->memory.scanner.gap == KS_NAMED_OWN;
	const struct ks_record *whose = own ? m : ks_memory_of(insp, !(insp->dir & 1));
	__u16 becomes = 0;

	if (insp->helping.mark && insp->translate & (own ? KS_TRANSLATE_SRC : KS_TRANSLATE_DST))
		becomes = call_find(whose, m->memory.scanner.port, !own);
	if (becomes && becomes != m->memory.scanner.port)
		rewrite_begin(insp, m, becomes);
	insp->helping.mark = 0;
}

/*
 * SIP: the address of media. None at all (0.0.0.0, RFC 3264 8.4) holds the call, and the speaker's port stays its own. A
 * listener whose address is translated is to be reached from there.
 */
static void media_address(struct ks_inspection *insp, struct ks_scanner *p)
{
	struct ks_addr addr = { .w = { p->addr.w[0], p->addr.w[1], p->addr.w[2], p->addr.w[3] } };
	bool is_none = !addr.d[0] && !addr.d[1];

	if (insp->translate & KS_TRANSLATE_DST && !is_none) {
		insp->helping.want.src = addr;
		insp->helping.maps = 0;
		insp->stage = KS_STAGE_MEDIA;
	}
	ks_sip_address(p, is_none || ks_addr_equal(&addr, &insp->pkt.tuple.src));
}

static void heard_apply(struct ks_inspection *insp, struct ks_record *m)
{
	switch (insp->helping.heard) {
	case KS_HEARD_MARK:
		mark_set(insp, m);
		break;
	case KS_HEARD_ANNOUNCED:
		announcement_complete(insp, m);
		break;
	case KS_HEARD_UNMARK:
		insp->helping.mark = 0;
		break;
	case KS_HEARD_NAMED:
		named_complete(insp, m);
		break;
	case KS_HEARD_ADDRESS:
		if (insp->flow.after.helper == KS_HELPER_IRC)
			nick_note(m);
		else
			media_address(insp, &m->memory.scanner);
		break;
	case KS_HEARD_ASKED:
		m->asked++;
		break;
	case KS_HEARD_GREETED:
		m->flags |= KS_MEMORY_BEGUN;
		break;
	case KS_HEARD_OVER:
		m->flags |= KS_MEMORY_OVER;
		insp->helping.stop = 1;
		break;
	default:
		break;
	}
}

/*
 * SIP in a stream: notes a message that is complete, to be written again with those before it. One that would make the run
 * longer than a segment waits for the next.
 */
static void message_note(struct ks_inspection *insp, struct ks_record *m)
{
	struct ks_insp_helping *h = &insp->helping;
	__u32 end = h->off + h->at;

	if (!h->mark || !ks_sip_is_between(&m->memory.scanner))
		return;
	if (h->writing.to && !h->again && end - insp->pkt.payload_off > RUN_MAX) {
		helper_cut(insp, m);
		return;
	}
	if (!h->writing.from)
		h->writing.from = h->mark;
	if (!h->again)
		h->writing.to = end;
	m->refused = 0;
	h->mark = 0;
}

static inline bool is_sip_stream(const struct ks_inspection *insp)
{
	return insp->flow.after.helper == KS_HELPER_SIP && ks_is_stream(insp);
}

/* Returns true if another stage must act. */
static inline bool is_announced(const struct ks_inspection *insp)
{
	return insp->stage == KS_STAGE_ANNOUNCE || insp->stage == KS_STAGE_MEDIA;
}

/* Reads the next chunk. Returns false at the end of what is to be read, or if that failed. */
static bool chunk_read(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_insp_helping *h = &insp->helping;

	h->off += h->got;
	h->at = 0;
	h->got = 0;
	if (h->off >= h->end)
		return false;
	h->got = KS_MIN(h->end - h->off, KS_HELPER_CHUNK);
	h->failed = !env_packet_read(env, h->off, h->bytes, ks_edit_length(h->got));
	return !h->failed;
}

/* Scans to the end of the chunk, or to the next byte that means something. */
static long scan_step(__u32 n, void *arg)
{
	struct scan_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_helping *h = &insp->helping;

	if (h->at >= h->got && !chunk_read(ctx->env, insp)) {
		ctx->done = !h->failed;
		return 1;
	}
	ks_loop(KS_HELPER_CHUNK, scan_byte, ctx);
	if (h->heard)
		heard_apply(insp, ks_memory_of(insp, insp->dir));
	if (is_sip_stream(insp))
		message_note(insp, ks_memory_of(insp, insp->dir));
	else if (h->heard == KS_HEARD_ANNOUNCED && !is_announced(insp))
		h->mark = 0;
	h->heard = KS_HEARD_NOTHING;
	return h->stop || is_announced(insp);
}

/* A datagram ends, and with it the last stream that a SIP message announces. */
static void message_end(struct ks_inspection *insp, struct ks_record *m)
{
	if (insp->flow.after.helper != KS_HELPER_SIP || ks_is_stream(insp) || insp->helping.stop)
		return;
	insp->helping.stop = 1;
	if (ks_sip_end(&m->memory.scanner))
		announcement_complete(insp, m);
}

/* RTSP: the ports just announced have outer ones. */
static void mapped_rewrite(struct ks_inspection *insp, struct ks_record *m)
{
	struct ks_insp_helping *h = &insp->helping;

	if (insp->flow.after.helper == KS_HELPER_RTSP && h->mark) {
		call_note(m, h->port, h->mapped);
		if (h->mapped != h->port)
			rewrite_begin(insp, m, h->mapped);
		h->mark = 0;
	}
	h->mapped = 0;
}

/* Returns true if messages are to be written again as a whole: SIP of which an end is translated. */
static bool is_transcribed(const struct ks_inspection *insp)
{
	const struct ks_insp_helping *h = &insp->helping;

	return insp->flow.after.helper == KS_HELPER_SIP && h->rewrites && h->writing.to > h->writing.from &&
	       h->writing.to - h->writing.from <= KS_HELPER_READ_MAX;
}

/* Scanning is over: perhaps before the end, or inside of what is announced. */
static void scan_end(struct ks_inspection *insp, struct ks_record *m, bool done)
{
	struct ks_insp_helping *h = &insp->helping;
	bool cuts = h->mark && h->rewrites && ks_is_stream(insp);

	if (h->stop || h->again)
		return;
	/* The packet is too long to be read whole, or cut off by a capture, or has too many announcements. */
	if (!done && !(cuts && is_sip_stream(insp)))
		ks_helper_lose(insp, m);
	if (cuts)
		helper_cut(insp, m);
}

void ks_stage_scan(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct ks_record *m = ks_memory_of(insp, insp->dir);
	struct scan_ctx ctx = { .env = env, .insp = insp };
	struct ks_insp_helping *h = &insp->helping;

	insp->stage = KS_STAGE_ADJUST;
	if (h->mapped)
		mapped_rewrite(insp, m);
	if (!h->stop) {
		ks_loop(SCAN_STEPS, scan_step, &ctx);
		ctx.done &= insp->pkt.payload_len <= KS_HELPER_READ_MAX;
		if (ctx.done)
			message_end(insp, m);
		if (is_announced(insp) && h->announcements++ < KS_ANNOUNCEMENTS_MAX)
			return;
		scan_end(insp, m, ctx.done);
	}
	insp->stage = is_transcribed(insp) ? KS_STAGE_TRANSCRIBE : KS_STAGE_ADJUST;
}

/* Makes the expectation wanted and remembers it instead of the oldest one. */
static bool expectation_add(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
			    struct ks_record *m)
{
	__u32 slot_id = ks_expect_make(env, config, insp);

	if (!slot_id)
		return false;
	insp->helping.made++;
	if (m->memory.expected[0] == slot_id || m->memory.expected[1] == slot_id || m->memory.expected[2] == slot_id ||
	    m->memory.expected[3] == slot_id)
		return true;
	ks_expect_release(env, insp, m->memory.expected[3]);
	m->memory.expected[3] = m->memory.expected[2];
	m->memory.expected[2] = m->memory.expected[1];
	m->memory.expected[1] = m->memory.expected[0];
	m->memory.expected[0] = slot_id;
	return true;
}

_Static_assert(KS_HELPER_EXPECTED == 4, "slot ids are moved one by one");

void ks_stage_announce(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct ks_record *m = ks_memory_of(insp, insp->dir);
	const struct ks_config *config = env_config(env);
	struct ks_insp_helping *h = &insp->helping;
	bool expected;

	insp->stage = KS_STAGE_SCAN;
	if (!config)
		return;
	expected = expectation_add(env, config, insp, m);
	if (expected && h->pending == 2) { /* and the control of a stream */
		h->pending = 1;
		h->port = h->control;
		h->want.dport = ks_be16(h->port);
		insp->stage = KS_STAGE_ANNOUNCE;
		return;
	}
	if (m->memory.scanner.form == KS_FORM_SDP)
		return;
	if (expected && h->choose)
		rewrite_begin(insp, m, ks_be16(h->want.dport));
	if (expected && h->choose && m->memory.scanner.form == KS_FORM_CALL)
		call_note(m, h->port, ks_be16(h->want.dport));
	h->mark = 0;
}
