/* SPDX-License-Identifier: BSD-2-Clause */
/* See zone_ids.h. */
#include "daemon/zone_ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/table/record.h"
#include "daemon/report.h"
#include "engine/entries.h"
#include "text/scoped.h"

#define KEYS_TOGETHER 1024

struct clear_ctx {
	struct ks_kernel *kernel;
	__u64 zones;
	struct ks_flow_key keys[KEYS_TOGETHER];
	size_t count;
	long ended; /* or -errno */
};

static void end_some(struct clear_ctx *ctx)
{
	long ended = ks_kernel_kill(ctx->kernel, ctx->keys, ctx->count, KS_END_DENIED);

	ctx->ended = ended < 0 ? ended : ctx->ended + ended;
	ctx->count = 0;
}

/* Aliases go with their flows, permits with their mappings, and what lives for seconds by itself. */
static bool is_ended_here(const struct ks_flow_key *key, const struct ks_flow *entry)
{
	switch (key->kind) {
	case KS_KIND_FLOW:
		return entry->state != KS_STATE_ALIAS;
	case KS_KIND_MAPPING_OUT:
	case KS_KIND_MAPPING_IN:
	case KS_KIND_PERMIT:
	case KS_KIND_EXPECT:
		return true;
	default:
		return false;
	}
}

static int collect(const struct ks_flow_key *key, const struct ks_flow *entry, void *arg)
{
	struct clear_ctx *ctx = arg;

	if (!((ctx->zones >> (entry->zone[0] & (KS_ZONE_MAX - 1)) |
	       ctx->zones >> (entry->zone[1] & (KS_ZONE_MAX - 1))) &
	      1) ||
	    !is_ended_here(key, entry))
		return 0;
	ctx->keys[ctx->count++] = *key;
	if (ctx->count == KEYS_TOGETHER)
		end_some(ctx);
	return ctx->ended < 0;
}

static long end_entries(struct ks_kernel *kernel, __u64 zones)
{
	ks_auto_free struct clear_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return -ENOMEM;
	ctx->kernel = kernel;
	ctx->zones = zones;
	ks_entries_each(ks_kernel_table(kernel), ks_kernel_shape(kernel)->buckets, ks_kernel_now(kernel), collect, ctx);
	if (ctx->ended >= 0 && ctx->count)
		end_some(ctx);
	return ctx->ended;
}

void ks_zone_ids_clear(struct ks_daemon *daemon, __u64 zones)
{
	long ended = zones ? end_entries(daemon->kernel, zones) : 0;
	int err = ended < 0 ? (int)ended : 0;

	for (unsigned id = KS_ZONE_FIRST; !err && id < KS_ZONE_MAX; id++) {
		if (zones >> id & 1)
			err = ks_kernel_zone_reset(daemon->kernel, id);
	}
	if (err)
		ks_report_error("states and counts of zones that are gone go on under those that got their ids: %s",
				strerror(-err));
	else if (ended)
		ks_report("%ld states of zones that are gone have ended: their ids are those of new zones", ended);
}
