// SPDX-License-Identifier: BSD-2-Clause
/*
 * SIP (RFC 3261): the media streams that the body of a message announces (SDP,
 * RFC 4566). Only messages that may carry an offer or an answer count (INVITE, ACK,
 * PRACK, UPDATE, and responses), and only streams at the speaker's own address. The
 * c= line of a stream overrides that of the session. The control of a stream has the
 * next port, unless a=rtcp names another one (RFC 3605).
 *
 * A datagram is one message. In a stream each message says by Content-Length where
 * it ends (RFC 3261 18.3), and a message without a body need not end with a line.
 */
#include "core/helper/scanner.h"

enum sip_phase {
	SIP_FIRST = 0, /* the first line */
	SIP_HEADER, /* a line of the header */
	SIP_NAME, /* the name of one */
	SIP_LENGTH, /* the value of Content-Length */
	SIP_HEADER_LINE, /* the rest of one */
	SIP_BODY, /* a line of the body: its first bytes */
	SIP_BODY_LINE, /* the rest of one that does not matter */
	SIP_ADDRESS4,
	SIP_ADDRESS6,
	SIP_ADDRESS_END, /* up to the end of the line */
	SIP_MEDIA, /* m=audio: up to the space */
	SIP_PORT,
	SIP_PROFILE, /* RTP/ ... */
	SIP_ATTRIBUTE, /* a=rtcp: */
	SIP_CONTROL, /* its port */
};

#define MEDIA_LINE 2 /* bytes of "m=" */
#define ADDRESS_LINE 9 /* bytes of "c=IN IP4 " */
#define CONTROL_LINE 7 /* bytes of "a=rtcp:" */
#define LENGTH_NAME 15 /* bytes of "Content-Length:" */
#define LENGTH_SHORT 2 /* bytes of "l:" */
#define LENGTH_MAX 0xffff

/* ks_scanner.port is what is left of a stream's body, and ks_scanner.code the port of the m= line. */
#define BODY_LEFT(p) ((p)->port)
#define CONTROL_PORT(p) ((p)->addr.w[0]) /* 0: the next one; an address is not kept */

/* ks_scanner.delimiter, as flags: whose addresses were named */
#define SESSION_OWN 0x01
#define STREAM_OWN 0x02
#define STREAM_OTHER 0x04
#define IN_STREAM 0x08 /* behind an m= line */
#define STREAM_GOOD 0x10 /* whose port and profile count */
#define BODY_MUTE 0x20 /* the message makes no offer */

/* An m= line or the end of the message completes a stream. Returns true if it counts. */
static bool stream_end(struct ks_scanner *p)
{
	__u8 had = p->delimiter;
	bool own = had & STREAM_OWN || (had & SESSION_OWN && !(had & STREAM_OTHER));

	p->delimiter &= SESSION_OWN | BODY_MUTE;
	p->form = KS_FORM_SDP;
	return own && (had & (IN_STREAM | STREAM_GOOD | BODY_MUTE)) == (IN_STREAM | STREAM_GOOD);
}

__u16 ks_sip_control(const struct ks_scanner *p)
{
	__u32 control = CONTROL_PORT(p);

	return (__u16)(control ? control : p->code + 1U);
}

static bool first_word_counts(__u32 word)
{
	return word == KS_WORD('S', 'I', 'P', '/') || word == KS_WORD('I', 'N', 'V', 'I') ||
	       word == KS_WORD('A', 'C', 'K', ' ') || word == KS_WORD('P', 'R', 'A', 'C') ||
	       word == KS_WORD('U', 'P', 'D', 'A');
}

/* The two bytes with which a line of the body begins. */
static enum ks_heard sip_body_kind(struct ks_scanner *p)
{
	__u32 kind = p->word & KS_WORD_LOW;

	if (kind == ('M' << 8 | '=')) {
		p->phase = SIP_MEDIA;
		return stream_end(p) ? KS_HEARD_ANNOUNCED : KS_HEARD_NOTHING;
	}
	if (kind == ('A' << 8 | '='))
		p->phase = SIP_ATTRIBUTE;
	else if (kind != ('C' << 8 | '='))
		p->phase = SIP_BODY_LINE;
	return KS_HEARD_NOTHING;
}

static enum ks_heard sip_body_line(struct ks_scanner *p)
{
	__u16 left;

	if (p->column == MEDIA_LINE)
		return sip_body_kind(p);
	if (p->column == KS_WORD_BYTES && p->word != KS_WORD('C', '=', 'I', 'N'))
		p->phase = SIP_BODY_LINE;
	if (p->column != ADDRESS_LINE)
		return KS_HEARD_NOTHING;
	left = BODY_LEFT(p);
	ks_scanner_number_clear(p);
	BODY_LEFT(p) = left;
	if (p->word == KS_WORD('I', 'P', '4', ' '))
		p->phase = SIP_ADDRESS4;
	else
		p->phase = p->word == KS_WORD('I', 'P', '6', ' ') ? SIP_ADDRESS6 : SIP_BODY_LINE;
	return KS_HEARD_NOTHING;
}

/* An address ends with its line. One with a slash is a multicast address and nobody's own. */
static enum ks_heard sip_address(struct ks_scanner *p, __u8 byte)
{
	bool ipv4 = p->phase == SIP_ADDRESS4;

	if (ks_ends_line(byte)) {
		p->phase = SIP_ADDRESS_END;
		if (!(ipv4 ? ks_scanner_ipv4_end(p) : ks_scanner_ipv6_end(p)))
			ks_sip_address(p, false);
		else
			return KS_HEARD_ADDRESS;
	} else if (!(ipv4 ? ks_scanner_ipv4(p, byte) : ks_scanner_ipv6(p, byte))) {
		p->phase = SIP_BODY_LINE;
		ks_sip_address(p, false);
	}
	return KS_HEARD_NOTHING;
}

void ks_sip_address(struct ks_scanner *p, bool own)
{
	p->addr = (struct ks_spoken){};
	if (p->delimiter & IN_STREAM)
		p->delimiter =
			(__u8)((p->delimiter & ~(STREAM_OWN | STREAM_OTHER)) | (own ? STREAM_OWN : STREAM_OTHER));
	else
		p->delimiter = (__u8)((p->delimiter & BODY_MUTE) | (own ? SESSION_OWN : 0));
}

static enum ks_heard sip_media(struct ks_scanner *p, __u8 byte)
{
	p->delimiter |= IN_STREAM;
	if (byte != ' ')
		return KS_HEARD_NOTHING;
	CONTROL_PORT(p) = 0;
	p->phase = SIP_PORT;
	p->value = 0;
	p->digits = 0;
	return KS_HEARD_NOTHING;
}

static enum ks_heard sip_port(struct ks_scanner *p, __u8 byte)
{
	if (byte == ' ' && p->digits) {
		p->code = (__u16)p->value;
		p->field = 0;
		p->phase = SIP_PROFILE;
	} else if (p->digits >= KS_PORT_DIGITS || !ks_scanner_digit(p, byte, KS_PORT_MAX)) {
		p->phase = SIP_BODY_LINE; /* several ports, or none */
	}
	return KS_HEARD_NOTHING;
}

/* Only streams over UDP count: "RTP/AVP" and its relatives, "UDP/TLS/RTP/SAVPF", "udptl" of a fax (T.38). */
static enum ks_heard sip_profile(struct ks_scanner *p)
{
	if (++p->field < KS_WORD_BYTES)
		return KS_HEARD_NOTHING;
	if (p->word == KS_WORD('R', 'T', 'P', '/') || p->word == KS_WORD('U', 'D', 'P', '/') ||
	    p->word == KS_WORD('U', 'D', 'P', 'T'))
		p->delimiter |= IN_STREAM | STREAM_GOOD;
	p->phase = SIP_BODY_LINE;
	return KS_HEARD_NOTHING;
}

static enum ks_heard sip_attribute(struct ks_scanner *p)
{
	/* "a=r" was the last word but one when "tcp:" is complete. */
	if (p->column == CONTROL_LINE - KS_WORD_BYTES && (p->word & 0xff) != 'R')
		p->phase = SIP_BODY_LINE;
	if (p->column != CONTROL_LINE)
		return KS_HEARD_NOTHING;
	p->phase = p->word == KS_WORD('T', 'C', 'P', ':') ? SIP_CONTROL : SIP_BODY_LINE;
	p->value = 0;
	p->digits = 0;
	return KS_HEARD_NOTHING;
}

static enum ks_heard sip_control(struct ks_scanner *p, __u8 byte)
{
	if ((byte == ' ' || ks_ends_line(byte)) && p->digits) {
		CONTROL_PORT(p) = p->value;
		p->phase = SIP_BODY_LINE;
	} else if (p->digits >= KS_PORT_DIGITS || !ks_scanner_digit(p, byte, KS_PORT_MAX)) {
		p->phase = SIP_BODY_LINE;
	}
	return KS_HEARD_NOTHING;
}

/* The name of a header line, in a stream: only Content-Length matters, or its short form "l". */
static void sip_name(struct ks_scanner *p, __u8 byte)
{
	bool is_length = (p->column == LENGTH_NAME && p->word == KS_WORD('G', 'T', 'H', ':')) ||
			 (p->column == LENGTH_SHORT && (p->word & KS_WORD_LOW) == ('L' << 8 | ':'));

	if (byte != ':')
		return;
	p->phase = is_length ? SIP_LENGTH : SIP_HEADER_LINE;
	p->value = 0;
	p->digits = 0;
}

static void sip_length(struct ks_scanner *p, __u8 byte)
{
	if (ks_is_digit(byte) && !ks_scanner_digit(p, byte, LENGTH_MAX))
		p->phase = KS_SCANNER_SKIP;
	else if (ks_ends_line(byte))
		BODY_LEFT(p) = (__u16)p->value;
}

static enum ks_heard sip_first(struct ks_scanner *p, bool stream)
{
	if (p->column != KS_WORD_BYTES)
		return KS_HEARD_NOTHING;
	if (!first_word_counts(p->word)) {
		p->delimiter |= BODY_MUTE;
		if (!stream)
			p->phase = KS_SCANNER_SKIP;
	}
	return KS_HEARD_NOTHING;
}

static enum ks_heard sip_phase_step(struct ks_scanner *p, __u8 byte, bool stream)
{
	switch (p->phase) {
	case SIP_FIRST:
		return sip_first(p, stream);
	case SIP_HEADER:
		if (!ks_ends_line(byte))
			p->phase = stream ? SIP_NAME : SIP_HEADER_LINE;
		return KS_HEARD_NOTHING;
	case SIP_NAME:
		sip_name(p, byte);
		return KS_HEARD_NOTHING;
	case SIP_LENGTH:
		sip_length(p, byte);
		return KS_HEARD_NOTHING;
	case SIP_BODY:
		return sip_body_line(p);
	case SIP_ADDRESS4:
	case SIP_ADDRESS6:
		return sip_address(p, byte);
	case SIP_MEDIA:
		return sip_media(p, byte);
	case SIP_PORT:
		return sip_port(p, byte);
	case SIP_PROFILE:
		return sip_profile(p);
	case SIP_ATTRIBUTE:
		return sip_attribute(p);
	case SIP_CONTROL:
		return sip_control(p, byte);
	default:
		return KS_HEARD_NOTHING;
	}
}

/* A first line ends. Returns false if it is none of SIP: a request names the version at its end, a response at its beginning. */
static bool first_line_is_sip(const struct ks_scanner *p)
{
	return !(p->delimiter & BODY_MUTE) || p->word == KS_WORD('.', '0', '\r', '\n') ||
	       p->word == KS_WORD('2', '.', '0', '\n');
}

/* The end of a line. An empty one ends the header. */
static void line_end(struct ks_scanner *p, bool stream)
{
	if (p->phase == SIP_FIRST)
		/* A datagram is only read on if its first word counts; it was shorter then. */
		p->phase =
			p->column >= KS_WORD_BYTES && (!stream || first_line_is_sip(p)) ? SIP_HEADER : KS_SCANNER_SKIP;
	else if (p->phase == SIP_NAME || p->phase == SIP_LENGTH || p->phase == SIP_HEADER_LINE)
		p->phase = SIP_HEADER;
	else
		p->phase = SIP_BODY;
	p->column = 0;
}

/* The message of a stream ends here: the next byte begins another. */
static enum ks_heard message_over(struct ks_scanner *p, enum ks_heard heard)
{
	bool announced = stream_end(p) || heard == KS_HEARD_ANNOUNCED;
	__u16 port = p->code;
	__be32 control = CONTROL_PORT(p);

	ks_scanner_reset(p);
	p->form = KS_FORM_SDP;
	p->code = port;
	CONTROL_PORT(p) = control;
	return announced ? KS_HEARD_ANNOUNCED : KS_HEARD_ENDED;
}

/* Between the messages of a stream, clients keep the connection alive by empty lines (RFC 5626 3.5.1). */
static bool is_empty_line(const struct ks_scanner *p, __u8 byte)
{
	return p->phase == SIP_FIRST && !p->column && ks_ends_line(byte);
}

bool ks_sip_is_between(const struct ks_scanner *p)
{
	return p->phase == SIP_FIRST && !p->column;
}

enum ks_heard ks_sip_byte(struct ks_scanner *p, __u8 byte, bool stream)
{
	enum ks_heard heard;
	bool begins = ks_sip_is_between(p), in_body = p->phase >= SIP_BODY;

	if (p->phase == KS_SCANNER_SKIP)
		return KS_HEARD_OVER;
	if (stream && is_empty_line(p, byte))
		return KS_HEARD_NOTHING;
	p->word = p->word << 8 | ks_upper(byte);
	if (p->column < KS_SCANNER_LINE_MAX)
		p->column++;
	heard = sip_phase_step(p, byte, stream);
	if (stream && in_body)
		BODY_LEFT(p)--;
	if (byte == '\n' && p->phase != KS_SCANNER_SKIP)
		line_end(p, stream);
	if (!stream)
		return heard;
	if (begins)
		return KS_HEARD_MARK;
	return p->phase >= SIP_BODY && p->phase != KS_SCANNER_SKIP && !BODY_LEFT(p) ? message_over(p, heard) : heard;
}

enum ks_heard ks_sip_end(struct ks_scanner *p)
{
	return p->phase != KS_SCANNER_SKIP && stream_end(p) ? KS_HEARD_ANNOUNCED : KS_HEARD_NOTHING;
}
