/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One inspection: a packet goes in with the zone it came from, a verdict
 * comes out with its reason and every number that was compared on the way.
 * The structure is the caller's; nothing of it outlives the packet.
 */
#ifndef KS_CORE_INSPECT_H
#define KS_CORE_INSPECT_H

#include "core/table/entry.h"
#include "core/table/flow.h"
#include "core/helper/helper.h"
#include "core/header/packet.h"
#include "core/rules.h"
#include "core/types.h"
#include "core/verdict.h"

struct ks_env;

/*
 * What is still to be done with a packet. The stages are separate because the
 * kernel's verifier bounds what one program may do: natively one loop runs
 * them all, in the kernel each but the first is a program reached by a tail call.
 */
enum ks_stage {
	KS_STAGE_DONE, /* the verdict stands */
	KS_STAGE_FIND, /* look for its flow, and judge it by that */
	KS_STAGE_OPEN, /* no flow knows it: may it open one? */
	KS_STAGE_ERROR, /* an ICMP error: judge it by the flow it quotes */
	KS_STAGE_FRAGMENT, /* a fragment: judge it by its datagram */
	KS_STAGE_HELPER, /* of a control connection that a helper follows */
	KS_STAGE_SCAN, /* the same: its payload is read */
	KS_STAGE_ANNOUNCE, /* it announces another connection */
	KS_STAGE_ADJUST, /* it was read, and its text and numbers may change */
	KS_STAGE_REROUTE, /* its flow leaves by another way than before: may it, and as whom? */
	KS_STAGE_GROUP, /* passed, and it asks a group: its members may answer */
	KS_STAGE_WRITE, /* passed, and its octets are to be changed */
	KS_STAGE_MAX
};

/* Which halves of a translation: the kernel routes between the two. */
#define KS_TRANSLATE_DST 0x01
#define KS_TRANSLATE_SRC 0x02
#define KS_TRANSLATE_BOTH (KS_TRANSLATE_DST | KS_TRANSLATE_SRC)

/* The way of a first fragment: to its datagram's entry, to its verdict as a packet, and with that back to the entry. */
enum ks_fragment { KS_FRAGMENT_NONE, KS_FRAGMENT_FIRST, KS_FRAGMENT_JUDGED };

/* Which bound decided, for explain: have was compared with lo and hi. */
struct ks_compare {
	__u32 have;
	__u32 lo;
	__u32 hi;
};

struct ks_inspection {
	/* in: set by the home before ks_inspect() */
	__u64 now; /* ns, never going back */
	__u8 from; /* zone the packet comes from; KS_ZONE_SELF if the box sent it */
	__u8 to; /* zone it goes to, KS_ZONE_UNKNOWN to have env_zone_to() asked */
	__u8 dry; /* 1: decide and explain only, change nothing */
	__u8 phase; /* KS_TRANSLATE_*: the halves of a translation that are made here */
	__u8 resumed; /* 1: a fragment that was held (env.h): its datagram knows it */
	__u8 zero[3];

	/* out */
	__u8 action; /* enum ks_action */
	__u8 reason; /* enum ks_reason */
	__u8 class; /* enum ks_class */
	__u8 dir; /* enum ks_dir, when a flow was found or opened */
	__u8 via; /* 1 + enum ks_dir of the alias by which the flow was found, 0: by its own key */
	__u8 state; /* enum ks_state after the packet, NONE without a flow */
	__u8 log; /* 1: the rule asked for an event */
	__u8 retries; /* commits that another processor got ahead of */
	__u32 rule; /* id of the rule that decided, or that made the flow */
	__u32 rule_index; /* entry in the rule table when the policy decided, else KS_DECISION_DEFAULT */
	struct ks_compare compare;

	__u8 sender; /* 1: the sender is the key's second address */
	__u8 replaces; /* 1: the packet opens a flow over `before`, which is over */
	__u8 stage; /* enum ks_stage: what comes next */
	__u8 translate; /* KS_TRANSLATE_*: the halves in which `out` differs from the packet's own tuple */
	__u8 to_given; /* `to` as it came from the home */
	__u8 opened; /* 1: a new flow is to be opened and its rule is known (an expectation, a mapping) */
	__u8 fragment; /* enum ks_fragment: how far a first fragment is */
	__u8 spare;
	__u16 source_rule; /* id of the nat rule that the flow being opened has its source from, 0 without one */
	struct ks_tuple asked; /* the packet as the filter saw it, if it was asked */
	struct ks_question question; /* the latest that the policy was asked */
	struct ks_tuple out; /* the packet as it leaves, where it is translated; of an ICMP error, without ports */
	struct ks_tuple quoted; /* of an ICMP error: what it quotes, as it came ... */
	struct ks_tuple quoted_out; /* ... and as it leaves */
	__u32 quoted_off; /* where the upper header of the quotation begins */
	__s32 grown; /* octets by which a helper has made the packet longer */
	__u32 alias[2]; /* places of the aliases of the flow being opened, by enum ks_dir */
	__u8 helper; /* enum ks_helper_id of the flow being opened */
	__u8 mapped; /* 1: the source of the flow being opened is a mapping's */
	__u8 leaving; /* 1: inspected before it was routed, only its source half is due */
	__u8 quoted_question; /* 1: an ICMP question is quoted, not an answer */
	__u8 rerouted; /* 1: its flow has been brought in line with where it leaves, once a packet */
	__u8 masqueraded; /* 1: the source of the flow being opened is an interface's address */
	__u8 pad[6];

	struct ks_packet pkt;
	struct ks_entry flow; /* the flow it belongs to, opens, or is about */
	struct ks_entry side; /* working memory for one other entry at a time: alias, mapping, expectation, ... */
	struct ks_helping helping; /* working memory of helpers */
};

/*
 * Whether a packet of somebody else is judged where it leaves, though it came in by an interface that is guarded: ingress
 * could not decide, or what it decided proved wrong or was lost.
 */
static inline bool ks_is_second_look(const struct ks_inspection *in)
{
	return in->phase == KS_TRANSLATE_SRC && in->from != KS_ZONE_SELF && !in->leaving;
}

/* The packet as it leaves. */
static inline const struct ks_tuple *ks_tuple_leaving(const struct ks_inspection *in)
{
	return in->translate ? &in->out : &in->pkt.tuple;
}

/*
 * Decides one packet. `head` holds its first in->pkt.head_len octets; in->pkt's
 * home fields and the "in" fields are set. Returns in->action.
 * Unless in->dry, state, counters and events follow from the verdict.
 */
__u32 ks_inspect(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

/*
 * The same in two halves, for a home that handles packets in bursts: after
 * the first one in->flow.hash tells where the flow will be looked for, so that its
 * memory can be fetched while other packets are read (ks_table_bucket()).
 */
void ks_inspect_begin(struct ks_env *env, struct ks_inspection *in, const __u8 *head);
__u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

/* Does what in->stage says, once. The home calls it, or one of the stages below, until in->stage is KS_STAGE_DONE. */
void ks_inspect_step(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

void ks_stage_find(struct ks_env *env, struct ks_inspection *in);
void ks_stage_open(struct ks_env *env, struct ks_inspection *in);
void ks_stage_reroute(struct ks_env *env, struct ks_inspection *in);
void ks_stage_error(struct ks_env *env, struct ks_inspection *in, const __u8 *head);
void ks_stage_write(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

/* Counts and tells, when in->stage is KS_STAGE_DONE. Returns in->action. */
__u32 ks_inspect_end(struct ks_env *env, struct ks_inspection *in);

/*
 * The source half of a translation alone, for a packet that passed before it
 * was routed: finds its flow, and prepares in->out. Leads to KS_STAGE_WRITE, or
 * to a drop.
 */
void ks_inspect_egress(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

/* Ends the stage that has judged the packet: it is written, done, or judged anew if another processor was first. */
void ks_inspect_conclude(struct ks_inspection *in, const struct ks_config *config, __u32 reason);

/* Judges a packet of the flow in->flow.before and commits what follows. Returns the reason; in->action is set. */
__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in);

#endif
