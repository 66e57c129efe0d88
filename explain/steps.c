/* SPDX-License-Identifier: BSD-2-Clause */
/* The two longest steps of an explanation: the numbers of the protocol, and the rules. */
#include <string.h>

#include "core/env.h"
#include "core/table/ended.h"
#include "explain/internal.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/names.h"
#include "text/plural.h"

/* So many rules are listed unless all are asked for; those before them are only counted. */
#define RULES_TOLD 200U

#define UNSEEN_ANSWER                                                                                            \
	": it acknowledges an answer that has not come by here; if answers take another way, its rule must say " \
	"'asymmetric'"

static json_t *compare_json(const struct ks_compare *compare)
{
	return json_pack("{s:I, s:I, s:I}", "have", (json_int_t)compare->have, "lo", (json_int_t)compare->lo, "hi",
			 (json_int_t)compare->hi);
}

/* The numbers of the comparison by which the packet was dropped. Returns the step, NULL for reasons without numbers. */
static json_t *explain_drop(struct ks_explain *explain, const struct ks_compare *c)
{
	switch (explain->insp->verdict.reason) {
	case KS_REASON_TCP_WINDOW_SEQ:
		return ks_explain_step(
			explain, "protocol", "drop",
			"its data end at sequence number %u; the receiver takes up to %u: %u past its window", c->have,
			c->hi, c->have - c->hi);
	case KS_REASON_TCP_OLD_SEQ:
		return ks_explain_step(
			explain, "protocol", "drop",
			"its data end at sequence number %u; a retransmission ends at %u at the earliest: "
			"%u too old",
			c->have, c->lo, c->lo - c->have);
	case KS_REASON_TCP_ACK_AHEAD:
		return ks_explain_step(
			explain, "protocol", "drop",
			"it acknowledges up to %u; the other side has sent up to %u only: %u were never sent", c->have,
			c->hi, c->have - c->hi);
	case KS_REASON_TCP_ACK_OLD:
		return ks_explain_step(explain, "protocol", "drop",
				       "it acknowledges up to %u; the oldest plausible is %u: %u too old", c->have,
				       c->lo, c->lo - c->have);
	case KS_REASON_TCP_RST_SEQ:
		return ks_explain_step(
			explain, "protocol", "drop",
			"the RST is at %u; right would be %u, acknowledged last, or %u, the end of what this "
			"side sent",
			c->have, c->lo, c->hi);
	case KS_REASON_SCTP_TAG:
		return ks_explain_step(explain, "protocol", "drop", "its verification tag is %u; right would be %u%s",
				       c->have, c->hi, c->hi ? "" : ", and none is known yet");
	case KS_REASON_DCCP_SEQ:
		return ks_explain_step(explain, "protocol", "drop",
				       "its sequence or acknowledgement number ends in %u; right would be %u to %u "
				       "(the lower 32 of 48 bits)",
				       c->have, c->lo, c->hi);
	default:
		return NULL;
	}
}

/* A segment that passed. The numbers that were compared depend on its kind. */
static void explain_tcp_pass(struct ks_explain *explain)
{
	const struct ks_compare *c = &explain->insp->verdict.compare;
	__u8 flags = explain->insp->pkt.tcp_flags;
	json_t *step;

	if (!(flags & KS_TCP_RST) && explain->insp->flow.after.tcp_flags[explain->insp->dir & 1] & KS_TCP_LIBERAL) {
		ks_explain_step(explain, "protocol", "ok",
				"its windows and acknowledgements are not checked: the connection was taken up in its "
				"middle ('option settle', 'option pickup'), or only one direction of it may be seen "
				"('option asymmetric', or its rule is asymmetric)");
		return;
	}
	if (!c->have && !c->lo && !c->hi) {
		ks_explain_step(explain, "protocol", "ok", "its flags fit the state of the connection");
		return;
	}
	if (flags & KS_TCP_RST)
		step = ks_explain_step(explain, "protocol", "ok",
				       "the RST is at %u; acknowledged last was %u, this side's data end at %u",
				       c->have, c->lo, c->hi);
	else if (flags & KS_TCP_SYN)
		step = ks_explain_step(explain, "protocol", "ok",
				       "it acknowledges %u; the SYN and its data are acknowledged by %u to %u", c->have,
				       c->lo, c->hi);
	else if (ks_seq_before(c->have, c->lo))
		step = ks_explain_step(
			explain, "protocol", "ok",
			"its data end at %u, before the window from %u to %u: they were sent before, and "
			"the receiver will acknowledge them again",
			c->have, c->lo, c->hi);
	else
		step = ks_explain_step(
			explain, "protocol", "ok",
			"its data end at %u, in the window from %u to %u (modulo 2^32), %u before its end", c->have,
			c->lo, c->hi, c->hi - c->have);
	ks_explain_detail(explain, step, "compare", compare_json(c));
}

static bool is_policy_reason(unsigned reason)
{
	return reason == KS_REASON_NO_STATE || reason == KS_REASON_NO_RULE || reason == KS_REASON_RULE ||
	       reason == KS_REASON_OK_BYPASS;
}

static const char *what_opens(unsigned proto)
{
	switch (proto) {
	case KS_PROTO_SCTP:
		return "an INIT can, or a HEARTBEAT on a further path, and for a while after a start data and the like "
		       "('option settle')";
	case KS_PROTO_DCCP:
		return "a Request can, and for a while after a start data and the like ('option settle')";
	default:
		return "a SYN can, unless the firewall started a moment ago ('option settle') or the policy says "
		       "'option pickup on' or 'option asymmetric on'";
	}
}

/* A packet from the middle of a connection, while the firewall settles. Returns true if it is one. */
static bool explain_midstream(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_packet *pkt = &insp->pkt;

	if (!insp->opening.settled)
		return false;
	if (ks_reason_is_pass(insp->verdict.reason))
		ks_explain_step(
			explain, "protocol", "note",
			"it is from the middle of a connection, which is taken up because the firewall started a "
			"moment ago ('option settle'); it is half-open until the other side speaks");
	else if (ks_ended_knows(ks_engine_env(explain->engine), &insp->flow.key, insp->flow.clock))
		ks_explain_step(explain, "protocol", "drop",
				"it is from the middle of a connection that was ended not long ago: by 'states kill', "
				"a reload, a "
				"set or a limit; only a new one can open it");
	else if (insp->translate & KS_TRANSLATE_SRC)
		ks_explain_step(
			explain, "protocol", "drop",
			"it is from the middle of a connection, which is not taken up: source port %u, which it had, "
			"is not free or may be a server's",
			ks_be16(pkt->tuple.sport));
	else
		ks_explain_step(
			explain, "protocol", "drop",
			"it is from the middle of a connection, which the firewall, started a moment ago, takes up "
			"only if the rules let its sender open one ('option settle')");
	return true;
}

/* Returns true for a segment of an originator who seems to have got an answer that was not seen here. */
static bool goes_on_unanswered(const struct ks_inspection *insp)
{
	return insp->verdict.reason == KS_REASON_TCP_STATE && insp->dir == KS_ORIGINAL &&
	       insp->flow.before.state == KS_STATE_TCP_SYN_SENT && insp->pkt.tcp_flags & KS_TCP_ACK;
}

void ks_explain_protocol(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	json_t *step = explain_drop(explain, &insp->verdict.compare);
	bool known = insp->flow.found && !insp->opening.replaces;

	if (step) {
		ks_explain_detail(explain, step, "compare", compare_json(&insp->verdict.compare));
	} else if (known && !ks_reason_is_pass(insp->verdict.reason) &&
		   insp->verdict.reason < KS_REASON_TABLE_FULL /* reasons for want of room follow */) {
		ks_explain_step(explain, "protocol", "drop", "%s (the flow is in state %s)%s",
				ks_reason_text(insp->verdict.reason), ks_state_name(insp->flow.before.state),
				goes_on_unanswered(insp) ? UNSEEN_ANSWER : "");
	} else if (known && insp->pkt.tuple.proto == KS_PROTO_TCP) {
		explain_tcp_pass(explain);
	} else if (known && insp->pkt.flags & KS_PKT_ICMP_ERROR) {
		ks_explain_step(explain, "protocol", "ok", "what it quotes can have been sent by the flow's %s",
				insp->dir == KS_ORIGINAL ? "other side" : "originator");
	} else if (known) {
		ks_explain_step(explain, "protocol", "ok", "it fits the flow");
	} else if (explain_midstream(explain)) {
		return;
	} else if (insp->verdict.class == KS_CLASS_INVALID && !is_policy_reason(insp->verdict.reason)) {
		ks_explain_step(explain, "protocol", "drop", "%s", ks_reason_text(insp->verdict.reason));
	} else if (insp->verdict.class == KS_CLASS_INVALID) {
		ks_explain_step(explain, "protocol", "drop", "it cannot open a flow: only %s",
				what_opens(insp->pkt.tuple.proto));
	}
}

void ks_explain_miss(const struct ks_explain *explain, unsigned miss, char buf[KS_MISS_TEXT])
{
	const size_t size = KS_MISS_TEXT;
	const struct ks_inspection *insp = explain->insp;
	const struct ks_tuple *tuple =
		&insp->opening.as_filtered; /* with the destination that binat and mappings give */
	char addr[KS_ADDR_TEXT], proto[8];

	switch (miss) {
	case KS_MISS_FROM:
		snprintf(buf, size, "it is not for packets from %s",
			 ks_policy_zone_name(explain->policy, insp->home.from));
		break;
	case KS_MISS_TO:
		snprintf(buf, size, "it is not for packets to %s", ks_policy_zone_name(explain->policy, insp->to));
		break;
	case KS_MISS_FAMILY:
		snprintf(buf, size, "it is not for IPv%u", tuple->family);
		break;
	case KS_MISS_PROTO:
		snprintf(buf, size, "it is not for %s", ks_proto_name(tuple->proto, proto, sizeof(proto)));
		break;
	case KS_MISS_SPORT:
		snprintf(buf, size, "source port %u is not its", ks_be16(tuple->sport));
		break;
	case KS_MISS_DPORT:
		snprintf(buf, size, "port %u is not its", ks_be16(tuple->dport));
		break;
	case KS_MISS_ICMP:
		snprintf(buf, size, "ICMP type %u code %u is not its", insp->pkt.icmp_type, insp->pkt.icmp_code);
		break;
	case KS_MISS_SRC:
		snprintf(buf, size, "source %s is not its", ks_addr_text(&tuple->src, tuple->family, addr));
		break;
	case KS_MISS_DST:
		snprintf(buf, size, "destination %s is not its", ks_addr_text(&tuple->dst, tuple->family, addr));
		break;
	case KS_MISS_NOTHING:
		snprintf(buf, size, "it matches");
		break;
	default:
		ks_explain_condition(explain, miss - KS_MISS_CONDITION, buf);
	}
}

/*
 * A rule of the text matches if one of its table entries does; else the entry that came furthest says why not. One that is for other
 * protocols only is told to be so, wherever the packet comes from: its zones are of no interest then.
 */
static unsigned rule_miss(struct ks_explain *explain, __u32 *index, __u32 count)
{
	const struct ks_policy *policy = explain->policy;
	__u32 first = *index, info = policy->rule_info[first];
	unsigned furthest = KS_MISS_FROM;
	bool may_match = false; /* by its protocol */

	for (; *index < count && policy->rule_info[*index] == info; (*index)++) {
		const struct ks_rule *rule = &policy->rules[*index];
		unsigned miss = ks_rule_compare(ks_engine_env(explain->engine), rule, explain->insp);

		if (miss == KS_MISS_NOTHING)
			return KS_MISS_NOTHING;
		may_match |= rule->flags & KS_RULE_ANY_PROTO || rule->proto == explain->insp->opening.as_filtered.proto;
		furthest = KS_MAX(furthest, miss);
	}
	return may_match ? furthest : KS_MISS_PROTO;
}

static void rule_tell(struct ks_explain *explain, json_t *list, const struct ks_rule_info *info, unsigned miss)
{
	char why[KS_MISS_TEXT];
	json_t *object;

	ks_explain_miss(explain, miss, why);
	object = json_pack("{s:o, s:i, s:o, s:b, s:s}", "file", ks_json_text(info->place.file), "line",
			   (int)info->place.line, "text", ks_json_text(info->text), "matches", miss == KS_MISS_NOTHING,
			   "why", why);
	if (json_array_append_new(list, object))
		explain->no_memory = true;
	if (!explain->all && json_array_size(list) > RULES_TOLD)
		json_array_remove(list, 0);
}

/* Returns true if the rules were asked: the packet is of no flow and may open one, or there are bypass rules. */
static bool was_asked(const struct ks_inspection *insp)
{
	return insp->verdict.reason == KS_REASON_OK_UNDECIDED || insp->opening.settled ||
	       insp->verdict.rule_index != KS_DECISION_DEFAULT ||
	       (insp->verdict.class == KS_CLASS_NEW && (!insp->flow.found || insp->opening.replaces));
}

/* The destination zone is not known before the packet leaves: until then a rule of any zone that it may leave by passes it. */
static void explain_undecided(struct ks_explain *explain)
{
	if (explain->insp->verdict.reason == KS_REASON_OK_UNDECIDED)
		ks_explain_step(explain, "policy", "note",
				"rules allow it to a zone that it may leave by: it is judged where it leaves");
	else
		ks_explain_step(explain, "policy", "drop", "no rule allows it to any zone that it may leave by");
}

/* The number of rules of the text that are in the filter. */
static size_t filter_rules(const struct ks_policy *policy)
{
	size_t count = 0;

	for (size_t i = 0; i < policy->info_count; i++)
		count += policy->infos[i].statement <= KS_STATEMENT_REDIRECT && !policy->infos[i].staged;
	return count;
}

/* Returns true if the rule that decided lets packets pass, so that something else drops this one. */
static bool lets_pass(const struct ks_policy *policy, __u32 index)
{
	return index < policy->config.rules &&
	       (policy->rules[index].action == KS_ALLOW || policy->rules[index].action == KS_BYPASS);
}

void ks_explain_staged(struct ks_explain *explain)
{
	const struct ks_rule_info *info = ks_policy_rule(explain->policy, explain->insp->verdict.staged);
	json_t *step;

	if (!info)
		return;
	step = ks_explain_step(explain, "staged", "note", "a staged rule would %s it, %s:%u: %s",
			       ks_action_name(info->action), info->place.file, info->place.line, info->text);
	ks_explain_detail(explain, step, "rule", ks_json_rule(explain->policy, info->id));
}

void ks_explain_rules(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_policy *policy = explain->policy;
	struct ks_inspection asked; /* the inspection as it was when the filter was asked */
	__u32 count = policy->config.rules, index = 0, asks = 0, told = 0;
	unsigned miss = KS_MISS_FROM;
	json_t *list, *step;

	if (!was_asked(insp))
		return;
	asked = *insp;
	asked.to = ks_explain_zone_asked(explain);
	if (asked.to >= KS_ZONE_MAX) {
		if (asked.to == KS_ZONE_UNDECIDED)
			explain_undecided(explain);
		return;
	}
	explain->insp = &asked;
	list = json_array();
	while (index < count && miss != KS_MISS_NOTHING) {
		const struct ks_rule_info *info = &policy->infos[policy->rule_info[index]];

		asks = index;
		miss = rule_miss(explain, &index, count);
		rule_tell(explain, list, info, miss);
		told++;
	}
	if (!ks_reason_is_pass(insp->verdict.reason) && !lets_pass(policy, insp->verdict.rule_index) &&
	    !(miss == KS_MISS_NOTHING && lets_pass(policy, asks))) { /* it is not the rules that drop it */
		explain->closest = ks_explain_closest(explain, insp->verdict.rule_index);
		explain->no_memory |= !explain->closest;
	}
	explain->insp = insp;
	if (miss == KS_MISS_NOTHING)
		step = ks_explain_step(explain, "policy", "note", "rule %u of %zu is the first that matches", told,
				       filter_rules(policy));
	else
		step = ks_explain_step(explain, "policy", "drop", "none of %u rule%s matches: denied by default", told,
				       ks_plural(told));
	ks_explain_detail(explain, step, "asked", json_integer(told));
	ks_explain_detail(explain, step, "rules", list);
	if (insp->verdict.reason == KS_REASON_OK_UNDECIDED)
		explain_undecided(explain);
}
