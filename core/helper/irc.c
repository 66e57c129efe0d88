// SPDX-License-Identifier: BSD-2-Clause
/*
 * IRC (RFC 1459): offers of direct connections, as clients have made them since
 * 1990 (DCC): "PRIVMSG nick :\001DCC SEND name 167772165 1025 size\001", or
 * CHAT. Only an offer of the client counts, at the start of a line. The first line
 * must be one with which clients register, and what a browser can be made to send
 * to this port ends the helper at once.
 *
 * The offer says to which nick it goes, not to whom. That the server says, of everybody
 * who speaks: ":nick!user@192.0.2.7 PRIVMSG ...". The last few that it named by an
 * address may open what is offered to them; an offer to others is refused.
 */
#include "core/helper/scanner.h"

enum irc_phase {
	IRC_LINE = 0, /* PRIV */
	IRC_COMMAND, /* MSG and a space */
	IRC_TARGET, /* up to the colon */
	IRC_REQUEST, /* \001DCC SEND and a space, or CHAT */
	IRC_NAME, /* of a file, perhaps in quotes */
	IRC_QUOTED,
	IRC_BEHIND, /* the spaces behind a name */
	IRC_ADDRESS,
	IRC_PORT,
};

/* The phases of what the server says. */
enum irc_server_phase {
	SERVER_LINE = 0,
	SERVER_NICK,
	SERVER_USER,
	SERVER_HOST,
};

#define HASH_START 0x811c9dc5U /* FNV-1a */
#define HASH_FACTOR 0x01000193U
#define NICK_HASH(p) ((p)->addr.w[0]) /* of whom the client's offer goes to, up to the address in it */

#define REQUEST_DCC 5 /* bytes of "\001DCC " */
#define REQUEST_KIND 9 /* and of "SEND" */
#define CTCP 1
#define ADDRESS_MAX 0xffffffffU

/* The commands with which clients begin: RFC 1459 4.1, 2812 3.1, and IRCv3. */
static bool begins_registration(__u32 word)
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

/* Nicks are compared without case. */
static inline __u32 nick_hash(__u32 hash, __u8 byte)
{
	return (hash ^ ks_upper(byte)) * HASH_FACTOR;
}

/* "PRIVMSG ", byte by byte. ks_scanner.code is 1 when the client has registered. */
static enum ks_heard irc_command(struct ks_scanner *p)
{
	if (p->column < 2 * KS_WORD_BYTES && p->column != KS_WORD_BYTES)
		return KS_HEARD_NOTHING;
	if (!p->code && !begins_registration(p->word))
		return KS_HEARD_OVER;
	p->code = 1;
	if (p->phase == IRC_LINE) {
		p->phase = p->word == KS_WORD('P', 'R', 'I', 'V') ? IRC_COMMAND : KS_SCANNER_SKIP;
		return KS_HEARD_NOTHING;
	}
	p->phase = p->word == KS_WORD('M', 'S', 'G', ' ') ? IRC_TARGET : KS_SCANNER_SKIP;
	NICK_HASH(p) = HASH_START;
	return KS_HEARD_NOTHING;
}

static enum ks_heard irc_target(struct ks_scanner *p, __u8 byte)
{
	if (byte == ':') {
		p->phase = IRC_REQUEST;
		p->field = 0;
	} else if (byte != ' ') {
		NICK_HASH(p) = nick_hash(NICK_HASH(p), byte);
	}
	return KS_HEARD_NOTHING;
}

/* "\001DCC SEND ", byte by byte; p->field counts them. */
static enum ks_heard irc_request(struct ks_scanner *p, __u8 byte)
{
	p->field++;
	if (p->field == 1 && byte != CTCP)
		return ks_scanner_skip(p);
	if (p->field == REQUEST_DCC && p->word != KS_WORD('D', 'C', 'C', ' '))
		return ks_scanner_skip(p);
	if (p->field == REQUEST_KIND && p->word != KS_WORD('S', 'E', 'N', 'D') &&
	    p->word != KS_WORD('C', 'H', 'A', 'T'))
		return ks_scanner_skip(p);
	if (p->field <= REQUEST_KIND)
		return KS_HEARD_NOTHING;
	if (byte != ' ')
		return ks_scanner_skip(p);
	p->phase = IRC_NAME;
	p->field = 0;
	return KS_HEARD_NOTHING;
}

static enum ks_heard irc_name(struct ks_scanner *p, __u8 byte)
{
	if (byte == ' ')
		p->phase = p->field ? IRC_BEHIND : IRC_NAME;
	else if (byte == '"' && !p->field)
		p->phase = IRC_QUOTED;
	p->field = p->field || byte != ' ';
	return KS_HEARD_NOTHING;
}

static enum ks_heard irc_address_begin(struct ks_scanner *p, __u8 byte)
{
	__u32 nick = NICK_HASH(p);

	if (byte == ' ')
		return KS_HEARD_NOTHING;
	ks_scanner_number_clear(p);
	NICK_HASH(p) = nick;
	p->phase = IRC_ADDRESS;
	return ks_scanner_digit(p, byte, ADDRESS_MAX) ? KS_HEARD_MARK : ks_scanner_skip(p);
}

static enum ks_heard irc_address(struct ks_scanner *p, __u8 byte)
{
	if (byte != ' ')
		return ks_scanner_digit(p, byte, ADDRESS_MAX) ? KS_HEARD_NOTHING : ks_scanner_skip(p);
	p->addr.w[3] = ks_be32(p->value);
	p->value = 0;
	p->digits = 0;
	p->phase = IRC_PORT;
	return KS_HEARD_NOTHING;
}

static enum ks_heard irc_port(struct ks_scanner *p, __u8 byte)
{
	if (byte != ' ' && byte != CTCP && !ks_ends_line(byte))
		return p->digits < KS_PORT_DIGITS && ks_scanner_digit(p, byte, KS_PORT_MAX) ? KS_HEARD_NOTHING
											    : ks_scanner_skip(p);
	if (!p->digits)
		return ks_scanner_skip(p);
	p->port = (__u16)p->value;
	p->form = KS_FORM_DCC;
	p->value = NICK_HASH(p);
	NICK_HASH(p) = 0; /* the address is whole now */
	p->phase = KS_SCANNER_SKIP;
	return KS_HEARD_ANNOUNCED;
}

static enum ks_heard irc_phase_step(struct ks_scanner *p, __u8 byte)
{
	switch (p->phase) {
	case IRC_LINE:
	case IRC_COMMAND:
		return irc_command(p);
	case IRC_TARGET:
		return irc_target(p, byte);
	case IRC_REQUEST:
		return irc_request(p, byte);
	case IRC_NAME:
		return irc_name(p, byte);
	case IRC_QUOTED:
		p->phase = byte == '"' ? IRC_BEHIND : IRC_QUOTED;
		return KS_HEARD_NOTHING;
	case IRC_BEHIND:
		return irc_address_begin(p, byte);
	case IRC_ADDRESS:
		return irc_address(p, byte);
	case IRC_PORT:
		return irc_port(p, byte);
	default:
		return KS_HEARD_NOTHING;
	}
}

enum ks_heard ks_irc_byte(struct ks_scanner *p, __u8 byte)
{
	bool in_argument = p->phase >= IRC_ADDRESS && p->phase != KS_SCANNER_SKIP;
	enum ks_heard heard;

	p->word = p->word << 8 | ks_upper(byte);
	if (p->column < KS_SCANNER_LINE_MAX)
		p->column++;
	else
		p->phase = KS_SCANNER_SKIP;
	heard = irc_phase_step(p, byte);
	/* A header of HTTP ("Host:"): the method before it may have been any word. */
	if (p->column == KS_WORD_BYTES + 1 && byte == ':')
		return KS_HEARD_OVER;
	if (p->column == KS_SCANNER_LINE_MAX && in_argument)
		heard = ks_scanner_skip(p);
	if (byte != '\n')
		return heard;
	p->phase = IRC_LINE;
	p->column = 0;
	return heard == KS_HEARD_NOTHING && in_argument ? KS_HEARD_UNMARK : heard;
}

/* The host behind "nick!user@": only an address counts. The numbers are cleared, but what lies beside them is kept (scan.c). */
static void server_host_begin(struct ks_scanner *p)
{
	struct ks_spoken kept = p->addr;

	ks_scanner_number_clear(p);
	p->addr = kept;
	p->addr.w[IRC_NAMED_ADDRESS] = 0;
	p->phase = SERVER_HOST;
}

static enum ks_heard server_phase_step(struct ks_scanner *p, __u8 byte)
{
	switch (p->phase) {
	case SERVER_LINE:
		p->phase = byte == ':' ? SERVER_NICK : KS_SCANNER_SKIP;
		p->word = HASH_START;
		return KS_HEARD_NOTHING;
	case SERVER_NICK:
		if (byte == '!')
			p->phase = SERVER_USER;
		else if (byte == ' ')
			p->phase = KS_SCANNER_SKIP;
		else
			p->word = nick_hash(p->word, byte);
		return KS_HEARD_NOTHING;
	case SERVER_USER:
		if (byte == '@')
			server_host_begin(p);
		else if (byte == ' ')
			p->phase = KS_SCANNER_SKIP;
		return KS_HEARD_NOTHING;
	case SERVER_HOST:
		if (byte != ' ' && ks_scanner_ipv4(p, byte))
			return KS_HEARD_NOTHING;
		p->phase = KS_SCANNER_SKIP;
		return byte == ' ' && ks_scanner_ipv4_end(p) ? KS_HEARD_ADDRESS : KS_HEARD_NOTHING;
	default:
		return KS_HEARD_NOTHING;
	}
}

enum ks_heard ks_irc_server_byte(struct ks_scanner *p, __u8 byte)
{
	enum ks_heard heard = server_phase_step(p, byte);

	if (byte == '\n')
		p->phase = SERVER_LINE;
	return heard;
}
