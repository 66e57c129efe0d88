/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reflection of OpenWrt's firewall: hosts behind it reach a server there by the outside address, too. Where the zone of a redirect is
 * masqueraded, its destination is also given to packets of the server's zone (or of others that the section names) from the networks
 * there to an address of the outer zone. A `forward` of ours for such packets makes the firewall's address there their source, as the
 * original does.
 */
#include <errno.h>
#include <string.h>

#include "import/uci.h"

#define NAME_SIZE 64

static const char *zone_name(const struct ks_uci *uci, __u64 zone)
{
	const unsigned at = (unsigned)__builtin_ctzll(zone);

	return at < KS_ZONE_FIRST || at - KS_ZONE_FIRST >= uci->import->zones
		       ? NULL
		       : uci->import->zone[at - KS_ZONE_FIRST].name;
}

/* A source or destination that is the firewall's own network or address in a zone. Returns 0 or -errno. */
static int own_add(struct ks_uci *uci, struct ks_draft *draft, enum ks_import_word word, __u64 zone)
{
	const char *name = zone_name(uci, zone), *text;

	if (!name)
		return -EINVAL;
	text = ks_import_format(uci->import, "%s of %s", word == KS_WORD_SOURCE ? "network" : "address", name);
	return text ? ks_draft_condition(draft, word, text, false) : -ENOMEM;
}

/* Packets from one interface inside to the addresses of one outside, or to those that the section names: outer is 0 then. */
static int one_add(struct ks_uci *uci, const struct ks_draft *redirect, const struct ks_uci_section *section,
		   __u64 inner, __u64 outer)
{
	struct ks_draft draft = *redirect;
	int err;

	draft.quiet = true;
	ks_draft_zones(&draft, false, inner);
	ks_draft_family(&draft, KS_IPV4);
	err = own_add(uci, &draft, KS_WORD_SOURCE, inner);
	if (!err && outer)
		err = own_add(uci, &draft, KS_WORD_DESTINATION, outer);
	else if (!err)
		err = ks_uci_values(uci, &draft, section, "src_dip", KS_DIM_DST, ks_uci_address);
	if (err)
		return err == -EINVAL ? 0 : err;
	return ks_draft_end(&draft, uci->pre);
}

static int zone_add(struct ks_uci *uci, const struct ks_draft *redirect, const struct ks_uci_section *section,
		    const struct ks_uci_zone *inner, const struct ks_uci_zone *outer)
{
	const bool named = ks_uci_option(section, "src_dip", NULL);
	int err = 0;

	if (!inner || inner->narrow)
		return 0;
	for (__u64 in = inner->zones; !err && in; in &= in - 1) {
		if (named)
			err = one_add(uci, redirect, section, in & -in, 0);
		for (__u64 out = outer->zones; !err && out && !named; out &= out - 1)
			err = one_add(uci, redirect, section, in & -in, out & -out);
	}
	return err;
}

int ks_uci_reflect(struct ks_uci *uci, const struct ks_draft *redirect, const struct ks_uci_section *section)
{
	const struct ks_uci_zone *outer = ks_uci_zone_find(uci, ks_uci_option(section, "src", ""));
	const char *inner = ks_uci_option(section, "dest", NULL);
	char name[NAME_SIZE];
	bool others = false;
	int err = 0;

	if (!outer || !inner || !ks_uci_is_on(section, "reflection", true) ||
	    !ks_uci_is_on(outer->section, "masq", false) || !ks_uci_zone_find(uci, inner))
		return 0;
	for (unsigned i = 0; !err && i < section->count; i++) {
		if (strcmp(section->key[i], "reflection_zone") != 0)
			continue;
		others = true;
		for (const char *rest = section->value[i]; !err && rest;) {
			ks_word_part(&rest, ' ', name, sizeof(name));
			err = zone_add(uci, redirect, section, ks_uci_zone_find(uci, name), outer);
		}
	}
	return err || others ? err : zone_add(uci, redirect, section, ks_uci_zone_find(uci, inner), outer);
}
