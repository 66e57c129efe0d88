/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SIP messages written again where addresses are translated (RFC 3261, RFC 4566).
 *
 * Overview: what the speaker says of itself is written as the listener knows it, and
 * what it says of the listener as that knows itself:
 *
 *   first line, Contact, Route, Record-Route, Path, Refer-To, Via
 *                    an endpoint that is the translated one; in Via also received=, maddr= and rport= (RFC 3581)
 *   From, To, Referred-By, P-Asserted-Identity and the like
 *                    its address; no port is added, because this is a name
 *   c=, o=           the speaker's address
 *   m=, a=rtcp       ports that have been mapped (media.h)
 *   Content-Length   what the body has then, right-aligned in the same room
 *
 * All else stays as it is, byte by byte: Call-ID and Authorization above all, which
 * others have signed or compare.
 *
 * The speaker's address counts with any port, because a client over TCP names the
 * port on which it listens; it becomes that of the connection. Which one it was is
 * remembered (ks_memory.port), so that answers are written back to it. The
 * listener's address counts only with its port, because behind one outer address
 * there are many.
 *
 * The text is written into memory of the home (env_transcript()) while it is read
 * once; a token is taken back where it is to be another one. resequence.c puts it
 * into the packet.
 */
#ifndef KS_CORE_HELPER_TRANSCRIBE_H
#define KS_CORE_HELPER_TRANSCRIBE_H

#include "core/helper/helper.h"
#include "core/inspection.h"
#include "core/types.h"

#define KS_SIP_PORT 5060 /* where an address without a port has it (RFC 3261 18.1.1) */

/* The line of a message, as far as it is known. */
enum sip_line {
	SIP_LINE_FIRST = 0, /* request or status line */
	SIP_LINE_NAME, /* a header's name */
	SIP_LINE_COPIED, /* nothing in it changes */
	SIP_LINE_ENDPOINT, /* addresses and their ports */
	SIP_LINE_VIA, /* the same, and rport= */
	SIP_LINE_IDENTITY, /* addresses */
	SIP_LINE_LENGTH, /* Content-Length */
	SIP_LINE_BODY, /* a line of the body: its first bytes */
	SIP_LINE_ADDRESS, /* c= and o= */
	SIP_LINE_MEDIA, /* m= */
	SIP_LINE_ATTRIBUTE, /* a=: is it rtcp? */
	SIP_LINE_CONTROL, /* a=rtcp: */
};

/* Begins at the first byte of a message. */
void ks_sip_line_begin(struct ks_insp_writing *w);

/*
 * Takes the next byte, which was just written, and finds out what line it is in. `stream`: Content-Length ends the
 * message; without it the message ends with its packet. Returns true behind its last byte.
 */
bool ks_sip_line_byte(struct ks_insp_writing *w, __u8 byte, bool stream);

#endif
