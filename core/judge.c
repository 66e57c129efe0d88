// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stages of a packet that belongs to a flow, and of an ICMP error that
 * speaks about one. The flow is judged on a copy, which is committed if the
 * packet is valid and nobody changed the flow meanwhile; if somebody did, the
 * packet is judged again. No lock is held across any of this.
 */
#include "conn.h"
#include "env.h"
#include "home.h"
#include "icmp.h"
#include "nat.h"
#include "stage.h"
#include "table.h"

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
	return ks_deny(in, KS_CLASS_INVALID, reason);
}

/* Inlined where nearly every packet goes. */
static ks_inline __u32 judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;

	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	in->rule = in->flow.before.rule;
	in->state = in->flow.before.state;
	if (!zones_fit(in))
		return refuse_known(in, KS_REASON_ZONE);
	if (!ks_nat_is_addressed(in))
		return refuse_known(in, KS_REASON_UNTRANSLATED);
	if (ks_nat_is_translated(&in->flow.before)) {
		reason = ks_nat_leave(env, in);
		if (reason)
			return refuse_known(in, reason);
	}
	reason = ks_conn_update(env, config, in);
	if (!ks_reason_is_pass(reason))
		return refuse_known(in, reason);
	if (!in->dry && !ks_table_commit(env, &in->flow) && !may_go_uncounted(env, in))
		return ks_deny(in, KS_CLASS_ESTABLISHED, KS_REASON_CONTENDED);
	in->state = in->flow.after.state;
	if (in->dir == KS_ORIGINAL && !(in->flow.before.flags & KS_FLOW_REPLIED))
		return ks_pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
	return ks_pass(in, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	return judge_known(env, config, in);
}

void ks_inspect_conclude(struct ks_inspection *in, const struct ks_config *config, __u32 reason)
{
	if (!ks_again(in, reason, KS_STAGE_FIND))
		ks_conclude(in, config, reason);
}

/* The packet's flow as it is now, or KS_REASON_CONTENDED while somebody writes. */
static inline __u32 find_flow(struct ks_env *env, struct ks_inspection *in)
{
	if (in->retries) { /* the first time it is made when the packet is read */
		in->sender = ks_flow_key_make(&in->pkt.tuple, &in->flow.key);
		ks_table_hash(env, &in->flow);
	}
	ks_nat_find(env, in);
	return in->flow.busy ? KS_REASON_CONTENDED : KS_REASON_OK_NEW;
}

void ks_stage_find(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = find_flow(env, in);
	if (reason != KS_REASON_CONTENDED) {
		in->replaces = in->flow.found && ks_conn_reopens(&in->pkt, &in->flow.before);
		if (!in->flow.found || in->replaces) {
			in->stage = KS_STAGE_OPEN;
			return;
		}
		if (ks_unlikely(in->flow.before.helper)) {
			in->stage = KS_STAGE_HELPER;
			return;
		}
		reason = judge_known(env, config, in);
	}
	ks_inspect_conclude(in, config, reason);
}

static __u32 judge_error(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in, const __u8 *head)
{
	__u32 reason = ks_icmp_error_judge(env, in, head);
	struct ks_decision decision = {};

	if (reason == KS_REASON_OK_RELATED) {
		in->rule = in->flow.before.rule;
		in->state = in->flow.before.state;
		in->flow.after = in->flow.before;
		return ks_pass(in, KS_CLASS_RELATED, reason);
	}
	if (reason != KS_REASON_CONTENDED && config->options & KS_OPT_BYPASS_RULES) {
		if (ks_open_ask(env, in, &decision) == KS_BYPASS) {
			in->action = KS_BYPASS;
			in->class = KS_CLASS_UNTRACKED;
			return KS_REASON_OK_BYPASS;
		}
		ks_open_forget(in);
	}
	return ks_deny(in, KS_CLASS_INVALID, reason);
}

void ks_stage_error(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = judge_error(env, config, in, head);
	if (!ks_again(in, reason, KS_STAGE_ERROR))
		ks_conclude(in, config, reason);
}
