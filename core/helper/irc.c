// SPDX-License-Identifier: BSD-2-Clause
/*
 * IRC (RFC 1459): offers of direct connections, as clients have made them since
 * 1990 (DCC): "PRIVMSG nick :\001DCC SEND name 167772165 1025 size\001", or
 * CHAT. They count in what the client says only, at the start of a line.
 * The first line must be one with which clients register: what a browser can be
 * made to send to this port ends the helper at once, because anybody may come to
 * what is offered here.
 */
#include "core/helper/scanner.h"

enum phase {
	LINE = 0, /* PRIV */
	COMMAND, /* MSG and a space */
	TARGET, /* up to the colon */
	REQUEST, /* \001DCC SEND and a space, or CHAT */
	NAME, /* of a file, perhaps in quotes */
	QUOTED,
	BEHIND, /* the spaces behind a name */
	ADDRESS,
	PORT,
};

#define WORD_BYTES 4
#define REQUEST_DCC 5 /* bytes of "\001DCC " */
#define REQUEST_KIND 9 /* and of "SEND" */
#define CTCP 1
#define ADDRESS_MAX 0xffffffffU
#define PORT_MAX 65535U
#define PORT_DIGITS 5
#define LF '\n'
#define CR '\r'

static enum ks_heard skip(struct ks_scanner *p)
{
	p->phase = KS_SCANNER_SKIP;
	return KS_HEARD_UNMARK;
}

/* The commands with which clients begin: RFC 1459 4.1, 2812 3.1, and IRCv3. */
static bool registers(__u32 word)
{
	switch (word) {
	case KS_WORD('C', 'A', 'P', ' '):
	case KS_WORD('P', 'A', 'S', 'S'):
	case KS_WORD('N', 'I', 'C', 'K'):
	case KS_WORD('U', 'S', 'E', 'R'):
	case KS_WORD('A', 'U', 'T', 'H'): /* AUTHENTICATE */
	case KS_WORD('W', 'E', 'B', 'I'): /* WEBIRC */
	case KS_WORD('P', 'R', 'O', 'T'): /* PROTOCTL */
	case KS_WORD('S', 'T', 'A', 'R'): /* STARTTLS */
	case KS_WORD('P', 'I', 'N', 'G'):
	case KS_WORD('P', 'O', 'N', 'G'):
	case KS_WORD('Q', 'U', 'I', 'T'):
		return true;
	default:
		return false;
	}
}

/* "PRIVMSG ", byte by byte. ks_scanner.code is 1 when the client has registered. */
static enum ks_heard command(struct ks_scanner *p)
{
	if (p->column < 2 * WORD_BYTES && p->column != WORD_BYTES)
		return KS_HEARD_NOTHING;
	if (!p->code && !registers(p->word))
		return KS_HEARD_OVER;
	p->code = 1;
	if (p->phase == LINE) {
		p->phase = p->word == KS_WORD('P', 'R', 'I', 'V') ? COMMAND : KS_SCANNER_SKIP;
		return KS_HEARD_NOTHING;
	}
	p->phase = p->word == KS_WORD('M', 'S', 'G', ' ') ? TARGET : KS_SCANNER_SKIP;
	return KS_HEARD_NOTHING;
}

/* "\001DCC SEND ", byte by byte; p->field counts them. */
static enum ks_heard request(struct ks_scanner *p, __u8 byte)
{
	p->field++;
	if (p->field == 1 && byte != CTCP)
		return skip(p);
	if (p->field == REQUEST_DCC && p->word != KS_WORD('D', 'C', 'C', ' '))
		return skip(p);
	if (p->field == REQUEST_KIND && p->word != KS_WORD('S', 'E', 'N', 'D') &&
	    p->word != KS_WORD('C', 'H', 'A', 'T'))
		return skip(p);
	if (p->field <= REQUEST_KIND)
		return KS_HEARD_NOTHING;
	if (byte != ' ')
		return skip(p);
	p->phase = NAME;
	p->field = 0;
	return KS_HEARD_NOTHING;
}

static enum ks_heard name(struct ks_scanner *p, __u8 byte)
{
	if (byte == ' ')
		p->phase = p->field ? BEHIND : NAME;
	else if (byte == '"' && !p->field)
		p->phase = QUOTED;
	p->field = p->field || byte != ' ';
	return KS_HEARD_NOTHING;
}

static enum ks_heard address_begin(struct ks_scanner *p, __u8 byte)
{
	if (byte == ' ')
		return KS_HEARD_NOTHING;
	ks_scanner_number_clear(p);
	p->phase = ADDRESS;
	return ks_scanner_digit(p, byte, ADDRESS_MAX) ? KS_HEARD_MARK : skip(p);
}

static enum ks_heard address(struct ks_scanner *p, __u8 byte)
{
	if (byte != ' ')
		return ks_scanner_digit(p, byte, ADDRESS_MAX) ? KS_HEARD_NOTHING : skip(p);
	p->addr.w[3] = ks_be32(p->value);
	p->value = 0;
	p->digits = 0;
	p->phase = PORT;
	return KS_HEARD_NOTHING;
}

static enum ks_heard port(struct ks_scanner *p, __u8 byte)
{
	if (byte != ' ' && byte != CTCP && byte != CR && byte != LF)
		return p->digits < PORT_DIGITS && ks_scanner_digit(p, byte, PORT_MAX) ? KS_HEARD_NOTHING : skip(p);
	if (!p->digits)
		return skip(p);
	p->port = (__u16)p->value;
	p->form = KS_FORM_DCC;
	p->phase = KS_SCANNER_SKIP;
	return KS_HEARD_ANNOUNCED;
}

static enum ks_heard phase_step(struct ks_scanner *p, __u8 byte)
{
	switch (p->phase) {
	case LINE:
	case COMMAND:
		return command(p);
	case TARGET:
		if (byte == ':') {
			p->phase = REQUEST;
			p->field = 0;
		}
		return KS_HEARD_NOTHING;
	case REQUEST:
		return request(p, byte);
	case NAME:
		return name(p, byte);
	case QUOTED:
		p->phase = byte == '"' ? BEHIND : QUOTED;
		return KS_HEARD_NOTHING;
	case BEHIND:
		return address_begin(p, byte);
	case ADDRESS:
		return address(p, byte);
	case PORT:
		return port(p, byte);
	default:
		return KS_HEARD_NOTHING;
	}
}

enum ks_heard ks_irc_byte(struct ks_scanner *p, __u8 byte)
{
	bool in_argument = p->phase >= ADDRESS && p->phase != KS_SCANNER_SKIP;
	enum ks_heard heard;

	p->word = p->word << 8 | ks_upper(byte);
	if (p->column < KS_SCANNER_LINE_MAX)
		p->column++;
	else
		p->phase = KS_SCANNER_SKIP;
	heard = phase_step(p, byte);
	/* A header of HTTP ("Host:"), whatever its method was called. */
	if (p->column == WORD_BYTES + 1 && byte == ':')
		return KS_HEARD_OVER;
	if (p->column == KS_SCANNER_LINE_MAX && in_argument)
		heard = skip(p);
	if (byte != LF)
		return heard;
	p->phase = LINE;
	p->column = 0;
	return heard == KS_HEARD_NOTHING && in_argument ? KS_HEARD_UNMARK : heard;
}
