// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage of a packet that no flow knows: may it open one? It may be awaited
 * (announced to a helper, or sent to the outer endpoint of a mapping), else the
 * policy is asked, for its true endpoints. Then its translation is taken, and
 * flow and aliases are inserted; if any of that fails, none of it stays.
 */
#include "conn.h"
#include "env.h"
#include "expect.h"
#include "helper.h"
#include "nat.h"
#include "stage.h"
#include "table.h"

/* The policy's word on a packet that no flow knows. */
__u32 ks_open_ask(struct ks_env *env, struct ks_inspection *in, struct ks_decision *decision)
{
	if (in->to == KS_ZONE_UNKNOWN)
		in->to = env_zone_to(env, &in->out, KS_ZONE_UNKNOWN);
	in->asked = in->out;
	ks_question_make(in, &in->asked, KS_LIST_FILTER, &in->question);
	ks_policy_ask(env, &in->question, decision);
	in->rule = decision->id;
	in->rule_index = decision->index;
	in->log = !!(decision->flags & KS_RULE_LOG);
	return decision->action;
}

/* The helper that a rule assigns to the flow, which is asked for by its true endpoints. */
static __u32 ask_helper(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_decision decision = {};

	if (!config->list[KS_LIST_HELPER].count)
		return 0;
	ks_question_make(in, &in->out, KS_LIST_HELPER, &in->question);
	ks_policy_ask(env, &in->question, &decision);
	return decision.helper;
}

/* Puts the flow where it belongs, and its aliases with it. */
static __u32 flow_insert(struct ks_env *env, struct ks_inspection *in)
{
	__u32 reason;

	in->flow.after.alias[KS_ORIGINAL] = in->alias[KS_ORIGINAL];
	in->flow.after.alias[KS_REPLY] = in->alias[KS_REPLY];
	in->flow.after.helper = in->helper;
	if (in->mapped)
		in->flow.after.flags |= KS_FLOW_MAPPED;
	if (in->dry)
		return KS_REASON_OK_NEW;
	reason = ks_table_insert(env, &in->flow);
	if (reason == KS_REASON_OK_NEW) {
		if (in->alias[KS_ORIGINAL] | in->alias[KS_REPLY])
			ks_nat_bind(env, in);
		return reason;
	}
	ks_nat_drop(env, in);
	/* Another flow has the same true ends, under another translation: for the two there is one port too few. */
	if (reason == KS_REASON_CONTENDED && in->translate & KS_TRANSLATE_DST) {
		ks_table_find(env, &in->flow);
		if (in->flow.found)
			reason = KS_REASON_NO_PORT;
		in->flow.found = 0;
	}
	return reason;
}

/*
 * What a new flow would be. Its key is of its true endpoints: the packet's own
 * source, and the destination after translation.
 */
static ks_inline __u32 open_flow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason = 0;

	in->alias[KS_ORIGINAL] = 0;
	in->alias[KS_REPLY] = 0;
	in->mapped = 0;
	in->helper = ask_helper(env, config, in);
	if (in->translate || in->via)
		in->sender = ks_flow_key_make(&in->out, &in->flow.key);
	if (config->options & KS_OPT_NAT || in->translate) {
		ks_table_hash(env, &in->flow);
		reason = ks_nat_take(env, config, in);
	}
	if (reason)
		return ks_deny(in, KS_CLASS_NEW, reason);
	ks_conn_open(env, config, in);
	reason = flow_insert(env, in);
	if (reason != KS_REASON_OK_NEW)
		return ks_deny(in, KS_CLASS_NEW, reason);
	in->state = in->flow.after.state;
	if (in->opened)
		return ks_pass(in, KS_CLASS_RELATED, KS_REASON_OK_RELATED);
	return ks_pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
}

/*
 * Whether what begins anew is the same as before, translation included: not if it was found by an alias, for which the
 * policy may have another destination now, nor if it was announced, nor if it is the other side that opens it.
 */
static inline bool is_repeated(const struct ks_config *config, const struct ks_inspection *in)
{
	if (!in->replaces || in->via || in->opened)
		return false;
	return !(config->options & KS_OPT_NAT) || in->sender == ks_flow_orig_side(&in->flow.before);
}

/* The flow is over and begins anew under its key; its translation and its helper stay as they were. */
static ks_inline __u32 reopen_flow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;

	ks_conn_open(env, config, in);
	in->flow.after.alias[0] = in->flow.before.alias[0];
	in->flow.after.alias[1] = in->flow.before.alias[1];
	in->flow.after.helper = in->flow.before.helper;
	in->flow.after.flags |= in->flow.before.flags & KS_FLOW_MAPPED;
	reason = ks_nat_leave(env, in);
	if (reason)
		return ks_deny(in, KS_CLASS_NEW, reason);
	reason = in->dry ? KS_REASON_OK_NEW : ks_table_replace(env, &in->flow);
	if (reason != KS_REASON_OK_NEW)
		return ks_deny(in, KS_CLASS_NEW, reason);
	in->state = in->flow.after.state;
	if (in->opened)
		return ks_pass(in, KS_CLASS_RELATED, KS_REASON_OK_RELATED);
	return ks_pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
}

/* What is not the same is a new flow, and the old one makes room. */
static ks_inline __u32 begin_anew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	if (is_repeated(config, in) || in->dry)
		return reopen_flow(env, config, in);
	if (!ks_table_free(env, &in->flow))
		return ks_deny(in, KS_CLASS_NEW, KS_REASON_CONTENDED);
	in->replaces = 0;
	in->flow.found = 0; /* or whoever asks where the packet goes would be told of the old one */
	return open_flow(env, config, in);
}

/* A destination that stays as it is needs no alias: the box's own address may be what a rule redirects to. */
static inline void destination_note(struct ks_inspection *in)
{
	const struct ks_tuple *was = &in->pkt.tuple, *is = &in->out;

	in->translate &= ~KS_TRANSLATE_DST;
	if (is->dst.d[0] != was->dst.d[0] || is->dst.d[1] != was->dst.d[1] || is->dport != was->dport)
		in->translate |= KS_TRANSLATE_DST;
}

/*
 * What the policy says of a packet that no flow knows. *reason is at first why it cannot open one, or 0. Returns whether a
 * flow is to be opened; else *reason is the verdict's.
 */
static ks_inline bool is_admitted(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in,
				  __u32 *reason)
{
	struct ks_decision decision = {};
	__u32 action, cannot_open = *reason;

	in->class = KS_CLASS_INVALID;
	if (cannot_open && !(config->options & KS_OPT_BYPASS_RULES))
		return false;
	action = ks_open_ask(env, in, &decision);
	if (action == KS_BYPASS) {
		in->action = KS_BYPASS;
		in->class = KS_CLASS_UNTRACKED;
		*reason = KS_REASON_OK_BYPASS;
		return false;
	}
	if (cannot_open) {
		ks_open_forget(in);
		return false;
	}
	in->class = KS_CLASS_NEW;
	if (action != KS_ALLOW) {
		in->action = action;
		*reason = in->rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_STATE : KS_REASON_RULE;
		return false;
	}
	if (!decision.targets || is_repeated(config, in))
		return true;
	*reason = ks_nat_forward(env, in, &decision);
	destination_note(in);
	return !*reason;
}

/* What comes before the policy: announced by a helper, or to the outer endpoint of a mapping. Then the reason is set. */
static ks_inline bool is_awaited(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in,
				 __u32 cannot_open)
{
	in->opened = 0;
	if (cannot_open)
		return false;
	if (ks_expect_find(env, in))
		in->opened = 1;
	else if (is_repeated(config, in))
		return false;
	else if (config->options & KS_OPT_NAT)
		ks_nat_arrive(env, config, in);
	destination_note(in);
	if (!in->opened)
		return false;
	if (in->to == KS_ZONE_UNKNOWN)
		in->to = env_zone_to(env, &in->out, KS_ZONE_UNKNOWN);
	in->asked = in->out;
	return true;
}

void ks_stage_open(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	in->out = in->pkt.tuple;
	reason = ks_conn_may_open(config, &in->pkt);
	if (is_awaited(env, config, in, reason) || is_admitted(env, config, in, &reason))
		reason = in->replaces ? begin_anew(env, config, in) : open_flow(env, config, in);
	ks_inspect_conclude(in, config, reason);
	/* What opens a flow may announce another at once: in datagrams, that is. */
	if (in->action == KS_ALLOW && in->flow.after.helper && !in->dry && in->pkt.tuple.proto != KS_PROTO_TCP)
		in->stage = KS_STAGE_HELPER;
}
