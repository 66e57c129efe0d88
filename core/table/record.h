/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records: the entries of the state table that are no flow. The kind of an
 * entry's key and its state (core/state.h) say what it is:
 *
 *   kind                        state      member of the union   written by
 *   FLOW                        ALIAS      alias                 core/nat/alias.c, core/nat/source.c
 *   MAPPING_OUT, _IN, PERMIT    MAPPING    mapping               core/nat/mapping.c
 *   EXPECT                      EXPECTED   expectation           core/helper/expect.c
 *   QUESTION                    ASKED      question              core/group.c
 *   FRAGMENT, QUOTED            FRAGMENTS  datagram              core/fragment/
 *   HELPER_ORIGINAL, _REPLY     HELPER     memory                core/helper/helper.c, core/helper/scan.c
 *   TALLY, PACE                 TALLY      tally                 core/table/tally.c
 *
 * A record lies where a flow would lie: it has the size of struct ks_flow and
 * begins like one up to `timeout`, so the table finds, commits, frees and sweeps
 * every entry without asking what it is. Like a flow, a record is never changed
 * in place: it is decided on a copy (ks_entry.after) and committed. A tally is: see
 * core/table/tally.h.
 *
 * The layout outlives a build (core/table/layout.h): a build that takes over
 * the table reads what another one wrote. Every offset is asserted below.
 */
#ifndef KS_CORE_TABLE_RECORD_H
#define KS_CORE_TABLE_RECORD_H

#include "core/address.h"
#include "core/rules.h"
#include "core/table/flow.h"
#include "core/types.h"

/* Another key of a flow: the one by which a side knows it whose peer has a translated address (core/nat/alias.h). */
struct ks_alias {
	__u32 zero;
	__u16 rule;
	__u8 side; /* enum ks_dir: the side of the flow that knows it by this key */
	__u8 zero2;
	__u32 flow[2]; /* slot id of its flow, twice; 0 while that is not inserted yet */
};

/* Endpoint-independent NAT (core/nat/mapping.h). `flags` of the record: KS_TARGET_EIF, KS_TARGET_ADF of the target. */
struct ks_mapping {
	struct ks_addr addr; /* the other endpoint: the outer one of MAPPING_OUT, else the inner one */
	__be16 port;
	__u16 rule;
	__be16 peer_port; /* to which the inside has spoken by it; zeros: not known */
	__be16 control; /* made by a helper: the permits of this port of the outer address count too (core/helper/media.h); or 0 */
	struct ks_addr peer;
};

/* A connection that a helper heard announced (core/helper/expect.h). `flags` of the record: KS_EXPECT_REFUSED. */
struct ks_expectation {
	struct ks_addr to; /* the one that waits: its true address ... */
	__be16 port; /* ... and port */
	__u16 rule; /* of the control connection */
	__u32 control; /* slot id of the control connection's flow, ... */
	__u32 control_created; /* ... which is still the same if it was created then ... */
	__u32 zero;
	__u64 control_hash; /* ... under a key with this hash */
	struct ks_addr name; /* by which who waits knows who opens; zeros: by its own */
};

#define KS_EXPECT_REFUSED 0x01 /* it was announced to somebody whom nobody has named: who comes is refused */

/* A question to a group (core/group.h). */
struct ks_group_question {
	__u32 zero;
	__u16 rule;
	__u8 zero2;
	__u8 is_near; /* 1: only neighbours can have heard it */
};

/* A run of bytes that have come, in units of 8; the end of the last one is rounded up. */
struct ks_datagram_part {
	__u16 start, end;
};

#define KS_DATAGRAM_PARTS 12 /* more at a time, and the datagram dies */

/* A datagram that comes in fragments (core/fragment/fragment.h). `flags` of the record: KS_DATAGRAM_*. */
struct ks_datagram {
	__u32 flow; /* slot id of its flow, 0 without one */
	__u32 tag; /* of that flow's key, because slots are reused; without a flow, the zone that it goes to */
	__u32 seq; /* TCP: the sequence number at the datagram's beginning, SYN and FIN counted; others: the least bytes of `total` */
	__u16 rule;
	__u16 total; /* its bytes, 0 until its last fragment came */
	__u16 unit; /* units of 8 bytes in each of its fragments but the last; 0xffff when they differ */
	__u16 last; /* where its last fragment begins, in units */
	__u8 action, reason, class; /* the verdict */
	__u8 zero;
	struct ks_datagram_part part[KS_DATAGRAM_PARTS];
};

#define KS_DATAGRAM_JUDGED 0x01 /* the first fragment has its verdict */
#define KS_DATAGRAM_DEAD 0x02
#define KS_DATAGRAM_COMPLETE 0x04 /* all of it has come */
#define KS_DATAGRAM_TCP 0x08 /* `seq` holds */
#define KS_DATAGRAM_HIGH 0x10 /* the sender is the second address of the flow's key */
#define KS_DATAGRAM_REPLY 0x20 /* it goes in that direction of its flow */
#define KS_DATAGRAM_ALIAS 0x40 /* its destination is translated: it bears an alias of its flow */
#define KS_DATAGRAM_HELD 0x80 /* fragments of it were held, and may be on their way here again */

/* An address as announced, laid out as struct ks_addr but for its alignment. */
struct ks_spoken {
	union {
		__u8 b[16];
		__be32 w[4];
	};
};

/* A scanner's state between two bytes (core/helper/scanner.h). */
struct ks_scanner {
	struct ks_spoken addr;
	__u32 word; /* the last four bytes, letters in upper case */
	__u32 value; /* the number being read */
	__u16 port; /* as announced, host order; PPTP: the call id */
	__u16 code; /* FTP: of the multi-line reply being read; others: their own */
	__u8 phase; /* each machine has its own phases; 0 is the start of a line or message */
	__u8 column; /* bytes of the line or message so far */
	__u8 field; /* of several numbers, which one */
	__u8 digits; /* of the number */
	__u8 form; /* enum ks_form */
	__u8 gap; /* IPv6: where "::" stood */
	__u8 colon; /* IPv6: colons read just now */
	__u8 delimiter; /* EPRT, 229; others: their own */
};

/* How the sequence numbers of a direction move: by `before` up to the position, behind it by `after`. */
struct ks_shift {
	__u32 position; /* where the last rewritten announcement begins, in the sender's own numbers */
	__u32 before, after;
};

/* Expectations of one direction of a control connection that live at once: the oldest makes room for a new one. */
#define KS_HELPER_EXPECTED 4U

/* The memory of a helper: what it knows of a direction of its control connection (core/helper/helper.h). `flags`: KS_MEMORY_*. */
struct ks_memory {
	__u32 next; /* sequence number of the next byte to be read */
	struct ks_shift shift;
	__u8 form; /* enum ks_form of the last rewritten announcement ... */
	__u8 len; /* ... how long it was before ... */
	__u16 port; /* ... and the port that it names now; SIP: by which the speaker calls itself, 0: its own */
	__u32 expected[KS_HELPER_EXPECTED]; /* slot ids of its expectations, the newest first; 0: none */
	struct ks_scanner scanner;
};

#define KS_MEMORY_BEGUN 0x01 /* FTP: the server has greeted, the client has begun its login */
#define KS_MEMORY_OVER 0x02 /* nothing is read any more */
#define KS_MEMORY_HIGH 0x04 /* the originator of its flow is the key's second address */

/* Whose connections a limit counts. */
struct ks_tally_shape {
	__u8 per; /* enum ks_limit_per */
	__u8 bits[2]; /* as of struct ks_limit */
	__u8 at; /* the same */
};

#define KS_TALLY_RATES 2U /* of a flow: one of packets, one of octets; a power of two */

#define KS_TALLY_SHAPES 8U /* a power of two */
_Static_assert(KS_LIMITS_PER_RULE <= KS_TALLY_SHAPES, "each limit has its shape");

/* The count of a limit (core/table/tally.h). */
struct ks_tally {
	__u32 count; /* connections */
	__u16 rule;
	__u8 shapes; /* of the tally of a rule's limits: how many of shape[] */
	__u8 zero;
	__u32 exceeded; /* packets that were refused; of the tally of a rule's limits, by all of them */
	__u32 zero2;
	union {
		__u64 due
			[KS_TALLY_RATES]; /* rates: the time, ns, until which what was let through so far lasts; all but the first of a flow only */
		struct ks_tally_shape shape[KS_TALLY_SHAPES]; /* of the tally of a rule's limits */
		__u32 shape_word[KS_TALLY_SHAPES]; /* the same as words */
	};
};

/* The attribute: the same bytes are read and written as struct ks_flow by the table. */
struct __attribute__((may_alias)) ks_record {
	__u32 version;
	__u8 state; /* enum ks_state */
	__u8 flags; /* of an alias KS_FLOW_ORIG_IS_HIGH, else the kind's own */
	union {
		__u8 zone
			[2]; /* alias: of originator and responder; mapping: inside, outside; else: who opens or asks, who waits */
		struct {
			__u8 parts; /* datagram: how many of part[] */
			__u8 held; /* datagram: fragments that the home holds */
		};
		struct {
			__u8 asked; /* memory of an FTP client: announcements that it asked for; modulo 256 */
			__u8 answered; /* memory of an FTP server: announcements that it made */
		};
		struct {
			__u8 refused; /* memory of SIP in a stream: how often a message was refused because it was not whole */
			__u8 len_high; /* the same: memory.len divided by 256 */
		};
	};
	__u32 seen; /* ms on the home's clock, as in a flow */
	__u32 timeout; /* dead at seen + timeout, ms; an alias lives as long as its flow */
	union {
		struct ks_alias alias;
		struct ks_mapping mapping;
		struct ks_expectation expectation;
		struct ks_group_question question;
		struct ks_datagram datagram;
		struct ks_memory memory;
		struct ks_tally tally;
		__u32 own[18]; /* all of it, as words */
	};
};

/* An entry of the table that is known to be no flow. */
static inline const struct ks_record *ks_record_of(const struct ks_flow *flow)
{
	return (const struct ks_record *)flow;
}

static inline struct ks_record *ks_record_edit(struct ks_flow *flow)
{
	return (struct ks_record *)flow;
}

#define KS_RECORD_AT(field, offset) \
	_Static_assert(__builtin_offsetof(struct ks_record, field) == (offset), #field " stays where it is")
#define KS_RECORD_AS_FLOW(field, of_flow) KS_RECORD_AT(field, __builtin_offsetof(struct ks_flow, of_flow))

_Static_assert(sizeof(struct ks_record) == sizeof(struct ks_flow), "a record lies where a flow would lie");
KS_RECORD_AS_FLOW(version, version);
KS_RECORD_AS_FLOW(state, state);
KS_RECORD_AS_FLOW(flags, flags);
KS_RECORD_AS_FLOW(zone, zone);
KS_RECORD_AS_FLOW(parts, zone[0]);
KS_RECORD_AS_FLOW(held, zone[1]);
KS_RECORD_AS_FLOW(asked, zone[0]);
KS_RECORD_AS_FLOW(answered, zone[1]);
KS_RECORD_AS_FLOW(refused, zone[0]);
KS_RECORD_AS_FLOW(len_high, zone[1]);
KS_RECORD_AS_FLOW(seen, seen);
KS_RECORD_AS_FLOW(timeout, timeout);
KS_RECORD_AS_FLOW(alias.rule, rule);
KS_RECORD_AS_FLOW(alias.side, helper);
KS_RECORD_AS_FLOW(alias.flow, alias);
KS_RECORD_AS_FLOW(question.rule, rule);
KS_RECORD_AS_FLOW(question.is_near, class_limits);
KS_RECORD_AT(mapping.addr, 16);
KS_RECORD_AT(mapping.port, 32);
KS_RECORD_AT(mapping.rule, 34);
KS_RECORD_AT(mapping.peer_port, 36);
KS_RECORD_AT(mapping.control, 38);
KS_RECORD_AT(mapping.peer, 40);
KS_RECORD_AT(expectation.to, 16);
KS_RECORD_AT(expectation.port, 32);
KS_RECORD_AT(expectation.rule, 34);
KS_RECORD_AT(expectation.control, 36);
KS_RECORD_AT(expectation.control_created, 40);
KS_RECORD_AT(expectation.control_hash, 48);
KS_RECORD_AT(expectation.name, 56);
KS_RECORD_AT(datagram.flow, 16);
KS_RECORD_AT(datagram.tag, 20);
KS_RECORD_AT(datagram.seq, 24);
KS_RECORD_AT(datagram.rule, 28);
KS_RECORD_AT(datagram.total, 30);
KS_RECORD_AT(datagram.unit, 32);
KS_RECORD_AT(datagram.last, 34);
KS_RECORD_AT(datagram.action, 36);
KS_RECORD_AT(datagram.reason, 37);
KS_RECORD_AT(datagram.class, 38);
KS_RECORD_AT(datagram.part, 40);
KS_RECORD_AT(memory.next, 16);
KS_RECORD_AT(memory.shift, 20);
KS_RECORD_AT(memory.form, 32);
KS_RECORD_AT(memory.len, 33);
KS_RECORD_AT(memory.port, 34);
KS_RECORD_AT(memory.expected, 36);
KS_RECORD_AT(memory.scanner, 52);
KS_RECORD_AT(memory.scanner.word, 68);
KS_RECORD_AT(memory.scanner.value, 72);
KS_RECORD_AT(memory.scanner.port, 76);
KS_RECORD_AT(memory.scanner.code, 78);
KS_RECORD_AT(memory.scanner.phase, 80);
KS_RECORD_AT(memory.scanner.column, 81);
KS_RECORD_AT(memory.scanner.field, 82);
KS_RECORD_AT(memory.scanner.digits, 83);
KS_RECORD_AT(memory.scanner.form, 84);
KS_RECORD_AT(memory.scanner.gap, 85);
KS_RECORD_AT(memory.scanner.colon, 86);
KS_RECORD_AT(memory.scanner.delimiter, 87);
KS_RECORD_AT(tally.count, 16);
KS_RECORD_AS_FLOW(tally.rule, rule);
KS_RECORD_AT(tally.shapes, 22);
KS_RECORD_AT(tally.exceeded, 24);
KS_RECORD_AT(tally.due, 32);
KS_RECORD_AT(tally.shape, 32);

#endif
