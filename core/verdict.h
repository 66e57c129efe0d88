/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verdicts: the decision on a packet, and the one list of reasons. Every drop has exactly one reason from here; every
 * home counts and shows it by the name given here. New reasons go before KS_REASON_MAX; names are part of the policy-
 * test language and never change.
 */
#ifndef KS_CORE_VERDICT_H
#define KS_CORE_VERDICT_H

#include "core/types.h"

/* The decision on a packet. */
enum ks_action {
	KS_ALLOW = 0,
	KS_DENY = 1, /* dropped silently */
	KS_REJECT = 2, /* dropped, and the sender is told (TCP RST, ICMP unreachable) */
	KS_BYPASS = 3, /* passed by a bypass rule, not tracked */
	KS_HOLD = 4, /* kept back: a fragment whose first one has not come yet */
	KS_ACTION_MAX
};

/* How the packet stands to the flows we remember. */
enum ks_class {
	KS_CLASS_NONE = 0, /* no relation: dropped by policy or before any lookup */
	KS_CLASS_NEW = 1, /* opens a flow, or repeats the opening before anybody answered */
	KS_CLASS_ESTABLISHED = 2, /* belongs to a flow that the other side has answered, or answers it */
	KS_CLASS_RELATED = 3, /* not of the flow, but about it: an ICMP error, an expected connection */
	KS_CLASS_INVALID = 4, /* malformed, or contradicts its flow */
	KS_CLASS_UNTRACKED = 5, /* never tracked: not IP, neighbour discovery, bypass */
	KS_CLASS_MAX
};

/*
 * X(identifier, name, what it means in a sentence).
 * The first group are passes, so that every packet has a reason and sums add up.
 */
#define KS_REASONS(X)                                                                                                  \
	X(OK_NEW, "new", "a rule allowed it to open a flow")                                                           \
	X(OK_ESTABLISHED, "established", "it belongs to a flow")                                                       \
	X(OK_RELATED, "related", "it goes with a flow: an ICMP error that quotes it, or a connection awaited by it")   \
	X(OK_BYPASS, "bypass", "a bypass rule passes it untracked")                                                    \
	X(OK_NEIGHBOUR, "neighbour", "IPv6 neighbour discovery, or a message about multicast listeners, sane")         \
	X(OK_NOT_IP, "not ip", "neither IPv4 nor IPv6: ARP and the like always pass")                                  \
	X(OK_HELD, "held", "a fragment that is kept until the first one of its datagram comes")                        \
	X(OK_UNDECIDED, "undecided",                                                                                   \
	  "some zone's rules allow it: the interface that it leaves by decides, where it is counted again")            \
	/* policy */                                                                                                   \
	X(RULE, "rule", "a deny or reject rule matched")                                                               \
	X(NO_STATE, "no state", "no flow knows it, and it cannot open one: a stray of a connection")                   \
	/* frame and IP header */                                                                                      \
	X(TRUNCATED, "truncated", "the frame ends inside a header or before the stated length")                        \
	X(LINK_HEADER, "bad link header", "the link header is incomplete or nested too deep")                          \
	X(IP_VERSION, "bad ip version", "the IP version does not match the frame's type")                              \
	X(IP_HEADER_LENGTH, "bad ip header length", "the IP header length is below 20 or past the packet")             \
	X(IP_TOTAL_LENGTH, "bad ip total length", "the IP length is below its header or past the frame")               \
	X(IP_CHECKSUM, "bad ip checksum", "the IPv4 header checksum is wrong")                                         \
	X(IP_OPTIONS, "bad ip options", "an IPv4 option is malformed")                                                 \
	X(SOURCE_ROUTE, "source route", "an IPv4 option chooses the way of the packet (RFC 791 3.1)")                  \
	X(IP_SOURCE, "bad source address", "the source is multicast or broadcast")                                     \
	X(SPOOFED, "spoofed source", "the source is the box's own, reserved, or at home in another zone")              \
	X(BROADCAST, "directed broadcast", "it goes to the broadcast address of a network that it does not come from") \
	X(OTHER_PROTOCOL, "other protocol", "not IP, and no bridge hands it on: see option other-protocols")           \
	X(LAND, "land", "source and destination address and port are the same")                                        \
	X(EXTENSION_HEADER, "bad extension header", "an IPv6 extension header is malformed, repeated or too many")     \
	X(ROUTING_HEADER, "routing header", "IPv6 routing header type 0 (RFC 5095)")                                   \
	X(HEADERS_TOO_LONG, "headers too long", "the headers do not fit the inspected part of the packet")             \
	X(FRAGMENT, "bad fragment", "a fragment without octets, of an uneven length, or past its datagram's end")      \
	X(FRAGMENT_TOO_LONG, "fragment too long", "its datagram would be longer than 65535 octets")                    \
	X(FRAGMENT_TINY, "tiny fragment", "a first fragment without the whole upper header (RFC 7112)")                \
	X(FRAGMENT_OVERLAP, "fragment overlap", "it overlaps another fragment of its datagram (RFC 5722)")             \
	X(FRAGMENT_AGAIN, "fragment again", "the same fragment has come already")                                      \
	X(FRAGMENT_EARLY, "fragment without first", "its first fragment did not come, and it cannot be kept")          \
	X(FRAGMENT_DEAD, "dead datagram", "another fragment of its datagram was refused")                              \
	/* upper protocols */                                                                                          \
	X(TCP_HEADER, "bad tcp header", "the TCP data offset is below 20 or past the packet")                          \
	X(TCP_FLAGS, "bad tcp flags",                                                                                  \
	  "a set of TCP flags that no stack sends: none, SYN+FIN, SYN+RST, FIN alone, ...")                            \
	X(TCP_PORT, "bad tcp port", "a TCP port is 0")                                                                 \
	X(TCP_OPTIONS, "bad tcp options", "a TCP option on a SYN is malformed")                                        \
	X(UDP_HEADER, "bad udp length", "the UDP length is below 8 or past the packet")                                \
	X(UDP_PORT, "bad udp port", "the UDP destination port is 0")                                                   \
	X(ICMP_HEADER, "bad icmp header", "the ICMP message is shorter than its type needs")                           \
	X(ICMP_TYPE, "bad icmp type",                                                                                  \
	  "a type or code that does not exist, is obsolete, or redirects translated flows")                            \
	X(ICMP_QUOTE, "bad icmp quote", "an ICMP error that quotes no parsable packet")                                \
	X(ICMP_NO_FLOW, "icmp without flow", "an ICMP error about a flow we do not know, or in the wrong direction")   \
	X(ICMP_REPLY, "unasked reply", "an ICMP reply that nobody asked for")                                          \
	X(NEIGHBOUR, "bad neighbour message", "neighbour discovery with a hop limit below 255 or malformed")           \
	X(SCTP_HEADER, "bad sctp header", "the SCTP packet is shorter than its header and a chunk, or a port is 0")    \
	X(SCTP_CHUNK, "bad sctp chunk", "an SCTP chunk's length is impossible, or a DATA chunk is empty")              \
	X(SCTP_BUNDLE, "bad sctp bundle", "SCTP chunks stand together that may not (RFC 9260 6.10)")                   \
	X(SCTP_ZERO_TAG, "zero sctp tag", "an SCTP tag is 0 where only INIT has none, or INIT has one")                \
	X(DCCP_HEADER, "bad dccp header", "the DCCP header's length, type or checksum coverage is impossible")         \
	X(UDPLITE_COVERAGE, "bad udp-lite coverage",                                                                   \
	  "the UDP-Lite checksum covers 1 to 7 octets or more than there are")                                         \
	X(UDPLITE_CHECKSUM, "no udp-lite checksum", "the UDP-Lite checksum is 0, which is forbidden (RFC 3828 3.1)")   \
	X(GRE_HEADER, "bad gre header", "the GRE version, flags or length are impossible")                             \
	X(IPSEC_HEADER, "bad ipsec header", "an ESP or AH header is too short, or its SPI is 0")                       \
	X(IGMP, "bad igmp message", "an IGMP message is malformed, from further away, or without router alert")        \
	X(L4_CHECKSUM, "bad checksum", "the checksum of the upper protocol is wrong")                                  \
	/* state */                                                                                                    \
	X(TCP_STATE, "bad tcp state", "the flags do not fit the state of the connection")                              \
	X(TCP_WINDOW_SEQ, "seq above window", "data past the window the receiver offered")                             \
	X(TCP_OLD_SEQ, "seq below window", "data older than any retransmission could be")                              \
	X(TCP_ACK_AHEAD, "ack of unsent data", "it acknowledges data that was never sent")                             \
	X(TCP_ACK_OLD, "ack too old", "its acknowledgement is older than a window")                                    \
	X(TCP_RST_SEQ, "inexact rst", "a RST that is not at the next sequence number")                                 \
	X(TCP_SPLIT, "split handshake", "the answer to a SYN is a bare SYN: roles must not change")                    \
	X(SCTP_TAG, "wrong sctp tag", "the SCTP verification tag is not the one that this side was given")             \
	X(SCTP_STATE, "bad sctp state", "the SCTP chunks do not fit the state of the association")                     \
	X(DCCP_STATE, "bad dccp state", "the DCCP packet does not fit the state of the connection")                    \
	X(DCCP_SEQ, "dccp seq outside window",                                                                         \
	  "a DCCP sequence or acknowledgement number is not what the sender can have")                                 \
	X(ZONE, "wrong zone", "it belongs to a flow but comes from a zone where that peer is not")                     \
	X(DIRECTION, "wrong direction", "only the flow's originator may send this")                                    \
	X(UNTRANSLATED, "untranslated", "it belongs to a translated flow but bears the untranslated address")          \
	X(REROUTED, "rerouted", "its translation is of another way out: its flow ended, the next packet begins anew")  \
	X(FOREIGN_NAT, "translated by others", "another program translated it between two guarded interfaces")         \
	X(UNGUARDED, "unguarded interface", "it came by an interface that is neither guarded nor ignored")             \
	/* resources */                                                                                                \
	X(TABLE_FULL, "table full", "the state table is full of live flows")                                           \
	X(HALF_OPEN_FULL, "half-open full", "never given any more: who waits longest makes room")                      \
	X(FRAGMENT_LIMIT, "fragment limit", "too many holes in a datagram, or no room for its record")                 \
	X(NO_PORT, "no free port",                                                                                     \
	  "translation found no free port; of protocols without ports one host at a time speaks to a server")          \
	X(NO_ADDRESS, "no address", "address translation found no address for it")                                     \
	X(ANNOUNCEMENT, "announcement incomplete",                                                                     \
	  "a helper needs what is before or behind it first, or an acknowledgement: TCP repeats it")                   \
	X(TRANSLATE, "cannot translate", "the octets of the packet could not be changed as its flow demands")          \
	X(CONTENDED, "contended", "another processor held this flow too long")                                         \
	X(INTERNAL, "internal error", "the home could not do its part: report this")                                   \
	X(UNNAMED, "not named",                                                                                        \
	  "a helper expects a connection there, but from somebody whom the server has not named")                      \
	X(ADDRESS_LOST, "address lost", "the firewall has lost the address of its connection: the inside is reset")    \
	X(TCP_RESET, "connection reset",                                                                               \
	  "its connection was reset: only resets pass, and whoever goes on gets another")                              \
	X(CHALLENGED, "challenged",                                                                                    \
	  "half-open connections fill, its destination is flooded, or its zone always challenges, and its source has " \
	  "not shown yet that it is real")                                                                             \
	X(CHALLENGE_ANSWERED, "challenge answered", "a RST by which its source has shown that it is real")             \
	X(OVER_FLOWS, "over limit of new flows", "more flows in this time than a limit of the rule allows")            \
	X(OVER_CONNECTIONS, "over limit of connections", "more connections at once than a limit of the rule allows")   \
	X(OVER_PACKETS, "over limit of packets", "more packets in this time than a limit of the rule allows")          \
	X(OVER_OCTETS, "over limit of octets", "more octets in this time than a limit of the rule allows")             \
	/* protect (core/protect.h) */                                                                                 \
	X(SYN_FLOOD, "syn flood", "more new connections to this address than the threshold of its zone")               \
	X(UDP_FLOOD, "udp flood", "more UDP that nobody has answered to this address than the threshold of its zone")  \
	X(ICMP_FLOOD, "icmp flood", "more ICMP queries to this address than the threshold of its zone")                \
	X(PORT_SCAN, "port scan", "refused by the rules or its flags, and its source asks for many ports")             \
	X(TRACE_ROUTE, "trace route", "its hop limit ends before its way does, or it is a probe of traceroute")        \
	X(IP_OPTION, "ip option", "an IPv4 option, or a hop-by-hop header, from a zone that is protected from it")     \
	X(SYN_FRAGMENT, "syn fragment", "a SYN in a datagram in fragments")                                            \
	X(ICMP_FRAGMENT, "icmp fragment", "an ICMP query in fragments, or another message that would open a flow")     \
	X(SMURF, "smurf", "an ICMP query to a group, which many would answer")                                         \
	X(FRAGGLE, "fraggle", "UDP to port 7 or 19 of a group, which many would answer")                               \
	X(UNASSIGNED_PROTOCOL, "unassigned protocol", "a protocol number that nobody has been assigned")               \
	X(SOURCE_LIMIT, "source limit", "its source holds its share of the state table")                               \
	X(TALLIES_FULL, "tallies full", "a limit cannot count it: `limit tallies` sources that are real have others")  \
	X(NO_RULE, "no rule", "no flow knows it, and no rule lets it open one")

enum ks_reason {
#define X(id, name, text) KS_REASON_##id,
	KS_REASONS(X)
#undef X
		KS_REASON_MAX
};

#define KS_REASON_FIRST_DROP KS_REASON_RULE

static inline bool ks_reason_is_pass(__u32 reason)
{
	return reason < KS_REASON_FIRST_DROP;
}

#endif
