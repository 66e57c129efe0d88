// SPDX-License-Identifier: BSD-2-Clause
/*
 * The whole path of a packet, from its octets to its verdict:
 *
 *   parse the headers                  (packet.c)
 *   not IP, or a neighbour's message:  pass untracked
 *   a fragment:                        ask its datagram (fragment.c)
 *   an ICMP error:                     ask the flow it is about (icmp.c)
 *   find its flow, by a translation    (table.c, nat.c)
 *     known:   check zone and protocol, commit what follows (conn.c, tcp.c)
 *              its helper reads along    (helper.c)
 *     unknown: may it open one? is it expected? does a rule allow it, and where to?
 *              which source does it get? insert (expect.c, policy.c, nat_open.c)
 *   write the translation              (rewrite.c)
 *   account for the verdict, tell whoever listens
 *
 * The steps are stages (inspect.h): the home runs one after the other until
 * the verdict stands.
 *
 * State is decided on a copy and committed only if the packet is valid and
 * nobody changed the flow meanwhile; if somebody did, the packet is judged
 * again. No lock is held across any of this.
 */
#include "inspect.h"

#include "conn.h"
#include "env.h"
#include "expect.h"
#include "fragment.h"
#include "helper.h"
#include "home.h"
#include "icmp.h"
#include "nat.h"
#include "nat_map.h"
#include "rewrite.h"
#include "table.h"

/* How often a packet is judged anew because another processor was first. */
#define JUDGE_TRIES 8

/* What a try at judging decides. */
static inline void outcome_init(struct ks_inspection *in)
{
	in->action = KS_DENY;
	in->class = KS_CLASS_NONE;
	in->dir = KS_ORIGINAL;
	in->flow.found = 0;
	in->flow.busy = 0;
	in->state = KS_STATE_NONE;
	in->log = 0;
	in->rule = KS_RULE_DEFAULT;
	in->rule_index = KS_DECISION_DEFAULT;
	in->compare = (struct ks_compare){};
	in->replaces = 0;
	in->via = 0;
	in->translate = 0;
	in->opened = 0;
	in->grown = 0;
	in->to = in->to_given;
}

static inline void inspection_init(struct ks_inspection *in)
{
	in->to_given = in->to;
	outcome_init(in);
	in->retries = 0;
	in->sender = 0;
	in->stage = KS_STAGE_DONE;
	in->fragment = KS_FRAGMENT_NONE;
	in->flow.clock = ks_flow_clock(in->now);
	in->side.clock = in->flow.clock;
}

/* The flows are only cleared where nobody filled them: a packet of a known flow overwrites both. */
static inline void flows_clear(struct ks_inspection *in)
{
	if (ks_likely(in->flow.found && in->state != KS_STATE_NONE))
		return;
	if (!in->flow.found)
		in->flow.before = (struct ks_flow){};
	if (in->state == KS_STATE_NONE)
		in->flow.after = (struct ks_flow){};
}

static inline __u32 deny(struct ks_inspection *in, __u32 class, __u32 reason)
{
	in->action = KS_DENY;
	in->class = class;
	return reason;
}

static inline __u32 pass(struct ks_inspection *in, __u32 class, __u32 reason)
{
	in->action = KS_ALLOW;
	in->class = class;
	return reason;
}

/* The policy's word on a packet that no flow knows. */
static __u32 ask_policy(struct ks_env *env, struct ks_inspection *in, struct ks_decision *decision)
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

/* The policy was asked for a bypass only: whatever else it said does not count. */
static inline void decision_forget(struct ks_inspection *in)
{
	in->rule = KS_RULE_DEFAULT;
	in->rule_index = KS_DECISION_DEFAULT;
	in->log = 0;
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
	if (reason == KS_REASON_OK_NEW)
		ks_nat_bind(env, in);
	else
		ks_nat_drop(env, in);
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
	in->sender = ks_flow_key_make(&in->out, &in->flow.key);
	if (config->options & KS_OPT_NAT || in->translate) {
		ks_table_hash(env, &in->flow);
		reason = ks_nat_take(env, config, in);
	}
	if (reason)
		return deny(in, KS_CLASS_NEW, reason);
	ks_conn_open(env, config, in);
	reason = flow_insert(env, in);
	if (reason != KS_REASON_OK_NEW)
		return deny(in, KS_CLASS_NEW, reason);
	in->state = in->flow.after.state;
	if (in->opened)
		return pass(in, KS_CLASS_RELATED, KS_REASON_OK_RELATED);
	return pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
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
		return deny(in, KS_CLASS_NEW, reason);
	reason = in->dry ? KS_REASON_OK_NEW : ks_table_replace(env, &in->flow);
	if (reason != KS_REASON_OK_NEW)
		return deny(in, KS_CLASS_NEW, reason);
	in->state = in->flow.after.state;
	return pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
}

/* Found by an alias, the policy may have given it another destination than it had: the old flow makes room. */
static ks_inline __u32 begin_anew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	if (!in->via || in->dry)
		return reopen_flow(env, config, in);
	if (!ks_table_free(env, &in->flow))
		return deny(in, KS_CLASS_NEW, KS_REASON_CONTENDED);
	in->replaces = 0;
	return open_flow(env, config, in);
}

/*
 * What the policy says of a packet that no flow knows. Returns whether a flow is to be opened; else *reason is the
 * verdict's.
 */
static ks_inline bool is_admitted(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in,
				  __u32 *reason)
{
	__u32 cannot_open = ks_conn_may_open(config, &in->pkt);
	struct ks_decision decision = {};
	__u32 action;

	*reason = cannot_open;
	in->class = KS_CLASS_INVALID;
	if (cannot_open && !(config->options & KS_OPT_BYPASS_RULES))
		return false;
	action = ask_policy(env, in, &decision);
	if (action == KS_BYPASS) {
		in->action = KS_BYPASS;
		in->class = KS_CLASS_UNTRACKED;
		*reason = KS_REASON_OK_BYPASS;
		return false;
	}
	if (cannot_open) {
		decision_forget(in);
		return false;
	}
	in->class = KS_CLASS_NEW;
	if (action != KS_ALLOW) {
		in->action = action;
		*reason = in->rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_STATE : KS_REASON_RULE;
		return false;
	}
	if (!decision.targets || (in->replaces && !in->via))
		return true;
	*reason = ks_nat_forward(env, in, &decision);
	in->translate |= KS_TRANSLATE_DST;
	return !*reason;
}

/* What comes before the policy: announced by a helper, or to the outer endpoint of a mapping. Then the reason is set. */
static ks_inline bool is_awaited(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	in->opened = 0;
	if ((in->replaces && !in->via) || ks_conn_may_open(config, &in->pkt))
		return false;
	if (ks_expect_find(env, in)) {
		in->opened = 1;
	} else if (config->options & KS_OPT_NAT) {
		ks_nat_arrive(env, config, in);
	}
	if (in->out.dst.d[0] != in->pkt.tuple.dst.d[0] || in->out.dst.d[1] != in->pkt.tuple.dst.d[1] ||
	    in->out.dport != in->pkt.tuple.dport)
		in->translate |= KS_TRANSLATE_DST;
	if (!in->opened)
		return false;
	if (in->to == KS_ZONE_UNKNOWN)
		in->to = env_zone_to(env, &in->out, KS_ZONE_UNKNOWN);
	in->asked = in->out;
	return true;
}

/* Both ends of a flow stay where they were when it was opened. */
static inline bool zones_fit(const struct ks_inspection *in)
{
	__u32 dir = in->dir & 1;

	if (!ks_zone_equal(in->from, in->flow.before.zone[dir]))
		return false;
	/* A packet to an alias goes elsewhere than its address says. */
	return in->to == KS_ZONE_UNKNOWN || in->via || ks_zone_equal(in->to, in->flow.before.zone[!dir]);
}

/*
 * A valid packet that moves no state is not dropped because other processors
 * always committed first: the flow only misses it in its numbers.
 */
static bool may_go_uncounted(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_table_counts *counts = env_table_counts(env);

	if (in->retries < JUDGE_TRIES - 1 || in->flow.after.state != in->flow.before.state || !counts)
		return false;
	ks_fetch_add(&counts->uncounted, 1);
	return true;
}

static inline __u32 refuse_known(struct ks_inspection *in, __u32 reason)
{
	in->flow.after = in->flow.before;
	return deny(in, KS_CLASS_INVALID, reason);
}

__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;

	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	in->rule = in->flow.before.rule;
	in->state = in->flow.before.state;
	if (!zones_fit(in))
		return refuse_known(in, KS_REASON_ZONE);
	if (!ks_nat_is_addressed(in))
		return refuse_known(in, KS_REASON_UNTRANSLATED);
	reason = ks_nat_leave(env, in);
	if (reason)
		return refuse_known(in, reason);
	reason = ks_conn_update(env, config, in);
	if (!ks_reason_is_pass(reason))
		return refuse_known(in, reason);
	if (!in->dry && !ks_table_commit(env, &in->flow) && !may_go_uncounted(env, in))
		return deny(in, KS_CLASS_ESTABLISHED, KS_REASON_CONTENDED);
	in->state = in->flow.after.state;
	if (in->dir == KS_ORIGINAL && !(in->flow.before.flags & KS_FLOW_REPLIED))
		return pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
	return pass(in, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

static __u32 judge_error(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in, const __u8 *head)
{
	__u32 reason = ks_icmp_error_judge(env, in, head);
	struct ks_decision decision = {};

	if (reason == KS_REASON_OK_RELATED) {
		in->rule = in->flow.before.rule;
		in->state = in->flow.before.state;
		in->flow.after = in->flow.before;
		return pass(in, KS_CLASS_RELATED, reason);
	}
	if (reason != KS_REASON_CONTENDED && config->options & KS_OPT_BYPASS_RULES) {
		if (ask_policy(env, in, &decision) == KS_BYPASS) {
			in->action = KS_BYPASS;
			in->class = KS_CLASS_UNTRACKED;
			return KS_REASON_OK_BYPASS;
		}
		decision_forget(in);
	}
	return deny(in, KS_CLASS_INVALID, reason);
}

/* What follows a verdict: an allowed packet may have to be changed. */
static inline void conclude(struct ks_inspection *in, const struct ks_config *config, __u32 reason)
{
	bool changes = in->action == KS_ALLOW && (in->translate & in->phase || config->scrub);

	in->reason = reason;
	in->stage = changes && !in->dry ? KS_STAGE_WRITE : KS_STAGE_DONE;
}

/* Another processor was first: the packet is judged anew, a bounded number of times. */
static inline bool again(struct ks_inspection *in, __u32 reason, __u32 stage)
{
	if (ks_likely(reason != KS_REASON_CONTENDED) || in->retries >= JUDGE_TRIES - 1)
		return false;
	in->retries++;
	outcome_init(in);
	in->stage = stage;
	return true;
}

void ks_inspect_conclude(struct ks_inspection *in, const struct ks_config *config, __u32 reason)
{
	if (!again(in, reason, KS_STAGE_FIND))
		conclude(in, config, reason);
}

/* The tries at finding the packet's flow and judging it by that. */
struct trial {
	struct ks_env *env;
	struct ks_inspection *in;
	__u32 base; /* tries made before */
	__u32 reason;
};

/* One try; returns nonzero when it came to a verdict, or another stage has the word. */
static long find_try(__u32 n, void *arg)
{
	struct trial *trial = arg;
	const struct ks_config *config = env_config(trial->env);
	struct ks_inspection *in = trial->in;

	if (!config)
		return 1;
	if (n + trial->base) {
		outcome_init(in);
		in->sender = ks_flow_key_make(&in->pkt.tuple, &in->flow.key);
		ks_table_hash(trial->env, &in->flow);
	}
	in->retries = n + trial->base;
	ks_nat_find(trial->env, in);
	trial->reason = KS_REASON_CONTENDED;
	if (in->flow.busy)
		return 0;
	in->replaces = in->flow.found && ks_conn_reopens(&in->pkt, &in->flow.before);
	if (!in->flow.found || in->replaces) {
		in->stage = KS_STAGE_OPEN;
		return 1;
	}
	if (in->flow.before.helper) {
		in->stage = KS_STAGE_HELPER;
		return 1;
	}
	trial->reason = ks_judge_known(trial->env, config, in);
	return trial->reason != KS_REASON_CONTENDED;
}

void ks_stage_find(struct ks_env *env, struct ks_inspection *in)
{
	struct trial trial = { .env = env, .in = in, .base = in->retries, .reason = KS_REASON_INTERNAL };
	const struct ks_config *config = env_config(env);

	in->stage = KS_STAGE_FIND;
	ks_loop(JUDGE_TRIES - in->retries, find_try, &trial);
	if (!config)
		in->stage = KS_STAGE_DONE;
	else if (in->stage == KS_STAGE_FIND)
		conclude(in, config, trial.reason);
}

void ks_stage_open(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	in->out = in->pkt.tuple;
	if (is_awaited(env, config, in) || is_admitted(env, config, in, &reason))
		reason = in->replaces ? begin_anew(env, config, in) : open_flow(env, config, in);
	ks_inspect_conclude(in, config, reason);
	/* What opens a flow may announce another at once: in datagrams, that is. */
	if (in->action == KS_ALLOW && in->flow.after.helper && !in->dry && in->pkt.tuple.proto != KS_PROTO_TCP)
		in->stage = KS_STAGE_HELPER;
}

void ks_stage_error(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = judge_error(env, config, in, head);
	if (!again(in, reason, KS_STAGE_ERROR))
		conclude(in, config, reason);
}

void ks_stage_write(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason = KS_REASON_INTERNAL;

	in->stage = KS_STAGE_DONE;
	if (config) {
		reason = ks_rewrite(env, in, head);
		if (!reason && config->scrub)
			reason = ks_scrub(env, config, in, head);
		if (!reason && in->flow.before.flags & KS_FLOW_MAPPED && in->dir == KS_ORIGINAL)
			ks_map_refresh(env, config, in);
	}
	if (reason)
		in->reason = deny(in, KS_CLASS_INVALID, reason);
}

/* All that needs no state. in->stage says what is to be asked. */
static __u32 read_packet(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	if (!config)
		return deny(in, KS_CLASS_NONE, KS_REASON_INTERNAL);
	reason = ks_packet_parse(head, &in->pkt, config->options);
	if (in->pkt.flags & KS_PKT_NOT_IP)
		return pass(in, KS_CLASS_UNTRACKED, KS_REASON_OK_NOT_IP);
	in->out = in->pkt.tuple;
	in->asked = in->pkt.tuple;
	if (ks_unlikely(in->pkt.flags & KS_PKT_FRAGMENT)) {
		in->stage = KS_STAGE_FRAGMENT; /* whatever the reason: with this one its datagram dies */
		return reason;
	}
	if (reason)
		return deny(in, KS_CLASS_INVALID, reason);
	if (config->options & KS_OPT_CHECKSUM && !env_checksum_ok(env, &in->pkt))
		return deny(in, KS_CLASS_INVALID, KS_REASON_L4_CHECKSUM);
	if (in->pkt.flags & KS_PKT_NEIGHBOUR)
		return pass(in, KS_CLASS_UNTRACKED, KS_REASON_OK_NEIGHBOUR);
	if (in->pkt.flags & KS_PKT_ICMP_ERROR) {
		in->stage = KS_STAGE_ERROR;
	} else {
		in->stage = KS_STAGE_FIND;
		in->sender = ks_flow_key_make(&in->pkt.tuple, &in->flow.key);
		ks_table_hash(env, &in->flow);
	}
	return KS_REASON_OK_NEW;
}

/* The flow by the packet's own tuple, which is that of its true endpoints now. */
static __u32 leaving_find(struct ks_env *env, struct ks_inspection *in)
{
	in->sender = ks_flow_key_make(&in->pkt.tuple, &in->flow.key);
	ks_table_hash(env, &in->flow);
	ks_nat_find(env, in);
	if (!in->flow.found || in->via)
		return KS_REASON_UNTRANSLATED;
	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	return ks_nat_leave(env, in);
}

void ks_inspect_leaving(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	__u32 reason;

	inspection_init(in);
	in->reason = read_packet(env, in, head);
	if (in->pkt.frag_off) {
		ks_fragment_leaving(env, in);
		return;
	}
	if (in->stage == KS_STAGE_ERROR)
		reason = ks_icmp_error_judge(env, in, head);
	else if (in->stage == KS_STAGE_FIND || (in->stage == KS_STAGE_FRAGMENT && !in->reason))
		reason = leaving_find(env, in);
	else
		reason = KS_REASON_UNTRANSLATED;
	in->stage = KS_STAGE_DONE;
	if (reason && reason != KS_REASON_OK_RELATED) {
		in->reason = deny(in, KS_CLASS_INVALID, reason);
		return;
	}
	in->reason = pass(in, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
	if (in->translate & in->phase)
		in->stage = KS_STAGE_WRITE;
	if (in->pkt.flags & KS_PKT_FRAGMENT)
		ks_fragment_leaving(env, in);
}

/* Counters and events; a drop is told when its rule or the option asks. */
static void account(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_config *config = env_config(env);
	bool decided_by_rule = in->rule_index != KS_DECISION_DEFAULT;

	env_count_reason(env, in->reason, in->pkt.wire_len);
	if (decided_by_rule)
		env_count_match(env, in->rule);
	if (in->log || (!ks_reason_is_pass(in->reason) && config && config->options & KS_OPT_LOG_DROPS))
		env_event(env, in);
}

void ks_inspect_step(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	switch (in->stage) {
	case KS_STAGE_FIND:
		ks_stage_find(env, in);
		break;
	case KS_STAGE_OPEN:
		ks_stage_open(env, in);
		break;
	case KS_STAGE_ERROR:
		ks_stage_error(env, in, head);
		break;
	case KS_STAGE_FRAGMENT:
		ks_stage_fragment(env, in);
		break;
	case KS_STAGE_HELPER:
		ks_stage_helper(env, in);
		break;
	case KS_STAGE_SCAN:
		ks_stage_scan(env, in);
		break;
	case KS_STAGE_ANNOUNCE:
		ks_stage_announce(env, in);
		break;
	case KS_STAGE_ADJUST:
		ks_stage_adjust(env, in, head);
		break;
	case KS_STAGE_WRITE:
		ks_stage_write(env, in, head);
		break;
	default:
		in->stage = KS_STAGE_DONE;
		break;
	}
	ks_fragment_turn(in);
}

__u32 ks_inspect_end(struct ks_env *env, struct ks_inspection *in)
{
	flows_clear(in);
	if (!in->dry)
		account(env, in);
	return in->action;
}

void ks_inspect_begin(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	inspection_init(in);
	in->reason = read_packet(env, in, head);
}

__u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	while (in->stage != KS_STAGE_DONE)
		ks_inspect_step(env, in, head);
	return ks_inspect_end(env, in);
}

__u32 ks_inspect(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	ks_inspect_begin(env, in, head);
	return ks_inspect_finish(env, in, head);
}
