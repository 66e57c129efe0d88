/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks that need the whole text: zones, names in rules, clauses that need each other. */
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "text/names.h"
#include "policy/ast.h"
#include "policy/check.h"
#include "policy/condition.h"
#include "policy/effect.h"
#include "policy/helper.h"
#include "policy/icmp.h"
#include "policy/idle.h"
#include "policy/limit.h"
#include "policy/own.h"
#include "policy/protect.h"
#include "policy/service.h"
#include "policy/sets.h"
#include "policy/settings.h"
#include "policy/stray.h"
#include "policy/translate.h"

#define ZONES_MAX (KS_ZONE_MAX - KS_ZONE_FIRST)
#define ZONE_ENTRIES_MAX 4096U /* of all zones and of `ignore`: each is compared with each */

/* --- zones --- */

/* The name among others, or NULL. Patterns that overlap are no conflict, because the longest one that matches decides. */
static const struct ks_name *find_name(const struct ks_names *names, const char *text)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->list[i].text, text) == 0)
			return &names->list[i];
	}
	return NULL;
}

static void check_interface(struct ks_parser *p, size_t zone, const struct ks_name *name)
{
	for (size_t i = 0; i < zone; i++) {
		const struct ks_ast_zone *other = &p->ast->zones[i];
		const struct ks_name *first = find_name(&other->interfaces, name->text);

		if (!first)
			continue;
		ks_parser_error_at(p, &name->place,
				   "interface '%s' is already in zone '%s' (%s:%u:%u): expected every interface in one "
				   "zone",
				   name->text, other->name.text, first->place.file, first->place.line,
				   first->place.column);
		return;
	}
}

static void check_ignored(struct ks_parser *p, const struct ks_name *name)
{
	for (size_t i = 0; i < p->ast->zone_count; i++) {
		const struct ks_ast_zone *zone = &p->ast->zones[i];
		const struct ks_name *other = find_name(&zone->interfaces, name->text);

		if (!other)
			continue;
		ks_parser_error_at(
			p, &name->place,
			"interface '%s' is in zone '%s' (%s:%u:%u): expected it in a zone or ignored, not both",
			name->text, zone->name.text, other->place.file, other->place.line, other->place.column);
		return;
	}
}

static void check_network(struct ks_parser *p, size_t zone, const struct ks_ast_network *network)
{
	for (size_t i = 0; i < zone; i++) {
		const struct ks_ast_zone *other = &p->ast->zones[i];

		for (size_t j = 0; j < other->network_count; j++) {
			const struct ks_ast_network *first = &other->networks[j];

			if (memcmp(&first->prefix, &network->prefix, sizeof(first->prefix)) != 0)
				continue;
			ks_parser_error_at(p, &network->place,
					   "this network is already in zone '%s' (%s:%u:%u): expected it in one zone",
					   other->name.text, first->place.file, first->place.line, first->place.column);
			return;
		}
	}
}

static void check_mac(struct ks_parser *p, size_t zone, const struct ks_ast_mac *mac)
{
	for (size_t i = 0; i < zone; i++) {
		const struct ks_ast_zone *other = &p->ast->zones[i];

		for (size_t j = 0; j < other->mac_count; j++) {
			const struct ks_ast_mac *first = &other->macs[j];

			if (memcmp(first->mac, mac->mac, sizeof(first->mac)) != 0)
				continue;
			ks_parser_error_at(
				p, &mac->place,
				"this MAC address is already in zone '%s' (%s:%u:%u): expected it in one zone",
				other->name.text, first->place.file, first->place.line, first->place.column);
			return;
		}
	}
}

static void check_zone(struct ks_parser *p, size_t index)
{
	const struct ks_ast_zone *zone = &p->ast->zones[index];

	for (size_t i = 0; i < index; i++) {
		const struct ks_name *first = &p->ast->zones[i].name;

		if (strcmp(first->text, zone->name.text) == 0)
			ks_parser_error_at(p, &zone->name.place, "zone '%s' is already defined at %s:%u:%u",
					   first->text, first->place.file, first->place.line, first->place.column);
	}
	if (!zone->broken && !zone->interfaces.count && !zone->network_count && !zone->mac_count &&
	    !zone->address[0].family && !zone->address[1].family)
		ks_parser_error_at(p, &zone->name.place,
				   "zone '%s' is empty: expected interfaces (or networks, for replay and tests)",
				   zone->name.text);
	for (size_t i = 0; i < zone->interfaces.count; i++)
		check_interface(p, index, &zone->interfaces.list[i]);
	for (size_t i = 0; i < zone->network_count; i++)
		check_network(p, index, &zone->networks[i]);
	for (size_t i = 0; i < zone->mac_count; i++)
		check_mac(p, index, &zone->macs[i]);
}

static int copy_zone(struct ks_parser *p, const struct ks_ast_zone *from, struct ks_zone *to)
{
	*to = (struct ks_zone){
		.name = (char *)from->name.text,
		.place = from->name.place,
		.interfaces = ks_arena_alloc(p->arena, (from->interfaces.count + 1) * sizeof(*to->interfaces)),
		.interface_count = from->interfaces.count,
		.networks = ks_arena_alloc(p->arena, (from->network_count + 1) * sizeof(*to->networks)),
		.network_count = from->network_count,
		.macs = ks_arena_alloc(p->arena, (from->mac_count + 1) * sizeof(*to->macs)),
		.mac_count = from->mac_count,
		.address = { from->address[0], from->address[1] },
		.antispoof = !from->antispoof_off,
		.challenge = from->challenge_mode,
		.mss = from->mss,
		.mtu = from->mtu,
	};
	if (!to->interfaces || !to->networks || !to->macs)
		return ks_parser_no_memory(p);
	for (size_t i = 0; i < from->interfaces.count; i++)
		to->interfaces[i] = (char *)from->interfaces.list[i].text;
	for (size_t i = 0; i < from->network_count; i++)
		to->networks[i] = from->networks[i].prefix;
	for (size_t i = 0; i < from->mac_count; i++)
		memcpy(to->macs[i], from->macs[i].mac, sizeof(from->macs[i].mac));
	return 0;
}

static bool zones_too_many(struct ks_parser *p)
{
	struct ks_ast *ast = p->ast;
	size_t entries = ast->ignores.count;

	if (ast->zone_count > ZONES_MAX) {
		ks_parser_error_at(p, &ast->zones[ZONES_MAX].name.place, "the policy has more than %d zones",
				   ZONES_MAX);
		return true;
	}
	for (size_t i = 0; i < ast->zone_count; i++) {
		const struct ks_ast_zone *zone = &ast->zones[i];

		entries += zone->interfaces.count + zone->network_count + zone->mac_count;
		if (entries <= ZONE_ENTRIES_MAX)
			continue;
		ks_parser_error_at(p, &zone->name.place, "the policy's zones have more than %u entries",
				   ZONE_ENTRIES_MAX);
		return true;
	}
	if (entries > ZONE_ENTRIES_MAX)
		ks_parser_error_at(p, &ast->ignores.list[0].place, "the policy ignores more than %u interfaces",
				   ZONE_ENTRIES_MAX);
	return entries > ZONE_ENTRIES_MAX;
}

/* Fills the tables that are indexed by the id of a zone. */
static void fill_config(struct ks_config *config, const struct ks_zone *zone)
{
	for (int i = 0; i < 2; i++) {
		config->address[zone->id][i] = zone->address[i].addr;
		config->addressed |= (__u64) !!zone->address[i].family << zone->id;
	}
	if (zone->antispoof)
		config->antispoof |= 1ULL << zone->id;
	if (zone->challenge == KS_CHALLENGE_ALWAYS)
		config->challenge_always |= 1ULL << zone->id;
	if (zone->challenge == KS_CHALLENGE_NEVER)
		config->challenge_never |= 1ULL << zone->id;
	config->mss[zone->id] = zone->mss;
	config->mtu[zone->id] = zone->mtu;
	config->alters |= zone->mss ? KS_ALTER_ZONES : 0;
}

/* Adds the networks of a zone; complains when there are too many. */
static void fill_networks(struct ks_parser *p, const struct ks_ast_zone *from, const struct ks_zone *zone)
{
	struct ks_network network;

	for (size_t i = 0; i < zone->network_count; i++) {
		ks_network_make(&zone->networks[i], zone->id, &network);
		if (!ks_config_add_network(&p->policy->config, &network))
			continue;
		ks_parser_error_at(p, &from->networks[i].place, "the policy's zones have more than %u networks",
				   KS_NETWORKS_MAX);
		return;
	}
}

static int copy_zones(struct ks_parser *p)
{
	struct ks_policy *policy = p->policy;
	size_t count = KS_MIN(p->ast->zone_count, (size_t)ZONES_MAX);

	policy->zones = ks_arena_alloc(p->arena, (count + 1) * sizeof(*policy->zones));
	if (!policy->zones)
		return ks_parser_no_memory(p);
	policy->config.antispoof = 1ULL << KS_ZONE_NONE; /* an interface of no zone is always checked */
	for (size_t i = 0; i < count; i++) {
		if (copy_zone(p, &p->ast->zones[i], &policy->zones[i]))
			return -ENOMEM;
		policy->zones[i].id = (__u8)(KS_ZONE_FIRST + i);
		fill_config(&policy->config, &policy->zones[i]);
		fill_networks(p, &p->ast->zones[i], &policy->zones[i]);
	}
	policy->zone_count = count;
	policy->config.zones = (__u32)count + KS_ZONE_FIRST;
	ks_config_set_outside(&policy->config, ks_policy_outside(policy));
	return 0;
}

static int copy_ignores(struct ks_parser *p)
{
	const struct ks_names *names = &p->ast->ignores;
	struct ks_policy *policy = p->policy;

	policy->ignores = ks_arena_alloc(p->arena, (names->count + 1) * sizeof(*policy->ignores));
	if (!policy->ignores)
		return ks_parser_no_memory(p);
	for (size_t i = 0; i < names->count; i++) {
		if (find_name(&(struct ks_names){ names->list, i }, names->list[i].text))
			continue; /* said twice */
		policy->ignores[policy->ignore_count++] = (char *)names->list[i].text;
	}
	return 0;
}

static int check_zones(struct ks_parser *p)
{
	bool too_many = zones_too_many(p);

	for (size_t i = 0; !too_many && i < p->ast->zone_count; i++)
		check_zone(p, i);
	for (size_t i = 0; !too_many && i < p->ast->ignores.count; i++)
		check_ignored(p, &p->ast->ignores.list[i]);
	return copy_zones(p) ? -ENOMEM : copy_ignores(p);
}

/* --- rules --- */

int ks_zone_resolve_own(struct ks_parser *p, const struct ks_name *name)
{
	int id = strcmp(name->text, "any") == 0 ? KS_ZONE_SELF : ks_policy_zone_id(p->policy, name->text);

	return id < 0 ? ks_stray_zone(p, name, "", true) : id;
}

/* Looks up the zones of a list. */
static __u64 find_zones(struct ks_parser *p, const char *clause, const struct ks_names *names)
{
	__u64 mask = 0;

	for (size_t i = 0; i < names->count; i++) {
		struct ks_name *name = &names->list[i];
		bool any = strcmp(name->text, "any") == 0;
		int id = any ? KS_ZONE_UNKNOWN : ks_policy_zone_id(p->policy, name->text);

		if (any && names->negated)
			ks_parser_error_at(p, &name->place, "'not any' is no zone at all: expected zones behind 'not'");
		else if (any)
			mask = KS_ZONES_ANY;
		else if (id < 0)
			ks_stray_zone(p, name, clause, false);
		else
			mask |= name->bit = 1ULL << id;
	}
	return mask;
}

static void resolve_zones(struct ks_parser *p, const char *clause, bool has, const struct ks_names *names,
			  const struct ks_place *place, __u64 *mask)
{
	if (has && !names->count)
		ks_parser_error_at(p, place, "this rule has an empty list of zones: expected zones, or 'any'");
	*mask = has ? find_zones(p, clause, names) : KS_ZONES_ANY;
	if (names->negated)
		*mask = ~*mask;
}

/* Warns of a list that takes away all that it has. */
static void warn_nothing_left(struct ks_parser *p, const struct ks_items *items)
{
	ks_auto_merged struct ks_merged merged = { 0 };

	if (!ks_items_merge(p->ast, items, true, &merged) && !merged.count4 && !merged.count6 && !merged.dynamic)
		ks_parser_warn_at(p, &items->list[0].place,
				  "'not' takes away all entries of this list, so this rule can never match: expected "
				  "others");
}

/* Warns of a condition that no packet fulfils, because the sets that it names have no entry. */
static void warn_empty(struct ks_parser *p, const struct ks_items *items)
{
	if (ks_items_have_not(items)) {
		warn_nothing_left(p, items);
		return;
	}
	for (size_t i = 0; i < items->count; i++) {
		const struct ks_ast_set *set = items->list[i].set ? ks_ast_find_set(p->ast, items->list[i].set) : NULL;

		if (!set || set->broken || set->merged.count4 || set->merged.count6 || set->merged.dynamic)
			return;
	}
	if (items->count)
		ks_parser_warn_at(p, &items->list[0].place,
				  "set '@%s' is empty, so this rule can never match: expected entries in the set, or "
				  "'dynamic' behind it if they come at run time",
				  items->list[0].set);
}

static void check_match(struct ks_parser *p, struct ks_match *match, bool ports, const struct ks_names *side)
{
	if (!match->present)
		return;
	if (match->address_of.text) {
		ks_check_own(p, match, side);
		return;
	}
	if (!match->items.count)
		ks_parser_error_at(p, &match->place, "this list is empty: expected at least one entry");
	if (!ks_items_check(p, &match->items, ports) && !ks_items_check_not(p, &match->items) && !match->negated)
		warn_empty(p, &match->items);
}

/* Warns of a service by name that none of the rule's protocols carries: a number says that it is meant so. */
static void check_services(struct ks_parser *p, const struct ks_ast_rule *rule, const struct ks_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		const struct ks_service *service = items->list[i].service ? ks_service(items->list[i].service) : NULL;
		size_t at = 0;

		while (service && at < rule->proto_count && !ks_service_has_proto(service, rule->protos[at]))
			at++;
		if (service && at == rule->proto_count)
			ks_parser_warn_at(p, &items->list[i].place,
					  "'%s' is a service over %s, and this rule is about another protocol: "
					  "expected %s, or the number %u",
					  service->name, ks_service_protos(service), ks_service_protos(service),
					  service->low);
	}
}

static void check_ports(struct ks_parser *p, const struct ks_ast_rule *rule, const struct ks_match *match)
{
	bool good = rule->proto_count > 0;
	char buf[8];
	__u8 bad = 0;

	if (!match->present)
		return;
	for (size_t i = 0; i < rule->proto_count; i++) {
		if (!ks_proto_has_ports(rule->protos[i])) {
			bad = rule->protos[i];
			good = false;
		}
	}
	if (good) {
		check_services(p, rule, &match->items);
		return;
	}
	if (bad)
		ks_parser_error_at(p, &match->place, "a port needs tcp, udp, sctp or dccp, but this rule has %s",
				   ks_proto_name(bad, buf, sizeof(buf)));
	else
		ks_parser_error_at(p, &match->place,
				   "a port needs a protocol: expected tcp, udp or { tcp, udp } in this rule");
}

/* Checks that the name of a type belongs to one of the rule's protocols. */
static void check_type(struct ks_parser *p, const struct ks_ast_rule *rule, const struct ks_icmp_item *item)
{
	__s32 type, code = -1;

	for (size_t i = 0; item->name && i < rule->proto_count; i++) {
		if (ks_icmp_lookup(rule->protos[i], item->name, &type, &code) == 0) {
			if (item->code >= 0 && code >= 0)
				ks_parser_error_at(p, &item->place,
						   "'%s' says the code itself: expected no 'code' behind it",
						   item->name);
			return;
		}
	}
	if (item->name)
		ks_parser_error_at(p, &item->place, "'%s' is a type of %s: expected that protocol in this rule",
				   item->name,
				   ks_icmp_lookup(KS_PROTO_ICMP, item->name, &type, &code) ? "icmpv6" : "icmp");
}

static void check_types(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	if (!rule->has_types)
		return;
	if (!rule->type_count)
		ks_parser_error_at(p, &rule->types_place, "this list is empty: expected at least one ICMP type");
	for (size_t i = 0; i < rule->proto_count; i++) {
		if (rule->protos[i] == KS_PROTO_ICMP || rule->protos[i] == KS_PROTO_ICMPV6)
			continue;
		ks_parser_error_at(p, &rule->types_place,
				   "a type needs icmp or icmpv6, but this rule has another protocol");
		return;
	}
	if (!rule->proto_count)
		ks_parser_error_at(p, &rule->types_place,
				   "a type needs a protocol: expected icmp or icmpv6 in this rule");
	for (size_t i = 0; rule->proto_count && i < rule->type_count; i++)
		check_type(p, rule, &rule->types[i]);
}

/* Neighbour discovery and multicast listener messages, except router advertisements and redirects, which obey rules. */
static bool is_unasked_type(const struct ks_icmp_item *item)
{
	__s32 type = item->type, code;

	if (item->name && ks_icmp_lookup(KS_PROTO_ICMPV6, item->name, &type, &code))
		return false;
	return (type >= 130 && type <= 133) || type == 135 || type == 136 || type == 143;
}

static bool only_unasked_types(const struct ks_ast_rule *rule)
{
	size_t count = 0;

	while (count < rule->type_count && is_unasked_type(&rule->types[count]))
		count++;
	return count && count == rule->type_count;
}

/* Warns of rules for messages between neighbours on a link, which are judged before any rule (core/header/neighbour.h). */
static void check_unasked(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	if (rule->proto_count == 1 && rule->protos[0] == KS_PROTO_ICMPV6 && only_unasked_types(rule))
		ks_parser_warn_at(
			p, &rule->types_place,
			"no rule is asked about these types: neighbour discovery and messages about multicast "
			"listeners pass if they are sane; rules decide about router-advertisement and redirect");
	if (rule->proto_count == 1 && rule->protos[0] == KS_PROTO_IGMP)
		ks_parser_warn_at(
			p, &rule->place,
			"no rule is asked about IGMP: sane messages pass and stay on their link, others are dropped");
}

static void check_rule(struct ks_parser *p, struct ks_ast_rule *rule)
{
	resolve_zones(p, "from", rule->has_from, &rule->from, &rule->place, &rule->from_zones);
	resolve_zones(p, rule->statement == KS_STATEMENT_BINAT || rule->statement == KS_STATEMENT_NPTV6 ? "on" : "to",
		      rule->has_to, &rule->to, &rule->place, &rule->to_zones);
	if (rule->statement == KS_STATEMENT_HELPER)
		ks_helper_check(p, rule);
	else if (rule->statement != KS_STATEMENT_RULE)
		ks_translation_check(p, rule);
	check_unasked(p, rule);
	if (rule->has_protos && !rule->proto_count)
		ks_parser_error_at(p, &rule->protos_place, "this list is empty: expected at least one protocol");
	check_match(p, &rule->source, false, &rule->from);
	check_match(p, &rule->destination, false, &rule->to);
	check_match(p, &rule->sport, true, &rule->from);
	check_match(p, &rule->dport, true, &rule->to);
	if (rule->has_protos && !rule->proto_count)
		return;
	check_ports(p, rule, &rule->sport);
	check_ports(p, rule, &rule->dport);
	check_types(p, rule);
	ks_conditions_check(p, rule);
	ks_effects_check(p, rule);
	ks_idle_check(p, rule);
	ks_check_limits(p, rule);
}

int ks_check(struct ks_parser *p)
{
	int err = check_zones(p);

	if (err)
		return err;
	ks_settings_check(p);
	err = ks_sets_resolve(p);
	if (err)
		return err;
	for (size_t i = 0; i < p->ast->rule_count; i++)
		check_rule(p, &p->ast->rules[i]);
	for (size_t i = 0; i < p->ast->assertion_count; i++)
		check_rule(p, &p->ast->assertions[i]);
	ks_protect_check(p);
	for (size_t i = 0; i < p->ast->set_count; i++) {
		const struct ks_ast_set *set = &p->ast->sets[i];

		if (!set->used)
			ks_parser_warn_at(p, &set->name.place, "set '%s' is %s", set->name.text,
					  set->filled ? "filled by rules, and none asks for it" : "never used");
	}
	for (const struct ks_deferred *deferred = p->deferred; deferred; deferred = deferred->next) {
		if (deferred->fn(p, deferred->arg) == -ENOMEM)
			return ks_parser_no_memory(p);
	}
	return 0;
}
