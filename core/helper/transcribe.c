// SPDX-License-Identifier: BSD-2-Clause
/* Writes SIP messages again; see transcribe.h. */
#include "core/helper/transcribe.h"

#include "core/env.h"
#include "core/helper/announcement.h"
#include "core/home.h"

#define CHUNKS (KS_HELPER_READ_MAX / KS_HELPER_CHUNK)
#define LENGTH_ROOM 5U /* digits of Content-Length */
#define PORT_DIVISOR 10000U /* of the first of five digits */

/* A number or an address that is being read, and may be replaced. */
enum token_state {
	TOKEN_NONE,
	TOKEN_IPV4,
	TOKEN_IPV6, /* in brackets, but in SDP */
	TOKEN_BRACKET, /* behind the closing one */
	TOKEN_PORT, /* behind the colon of an address that is to be replaced */
	TOKEN_NUMBER, /* alone: what it is, its line says */
};

static void put(struct ks_insp_writing *w, __u8 *text, __u8 byte)
{
	if (w->out >= KS_TRANSCRIPT_MAX)
		w->overflow = 1;
	text[w->out & (KS_TRANSCRIPT_MAX - 1)] = byte;
	w->out++;
}

/* A name that is copied into the text. */
struct name_ctx {
	struct ks_insp_writing *w;
	__u8 *text;
	__u32 which, len;
};

static long name_byte_put(__u32 n, void *arg)
{
	struct name_ctx *ctx = arg;

	if (n >= ctx->len)
		return 1;
	put(ctx->w, ctx->text, ctx->w->name[ctx->which & 1][n & (KS_HELPER_TEXT - 1)]);
	return 0;
}

/* The new address of whom the token names. */
static void put_name(struct ks_insp_writing *w, __u8 *text)
{
	struct name_ctx ctx = { .w = w, .text = text, .which = w->whose != KS_TRANSLATE_SRC };

	ctx.len = w->name_len[ctx.which & 1];
	ks_loop(KS_HELPER_TEXT, name_byte_put, &ctx);
}

/* A port, with `fill` in the place of leading zeros; 0: nothing. */
static void put_port(struct ks_insp_writing *w, __u8 *text, __u32 port, __u8 fill)
{
	bool begun = false;

	for (__u32 divisor = PORT_DIVISOR; divisor; divisor /= 10) {
		__u32 digit = port / divisor % 10;

		begun = begun || digit || divisor == 1;
		if (begun)
			put(w, text, (__u8)('0' + digit));
		else if (fill)
			put(w, text, fill);
	}
}

/* The new port of whom the token names. A listener gets the port by which it calls itself. */
static __u32 new_port(const struct ks_inspection *insp)
{
	const struct ks_insp_writing *w = &insp->helping.writing;

	if (w->whose == KS_TRANSLATE_SRC)
		return ks_be16(insp->sent.sport);
	return w->spoken ? w->spoken : ks_be16(insp->sent.dport);
}

static bool is_word(__u8 byte)
{
	return ks_is_digit(byte) || (ks_upper(byte) >= 'A' && ks_upper(byte) <= 'Z') || byte == '.' || byte == '-' ||
	       byte == '_' || byte == '%';
}

/* Returns true if the line has addresses to be replaced. */
static bool has_addresses(const struct ks_insp_writing *w)
{
	return w->line == SIP_LINE_FIRST || w->line == SIP_LINE_ENDPOINT || w->line == SIP_LINE_VIA ||
	       w->line == SIP_LINE_IDENTITY || w->line == SIP_LINE_ADDRESS || w->line == SIP_LINE_CONTROL;
}

static bool is_sdp(const struct ks_insp_writing *w)
{
	return w->line == SIP_LINE_ADDRESS || w->line == SIP_LINE_CONTROL;
}

/* Finds out whose the address is: w->whose, 0 if nobody's that is translated. In SDP only the speaker's counts. */
static void address_match(struct ks_inspection *insp)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	w->whose = 0;
	if (insp->translate & KS_TRANSLATE_SRC && ks_scanner_names(&w->token, &insp->pkt.tuple.src))
		w->whose = KS_TRANSLATE_SRC;
	else if (insp->translate & KS_TRANSLATE_DST && !is_sdp(w) && ks_scanner_names(&w->token, &insp->pkt.tuple.dst))
		w->whose = KS_TRANSLATE_DST;
}

/* Returns true if a listener's address means itself, with this port or, with 0, without one. */
static bool is_listener(const struct ks_inspection *insp, __u32 port)
{
	const struct ks_insp_writing *w = &insp->helping.writing;
	__u32 own = ks_be16(insp->pkt.tuple.dport);

	if (port)
		return port == own;
	return w->line == SIP_LINE_IDENTITY || w->before == '=' || own == KS_SIP_PORT;
}

/* An endpoint is complete; port 0: it had none. Replaces it. */
static void endpoint_end(struct ks_inspection *insp, __u8 *text, __u32 port)
{
	struct ks_insp_writing *w = &insp->helping.writing;
	bool bare = is_sdp(w) || w->line == SIP_LINE_IDENTITY || w->before == '=';
	__u32 becomes = new_port(insp);

	w->state = TOKEN_NONE;
	if (!w->whose || (w->whose == KS_TRANSLATE_DST && !is_listener(insp, port)))
		return;
	if (w->whose == KS_TRANSLATE_SRC && port && port != ks_be16(insp->pkt.tuple.sport))
		w->says = (__u16)port;
	w->out = w->mark;
	put_name(w, text);
	if (insp->pkt.tuple.family == KS_IPV6 && !is_sdp(w) && w->before != '=')
		put(w, text, ']');
	if (port || (!bare && becomes != KS_SIP_PORT)) {
		put(w, text, ':');
		put_port(w, text, becomes, 0);
	}
	w->changed = 1;
}

/* The outer port of one that was announced, or 0. */
static __u32 pair_find(const struct ks_inspection *insp, __u32 port)
{
	__u32 outer = 0;

	for (__u32 i = 0; i < KS_PORT_PAIRS; i++) {
		if (i < insp->helping.port_pairs && insp->helping.port_pair[i].inner == port)
			outer = insp->helping.port_pair[i].outer;
	}
	return outer;
}

/* Room for the length, which is known at the end of the message. */
static void length_end(struct ks_inspection *insp, __u8 *text)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	/* Of a body only what the speaker says of itself changes. */
	if (!w->token.value || !w->offers || !(insp->translate & KS_TRANSLATE_SRC))
		return;
	w->out = w->mark;
	w->length_at = w->mark;
	put_port(w, text, w->token.value, ' ');
}

/* A number alone is complete. Replaces it if it is a port that has another one. */
static void number_end(struct ks_inspection *insp, __u8 *text)
{
	struct ks_insp_writing *w = &insp->helping.writing;
	__u32 becomes = 0;

	w->state = TOKEN_NONE;
	if (!w->token.digits)
		return;
	if (w->line == SIP_LINE_LENGTH) {
		length_end(insp, text);
		return;
	}
	if (w->line == SIP_LINE_VIA) {
		w->whose = KS_TRANSLATE_DST;
		if (insp->translate & KS_TRANSLATE_DST && w->token.value == ks_be16(insp->pkt.tuple.dport))
			becomes = new_port(insp);
	} else {
		becomes = pair_find(insp, w->token.value);
	}
	if (!becomes || becomes == w->token.value)
		return;
	w->out = w->mark;
	put_port(w, text, becomes, 0);
	w->changed = 1;
}

/* The address ends before this byte. */
static void address_end(struct ks_inspection *insp, __u8 *text, __u8 byte, bool whole)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	w->state = TOKEN_NONE;
	if (!whole || is_word(byte) || byte == '@')
		return;
	address_match(insp);
	if (!w->whose)
		return;
	w->state = TOKEN_PORT;
	ks_scanner_number_clear(&w->token);
	if (byte != ':' || is_sdp(w))
		endpoint_end(insp, text, 0);
}

static void token_ipv6(struct ks_inspection *insp, __u8 *text, __u8 byte)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	if (ks_scanner_ipv6(&w->token, byte))
		return;
	w->state = TOKEN_NONE;
	if (byte == ']' && !is_sdp(w) && ks_scanner_ipv6_end(&w->token))
		w->state = TOKEN_BRACKET;
	else if (byte != ']' && is_sdp(w))
		address_end(insp, text, byte, ks_scanner_ipv6_end(&w->token));
}

static void token_number(struct ks_inspection *insp, __u8 *text, __u8 byte)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	if (byte == ' ' && !w->token.digits && w->line == SIP_LINE_LENGTH)
		w->mark++; /* spaces before it stay */
	else if (!ks_is_digit(byte))
		number_end(insp, text);
	else if (!ks_scanner_digit(&w->token, byte, KS_PORT_MAX))
		w->state = TOKEN_NONE;
}

static void token_port(struct ks_inspection *insp, __u8 *text, __u8 byte)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	if (!ks_is_digit(byte) && !w->token.value)
		w->state = TOKEN_NONE; /* a colon without a port */
	else if (!ks_is_digit(byte))
		endpoint_end(insp, text, w->token.value);
	else if (!ks_scanner_digit(&w->token, byte, KS_PORT_MAX))
		w->state = TOKEN_NONE;
}

/* Before the byte is written: it may end a token, which is replaced then. */
static void token_step(struct ks_inspection *insp, __u8 *text, __u8 byte)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	switch (w->state) {
	case TOKEN_IPV4:
		if (!ks_is_digit(byte) && byte != '.')
			address_end(insp, text, byte, ks_scanner_ipv4_end(&w->token));
		else if (!ks_scanner_ipv4(&w->token, byte))
			w->state = TOKEN_NONE;
		break;
	case TOKEN_IPV6:
		token_ipv6(insp, text, byte);
		break;
	case TOKEN_BRACKET:
		address_end(insp, text, byte, true);
		break;
	case TOKEN_PORT:
		token_port(insp, text, byte);
		break;
	case TOKEN_NUMBER:
		token_number(insp, text, byte);
		break;
	default:
		break;
	}
}

static void token_begin(struct ks_insp_writing *w, __u8 state, __u32 mark)
{
	ks_scanner_number_clear(&w->token);
	w->state = state;
	w->mark = mark;
}

/* Behind the byte that was written: a token may begin with it, or behind it. */
static void token_look(struct ks_inspection *insp, __u8 byte, __u8 before)
{
	struct ks_insp_writing *w = &insp->helping.writing;
	bool ipv4 = insp->pkt.tuple.family == KS_IPV4;

	if (w->state != TOKEN_NONE)
		return;
	if (has_addresses(w) && ipv4 && ks_is_digit(byte) && !is_word(before)) {
		w->before = before;
		token_begin(w, TOKEN_IPV4, w->out - 1);
		ks_scanner_ipv4(&w->token, byte);
	} else if (has_addresses(w) && !ipv4 &&
		   (byte == '[' || (is_sdp(w) && w->word == KS_WORD('I', 'P', '6', ' ')))) {
		w->before = byte;
		token_begin(w, TOKEN_IPV6, w->out);
	}
	if ((w->line == SIP_LINE_VIA && w->word == KS_WORD('O', 'R', 'T', '=')) ||
	    (w->line == SIP_LINE_MEDIA && byte == ' ') ||
	    (w->line == SIP_LINE_CONTROL && w->word == KS_WORD('T', 'C', 'P', ':')) ||
	    (w->line == SIP_LINE_LENGTH && byte == ':'))
		token_begin(w, TOKEN_NUMBER, w->out);
}

/* A message is complete: its length is written where room was left for it. */
static void message_end(struct ks_insp_writing *w, __u8 *text)
{
	__u32 out = w->out;

	if (!w->length_at)
		return;
	w->out = w->length_at;
	put_port(w, text, w->length + (out - w->body_at) - w->body_read, ' ');
	w->out = out;
	w->length_at = 0;
}

/* A text that is written again. */
struct transcribe_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	__u8 *text;
	__u32 off; /* of the next chunk */
	__u32 failed;
};

static long transcribe_byte(__u32 n, void *arg)
{
	struct transcribe_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_writing *w = &insp->helping.writing;
	__u8 byte, before = w->last;

	if (n >= insp->helping.got)
		return 1;
	byte = insp->helping.bytes[n & (KS_HELPER_CHUNK - 1)];
	if (w->state != TOKEN_NONE)
		token_step(insp, ctx->text, byte);
	put(w, ctx->text, byte);
	if (ks_sip_line_byte(w, byte, ks_is_stream(insp))) {
		message_end(w, ctx->text);
		ks_sip_line_begin(w);
	}
	token_look(insp, byte, before);
	return 0;
}

static long transcribe_chunk(__u32 n, void *arg)
{
	struct transcribe_ctx *ctx = arg;
	struct ks_insp_helping *h = &ctx->insp->helping;

	if (ctx->off >= h->writing.to)
		return 1;
	h->got = KS_MIN(h->writing.to - ctx->off, KS_HELPER_CHUNK);
	if (!env_packet_read(ctx->env, ctx->off, h->bytes, ks_edit_length(h->got))) {
		ctx->failed = 1;
		return 1;
	}
	ks_loop(KS_HELPER_CHUNK, transcribe_byte, ctx);
	ctx->off += h->got;
	return 0;
}

/* Composes an address as text, to be copied wherever it is named. */
static void name_make(struct ks_inspection *insp, const struct ks_addr *addr, __u32 which)
{
	struct ks_insp_writing *w = &insp->helping.writing;

	ks_announcement_address(insp, addr);
	w->name_len[which] = insp->helping.text_len;
	__builtin_memcpy(w->name[which], insp->helping.text, KS_HELPER_TEXT);
}

static void writing_begin(struct ks_inspection *insp)
{
	struct ks_insp_writing *w = &insp->helping.writing;
	const struct ks_record *peer = ks_memory_of(insp, !(insp->dir & 1));

	name_make(insp, &insp->sent.src, 0);
	name_make(insp, &insp->sent.dst, 1);
	w->spoken = insp->helping.ready[!(insp->dir & 1)] ? peer->memory.port : 0;
	w->out = 0;
	w->mark = 0;
	w->state = TOKEN_NONE;
	w->changed = 0;
	w->overflow = 0;
	w->foreign = 1; /* until a first line says otherwise */
	ks_sip_line_begin(w);
}

/* A stream remembers what was rewritten, for repetitions. Returns false if this one became another text than the first. */
static bool run_note(struct ks_inspection *insp)
{
	const struct ks_insp_writing *w = &insp->helping.writing;
	struct ks_record *m = ks_memory_of(insp, insp->dir);
	__u32 grown = w->out - (w->to - w->from);

	if (insp->helping.again)
		return grown == m->memory.shift.after - m->memory.shift.before;
	m->memory.shift.before = m->memory.shift.after;
	m->memory.shift.position = insp->pkt.seq + (w->from - insp->pkt.payload_off);
	m->memory.shift.after += grown;
	m->memory.form = KS_FORM_SDP;
	m->memory.len = (__u8)(w->to - w->from);
	m->len_high = (__u8)((w->to - w->from) >> 8);
	return true;
}

/* The text is complete: the packet gets it if it is another one. */
static void writing_end(struct ks_inspection *insp)
{
	struct ks_insp_helping *h = &insp->helping;
	struct ks_insp_writing *w = &h->writing;

	if (w->says)
		ks_memory_of(insp, insp->dir)->memory.port = w->says;
	if (!w->changed || w->overflow || w->foreign || (ks_is_stream(insp) && !run_note(insp))) {
		h->failed = h->again;
		return;
	}
	h->edit = w->from;
	h->edit_len = w->to - w->from;
	h->form = KS_FORM_SDP;
}

void ks_stage_transcribe(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct ks_insp_writing *w = &insp->helping.writing;
	struct transcribe_ctx ctx = { .env = env, .insp = insp, .text = env_transcript(env), .off = w->from };

	insp->stage = KS_STAGE_ADJUST;
	if (!ctx.text)
		return;
	writing_begin(insp);
	ks_loop(CHUNKS, transcribe_chunk, &ctx);
	if (ctx.failed || ctx.off < w->to)
		return;
	token_step(insp, ctx.text, '\n'); /* the last line need not have an end */
	message_end(w, ctx.text);
	writing_end(insp);
}
