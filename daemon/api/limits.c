/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/limits: what the limits of rules count now (core/table/tally.h), one a line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/table/tally.h"
#include "daemon/api/api.h"
#include "daemon/api/forms.h"
#include "engine/entries.h"
#include "policy/limit.h"
#include "policy/value.h"
#include "text/json.h"
#include "text/memory_file.h"
#include "text/names.h"
#include "text/scoped.h"

struct limits {
	const struct ks_policy *policy;
	__u64 now;
	FILE *out; /* into text */
	char *text;
	size_t size, sent;
};

static void limits_destroy(void *state)
{
	struct limits *limits = state;

	if (limits->out)
		fclose(limits->out);
	free(limits->text);
	free(limits);
}

KS_SCOPED(auto_limits, struct limits *, limits_destroy)

/* The limit of the policy that a tally counts for; NULL if it is gone. Their keys say the same (core/table/tally.c). */
static const struct ks_limit *limit_of(const struct ks_policy *policy, const struct ks_flow_key *key, __u32 rule)
{
	for (__u32 i = 0; i < policy->config.limits; i++) {
		const struct ks_limit *limit = &policy->limits[i];
		struct ks_flow_key same, flow = *key;

		if (limit->rule != rule || limit->per == KS_LIMIT_FLOW)
			continue;
		flow.proto = ks_tally_is_forgeable(key) ? KS_PROTO_UDP : KS_PROTO_TCP;
		ks_tally_key(limit, &flow, limit->per == KS_LIMIT_DESTINATION, &same);
		if (!memcmp(&same, key, sizeof(same)))
			return limit;
	}
	return NULL;
}

/* Connections, or how many of its burst a rate has spent. */
static __u64 spent(const struct limits *limits, const struct ks_limit *limit, const struct ks_tally *tally)
{
	__u64 due = tally->due[0] > limits->now ? tally->due[0] - limits->now : 0;

	if (limit->unit == KS_LIMIT_CONNECTIONS)
		return tally->count;
	return limit->period ? (due * limit->amount + limit->period - 1) / limit->period : 0;
}

#define ADDRESS_TEXT 64 /* with the length of a prefix */

/* The address that is counted, or the prefix if it is counted with others. */
static const char *of_text(const struct ks_limit *limit, const struct ks_flow_key *key, char text[ADDRESS_TEXT])
{
	const struct ks_prefix prefix = { .addr = key->addr[0],
					  .family = key->family,
					  .length = limit->bits[key->family == KS_IPV6] };

	return ks_prefix_text(&prefix, text, ADDRESS_TEXT);
}

/* Returns true or false if flows with a handshake are counted, or those without: apart, because the latter may be forged. */
static json_t *handshake_json(const struct ks_limit *limit, const struct ks_flow_key *key)
{
	return limit->per == KS_LIMIT_RULE ? json_null() : json_boolean(!ks_tally_is_forgeable(key));
}

static json_t *tally_json(const struct limits *limits, const struct ks_flow_key *key, const struct ks_tally *tally,
			  const struct ks_limit *limit)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;
	char of[ADDRESS_TEXT];

	if (ks_memory_file_open(&file))
		return NULL;
	ks_limit_print(limit, file.out);
	text = ks_memory_file_take(&file);
	if (!text)
		return NULL;
	return json_pack("{s:s, s:o, s:o, s:I, s:I, s:o}", "limit", text, "of",
			 limit->per == KS_LIMIT_RULE ? json_null() : json_string(of_text(limit, key, of)), "handshake",
			 handshake_json(limit, key), "spent", (json_int_t)spent(limits, limit, tally), "exceeded",
			 (json_int_t)tally->exceeded, "rule", ks_rule_json(limits->policy, tally->rule));
}

static int print_tally(const struct ks_flow_key *key, const struct ks_flow *entry, void *arg)
{
	const struct ks_tally *tally = &ks_record_of(entry)->tally;
	const struct limits *limits = arg;
	ks_auto_json json_t *object = NULL;
	const struct ks_limit *limit;

	if (key->kind != KS_KIND_TALLY || key->proto == KS_TALLY_OF_RULE)
		return 0;
	limit = limit_of(limits->policy, key, tally->rule);
	if (!limit)
		return 0;
	object = tally_json(limits, key, tally, limit);
	if (!object || json_dumpf(object, limits->out, JSON_COMPACT | JSON_PRESERVE_ORDER))
		return -ENOMEM;
	fputc('\n', limits->out);
	return 0;
}

static ssize_t limits_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct limits *limits = state;
	size_t n = KS_MIN(limits->size - limits->sent, max);

	if (!n)
		return MHD_CONTENT_READER_END_OF_STREAM;
	memcpy(buf, limits->text + limits->sent, n);
	limits->sent += n;
	return (ssize_t)n;
}

enum MHD_Result ks_api_limits(struct ks_request *request)
{
	ks_scoped(auto_limits) struct limits *limits = calloc(1, sizeof(*limits));
	const struct ks_kernel *kernel = request->daemon->kernel;

	if (!limits)
		return MHD_NO;
	limits->policy = request->daemon->policy;
	limits->now = ks_kernel_now(kernel);
	limits->out = open_memstream(&limits->text, &limits->size);
	if (!limits->out)
		return MHD_NO;
	if (ks_entries_each(ks_kernel_table(kernel), ks_kernel_shape(kernel)->buckets, limits->now, print_tally,
			    limits) ||
	    fflush(limits->out))
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
	return ks_api_stream(request, "application/x-ndjson", limits_read, TAKE(limits), limits_destroy);
}
