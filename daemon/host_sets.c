/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets with host names in line with what is known of the names. The entries themselves say what else is to be known: one without
 * KS_MEMBER_POLICY is an answer, of this daemon or of one before it, and one that has less than ten minutes left is about to go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/hosts.h"
#include "daemon/report.h"
#include "daemon/sets.h"
#include "policy/value.h"
#include "text/scoped.h"

#define LIFE_MS (24ULL * 60 * 60 * KS_MSEC_PER_SEC) /* of what is answered now: as long as no daemon need be there */
#define GOING_MS (10ULL * 60 * KS_MSEC_PER_SEC) /* of what is not answered any more */

struct fill_ctx {
	struct ks_env *env;
	const struct ks_hosts *hosts;
	const struct ks_set_info *info;
	struct ks_prefix *wanted; /* in order */
	size_t count;
	size_t answered; /* names, by this daemon */
	__u64 now;
};

static int prefix_compare(const void *a, const void *b)
{
	const struct ks_prefix *first = a, *second = b;

	if (first->family != second->family || first->length != second->length)
		return first->family != second->family ? first->family - second->family
						       : first->length - second->length;
	return memcmp(&first->addr, &second->addr, sizeof(first->addr));
}

static bool is_wanted(const struct fill_ctx *ctx, const struct ks_prefix *prefix)
{
	return ctx->count && bsearch(prefix, ctx->wanted, ctx->count, sizeof(*prefix), prefix_compare);
}

static bool has_prefix(const struct ks_prefix *list, size_t count, const struct ks_prefix *prefix)
{
	for (size_t i = 0; i < count; i++) {
		if (prefix_compare(&list[i], prefix) == 0)
			return true;
	}
	return false;
}

static size_t count_known(const struct ks_hosts *hosts, const struct ks_set_info *info)
{
	size_t count = 0;

	for (size_t i = 0; i < info->host_count; i++) {
		const struct ks_host *host = ks_hosts_find(hosts, info->hosts[i].name);

		count += host ? (size_t)host->count[0] + host->count[1] : 0;
	}
	return count;
}

/* Gathers the last good answers of all names. Returns 0 or -ENOMEM. */
static int wanted_gather(struct fill_ctx *ctx)
{
	ctx->wanted = calloc(count_known(ctx->hosts, ctx->info) + 1, sizeof(*ctx->wanted));
	if (!ctx->wanted)
		return -ENOMEM;
	for (size_t i = 0; i < ctx->info->host_count; i++) {
		const struct ks_host *host = ks_hosts_find(ctx->hosts, ctx->info->hosts[i].name);

		ctx->answered += host && host->answered;
		for (unsigned family = 0; host && family < 2; family++) {
			for (__u32 j = 0; j < host->count[family]; j++)
				ctx->wanted[ctx->count++] = host->address[family][j];
		}
	}
	qsort(ctx->wanted, ctx->count, sizeof(*ctx->wanted), prefix_compare);
	return 0;
}

static __u32 entry_add(const struct fill_ctx *ctx, const struct ks_prefix *prefix, __u64 ms)
{
	struct ks_member_entry entry;

	ks_member_entry_make(prefix, &entry);
	ks_set_complete(ctx->env, &entry, ms);
	return ks_member_add(ctx->env, &entry);
}

/* Returns true if the text wants this entry now: an answer behind `is` counts until its name is answered. */
static bool is_of_text(const struct fill_ctx *ctx, const struct ks_prefix *prefix)
{
	if (has_prefix(ctx->info->initial, ctx->info->fixed_count, prefix))
		return true;
	for (size_t i = 0; i < ctx->info->host_count; i++) {
		const struct ks_set_host *said = &ctx->info->hosts[i];
		const struct ks_host *host = ks_hosts_find(ctx->hosts, said->name);

		if (!(host && host->answered) && has_prefix(said->answers, said->answer_count, prefix))
			return true;
	}
	return false;
}

static void text_entry_drop(const struct fill_ctx *ctx, const struct ks_prefix *prefix)
{
	struct ks_member_entry entry;

	ks_member_entry_make(prefix, &entry);
	ks_member_remove(ctx->env, &entry);
}

/* Returns true if an answer of this daemon had it, and the next one has not. */
static bool is_gone(const struct fill_ctx *ctx, const struct ks_prefix *prefix)
{
	for (size_t i = 0; i < ctx->info->host_count; i++) {
		const struct ks_host *host = ks_hosts_find(ctx->hosts, ctx->info->hosts[i].name);

		for (unsigned family = 0; host && family < 2; family++) {
			if (has_prefix(host->gone[family], host->gone_count[family], prefix))
				return true;
		}
	}
	return false;
}

/* An entry that no answer has. While names are not answered yet, it may be the last good one of them. */
static void former_follow(const struct fill_ctx *ctx, const struct ks_member *member, const struct ks_prefix *prefix)
{
	bool goes = member->expires && member->expires - ctx->now <= GOING_MS * KS_NSEC_PER_MSEC;

	if (goes)
		return;
	if (ctx->answered == ctx->info->host_count || is_gone(ctx, prefix))
		entry_add(ctx, prefix, GOING_MS);
	else if (!ctx->answered)
		entry_add(ctx, prefix, LIFE_MS);
}

static int member_follow(const struct ks_member *member, void *arg)
{
	const struct fill_ctx *ctx = arg;
	struct ks_prefix prefix;

	memset(&prefix, 0, sizeof(prefix));
	prefix.addr = member->addr;
	prefix.family = member->family;
	prefix.length = member->length;
	if (is_wanted(ctx, &prefix))
		return 0;
	if (!(member->flags & KS_MEMBER_POLICY))
		former_follow(ctx, member, &prefix);
	else if (!is_of_text(ctx, &prefix))
		text_entry_drop(ctx, &prefix);
	return 0;
}

/* Says once for each fill how many addresses found no room; a larger limit takes them. */
static void wanted_add(const struct fill_ctx *ctx)
{
	size_t left_out = 0;

	for (size_t i = 0; i < ctx->count; i++) {
		__u32 result = entry_add(ctx, &ctx->wanted[i], LIFE_MS);

		left_out += result != KS_MEMBER_ADDED && result != KS_MEMBER_RENEWED;
	}
	if (left_out)
		ks_report_error("the set '%s' has no room for %zu addresses of its host names: give it a larger limit",
				ctx->info->name, left_out);
}

void ks_host_set_fill(struct ks_daemon *daemon, const struct ks_set_info *info)
{
	struct fill_ctx ctx = { .hosts = &daemon->hosts, .info = info, .now = ks_kernel_now(daemon->kernel) };
	ks_auto_engine struct ks_engine *engine = NULL;
	ks_auto_free struct ks_prefix *wanted = NULL;
	struct ks_set_target target;

	if (!ks_set_target_find(daemon, info->name, &target) || wanted_gather(&ctx))
		return;
	wanted = ctx.wanted;
	if (ks_members_open(&target.set->memory, ctx.now, target.settings, &engine))
		return;
	ctx.env = ks_engine_env(engine);
	ks_members_each(&target.set->memory, ctx.now, member_follow, &ctx);
	wanted_add(&ctx);
	if (target.settings->flags & KS_DYNAMIC_KEEP)
		daemon->sets_changed++;
}
