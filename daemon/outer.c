/* SPDX-License-Identifier: BSD-2-Clause */
/* See outer.h. */
#include "daemon/outer.h"

#include <string.h>

#include "daemon/interfaces/resets.h"
#include "daemon/report.h"
#include "text/names.h"

struct note_ctx {
	struct ks_outers *outers;
	const struct ks_kernel *kernel;
};

static bool is_known(const struct ks_outers *outers, const struct ks_outer *outer)
{
	for (size_t i = 0; i < outers->count; i++) {
		if (outers->list[i].zone == outer->zone && outers->list[i].family == outer->family &&
		    !memcmp(&outers->list[i].addr, &outer->addr, sizeof(outer->addr)))
			return true;
	}
	return false;
}

static int note_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct note_ctx *ctx = arg;
	struct ks_translation translation;
	struct ks_outer outer;

	if (!(flow->flags & KS_FLOW_MASQUERADED) || !ks_kernel_translation(ctx->kernel, key, flow, &translation) ||
	    !translation.present[KS_REPLY])
		return 0;
	outer = (struct ks_outer){ .addr = translation.addr[KS_REPLY],
				   .family = key->family,
				   .zone = flow->zone[KS_REPLY] };
	if (!is_known(ctx->outers, &outer))
		ctx->outers->list[ctx->outers->count++] = outer;
	return ctx->outers->count == KS_OUTER_MAX;
}

void ks_outers_note(struct ks_outers *outers, const struct ks_kernel *kernel)
{
	struct note_ctx ctx = { .outers = outers, .kernel = kernel };

	outers->count = 0;
	ks_kernel_each_flow(kernel, note_flow, &ctx);
}

static bool has_address(const struct ks_interfaces *interfaces, const struct ks_outer *outer)
{
	struct ks_local local;

	return ks_kernel_local(interfaces->kernel, &outer->addr, outer->family, &local) && local.kind == KS_LOCAL_SELF;
}

/* Returns true if an interface has an address of the family, and does not borrow it from another one. */
static bool has_own(const struct ks_interfaces *interfaces, const struct ks_guarded *guarded, __u8 family)
{
	const struct ks_addr *addr = &guarded->guard.address[family == KS_IPV6];
	struct ks_local local;

	return (addr->d[0] | addr->d[1]) && ks_kernel_local(interfaces->kernel, addr, family, &local) &&
	       local.kind == KS_LOCAL_SELF && local.ifindex == guarded->bearer;
}

static bool zone_has_addresses(const struct ks_interfaces *interfaces, const struct ks_outer *outer)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (guarded->guard.zone == outer->zone && guarded->up && has_own(interfaces, guarded, outer->family))
			return true;
	}
	return false;
}

static void end_flows(struct ks_interfaces *interfaces, const struct ks_outer *outer)
{
	struct ks_resets resets = { .fd = -1 };
	long ended = ks_kernel_kill_translated(interfaces->kernel, &outer->addr, outer->family, ks_reset_send, &resets);
	char text[KS_ADDR_TEXT];

	ks_resets_end(&resets);
	if (ended > 0)
		ks_report("%s is not the box's address any more: %ld state%s taken back from the file ended",
			  ks_addr_text(&outer->addr, outer->family, text), ended, ended == 1 ? "" : "s");
}

/* Returns true if the address needs no more attention. */
static bool follow_one(struct ks_outer *outer, struct ks_interfaces *interfaces)
{
	if (has_address(interfaces, outer))
		return true;
	outer->seconds = zone_has_addresses(interfaces, outer) ? outer->seconds + 1 : 0;
	if (outer->seconds < KS_OUTER_SECONDS)
		return false;
	end_flows(interfaces, outer);
	return true;
}

void ks_outers_follow(struct ks_outers *outers, struct ks_interfaces *interfaces)
{
	for (size_t i = outers->count; i-- > 0;) {
		if (follow_one(&outers->list[i], interfaces))
			outers->list[i] = outers->list[--outers->count];
	}
}
