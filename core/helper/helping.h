/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of a helper (helper.h): what outlives the packet, in the state table, and what does not. */
#ifndef KS_CORE_HELPER_HELPING_H
#define KS_CORE_HELPER_HELPING_H

#include "core/helper/scanner.h"
#include "core/table/entry.h"
#include "core/table/flow.h"
#include "core/types.h"

/* Expectations of one direction of a control connection that live at once: the oldest makes room for a new one. */
#define KS_HELPER_EXPECTED 4U

/* How the sequence numbers of a direction move: by `before` up to the position, behind it by `after`. */
struct ks_shift {
	__u32 position; /* where the last announcement that was written again begins, in the sender's own numbers */
	__u32 before, after;
};

/* ks_helper_memory.flags */
#define KS_MEMORY_BEGUN 0x01 /* FTP: the server has greeted, the client has begun its login */
#define KS_MEMORY_OVER 0x02 /* nothing is read any more */

struct ks_helper_memory {
	__u32 version;
	__u8 state;
	__u8 flags;
	__u8 asked; /* FTP, client: announcements it asked for; modulo 256 */
	__u8 answered; /* FTP, server: announcements it made */
	__u32 seen;
	__u32 timeout;
	__u32 next; /* sequence number of the next byte to be read */
	struct ks_shift shift;
	__u8 form; /* of what was last written again (enum ks_form) ... */
	__u8 len; /* ... how long it was before ... */
	__u16 port; /* ... and the port that it names now */
	__u32 places[KS_HELPER_EXPECTED]; /* of its expectations, the newest first; 0: none */
	struct ks_scanner scanner;
};

_Static_assert(sizeof(struct ks_helper_memory) == sizeof(struct ks_flow), "a helper's memory lies over a flow");

#define KS_HELPER_CHUNK 128U /* bytes read at once: a power of two, at most KS_EDIT_MAX */
#define KS_HELPER_TEXT 64U /* an announcement written again is shorter; a power of two */

/* What a helper works with during one packet. */
struct ks_helping {
	struct ks_entry memory[2]; /* by enum ks_dir: who speaks */
	__u8 ready[2]; /* 1: that memory is there */
	__u8 rewrites; /* 1: announcements of this direction are to be written again */
	__u8 heard; /* enum ks_heard of the last byte */
	__u8 stop; /* 1: the rest of the packet is not read */
	__u8 failed; /* 1: the packet could not be read or changed */
	__u8 choose; /* 1: the expectation may get another port */
	__u8 made; /* expectations made */
	__u8 left; /* expectations still to be made of an announcement */
	__u8 turns; /* announcements so far */
	__u8 reason; /* why the packet passes: enum ks_reason */
	__u8 zero[3];
	__u32 ack, sack; /* as they came */
	struct ks_scanner saved; /* as it was before the mark */
	__u32 end; /* of what is to be read; all offsets count from the start of the frame */
	__u32 off; /* of bytes[0] */
	__u32 got; /* bytes in it */
	__u32 at; /* the next to be read */
	__u32 mark; /* where an announcement begins that is not complete, 0: none */
	__u32 cut; /* where the packet is to end, 0: where it does */
	__u32 edit; /* where an announcement is written again, 0: nowhere */
	__u32 edit_len; /* how long it was */
	struct ks_tuple want; /* an expectation: as its first packet will arrive */
	struct ks_addr name; /* by which who waits knows who opens, if `named` */
	__u8 named;
	__u8 zero2;
	__u16 port; /* where it truly goes, host order */
	__u8 form; /* of the announcement to be written */
	__u8 text_len;
	__u16 text_port; /* that it is to name */
	__u8 text[KS_HELPER_TEXT];
	__u8 bytes[KS_HELPER_CHUNK];
};

#endif
