// SPDX-License-Identifier: BSD-2-Clause
/*
 * SIP over UDP (RFC 3261): the media streams that the body of a message
 * announces (SDP, RFC 4566). Only messages that may carry an offer or an answer
 * count (INVITE, ACK, PRACK, UPDATE, and responses), and only streams at the
 * speaker's own address. The c= line of a stream overrides that of the session.
 */
#include "core/helper/scanner.h"

enum sip_phase {
	SIP_FIRST = 0, /* the first line */
	SIP_HEADER, /* a line of the header */
	SIP_HEADER_LINE, /* the rest of one */
	SIP_BODY, /* a line of the body: its first bytes */
	SIP_BODY_LINE, /* the rest of one that does not matter */
	SIP_ADDRESS4,
	SIP_ADDRESS6,
	SIP_ADDRESS_END, /* up to the end of the line */
	SIP_MEDIA, /* m=audio: up to the space */
	SIP_PORT,
	SIP_PROFILE, /* RTP/ ... */
};

#define MEDIA_LINE 2 /* bytes of "m=" */
#define ADDRESS_LINE 9 /* bytes of "c=IN IP4 " */

/* ks_scanner.delimiter, as flags: whose addresses were named */
#define SESSION_OWN 0x01
#define STREAM_OWN 0x02
#define STREAM_OTHER 0x04
#define IN_STREAM 0x08 /* behind an m= line */
#define STREAM_GOOD 0x10 /* whose port and profile count */

/* An m= line or the end of the message completes a stream. Returns true if it counts. */
static bool stream_end(struct ks_scanner *p)
{
	__u8 had = p->delimiter;
	bool own = had & STREAM_OWN || (had & SESSION_OWN && !(had & STREAM_OTHER));

	p->delimiter &= SESSION_OWN;
	p->form = KS_FORM_SDP;
	p->port = p->code; /* read from the m= line */
	return own && (had & (IN_STREAM | STREAM_GOOD)) == (IN_STREAM | STREAM_GOOD);
}

static bool first_word_counts(__u32 word)
{
	return word == KS_WORD('S', 'I', 'P', '/') || word == KS_WORD('I', 'N', 'V', 'I') ||
	       word == KS_WORD('A', 'C', 'K', ' ') || word == KS_WORD('P', 'R', 'A', 'C') ||
	       word == KS_WORD('U', 'P', 'D', 'A');
}

static enum ks_heard sip_body_line(struct ks_scanner *p)
{
	if (p->column == MEDIA_LINE && (p->word & KS_WORD_LOW) == ('M' << 8 | '=')) {
		p->phase = SIP_MEDIA;
		return stream_end(p) ? KS_HEARD_ANNOUNCED : KS_HEARD_NOTHING;
	}
	if (p->column == MEDIA_LINE && (p->word & KS_WORD_LOW) != ('C' << 8 | '='))
		p->phase = SIP_BODY_LINE;
	if (p->column == KS_WORD_BYTES && p->word != KS_WORD('C', '=', 'I', 'N'))
		p->phase = SIP_BODY_LINE;
	if (p->column != ADDRESS_LINE)
		return KS_HEARD_NOTHING;
	ks_scanner_number_clear(p);
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
	if (p->delimiter & IN_STREAM)
		p->delimiter =
			(__u8)((p->delimiter & ~(STREAM_OWN | STREAM_OTHER)) | (own ? STREAM_OWN : STREAM_OTHER));
	else
		p->delimiter = own ? SESSION_OWN : 0;
}

static enum ks_heard sip_media(struct ks_scanner *p, __u8 byte)
{
	if (byte != ' ')
		return KS_HEARD_NOTHING;
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

/* Only streams over RTP count: "RTP/AVP" and its relatives; "UDP/TLS/RTP/SAVPF" as well. */
static enum ks_heard sip_profile(struct ks_scanner *p)
{
	if (++p->field < KS_WORD_BYTES)
		return KS_HEARD_NOTHING;
	if (p->word == KS_WORD('R', 'T', 'P', '/') || p->word == KS_WORD('U', 'D', 'P', '/'))
		p->delimiter |= IN_STREAM | STREAM_GOOD;
	p->phase = SIP_BODY_LINE;
	return KS_HEARD_NOTHING;
}

static enum ks_heard sip_phase_step(struct ks_scanner *p, __u8 byte)
{
	switch (p->phase) {
	case SIP_FIRST:
		if (p->column == KS_WORD_BYTES)
			p->phase = first_word_counts(p->word) ? SIP_HEADER_LINE : KS_SCANNER_SKIP;
		return KS_HEARD_NOTHING;
	case SIP_HEADER:
		if (!ks_ends_line(byte))
			p->phase = SIP_HEADER_LINE;
		return KS_HEARD_NOTHING;
	case SIP_BODY:
		return sip_body_line(p);
	case SIP_ADDRESS4:
	case SIP_ADDRESS6:
		return sip_address(p, byte);
	case SIP_MEDIA:
		p->delimiter |= IN_STREAM;
		return sip_media(p, byte);
	case SIP_PORT:
		return sip_port(p, byte);
	case SIP_PROFILE:
		return sip_profile(p);
	default:
		return KS_HEARD_NOTHING;
	}
}

enum ks_heard ks_sip_byte(struct ks_scanner *p, __u8 byte)
{
	enum ks_heard heard;

	if (p->phase == KS_SCANNER_SKIP)
		return KS_HEARD_OVER;
	p->word = p->word << 8 | ks_upper(byte);
	if (p->column < KS_SCANNER_LINE_MAX)
		p->column++;
	heard = sip_phase_step(p, byte);
	if (byte != '\n' || p->phase == KS_SCANNER_SKIP)
		return heard;
	if (p->phase == SIP_FIRST) /* shorter than any first line that counts */
		p->phase = KS_SCANNER_SKIP;
	else /* an empty line ends the header */
		p->phase = p->phase == SIP_HEADER_LINE ? SIP_HEADER : SIP_BODY;
	p->column = 0;
	return heard;
}

enum ks_heard ks_sip_end(struct ks_scanner *p)
{
	return p->phase != KS_SCANNER_SKIP && stream_end(p) ? KS_HEARD_ANNOUNCED : KS_HEARD_NOTHING;
}
