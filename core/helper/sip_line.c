// SPDX-License-Identifier: BSD-2-Clause
/* The lines of a SIP message, and which of them change; see transcribe.h. */
#include "core/helper/scanner.h"
#include "core/helper/transcribe.h"

#define KIND_LINE 2 /* bytes of "c=" */
#define CONTROL_LINE 7 /* bytes of "a=rtcp:" */
#define LENGTH_MAX 0xffff

void ks_sip_line_begin(struct ks_insp_writing *w)
{
	w->line = SIP_LINE_FIRST;
	w->folded = SIP_LINE_COPIED;
	w->column = 0;
	w->word = 0;
	w->last = '\n';
	w->offers = 0;
	w->length = 0;
	w->length_at = 0;
	w->body_at = 0;
	w->body_left = 0;
	w->body_read = 0;
}

/* The header of which this is the end of the name: letters in upper case, the last four of them. */
static __u8 header_kind(__u32 word)
{
	switch (word) {
	case KS_WORD(0, 'V', 'I', 'A'):
	case KS_WORD(0, 0, 0, 'V'):
		return SIP_LINE_VIA;
	case KS_WORD('T', 'A', 'C', 'T'): /* Contact */
	case KS_WORD(0, 0, 0, 'M'):
	case KS_WORD('O', 'U', 'T', 'E'): /* Route, Record-Route, Service-Route */
	case KS_WORD('P', 'A', 'T', 'H'):
	case KS_WORD('R', '-', 'T', 'O'): /* Refer-To */
	case KS_WORD(0, 0, 0, 'R'):
		return SIP_LINE_ENDPOINT;
	case KS_WORD('F', 'R', 'O', 'M'):
	case KS_WORD(0, 0, 0, 'F'):
	case KS_WORD(0, 0, 'T', 'O'):
	case KS_WORD(0, 0, 0, 'T'):
	case KS_WORD('D', '-', 'B', 'Y'): /* Referred-By */
	case KS_WORD(0, 0, 0, 'B'):
	case KS_WORD('T', 'I', 'T', 'Y'): /* P-Asserted-Identity, P-Preferred-Identity */
	case KS_WORD('Y', '-', 'I', 'D'): /* Remote-Party-ID */
		return SIP_LINE_IDENTITY;
	case KS_WORD('N', 'G', 'T', 'H'):
	case KS_WORD(0, 0, 0, 'L'):
		return SIP_LINE_LENGTH;
	default:
		return SIP_LINE_COPIED;
	}
}

/* Messages with bodies that offer or answer media: as core/helper/sip.c reads them. */
static bool first_word_offers(__u32 word)
{
	return word == KS_WORD('S', 'I', 'P', '/') || word == KS_WORD('I', 'N', 'V', 'I') ||
	       word == KS_WORD('A', 'C', 'K', ' ') || word == KS_WORD('P', 'R', 'A', 'C') ||
	       word == KS_WORD('U', 'P', 'D', 'A');
}

/* A response names the version at the beginning of its first line, a request at the end. */
static void first_byte(struct ks_insp_writing *w, __u8 byte)
{
	if (w->column == KS_WORD_BYTES) {
		w->offers = first_word_offers(w->word);
		w->foreign &= w->word != KS_WORD('S', 'I', 'P', '/');
	}
	if (byte == '\n' && (w->word == KS_WORD('.', '0', '\r', '\n') || w->word == KS_WORD('2', '.', '0', '\n')))
		w->foreign = 0;
}

/* `name`: the last four bytes before this one. A line that begins with a space goes on with the one before it (RFC 3261 7.3.1). */
static void name_byte(struct ks_insp_writing *w, __u8 byte, __u32 name)
{
	if (w->column == 1 && (byte == ' ' || byte == '\t')) {
		w->line = w->folded;
	} else if (byte == ' ' || byte == '\t') {
		w->word = name; /* spaces before the colon are not of the name */
	} else if (byte == ':') {
		w->line = header_kind(name);
		w->folded = w->line;
	}
}

static void body_byte(struct ks_insp_writing *w)
{
	if (w->column != KIND_LINE)
		return;
	switch (w->word & KS_WORD_LOW) {
	case 'C' << 8 | '=':
	case 'O' << 8 | '=':
		w->line = SIP_LINE_ADDRESS;
		break;
	case 'M' << 8 | '=':
		w->line = SIP_LINE_MEDIA;
		break;
	case 'A' << 8 | '=':
		w->line = SIP_LINE_ATTRIBUTE;
		break;
	default:
		w->line = SIP_LINE_COPIED;
		break;
	}
}

static void attribute_byte(struct ks_insp_writing *w)
{
	if (w->column == CONTROL_LINE - KS_WORD_BYTES && (w->word & 0xff) != 'R')
		w->line = SIP_LINE_COPIED;
	if (w->column == CONTROL_LINE)
		w->line = w->word == KS_WORD('T', 'C', 'P', ':') ? SIP_LINE_CONTROL : SIP_LINE_COPIED;
}

/* The end of a line. An empty one ends the header. */
static void line_end(struct ks_insp_writing *w, bool empty)
{
	bool in_body = w->body_at;

	if (!in_body && empty) {
		w->body_at = w->out;
		w->body_left = w->length;
		in_body = true;
	}
	w->line = SIP_LINE_NAME;
	if (in_body)
		w->line = w->offers ? SIP_LINE_BODY : SIP_LINE_COPIED;
	w->column = 0;
	w->word = 0;
}

static void line_step(struct ks_insp_writing *w, __u8 byte, __u32 name)
{
	switch (w->line) {
	case SIP_LINE_FIRST:
		first_byte(w, byte);
		break;
	case SIP_LINE_NAME:
		name_byte(w, byte, name);
		break;
	case SIP_LINE_LENGTH:
		if (ks_is_digit(byte) && w->length <= LENGTH_MAX)
			w->length = w->length * 10 + (byte - '0');
		break;
	case SIP_LINE_BODY:
		body_byte(w);
		break;
	case SIP_LINE_ATTRIBUTE:
		attribute_byte(w);
		break;
	default:
		break;
	}
}

bool ks_sip_line_byte(struct ks_insp_writing *w, __u8 byte, bool stream)
{
	bool in_body = w->body_at, empty = !w->column;
	__u32 name = w->word;

	if (in_body)
		w->body_read++;
	if (in_body && w->body_left)
		w->body_left--;
	if (byte != '\r' || !empty) { /* with that the line is still empty */
		w->word = name << 8 | ks_upper(byte);
		w->column++;
		line_step(w, byte, name);
	}
	w->last = byte;
	if (byte == '\n')
		line_end(w, empty && w->line != SIP_LINE_FIRST);
	return stream && w->body_at && !w->body_left;
}
