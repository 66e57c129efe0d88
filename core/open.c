// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage of a packet that no flow knows: may it open one?
 *
 * It may be expected: announced to a helper, or sent to the outer endpoint of a
 * mapping. Otherwise the policy is asked, for its true endpoints. Then the aliases
 * of its translation are reserved, and the flow is inserted; if any of that fails,
 * none of it stays.
 */
#include "core/answer.h"
#include "core/antispoof.h"
#include "core/challenge.h"
#include "core/checksum.h"
#include "core/env.h"
#include "core/front.h"
#include "core/group.h"
#include "core/header/neighbour.h"
#include "core/helper/expect.h"
#include "core/home.h"
#include "core/judge.h"
#include "core/limit.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/nat/clash.h"
#include "core/nat/source.h"
#include "core/protect.h"
#include "core/settle.h"
#include "core/stage.h"
#include "core/staged.h"
#include "core/table/ended.h"
#include "core/table/flow_event.h"
#include "core/table/table.h"
#include "core/table/tally.h"
#include "core/track/tcp.h"
#include "core/track/track.h"

/* The rule that decides about the packet is this one, unless another is found. */
static inline void decision_note(struct ks_inspection *insp, const struct ks_decision *decision)
{
	insp->verdict.rule = decision->id;
	insp->verdict.rule_index = decision->index;
	insp->verdict.log = !!(decision->flags & KS_RULE_LOG);
	ks_staged_forget(insp);
	insp->opening.limited = !!(decision->flags & KS_RULE_LIMITED);
	insp->opening.ruled = !!(decision->effects & KS_EFFECTS_OF_FLOWS);
	insp->opening.asymmetric = !!(decision->effects & KS_EFFECT_ASYMMETRIC);
}

static ks_inline __u32 filter_ask(struct ks_env *env, struct ks_inspection *insp, struct ks_decision *decision)
{
	if (insp->to == KS_ZONE_UNKNOWN)
		insp->to = (__u8)env_zone_to(env, &insp->sent, KS_ZONE_UNKNOWN);
	insp->opening.as_filtered = insp->sent;
	decision->action = (__u8)ks_hide_value(KS_DENY, insp->home.now); /* some_zone_allows() may change it (V14) */
	decision->index = KS_DECISION_DEFAULT;
	decision->effects = 0;
	if (insp->to < KS_ZONE_MAX) {
		ks_question_make(insp, &insp->opening.as_filtered, KS_LIST_FILTER, &insp->opening.question);
		ks_rules_ask(env, &insp->opening.question, decision);
	}
	decision_note(insp, decision);
	if (insp->to < KS_ZONE_MAX)
		ks_staged_note(env, insp, decision);
	return decision->action;
}

__u32 ks_open_ask(struct ks_env *env, struct ks_inspection *insp, struct ks_decision *decision)
{
	return filter_ask(env, insp, decision);
}

/* A search for a zone to which the rules allow the packet. */
struct zone_search_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	struct ks_decision *decision; /* KS_ALLOW where a zone is found, with targets if it gets another destination */
	__u64 zones; /* where it may leave */
};

static long zone_try(__u32 n, void *arg)
{
	struct zone_search_ctx *ctx = arg;
	struct ks_decision decision = {};

	if (!(ctx->zones >> (n & (KS_ZONE_MAX - 1)) & 1))
		return 0;
	ctx->insp->opening.question.to = (__u8)n;
	ks_rules_ask(ctx->env, &ctx->insp->opening.question, &decision);
	if (decision.action != KS_ALLOW)
		return 0;
	if (!decision.targets)
		ctx->decision->action = KS_ALLOW;
	else if (ctx->insp->to == KS_ZONE_UNDECIDED)
		*ctx->decision = decision;
	return ctx->decision->targets != 0;
}

/* Returns true if the rules of one of these zones allow the packet, and let it go where it goes. Not inlined: routes seldom differ. */
static __attribute__((noinline)) bool some_zone_allows(struct ks_env *env, struct ks_inspection *insp,
						       struct ks_decision *decision, __u64 zones)
{
	struct zone_search_ctx ctx = { .env = env, .insp = insp, .decision = decision, .zones = zones };

	ks_question_make(insp, &insp->opening.as_filtered, KS_LIST_FILTER, &insp->opening.question);
	ks_loop(KS_ZONE_MAX, zone_try, &ctx);
	return decision->action == KS_ALLOW && !decision->targets;
}

/*
 * Returns true if a packet that is denied by a guess of where it goes, or without one, is left to egress, because the rules of
 * some zone allow it. One that no zone allows must not make the kernel ask for neighbours. Where there is no way to its
 * destination a rule of some zone may give it another: then *decision is that rule's, since it needs no route where it went.
 */
static ks_inline bool is_left_to_egress(struct ks_env *env, struct ks_inspection *insp, struct ks_decision *decision)
{
	__u64 zones;

	if (insp->translate & KS_TRANSLATE_DST)
		return false;
	zones = env_other_zones(env, &insp->sent, insp->pkt.flags & KS_PKT_GROUP ? KS_ZONE_SELF : insp->to);
	return zones && some_zone_allows(env, insp, decision, zones);
}

/* A packet from the middle of a connection is not taken up. Nobody is told: a RST would end what its peers may still have. */
static inline __u32 refuse_midstream(struct ks_inspection *insp)
{
	ks_open_forget(insp);
	return ks_deny(insp, KS_CLASS_INVALID, KS_REASON_NO_STATE);
}

/*
 * The rules do not allow the packet where it seems to go. Returns the reason, or 0 with a decision that gives it another
 * destination.
 */
static ks_inline __u32 judge_refused(struct ks_env *env, struct ks_inspection *insp, struct ks_decision *decision)
{
	__u32 action = decision->action;

	if (insp->to == KS_ZONE_ASTRAY)
		return ks_deny(insp, KS_CLASS_NEW, KS_REASON_BROADCAST);
	if (is_left_to_egress(env, insp, decision)) {
		ks_open_forget(insp);
		return ks_pass(insp, KS_CLASS_UNTRACKED, KS_REASON_OK_UNDECIDED);
	}
	if (decision->targets) {
		decision_note(insp, decision);
		return 0;
	}
	if (insp->opening.settled)
		return refuse_midstream(insp);
	insp->verdict.action = (__u8)action;
	if (insp->verdict.rule_index != KS_DECISION_DEFAULT)
		return KS_REASON_RULE;
	return insp->opening.unnamed ? KS_REASON_UNNAMED : KS_REASON_NO_RULE;
}

/* The helper that a rule assigns to the flow, by its true endpoints. */
static __u8 ask_helper(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_decision decision = {};

	if (!config->list[KS_LIST_HELPER].count)
		return 0;
	ks_question_make(insp, &insp->sent, KS_LIST_HELPER, &insp->opening.question);
	ks_rules_ask(env, &insp->opening.question, &decision);
	return decision.helper;
}

/* The flow was expected, but another packet has consumed the expectation. Returns the reason to judge this one again. */
static __u32 flow_withdraw(struct ks_env *env, struct ks_inspection *insp)
{
	insp->flow.before = insp->flow.after;
	ks_table_free_flow(env, &insp->flow, KS_END_UNTOLD);
	return KS_REASON_CONTENDED;
}

/* Inserts the flow and names it in its aliases, or releases those. Returns KS_REASON_OK_NEW or a reason. */
static __u32 flow_insert(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 reason;

	insp->flow.after.alias[KS_ORIGINAL] = insp->opening.alias[KS_ORIGINAL];
	ks_nat_name(insp);
	insp->flow.after.helper = insp->opening.helper;
	if (insp->opening.mapped)
		insp->flow.after.flags |= KS_FLOW_MAPPED;
	if (insp->opening.masqueraded)
		insp->flow.after.flags |= KS_FLOW_MASQUERADED;
	if (insp->home.dry)
		return KS_REASON_OK_NEW;
	reason = ks_table_admit(env, &insp->flow);
	if (reason == KS_REASON_OK_NEW && insp->opening.expected && !ks_expect_consume(env, insp))
		reason = flow_withdraw(env, insp);
	if (reason == KS_REASON_OK_NEW) {
		if (insp->opening.alias[KS_ORIGINAL] | insp->opening.alias[KS_REPLY])
			ks_nat_commit(env, insp);
		return reason;
	}
	ks_nat_release(env, insp);
	return reason;
}

/* A flow was opened. Returns the reason. */
static ks_inline __u32 judge_opened(struct ks_env *env, struct ks_inspection *insp)
{
	insp->verdict.state = insp->flow.after.state;
	if (insp->opening.settled && !insp->home.dry)
		ks_settle_count(env);
	if (insp->opening.expected)
		return ks_pass(insp, KS_CLASS_RELATED, KS_REASON_OK_RELATED);
	return ks_pass(insp, KS_CLASS_NEW, KS_REASON_OK_NEW);
}

/* Returns true if the packet would take up a connection that somebody has ended. */
static ks_inline bool is_ended(struct ks_env *env, const struct ks_inspection *insp)
{
	return ks_track_is_midstream(&insp->pkt) && ks_ended_knows(env, &insp->flow.key, insp->flow.clock);
}

/* Opens a flow, under the key of its true endpoints: the packet's own source, and the destination after translation. */
static ks_inline __u32 open_flow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason = 0;

	insp->opening.alias[KS_ORIGINAL] = 0;
	insp->opening.alias[KS_REPLY] = 0;
	insp->opening.mapped = 0;
	insp->opening.masqueraded = 0;
	insp->opening.helper = ask_helper(env, config, insp);
	if (insp->translate || insp->by_alias)
		insp->from_high = ks_packet_key(env, insp, &insp->sent, &insp->flow.key);
	if (insp->translate & KS_TRANSLATE_DST)
		reason = ks_clash_avoid(env, insp);
	if (!reason && is_ended(env, insp))
		return refuse_midstream(insp);
	if (!reason && (config->options & KS_OPT_NAT || insp->translate || ks_clash_is_own(insp))) {
		ks_table_hash(env, &insp->flow);
		reason = ks_nat_reserve(env, config, insp);
		if (!reason && insp->opening.settled && !ks_settle_translates(config, insp)) {
			ks_nat_release(env, insp);
			return refuse_midstream(insp);
		}
	}
	if (reason)
		return ks_deny(insp, KS_CLASS_NEW, reason);
	ks_track_open(env, config, insp);
	reason = flow_insert(env, insp);
	if (reason != KS_REASON_OK_NEW)
		return ks_deny(insp, KS_CLASS_NEW, reason);
	return judge_opened(env, insp);
}

/*
 * Returns true if the flow that begins again is the same as before, translation included. It is not if it was found by an
 * alias, for which the policy may have another destination now, if it was announced, or if the other side opens it.
 */
static ks_inline bool is_repeated(const struct ks_config *config, const struct ks_inspection *insp)
{
	if (!insp->opening.replaces || insp->by_alias || insp->opening.expected)
		return false;
	if (insp->pkt.tuple.proto == KS_PROTO_TCP &&
	    (insp->flow.before.tcp_flags[0] | insp->flow.before.tcp_flags[1]) & KS_TCP_LOST)
		return false;
	return !(config->options & KS_OPT_NAT) || insp->from_high == ks_flow_orig_side(&insp->flow.before);
}

/* The flow is over and begins again under its key. Its translation and its helper stay as they were. */
static ks_inline __u32 reopen_flow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason;

	ks_track_open(env, config, insp);
	insp->flow.after.alias[0] = insp->flow.before.alias[0];
	insp->flow.after.alias[1] = insp->flow.before.alias[1];
	if (ks_flow_has_outer(&insp->flow.key)) {
		insp->flow.after.outer.addr = insp->flow.before.outer.addr;
		insp->flow.after.outer.port = insp->flow.before.outer.port;
	}
	insp->flow.after.helper = insp->flow.before.helper;
	insp->flow.after.flags |= insp->flow.before.flags & (KS_FLOW_MAPPED | KS_FLOW_MASQUERADED);
	reason = ks_nat_translate(env, insp);
	if (reason)
		return ks_deny(insp, KS_CLASS_NEW, reason);
	reason = insp->home.dry ? KS_REASON_OK_NEW : ks_table_replace(env, &insp->flow);
	if (reason != KS_REASON_OK_NEW)
		return ks_deny(insp, KS_CLASS_NEW, reason);
	return judge_opened(env, insp);
}

/*
 * A flow that is over begins again. If it is not the same as before, the old one makes room, and a new one is to be opened.
 * Returns true if not; then *reason is set.
 */
static ks_inline bool begins_anew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				  __u32 *reason)
{
	if (is_repeated(config, insp) || insp->home.dry) {
		*reason = reopen_flow(env, config, insp);
		return true;
	}
	if (!ks_table_free_flow(env, &insp->flow, KS_END_RECYCLED)) { /* it is closed, and that was told */
		*reason = ks_deny(insp, KS_CLASS_NEW, KS_REASON_CONTENDED);
		return true;
	}
	insp->opening.replaces = 0;
	insp->flow.found = 0; /* else it would be asked where the packet goes (bpf/tc.bpf.c) */
	return false;
}

/* Notes if the destination was translated. It was not if a rule redirects to where the packet goes anyway. */
static ks_inline void destination_note(struct ks_inspection *insp)
{
	const struct ks_tuple *was = &insp->pkt.tuple, *is = &insp->sent;

	insp->translate &= (__u8)~KS_TRANSLATE_DST;
	if (!ks_addr_equal(&is->dst, &was->dst) || is->dport != was->dport)
		insp->translate |= KS_TRANSLATE_DST;
}

/* Returns true if a rule that allows it lets it open a flow in the middle of its connection. */
static inline bool opens_asymmetric(const struct ks_inspection *insp, __u32 action)
{
	return action == KS_ALLOW && insp->opening.asymmetric && insp->pkt.tuple.proto == KS_PROTO_TCP &&
	       ks_tcp_may_begin_late(&insp->pkt);
}

/*
 * Asks the policy about a packet that no flow knows. *reason is at first why it cannot open one, or 0. Returns true if a flow
 * is to be opened; else *reason becomes that of the verdict.
 */
static ks_inline bool is_admitted(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				  __u32 *reason)
{
	struct ks_decision decision = {};
	__u32 action, cannot_open = *reason;

	insp->verdict.class = KS_CLASS_INVALID;
	if (cannot_open && !(config->options & (KS_OPT_BYPASS_RULES | KS_OPT_ASYMMETRIC_RULES)))
		return false;
	action = filter_ask(env, insp, &decision);
	if (action == KS_BYPASS) {
		insp->verdict.action = KS_BYPASS;
		insp->verdict.class = KS_CLASS_UNTRACKED;
		*reason = KS_REASON_OK_BYPASS;
		return false;
	}
	if (cannot_open && !opens_asymmetric(insp, action)) {
		ks_open_forget(insp);
		return false;
	}
	insp->verdict.class = KS_CLASS_NEW;
	if (action != KS_ALLOW) {
		*reason = judge_refused(env, insp, &decision);
		if (!decision.targets)
			return false;
	}
	*reason = 0;
	if (decision.targets && !is_repeated(config, insp)) {
		*reason = ks_nat_forward(env, insp, &decision);
		destination_note(insp);
	}
	if (!*reason && insp->opening.limited)
		*reason = ks_limit_admits(env, insp);
	return !*reason;
}

/* Returns true if the packet needs no rule: it was announced to a helper, or goes to the outer endpoint of a mapping. */
static ks_inline bool is_expected(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				  __u32 cannot_open)
{
	insp->opening.expected = 0;
	insp->opening.limited = 0;
	insp->opening.limits = 0;
	insp->opening.ruled = 0;
	insp->opening.asymmetric = 0;
	if (cannot_open)
		return false;
	if (!insp->opening.settled && ks_expect_find(env, insp))
		insp->opening.expected = 1;
	else if (is_repeated(config, insp))
		return false;
	else if (config->options & KS_OPT_NAT)
		ks_nat_arrive(env, config, insp);
	destination_note(insp);
	if (!insp->opening.expected)
		return false;
	if (insp->to == KS_ZONE_UNKNOWN)
		insp->to = (__u8)env_zone_to(env, &insp->sent, KS_ZONE_UNKNOWN);
	insp->opening.as_filtered = insp->sent;
	return true;
}

/* The advertisement of a router passes unless a rule denies it, its redirect if a rule allows it. The box's own need no rule. */
static ks_inline __u32 judge_advertisement(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_decision decision = {};
	__u32 action;

	if (insp->to == KS_ZONE_UNKNOWN)
		insp->to = KS_ZONE_SELF; /* nobody forwards it */
	action = ks_open_ask(env, insp, &decision);
	if (insp->verdict.rule_index == KS_DECISION_DEFAULT)
		action = insp->pkt.icmp_type == KS_ND_REDIRECT && insp->home.from != KS_ZONE_SELF ? KS_DENY : KS_ALLOW;
	if (action == KS_ALLOW || action == KS_BYPASS)
		return ks_pass(insp, KS_CLASS_UNTRACKED, KS_REASON_OK_NEIGHBOUR);
	return ks_deny(insp, KS_CLASS_UNTRACKED,
		       insp->verdict.rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_RULE : KS_REASON_RULE);
}

/* Returns true, with *reason set, for a packet that opens no flow: of a neighbour, from a forged source, an answer to a group. */
static ks_inline bool is_judged_alone(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				      __u32 *reason)
{
	bool answers;

	if (insp->pkt.flags & KS_PKT_NEIGHBOUR) {
		*reason = judge_advertisement(env, insp);
		return true;
	}
	answers = !insp->opening.replaces && ks_group_answers(env, insp);
	if (!ks_source_is_believed(env, config, insp,
				   !answers)) /* there may be no route yet: to a DHCP server, for one */
		*reason = ks_deny(insp, KS_CLASS_INVALID, KS_REASON_SPOOFED);
	else if (answers)
		*reason = ks_pass(insp, KS_CLASS_RELATED, KS_REASON_OK_RELATED);
	else
		return false;
	return true;
}

/*
 * Opens the flow of a packet that may, unless its checksum is wrong: then no host has it; its zone is protected from it; or it is
 * challenged. Returns the reason.
 */
static ks_inline __u32 open_admitted(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				     const __u8 *head)
{
	__u32 reason;

	if (ks_sum_is_wrong(env, config, insp, head)) {
		ks_open_forget(insp);
		return ks_deny(insp, KS_CLASS_INVALID, KS_REASON_L4_CHECKSUM);
	}
	reason = ks_protect_opening(env, config, insp);
	if (reason) {
		ks_open_forget(insp);
		return ks_deny(insp, KS_CLASS_NEW, reason);
	}
	if (ks_challenge_asks(env, config, insp, false))
		return ks_challenge_judge(insp);
	if (insp->opening.replaces && begins_anew(env, config, insp, &reason))
		return reason;
	return open_flow(env, config, insp); /* in one place, or it would be verified twice (V15) */
}

/*
 * Asks all that is to be asked before a flow is opened. Of a packet that may open one nothing has changed by it; of one that may
 * not, an answer to a challenge was heard, and what a limit refuses is counted there. Returns true if it may; else the action is
 * set, and *reason.
 */
static ks_inline bool open_judge(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				 __u32 *reason)
{
	insp->sent = insp->pkt.tuple;
	if (is_judged_alone(env, config, insp, reason))
		return false;
	*reason = ks_track_may_open(config, &insp->pkt);
	insp->opening.settled = *reason && ks_settle_admits(env, config, insp);
	if (insp->opening.settled)
		*reason = 0;
	if (*reason && ks_challenge_hears(env, config, insp)) {
		*reason = ks_deny(insp, KS_CLASS_UNTRACKED, KS_REASON_CHALLENGE_ANSWERED);
		return false;
	}
	return is_expected(env, config, insp, *reason) || is_admitted(env, config, insp, reason);
}

void ks_stage_open(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	ks_facts_gather(env, insp, head);
	if (!open_judge(env, config, insp, &reason)) {
		ks_inspect_conclude(insp, config, reason);
		return;
	}
	reason = open_admitted(env, config, insp, head);
	ks_open_conclude(insp, config, reason);
	if (insp->verdict.action != KS_ALLOW || insp->home.dry)
		return;
	if (ks_unlikely(insp->opening.limited))
		insp->stage = KS_STAGE_LIMIT; /* which tells if it begins */
	else
		ks_flow_tell_begin(env, &insp->flow);
}

/* A packet may open a flow. Returns true if it is challenged; one from a protected zone is left to ks_front_protects(). */
static ks_inline bool front_opens_not(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				      const __u8 *head, bool answers)
{
	if (!(config->options & KS_OPT_PROTECT) || !ks_protection_of(config, insp)->items)
		return answers && ks_front_challenges(env, config, insp, head);
	insp->stage = KS_STAGE_OPEN;
	return false;
}

/* Returns true if the packet, which no flow knows, is refused for certain. */
static ks_inline bool front_judge(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				  const __u8 *head, bool answers)
{
	__u32 reason;

	if (open_judge(env, config, insp, &reason))
		return front_opens_not(env, config, insp, head, answers);
	if (reason == KS_REASON_CONTENDED || insp->verdict.action == KS_ALLOW || insp->verdict.action == KS_BYPASS)
		return false;
	insp->verdict.reason = (__u8)reason;
	return insp->verdict.action == KS_DENY || ks_answer_is_spent(env, insp);
}

bool ks_front_refuses(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, bool answers)
{
	const struct ks_config *config = env_config(env);
	bool is_asked;

	if (!config || config->asks & KS_CONDITIONS_NO_FRONT)
		return false;
	if (insp->stage == KS_STAGE_DONE)
		return insp->verdict.action == KS_DENY;
	if (insp->stage == KS_STAGE_PROTECT)
		return false;
	is_asked = insp->stage == KS_STAGE_FIND && !insp->flow.found && !insp->flow.busy;
	insp->stage = KS_STAGE_DONE;
	if (!is_asked)
		return false;
	ks_facts_gather(env, insp, head);
	return front_judge(env, config, insp, head, answers);
}
