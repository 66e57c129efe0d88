// SPDX-License-Identifier: BSD-2-Clause
/*
 * FTP control connections (RFC 959, RFC 2428). Announcements are the client's
 * PORT and EPRT and the server's replies 227 and 229. A command counts at the
 * start of a line of the client only, a reply at the start of a line of the server
 * that is no inner line of a multi-line reply. The first line of a client must be
 * one that a login begins with: what a browser can be made to send to this port (an
 * HTTP request with commands in its body, "NAT slipstreaming") ends the helper at
 * once, and so does a header line.
 */
#include "core/helper/scanner.h"

enum ftp_phase {
	FTP_LINE = 0, /* the first bytes of a line */
	FTP_ARGUMENT, /* PORT, EPRT: spaces, then the argument */
	FTP_NUMBERS, /* six of them */
	FTP_NUMBERS_END, /* not used; phases are in the table, so their numbers stay */
	FTP_FAMILY, /* EPRT: |1 or |2 */
	FTP_ADDRESS,
	FTP_PORT,
	FTP_EXTENDED_END, /* EPRT: the line must end */
	FTP_TEXT, /* 227: any text, then the numbers */
	FTP_OPENING, /* 229: any text, then ( */
	FTP_DELIMITERS, /* ||| */
	FTP_REPLY_PORT,
};

#define NUMBERS_COUNT 6
#define NUMBER_MAX 255U

#define REPLY(a, b, c) KS_WORD(a, b, c, ' ')

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
	return byte == ' ' || ks_ends_line(byte);
}

/* The byte behind the first four of a client's line. */
static enum ks_heard ftp_command(struct ks_scanner *p, __u8 byte, bool begun)
{
	p->phase = KS_SCANNER_SKIP;
	/* A header of HTTP ("Host:"): the method before it may have been any word. */
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
		p->phase = byte == ' ' ? FTP_ARGUMENT : KS_SCANNER_SKIP;
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
static enum ks_heard ftp_reply(struct ks_scanner *p)
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
	case REPLY('2', '3', '4'): /* the rest is encrypted (RFC 4217) */
		return KS_HEARD_OVER;
	case REPLY('2', '2', '7'):
		p->form = KS_FORM_NUMBERS;
		p->phase = FTP_TEXT;
		return KS_HEARD_NOTHING;
	case REPLY('2', '2', '9'):
		p->form = KS_FORM_PORT;
		p->phase = FTP_OPENING;
		return KS_HEARD_NOTHING;
	default:
		return KS_HEARD_NOTHING;
	}
}

/* Starts parsing the list of numbers at this byte. */
static enum ks_heard numbers_begin(struct ks_scanner *p, __u8 byte)
{
	ks_scanner_number_clear(p);
	p->phase = FTP_NUMBERS;
	return ks_scanner_digit(p, byte, NUMBER_MAX) ? KS_HEARD_MARK : ks_scanner_skip(p);
}

static void number_store(struct ks_scanner *p)
{
	if (p->field < 4)
		p->addr.b[IPV4_FIRST_BYTE + (p->field & 3)] = (__u8)p->value;
	else
		p->port = (__u16)(p->port << 8 | p->value);
	p->field++;
	p->value = 0;
	p->digits = 0;
}

/* Returns true if the byte may follow the last number: in a command the end of its line, in a reply what is no part of a list. */
static inline bool ends_numbers(__u8 byte, bool client)
{
	__u8 up = ks_upper(byte);

	if (client)
		return ks_ends_line(byte);
	return byte != ',' && !(up >= 'A' && up <= 'Z');
}

/* Inside six numbers. */
static enum ks_heard ftp_numbers(struct ks_scanner *p, __u8 byte, bool client)
{
	if (ks_is_digit(byte))
		return p->digits < 3 && ks_scanner_digit(p, byte, NUMBER_MAX) ? KS_HEARD_NOTHING : ks_scanner_skip(p);
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
		return ks_scanner_skip(p);
	p->phase = FTP_TEXT; /* a number of the text */
	return KS_HEARD_UNMARK;
}

/* EPRT: a delimiter that cannot be part of what it delimits. */
static enum ks_heard extended_begin(struct ks_scanner *p, __u8 byte)
{
	__u8 up = ks_upper(byte);

	if (byte <= ' ' || byte > '~' || ks_is_digit(byte) || (up >= 'A' && up <= 'Z') || byte == ':' || byte == '.')
		return ks_scanner_skip(p);
	ks_scanner_number_clear(p);
	p->delimiter = byte;
	p->phase = FTP_FAMILY;
	return KS_HEARD_MARK;
}

static enum ks_heard ftp_family(struct ks_scanner *p, __u8 byte)
{
	if (byte != p->delimiter)
		return ks_scanner_digit(p, byte, 2) ? KS_HEARD_NOTHING : ks_scanner_skip(p);
	if (p->value == 0 || p->digits != 1)
		return ks_scanner_skip(p);
	/* The code is only used for a server's replies; in an EPRT it holds the family. */
	p->code = p->value == 1 ? KS_IPV4 : KS_IPV6;
	p->value = 0;
	p->digits = 0;
	p->phase = FTP_ADDRESS;
	return KS_HEARD_NOTHING;
}

static enum ks_heard ftp_address(struct ks_scanner *p, __u8 byte)
{
	bool ipv4 = p->code == KS_IPV4, good;

	if (byte == p->delimiter) {
		good = ipv4 ? ks_scanner_ipv4_end(p) : ks_scanner_ipv6_end(p);
		p->phase = FTP_PORT;
		p->value = 0;
		p->digits = 0;
	} else {
		good = ipv4 ? ks_scanner_ipv4(p, byte) : ks_scanner_ipv6(p, byte);
	}
	return good ? KS_HEARD_NOTHING : ks_scanner_skip(p);
}

/* The port and the delimiter behind it. */
static enum ks_heard ftp_port(struct ks_scanner *p, __u8 byte)
{
	if (byte != p->delimiter)
		return p->digits < KS_PORT_DIGITS && ks_scanner_digit(p, byte, KS_PORT_MAX) ? KS_HEARD_NOTHING
											    : ks_scanner_skip(p);
	if (!p->digits)
		return ks_scanner_skip(p);
	p->port = (__u16)p->value;
	if (p->phase == FTP_REPLY_PORT) {
		p->phase = KS_SCANNER_SKIP;
		return KS_HEARD_ANNOUNCED;
	}
	p->phase = FTP_EXTENDED_END;
	return KS_HEARD_NOTHING;
}

static enum ks_heard ftp_delimiters(struct ks_scanner *p, __u8 byte)
{
	if (p->field == 0)
		p->delimiter = byte;
	if (p->field < 3) {
		p->field++;
		return byte == p->delimiter && byte > ' ' && byte <= '~' && !ks_is_digit(byte) ? KS_HEARD_NOTHING
											       : ks_scanner_skip(p);
	}
	p->phase = FTP_REPLY_PORT;
	return ks_scanner_digit(p, byte, KS_PORT_MAX) ? KS_HEARD_MARK : ks_scanner_skip(p);
}

static enum ks_heard ftp_line_begin(struct ks_scanner *p, __u8 byte, bool client, bool begun)
{
	if (p->column > KS_WORD_BYTES)
		return ftp_command(p, byte, begun);
	p->word = p->word << 8 | ks_upper(byte);
	return !client && p->column == KS_WORD_BYTES ? ftp_reply(p) : KS_HEARD_NOTHING;
}

static enum ks_heard ftp_phase_step(struct ks_scanner *p, __u8 byte, bool client, bool begun)
{
	switch (p->phase) {
	case FTP_LINE:
		return ftp_line_begin(p, byte, client, begun);
	case FTP_ARGUMENT:
		if (byte == ' ')
			return KS_HEARD_NOTHING;
		return p->form == KS_FORM_NUMBERS ? numbers_begin(p, byte) : extended_begin(p, byte);
	case FTP_NUMBERS:
		return ftp_numbers(p, byte, client);
	case FTP_FAMILY:
		return ftp_family(p, byte);
	case FTP_ADDRESS:
		return ftp_address(p, byte);
	case FTP_PORT:
	case FTP_REPLY_PORT:
		return ftp_port(p, byte);
	case FTP_EXTENDED_END:
		p->phase = KS_SCANNER_SKIP;
		return ks_ends_line(byte) ? KS_HEARD_ANNOUNCED : KS_HEARD_UNMARK;
	case FTP_TEXT:
		return ks_is_digit(byte) ? numbers_begin(p, byte) : KS_HEARD_NOTHING;
	case FTP_OPENING:
		if (byte != '(')
			return KS_HEARD_NOTHING;
		ks_scanner_number_clear(p);
		p->phase = FTP_DELIMITERS;
		return KS_HEARD_NOTHING;
	case FTP_DELIMITERS:
		return ftp_delimiters(p, byte);
	default:
		return KS_HEARD_NOTHING;
	}
}

enum ks_heard ks_ftp_byte(struct ks_scanner *p, __u8 byte, bool client, bool begun)
{
	enum ks_heard heard;
	bool in_argument = p->phase != FTP_LINE && p->phase != KS_SCANNER_SKIP;

	if (p->column < KS_SCANNER_LINE_MAX)
		p->column++;
	else if (in_argument)
		return ks_scanner_skip(p);
	if (p->phase == FTP_LINE && byte == '\n' && p->column <= KS_WORD_BYTES)
		heard = KS_HEARD_NOTHING; /* the line is too short for any verb */
	else
		heard = ftp_phase_step(p, byte, client, begun);
	if (byte != '\n')
		return heard;
	p->phase = FTP_LINE;
	p->column = 0;
	p->word = 0;
	/* An announcement ends with its line. */
	return heard == KS_HEARD_NOTHING && in_argument ? KS_HEARD_UNMARK : heard;
}
