/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of entries of the state table, states of flows, classes of UDP. Here, because the policy names them too. */
#ifndef KS_CORE_STATE_H
#define KS_CORE_STATE_H

/*
 * Kinds of entries: flows, and records that belong to them. The kind is part of the key. All entries begin like struct
 * ks_flow up to `timeout`; each kind has its own layout behind that.
 */
enum ks_kind {
	KS_KIND_FLOW = 0, /* a flow, or an alias of one (KS_STATE_ALIAS): what packets carry */
	KS_KIND_MAPPING_OUT, /* endpoint-independent NAT: from the inner endpoint (core/nat/mapping.h) */
	KS_KIND_MAPPING_IN, /* the same from the outer endpoint */
	KS_KIND_PERMIT, /* the same: an address that the inner endpoint has spoken to */
	KS_KIND_EXPECT, /* a connection that a helper announced (core/helper/expect.h) */
	KS_KIND_FRAGMENT, /* a datagram that comes in fragments (core/fragment/fragment.h) */
	KS_KIND_HELPER_ORIGINAL, /* the memory of a helper for its control connection, per direction (core/helper/helper.h) */
	KS_KIND_HELPER_REPLY,
	KS_KIND_QUESTION, /* somebody asked a group, whose members may answer (core/group.h) */
	KS_KIND_QUOTED, /* a datagram that left in fragments, which an ICMP error may quote (core/table/datagram.h) */
	KS_KIND_TALLY, /* the count of a limit: of a rule, a source, a destination (core/table/tally.h) */
	KS_KIND_PACE, /* the same of one flow */
	KS_KIND_MAX = 16
};

/* X(identifier, name). The names are shown to users and accepted in filters and tests. */
#define KS_STATES(X)                                                                                  \
	X(NONE, "NONE") /* the slot is free */                                                        \
	X(TCP_SYN_SENT, "SYN_SENT") /* the originator's SYN was seen */                               \
	X(TCP_SYN_RECV, "SYN_RECV") /* it was answered by SYN+ACK */                                  \
	X(TCP_ESTABLISHED, "ESTABLISHED") /* the handshake is complete */                             \
	X(TCP_FIN_WAIT, "FIN_WAIT") /* one side sent FIN */                                           \
	X(TCP_CLOSE_WAIT, "CLOSE_WAIT") /* that FIN was acknowledged */                               \
	X(TCP_LAST_ACK, "LAST_ACK") /* both sent FIN, one is not acknowledged */                      \
	X(TCP_TIME_WAIT, "TIME_WAIT") /* both FINs acknowledged */                                    \
	X(TCP_CLOSE, "CLOSE") /* reset */                                                             \
	X(UDP_SINGLE, "UDP_SINGLE") /* one side spoke */                                              \
	X(UDP_STREAM, "UDP_STREAM") /* both spoke */                                                  \
	X(ICMP_REQUEST, "ICMP_REQUEST") /* asked */                                                   \
	X(ICMP_REPLIED, "ICMP_REPLIED") /* answered */                                                \
	X(OTHER_SINGLE, "OTHER_SINGLE") /* any other protocol: one side spoke */                      \
	X(OTHER_STREAM, "OTHER_STREAM") /* both spoke */                                              \
	X(SCTP_COOKIE_WAIT, "SCTP_COOKIE_WAIT") /* INIT was seen, perhaps its answer */               \
	X(SCTP_COOKIE_ECHOED, "SCTP_COOKIE_ECHOED") /* the cookie came back */                        \
	X(SCTP_ESTABLISHED, "SCTP_ESTABLISHED") /* the cookie was accepted, or the path confirmed */  \
	X(SCTP_SHUTDOWN_SENT, "SCTP_SHUTDOWN_SENT") /* one side has no more to send */                \
	X(SCTP_SHUTDOWN_ACK_SENT, "SCTP_SHUTDOWN_ACK_SENT") /* the other has nothing either */        \
	X(SCTP_CLOSED, "SCTP_CLOSED") /* shut down or aborted */                                      \
	X(SCTP_HEARTBEAT, "SCTP_HEARTBEAT") /* a further path, not confirmed yet */                   \
	X(DCCP_REQUEST, "DCCP_REQUEST") /* the client asked */                                        \
	X(DCCP_RESPOND, "DCCP_RESPOND") /* the server answered */                                     \
	X(DCCP_PARTOPEN, "DCCP_PARTOPEN") /* the client confirmed */                                  \
	X(DCCP_OPEN, "DCCP_OPEN") /* the server goes on: data flows */                                \
	X(DCCP_CLOSEREQ, "DCCP_CLOSEREQ") /* the server asks the client to close */                   \
	X(DCCP_CLOSING, "DCCP_CLOSING") /* one side closes */                                         \
	X(DCCP_TIMEWAIT, "DCCP_TIMEWAIT") /* reset, or closed */                                      \
	X(ALIAS, "ALIAS") /* not a flow: another key of one, see core/nat/alias.h */                  \
	X(MAPPING, "MAPPING") /* not a flow: endpoint-independent NAT */                              \
	X(EXPECTED, "EXPECTED") /* not a flow: announced by a helper */                               \
	X(FRAGMENTS, "FRAGMENTS") /* not a flow: a datagram in fragments */                           \
	X(HELPER, "HELPER") /* not a flow: the memory of a helper */                                  \
	X(ASKED, "ASKED") /* not a flow: a question to a group */                                     \
	X(TAKEN_UP, "TAKEN_UP") /* a connection from its middle: the other side has not spoken yet */ \
	X(TALLY, "TALLY") /* not a flow: the count of a limit */

enum ks_state {
#define X(id, name) KS_STATE_##id,
	KS_STATES(X)
#undef X
		KS_STATE_MAX
};

#define KS_STATE_SLOTS 64 /* a power of two: tables by state are this long, and masked */

/* Kinds of UDP that are known by their port or their first bytes, because their timeouts differ (core/track/udp_class.h). */
enum ks_udp_class {
	KS_UDP_PLAIN,
	KS_UDP_DNS, /* the answer closes the flow */
	KS_UDP_QUIC,
	KS_UDP_WIREGUARD,
	KS_UDP_STUN,
	KS_UDP_SIP,
	KS_UDP_CLASSES = 8
};

#endif
