/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the firewall of OpenWrt, /etc/config/firewall. Its zones are of networks, whose devices /etc/config/network names: that file
 * may stand before it. Chains are made as OpenWrt makes them: answers, rules of all zones, rules of one, translated packets, and the
 * policies of the zones.
 */
#include "import/uci.h"

#include <errno.h>
#include <string.h>

#include "import/import.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define NAME_SIZE 64
#define ALIASES_MAX 8U

const char *ks_uci_option(const struct ks_uci_section *section, const char *key, const char *otherwise)
{
	for (unsigned i = 0; i < section->count; i++) {
		if (!strcmp(section->key[i], key))
			return section->value[i];
	}
	return otherwise;
}

bool ks_uci_is_on(const struct ks_uci_section *section, const char *key, bool otherwise)
{
	static const char *const on[] = { "1", "on", "true", "yes" };
	const char *value = ks_uci_option(section, key, NULL);

	for (size_t i = 0; value && i < KS_ARRAY_SIZE(on); i++) {
		if (!strcmp(on[i], value))
			return true;
	}
	return !value && otherwise;
}

const struct ks_uci_zone *ks_uci_zone_find(const struct ks_uci *uci, const char *name)
{
	for (const struct ks_uci_zone *zone = uci->zones; zone; zone = zone->next) {
		if (!strcmp(zone->name, name))
			return zone;
	}
	return NULL;
}

enum ks_verdict_kind ks_uci_verdict(const char *word)
{
	if (!strcmp(word, "ACCEPT") || !strcmp(word, "accept"))
		return KS_IMPORT_ACCEPT;
	return !strcmp(word, "REJECT") || !strcmp(word, "reject") ? KS_IMPORT_REJECT : KS_IMPORT_DROP;
}

/* --- sections --- */

static int section_begin(struct ks_uci *uci, struct ks_words_line *words, struct ks_uci_section **section)
{
	const char *type = ks_words_take(words), *name = ks_words_take(words);
	struct ks_uci_section *made = ks_pool_alloc(&uci->import->pool, sizeof(*made));

	if (!made)
		return -ENOMEM;
	if (!type)
		return ks_import_fail(uci->import, "line %u: the type of a section is missing", uci->import->line);
	*made = (struct ks_uci_section){
		.type = type, .name = name ? name : "", .line = uci->import->line, .text = uci->import->text
	};
	*uci->last = made;
	uci->last = &made->next;
	*section = made;
	return 0;
}

static int values_grow(struct ks_uci *uci, struct ks_uci_section *section)
{
	const unsigned room = section->room ? 2 * section->room : 16;
	const char **lists = ks_pool_alloc(&uci->import->pool, 2 * room * sizeof(*lists));

	if (!lists)
		return -ENOMEM;
	if (section->count) {
		memcpy(lists, section->key, section->count * sizeof(*lists));
		memcpy(lists + room, section->value, section->count * sizeof(*lists));
	}
	section->key = lists;
	section->value = lists + room;
	section->room = room;
	return 0;
}

/* Adds a value. Of an option the last one counts, of a list all. */
static int option_add(struct ks_uci *uci, struct ks_uci_section *section, struct ks_words_line *words, bool is_list)
{
	const char *key = ks_words_take(words), *value = ks_words_take(words);

	if (!section || !key || !value)
		return ks_import_fail(uci->import, "line %u: an option needs a section, a name and a value",
				      uci->import->line);
	for (unsigned i = 0; !is_list && i < section->count; i++) {
		if (!strcmp(section->key[i], key)) {
			section->value[i] = value;
			return 0;
		}
	}
	if (section->count == KS_UCI_VALUES)
		return ks_import_fail(uci->import, "line %u: a section with so many options is not read",
				      uci->import->line);
	if (section->count == section->room && values_grow(uci, section))
		return -ENOMEM;
	section->key[section->count] = key;
	section->value[section->count++] = value;
	return 0;
}

static int sections_read(struct ks_uci *uci, const char *text, size_t length)
{
	struct ks_uci_section *section = NULL;
	struct ks_words_line words;
	struct ks_lines lines;
	int more, err = 0;

	ks_lines_begin(&lines, text, length);
	while (!err && (more = ks_lines_next(&lines, uci->import, &words)) != 0) {
		const char *word = more > 0 ? ks_words_take(&words) : NULL;

		if (more < 0)
			return more;
		if (!word || !strcmp(word, "package"))
			continue;
		if (!strcmp(word, "config")) {
			err = section_begin(uci, &words, &section);
		} else if (!strcmp(word, "option") || !strcmp(word, "list")) {
			err = option_add(uci, section, &words, *word == 'l');
		} else {
			err = ks_import_fail(uci->import, "line %u: '%.40s' is none of config, option and list",
					     uci->import->line, word);
		}
	}
	return err;
}

/* --- zones --- */

static bool is_among(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(words[i], word))
			return true;
	}
	return false;
}

static const struct ks_uci_section *network_find(const struct ks_uci *uci, const char *name)
{
	for (const struct ks_uci_section *section = uci->sections; section; section = section->next) {
		if (!strcmp(section->type, "interface") && !strcmp(section->name, name))
			return section;
	}
	return NULL;
}

/* The interface that OpenWrt makes for a network; NULL if only its kind of link would say which one. */
static const char *device_of(struct ks_uci *uci, const struct ks_uci_section *section)
{
	static const char *const plain[] = { "static", "dhcp", "dhcpv6", "none", "unmanaged" };
	static const char *const named[] = { "pppoe", "pppoa", "pptp", "l2tp", "3g", "6in4", "6to4", "6rd" };
	const char *device = ks_uci_option(section, "device", ks_uci_option(section, "ifname", NULL));
	const char *proto = ks_uci_option(section, "proto", "none");

	if (is_among(proto, named, KS_ARRAY_SIZE(named)))
		return ks_import_format(uci->import, "%s-%.40s", proto, section->name);
	if (!strcmp(proto, "wireguard"))
		return section->name;
	if (!strcmp(ks_uci_option(section, "type", ""), "bridge"))
		return ks_import_format(uci->import, "br-%.40s", section->name);
	return is_among(proto, plain, KS_ARRAY_SIZE(plain)) ? device : NULL;
}

/* The device of a network, by its section in the text, or by the one that this is an alias of; its name without one. */
static const char *device_find(struct ks_uci *uci, const char *network)
{
	const struct ks_uci_section *section = network_find(uci, network);
	const char *device = section ? device_of(uci, section) : NULL;

	for (unsigned i = 0; device && device[0] == '@' && i < ALIASES_MAX; i++) {
		section = network_find(uci, device + 1);
		device = section ? device_of(uci, section) : NULL;
	}
	if (device)
		return device;
	uci->guessed = true;
	return network;
}

static int interface_add(struct ks_uci *uci, const char *name, __u64 *all)
{
	char pattern[NAME_SIZE];
	__u64 zones = 0;
	int err;

	snprintf(pattern, sizeof(pattern), "%s", name);
	if (*pattern && pattern[strlen(pattern) - 1] == '+')
		pattern[strlen(pattern) - 1] = '*';
	err = ks_import_interface(uci->import, pattern, &zones);
	*all |= err ? 0 : zones;
	if (err != -EINVAL)
		return err;
	uci->guessed = true; /* its packets are those of no zone here */
	return ks_import_note(uci->import,
			      ks_import_format(uci->import, "'%.40s' is no interface that zones have here", name));
}

/* The interfaces of a zone: its devices, and those of its networks. */
static int zone_interfaces(struct ks_uci *uci, const struct ks_uci_section *section, __u64 *all)
{
	char name[NAME_SIZE];
	int err = 0;

	for (unsigned i = 0; !err && i < section->count; i++) {
		const bool network = !strcmp(section->key[i], "network");

		if (!network && strcmp(section->key[i], "device") != 0)
			continue;
		for (const char *rest = section->value[i]; !err && rest;) {
			ks_word_part(&rest, ' ', name, sizeof(name));
			if (*name)
				err = interface_add(uci, network ? device_find(uci, name) : name, all);
		}
	}
	return err;
}

static int zone_add(struct ks_uci *uci, const struct ks_uci_section *section)
{
	struct ks_uci_zone *made = ks_pool_alloc(&uci->import->pool, sizeof(*made));

	if (!made)
		return -ENOMEM;
	*made = (struct ks_uci_zone){ .name = ks_uci_option(section, "name", section->name), .section = section };
	made->narrow = ks_uci_option(section, "subnet", NULL) || ks_uci_option(section, "extra", NULL) ||
		       ks_uci_option(section, "extra_src", NULL) || ks_uci_option(section, "extra_dest", NULL) ||
		       strcmp(ks_uci_option(section, "family", "any"), "any") != 0;
	*uci->last_zone = made;
	uci->last_zone = &made->next;
	return zone_interfaces(uci, section, &made->zones);
}

/* --- policies --- */

static int policy_add(struct ks_uci *uci, struct ks_import_chain *chain, const struct ks_uci_zone *zone, __u64 from,
		      __u64 to, const char *policy, const char *family)
{
	struct ks_draft draft;

	ks_draft_begin(&draft, uci->import);
	ks_draft_zones(&draft, false, from);
	ks_draft_zones(&draft, true, to);
	ks_uci_family(&draft, family);
	draft.rule.kind = ks_uci_verdict(policy);
	draft.quiet = true;
	if (zone->narrow && ks_draft_unsaid(&draft, "only some networks of a zone", false))
		return -E2BIG;
	return ks_draft_end(&draft, chain);
}

/* The policies of a zone, which come behind all rules. */
static int zone_end(struct ks_uci *uci, const struct ks_uci_zone *zone, const char *const otherwise[3])
{
	const char *input = ks_uci_option(zone->section, "input", otherwise[0]);
	const char *output = ks_uci_option(zone->section, "output", otherwise[1]);
	const char *forward = ks_uci_option(zone->section, "forward", otherwise[2]);
	int err;

	uci->import->line = zone->section->line;
	uci->import->text = zone->section->text;
	err = policy_add(uci, uci->input, zone, zone->zones, SELF, input, "any");
	err = err ? err : policy_add(uci, uci->output, zone, SELF, zone->zones, output, "any");
	err = err ? err : policy_add(uci, uci->forward, zone, zone->zones, zone->zones, forward, "any");
	return err ? err : ks_uci_masquerade(uci, zone);
}

static int forwarding_add(struct ks_uci *uci, const struct ks_uci_section *section)
{
	const struct ks_uci_zone *from = ks_uci_zone_find(uci, ks_uci_option(section, "src", ""));
	const struct ks_uci_zone *to = ks_uci_zone_find(uci, ks_uci_option(section, "dest", ""));

	if (!ks_uci_is_on(section, "enabled", true))
		return 0;
	if (!from || !to)
		return ks_import_note(uci->import, "there is no such zone");
	if (from->narrow || to->narrow)
		return ks_import_note(uci->import, "forwardings of some networks of a zone are not read");
	return policy_add(uci, uci->forward, from, from->zones, to->zones, "ACCEPT",
			  ks_uci_option(section, "family", "any"));
}

/* --- the whole --- */

/* Rules that accept what answers, or was translated. */
static int states_add(struct ks_uci *uci, struct ks_import_chain *chain, unsigned states)
{
	struct ks_draft draft;
	int err;

	ks_draft_begin(&draft, uci->import);
	err = ks_draft_states(&draft, states, false);
	draft.rule.kind = KS_IMPORT_ACCEPT;
	return err ? err : ks_draft_end(&draft, chain);
}

static int bases_make(struct ks_uci *uci, const struct ks_uci_section *defaults, const char *policies[3])
{
	struct ks_import *import = uci->import;
	const struct {
		const char *name;
		struct ks_import_chain **chain;
		struct ks_import_base base;
	} bases[] = {
		{ "input", &uci->input, { .hook = KS_HOOK_INPUT, .policy = ks_uci_verdict(policies[0]) } },
		{ "output", &uci->output, { .hook = KS_HOOK_OUTPUT, .policy = ks_uci_verdict(policies[1]) } },
		{ "forward", &uci->forward, { .hook = KS_HOOK_FORWARD, .policy = ks_uci_verdict(policies[2]) } },
		{ "pre", &uci->pre, { .hook = KS_HOOK_PRE, .translates = true, .policy = KS_IMPORT_ACCEPT } },
		{ "post", &uci->post, { .hook = KS_HOOK_POST, .translates = true, .policy = KS_IMPORT_ACCEPT } },
	};
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(bases); i++) {
		err = ks_import_chain(import, bases[i].name, bases[i].chain);
		import->base[i] = bases[i].base;
		import->base[i].chain = *bases[i].chain;
		import->base[i].line = defaults ? defaults->line : 0;
		import->base[i].families[0] = import->base[i].families[1] = true;
		if (uci->guessed && !bases[i].base.translates) /* the others may be those of a zone */
			import->base[i].policy = KS_IMPORT_DROP;
		if (!err && !bases[i].base.translates)
			err = states_add(uci, *bases[i].chain, KS_CT_ESTABLISHED);
	}
	import->bases = KS_ARRAY_SIZE(bases);
	return err;
}

/* Rules of all zones come before those of one. */
static bool is_in_turn(const struct ks_uci_section *section, bool of_all)
{
	const char *from = ks_uci_option(section, "src", "*"), *to = ks_uci_option(section, "dest", "*");

	if (strcmp(section->type, "rule") != 0)
		return false;
	return (!strcmp(from, "*") && (!ks_uci_option(section, "src", NULL) || !strcmp(to, "*"))) == of_all;
}

static int rules_read(struct ks_uci *uci, bool of_all)
{
	int err = 0;

	for (const struct ks_uci_section *section = uci->sections; !err && section; section = section->next) {
		uci->import->line = section->line;
		uci->import->text = section->text;
		if (is_in_turn(section, of_all))
			err = ks_uci_rule(uci, section);
	}
	return err;
}

static int others_read(struct ks_uci *uci)
{
	static const char *const silent[] = { "rule",	"zone",	   "defaults", "interface",
					      "device", "globals", "loopback", "ipset" };
	int err = 0;

	for (const struct ks_uci_section *section = uci->sections; !err && section; section = section->next) {
		bool known = false;

		uci->import->line = section->line;
		uci->import->text = section->text;
		for (size_t i = 0; i < KS_ARRAY_SIZE(silent); i++)
			known |= !strcmp(silent[i], section->type);
		if (!strcmp(section->type, "defaults") &&
		    !strcmp(ks_uci_option(section, "synflood_protect", ks_uci_option(section, "syn_flood", "0")), "1"))
			err = ks_import_note(uci->import,
					     "floods of SYN are challenged here, and 'protect' bounds them");
		else if (!strcmp(section->type, "redirect"))
			err = ks_uci_redirect(uci, section);
		else if (!strcmp(section->type, "nat"))
			err = ks_uci_nat(uci, section);
		else if (!strcmp(section->type, "include"))
			err = ks_import_note(uci->import, "the rules of this file are not in the text, neither what it "
							  "accepts nor what it refuses");
		else if (!strcmp(section->type, "forwarding"))
			err = forwarding_add(uci, section);
		else if (!known)
			err = ks_import_note(uci->import, "sections of this type are not read");
	}
	return err;
}

static const struct ks_uci_section *defaults_find(const struct ks_uci *uci)
{
	for (const struct ks_uci_section *section = uci->sections; section; section = section->next) {
		if (!strcmp(section->type, "defaults"))
			return section;
	}
	return NULL;
}

static int zones_read(struct ks_uci *uci)
{
	int err = 0;

	for (const struct ks_uci_section *section = uci->sections; !err && section; section = section->next) {
		uci->import->line = section->line;
		uci->import->text = section->text;
		if (!strcmp(section->type, "zone") && ks_uci_is_on(section, "enabled", true))
			err = zone_add(uci, section);
	}
	if (!err && !uci->zones)
		err = ks_import_fail(uci->import, "there is no zone in it: expected /etc/config/firewall");
	return err;
}

static int guesses_note(struct ks_uci *uci)
{
	uci->import->text = "config zone";
	return uci->guessed
		       ? ks_import_note(uci->import, "the text does not say which devices are the zones' networks: "
						     "expected /etc/config/network before it, or the names of "
						     "interfaces in the zones above")
		       : 0;
}

int ks_uci_read(struct ks_import *import, const char *text, size_t length)
{
	struct ks_uci uci = { .import = import };
	const struct ks_uci_section *defaults;
	const char *policies[3] = { "REJECT", "REJECT", "REJECT" };
	int err;

	uci.last = &uci.sections;
	uci.last_zone = &uci.zones;
	import->families[0] = import->families[1] = true;
	err = sections_read(&uci, text, length);
	err = err ? err : zones_read(&uci);
	if (err)
		return err;
	defaults = defaults_find(&uci);
	for (unsigned i = 0; i < 3 && defaults; i++)
		policies[i] = ks_uci_option(defaults, i == 0 ? "input" : i == 1 ? "output" : "forward", policies[i]);
	err = bases_make(&uci, defaults, policies);
	err = err ? err : ks_uci_sets(&uci);
	err = err ? err : rules_read(&uci, true);
	err = err ? err : rules_read(&uci, false);
	err = err ? err : others_read(&uci);
	err = err ? err : states_add(&uci, uci.input, KS_CT_FORWARDED);
	err = err ? err : states_add(&uci, uci.forward, KS_CT_FORWARDED);
	for (const struct ks_uci_zone *zone = uci.zones; !err && zone; zone = zone->next)
		err = zone_end(&uci, zone, policies);
	return err ? err : guesses_note(&uci);
}
