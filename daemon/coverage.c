/* SPDX-License-Identifier: BSD-2-Clause */
/* See coverage.h. Warnings, interfaces in no zone, states of zones that are gone; as JSON and as lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/coverage.h"
#include "daemon/forwarding.h"
#include "explain/change.h"
#include "text/json.h"
#include "text/memory_file.h"
#include "text/scoped.h"
#include "text/plural.h"

static bool is_guarded(const struct ks_guarded *guarded)
{
	return ks_role_has_programs(guarded->role) && !guarded->error;
}

static const struct ks_guarded *find_guarded(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].ifindex == ifindex && is_guarded(&interfaces->list[i]))
			return &interfaces->list[i];
	}
	return NULL;
}

static json_t *name_json(const char *name)
{
	char text[KS_NAME_TEXT];

	return json_string(ks_name_text(name, text));
}

json_t *ks_coverage_difference(const struct ks_interfaces *these, const struct ks_interfaces *those)
{
	json_t *names = json_array();

	for (size_t i = 0; i < these->count; i++) {
		const struct ks_guarded *guarded = &these->list[i];

		if (is_guarded(guarded) && !find_guarded(those, guarded->ifindex))
			ks_json_append(&names, name_json(guarded->name));
	}
	return names;
}

json_t *ks_coverage_outcast(const struct ks_interfaces *before, const struct ks_interfaces *now)
{
	json_t *names = json_array();

	for (size_t i = 0; i < now->count; i++) {
		const struct ks_guarded *guarded = &now->list[i], *former = find_guarded(before, guarded->ifindex);

		if (is_guarded(guarded) && guarded->guard.zone == KS_ZONE_NONE && former &&
		    former->guard.zone != KS_ZONE_NONE)
			ks_json_append(&names, name_json(guarded->name));
	}
	return names;
}

static bool has_interface(const struct ks_interfaces *interfaces, const struct ks_zone *zone)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].guard.zone == zone->id && interfaces->list[i].role != KS_ROLE_IGNORED)
			return true;
	}
	return false;
}

/* Returns a sentence to be freed, or NULL without memory. */
static char *empty_zone_text(const struct ks_zone *zone)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (ks_memory_file_open(&file))
		return NULL;
	if (zone->interface_count)
		fprintf(file.out, "zone %s: no interface is there yet: ", zone->name);
	else
		fprintf(file.out, "zone %s: the policy names no interface for it", zone->name);
	for (size_t i = 0; i < zone->interface_count; i++)
		fprintf(file.out, "%s%s", i ? ", " : "", zone->interfaces[i]);
	return ks_memory_file_take(&file);
}

static void warn_of_zone(const struct ks_interfaces *interfaces, const struct ks_zone *zone, json_t **warnings)
{
	ks_auto_free char *text = NULL;

	if (has_interface(interfaces, zone))
		return;
	text = empty_zone_text(zone);
	ks_json_append(warnings, ks_json_text(text));
}

static void warn_of_interface(const struct ks_guarded *guarded, json_t **warnings)
{
	char name[KS_NAME_TEXT];

	if (!ks_role_has_programs(guarded->role))
		return;
	if (guarded->error)
		ks_json_append(warnings, json_sprintf("%s is not guarded: %s", ks_name_text(guarded->name, name),
						      strerror(-guarded->error)));
	else if (guarded->overtaken)
		ks_json_append(
			warnings,
			json_sprintf("%s: somebody else's program sees packets before ours, and may let pass what "
				     "the rules deny",
				     ks_name_text(guarded->name, name)));
}

/* Members of a bridge that a zone names, but that are guarded, or left alone, together with others. */
static void warn_of_members(const struct ks_interfaces *interfaces, json_t **warnings)
{
	for (size_t i = 0; i < interfaces->links.count; i++) {
		const struct ks_interface *link = &interfaces->links.list[i];
		long master = ks_links_find(&interfaces->links, link->master);
		char name[KS_NAME_TEXT], above[KS_NAME_TEXT];

		if (interfaces->roles[i].kind != KS_ROLE_MEMBER || !interfaces->roles[i].named || master < 0)
			continue;
		ks_json_append(
			warnings,
			json_sprintf("%s is in a zone, but belongs to %s, which the policy ignores or whose ports "
				     "are guarded: the zone has no effect",
				     ks_name_text(link->name, name),
				     ks_name_text(interfaces->links.list[master].name, above)));
	}
}

/* If one port had no programs, its packets to and from the other ports would be judged by nobody, or half. */
static void warn_of_unheeded(const struct ks_interfaces *interfaces, json_t **warnings)
{
	for (size_t i = 0; i < interfaces->links.count; i++) {
		const struct ks_interface *link = &interfaces->links.list[i];
		long master = ks_links_find(&interfaces->links, link->master);
		char name[KS_NAME_TEXT], above[KS_NAME_TEXT];

		if (interfaces->roles[i].unheeded && master >= 0)
			ks_json_append(
				warnings,
				json_sprintf(
					"%s is to be ignored, but %s is guarded at its ports, and so at this one: it "
					"is in zone none",
					ks_name_text(link->name, name),
					ks_name_text(interfaces->links.list[master].name, above)));
	}
}

static void warn_of_forwarding(const struct ks_interfaces *interfaces, const struct ks_policy *policy,
			       json_t **warnings)
{
	unsigned missing = ks_forwarding_missing(interfaces, policy);

	if (missing & KS_FORWARDING_IPV4)
		ks_json_append(
			warnings,
			json_string("rules allow packets from zone to zone, but the kernel does not forward IPv4: "
				    "sysctl -w net.ipv4.ip_forward=1"));
	if (missing & KS_FORWARDING_IPV6)
		ks_json_append(
			warnings,
			json_string("rules allow packets from zone to zone, but the kernel does not forward IPv6: "
				    "sysctl -w net.ipv6.conf.all.forwarding=1"));
}

static void warn_of_kernel(const struct ks_kernel *kernel, json_t **warnings)
{
	const __u32 verify = KS_OPT_STATE_CHECKSUM | KS_OPT_CHECKSUM;
	struct ks_count counts[KS_REASON_MAX];

	if (!ks_kernel_verifies_checksums(kernel) && ks_kernel_config(kernel)->options & verify)
		ks_json_append(warnings, json_string("checksums are not verified, for which programs must see the "
						     "kernel's own packets (Linux 6.2): a packet that hosts ignore "
						     "may open or move a flow (`option state-checksum off` says so "
						     "in the policy)"));
	if (!ks_kernel_backstop(kernel))
		ks_json_append(
			warnings,
			json_string(
				"no backstop is in force, for which the kernel needs netfilter programs (Linux 6.4): "
				"an "
				"interface that appears while the daemon is busy or dead is open until it is guarded"));
	if (!ks_kernel_reasons(kernel, counts) && counts[KS_REASON_FOREIGN_NAT].packets)
		ks_json_append(warnings,
			       json_sprintf("another program (nftables, iptables) translates addresses between guarded "
					    "interfaces: %llu packet%s dropped. Leave those interfaces alone: for "
					    "Docker, `ignore { docker0, br-* }`",
					    (unsigned long long)counts[KS_REASON_FOREIGN_NAT].packets,
					    counts[KS_REASON_FOREIGN_NAT].packets == 1 ? " was" : "s were"));
}

json_t *ks_coverage_warnings(const struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	json_t *warnings = json_array();

	if (!ks_interfaces_guarded(interfaces))
		ks_json_append(&warnings,
			       json_string("NO INTERFACE IS GUARDED: every packet passes as without a firewall"));
	for (size_t i = 0; i < policy->zone_count; i++)
		warn_of_zone(interfaces, &policy->zones[i], &warnings);
	for (size_t i = 0; i < interfaces->count; i++)
		warn_of_interface(&interfaces->list[i], &warnings);
	warn_of_members(interfaces, &warnings);
	warn_of_unheeded(interfaces, &warnings);
	warn_of_forwarding(interfaces, policy, &warnings);
	warn_of_kernel(interfaces->kernel, &warnings);
	return warnings;
}

/* --- interfaces in no zone --- */

static bool is_in_no_zone(const struct ks_guarded *guarded)
{
	return (guarded->role == KS_ROLE_GUARDED || guarded->role == KS_ROLE_PORT) &&
	       guarded->guard.zone == KS_ZONE_NONE;
}

/*
 * Returns true if an `ignore` would leave it alone, which it does not do for a port of
 * a bridge that is guarded at its ports.
 */
static bool may_be_ignored(const struct ks_guarded *guarded)
{
	char text[KS_NAME_TEXT];

	return is_in_no_zone(guarded) && guarded->role != KS_ROLE_PORT &&
	       ks_name_text(guarded->name, text) == guarded->name; /* else no policy can name it */
}

/*
 * The length of the part of a name that a pattern for others of its kind begins with:
 * "veth" of "veth12ab". 0 without one.
 */
static int stem_length(const char *name)
{
	static const char *const stems[] = { "veth", "br-", "vnet", "tap" }; /* their names are made at random */

	for (size_t i = 0; i < KS_ARRAY_SIZE(stems); i++) {
		if (!strncmp(name, stems[i], strlen(stems[i])) && name[strlen(stems[i])])
			return (int)strlen(stems[i]);
	}
	return 0;
}

static void print_pattern(const char *name, char text[16])
{
	int stem = stem_length(name);

	if (stem)
		snprintf(text, 16, "%.*s*", stem, name);
	else
		snprintf(text, 16, "%s", name);
}

/* Returns true if an interface before this one has the same pattern. */
static bool is_pattern_repeated(const struct ks_interfaces *interfaces, size_t at, const char *pattern)
{
	for (size_t i = 0; i < at; i++) {
		char other[16];

		print_pattern(interfaces->list[i].name, other);
		if (may_be_ignored(&interfaces->list[i]) && !strcmp(other, pattern))
			return true;
	}
	return false;
}

char *ks_coverage_ignore_line(const struct ks_interfaces *interfaces)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	const char *before = "ignore { ";

	if (ks_memory_file_open(&file))
		return NULL;
	for (size_t i = 0; i < interfaces->count; i++) {
		const char *name = interfaces->list[i].name;
		char pattern[16], text[KS_NAME_TEXT];

		if (ks_name_text(name, text) != name) /* no policy can say it */
			continue;
		print_pattern(name, pattern);
		if (!may_be_ignored(&interfaces->list[i]) || is_pattern_repeated(interfaces, i, pattern))
			continue;
		fprintf(file.out, "%s%s", before, pattern);
		before = ", ";
	}
	if (*before == ',')
		fputs(" }", file.out);
	return ks_memory_file_take(&file);
}

static json_t *names_json(const struct ks_interfaces *interfaces, bool (*fits)(const struct ks_guarded *))
{
	json_t *names = json_array();

	for (size_t i = 0; i < interfaces->count; i++) {
		if (fits(&interfaces->list[i]))
			ks_json_append(&names, name_json(interfaces->list[i].name));
	}
	return names;
}

static bool is_left_alone(const struct ks_guarded *guarded)
{
	return guarded->role == KS_ROLE_IGNORED && strcmp(guarded->name, "lo");
}

json_t *ks_coverage_in_no_zone(const struct ks_interfaces *interfaces)
{
	return names_json(interfaces, is_in_no_zone);
}

json_t *ks_coverage_ignored(const struct ks_interfaces *interfaces)
{
	return names_json(interfaces, is_left_alone);
}

struct zones_cut_ctx {
	__u64 gone; /* zones that are not in the policy any more, a bit per id */
	__u64 met; /* those of them that some state has */
	size_t states;
};

static int count_cut_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct zones_cut_ctx *ctx = arg;
	__u64 zones = 0;

	for (unsigned side = 0; side < 2; side++)
		zones |= flow->zone[side] < KS_ZONE_MAX ? 1ULL << flow->zone[side] : 0;
	ctx->met |= zones & ctx->gone;
	ctx->states += (zones & ctx->gone) != 0;
	return 0;
}

void ks_coverage_add_cut(json_t **change, const struct ks_kernel *kernel, const struct ks_ledger *ledger,
			 const struct ks_policy *policy)
{
	struct zones_cut_ctx ctx = { .gone = ks_ids_gone_zones(&ledger->ids, policy) };
	json_t *zones = json_array();

	if (ctx.gone) /* looking through a large table takes a moment */
		ks_kernel_each_flow(kernel, count_cut_flow, &ctx);
	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		if (ctx.met >> id & 1)
			ks_json_append(&zones, json_string(ledger->ids.zones[id]));
	}
	ks_json_set(change, "states_cut", json_integer((json_int_t)ctx.states));
	ks_json_set(change, "zones_cut", zones);
}

void ks_coverage_tell_zones(const struct ks_interfaces *interfaces, void (*say)(bool warning, const char *line))
{
	ks_auto_json json_t *none = ks_coverage_in_no_zone(interfaces);
	ks_auto_json json_t *ignored = ks_coverage_ignored(interfaces);
	ks_auto_free char *ignore = ks_coverage_ignore_line(interfaces);
	char list[2048], line[4400];

	if (json_array_size(none)) {
		bool some = ignore && *ignore;

		snprintf(line, sizeof(line), "in no zone, denied by default: %s: add them to a zone%s%s%s",
			 ks_names_join(none, list, sizeof(list)), some ? ", or write `" : "", some ? ignore : "",
			 some ? "`" : "");
		say(false, line);
	}
	if (json_array_size(ignored)) {
		snprintf(line, sizeof(line), "ignored, every packet passes: %s",
			 ks_names_join(ignored, list, sizeof(list)));
		say(false, line);
	}
}
