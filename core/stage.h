/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the stages of an inspection: setting the verdict, and judging a packet again. */
#ifndef KS_CORE_STAGE_H
#define KS_CORE_STAGE_H

#include "core/inspection.h"

/* How often a packet is judged before it is dropped because another CPU was always first. */
#define JUDGE_TRIES 8

/* Forgets the staged rule that would have decided. */
static inline void ks_staged_forget(struct ks_inspection *insp)
{
	insp->verdict.staged = KS_RULE_DEFAULT;
	insp->verdict.staged_log = 0;
}

/* Clears what judging decides, for another try. */
static inline void ks_outcome_init(struct ks_inspection *insp)
{
	insp->verdict.action = KS_DENY;
	insp->verdict.class = KS_CLASS_NONE;
	insp->dir = KS_ORIGINAL;
	insp->flow.found = 0;
	insp->flow.busy = 0;
	insp->verdict.state = KS_STATE_NONE;
	insp->verdict.log = 0;
	insp->verdict.rule = KS_RULE_DEFAULT;
	insp->verdict.rule_index = KS_DECISION_DEFAULT;
	ks_staged_forget(insp);
	insp->verdict.compare = (struct ks_compare){};
	insp->opening.replaces = 0;
	insp->by_alias = 0;
	insp->translate = 0;
	insp->opening.expected = 0;
	insp->opening.settled = 0;
	insp->opening.flooded = 0;
	insp->opening.limits = 0;
	insp->opening.limited = 0;
	insp->grown = 0;
	insp->mark_mask = 0;
	insp->opening.source_rule = KS_RULE_DEFAULT;
	insp->to = insp->home.to;
}

/* The words of an inspection that begin as zeros: those from its verdict on, and the last ones of its opening. */
#define INSPECTION_BEGIN __builtin_offsetof(struct ks_inspection, verdict)
#define INSPECTION_END __builtin_offsetof(struct ks_inspection, sent)
#define OPENING_BEGIN __builtin_offsetof(struct ks_inspection, opening.source_rule)
#define OPENING_END (OPENING_BEGIN + 2 * sizeof(__u64))

_Static_assert(INSPECTION_BEGIN % sizeof(__u64) == 0 && INSPECTION_END % sizeof(__u64) == 0 &&
		       OPENING_BEGIN % sizeof(__u64) == 0,
	       "these are whole words");
_Static_assert(OPENING_END == __builtin_offsetof(struct ks_inspection, facts),
	       "the last words of struct ks_insp_opening");

/* As ks_outcome_init() for a packet that comes, by words: a compiler joins stores of fields in some places only. */
static ks_inline void ks_inspection_init(struct ks_inspection *insp)
{
	__u64 *word = (__u64 *)(void *)insp;

	ks_words_clear(word + INSPECTION_BEGIN / sizeof(*word), INSPECTION_END - INSPECTION_BEGIN);
	ks_words_clear(word + OPENING_BEGIN / sizeof(*word), OPENING_END - OPENING_BEGIN);
	insp->verdict.action = KS_DENY;
	insp->verdict.rule_index = KS_DECISION_DEFAULT;
	insp->to = insp->home.to;
	insp->flow.found = 0;
	insp->flow.busy = 0;
	insp->flow.clock = ks_flow_clock(insp->home.now);
	insp->side.clock = insp->flow.clock;
}

static inline __u32 ks_deny(struct ks_inspection *insp, __u32 class, __u32 reason)
{
	insp->verdict.action = KS_DENY;
	insp->verdict.class = (__u8) class;
	return reason;
}

static inline __u32 ks_pass(struct ks_inspection *insp, __u32 class, __u32 reason)
{
	insp->verdict.action = KS_ALLOW;
	insp->verdict.class = (__u8) class;
	return reason;
}

/* Returns true if a zone or a rule changes the packet of a flow (alter.h). Where it was routed in between it is only once. */
static inline bool ks_is_altered(const struct ks_inspection *insp, const struct ks_config *config)
{
	if (ks_likely(!config->alters))
		return false;
	if (insp->second_half || insp->verdict.state == KS_STATE_NONE || insp->pkt.frag_off ||
	    insp->pkt.flags & KS_PKT_ICMP_ERROR)
		return false;
	if (config->alters & KS_ALTER_ZONES && insp->pkt.tuple.proto == KS_PROTO_TCP &&
	    insp->pkt.tcp_flags & KS_TCP_SYN)
		return true;
	return config->alters & KS_ALTER_RULES && insp->flow.after.limits & KS_FLOW_RULED;
}

/* Returns true if bytes of a passed packet are to be changed besides its translation. */
static inline bool ks_is_changed_besides(const struct ks_inspection *insp, const struct ks_config *config)
{
	return config->scrub || ks_is_altered(insp, config);
}

/* Returns true if bytes of a passed packet are to be changed. */
static inline bool ks_is_changed(const struct ks_inspection *insp, const struct ks_config *config)
{
	return insp->translate & insp->home.halves || ks_is_changed_besides(insp, config);
}

/* Returns true if the packet asks a group and members may answer: UDP, or an ICMP request. */
static inline bool ks_group_is_asked(const struct ks_inspection *insp)
{
	return insp->pkt.flags & KS_PKT_GROUP && insp->dir == KS_ORIGINAL && !insp->pkt.frag_off &&
	       (insp->pkt.tuple.proto == KS_PROTO_UDP || insp->pkt.flags & KS_PKT_ICMP_QUERY);
}

/* The verdict stands. An allowed packet may ask a group, and may have to be changed. */
static inline void ks_conclude(struct ks_inspection *insp, const struct ks_config *config, __u32 reason)
{
	insp->verdict.reason = (__u8)reason;
	insp->stage = KS_STAGE_DONE;
	if (insp->verdict.action != KS_ALLOW || insp->home.dry)
		return;
	if (ks_unlikely(ks_group_is_asked(insp) && insp->verdict.state != KS_STATE_NONE))
		insp->stage = KS_STAGE_GROUP;
	else if (ks_is_changed(insp, config))
		insp->stage = KS_STAGE_WRITE;
}

/* Returns true if another CPU was first and the packet is judged again, from `stage`. That is so a bounded number of times. */
static inline bool ks_again(struct ks_inspection *insp, __u32 reason, __u32 stage)
{
	if (ks_likely(reason != KS_REASON_CONTENDED) || insp->retries >= JUDGE_TRIES - 1)
		return false;
	insp->retries++;
	ks_outcome_init(insp);
	insp->stage = (__u8)stage;
	return true;
}

/* Returns true if a packet of the flow found comes from another zone than its sender is known in. */
static inline bool ks_comes_from_elsewhere(const struct ks_inspection *insp)
{
	return !ks_zone_equal(insp->home.from, insp->flow.before.zone[insp->dir & 1]);
}

/* Returns true if it is known to leave by another zone than its receiver is in. The address of a packet to an alias does not tell. */
static inline bool ks_leaves_elsewhere(const struct ks_inspection *insp)
{
	return insp->home.to < KS_ZONE_MAX && !insp->by_alias &&
	       !ks_zone_equal(insp->home.to, insp->flow.before.zone[!(insp->dir & 1)]);
}

/* Asks the filter about insp->sent: sets insp->verdict.rule and insp->verdict.log to those of the rule. Returns its action (open.c). */
__u32 ks_open_ask(struct ks_env *env, struct ks_inspection *insp, struct ks_decision *decision);

/* Parses the packet and decides what needs no state; else insp->stage is its first stage. Returns the reason (read.c). */
__u32 ks_inspect_read(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

/* The policy was only asked for a bypass: nothing else that it said counts. */
static inline void ks_open_forget(struct ks_inspection *insp)
{
	insp->verdict.rule = KS_RULE_DEFAULT;
	insp->verdict.rule_index = KS_DECISION_DEFAULT;
	insp->verdict.log = 0;
	ks_staged_forget(insp);
}

/* A SYN that may open a flow does not before its sender has shown that it is real. It will come again. */
static inline __u32 ks_challenge_judge(struct ks_inspection *insp)
{
	ks_open_forget(insp);
	insp->translate = 0;
	insp->verdict.action = KS_REJECT;
	insp->verdict.class = KS_CLASS_NEW;
	return KS_REASON_CHALLENGED;
}

/* Ends a stage that has judged the packet: it is written, done, or judged again if another CPU was first. */
static inline void ks_inspect_conclude(struct ks_inspection *insp, const struct ks_config *config, __u32 reason)
{
	if (!ks_again(insp, reason, KS_STAGE_FIND))
		ks_conclude(insp, config, reason);
}

/* Ends a stage that has let a flow begin. A datagram that opens one may announce another at once. */
static inline void ks_open_conclude(struct ks_inspection *insp, const struct ks_config *config, __u32 reason)
{
	ks_inspect_conclude(insp, config, reason);
	if (insp->verdict.action == KS_ALLOW && insp->flow.after.helper && !insp->home.dry &&
	    insp->pkt.tuple.proto != KS_PROTO_TCP)
		insp->stage = KS_STAGE_HELPER;
}

#endif
