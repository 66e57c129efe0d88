// SPDX-License-Identifier: BSD-2-Clause
/*
 * PPTP control connections (RFC 2637): messages of a stated length. Those that
 * begin a call announce a call id, which the other side puts into its GRE packets;
 * later ones name it again, and so does the other side. Anything else ends the helper.
 *
 *   message                         id of the sender   id of the receiver
 *   7  Outgoing-Call-Request        announced
 *   8  Outgoing-Call-Reply          announced, if      named
 *                                   it is connected
 *   10 Incoming-Call-Reply          announced
 *   11 Incoming-Call-Connected                         named
 *   12 Call-Clear-Request           named
 *   14 WAN-Error-Notify                                named
 *   15 Set-Link-Info                                   named
 *
 * The id of a server (8) is its own business, and never translated; so that of 9 and
 * 13, which only servers send, is not read.
 */
#include "core/helper/scanner.h"

/* Offsets in a message, of the byte behind: the column counts the byte that is being read. */
#define LENGTH_END 2
#define TYPE_END 4
#define COOKIE_END 8
#define CONTROL_END 10
#define CALL_BEGIN 13
#define CALL_END 14
#define PEER_BEGIN 15
#define PEER_END 16
#define RESULT_END 17
#define RESULT_BEHIND 18

#define TYPE_CONTROL 1
#define COOKIE 0x1a2b3c4dU
#define RESULT_CONNECTED 1
#define MESSAGE_MIN 12 /* header and the shortest body */

enum pptp_message {
	CALL_REQUEST = 7,
	CALL_REPLY = 8,
	INCOMING_REPLY = 10,
	INCOMING_CONNECTED = 11,
	CLEAR_REQUEST = 12,
	WAN_ERROR = 14,
	LINK_INFO = 15,
	MESSAGES_MAX
};

/* ks_scanner.code is the length of the message, ks_scanner.field its control type. */
static bool pptp_header_is_sane(struct ks_scanner *p)
{
	switch (p->column) {
	case LENGTH_END:
		p->code = (__u16)p->word;
		return p->code >= MESSAGE_MIN && p->code < KS_SCANNER_LINE_MAX;
	case TYPE_END:
		return (p->word & KS_WORD_LOW) == TYPE_CONTROL;
	case COOKIE_END:
		return p->word == COOKIE;
	case CONTROL_END:
		p->field = (__u8)p->word;
		return (p->word & KS_WORD_LOW) < MESSAGES_MAX;
	default:
		return true;
	}
}

/* Returns true if the first id of the message is to be announced or named: of messages that the client may send. */
static bool has_first_id(const struct ks_scanner *p, bool client)
{
	switch (p->field) {
	case CALL_REQUEST:
	case INCOMING_REPLY:
		return client;
	case INCOMING_CONNECTED:
	case CLEAR_REQUEST:
	case WAN_ERROR:
	case LINK_INFO:
		return true;
	default:
		return false;
	}
}

/* The first id is complete before this byte. */
static enum ks_heard first_id(struct ks_scanner *p)
{
	if (p->field == CALL_REQUEST || p->field == INCOMING_REPLY)
		return KS_HEARD_ANNOUNCED;
	p->gap = p->field == CLEAR_REQUEST ? KS_NAMED_OWN : KS_NAMED_PEER;
	return KS_HEARD_NAMED;
}

/* The reply names the client's id, and then says if the call is connected; only then the server's, read before, counts. */
static enum ks_heard reply_body(struct ks_scanner *p)
{
	switch (p->column) {
	case CALL_END:
		p->value = p->word & KS_WORD_LOW;
		return KS_HEARD_NOTHING;
	case PEER_BEGIN:
		return KS_HEARD_MARK;
	case PEER_END:
		p->port = (__u16)p->word;
		return KS_HEARD_NOTHING;
	case RESULT_END:
		p->digits = (__u8)p->word == RESULT_CONNECTED;
		p->gap = KS_NAMED_PEER;
		return KS_HEARD_NAMED;
	case RESULT_BEHIND:
		p->port = (__u16)p->value;
		return p->digits ? KS_HEARD_ANNOUNCED : KS_HEARD_NOTHING;
	default:
		return KS_HEARD_NOTHING;
	}
}

static enum ks_heard pptp_body(struct ks_scanner *p, bool client)
{
	p->form = KS_FORM_CALL;
	if (p->field == CALL_REPLY)
		return client ? KS_HEARD_NOTHING : reply_body(p);
	if (!has_first_id(p, client))
		return KS_HEARD_NOTHING;
	if (p->column == CALL_BEGIN)
		return KS_HEARD_MARK;
	if (p->column == CALL_END)
		p->port = (__u16)p->word;
	return p->column == CALL_END + 1 ? first_id(p) : KS_HEARD_NOTHING;
}

enum ks_heard ks_pptp_byte(struct ks_scanner *p, __u8 byte, bool client)
{
	enum ks_heard heard;

	if (p->phase == KS_SCANNER_SKIP)
		return KS_HEARD_OVER;
	p->word = p->word << 8 | byte;
	p->column++;
	if (!pptp_header_is_sane(p))
		return KS_HEARD_OVER;
	heard = p->column > MESSAGE_MIN ? pptp_body(p, client) : KS_HEARD_NOTHING;
	if (p->column >= MESSAGE_MIN && p->column == p->code)
		p->column = 0;
	return heard;
}
