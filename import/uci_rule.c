/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules and redirects of OpenWrt's firewall. */
#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "import/uci.h"
#include "policy/icmp.h"
#include "policy/value.h"
#include "text/names.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define PART 96

/* The options that are read here, and those that change nothing; all others are conditions that nothing of ours says. */
static const char *const known[] = {
	"name",	      "src",	    "dest",	 "proto",	   "src_ip",	      "dest_ip",
	"src_port",   "dest_port",  "src_dport", "src_dip",	   "src_mac",	      "icmp_type",
	"family",     "target",	    "enabled",	 "limit",	   "limit_burst",     "log",
	"counter",    "reflection", "ipset",	 "weekdays",	   "start_time",      "stop_time",
	"utc_time",   "snat_ip",    "snat_port", "reflection_src", "reflection_zone", "helper",
	"set_helper", "log_limit",  "comment",	 "device",	   "direction",	      "mark",
	"dscp",	      "set_mark",   "set_xmark", "set_dscp"
};

int ks_uci_unsaid(struct ks_draft *draft, const char *key, const char *value)
{
	return ks_draft_unsaid(draft, ks_import_format(draft->import, "%.40s %.100s", key, value), false);
}

/* --- values, of which an option may have several --- */

int ks_uci_number(struct ks_uci *uci, struct ks_draft *draft, const char *value, struct ks_ranges *ranges)
{
	const char dash = strchr(value, ':') ? ':' : '-';
	__u32 low, high;
	int err = ks_word_ports(value, dash, KS_PORT_MAX, &low, &high);

	return err ? err : ks_ranges_number(ranges, low, high);
}

int ks_uci_address(struct ks_uci *uci, struct ks_draft *draft, const char *value, struct ks_ranges *ranges)
{
	return ks_ranges_address(ranges, value);
}

/* "130/0", or "130" with any code. */
static int icmp_numbers(const char *value, __s32 *type, __s32 *code)
{
	const char *rest = value;
	__u64 first, second = 0;
	char part[PART];

	ks_word_part(&rest, '/', part, sizeof(part));
	if (ks_value_number(part, 0, 255, &first) || (rest && ks_value_number(rest, 0, 255, &second)))
		return -EINVAL;
	*type = (__s32)first;
	*code = rest ? (__s32)second : -1;
	return 0;
}

static int icmp_value(struct ks_uci *uci, struct ks_draft *draft, const char *value, struct ks_ranges *ranges)
{
	const bool v6 = !draft->match[0].has[0];
	__s32 type, code;

	if (v6 && !strcmp(value, "bad-header"))
		value = "4/0";
	else if (v6 && !strcmp(value, "unknown-header-type"))
		value = "4/1";
	if (ks_icmp_lookup(v6 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP, value, &type, &code) &&
	    icmp_numbers(value, &type, &code))
		return -EINVAL;
	return ks_ranges_number(ranges, (__u32)type << KS_ICMP_TYPE_SHIFT | (__u32)(code < 0 ? 0 : code),
				(__u32)type << KS_ICMP_TYPE_SHIFT | (__u32)(code < 0 ? 255 : code));
}

/* The values of an option, and those behind '!'. */
struct values {
	struct ks_ranges ranges[2];
	bool any[2];
};

/* Reads all values. Returns 0, -EINVAL for one that is none (*odd), or -errno. */
static int values_read(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section,
		       const char *key, ks_uci_value *read, struct values *values, const char **odd)
{
	char part[PART];
	int err = 0;

	for (unsigned i = 0; !err && i < section->count; i++) {
		if (strcmp(section->key[i], key) != 0)
			continue;
		for (const char *rest = *odd = section->value[i]; !err && rest;) {
			bool negated;

			ks_word_part(&rest, ' ', part, sizeof(part));
			if (!*part)
				continue;
			negated = part[0] == '!';
			values->any[negated] = true;
			err = read(uci, draft, part + negated, &values->ranges[negated]);
		}
	}
	return err;
}

static int values_apply(struct ks_uci *uci, struct ks_draft *draft, struct values *values, enum ks_dim dim,
			bool families)
{
	struct ks_spans spans[2];
	int err = 0;

	for (unsigned negated = 0; !err && negated < 2; negated++) {
		if (!values->any[negated])
			continue;
		err = ks_ranges_take(uci->import, &values->ranges[negated], spans);
		if (err)
			return err;
		if (dim == KS_DIM_SRC || dim == KS_DIM_DST) {
			if (families)
				ks_draft_written(draft, spans);
			err = ks_draft_addresses(draft, dim, spans, negated);
			continue;
		}
		if (dim != KS_DIM_ICMP)
			ks_draft_ported(draft);
		err = ks_draft_numbers(draft, dim, &spans[0], negated);
	}
	return err;
}

int ks_uci_values(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section, const char *key,
		  enum ks_dim dim, ks_uci_value *read)
{
	struct values values = { 0 };
	const char *odd = "";
	int err = values_read(uci, draft, section, key, read, &values, &odd);

	if (err == -EINVAL)
		err = ks_uci_unsaid(draft, key, odd);
	else if (!err)
		err = values_apply(uci, draft, &values, dim, !ks_uci_option(section, "family", NULL));
	ks_ranges_fini(&values.ranges[0]);
	ks_ranges_fini(&values.ranges[1]);
	return err;
}

/* --- protocols and zones --- */

/* Adds the protocols of a value. Returns 1 for all of them, 0, or -EINVAL for one that is not known. */
static int protos_add(const char *value, __u64 protos[KS_PROTO_WORDS])
{
	__u64 number;
	char part[PART];

	for (const char *rest = value; rest;) {
		int proto;

		ks_word_part(&rest, ' ', part, sizeof(part));
		if (!*part)
			continue;
		if (!strcmp(part, "all") || !strcmp(part, "any") || !strcmp(part, "0"))
			return 1;
		if (!strcmp(part, "tcpudp")) {
			protos[0] |= 1ULL << KS_PROTO_TCP | 1ULL << KS_PROTO_UDP;
			continue;
		}
		proto = ks_proto_from_name(!strcmp(part, "ipv6-icmp") ? "icmpv6" : part);
		if (proto < 0 && ks_value_number(part, 0, 255, &number))
			return -EINVAL;
		proto = proto < 0 ? (int)number : proto;
		protos[proto / 64] |= 1ULL << proto % 64;
		if (proto == KS_PROTO_ICMP) /* means that of the family */
			protos[KS_PROTO_ICMPV6 / 64] |= 1ULL << KS_PROTO_ICMPV6 % 64;
	}
	return 0;
}

/* An option, or a list of them. Without one rules and redirects are for TCP and UDP, and new sources for these with ports alone. */
static int protos_read(struct ks_draft *draft, const struct ks_uci_section *section)
{
	__u64 protos[KS_PROTO_WORDS] = { 0 };
	bool any = false;

	for (unsigned i = 0; i < section->count; i++) {
		int is;

		if (strcmp(section->key[i], "proto") != 0)
			continue;
		any = true;
		is = protos_add(section->value[i], protos);
		if (is)
			return is < 0 ? ks_uci_unsaid(draft, "proto", section->value[i]) : 0;
	}
	if (!any && !strcmp(section->type, "nat") && !ks_uci_option(section, "src_port", NULL) &&
	    !ks_uci_option(section, "dest_port", NULL) && !ks_uci_option(section, "snat_port", NULL))
		return 0;
	if (!any)
		protos_add("tcp udp", protos);
	ks_import_match_protos(&draft->match[0], protos);
	return 0;
}

int ks_uci_zone(struct ks_uci *uci, struct ks_draft *draft, bool to, const char *name)
{
	const struct ks_uci_zone *zone = ks_uci_zone_find(uci, name);

	if (!strcmp(name, "*"))
		return ks_draft_zones(draft, to, ~SELF);
	if (!zone)
		return ks_uci_unsaid(draft, "zone", name);
	ks_draft_zones(draft, to, zone->zones);
	return zone->narrow ? ks_uci_unsaid(draft, "some networks of zone", name) : 0;
}

void ks_uci_family(struct ks_draft *draft, const char *family)
{
	if (strstr(family, "4"))
		ks_draft_family(draft, KS_IPV4);
	else if (strstr(family, "6"))
		ks_draft_family(draft, KS_IPV6);
}

static int others_read(struct ks_draft *draft, const struct ks_uci_section *section)
{
	int err = 0;

	for (unsigned i = 0; !err && i < section->count; i++) {
		bool is = false;

		for (size_t at = 0; at < KS_ARRAY_SIZE(known); at++)
			is |= !strcmp(known[at], section->key[i]);
		if (!is)
			err = ks_uci_unsaid(draft, section->key[i], section->value[i]);
	}
	return err;
}

/* "1000/sec": as many packets are let through; for other targets nobody knows which ones. */
static int limit_read(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section)
{
	static const char *const units[] = { "second", "minute", "hour", "day" };
	const char *value = ks_uci_option(section, "limit", NULL), *slash = value ? strchr(value, '/') : NULL;
	struct ks_import_limit *limit;
	char number[PART];

	if (!value)
		return 0;
	limit = ks_pool_alloc(&uci->import->pool, sizeof(*limit));
	if (!limit)
		return -ENOMEM;
	*limit = (struct ks_import_limit){ .per = "", .unit = slash ? NULL : units[0], .burst = 5 };
	snprintf(number, sizeof(number), "%.*s", slash ? (int)(slash - value) : (int)strlen(value), value);
	for (size_t i = 0; slash && slash[1] && i < KS_ARRAY_SIZE(units); i++)
		limit->unit = strncmp(units[i], slash + 1, strlen(slash + 1)) ? limit->unit : units[i];
	if (draft->rule.kind != KS_IMPORT_ACCEPT || !limit->unit ||
	    ks_value_number(number, 1, 1000000000, &limit->amount) ||
	    ks_value_number(ks_uci_option(section, "limit_burst", "5"), 1, 1000000000, &limit->burst))
		return ks_uci_unsaid(draft, "limit", value);
	draft->rule.limit = limit;
	return 0;
}

/* An interface, with the direction in which packets pass it. */
static int device_read(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section)
{
	const char *device = ks_uci_option(section, "device", NULL);
	const char *direction = ks_uci_option(section, "direction", "");
	const bool out = !strcmp(direction, "out"), negated = device && device[0] == '!';
	__u64 zones = 0;
	int err;

	if (!device)
		return 0;
	err = strcmp(direction, "in") != 0 && !out ? -EINVAL
						   : ks_import_interface(uci->import, device + negated, &zones);
	if (err == -EINVAL)
		return ks_uci_unsaid(draft, "device", device);
	return err ? err : ks_draft_zones(draft, out, negated ? ~zones : zones);
}

/* The conditions that rules and redirects have alike. */
int ks_uci_conditions(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section)
{
	int err;

	ks_draft_begin(draft, uci->import);
	ks_uci_family(draft, ks_uci_option(section, "family", "any"));
	err = protos_read(draft, section);
	err = err ? err : ks_uci_values(uci, draft, section, "src_ip", KS_DIM_SRC, ks_uci_address);
	err = err ? err : ks_uci_values(uci, draft, section, "src_port", KS_DIM_SPORT, ks_uci_number);
	err = err ? err : device_read(uci, draft, section);
	err = err ? err : ks_uci_macs(draft, section);
	err = err ? err : ks_uci_set(uci, draft, section);
	err = err ? err : ks_uci_fields(draft, section);
	return err ? err : others_read(draft, section);
}

/* --- rules --- */

/* Types of ICMP are of a family: names that both have are one rule for each. */
static int icmp_read(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section)
{
	const char *types = ks_uci_option(section, "icmp_type", NULL);
	const char *proto = ks_uci_option(section, "proto", "tcp udp");

	if (!types)
		return 0;
	if (strcmp(proto, "icmp") != 0 && strcmp(proto, "icmpv6") != 0 && strcmp(proto, "ipv6-icmp") != 0)
		return ks_uci_unsaid(draft, "icmp_type", types); /* only of some of the protocols */
	if (draft->match[0].has[0] && draft->match[0].has[1]) /* a rule of both families means the older one */
		ks_draft_family(draft, KS_IPV4);
	return ks_uci_values(uci, draft, section, "icmp_type", KS_DIM_ICMP, icmp_value);
}

/* The chain of a rule, by the ends that it names. */
static struct ks_import_chain *rule_chain(struct ks_uci *uci, const struct ks_uci_section *section)
{
	if (!ks_uci_option(section, "src", NULL))
		return uci->output;
	return ks_uci_option(section, "dest", NULL) ? uci->forward : uci->input;
}

static int target_read(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section)
{
	const char *target = ks_uci_option(section, "target", "DROP");

	draft->rule.kind = ks_uci_verdict(target);
	if (draft->rule.kind == KS_IMPORT_DROP && strcmp(target, "DROP") != 0 && strcmp(target, "drop") != 0) {
		draft->rule.kind = KS_IMPORT_SKIPPED;
		return ks_import_note(uci->import, "rules here have no such target");
	}
	return 0;
}

int ks_uci_rule(struct ks_uci *uci, const struct ks_uci_section *section)
{
	const char *from = ks_uci_option(section, "src", NULL), *to = ks_uci_option(section, "dest", NULL);
	struct ks_import_chain *chain = rule_chain(uci, section);
	struct ks_draft draft;
	int err, is;

	if (!ks_uci_is_on(section, "enabled", true))
		return 0;
	err = ks_uci_conditions(uci, &draft, section);
	err = err ? err : ks_uci_values(uci, &draft, section, "dest_ip", KS_DIM_DST, ks_uci_address);
	err = err ? err : ks_uci_values(uci, &draft, section, "dest_port", KS_DIM_DPORT, ks_uci_number);
	err = err ? err : icmp_read(uci, &draft, section);
	if (!err && from)
		err = ks_uci_zone(uci, &draft, false, from);
	if (!err && to)
		err = ks_uci_zone(uci, &draft, true, to);
	is = err ? err : ks_uci_mark(uci, &draft, section, &chain);
	err = is ? KS_MIN(is, 0) : target_read(uci, &draft, section);
	err = err ? err : ks_uci_times(&draft, section);
	err = err ? err : limit_read(uci, &draft, section);
	return err ? err : ks_draft_end(&draft, chain);
}
