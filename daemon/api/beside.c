/* SPDX-License-Identifier: BSD-2-Clause */
/* See beside.h. */
#include <string.h>

#include "daemon/api/beside.h"
#include "daemon/forwarding.h"
#include "kernel/netlink.h"
#include "text/json.h"
#include "text/names.h"

static void add_step(json_t *steps, const char *name, const char *outcome, json_t *text)
{
	json_array_append_new(steps, json_pack("{s:s, s:s, s:o}", "step", name, "outcome", outcome, "text", text));
}

/* Groups need no route, nor what is the box's own: of that the lookup says no interface, too. */
static bool is_without_route(const struct ks_daemon *daemon, const struct ks_packet_spec *spec)
{
	size_t first = spec->family == KS_IPV4 ? 12 : 0;
	struct ks_local local;
	unsigned ifindex;

	if (ks_addr_is_group(&spec->dst, spec->family) ||
	    ks_netlink_route(&spec->dst.b[first], sizeof(spec->dst.b) - first, &ifindex) || ifindex)
		return false;
	return !ks_kernel_local(daemon->kernel, &spec->dst, spec->family, &local) || local.kind == KS_LOCAL_LINK;
}

static void add_route(const struct ks_daemon *daemon, const struct ks_packet_spec *spec, json_t *steps)
{
	char addr[KS_ADDR_TEXT];

	if (is_without_route(daemon, spec))
		add_step(steps, "route", "drop",
			 json_sprintf("no route leads to %s (ip route get): the kernel drops the packet",
				      ks_addr_text(&spec->dst, spec->family, addr)));
}

static void add_forwarding(const struct ks_daemon *daemon, const struct ks_packet_spec *spec, json_t *steps)
{
	bool v4 = spec->family == KS_IPV4;

	if (ks_forwarding_missing(&daemon->interfaces, daemon->policy) & (v4 ? KS_FORWARDING_IPV4 : KS_FORWARDING_IPV6))
		add_step(steps, "forwarding", "drop",
			 json_sprintf("the kernel does not forward %s: sysctl -w %s=1", v4 ? "IPv4" : "IPv6",
				      v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"));
}

static void add_foreign(const struct ks_daemon *daemon, json_t *steps)
{
	struct ks_count counts[KS_REASON_MAX];

	if (ks_kernel_reasons(daemon->kernel, counts) || !counts[KS_REASON_FOREIGN_NAT].packets)
		return;
	add_step(steps, "others", "note",
		 json_sprintf("another program (nftables, iptables) translates addresses between guarded interfaces: "
			      "%llu of its packets were dropped so far, and this one may be, too",
			      (unsigned long long)counts[KS_REASON_FOREIGN_NAT].packets));
}

static bool passes(const json_t *explanation)
{
	const char *verdict = json_string_value(json_object_get(explanation, "verdict"));

	return verdict && (!strcmp(verdict, ks_action_name(KS_ALLOW)) || !strcmp(verdict, ks_action_name(KS_BYPASS)));
}

void ks_beside_add(struct ks_daemon *daemon, const struct ks_packet_spec *spec, json_t *explanation)
{
	json_t *steps = json_object_get(explanation, "steps");

	if (!steps || spec->kind != KS_SPEC_IP || spec->from == KS_ZONE_SELF || spec->to == KS_ZONE_SELF)
		return;
	add_route(daemon, spec, steps);
	if (!passes(explanation))
		return;
	add_forwarding(daemon, spec, steps);
	add_foreign(daemon, steps);
}
