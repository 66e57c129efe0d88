/* SPDX-License-Identifier: BSD-2-Clause */
/* See login.h. The new policy is asked by the inspector itself, as `keepstate explain` asks. */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/filter.h"
#include "daemon/login.h"
#include "daemon/world.h"
#include "engine/review.h"
#include "kernel/netlink.h"
#include "policy/arena.h"
#include "policy/scenario/scenario.h"
#include "scenario/craft.h"
#include "text/json.h"
#include "text/names.h"
#include "text/scoped.h"

#define WORDS_TEXT 256

_Static_assert(KS_ADDR_TEXT >= 46, "an address of 45 characters fits");

struct login {
	struct ks_prefix peer, address;
	unsigned peer_port, port;
	char name[IF_NAMESIZE]; /* of the interface that leads to the peer */
	__u32 zone; /* of that */
};

static bool login_parse(const char *text, struct login *login)
{
	char peer[KS_ADDR_TEXT + 1], address[KS_ADDR_TEXT + 1];
	int end = 0;

	if (sscanf(text, "%45s %5u %45s %5u %n", peer, &login->peer_port, address, &login->port, &end) != 4 ||
	    text[end])
		return false;
	return !ks_prefix_parse(peer, &login->peer) && !ks_prefix_parse(address, &login->address) &&
	       login->peer.family == login->address.family && login->peer_port <= 65535 && login->port <= 65535;
}

/* The interface of the route to an address: 0 if that is the box's own. */
static bool way_to(const struct ks_prefix *prefix, unsigned *ifindex)
{
	size_t first = prefix->family == KS_IPV4 ? 12 : 0;

	return !ks_netlink_route(&prefix->addr.b[first], sizeof(prefix->addr.b) - first, ifindex);
}

/* Finds by which interface the peer comes. Returns false if its packets are not judged here, or at the ports of a bridge. */
static bool login_locate(const struct ks_daemon *daemon, const struct ks_policy *policy, struct login *login)
{
	struct ks_guard guard;
	unsigned ifindex;
	bool ignored;

	if (!way_to(&login->address, &ifindex) || ifindex)
		return false;
	if (!way_to(&login->peer, &ifindex) || !ifindex || !if_indextoname(ifindex, login->name))
		return false;
	login->zone = ks_policy_interface_zone(policy, login->name, &ignored);
	return !ignored && !(ks_kernel_guard(daemon->kernel, ifindex, &guard) && guard.flags & KS_GUARD_CARRIER);
}

static void words_print(const struct ks_policy *policy, const struct login *login, char words[WORDS_TEXT])
{
	char peer[KS_ENDPOINT_TEXT], own[KS_ENDPOINT_TEXT];

	snprintf(words, WORDS_TEXT, "%s %s > self %s tcp syn", ks_policy_zone_name(policy, login->zone),
		 ks_endpoint_text(&login->peer.addr, login->peer.family, ks_be16((__u16)login->peer_port), peer),
		 ks_endpoint_text(&login->address.addr, login->address.family, ks_be16((__u16)login->port), own));
}

KS_SCOPED(auto_crafter, struct ks_crafter *, ks_crafter_destroy)
KS_SCOPED(auto_arena, struct ks_arena *, ks_arena_destroy)

/* Judges the SYN of the login. Returns true with *insp if that could be done. */
static bool login_judge(struct ks_daemon *daemon, const struct ks_policy *policy, const struct login *login,
			struct ks_inspection *insp)
{
	const struct ks_tables tables = ks_policy_tables(policy);
	ks_scoped(auto_crafter) struct ks_crafter *crafter = NULL;
	ks_scoped(auto_arena) struct ks_arena *arena = ks_arena_create();
	ks_auto_diags struct ks_diags diags = { 0 };
	ks_auto_asked struct ks_asked asked = { 0 };
	char words[WORDS_TEXT];
	struct ks_world world;
	struct ks_frame frame;
	struct ks_step step;

	words_print(policy, login, words);
	ks_world_init(&world, daemon);
	if (!arena || ks_crafter_create(&crafter) || ks_asked_init(&asked, &tables, &world) ||
	    ks_step_parse_text(policy, words, arena, &step, &diags) || ks_crafter_craft(crafter, &step.packet, &frame))
		return false;
	ks_engine_set_time(asked.engine, ks_kernel_now(daemon->kernel));
	ks_engine_set_wall(asked.engine, ks_kernel_wall(daemon->kernel));
	ks_engine_use_sets(asked.engine, ks_kernel_sets(daemon->kernel), policy);
	ks_engine_inspect(asked.engine, &frame, true, insp);
	return true;
}

/* The line that is missing, and before which other one it must stand. */
static char *warning_text(const struct ks_policy *policy, const struct login *login, const struct ks_inspection *insp)
{
	const struct ks_rule_info *rule = ks_policy_rule(policy, insp->verdict.rule);
	char peer[KS_ADDR_TEXT], own[KS_ADDR_TEXT], before[512] = "", *text;
	bool is_ruled = rule && insp->verdict.rule_index != KS_DECISION_DEFAULT;

	ks_addr_text(&login->peer.addr, login->peer.family, peer);
	ks_addr_text(&login->address.addr, login->address.family, own);
	if (is_ruled)
		snprintf(before, sizeof(before), " before %s:%u (%s)", rule->place.file, rule->place.line, rule->text);
	if (asprintf(&text,
		     "this login, from %s to %s port %u by %s, could not be opened again: %s. %s`allow from %s to self "
		     "tcp "
		     "port %u`%s is missing",
		     peer, own, login->port, login->name, ks_reason_text(insp->verdict.reason),
		     login->zone == KS_ZONE_NONE ? "The interface is in no zone; in one, " : "",
		     login->zone == KS_ZONE_NONE ? "ZONE" : ks_policy_zone_name(policy, login->zone), login->port,
		     before) < 0)
		return NULL;
	return text;
}

char *ks_login_warning(struct ks_daemon *daemon, const struct ks_policy *policy, const char *login)
{
	ks_auto_free struct ks_inspection *insp = calloc(1, sizeof(*insp));
	struct login found = { 0 };

	if (!insp || !login_parse(login, &found) || !login_locate(daemon, policy, &found) ||
	    !login_judge(daemon, policy, &found, insp))
		return NULL;
	if (insp->verdict.action == KS_ALLOW || insp->verdict.action == KS_BYPASS)
		return NULL;
	return warning_text(policy, &found, insp);
}

void ks_login_add(struct ks_daemon *daemon, const struct ks_policy *policy, const char *login, json_t **change)
{
	ks_auto_free char *text = login ? ks_login_warning(daemon, policy, login) : NULL;

	if (text)
		ks_json_set(change, "login", ks_json_text(text));
}
