// SPDX-License-Identifier: BSD-2-Clause
/*
 * PPTP control connections (RFC 2637): messages of a stated length, of which the
 * outgoing call's request and reply name the call id that the other side puts
 * into its GRE packets. Anything else ends the helper.
 */
#include "core/helper/scanner.h"

/* Offsets in a message, of the byte behind: the column counts the byte that is being read. */
#define LENGTH_END 2
#define TYPE_END 4
#define COOKIE_END 8
#define CONTROL_END 10
#define CALL_END 14
#define RESULT_END 17

#define TYPE_CONTROL 1
#define COOKIE 0x1a2b3c4dU
#define CALL_REQUEST 7
#define CALL_REPLY 8
#define RESULT_CONNECTED 1
#define MESSAGE_MIN 12 /* header and the shortest body */

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
		return (p->word & KS_WORD_LOW) <= 15;
	default:
		return true;
	}
}

static enum ks_heard pptp_body(struct ks_scanner *p, bool client)
{
	if (p->column == CALL_END) {
		p->port = (__u16)p->word;
		p->form = KS_FORM_CALL;
		return client && p->field == CALL_REQUEST ? KS_HEARD_ANNOUNCED : KS_HEARD_NOTHING;
	}
	if (p->column == RESULT_END && !client && p->field == CALL_REPLY && (__u8)p->word == RESULT_CONNECTED)
		return KS_HEARD_ANNOUNCED;
	return KS_HEARD_NOTHING;
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
	heard = pptp_body(p, client);
	if (p->column >= MESSAGE_MIN && p->column == p->code)
		p->column = 0;
	return heard;
}
