// SPDX-License-Identifier: BSD-2-Clause
/*
 * The whole path of a packet, from its octets to its verdict:
 *
 *   parse the headers                  (packet.c)
 *   not IP, or a neighbour's message:  pass untracked
 *   an ICMP error:                     ask the flow it is about (icmp.c)
 *   find its flow                      (table.c)
 *     known:   check zone and protocol, commit what follows (conn.c, tcp.c)
 *     unknown: may it open one? does a rule allow it? insert (policy.c)
 *   account for the verdict, tell whoever listens
 *
 * State is decided on a copy and committed only if the packet is valid and
 * nobody changed the flow meanwhile; if somebody did, the packet is judged
 * again. No lock is held across any of this.
 */
#include "inspect.h"

#include "conn.h"
#include "env.h"
#include "home.h"
#include "icmp.h"
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
	in->state = KS_STATE_NONE;
	in->log = 0;
	in->rule = KS_RULE_DEFAULT;
	in->rule_index = KS_DECISION_DEFAULT;
	in->compare = (struct ks_compare){};
	in->flow.busy = 0;
	in->replaces = 0;
}

static inline void inspection_init(struct ks_inspection *in)
{
	outcome_init(in);
	in->retries = 0;
	in->sender = 0;
	in->pending = 0;
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
static __u32 ask_policy(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_decision decision;

	if (in->to == KS_ZONE_UNKNOWN)
		in->to = env_zone_to(env, &in->pkt.tuple, KS_ZONE_UNKNOWN);
	ks_policy_decide(env, in, &decision);
	in->rule = decision.id;
	in->rule_index = decision.index;
	in->log = !!(decision.flags & KS_RULE_LOG);
	return decision.action;
}

/* The policy was asked for a bypass only: whatever else it said does not count. */
static inline void decision_forget(struct ks_inspection *in)
{
	in->rule = KS_RULE_DEFAULT;
	in->rule_index = KS_DECISION_DEFAULT;
	in->log = 0;
}

/* What a new flow would be, put where it belongs. */
static __u32 open_flow(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason = KS_REASON_OK_NEW;

	ks_conn_open(config, in);
	if (in->dry)
		in->flow.ref = (struct ks_flow_ref){};
	else if (in->replaces)
		reason = ks_table_replace(env, &in->flow);
	else
		reason = ks_table_insert(env, &in->flow);
	if (reason != KS_REASON_OK_NEW)
		return deny(in, KS_CLASS_NEW, reason);
	in->state = in->flow.after.state;
	return pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
}

static __u32 judge_unknown(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 cannot_open = ks_conn_may_open(config, &in->pkt);
	__u32 action;

	if (cannot_open && !(config->options & KS_OPT_BYPASS_RULES))
		return deny(in, KS_CLASS_INVALID, cannot_open);
	action = ask_policy(env, in);
	if (action == KS_BYPASS) {
		in->action = KS_BYPASS;
		in->class = KS_CLASS_UNTRACKED;
		return KS_REASON_OK_BYPASS;
	}
	if (cannot_open) {
		decision_forget(in);
		return deny(in, KS_CLASS_INVALID, cannot_open);
	}
	if (action == KS_ALLOW)
		return open_flow(env, config, in);
	in->action = action;
	in->class = KS_CLASS_NEW;
	return in->rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_STATE : KS_REASON_RULE;
}

/* Both ends of a flow stay where they were when it was opened. */
static inline bool zones_fit(const struct ks_inspection *in)
{
	__u32 dir = in->dir & 1;

	return ks_zone_equal(in->from, in->flow.before.zone[dir]) &&
	       (in->to == KS_ZONE_UNKNOWN || ks_zone_equal(in->to, in->flow.before.zone[!dir]));
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

static __u32 judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;

	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	in->rule = in->flow.before.rule;
	in->state = in->flow.before.state;
	if (!zones_fit(in)) {
		in->flow.after = in->flow.before;
		return deny(in, KS_CLASS_INVALID, KS_REASON_ZONE);
	}
	reason = ks_conn_update(config, in);
	if (!ks_reason_is_pass(reason)) {
		in->flow.after = in->flow.before;
		return deny(in, KS_CLASS_INVALID, reason);
	}
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

	if (reason == KS_REASON_OK_RELATED) {
		in->rule = in->flow.before.rule;
		in->state = in->flow.before.state;
		in->flow.after = in->flow.before;
		return pass(in, KS_CLASS_RELATED, reason);
	}
	if (reason != KS_REASON_CONTENDED && config->options & KS_OPT_BYPASS_RULES) {
		if (ask_policy(env, in) == KS_BYPASS) {
			in->action = KS_BYPASS;
			in->class = KS_CLASS_UNTRACKED;
			return KS_REASON_OK_BYPASS;
		}
		decision_forget(in);
	}
	return deny(in, KS_CLASS_INVALID, reason);
}

static __u32 judge_packet(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	ks_table_find(env, &in->flow);
	if (in->flow.busy)
		return deny(in, KS_CLASS_NONE, KS_REASON_CONTENDED);
	in->replaces = in->flow.found && ks_conn_reopens(&in->pkt, &in->flow.before);
	if (in->flow.found && !in->replaces)
		return judge_known(env, config, in);
	return judge_unknown(env, config, in);
}

/* The tries at judging a packet, and what each needs. */
struct trial {
	struct ks_env *env;
	struct ks_inspection *in;
	const __u8 *head;
	__u32 reason;
};

/* One try; returns nonzero when it came to a verdict. */
static long judge_try(__u32 n, void *arg)
{
	struct trial *trial = arg;
	const struct ks_config *config = env_config(trial->env);
	struct ks_inspection *in = trial->in;

	if (!config)
		return 1;
	in->retries = n;
	if (n)
		outcome_init(in);
	if (in->pkt.flags & KS_PKT_ICMP_ERROR)
		trial->reason = judge_error(trial->env, config, in, trial->head);
	else
		trial->reason = judge_packet(trial->env, config, in);
	return trial->reason != KS_REASON_CONTENDED;
}

static __u32 judge_flow(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	struct trial trial = { .env = env, .in = in, .head = head, .reason = KS_REASON_CONTENDED };

	ks_loop(JUDGE_TRIES, judge_try, &trial);
	return trial.reason;
}

/* All that needs no state. in->pending says whether the flow is to be asked. */
static __u32 read_packet(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	if (!config)
		return deny(in, KS_CLASS_NONE, KS_REASON_INTERNAL);
	reason = ks_packet_parse(head, &in->pkt, !(config->options & KS_OPT_NO_IP_CHECKSUM));
	if (in->pkt.flags & KS_PKT_NOT_IP)
		return pass(in, KS_CLASS_UNTRACKED, KS_REASON_OK_NOT_IP);
	if (reason)
		return deny(in, KS_CLASS_INVALID, reason);
	if (config->options & KS_OPT_CHECKSUM && !env_checksum_ok(env, &in->pkt))
		return deny(in, KS_CLASS_INVALID, KS_REASON_L4_CHECKSUM);
	if (in->pkt.flags & KS_PKT_NEIGHBOUR)
		return pass(in, KS_CLASS_UNTRACKED, KS_REASON_OK_NEIGHBOUR);
	in->pending = 1;
	if (!(in->pkt.flags & KS_PKT_ICMP_ERROR)) {
		in->sender = ks_flow_key_make(&in->pkt.tuple, &in->flow.key);
		ks_table_hash(env, &in->flow);
	}
	return KS_REASON_OK_NEW;
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

static ks_inline void inspect_begin(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	inspection_init(in);
	in->reason = read_packet(env, in, head);
}

static ks_inline __u32 inspect_finish(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	if (in->pending)
		in->reason = judge_flow(env, in, head);
	flows_clear(in);
	if (!in->dry)
		account(env, in);
	return in->action;
}

__u32 ks_inspect(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	inspect_begin(env, in, head);
	return inspect_finish(env, in, head);
}

void ks_inspect_begin(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	inspect_begin(env, in, head);
}

__u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	return inspect_finish(env, in, head);
}
