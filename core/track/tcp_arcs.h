/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole TCP state machine as a table: for each direction, event and state
 * where it goes, a comment per arc (RFC 9293 3.3.2 seen from the middle, RFC
 * 5961). Only tcp.c looks at it, and says what makes which event.
 */
#ifndef KS_CORE_TRACK_TCP_ARCS_H
#define KS_CORE_TRACK_TCP_ARCS_H

#include "core/table/flow.h"
#include "core/types.h"

/* The meanings of a segment for the machine, after its numbers were checked. */
enum tcp_event {
	EV_SYN, /* SYN */
	EV_SYNACK, /* SYN+ACK */
	EV_ACK, /* nothing new about the end */
	EV_FIN, /* sent by one side, the other has not sent one */
	EV_FIN2, /* both have sent FIN, not both are acknowledged */
	EV_ACKFIN, /* acknowledges the peer's FIN */
	EV_DONE, /* both FINs are sent and acknowledged */
	EV_RST,
	EV_MAX
};

/* Arcs that are not a state to go to. */
enum tcp_arc {
	DROP = 0x80, /* does not fit: "bad tcp state" */
	SPLIT = 0x81, /* would change the roles: "split handshake" */
	PASS = 0x82, /* let through for the receiver to judge; changes no state and no timer */
	DEAD = 0x83, /* the connection was reset: refused, and its sender is reset, too: it may not have got the first one */
};

#define S(state) KS_STATE_TCP_##state
#define TCP_STATES 16 /* a power of two, for the mask */

/* clang-format off */
static const __u8 tcp_arcs[2][EV_MAX][TCP_STATES] = {
	[KS_ORIGINAL] = {
		[EV_SYN] = {
			[S(SYN_SENT)] = S(SYN_SENT),       /* retransmission, or a fresh try: learn it again */
			[S(SYN_RECV)] = PASS,              /* the answer was lost: the responder repeats it */
			[S(ESTABLISHED)] = PASS,           /* RFC 5961 4.2: the responder sends a challenge ACK */
			[S(FIN_WAIT)] = PASS,              /* the same */
			[S(CLOSE_WAIT)] = PASS,            /* the same */
			[S(LAST_ACK)] = PASS,              /* the same */
			[S(TIME_WAIT)] = PASS,             /* never reached: a SYN reopens before this table is asked */
			[S(CLOSE)] = PASS,                 /* never reached: always reopens */
		},
		[EV_SYNACK] = {
			[S(SYN_SENT)] = SPLIT,             /* the originator answers itself: fourth segment of a split handshake */
			[S(SYN_RECV)] = SPLIT,             /* the same, later */
			[S(ESTABLISHED)] = DROP,           /* no originator sends this */
			[S(FIN_WAIT)] = DROP,
			[S(CLOSE_WAIT)] = DROP,
			[S(LAST_ACK)] = DROP,
			[S(TIME_WAIT)] = DROP,
			[S(CLOSE)] = DEAD,
		},
		[EV_ACK] = {
			[S(SYN_SENT)] = DROP,              /* acknowledges an answer that never came */
			[S(SYN_RECV)] = S(ESTABLISHED),    /* completes the handshake */
			[S(ESTABLISHED)] = S(ESTABLISHED), /* data and acknowledgements */
			[S(FIN_WAIT)] = S(FIN_WAIT),       /* the other half goes on */
			[S(CLOSE_WAIT)] = S(CLOSE_WAIT),
			[S(LAST_ACK)] = S(LAST_ACK),       /* does not acknowledge the FIN: not the last one */
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,                 /* in flight when the reset passed, or the reset was lost */
		},
		[EV_FIN] = {
			[S(SYN_SENT)] = DROP,              /* nothing is open yet */
			[S(SYN_RECV)] = S(FIN_WAIT),       /* completes the handshake and closes */
			[S(ESTABLISHED)] = S(FIN_WAIT),    /* the first FIN */
			[S(FIN_WAIT)] = S(FIN_WAIT),       /* retransmission */
			[S(CLOSE_WAIT)] = S(CLOSE_WAIT),   /* retransmission, its acknowledgement was lost */
			[S(LAST_ACK)] = S(LAST_ACK),
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,
		},
		[EV_FIN2] = {
			[S(SYN_SENT)] = DROP,
			[S(SYN_RECV)] = S(LAST_ACK),       /* the responder closed first */
			[S(ESTABLISHED)] = S(LAST_ACK),    /* acknowledges a FIN that came behind a gap, and closes itself */
			[S(FIN_WAIT)] = S(LAST_ACK),       /* both close at once */
			[S(CLOSE_WAIT)] = S(LAST_ACK),     /* the second half closes */
			[S(LAST_ACK)] = S(LAST_ACK),       /* retransmission */
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,
		},
		[EV_ACKFIN] = {
			[S(SYN_SENT)] = DROP,
			[S(SYN_RECV)] = S(CLOSE_WAIT),     /* the handshake's ACK also acknowledges the responder's FIN */
			[S(ESTABLISHED)] = S(CLOSE_WAIT),  /* the first FIN came behind a gap: its acknowledgement proves it */
			[S(FIN_WAIT)] = S(CLOSE_WAIT),     /* the first FIN is acknowledged */
			[S(CLOSE_WAIT)] = S(CLOSE_WAIT),   /* again */
			[S(LAST_ACK)] = S(LAST_ACK),       /* one of two */
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,
		},
		[EV_DONE] = {
			[S(SYN_SENT)] = DROP,
			[S(SYN_RECV)] = S(TIME_WAIT),      /* never reached: two FINs take two segments */
			[S(ESTABLISHED)] = S(TIME_WAIT),   /* the same */
			[S(FIN_WAIT)] = S(TIME_WAIT),      /* the last FIN was seen before its ACK */
			[S(CLOSE_WAIT)] = S(TIME_WAIT),    /* the same */
			[S(LAST_ACK)] = S(TIME_WAIT),      /* the last acknowledgement */
			[S(TIME_WAIT)] = S(TIME_WAIT),     /* it was lost and is repeated */
			[S(CLOSE)] = DEAD,
		},
		[EV_RST] = {
			[S(SYN_SENT)] = S(CLOSE),          /* gives up */
			[S(SYN_RECV)] = S(CLOSE),          /* did not want the answer */
			[S(ESTABLISHED)] = S(CLOSE),       /* aborts */
			[S(FIN_WAIT)] = S(CLOSE),
			[S(CLOSE_WAIT)] = S(CLOSE),
			[S(LAST_ACK)] = S(CLOSE),
			[S(TIME_WAIT)] = S(CLOSE),         /* RFC 1337 is for the ends: here it only frees the entry sooner */
			[S(CLOSE)] = PASS,                 /* repeats itself */
		},
	},
	[KS_REPLY] = {
		[EV_SYN] = {
			[S(SYN_SENT)] = SPLIT,             /* a bare SYN in answer: simultaneous open or split handshake */
			[S(SYN_RECV)] = SPLIT,
			[S(ESTABLISHED)] = DROP,           /* a responder does not open */
			[S(FIN_WAIT)] = DROP,
			[S(CLOSE_WAIT)] = DROP,
			[S(LAST_ACK)] = DROP,
			[S(TIME_WAIT)] = DROP,             /* never reached: the policy is asked, with new roles */
			[S(CLOSE)] = DROP,                 /* the same */
		},
		[EV_SYNACK] = {
			[S(SYN_SENT)] = S(SYN_RECV),       /* the answer */
			[S(SYN_RECV)] = S(SYN_RECV),       /* retransmission; a SYN cookie may carry a new number */
			[S(ESTABLISHED)] = PASS,           /* retransmission: the third segment was lost */
			[S(FIN_WAIT)] = PASS,              /* the same */
			[S(CLOSE_WAIT)] = PASS,
			[S(LAST_ACK)] = PASS,
			[S(TIME_WAIT)] = DROP,             /* nobody waits for it any more */
			[S(CLOSE)] = DEAD,                 /* the originator gave up */
		},
		[EV_ACK] = {
			[S(SYN_SENT)] = PASS,              /* an old connection at the responder: a challenge, which brings a RST */
			[S(SYN_RECV)] = S(SYN_RECV),       /* data after the SYN+ACK (RFC 7413) */
			[S(ESTABLISHED)] = S(ESTABLISHED), /* data and acknowledgements */
			[S(FIN_WAIT)] = S(FIN_WAIT),
			[S(CLOSE_WAIT)] = S(CLOSE_WAIT),
			[S(LAST_ACK)] = S(LAST_ACK),       /* a challenge, for one: not the last ACK */
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,                 /* in flight when the reset passed, or the reset was lost */
		},
		[EV_FIN] = {
			[S(SYN_SENT)] = DROP,              /* closes what it has not accepted */
			[S(SYN_RECV)] = S(SYN_RECV),       /* closes at once; the originator has yet to complete */
			[S(ESTABLISHED)] = S(FIN_WAIT),    /* the first FIN */
			[S(FIN_WAIT)] = S(FIN_WAIT),       /* retransmission */
			[S(CLOSE_WAIT)] = S(CLOSE_WAIT),   /* retransmission */
			[S(LAST_ACK)] = S(LAST_ACK),
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,
		},
		[EV_FIN2] = {
			[S(SYN_SENT)] = DROP,
			[S(SYN_RECV)] = DROP,              /* the originator's FIN would have left this state */
			[S(ESTABLISHED)] = S(LAST_ACK),    /* acknowledges a FIN that came behind a gap, and closes itself */
			[S(FIN_WAIT)] = S(LAST_ACK),       /* both close at once */
			[S(CLOSE_WAIT)] = S(LAST_ACK),     /* the second half closes */
			[S(LAST_ACK)] = S(LAST_ACK),       /* retransmission */
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,
		},
		[EV_ACKFIN] = {
			[S(SYN_SENT)] = DROP,
			[S(SYN_RECV)] = DROP,              /* no FIN of the originator is there to acknowledge */
			[S(ESTABLISHED)] = S(CLOSE_WAIT),  /* as of the originator: it came behind a gap */
			[S(FIN_WAIT)] = S(CLOSE_WAIT),     /* the first FIN is acknowledged */
			[S(CLOSE_WAIT)] = S(CLOSE_WAIT),   /* again */
			[S(LAST_ACK)] = S(LAST_ACK),       /* one of two */
			[S(TIME_WAIT)] = S(TIME_WAIT),
			[S(CLOSE)] = DEAD,
		},
		[EV_DONE] = {
			[S(SYN_SENT)] = DROP,
			[S(SYN_RECV)] = DROP,
			[S(ESTABLISHED)] = S(TIME_WAIT),   /* never reached */
			[S(FIN_WAIT)] = S(TIME_WAIT),
			[S(CLOSE_WAIT)] = S(TIME_WAIT),
			[S(LAST_ACK)] = S(TIME_WAIT),      /* the last acknowledgement */
			[S(TIME_WAIT)] = S(TIME_WAIT),     /* repeated */
			[S(CLOSE)] = DEAD,
		},
		[EV_RST] = {
			[S(SYN_SENT)] = S(CLOSE),          /* refused */
			[S(SYN_RECV)] = S(CLOSE),          /* changed its mind */
			[S(ESTABLISHED)] = S(CLOSE),       /* aborts */
			[S(FIN_WAIT)] = S(CLOSE),
			[S(CLOSE_WAIT)] = S(CLOSE),
			[S(LAST_ACK)] = S(CLOSE),
			[S(TIME_WAIT)] = S(CLOSE),
			[S(CLOSE)] = PASS,                 /* repeats itself */
		},
	},
};
/* clang-format on */

static inline __u32 arc_of(__u32 dir, __u32 event, __u32 state)
{
	return tcp_arcs[dir & 1][event & (EV_MAX - 1)][state & (TCP_STATES - 1)];
}

_Static_assert((EV_MAX & (EV_MAX - 1)) == 0, "events are masked");
_Static_assert(KS_STATE_TCP_CLOSE < TCP_STATES, "states are masked");

#undef S

#endif
