/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The test language: what a `test "name" { ... }` block of a policy becomes.
 * A test is a list of steps, a step is one line. docs/ and tests/cases/ show
 * the language; the words that shape a packet are the table KS_MODS below.
 *
 *   lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp            => allow new
 *   c = lan 10.0.0.5:40001 > wan 192.0.2.1:80 tcp        names a conversation
 *   c > syn                                              from its left end ...
 *   c < syn ack win 1000                                 ... and from its right end
 *   c open                                               a whole handshake, c close a whole farewell
 *   wan 192.0.2.254 > lan 10.0.0.5 icmp unreachable port quoting c >
 *   lan > wan arp                                        frames without IP; also: frame hex "0a0b..."
 *   after 10m
 *   clock fri 17:59                                      the wall clock is set, for schedules: a day of the week that began on
 *                                                        Monday, 2024-01-01, where every test starts at noon, or a date
 *   fill 64 lan 10.0.0.6:1000 > wan 192.0.2.1:53 udp     64 flows: the source port counts up
 *   expect states 3
 *   expect half-open 0
 *   expect state ESTABLISHED for c                       or `expect no state for c`, `expect packets 3 2 for c`
 *   reload "other.conf"                                  beside this file
 *   listen udp 1194                                      a process of the box takes this port
 *   settle                                               the firewall has just started (core/settle.h)
 *   kill c                                               the administrator ends its flow
 *   expect records mappings 2                            entries of the table that are no flows
 *   set blocked add 192.0.2.0/24 for 1h                  a run-time set changes; also `remove PREFIX` and `flush`
 *   expect set blocked 1                                 its living entries
 *
 * Under address translation a conversation is written as the side sees it that
 * speaks first, and goes on as its ends do: the other side answers what it has
 * seen, which is where the packet came from after it was let through. `as`,
 * `payload` and others behind `=>` say how a packet leaves.
 *
 * TCP numbers are relative: 0 is the sender's initial sequence number (ISN),
 * so that a SYN has seq 0 and the first byte of data seq 1. The ISN of the
 * side that speaks first is 1000, of the other side 5000, unless the word
 * `isn N` sets it. Without `seq`, a packet continues where its sender's last
 * packet that passed ended; without a number after `ack`, it acknowledges all
 * that the peer has sent so. `seq next+5` counts from there, `seq =7` is the
 * number on the wire.
 *
 * A struct ks_test lives in its policy's arena and is immutable after the load.
 */
#ifndef KS_POLICY_SCENARIO_SCENARIO_H
#define KS_POLICY_SCENARIO_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include "core/table/flow.h"
#include "core/header/packet.h"
#include "core/types.h"
#include "policy/policy.h"

/* The argument that a word of the packet language takes. */
enum ks_mod_arg {
	KS_ARG_NONE,
	KS_ARG_NUMBER, /* in the bounds of the table */
	KS_ARG_BAD, /* a number, or `bad` for a value that is not the right one */
	KS_ARG_SEQ, /* a TCP number, see struct ks_mod */
	KS_ARG_SEQ_RANGE, /* two of them: sack 101-201 */
	KS_ARG_PAIR, /* two numbers in the bounds */
	KS_ARG_BYTES, /* "text" or hex "0a0b" */
	KS_ARG_OPTION, /* an IPv4 option's name, or hex "..." */
	KS_ARG_EXTENSION, /* an IPv6 extension header's name, its number where it has one */
	KS_ARG_ADDRESS,
	KS_ARG_RANGE, /* two numbers in the bounds: part 0-480 */
	KS_ARG_DSCP, /* a code point: ef, 46 */
	KS_ARG_MAC,
	KS_ARG_CGROUP, /* the path of a control group in quotes: data, with its end */
};

/* The kinds of packets that a word can describe. */
#define KS_FOR_TCP 0x01
#define KS_FOR_UDP 0x02
#define KS_FOR_ICMP 0x04 /* and ICMPv6 */
#define KS_FOR_OTHER 0x08
#define KS_FOR_IPV4 0x10
#define KS_FOR_IPV6 0x20
#define KS_FOR_FRAME 0x40 /* frames without IP */
#define KS_FOR_SCTP 0x80
#define KS_FOR_DCCP 0x100
#define KS_FOR_GRE 0x200
#define KS_FOR_UDPLITE 0x400
#define KS_FOR_L4 \
	(KS_FOR_TCP | KS_FOR_UDP | KS_FOR_ICMP | KS_FOR_OTHER | KS_FOR_SCTP | KS_FOR_DCCP | KS_FOR_GRE | KS_FOR_UDPLITE)
#define KS_FOR_SUMMED (KS_FOR_TCP | KS_FOR_UDP | KS_FOR_ICMP | KS_FOR_SCTP | KS_FOR_DCCP | KS_FOR_UDPLITE)
#define KS_FOR_IP (KS_FOR_IPV4 | KS_FOR_IPV6)
#define KS_FOR_ALL (KS_FOR_IP | KS_FOR_FRAME)

/* X(identifier, word, argument, lowest, highest, where, what it does) */
#define KS_MODS(X)                                                                                                    \
	X(VLAN, "vlan", NUMBER, 0, 4095, KS_FOR_ALL, "an 802.1Q tag; repeated: outer first")                          \
	X(QINQ, "qinq", NUMBER, 0, 4095, KS_FOR_ALL, "an 802.1ad service tag")                                        \
	X(ETHERTYPE, "ethertype", NUMBER, 0, 65535, KS_FOR_ALL, "the type in the Ethernet header")                    \
	X(LAYER3, "layer3", NONE, 0, 0, KS_FOR_IP, "no Ethernet header, as on a tun device")                          \
	X(PAD, "pad", NUMBER, 0, 1400, KS_FOR_ALL, "octets behind the packet, as Ethernet pads")                      \
	X(TRUNCATE, "truncate", NUMBER, 0, 65535, KS_FOR_ALL, "octets of the frame that arrive")                      \
	X(SNAP, "snap", NUMBER, 0, 65535, KS_FOR_ALL, "octets that a capture kept of the frame")                      \
	X(BYTE, "octet", PAIR, 0, 65535, KS_FOR_ALL, "puts a value at an offset from the network header")             \
	X(TTL, "ttl", NUMBER, 0, 255, KS_FOR_IP, "time to live or hop limit")                                         \
	X(HOP_LIMIT, "hop-limit", NUMBER, 0, 255, KS_FOR_IP, "the same")                                              \
	X(TOS, "tos", NUMBER, 0, 255, KS_FOR_IP, "type of service or traffic class")                                  \
	X(DSCP, "dscp", DSCP, 0, 63, KS_FOR_IP, "the code point in there")                                            \
	X(MARK, "mark", NUMBER, 0, 4294967295, KS_FOR_ALL, "the mark that the kernel has put on it")                  \
	X(USER, "user", NUMBER, 0, 4294967294, KS_FOR_ALL, "the user of the socket that sends it, by number")         \
	X(CGROUP, "cgroup", CGROUP, 0, 0, KS_FOR_ALL, "the control group of the socket that sends it, in quotes")     \
	X(MAC, "mac", MAC, 0, 0, KS_FOR_ALL, "the source address of its frame")                                       \
	X(IP_ID, "ip-id", NUMBER, 0, 4294967295, KS_FOR_IP, "identification, of IPv6 in the fragment header")         \
	X(DF, "df", NONE, 0, 0, KS_FOR_IPV4, "don't fragment")                                                        \
	X(FRAGMENT, "fragment", NUMBER, 0, 65535, KS_FOR_IP, "a fragment at this offset in octets, a multiple of 8")  \
	X(MORE, "more", NONE, 0, 0, KS_FOR_IP, "more fragments follow")                                               \
	X(PART, "part", RANGE, 0, 65535, KS_FOR_IP, "only these octets of the datagram, as its fragment")             \
	X(IP_OPTION, "ip-option", OPTION, 0, 0, KS_FOR_IPV4, "an IPv4 option")                                        \
	X(EXT, "ext", EXTENSION, 0, 255, KS_FOR_IPV6, "an IPv6 extension header")                                     \
	X(VERSION, "ip-version", NUMBER, 0, 15, KS_FOR_IP, "the version in the header")                               \
	X(IHL, "ihl", NUMBER, 0, 15, KS_FOR_IPV4, "the header length in the header, in 32-bit words")                 \
	X(TOTAL_LENGTH, "total-length", NUMBER, 0, 65535, KS_FOR_IPV4, "the total length in the header")              \
	X(PAYLOAD_LENGTH, "payload-length", NUMBER, 0, 65535, KS_FOR_IPV6, "the payload length in the header")        \
	X(NEXT_HEADER, "next-header", NUMBER, 0, 255, KS_FOR_IP, "the protocol in the last IP header")                \
	X(IP_CHECKSUM, "ip-checksum", BAD, 0, 65535, KS_FOR_IPV4, "the header checksum")                              \
	X(LEN, "len", NUMBER, 0, 65000, KS_FOR_L4, "octets of payload")                                               \
	X(DATA, "data", BYTES, 0, 0, KS_FOR_L4, "the payload itself")                                                 \
	X(CHECKSUM, "checksum", BAD, 0, 65535, KS_FOR_SUMMED, "the upper checksum")                                   \
	X(ISN, "isn", NUMBER, 0, 4294967295, KS_FOR_TCP, "sets the sender's initial sequence number")                 \
	X(SEQ, "seq", SEQ, 0, 0, KS_FOR_TCP | KS_FOR_ICMP | KS_FOR_DCCP, "sequence number")                           \
	X(ACK, "ack-number", SEQ, 0, 0, KS_FOR_TCP | KS_FOR_DCCP, "acknowledgement number, with or without the flag") \
	X(WIN, "win", NUMBER, 0, 65535, KS_FOR_TCP, "window as on the wire, 65535 without it")                        \
	X(WSCALE, "wscale", NUMBER, 0, 255, KS_FOR_TCP, "window scale option")                                        \
	X(MSS, "mss", NUMBER, 0, 65535, KS_FOR_TCP, "maximum segment size option")                                    \
	X(SACKOK, "sackok", NONE, 0, 0, KS_FOR_TCP, "selective acknowledgements permitted option")                    \
	X(SACK, "sack", SEQ_RANGE, 0, 0, KS_FOR_TCP, "a block of a selective acknowledgement")                        \
	X(TIMESTAMPS, "timestamps", PAIR, 0, 4294967295, KS_FOR_TCP, "timestamps option")                             \
	X(TCP_OPTION, "tcp-option", BYTES, 0, 0, KS_FOR_TCP, "octets among the TCP options")                          \
	X(DATA_OFFSET, "data-offset", NUMBER, 0, 255, KS_FOR_TCP | KS_FOR_DCCP, "the header length, in 32-bit words") \
	X(UDP_LENGTH, "udp-length", NUMBER, 0, 65535, KS_FOR_UDP, "the length in the UDP header")                     \
	X(CHUNK, "chunk", NUMBER, 0, 255, KS_FOR_SCTP, "a chunk of this type")                                        \
	X(TBIT, "tbit", NONE, 0, 0, KS_FOR_SCTP, "the T bit on the last chunk: the tag is the sender's own")          \
	X(CHUNK_LENGTH, "chunk-length", NUMBER, 0, 65535, KS_FOR_SCTP, "the length in the last chunk")                \
	X(VTAG, "vtag", NUMBER, 0, 4294967295, KS_FOR_SCTP, "verification tag, the receiver's without it")            \
	X(INIT_TAG, "init-tag", NUMBER, 0, 4294967295, KS_FOR_SCTP, "the tag that an INIT asks for")                  \
	X(COVERAGE, "coverage", NUMBER, 0, 65535, KS_FOR_DCCP | KS_FOR_UDPLITE, "what the checksum covers")           \
	X(GRE_KEY, "key", NUMBER, 0, 4294967295, KS_FOR_GRE, "a GRE header with this key")                            \
	X(CALL, "call", NUMBER, 0, 65535, KS_FOR_GRE, "a GRE header of PPTP with this call identifier")               \
	X(TYPE, "type", NUMBER, 0, 255, KS_FOR_ICMP | KS_FOR_DCCP, "ICMP or DCCP type")                               \
	X(CODE, "code", NUMBER, 0, 255, KS_FOR_ICMP | KS_FOR_DCCP, "ICMP code, or that of a DCCP reset")              \
	X(ID, "id", NUMBER, 0, 65535, KS_FOR_ICMP, "identifier of an ICMP query")                                     \
	X(TARGET, "target", ADDRESS, 0, 0, KS_FOR_ICMP, "target address of a neighbour discovery message")

enum ks_mod_kind {
#define X(id, word, arg, lo, hi, where, text) KS_MOD_##id,
	KS_MODS(X)
#undef X
		KS_MOD_MAX
};

/* The number that a TCP number counts from. */
enum ks_seq_base {
	KS_SEQ_ISN, /* the initial sequence number */
	KS_SEQ_NEXT, /* the number that the packet would have without the word */
	KS_SEQ_ABSOLUTE,
	KS_SEQ_CHALLENGE, /* the number that the latest challenge of the conversation acknowledged (core/challenge.h) */
};

/* ks_mod.value2 of an extension header that has a router alert (RFC 2711). */
#define KS_EXT_ALERT (-2)

/* One word of the packet language with its argument, in the order of the text. */
struct ks_mod {
	enum ks_mod_kind kind;
	enum ks_seq_base base;
	bool bad; /* `bad` instead of a number */
	__s64 value, value2;
	__u8 *data; /* KS_ARG_BYTES, OPTION, EXTENSION and ADDRESS: bytes */
	size_t length;
};

/* The kinds of packets. */
enum ks_spec_kind {
	KS_SPEC_IP,
	KS_SPEC_ARP,
	KS_SPEC_FRAME, /* bytes as given: data */
	KS_SPEC_LAST, /* in a quotation: the packet before */
};

/* A packet in words. Ports and addresses are the packet's own, the sender first. */
struct ks_packet_spec {
	enum ks_spec_kind kind;
	__u8 from, to; /* zone ids, KS_ZONE_UNKNOWN where nothing was said */
	__u8 family; /* KS_IPV4, KS_IPV6; 0 for frames */
	__u8 proto;
	__u8 tcp_flags;
	bool has_ports;
	__u16 sport, dport; /* host order */
	struct ks_addr src, dst;
	struct ks_mod *mods;
	size_t mod_count;
	__u8 *data; /* KS_SPEC_FRAME */
	size_t length;
	struct ks_packet_spec *quote; /* the packet that an ICMP error quotes, or NULL */
	bool conversation; /* a packet of a named conversation: its ends know each other by what they have seen */
	__u8 seen; /* of a quotation: enum ks_seen */
};

/* The addresses of a quoted packet where they are translated: as the sender or as the receiver knows them. */
enum ks_seen {
	KS_SEEN_AUTO, /* the receiver's, if the error comes from the receiver's zone, else the sender's */
	KS_SEEN_SENT,
	KS_SEEN_RECEIVED,
};

/* The addresses and ports that an end of a leaving packet may have. */
struct ks_end_pattern {
	__u8 family; /* 0: any address */
	struct ks_range addrs;
	__u16 port_lo, port_hi;
	bool port_not; /* any port but these */
};

struct ks_ends_pattern {
	bool given;
	struct ks_end_pattern src, dst;
	int id; /* of an ICMP query; -1: any */
};

#define KS_STAGED_NONE KS_ACTION_MAX

/* The rules that have a packet written to the log: the one that decided, a staged one. */
#define KS_LOGS_RULE 1
#define KS_LOGS_STAGED 2

/* The expectation of a packet; -1 where it expects nothing. */
struct ks_expect {
	int action; /* enum ks_action: always given, allow by default */
	int class, state, reason, dir;
	int answer; /* enum ks_answer */
	int rule_line; /* line of the rule that decided or made the flow, 0: the default deny */
	const char *rule_label; /* or its label */
	int staged; /* enum ks_action of the staged rule that would have decided, KS_STAGED_NONE: there is none */
	int logs; /* KS_LOGS_* of each rule that logs it; 0: none does */

	/* of the packet as it leaves */
	bool same; /* no byte is changed */
	struct ks_ends_pattern as, quoting;
	__u8 *payload; /* of the upper protocol; NULL: any */
	size_t payload_length;
	int ttl, mss, df, ip_id, dscp;
	__s64 mark;
	int resumes; /* how many fragments that were held go on behind it */
};

enum ks_answer { KS_ANSWER_NONE, KS_ANSWER_RST, KS_ANSWER_ICMP, KS_ANSWER_CHALLENGE };

enum ks_step_kind {
	KS_STEP_PACKET,
	KS_STEP_AFTER, /* number: ms */
	KS_STEP_CLOCK, /* number: seconds since 1970 */
	KS_STEP_EXPECT_STATES, /* number: live flows */
	KS_STEP_EXPECT_HALF_OPEN,
	KS_STEP_EXPECT_STATE, /* expect.state of the flow of `packet`; KS_STATE_NONE: there must be none */
	KS_STEP_EXPECT_PACKETS, /* number, number2: of the flow, by its originator and by the other side */
	KS_STEP_EXPECT_RECORDS, /* number: entries of the kind number2 (enum ks_kind) that are no flows */
	KS_STEP_RELOAD, /* path */
	KS_STEP_SETTLE,
	KS_STEP_KILL, /* the flow of `packet` */
	KS_STEP_LISTEN, /* number: port; packet.proto */
	KS_STEP_SET, /* path: name of the run-time set; change, prefix, number: ms, 0 as the set says */
	KS_STEP_EXPECT_SET, /* path: name, number: entries */
	KS_STEP_NEVER, /* path: "wan > lan tcp port 22": the policy lets no such packet open a connection */
	KS_STEP_ALWAYS, /* path: it lets all of them */
};

enum ks_set_change { KS_SET_ADD, KS_SET_REMOVE, KS_SET_FLUSH };

struct ks_step {
	enum ks_step_kind kind;
	struct ks_place place;
	const char *text; /* the line, its blanks and variables normalised */
	__u64 number, number2; /* KS_STEP_PACKET: how many flows of it, 1 without `fill` */
	struct ks_packet_spec packet;
	struct ks_expect expect;
	const char *path;
	enum ks_set_change change;
	struct ks_prefix prefix;
};

struct ks_test {
	const char *name;
	struct ks_place place;
	struct ks_step *steps;
	size_t step_count;
};

struct ks_arena;
struct ks_parser;

#define KS_CLOCK_YEAR 124 /* 2024, as in struct tm: its first day is a Monday */

/* Returns true if a step of the test may fail. A test without one says nothing, and is not counted as passed. */
bool ks_test_can_fail(const struct ks_test *test);

#define KS_TEST_CANNOT_FAIL "expects nothing: it needs a packet with its verdict, or an 'expect'"

/*
 * Parses the block behind the word `test` and adds it to the parser's policy;
 * the steps are read when the zones are known. Complaints go to the parser's
 * list, one a line at most. Returns 0, also after complaints about steps;
 * -ENOMEM; -EINVAL if the block has no name, no brace or no end.
 */
int ks_test_parse(struct ks_parser *parser);

/*
 * Parses one packet in words, as `keepstate explain` takes it: the zones may
 * be left out (a zone with a network of the policy is found by it, else the
 * zone is KS_ZONE_UNKNOWN), and an expectation too. The step lives in `arena`,
 * which is the caller's. Complaints are added to diags, which the caller
 * initialised (zeroes will do); they name the file "packet". Returns 0, -ENOMEM or -EINVAL.
 */
int ks_step_parse_text(const struct ks_policy *policy, const char *text, struct ks_arena *arena, struct ks_step *step,
		       struct ks_diags *diags);

/* The last word of a kind in a packet, NULL without one. */
const struct ks_mod *ks_spec_mod(const struct ks_packet_spec *spec, enum ks_mod_kind kind);
/* Its number, or `otherwise`. */
__s64 ks_spec_number(const struct ks_packet_spec *spec, enum ks_mod_kind kind, __s64 otherwise);

/* Writes a table of the words to `out`, for --help and the man page. */
void ks_test_words_print(FILE *out);

#endif
