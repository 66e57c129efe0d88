/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DCCP state machine as a table: for each direction, type of packet and
 * state where it goes, a comment per arc (RFC 4340 8.4 and figure 5, seen from
 * the middle). The client is always the originator.
 */
#ifndef KS_CORE_TRACK_DCCP_ARCS_H
#define KS_CORE_TRACK_DCCP_ARCS_H

#include "core/track/dccp.h"
#include "core/table/flow.h"
#include "core/types.h"

/* Arcs that are not a state to go to. */
enum dccp_arc {
	DROP = 0x80, /* does not fit: "bad dccp state" */
	PASS = 0x82, /* let through for the receiver to judge; changes no state and no timer */
};

#define S(state) KS_STATE_DCCP_##state
#define I(state) [KS_STATE_DCCP_##state - KS_STATE_DCCP_REQUEST]
#define DCCP_STATES 8 /* a power of two, for the mask */

/* clang-format off */
static const __u8 dccp_arcs[2][16][DCCP_STATES] = {
	[KS_ORIGINAL] = {
		[KS_DCCP_REQUEST] = {
			I(REQUEST) = S(REQUEST),       /* again */
			I(RESPOND) = PASS,             /* the answer was lost: the server repeats it */
			I(PARTOPEN) = PASS,            /* an old one: the server asks by Sync (7.5.4) */
			I(OPEN) = PASS,                /* the same */
			I(CLOSEREQ) = PASS,            /* the same */
			I(CLOSING) = PASS,             /* the same */
			I(TIMEWAIT) = PASS,            /* never reached: it opens again */
		},
		[KS_DCCP_RESPONSE] = {
			I(REQUEST) = DROP,             /* only servers answer so */
			I(RESPOND) = DROP,
			I(PARTOPEN) = DROP,
			I(OPEN) = DROP,
			I(CLOSEREQ) = DROP,
			I(CLOSING) = DROP,
			I(TIMEWAIT) = DROP,
		},
		[KS_DCCP_DATA] = {
			I(REQUEST) = DROP,             /* nothing is open yet */
			I(RESPOND) = DROP,             /* a client acknowledges the Response first (8.1.5) */
			I(PARTOPEN) = DROP,            /* and sends no plain Data until the server goes on */
			I(OPEN) = S(OPEN),             /* data */
			I(CLOSEREQ) = S(CLOSEREQ),     /* until it has the CloseReq */
			I(CLOSING) = S(CLOSING),       /* until it has the Close */
			I(TIMEWAIT) = PASS,            /* in flight when the end passed */
		},
		[KS_DCCP_ACK] = {
			I(REQUEST) = DROP,             /* acknowledges an answer that never came */
			I(RESPOND) = S(PARTOPEN),      /* completes the handshake */
			I(PARTOPEN) = S(PARTOPEN),     /* again, until the server goes on (8.1.5) */
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),     /* until it has the CloseReq */
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,            /* in flight */
		},
		[KS_DCCP_DATAACK] = {
			I(REQUEST) = DROP,             /* as Ack */
			I(RESPOND) = S(PARTOPEN),
			I(PARTOPEN) = S(PARTOPEN),
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,
		},
		[KS_DCCP_CLOSEREQ] = {
			I(REQUEST) = DROP,             /* only servers ask to close (8.3) */
			I(RESPOND) = DROP,
			I(PARTOPEN) = DROP,
			I(OPEN) = DROP,
			I(CLOSEREQ) = DROP,
			I(CLOSING) = DROP,
			I(TIMEWAIT) = DROP,
		},
		[KS_DCCP_CLOSE] = {
			I(REQUEST) = DROP,             /* nothing is open yet */
			I(RESPOND) = S(CLOSING),       /* changed its mind; its Ack was lost */
			I(PARTOPEN) = S(CLOSING),      /* changed its mind */
			I(OPEN) = S(CLOSING),          /* closes */
			I(CLOSEREQ) = S(CLOSING),      /* as it was asked to */
			I(CLOSING) = S(CLOSING),       /* again, or both */
			I(TIMEWAIT) = PASS,            /* again: answered by Reset */
		},
		[KS_DCCP_RESET] = {
			I(REQUEST) = S(TIMEWAIT),      /* changed its mind */
			I(RESPOND) = S(TIMEWAIT),      /* does not want the answer */
			I(PARTOPEN) = S(TIMEWAIT),     /* aborts */
			I(OPEN) = S(TIMEWAIT),
			I(CLOSEREQ) = S(TIMEWAIT),
			I(CLOSING) = S(TIMEWAIT),      /* the answer to a Close */
			I(TIMEWAIT) = PASS,            /* repeats itself */
		},
		[KS_DCCP_SYNC] = {
			I(REQUEST) = DROP,             /* there is nothing to synchronise */
			I(RESPOND) = PASS,             /* says nothing of the state (7.5.4) */
			I(PARTOPEN) = S(PARTOPEN),
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,
		},
		[KS_DCCP_SYNCACK] = {
			I(REQUEST) = DROP,             /* as Sync */
			I(RESPOND) = PASS,
			I(PARTOPEN) = S(PARTOPEN),
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,
		},
	},
	[KS_REPLY] = {
		[KS_DCCP_REQUEST] = {
			I(REQUEST) = DROP,             /* both cannot be clients (8.1.1) */
			I(RESPOND) = DROP,
			I(PARTOPEN) = DROP,
			I(OPEN) = DROP,
			I(CLOSEREQ) = DROP,
			I(CLOSING) = DROP,
			I(TIMEWAIT) = DROP,            /* never reached: it opens again */
		},
		[KS_DCCP_RESPONSE] = {
			I(REQUEST) = S(RESPOND),       /* the answer */
			I(RESPOND) = S(RESPOND),       /* again */
			I(PARTOPEN) = PASS,            /* again: the client repeats its Ack */
			I(OPEN) = PASS,                /* an old one */
			I(CLOSEREQ) = DROP,            /* the server was past this */
			I(CLOSING) = PASS,             /* an old one */
			I(TIMEWAIT) = PASS,
		},
		[KS_DCCP_DATA] = {
			I(REQUEST) = DROP,             /* nothing was answered */
			I(RESPOND) = DROP,             /* the client has not confirmed */
			I(PARTOPEN) = S(OPEN),         /* the server goes on */
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),     /* overtaken by the CloseReq */
			I(CLOSING) = S(CLOSING),       /* until it has the Close */
			I(TIMEWAIT) = PASS,            /* in flight */
		},
		[KS_DCCP_ACK] = {
			I(REQUEST) = DROP,             /* as Data */
			I(RESPOND) = DROP,
			I(PARTOPEN) = S(OPEN),
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,
		},
		[KS_DCCP_DATAACK] = {
			I(REQUEST) = DROP,             /* as Data */
			I(RESPOND) = DROP,
			I(PARTOPEN) = S(OPEN),
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,
		},
		[KS_DCCP_CLOSEREQ] = {
			I(REQUEST) = DROP,             /* nothing was answered */
			I(RESPOND) = DROP,             /* the client has not confirmed */
			I(PARTOPEN) = S(CLOSEREQ),     /* asks the client to close */
			I(OPEN) = S(CLOSEREQ),
			I(CLOSEREQ) = S(CLOSEREQ),     /* again */
			I(CLOSING) = S(CLOSING),       /* the client was faster */
			I(TIMEWAIT) = PASS,            /* in flight */
		},
		[KS_DCCP_CLOSE] = {
			I(REQUEST) = DROP,             /* nothing was answered */
			I(RESPOND) = DROP,             /* the client has not confirmed */
			I(PARTOPEN) = S(CLOSING),      /* closes, and keeps TIMEWAIT itself */
			I(OPEN) = S(CLOSING),
			I(CLOSEREQ) = S(CLOSING),      /* no longer waits for the client to */
			I(CLOSING) = S(CLOSING),       /* again, or both */
			I(TIMEWAIT) = PASS,            /* in flight */
		},
		[KS_DCCP_RESET] = {
			I(REQUEST) = S(TIMEWAIT),      /* refused */
			I(RESPOND) = S(TIMEWAIT),      /* gave up */
			I(PARTOPEN) = S(TIMEWAIT),
			I(OPEN) = S(TIMEWAIT),         /* aborts */
			I(CLOSEREQ) = S(TIMEWAIT),
			I(CLOSING) = S(TIMEWAIT),      /* the answer to a Close */
			I(TIMEWAIT) = PASS,            /* repeats itself */
		},
		[KS_DCCP_SYNC] = {
			I(REQUEST) = DROP,             /* there is nothing to synchronise: a server answers a Request */
			I(RESPOND) = PASS,             /* says nothing of the state */
			I(PARTOPEN) = PASS,            /* does not show that the server goes on (8.1.5) */
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,
		},
		[KS_DCCP_SYNCACK] = {
			I(REQUEST) = DROP,             /* as Sync */
			I(RESPOND) = PASS,
			I(PARTOPEN) = PASS,
			I(OPEN) = S(OPEN),
			I(CLOSEREQ) = S(CLOSEREQ),
			I(CLOSING) = S(CLOSING),
			I(TIMEWAIT) = PASS,
		},
	},
};
/* clang-format on */

static inline __u32 arc_of(__u32 dir, __u32 type, __u32 state)
{
	return dccp_arcs[dir & 1][type & KS_DCCP_TYPE_MASK][(state - KS_STATE_DCCP_REQUEST) & (DCCP_STATES - 1)];
}

_Static_assert(KS_STATE_DCCP_TIMEWAIT - KS_STATE_DCCP_REQUEST < DCCP_STATES, "states are masked");

#undef S
#undef I

#endif
