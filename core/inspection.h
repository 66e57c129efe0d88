/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One inspection: a packet goes in with the zone it came from, a verdict
 * comes out with its reason and every number that was compared on the way.
 * The structure is the caller's; nothing of it outlives the packet. A comment says
 * who writes each part; everybody may read it.
 */
#ifndef KS_CORE_INSPECTION_H
#define KS_CORE_INSPECTION_H

#include "core/header/packet.h"
#include "core/rules.h"
#include "core/stages.h"
#include "core/table/entry.h"
#include "core/types.h"
#include "core/verdict.h"

/* The halves of a translation: the kernel routes between the two. */
#define KS_TRANSLATE_DST 0x01
#define KS_TRANSLATE_SRC 0x02
#define KS_TRANSLATE_BOTH (KS_TRANSLATE_DST | KS_TRANSLATE_SRC)
/* No half of its own: the originator's port changes, on the hook where its view of the flow does (core/nat/clash.h). */
#define KS_TRANSLATE_PORT 0x04

/* The way of a first fragment: to its datagram's entry, to its verdict as a packet, and with that back to the entry. */
enum ks_fragment { KS_FRAGMENT_NONE, KS_FRAGMENT_FIRST, KS_FRAGMENT_JUDGED };

/* The bound that decided, for explain: `have` was compared with lo and hi. */
struct ks_compare {
	__u32 have;
	__u32 lo;
	__u32 hi;
};

/* The packet as the home sees it: written by the home before ks_inspect(). */
struct ks_insp_home {
	__u64 now; /* ns, never going back */
	__u8 from; /* zone the packet comes from; KS_ZONE_SELF if the box sent it */
	/*
	 * Zone it goes to; KS_ZONE_UNKNOWN to have env_zone_to() asked. The core corrects it once: a packet to the broadcast
	 * address of a network goes to a group (read.c).
	 */
	__u8 to;
	__u8 dry; /* 1: decide and explain only, change nothing */
	__u8 halves; /* KS_TRANSLATE_*: the halves of a translation that are made here */
	__u8 resumed; /* 1: a fragment that was held (env.h): its datagram knows it */
	__u8 hops; /* routers that have handled it between where it came in and here: this box, if it leaves now */
	__u16 segments; /* packets of the wire that it is, if more than one: the kernel carries some in one */
};

/* The decision, and the numbers that led to it. Written by the stages, with the functions of stage.h; `compare` by track/. */
struct ks_insp_verdict {
	__u8 action; /* enum ks_action */
	__u8 reason; /* enum ks_reason */
	__u8 class; /* enum ks_class */
	__u8 state; /* enum ks_state after the packet, NONE without a flow */
	__u32 rule; /* id of the rule that decided, or that made the flow */
	__u32 rule_index; /* entry in the rule table when the policy decided, else KS_DECISION_DEFAULT */
	struct ks_compare compare;
	__u8 log; /* 1: the rule asked for an event */
	__u8 staged_log; /* 1: the staged rule did */
	__u8 zero[2];
	__u32 staged; /* id of the staged rule that would have decided, KS_RULE_DEFAULT: none (staged.h) */
};

/*
 * The flow that a packet opens. Written by open.c, group.c, helper/expect.c and nat/, and by known.c (`replaces`) and
 * reroute.c, which opens a flow again for another way out; reset by stage.h. `question` is also the working memory of all
 * who ask the rules.
 */
struct ks_insp_opening {
	struct ks_tuple as_filtered; /* the packet as the filter saw it, if it was asked */
	struct ks_question question; /* the latest that the policy was asked */
	__u32 alias[2]; /* slot ids of its aliases, by enum ks_dir */
	__u32 expectation; /* slot id of the expectation that admits it, 0: none ... */
	__u32 expectation_version; /* ... as it was found */
	__u16 source_rule; /* id of the nat rule that its source comes from, 0 without one */
	__u8 expected; /* 1: its rule is known without asking the policy: an expectation's, or a mapping's */
	__u8 replaces; /* 1: it opens over `flow.before`, which is over */
	__u8 helper; /* enum ks_helper_id */
	__u8 mapped; /* 1: its source is a mapping's */
	__u8 masqueraded; /* 1: its source is an interface's address */
	__u8 settled; /* 1: it is from the middle of a connection, which only settling takes up (settle.h) */
	__u8 unnamed; /* 1: it was announced, but to somebody whom nobody has named */
	__u8 limits; /* KS_FLOW_LIMIT_*: limit.c */
	__u8 limited; /* 1: limits count it at once, or its packet */
	__u8 flooded; /* 1: a SYN beyond the threshold of its destination: it is challenged (flood.h) */
	__u8 ruled; /* 1: its rule has effects on its flows (effect.h) */
	__u8 asymmetric; /* 1: that is among them */
	__u8 foreseen; /* 1: the front asks (front.h): thresholds are looked at, and count nothing */
};

/* A search for a source port: written by nat/port.c, `fixed` and `only` by who asks it. */
struct ks_insp_search {
	__u64 hash; /* of where it searches, as struct ks_shortage; 0: not known yet */
	__u32 lo, span; /* ports that may be used */
	__u32 at; /* the next one of the run, counted from lo */
	__u32 tries; /* so far */
	__u32 random, bound; /* random ones, and all, that are to be tried */
	__u32 claim; /* slot id of the record that was inserted to claim a mapping's port, 0: none */
	__u8 step; /* enum ks_port_step */
	__u8 reason; /* why it ended: 0, or enum ks_reason */
	__u8 keep; /* 1: the packet's own port is tried first */
	__u8 fixed; /* 1: sent.sport is tried first, whatever it is */
	__u8 only; /* 1: and no other */
	__u8 names; /* times that another CPU was first to name a port */
	__u8 flags; /* of the target, as are the ports further down */
	__u8 last; /* 1: all have been tried, and the flow of `stale` has been ended for its port */
	__be16 stale_port; /* of the flow that has been silent longest of those that may be ended for their port, ... */
	__u16 port_lo; /* with KS_TARGET_PORTS */
	__u32 stale; /* ... its slot id, 0: none, ... */
	__u32 stale_version; /* ... and the version that was looked at */
	__u32 stale_age;
	__u16 port_hi;
	__u16 stale_left; /* of such flows so many are looked at yet */
};

/* The packet that an ICMP error quotes: written by track/icmp_error.c, its translation by nat/alias.c. */
struct ks_insp_quote {
	struct ks_tuple tuple; /* as it came ... */
	struct ks_tuple sent; /* ... and as it leaves */
	__u32 off; /* where its upper header begins */
	__u8 is_query; /* 1: an ICMP query is quoted, not an answer */
	__u8 is_part; /* 1: a fragment behind the first one is quoted, which has no upper header */
	__u8 zero[2];
};

#define KS_HELPER_CHUNK 128U /* bytes read at once: a power of two, at most KS_EDIT_MAX */
#define KS_HELPER_TEXT 64U /* a rewritten announcement is shorter; a power of two */

/* A port that was announced, and the outer one that it has (core/helper/media.h), in host order. */
struct ks_port_pair {
	__u16 inner, outer;
};

#define KS_PORT_PAIRS 16U /* in one packet; a power of two */

/* A message that is written again as a whole: SIP (core/helper/transcribe.h). */
struct ks_insp_writing {
	struct ks_scanner token; /* the number or address that is being read */
	__u32 from, to; /* the text that is read: offsets in the frame */
	__u32 out; /* bytes written so far; offsets in them: */
	__u32 mark; /* where the token begins */
	__u32 length_at; /* where room was left for the digits of Content-Length, 0: nowhere */
	__u32 body_at; /* where the body begins */
	__u32 length; /* as Content-Length said, ... */
	__u32 body_left; /* ... and what is still to come of it */
	__u32 body_read; /* bytes of the body so far */
	__u32 word; /* the last four bytes, letters in upper case */
	__u16 column; /* bytes of the line so far */
	__u16 spoken; /* the port by which the listener calls itself, 0: the one that it sends from */
	__u16 says; /* the same of the speaker, in this packet */
	__u8 line, folded; /* enum sip_line: of this line, and of the one before it */
	__u8 state; /* enum token_state */
	__u8 whose; /* the translation that the address of the token has: KS_TRANSLATE_* */
	__u8 last, before; /* the byte written last; the one before the token */
	__u8 changed, foreign, overflow; /* 1: something is written differently; it is no SIP; there is no room */
	__u8 offers; /* 1: the body counts */
	__u8 name_len[2];
	__u8 name[2][KS_HELPER_TEXT]; /* the new addresses as text: of the speaker, of the listener */
};

/* A packet of a control connection: written by helper/. */
struct ks_insp_helping {
	struct ks_entry memory[2]; /* by enum ks_dir: of who speaks */
	__u8 ready[2]; /* 1: that memory is there */
	__u8 rewrites; /* 1: announcements of this direction are to be rewritten */
	__u8 heard; /* enum ks_heard of the last byte */
	__u8 stop; /* 1: the rest of the packet is not read */
	__u8 failed; /* 1: the packet could not be read or changed */
	__u8 choose; /* 1: the expectation may get another port */
	__u8 made; /* expectations made */
	__u8 pending; /* expectations still to be made of an announcement */
	__u8 announcements; /* complete ones so far */
	__u8 reason; /* why the packet passes: enum ks_reason */
	__u8 maps; /* media: 1: a mapping is to be made for the speaker's, 0: a permit for that of want.src */
	__u8 port_pairs;
	__u8 again; /* 1: what was rewritten comes again and is to be rewritten in the same way */
	__u16 control; /* port of the media stream's control, host order */
	__u16 mapped; /* the outer port that the speaker's media got, 0: none */
	__u8 refuses; /* 1: the expectation is for nobody, so that who comes is refused with the reason */
	__u8 zero[3];
	__u32 ack, sack; /* as they came */
	struct ks_scanner saved; /* as it was before the mark */
	__u32 end; /* of what is to be read; all offsets count from the start of the frame */
	__u32 off; /* of bytes[0] */
	__u32 got; /* bytes in it */
	__u32 at; /* the next to be read */
	__u32 mark; /* where an announcement begins that is not complete, 0: none */
	__u32 cut; /* where the packet is to end, 0: where it does */
	__u32 edit; /* where an announcement is rewritten, 0: nowhere */
	__u32 edit_len; /* its length as it came */
	struct ks_tuple want; /* an expectation: its first packet as it will arrive */
	struct ks_addr name; /* by which who waits knows who opens, if `named` */
	__u8 named;
	__u8 zero2;
	__u16 port; /* where it truly goes, host order */
	__u8 form; /* enum ks_form of the announcement to be written */
	__u8 text_len;
	__u16 text_port; /* that it is to name */
	__u8 text[KS_HELPER_TEXT];
	__u8 bytes[KS_HELPER_CHUNK];
	struct ks_port_pair port_pair[KS_PORT_PAIRS];
	struct ks_insp_writing writing;
};

/* A SYN that is to be challenged, or the answer to that: written by challenge.c. */
struct ks_insp_challenge {
	__u64 now; /* ns */
	__u64 hash; /* of its flow */
	struct ks_tuple tuple; /* of the packet as it came */
	__u32 seq; /* its sequence number */
	__u32 ack; /* the number that the challenge acknowledges ... */
	__u32 own; /* ... and its own */
	__u8 zone; /* that the packet comes from */
	__u8 dry; /* as of struct ks_insp_home */
	__u8 front; /* 1: the front asks (front.h): whatever lets the SYN pass is left to the inspection */
	__u8 flooded; /* as of struct ks_insp_opening */
};

/* A walk over the limits of a rule: written by limit.c. */
struct ks_insp_limiting {
	struct ks_tally_ask ask; /* of the limit in hand */
	struct ks_flow_key flow; /* the flow, or what is enough to count by: its ends */
	__u32 high; /* 1: the originator is its second address */
	__u32 rule; /* id */
	__u32 first; /* entry of the table of limits */
	__u32 units; /* those that are asked, a bit each */
	__u32 mode; /* enum ks_tally_mode */
	__u32 reason; /* of the first that refused, or 0 ... */
	__u32 refused; /* ... and which one that was */
	__u32 met; /* units that the rule has limits of, a bit each */
};

/* A packet that is refused, as a part of a port scan: written by port_scan.c. */
struct ks_insp_scan {
	struct ks_tuple tuple;
	__u64 now, window; /* ns */
	__u32 marks; /* the threshold */
	__u32 zone;
};

/* A fragment: written by fragment/. */
struct ks_insp_frag {
	__u8 progress; /* enum ks_fragment: how far a first fragment is */
};

_Static_assert(KS_REASON_MAX <= 256 && KS_ACTION_MAX <= 256 && KS_CLASS_MAX <= 256 && KS_STAGE_MAX <= 256,
	       "each is a byte");

struct ks_inspection {
	struct ks_insp_home home;

	struct ks_insp_verdict verdict;

	/* The path: written by the stages. */
	__u8 stage; /* enum ks_stage: what comes next */
	__u8 retries; /* commits that another CPU got ahead of */
	__u8 to; /* zone it goes to, as far as is known now: home.to, or what env_zone_to() said */
	__u8 second_half; /* 1: it was inspected before it was routed, and only its source half is due */
	__u8 rerouted; /* 1: its flow has been brought in line with where it leaves, once a packet */
	__u8 counted; /* 1 + the reason with which its flow has counted it, though its helper must read it again; 0: not yet */
	__u8 summed; /* 1: its upper checksum is right, or need not be (checksum.h) */
	struct ks_insp_frag frag;

	/* How its flow was found: written by all that look for a flow by a key (read.c, known.c, egress.c, fragment/, nat/alias.c, ...). */
	__u8 from_high; /* 1: the sender is the key's second address */
	__u8 by_alias; /* 1 + enum ks_dir of the alias by which it was found, 0: by its own key */
	__u8 dir; /* enum ks_dir, when a flow was found or opened */

	/* The packet as it leaves: its own tuple at first (read.c, open.c, error.c), then written by nat/, and by helper/ where its length changes. */
	__u8 translate; /* KS_TRANSLATE_*: the halves in which `sent` differs from the packet's own tuple */
	__be16 inner_port; /* with KS_TRANSLATE_PORT: the originator's port between the two halves, as in the flow's key */
	__u16 zero;
	__s32 grown; /* bytes by which a helper has made the packet longer */
	__u32 mark_mask; /* bits of `mark` that it gets (alter.c); 0: it has no new one */
	struct ks_tuple sent; /* where it is translated; of an ICMP error, without ports */
	__u32 mark;

	struct ks_insp_opening opening;
	struct ks_facts facts; /* of the packet, for the rules; where the policy asks for them (match.c) */
	struct ks_insp_search search;
	struct ks_insp_quote quote;

	struct ks_insp_challenge challenge;
	struct ks_insp_scan scan;
	struct ks_packet pkt;
	struct ks_entry flow; /* the flow it belongs to, opens, or is about */
	struct ks_entry side; /* one other entry at a time: an alias or another record (table/record.h) */
	struct ks_insp_helping helping;
	struct ks_insp_limiting limiting;
};

/*
 * Returns true if a forwarded packet is judged where it leaves, though it came in by a guarded interface: ingress could not
 * decide, or its decision proved wrong or was lost.
 */
static inline bool ks_is_second_look(const struct ks_inspection *insp)
{
	return insp->home.halves == KS_TRANSLATE_SRC && insp->home.from != KS_ZONE_SELF && !insp->second_half;
}

/* The packet as it leaves. */
static inline const struct ks_tuple *ks_tuple_sent(const struct ks_inspection *insp)
{
	return insp->translate ? &insp->sent : &insp->pkt.tuple;
}

#endif
