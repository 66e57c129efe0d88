/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/totals: what the journal asks every second, and nothing that costs more than reading counters. */
#include "daemon/api/api.h"
#include "daemon/zone_counts.h"
#include "text/json.h"
#include "text/names.h"
#include "text/scoped.h"

/* Packets and bytes of each reason that was counted. */
static json_t *reasons_json(const struct ks_kernel *kernel)
{
	struct ks_count counts[KS_REASON_MAX];
	json_t *list;

	if (ks_kernel_reasons(kernel, counts))
		return NULL;
	list = json_array();
	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		if (counts[i].packets)
			ks_json_append(&list, json_pack("{s:s, s:b, s:I, s:I}", "reason", ks_reason_name(i), "passes",
							ks_reason_is_pass(i), "packets", (json_int_t)counts[i].packets,
							"bytes", (json_int_t)counts[i].bytes));
	}
	return list;
}

static json_t *count_json(const struct ks_count *count)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)count->packets, "bytes", (json_int_t)count->bytes);
}

static void pair_add(const struct ks_zone_traffic *traffic, void *arg)
{
	json_t **list = arg;

	ks_json_append(list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "from", traffic->from, "to", traffic->to, "passed",
				       count_json(&traffic->passed), "opened", count_json(&traffic->opened), "dropped",
				       count_json(&traffic->dropped)));
}

json_t *ks_zone_counts_json(const struct ks_daemon *daemon)
{
	json_t *list = json_array();

	if (ks_zone_counts_each(daemon, pair_add, &list)) {
		json_decref(list);
		return NULL;
	}
	return list;
}

enum MHD_Result ks_api_totals(struct ks_request *request)
{
	const struct ks_daemon *daemon = request->daemon;
	const struct ks_config *config = ks_kernel_config(daemon->kernel);
	const struct ks_table_counts *counts = ks_kernel_counts(daemon->kernel);

	return ks_api_answer(
		request, MHD_HTTP_OK,
		json_pack("{s:i, s:I, s:I, s:b, s:o, s:{s:I, s:I}, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:o, s:o}",
			  "generation", (int)config->generation, "loaded", (json_int_t)daemon->loaded, "started",
			  (json_int_t)daemon->started, "fresh", daemon->fresh, "policy",
			  ks_json_text(ks_stand_in_name(daemon)), "journal", "size",
			  (json_int_t)((__u64)config->journal << 20), "age", (json_int_t)config->journal_age, "table",
			  "flows", (json_int_t)counts->flows, "limit", (json_int_t)config->limit_states, "half_open",
			  (json_int_t)counts->half_open, "half_open_limit", (json_int_t)config->limit_half_open,
			  "created", (json_int_t)counts->created, "events_lost",
			  (json_int_t)ks_kernel_events_lost(daemon->kernel, KS_LOST_PACKETS) +
				  ks_kernel_events_lost(daemon->kernel, KS_LOST_FLOWS),
			  "reasons", reasons_json(daemon->kernel), "zones", ks_zone_counts_json(daemon)));
}
