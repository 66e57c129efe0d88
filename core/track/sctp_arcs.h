/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SCTP state machine as a table: for each event and state where it goes, a
 * comment per arc (RFC 9260 4, seen from the middle). One table serves both
 * directions, because SCTP is symmetric: who may send what is told by the
 * tags, which sctp.c has checked before. Closing chunks are taken in any
 * state that is established, because their forerunners may have travelled on
 * another path.
 */
#ifndef KS_CORE_TRACK_SCTP_ARCS_H
#define KS_CORE_TRACK_SCTP_ARCS_H

#include "core/table/flow.h"
#include "core/types.h"

/* The meanings of a packet for the machine. */
enum sctp_event {
	EV_INIT,
	EV_INIT_ACK,
	EV_COOKIE_ECHO,
	EV_COOKIE_ACK,
	EV_HEARTBEAT,
	EV_HEARTBEAT_ACK,
	EV_DATA, /* data, acknowledgements, errors and whatever else moves nothing */
	EV_SHUTDOWN,
	EV_SHUTDOWN_ACK,
	EV_SHUTDOWN_COMPLETE,
	EV_ABORT,
	EV_MAX = 16 /* a power of two, for the mask */
};

/* Arcs that are not a state to go to. */
enum sctp_arc {
	DROP = 0x80, /* does not fit: "bad sctp state" */
	PASS = 0x82, /* let through for the receiver to judge; changes no state and no timer */
};

#define S(state) KS_STATE_SCTP_##state
#define I(state) [KS_STATE_SCTP_##state - KS_STATE_SCTP_COOKIE_WAIT]
#define SCTP_STATES 8 /* a power of two, for the mask */

/* clang-format off */
static const __u8 sctp_arcs[EV_MAX][SCTP_STATES] = {
	[EV_INIT] = {
		I(COOKIE_WAIT) = S(COOKIE_WAIT),         /* again, or both ends begin at once (5.2.1) */
		I(COOKIE_ECHOED) = PASS,                 /* the same, later (5.2.1) */
		I(ESTABLISHED) = PASS,                   /* a restart (5.2.2): the tags in use stay until its cookie is accepted */
		I(SHUTDOWN_SENT) = PASS,                 /* the same */
		I(SHUTDOWN_ACK_SENT) = PASS,             /* answered by SHUTDOWN ACK (9.2) */
		I(CLOSED) = PASS,                        /* never reached: it opens again */
		I(HEARTBEAT) = PASS,                     /* a path that becomes an association's first */
	},
	[EV_INIT_ACK] = {
		I(COOKIE_WAIT) = S(COOKIE_WAIT),         /* the responder offers its tag; nothing is kept at its end */
		I(COOKIE_ECHOED) = PASS,                 /* again: the receiver discards it (5.2.3) */
		I(ESTABLISHED) = PASS,                   /* the answer to a restart */
		I(SHUTDOWN_SENT) = PASS,                 /* the same */
		I(SHUTDOWN_ACK_SENT) = DROP,             /* an INIT is not answered so here (9.2) */
		I(CLOSED) = PASS,                        /* in flight when the end passed */
		I(HEARTBEAT) = PASS,                     /* the answer to an INIT on this path */
	},
	[EV_COOKIE_ECHO] = {
		I(COOKIE_WAIT) = S(COOKIE_ECHOED),       /* the initiator has the cookie */
		I(COOKIE_ECHOED) = S(COOKIE_ECHOED),     /* again, or the other one's after both began */
		I(ESTABLISHED) = PASS,                   /* its answer was lost, or a restart */
		I(SHUTDOWN_SENT) = PASS,                 /* the same */
		I(SHUTDOWN_ACK_SENT) = PASS,             /* answered by SHUTDOWN ACK and an error (5.2.4) */
		I(CLOSED) = PASS,                        /* in flight */
		I(HEARTBEAT) = S(COOKIE_ECHOED),         /* as in COOKIE_WAIT */
	},
	[EV_COOKIE_ACK] = {
		I(COOKIE_WAIT) = DROP,                   /* acknowledges a cookie that never came */
		I(COOKIE_ECHOED) = S(ESTABLISHED),       /* the cookie is accepted: both tags are in use */
		I(ESTABLISHED) = S(ESTABLISHED),         /* again, or a restart is accepted */
		I(SHUTDOWN_SENT) = PASS,                 /* late; an accepted restart leads to ESTABLISHED */
		I(SHUTDOWN_ACK_SENT) = PASS,             /* the same */
		I(CLOSED) = PASS,                        /* in flight */
		I(HEARTBEAT) = DROP,                     /* acknowledges nothing */
	},
	[EV_HEARTBEAT] = {
		I(COOKIE_WAIT) = DROP,                   /* no sender knows a tag yet */
		I(COOKIE_ECHOED) = S(COOKIE_ECHOED),     /* the responder is established already */
		I(ESTABLISHED) = S(ESTABLISHED),         /* the path is asked whether it lives */
		I(SHUTDOWN_SENT) = S(SHUTDOWN_SENT),     /* the same */
		I(SHUTDOWN_ACK_SENT) = PASS,             /* late */
		I(CLOSED) = PASS,                        /* in flight */
		I(HEARTBEAT) = S(HEARTBEAT),             /* the path is asked again */
	},
	[EV_HEARTBEAT_ACK] = {
		I(COOKIE_WAIT) = DROP,                   /* nobody asked */
		I(COOKIE_ECHOED) = S(COOKIE_ECHOED),     /* the initiator answers the responder */
		I(ESTABLISHED) = S(ESTABLISHED),         /* the path lives */
		I(SHUTDOWN_SENT) = S(SHUTDOWN_SENT),     /* the same */
		I(SHUTDOWN_ACK_SENT) = PASS,             /* late */
		I(CLOSED) = PASS,                        /* in flight */
		I(HEARTBEAT) = S(ESTABLISHED),           /* the path is confirmed (5.4) */
	},
	[EV_DATA] = {
		I(COOKIE_WAIT) = DROP,                   /* no association yet */
		I(COOKIE_ECHOED) = S(COOKIE_ECHOED),     /* behind the cookie, or its acknowledgement was overtaken */
		I(ESTABLISHED) = S(ESTABLISHED),         /* data and acknowledgements */
		I(SHUTDOWN_SENT) = S(SHUTDOWN_SENT),     /* the other side sends the rest */
		I(SHUTDOWN_ACK_SENT) = PASS,             /* late */
		I(CLOSED) = PASS,                        /* in flight */
		I(HEARTBEAT) = DROP,                     /* a path carries no data before it is confirmed (5.4) */
	},
	[EV_SHUTDOWN] = {
		I(COOKIE_WAIT) = DROP,                   /* nothing to shut down */
		I(COOKIE_ECHOED) = PASS,                 /* discarded by the initiator, and sent again (9.2) */
		I(ESTABLISHED) = S(SHUTDOWN_SENT),       /* one side has no more to send */
		I(SHUTDOWN_SENT) = S(SHUTDOWN_SENT),     /* again, or both */
		I(SHUTDOWN_ACK_SENT) = PASS,             /* late */
		I(CLOSED) = PASS,                        /* in flight */
		I(HEARTBEAT) = DROP,                     /* nothing to shut down here */
	},
	[EV_SHUTDOWN_ACK] = {
		I(COOKIE_WAIT) = DROP,                   /* nothing was shut down */
		I(COOKIE_ECHOED) = PASS,                 /* the responder still ends the association before (8.5.1 E) */
		I(ESTABLISHED) = S(SHUTDOWN_ACK_SENT),   /* SHUTDOWN went another way */
		I(SHUTDOWN_SENT) = S(SHUTDOWN_ACK_SENT), /* nothing is left to send */
		I(SHUTDOWN_ACK_SENT) = S(SHUTDOWN_ACK_SENT), /* again */
		I(CLOSED) = PASS,                        /* again: answered by SHUTDOWN COMPLETE with the tag reflected (8.4) */
		I(HEARTBEAT) = DROP,                     /* nothing was shut down here */
	},
	[EV_SHUTDOWN_COMPLETE] = {
		I(COOKIE_WAIT) = DROP,                   /* nothing was shut down */
		I(COOKIE_ECHOED) = DROP,                 /* discarded (8.5.1 C) */
		I(ESTABLISHED) = S(CLOSED),              /* the other chunks went another way */
		I(SHUTDOWN_SENT) = S(CLOSED),            /* the same */
		I(SHUTDOWN_ACK_SENT) = S(CLOSED),        /* the end */
		I(CLOSED) = PASS,                        /* again */
		I(HEARTBEAT) = DROP,                     /* nothing was shut down here */
	},
	[EV_ABORT] = {
		I(COOKIE_WAIT) = S(CLOSED),              /* refused */
		I(COOKIE_ECHOED) = S(CLOSED),            /* the cookie is refused */
		I(ESTABLISHED) = S(CLOSED),              /* aborted */
		I(SHUTDOWN_SENT) = S(CLOSED),
		I(SHUTDOWN_ACK_SENT) = S(CLOSED),
		I(CLOSED) = PASS,                        /* repeats itself */
		I(HEARTBEAT) = S(CLOSED),                /* no such association */
	},
};
/* clang-format on */

static inline __u32 arc_of(__u32 event, __u32 state)
{
	return sctp_arcs[event & (EV_MAX - 1)][(state - KS_STATE_SCTP_COOKIE_WAIT) & (SCTP_STATES - 1)];
}

_Static_assert(EV_ABORT < EV_MAX, "events are masked");
_Static_assert(KS_STATE_SCTP_HEARTBEAT - KS_STATE_SCTP_COOKIE_WAIT < SCTP_STATES, "states are masked");

#undef S
#undef I

#endif
