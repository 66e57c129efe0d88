/* SPDX-License-Identifier: BSD-2-Clause */
/* The output of keepstate replay for programs: one JSON object a frame, one for the summary. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/output.h"
#include "cli/replay.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/names.h"

void ks_replay_print_frame_json(const struct ks_replay_run *run, const struct ks_replay_frame *frame)
{
	const struct ks_inspection *insp = frame->insp;
	json_t *object =
		json_pack("{s:o, s:I, s:f, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I}", "capture",
			  ks_json_text(frame->path), "frame", (json_int_t)frame->number, "time",
			  (double)frame->since * 1e-9, "from", ks_policy_zone_name(run->policy, frame->frame->from),
			  "to", ks_policy_zone_name(run->policy, frame->frame->to), "verdict",
			  ks_action_name(insp->verdict.action), "class", ks_class_name(insp->verdict.class), "reason",
			  ks_reason_name(insp->verdict.reason), "state", ks_state_name(insp->verdict.state), "rule",
			  ks_json_rule(run->policy, insp->verdict.rule), "length", (json_int_t)frame->frame->length);

	if (frame->kind == KS_REPLAY_RESUMED)
		json_object_set_new(object, "resumed", json_true());
	if (insp->verdict.staged)
		json_object_set_new(object, "staged", ks_json_rule(run->policy, insp->verdict.staged));
	json_object_set_new(object, "captured", json_integer(frame->frame->captured));
	json_object_set_new(object, "packet", ks_json_packet(&insp->pkt));
	ks_json_print(object, stdout);
}

static json_t *replay_reasons_json(const struct ks_replay_run *run)
{
	const struct ks_count *counts = ks_engine_reasons(ks_replay_engine(run->replay));
	json_t *object = json_object();

	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		if (counts[i].packets)
			json_object_set_new(object, ks_reason_name(i),
					    json_pack("{s:I, s:I}", "packets", (json_int_t)counts[i].packets, "bytes",
						      (json_int_t)counts[i].bytes));
	}
	return object;
}

static json_t *replay_rules_json(const struct ks_replay_run *run)
{
	struct ks_engine *engine = ks_replay_engine(run->replay);
	json_t *list = json_array();

	for (size_t i = 0; i < run->policy->info_count; i++) {
		const struct ks_rule_count *count = ks_engine_rule_count(engine, run->policy->infos[i].id);
		json_t *rule = ks_json_rule(run->policy, run->policy->infos[i].id);

		if (count)
			json_object_set_new(rule, "matches", json_integer((json_int_t)count->matches));
		json_array_append_new(list, rule);
	}
	return list;
}

static json_t *connection_json(const struct ks_replay_run *run, const struct ks_replay_connection *conn)
{
	json_t *object = ks_json_tuple(&conn->tuple);
	json_t *more =
		json_pack("{s:f, s:f, s:s, s:s, s:s, s:[I,I], s:[I,I], s:I, s:o}", "first", (double)conn->first * 1e-9,
			  "last", (double)conn->last * 1e-9, "from", ks_policy_zone_name(run->policy, conn->from), "to",
			  ks_policy_zone_name(run->policy, conn->to), "state", ks_state_name(conn->state), "packets",
			  (json_int_t)conn->packets[0], (json_int_t)conn->packets[1], "bytes",
			  (json_int_t)conn->bytes[0], (json_int_t)conn->bytes[1], "dropped", (json_int_t)conn->dropped,
			  "rule", ks_json_rule(run->policy, conn->rule));

	json_object_update_new(object, more);
	if (conn->tuple.proto == KS_PROTO_ICMP || conn->tuple.proto == KS_PROTO_ICMPV6)
		json_object_set_new(object, "id", json_integer(ks_be16(conn->tuple.sport)));
	return object;
}

static json_t *connections_json(const struct ks_replay_run *run)
{
	ks_auto_free const struct ks_replay_connection **picked = NULL;
	size_t count;
	json_t *list;

	if (ks_replay_pick(run, &picked, &count))
		return NULL;
	list = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, connection_json(run, picked[i]));
	return list;
}

static json_t *verdicts_json(const struct ks_replay_totals *totals)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < KS_ARRAY_SIZE(totals->actions); i++)
		json_object_set_new(object, ks_action_name(i), json_integer((json_int_t)totals->actions[i]));
	return object;
}

void ks_replay_print_summary_json(const struct ks_replay_run *run)
{
	const struct ks_replay_totals *totals = ks_replay_totals(run->replay);
	size_t connections;
	json_t *summary;

	ks_replay_connections(run->replay, &connections);
	summary = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "frames", (json_int_t)totals->frames,
			    "bytes", (json_int_t)totals->bytes, "cut", (json_int_t)totals->cut, "outside",
			    (json_int_t)totals->outside, "backwards", (json_int_t)totals->backwards, "skipped",
			    (json_int_t)totals->skipped, "midstream", (json_int_t)totals->midstream,
			    "midstream_connections", (json_int_t)totals->midstream_flows, "connection_count",
			    (json_int_t)(connections + totals->forgotten), "seconds", ks_replay_seconds(run));
	json_object_set_new(summary, "held_and_lost", json_integer((json_int_t)totals->lost));
	json_object_set_new(summary, "verdicts", verdicts_json(totals));
	json_object_set_new(summary, "reasons", replay_reasons_json(run));
	json_object_set_new(summary, "rules", replay_rules_json(run));
	json_object_set_new(summary, "connections", connections_json(run));
	ks_json_print(json_pack("{s:o}", "summary", summary), stdout);
}
