/* SPDX-License-Identifier: BSD-2-Clause */
/* Redirects, new sources and masquerading of OpenWrt's firewall. */
#include <errno.h>
#include <string.h>

#include "import/uci.h"
#include "policy/value.h"

/* The new destination of a redirect, or the new source. */
static int target_make(struct ks_uci *uci, struct ks_draft *draft, const char *address, const char *port)
{
	struct ks_import_target *target = &draft->rule.target;
	__u32 low, high;

	if (address && (ks_value_range(address, &target->range, &target->family) || strchr(address, '/')))
		draft->rule.trouble = "its new address is no address";
	if (port && (ks_word_ports(port, strchr(port, ':') ? ':' : '-', KS_PORT_MAX, &low, &high) || !low))
		draft->rule.trouble = "its new port is no port";
	if (draft->rule.trouble)
		return 0;
	target->address = address;
	target->port = port ? (__u16)low : 0;
	target->port_last = port ? (__u16)high : 0;
	if (address)
		ks_draft_family(draft, target->family);
	return 0;
}

/* A redirect to a new source, which older texts have: `dest` is the zone that packets leave by. */
static int source_read(struct ks_uci *uci, const struct ks_uci_section *section)
{
	const char *address = ks_uci_option(section, "src_dip", NULL);
	struct ks_draft draft;
	int err = ks_uci_conditions(uci, &draft, section);

	err = err ? err : ks_uci_zone(uci, &draft, false, ks_uci_option(section, "src", "*"));
	err = err ? err : ks_uci_zone(uci, &draft, true, ks_uci_option(section, "dest", "*"));
	err = err ? err : ks_uci_values(uci, &draft, section, "dest_ip", KS_DIM_DST, ks_uci_address);
	err = err ? err : ks_uci_values(uci, &draft, section, "dest_port", KS_DIM_DPORT, ks_uci_number);
	draft.rule.kind = KS_IMPORT_SOURCE;
	if (!address)
		draft.rule.trouble = "only the port becomes another one";
	err = err ? err : target_make(uci, &draft, address, ks_uci_option(section, "src_dport", NULL));
	return err ? err : ks_draft_end(&draft, uci->post);
}

/* Returns true if a redirect is for some sources alone: reflection does without them, and is left out here. */
static bool has_sources(const struct ks_uci_section *section)
{
	return ks_uci_option(section, "src_ip", NULL) || ks_uci_option(section, "src_mac", NULL) ||
	       ks_uci_option(section, "ipset", NULL) || ks_uci_option(section, "device", NULL);
}

int ks_uci_redirect(struct ks_uci *uci, const struct ks_uci_section *section)
{
	const char *target = ks_uci_option(section, "target", "DNAT");
	const char *address = ks_uci_option(section, "dest_ip", NULL);
	struct ks_draft draft;
	int err;

	if (!ks_uci_is_on(section, "enabled", true))
		return 0;
	if (!strcmp(target, "SNAT"))
		return source_read(uci, section);
	if (strcmp(target, "DNAT") != 0)
		return ks_import_note(uci->import, "redirects here have no such target");
	err = ks_uci_conditions(uci, &draft, section);
	err = err ? err : ks_uci_values(uci, &draft, section, "src_dport", KS_DIM_DPORT, ks_uci_number);
	draft.rule.kind = address ? KS_IMPORT_FORWARD : KS_IMPORT_REDIRECT;
	err = err ? err : target_make(uci, &draft, address, ks_uci_option(section, "dest_port", NULL));
	err = err ? err : ks_uci_times(&draft, section);
	if (!err && address && !has_sources(section))
		err = ks_uci_reflect(uci, &draft, section);
	err = err ? err : ks_uci_zone(uci, &draft, false, ks_uci_option(section, "src", "*"));
	err = err ? err : ks_uci_values(uci, &draft, section, "src_dip", KS_DIM_DST, ks_uci_address);
	return err ? err : ks_draft_end(&draft, uci->pre);
}

/* `config nat`, whose `src` is the zone that packets leave by. */
int ks_uci_nat(struct ks_uci *uci, const struct ks_uci_section *section)
{
	const char *target = ks_uci_option(section, "target", "MASQUERADE");
	struct ks_draft draft;
	int err;

	if (!ks_uci_is_on(section, "enabled", true))
		return 0;
	err = ks_uci_conditions(uci, &draft, section);
	err = err ? err : ks_uci_zone(uci, &draft, true, ks_uci_option(section, "src", "*"));
	err = err ? err : ks_uci_values(uci, &draft, section, "dest_ip", KS_DIM_DST, ks_uci_address);
	err = err ? err : ks_uci_values(uci, &draft, section, "dest_port", KS_DIM_DPORT, ks_uci_number);
	draft.rule.kind = !strcmp(target, "SNAT")     ? KS_IMPORT_SOURCE
			  : !strcmp(target, "ACCEPT") ? KS_IMPORT_ACCEPT
						      : KS_IMPORT_MASQUERADE;
	if (draft.rule.kind == KS_IMPORT_SOURCE && !ks_uci_option(section, "snat_ip", NULL))
		draft.rule.trouble = "only the port becomes another one";
	if (!err && draft.rule.kind == KS_IMPORT_SOURCE)
		err = target_make(uci, &draft, ks_uci_option(section, "snat_ip", NULL),
				  ks_uci_option(section, "snat_port", NULL));
	if (!ks_uci_option(section, "family", NULL) && draft.match[0].has[0] &&
	    !ks_region_is_empty(&draft.match[0].of[0]))
		ks_draft_family(&draft, KS_IPV4); /* it is for IPv6 only if it says so, or has such addresses alone */
	return err ? err : ks_draft_end(&draft, uci->post);
}

static int masquerade_add(struct ks_uci *uci, const struct ks_uci_zone *zone, bool v6)
{
	struct ks_draft draft;
	int err;

	ks_draft_begin(&draft, uci->import);
	ks_draft_family(&draft, v6 ? KS_IPV6 : KS_IPV4);
	ks_draft_zones(&draft, true, zone->zones);
	err = ks_uci_values(uci, &draft, zone->section, "masq_src", KS_DIM_SRC, ks_uci_address);
	err = err ? err : ks_uci_values(uci, &draft, zone->section, "masq_dest", KS_DIM_DST, ks_uci_address);
	draft.rule.kind = KS_IMPORT_MASQUERADE;
	draft.quiet = true;
	return err ? err : ks_draft_end(&draft, uci->post);
}

int ks_uci_masquerade(struct ks_uci *uci, const struct ks_uci_zone *zone)
{
	int err = 0;

	if (ks_uci_is_on(zone->section, "mtu_fix", false))
		ks_import_mss(uci->import, zone->zones, KS_IMPORT_MSS_MTU);
	if (ks_uci_is_on(zone->section, "masq", false))
		err = masquerade_add(uci, zone, false);
	if (!err && ks_uci_is_on(zone->section, "masq6", false))
		err = masquerade_add(uci, zone, true);
	return err;
}
