/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scanners for announcements: state machines that take one byte at a time, so
 * that it does not matter how a message is cut into packets. They are pure: a
 * byte changes the state (struct ks_scanner, core/table/record.h), and the result
 * says what the byte completed. Each is in a file of its own (ftp.c, irc.c, sip.c,
 * pptp.c, rtsp.c, tftp.c); what they share is in scanner.c.
 *
 * The state of a stream lives in the memory of its control connection (helper.h);
 * that of a message in a datagram only as long as its packet.
 */
#ifndef KS_CORE_HELPER_SCANNER_H
#define KS_CORE_HELPER_SCANNER_H

#include "core/table/record.h"
#include "core/types.h"

/* The meaning of a byte. */
enum ks_heard {
	KS_HEARD_NOTHING,
	KS_HEARD_MARK, /* it begins what address translation would have to replace */
	KS_HEARD_UNMARK, /* the text from the last mark is no announcement */
	KS_HEARD_ANNOUNCED, /* an announcement is complete before this byte */
	KS_HEARD_NAMED, /* PPTP, RTSP: a call or a port announced before is named again, before this byte; ks_scanner.gap says whose it is */
	KS_HEARD_ADDRESS, /* SIP: an address is complete; ks_sip_address() takes the answer. IRC: the server named somebody's */
	KS_HEARD_ASKED, /* FTP: the client asks the server for an announcement */
	KS_HEARD_GREETED, /* FTP: the server is one */
	KS_HEARD_ENDED, /* SIP in a stream: a message is complete */
	KS_HEARD_OVER, /* nothing more is to be heard: not this protocol, or encrypted from here */
};

/* How an announcement is written, and so how it is rewritten. */
enum ks_form {
	KS_FORM_NONE,
	KS_FORM_NUMBERS, /* 10,0,0,5,4,1: FTP PORT and 227 */
	KS_FORM_EXTENDED, /* |1|10.0.0.5|1025|: FTP EPRT */
	KS_FORM_PORT, /* 1025: FTP 229 */
	KS_FORM_DCC, /* 167772165 1025: IRC */
	KS_FORM_SDP, /* a media stream and its control: SIP. Rewritten, it is a run of whole messages */
	KS_FORM_CALL, /* a call id: PPTP */
	KS_FORM_PORTS, /* 4588-4589: RTSP; one alone is KS_FORM_PORT */
};

/* ks_scanner.gap at KS_HEARD_NAMED: it is the speaker's, or the listener's. */
#define KS_NAMED_OWN 0
#define KS_NAMED_PEER 1

#define KS_IPV6_PARTS 8U /* of an IPv6 address as text: numbers of 16 bits */
#define KS_SCANNER_SKIP 255 /* ks_scanner.phase, of every scanner: nothing counts until the next line */
#define KS_SCANNER_LINE_MAX 255 /* an announcement in a longer line does not count */

/* Begins at the start of a message. */
void ks_scanner_reset(struct ks_scanner *p);

/* Forgets the numbers read so far. */
void ks_scanner_number_clear(struct ks_scanner *p);

/* Takes a digit of a decimal number up to `max`. Returns false if it is none, or the number is too large. */
bool ks_scanner_digit(struct ks_scanner *p, __u8 byte, __u32 max);

/* Takes a part of an IPv4 address (digits and dots). Returns false if it cannot be one. */
bool ks_scanner_ipv4(struct ks_scanner *p, __u8 byte);

/* Ends the address. Returns true if it is whole. */
bool ks_scanner_ipv4_end(struct ks_scanner *p);

/* The same for IPv6 (RFC 4291 2.2, without dotted parts). */
bool ks_scanner_ipv6(struct ks_scanner *p, __u8 byte);
bool ks_scanner_ipv6_end(struct ks_scanner *p);

static inline bool ks_scanner_names(const struct ks_scanner *p, const struct ks_addr *addr)
{
	return p->addr.w[0] == addr->w[0] && p->addr.w[1] == addr->w[1] && p->addr.w[2] == addr->w[2] &&
	       p->addr.w[3] == addr->w[3];
}

/* The rest of the line counts no more. */
static inline enum ks_heard ks_scanner_skip(struct ks_scanner *p)
{
	p->phase = KS_SCANNER_SKIP;
	return KS_HEARD_UNMARK;
}

static inline bool ks_ends_line(__u8 byte)
{
	return byte == '\r' || byte == '\n';
}

static inline __u8 ks_upper(__u8 byte)
{
	return byte >= 'a' && byte <= 'z' ? byte - ('a' - 'A') : byte;
}

static inline bool ks_is_digit(__u8 byte)
{
	return byte >= '0' && byte <= '9';
}

/* Four letters as one number, as in ks_scanner.word. */
#define KS_PORT_DIGITS 5 /* of the longest port */
#define KS_WORD_BYTES 4
#define KS_WORD_LOW 0xffffU /* the last two */
#define KS_WORD(a, b, c, d) ((__u32)(a) << 24 | (__u32)(b) << 16 | (__u32)(c) << 8 | (__u32)(d))

/* The scanners. `client`: the byte is the originator's. `begun`: the client has begun its login. */
enum ks_heard ks_ftp_byte(struct ks_scanner *p, __u8 byte, bool client, bool begun);
enum ks_heard ks_irc_byte(struct ks_scanner *p, __u8 byte);
enum ks_heard ks_irc_server_byte(struct ks_scanner *p, __u8 byte);
enum ks_heard ks_rtsp_byte(struct ks_scanner *p, __u8 byte, bool client);
enum ks_heard ks_pptp_byte(struct ks_scanner *p, __u8 byte, bool client);
enum ks_heard ks_sip_byte(struct ks_scanner *p, __u8 byte, bool stream);

/*
 * IRC: a hash of the nick in ks_scanner.value of an offer, and in ks_scanner.word where the server names its address,
 * which is this word of ks_scanner.addr.
 */
#define IRC_NAMED_ADDRESS 3

/* SIP: the answer to KS_HEARD_ADDRESS, if the address is the speaker's own or not. */
void ks_sip_address(struct ks_scanner *p, bool own);

/* SIP: the end of a datagram, which ends the last stream. */
enum ks_heard ks_sip_end(struct ks_scanner *p);

/* SIP: the port of the control of the media stream just announced. */
__u16 ks_sip_control(const struct ks_scanner *p);

/* SIP in a stream: returns true between two messages. */
bool ks_sip_is_between(const struct ks_scanner *p);

#define KS_TFTP_REQUEST_MIN 6U /* opcode, a name, its end, a mode and its end, each of a byte at least */

/* TFTP: returns true if a datagram that begins with these bytes asks for a transfer (RFC 1350 5). */
bool ks_tftp_is_request(const __u8 *bytes, __u32 len);

#endif
