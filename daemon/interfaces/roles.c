/* SPDX-License-Identifier: BSD-2-Clause */
/* See roles.h. */
#include <string.h>

#include "bpf/maps.h"
#include "daemon/interfaces/roles.h"

#define DEPTH_MAX 8 /* masters above each other; also ends a circle that a list taken during a change may show */

const char *ks_role_name(enum ks_role_kind kind)
{
	static const char *const names[] = {
#define X(id, name) [KS_ROLE_##id] = name,
		KS_ROLES(X)
#undef X
	};

	return names[kind];
}

bool ks_role_has_programs(enum ks_role_kind kind)
{
	return kind == KS_ROLE_GUARDED || kind == KS_ROLE_PORT || kind == KS_ROLE_CARRIER;
}

__u8 ks_role_flags(enum ks_role_kind kind)
{
	switch (kind) {
	case KS_ROLE_PORT:
		return KS_GUARD_BRIDGED;
	case KS_ROLE_CARRIER:
	case KS_ROLE_VRF:
		return KS_GUARD_CARRIER;
	case KS_ROLE_IGNORED:
		return KS_GUARD_IGNORED;
	default:
		return 0;
	}
}

struct role_ctx {
	const struct ks_policy *policy;
	const struct ks_links *links;
	struct ks_role *roles;
};

static bool is_vrf(const struct ks_interface *link)
{
	return !strcmp(link->kind, "vrf");
}

/* The index of the master, -1 without one. */
static long master_of(const struct role_ctx *ctx, long at)
{
	unsigned master = ctx->links->list[at].master;

	return master ? ks_links_find(ctx->links, master) : -1;
}

/* The same, of masters that take over the frames of a port. A VRF does not. */
static long trunk_of(const struct role_ctx *ctx, long at)
{
	long master = master_of(ctx, at);

	return master >= 0 && !is_vrf(&ctx->links->list[master]) ? master : -1;
}

static long root_of(const struct role_ctx *ctx, long at)
{
	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		long trunk = trunk_of(ctx, at);

		if (trunk < 0)
			break;
		at = trunk;
	}
	return at;
}

/* Returns true if a zone names it with more than "*". The longest match decides its zone, which may be another one. */
static bool is_named(const struct ks_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->zone_count; i++) {
		const struct ks_zone *zone = &policy->zones[i];

		for (size_t j = 0; j < zone->interface_count; j++) {
			const char *pattern = zone->interfaces[j];
			size_t length = strlen(pattern);
			bool open = length && pattern[length - 1] == '*';

			if (length > open && !strncmp(pattern, name, length - open) && (open || !name[length]))
				return true;
		}
	}
	return false;
}

/* Traffic shaping leads packets of another interface through an ifb and back: they are judged at that interface. */
static bool is_ifb(const struct ks_interface *link)
{
	return !strcmp(link->kind, "ifb");
}

/* By name alone: GUARDED or IGNORED. */
static void decide_alone(const struct role_ctx *ctx, long at)
{
	const struct ks_interface *link = &ctx->links->list[at];
	struct ks_role *role = &ctx->roles[at];
	bool ignored;

	role->zone = ks_policy_interface_zone(ctx->policy, link->name, &ignored);
	role->bearer = link->ifindex;
	role->kind = ignored || link->loopback || is_ifb(link) ? KS_ROLE_IGNORED
		     : is_vrf(link)			       ? KS_ROLE_VRF
							       : KS_ROLE_GUARDED;
	role->named = role->kind != KS_ROLE_IGNORED && role->zone != KS_ZONE_NONE && is_named(ctx->policy, link->name);
	if (role->kind == KS_ROLE_IGNORED)
		role->zone = KS_ZONE_NONE;
}

/* Makes carriers of all masters above a named port, unless the uppermost is ignored. */
static void split_masters(const struct role_ctx *ctx, long at)
{
	if (ctx->roles[root_of(ctx, at)].kind == KS_ROLE_IGNORED)
		return;
	for (unsigned depth = 0; depth < DEPTH_MAX && (at = trunk_of(ctx, at)) >= 0; depth++)
		ctx->roles[at].kind = KS_ROLE_CARRIER;
}

/* The zone of a VRF is that of its members which no zone names. */
static void inherit_from_vrf(const struct role_ctx *ctx, long at)
{
	long master = master_of(ctx, at);

	if (master >= 0 && is_vrf(&ctx->links->list[master]) && ctx->roles[at].zone == KS_ZONE_NONE)
		ctx->roles[at].zone = ctx->roles[master].zone;
}

/* An interface with a master is a port if that is a carrier, else guarded through it. */
static void decide_below(const struct role_ctx *ctx, long at)
{
	long trunk = trunk_of(ctx, at), root = root_of(ctx, at);
	struct ks_role *role = &ctx->roles[at];

	if (trunk < 0)
		return;
	if (ctx->roles[trunk].kind != KS_ROLE_CARRIER) {
		role->kind = KS_ROLE_MEMBER;
		return;
	}
	role->bearer = ctx->links->list[root].ifindex;
	role->unheeded = role->kind == KS_ROLE_IGNORED;
	if (!role->named && !role->unheeded)
		role->zone = ctx->roles[root].zone;
	role->kind = KS_ROLE_PORT;
}

void ks_roles_decide(const struct ks_policy *policy, const struct ks_links *links, struct ks_role *roles)
{
	const struct role_ctx ctx = { policy, links, roles };
	long n = (long)links->count;

	for (long at = 0; at < n; at++)
		decide_alone(&ctx, at);
	for (long at = 0; at < n; at++)
		inherit_from_vrf(&ctx, at);
	for (long at = 0; at < n; at++) {
		if (roles[at].named)
			split_masters(&ctx, at);
	}
	for (long at = 0; at < n; at++) {
		if (roles[at].kind != KS_ROLE_CARRIER)
			decide_below(&ctx, at);
	}
	for (long at = 0; at < n; at++) { /* only the uppermost carrier judges */
		if (roles[at].kind == KS_ROLE_CARRIER && trunk_of(&ctx, at) >= 0)
			roles[at].kind = KS_ROLE_MEMBER;
	}
}
