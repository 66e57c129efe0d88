// SPDX-License-Identifier: BSD-2-Clause
/*
 * FTP control connections (RFC 959, RFC 2428): the client's PORT and EPRT, the
 * server's replies 227 and 229. A command counts at the start of a line of the
 * client only, a reply at the start of a line of the server that is no inner
 * line of a multi-line reply. The first line of a client must be one that a
 * login begins with: what a browser can be made to send to this port (an HTTP request
 * with commands in its body, "NAT slipstreaming") ends the helper at once, as does a header line.
 */
#include "core/helper/scanner.h"

enum phase {
	LINE = 0, /* the first bytes of a line */
	ARGUMENT, /* PORT, EPRT: spaces, then the argument */
	NUMBERS, /* six of them */
	NUMBERS_END, /* PORT: the line must end */
	FAMILY, /* EPRT: |1 or |2 */
	ADDRESS,
	PORT,
	EXTENDED_END, /* EPRT: the line must end */
	TEXT, /* 227: any text, then the numbers */
	OPENING, /* 229: any text, then ( */
	DELIMITERS, /* ||| */
	REPLY_PORT,
};

#define WORD_BYTES 4
#define NUMBERS_COUNT 6
#define NUMBER_MAX 255U
#define PORT_MAX 65535U
#define IPV4_OFF 12U
#define LF '\n'
#define CR '\r'

#define REPLY(a, b, c) KS_WORD(a, b, c, ' ')

/* Back to the text of a line that counts no more. */
static enum ks_heard skip(struct ks_scanner *p)
{
	p->phase = KS_SCANNER_SKIP;
	return KS_HEARD_UNMARK;
}

/* The verbs with which clients begin: RFC 959, 2389, 2228, 7151, 2640; CLNT is in wide use. */
static bool begins_login(__u32 word)
{
	switch (word) {
	case KS_WORD('U', 'S', 'E', 'R'):
	case KS_WORD('A', 'U', 'T', 'H'):
	case KS_WORD('H', 'O', 'S', 'T'):
	case KS_WORD('F', 'E', 'A', 'T'):
	case KS_WORD('O', 'P', 'T', 'S'):
	case KS_WORD('S', 'Y', 'S', 'T'):
	case KS_WORD('C', 'L', 'N', 'T'):
	case KS_WORD('L', 'A', 'N', 'G'):
	case KS_WORD('H', 'E', 'L', 'P'):
	case KS_WORD('N', 'O', 'O', 'P'):
	case KS_WORD('Q', 'U', 'I', 'T'):
		return true;
	default:
		return false;
	}
}

static inline bool ends_word(__u8 byte)
{
	return byte == ' ' || byte == CR || byte == LF;
}

/* The byte behind the first four of a client's line. */
static enum ks_heard command(struct ks_scanner *p, __u8 byte, bool begun)
{
	p->phase = KS_SCANNER_SKIP;
	/* A header of HTTP ("Host:"), whatever its method was called. */
	if (byte == ':')
		return KS_HEARD_OVER;
	if (!begun)
		return ends_word(byte) && begins_login(p->word) ? KS_HEARD_GREETED : KS_HEARD_OVER;
	if (!ends_word(byte))
		return KS_HEARD_NOTHING;
	switch (p->word) {
	case KS_WORD('P', 'O', 'R', 'T'):
	case KS_WORD('E', 'P', 'R', 'T'):
		p->form = p->word == KS_WORD('P', 'O', 'R', 'T') ? KS_FORM_NUMBERS : KS_FORM_EXTENDED;
		p->phase = byte == ' ' ? ARGUMENT : KS_SCANNER_SKIP;
		return KS_HEARD_NOTHING;
	case KS_WORD('P', 'A', 'S', 'V'):
	case KS_WORD('E', 'P', 'S', 'V'):
		return KS_HEARD_ASKED;
	default:
		return KS_HEARD_NOTHING;
	}
}

static inline bool is_code(__u32 word)
{
	return ks_is_digit((__u8)(word >> 24)) && ks_is_digit((__u8)(word >> 16)) && ks_is_digit((__u8)(word >> 8));
}

/* Three digits as one number that is not 0. */
static inline __u16 code_of(__u32 word)
{
	return (__u16)(1U << 12 | ((word >> 24) & 15) << 8 | ((word >> 16) & 15) << 4 | ((word >> 8) & 15));
}

/* The first four bytes of a server's line. */
static enum ks_heard reply(struct ks_scanner *p)
{
	__u8 mark = (__u8)p->word;

	p->phase = KS_SCANNER_SKIP;
	if (!is_code(p->word))
		return KS_HEARD_NOTHING;
	if (p->code && (mark == '-' || code_of(p->word) != p->code))
		return KS_HEARD_NOTHING;
	if (mark == '-') {
		p->code = code_of(p->word);
		return KS_HEARD_NOTHING;
	}
	if (mark != ' ')
		return KS_HEARD_NOTHING;
	p->code = 0;
	switch (p->word) {
	case REPLY('2', '2', '0'):
		return KS_HEARD_GREETED;
	case REPLY('2', '3', '4'): /* what follows is encrypted (RFC 4217) */
		return KS_HEARD_OVER;
	case REPLY('2', '2', '7'):
		p->form = KS_FORM_NUMBERS;
		p->phase = TEXT;
		return KS_HEARD_NOTHING;
	case REPLY('2', '2', '9'):
		p->form = KS_FORM_PORT;
		p->phase = OPENING;
		return KS_HEARD_NOTHING;
	default:
		return KS_HEARD_NOTHING;
	}
}

/* Begins the numbers with this byte. */
static enum ks_heard numbers_begin(struct ks_scanner *p, __u8 byte)
{
	ks_scanner_number_clear(p);
	p->phase = NUMBERS;
	return ks_scanner_digit(p, byte, NUMBER_MAX) ? KS_HEARD_MARK : skip(p);
}

static void number_store(struct ks_scanner *p)
{
	if (p->field < 4)
		p->addr.b[IPV4_OFF + (p->field & 3)] = (__u8)p->value;
	else
		p->port = (__u16)(p->port << 8 | p->value);
	p->field++;
	p->value = 0;
	p->digits = 0;
}

/* What may stand behind the last number: of a command the end of its line, of a reply what is no part of a list. */
static inline bool ends_numbers(__u8 byte, bool client)
{
	__u8 up = ks_upper(byte);

	if (client)
		return byte == CR || byte == LF;
	return byte != ',' && !(up >= 'A' && up <= 'Z');
}

/* Inside six numbers. */
static enum ks_heard numbers(struct ks_scanner *p, __u8 byte, bool client)
{
	if (ks_is_digit(byte))
		return p->digits < 3 && ks_scanner_digit(p, byte, NUMBER_MAX) ? KS_HEARD_NOTHING : skip(p);
	if (p->digits && byte == ',' && p->field < NUMBERS_COUNT - 1) {
		number_store(p);
		return KS_HEARD_NOTHING;
	}
	if (p->digits && p->field == NUMBERS_COUNT - 1 && ends_numbers(byte, client)) {
		number_store(p);
		p->phase = KS_SCANNER_SKIP;
		return KS_HEARD_ANNOUNCED;
	}
	if (client || p->field == NUMBERS_COUNT - 1)
		return skip(p);
	p->phase = TEXT; /* a number of the text */
	return KS_HEARD_UNMARK;
}

/* EPRT: a delimiter that cannot be part of what it delimits. */
static enum ks_heard extended_begin(struct ks_scanner *p, __u8 byte)
{
	__u8 up = ks_upper(byte);

	if (byte <= ' ' || byte > '~' || ks_is_digit(byte) || (up >= 'A' && up <= 'Z') || byte == ':' || byte == '.')
		return skip(p);
	ks_scanner_number_clear(p);
	p->delimiter = byte;
	p->phase = FAMILY;
	return KS_HEARD_MARK;
}

static enum ks_heard family(struct ks_scanner *p, __u8 byte)
{
	if (byte != p->delimiter)
		return ks_scanner_digit(p, byte, 2) ? KS_HEARD_NOTHING : skip(p);
	if (p->value == 0 || p->digits != 1)
		return skip(p);
	/* The code is a server's; here it says which family. */
	p->code = p->value == 1 ? KS_IPV4 : KS_IPV6;
	p->value = 0;
	p->digits = 0;
	p->phase = ADDRESS;
	return KS_HEARD_NOTHING;
}

static enum ks_heard address(struct ks_scanner *p, __u8 byte)
{
	bool ipv4 = p->code == KS_IPV4, good;

	if (byte == p->delimiter) {
		good = ipv4 ? ks_scanner_ipv4_end(p) : ks_scanner_ipv6_end(p);
		p->phase = PORT;
		p->value = 0;
		p->digits = 0;
	} else {
		good = ipv4 ? ks_scanner_ipv4(p, byte) : ks_scanner_ipv6(p, byte);
	}
	return good ? KS_HEARD_NOTHING : skip(p);
}

/* The port and the delimiter behind it. */
static enum ks_heard port(struct ks_scanner *p, __u8 byte)
{
	if (byte != p->delimiter)
		return p->digits < 5 && ks_scanner_digit(p, byte, PORT_MAX) ? KS_HEARD_NOTHING : skip(p);
	if (!p->digits)
		return skip(p);
	p->port = (__u16)p->value;
	if (p->phase == REPLY_PORT) {
		p->phase = KS_SCANNER_SKIP;
		return KS_HEARD_ANNOUNCED;
	}
	p->phase = EXTENDED_END;
	return KS_HEARD_NOTHING;
}

static enum ks_heard delimiters(struct ks_scanner *p, __u8 byte)
{
	if (p->field == 0)
		p->delimiter = byte;
	if (p->field < 3) {
		p->field++;
		return byte == p->delimiter && byte > ' ' && byte <= '~' && !ks_is_digit(byte) ? KS_HEARD_NOTHING
											       : skip(p);
	}
	p->phase = REPLY_PORT;
	return ks_scanner_digit(p, byte, PORT_MAX) ? KS_HEARD_MARK : skip(p);
}

static enum ks_heard line_begin(struct ks_scanner *p, __u8 byte, bool client, bool begun)
{
	if (p->column > WORD_BYTES)
		return command(p, byte, begun);
	p->word = p->word << 8 | ks_upper(byte);
	return !client && p->column == WORD_BYTES ? reply(p) : KS_HEARD_NOTHING;
}

static enum ks_heard phase_step(struct ks_scanner *p, __u8 byte, bool client, bool begun)
{
	switch (p->phase) {
	case LINE:
		return line_begin(p, byte, client, begun);
	case ARGUMENT:
		if (byte == ' ')
			return KS_HEARD_NOTHING;
		return p->form == KS_FORM_NUMBERS ? numbers_begin(p, byte) : extended_begin(p, byte);
	case NUMBERS:
		return numbers(p, byte, client);
	case FAMILY:
		return family(p, byte);
	case ADDRESS:
		return address(p, byte);
	case PORT:
	case REPLY_PORT:
		return port(p, byte);
	case EXTENDED_END:
		p->phase = KS_SCANNER_SKIP;
		return byte == CR || byte == LF ? KS_HEARD_ANNOUNCED : KS_HEARD_UNMARK;
	case TEXT:
		return ks_is_digit(byte) ? numbers_begin(p, byte) : KS_HEARD_NOTHING;
	case OPENING:
		if (byte != '(')
			return KS_HEARD_NOTHING;
		ks_scanner_number_clear(p);
		p->phase = DELIMITERS;
		return KS_HEARD_NOTHING;
	case DELIMITERS:
		return delimiters(p, byte);
	default:
		return KS_HEARD_NOTHING;
	}
}

/* `begun`: the client has begun a login. */
enum ks_heard ks_ftp_byte(struct ks_scanner *p, __u8 byte, bool client, bool begun)
{
	enum ks_heard heard;
	bool in_argument = p->phase != LINE && p->phase != KS_SCANNER_SKIP;

	if (p->column < KS_SCANNER_LINE_MAX)
		p->column++;
	else if (in_argument)
		return skip(p);
	if (p->phase == LINE && byte == LF && p->column <= WORD_BYTES)
		heard = KS_HEARD_NOTHING; /* a line too short for any verb that counts */
	else
		heard = phase_step(p, byte, client, begun);
	if (byte != LF)
		return heard;
	p->phase = LINE;
	p->column = 0;
	p->word = 0;
	/* What was not complete at the end of its line never will be. */
	return heard == KS_HEARD_NOTHING && in_argument ? KS_HEARD_UNMARK : heard;
}
