// SPDX-License-Identifier: BSD-2-Clause
/*
 * RTSP (RFC 2326): the ports of the Transport header. A client asks for a stream
 * with "client_port=4588-4589", and the server agrees with the same and
 * "server_port=6256-6257": RTP and its control. Each side announces its own ports,
 * and the server names the client's again.
 *
 * Messages end by Content-Length. Between them, and behind a "$", there may be
 * packets of media in the connection itself (10.12), which announce nothing.
 */
#include "core/helper/scanner.h"

enum rtsp_phase {
	RTSP_FIRST = 0, /* the first line, or what is none */
	RTSP_HEADER, /* a line of the header */
	RTSP_NAME, /* the name of one */
	RTSP_LENGTH, /* the value of Content-Length */
	RTSP_TRANSPORT, /* that of Transport */
	RTSP_PORT, /* a port in it */
	RTSP_LAST_PORT, /* the second one, behind the hyphen */
	RTSP_LINE, /* the rest of another line */
	RTSP_BODY,
	RTSP_FRAME, /* "$", a channel and a length */
	RTSP_MEDIA, /* the packet behind */
};

#define FRAME_HEAD 4 /* bytes of "$", the channel and the length */
#define TRANSPORT_NAME 10 /* bytes of "Transport:" */
#define LENGTH_NAME 15 /* bytes of "Content-Length:" */

#define LENGTH_MAX 0xffff
#define BYTE_BITS 8

/* Bytes that are left of a body or a packet, in two fields of the scanner that are not needed otherwise. */
static inline __u32 left_get(const struct ks_scanner *p)
{
	return p->field | (__u32)p->colon << BYTE_BITS;
}

static inline void left_set(struct ks_scanner *p, __u32 left)
{
	p->field = (__u8)left;
	p->colon = (__u8)(left >> BYTE_BITS);
}

static enum ks_heard rtsp_first(struct ks_scanner *p, __u8 byte)
{
	if (p->column == 1 && byte == '$') {
		p->phase = RTSP_FRAME;
		return KS_HEARD_NOTHING;
	}
	if (p->column == KS_WORD_BYTES)
		p->digits = p->word == KS_WORD('R', 'T', 'S', 'P');
	if (byte != '\n')
		return KS_HEARD_NOTHING;
	/* A request names the version at its end. */
	if (!p->digits && p->word != KS_WORD('.', '0', '\r', '\n') && p->word != KS_WORD('1', '.', '0', '\n'))
		return KS_HEARD_OVER;
	p->phase = RTSP_HEADER;
	left_set(p, 0);
	return KS_HEARD_NOTHING;
}

static void rtsp_name(struct ks_scanner *p, __u8 byte)
{
	if (byte != ':')
		return;
	p->phase = RTSP_LINE;
	p->value = 0;
	p->digits = 0;
	if (p->column == LENGTH_NAME && p->word == KS_WORD('G', 'T', 'H', ':'))
		p->phase = RTSP_LENGTH;
	else if (p->column == TRANSPORT_NAME && p->word == KS_WORD('O', 'R', 'T', ':'))
		p->phase = RTSP_TRANSPORT;
}

static enum ks_heard rtsp_length(struct ks_scanner *p, __u8 byte)
{
	if (ks_is_digit(byte) && !ks_scanner_digit(p, byte, LENGTH_MAX))
		return KS_HEARD_OVER;
	if (byte == '\n')
		left_set(p, p->value);
	return KS_HEARD_NOTHING;
}

/* "client_port=" or "server_port=": the letter before the hyphen, ks_scanner.delimiter, tells them apart. */
static void rtsp_transport(struct ks_scanner *p, __u8 byte)
{
	if (byte == '_')
		p->delimiter = (__u8)(p->word >> BYTE_BITS);
	if (byte != '=' || p->word != KS_WORD('O', 'R', 'T', '='))
		return;
	p->phase = RTSP_PORT;
	p->value = 0;
	p->digits = 0;
	p->port = 0;
}

/* The ports are complete before this byte. `client`: its stream. */
static enum ks_heard rtsp_ports(struct ks_scanner *p, __u8 byte, bool client)
{
	bool of_client = p->delimiter == 'T';

	p->code = (__u16)p->value;
	if (!p->port)
		p->port = p->code;
	p->form = p->code == p->port ? KS_FORM_PORT : KS_FORM_PORTS;
	p->phase = ks_ends_line(byte) ? RTSP_LINE : RTSP_TRANSPORT;
	p->gap = KS_NAMED_PEER;
	if (of_client == client)
		return KS_HEARD_ANNOUNCED;
	return of_client ? KS_HEARD_NAMED : KS_HEARD_UNMARK;
}

static enum ks_heard rtsp_port(struct ks_scanner *p, __u8 byte, bool client)
{
	bool begins = !p->digits && p->phase == RTSP_PORT;

	if (ks_is_digit(byte)) {
		if (p->digits < KS_PORT_DIGITS && ks_scanner_digit(p, byte, KS_PORT_MAX))
			return begins ? KS_HEARD_MARK : KS_HEARD_NOTHING;
	} else if (p->digits && byte == '-' && p->phase == RTSP_PORT) {
		p->port = (__u16)p->value;
		p->value = 0;
		p->digits = 0;
		p->phase = RTSP_LAST_PORT;
		return KS_HEARD_NOTHING;
	} else if (p->digits && (byte == ';' || byte == ',' || byte == ' ' || ks_ends_line(byte))) {
		return rtsp_ports(p, byte, client);
	}
	p->phase = RTSP_LINE;
	return KS_HEARD_UNMARK;
}

/* "$", a channel, and a length of two bytes. */
static void rtsp_frame(struct ks_scanner *p)
{
	if (p->column < FRAME_HEAD)
		return;
	left_set(p, p->word & KS_WORD_LOW);
	p->phase = left_get(p) ? RTSP_MEDIA : RTSP_FIRST;
	p->column = 0;
}

/* A byte of what announces nothing. */
static void rtsp_left(struct ks_scanner *p)
{
	p->column = 0;
	left_set(p, left_get(p) - 1);
	if (!left_get(p))
		p->phase = RTSP_FIRST;
}

static enum ks_heard rtsp_phase_step(struct ks_scanner *p, __u8 byte, bool client)
{
	switch (p->phase) {
	case RTSP_FIRST:
		return rtsp_first(p, byte);
	case RTSP_HEADER:
		if (!ks_ends_line(byte))
			p->phase = RTSP_NAME;
		return KS_HEARD_NOTHING;
	case RTSP_NAME:
		rtsp_name(p, byte);
		return KS_HEARD_NOTHING;
	case RTSP_LENGTH:
		return rtsp_length(p, byte);
	case RTSP_TRANSPORT:
		rtsp_transport(p, byte);
		return KS_HEARD_NOTHING;
	case RTSP_PORT:
	case RTSP_LAST_PORT:
		return rtsp_port(p, byte, client);
	case RTSP_FRAME:
		rtsp_frame(p);
		return KS_HEARD_NOTHING;
	case RTSP_BODY:
	case RTSP_MEDIA:
		rtsp_left(p);
		return KS_HEARD_NOTHING;
	default:
		return KS_HEARD_NOTHING;
	}
}

enum ks_heard ks_rtsp_byte(struct ks_scanner *p, __u8 byte, bool client)
{
	bool binary = p->phase >= RTSP_BODY, first = p->phase == RTSP_FIRST;
	enum ks_heard heard;

	if (p->phase == KS_SCANNER_SKIP)
		return KS_HEARD_OVER;
	if (first && !p->column && ks_ends_line(byte)) /* an empty line between messages */
		return KS_HEARD_NOTHING;
	p->word = p->word << 8 | ks_upper(byte);
	if (p->phase == RTSP_FRAME)
		p->word = (p->word & ~0xffU) | byte;
	if (p->column < KS_SCANNER_LINE_MAX)
		p->column++;
	heard = rtsp_phase_step(p, byte, client);
	if (byte != '\n' || binary || heard == KS_HEARD_OVER)
		return heard;
	p->column = 0;
	if (first)
		return heard;
	if (p->phase == RTSP_HEADER) /* an empty line ends the header */
		p->phase = left_get(p) ? RTSP_BODY : RTSP_FIRST;
	else
		p->phase = RTSP_HEADER;
	return heard;
}
