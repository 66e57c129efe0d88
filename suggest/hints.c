/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See hints.h. A connection to the port of a protocol that announces others may be of that protocol, and a source of a private
 * network that asks the Internet is translated somewhere: here, or behind the firewall. The traffic does not say it for sure, so
 * that these are comments with the statement that would do.
 */
#include "suggest/hints.h"

#include "core/header/packet.h"
#include "core/helper/id.h"
#include "policy/helper.h"

#define PRIVATE_10 0x0a000000U /* RFC 1918 */
#define PRIVATE_172 0xac100000U
#define PRIVATE_192 0xc0a80000U
#define MASK_8 0xff000000U
#define MASK_12 0xfff00000U
#define MASK_16 0xffff0000U
#define GROUPS 0xe0000000U /* and what lies behind them */
#define BIT(zone) (1ULL << (zone))

static void zones_write(const struct ks_policy *zones, __u64 some, FILE *out)
{
	const bool several = some & (some - 1);
	const char *comma = several ? "{ " : "";

	for (; some; some &= some - 1, comma = ", ")
		fprintf(out, "%s%s", comma, ks_policy_zone_name(zones, (unsigned)__builtin_ctzll(some)));
	fputs(several ? " }" : "", out);
}

/* --- helpers --- */

static bool has_port(const struct ks_region *region, __u16 port)
{
	const struct ks_spans *ports = &region->dim[KS_DIM_DPORT];

	for (__u32 i = 0; i < ports->count; i++) {
		if (port >= ports->list[i].lo[1] && port <= ports->list[i].hi[1])
			return true;
	}
	return false;
}

static bool may_need(const struct ks_region *region, unsigned helper)
{
	const bool has_tcp = region->proto[0] >> KS_PROTO_TCP & 1, has_udp = region->proto[0] >> KS_PROTO_UDP & 1;

	return ((has_tcp && ks_helper_has_proto(helper, KS_PROTO_TCP)) ||
		(has_udp && ks_helper_has_proto(helper, KS_PROTO_UDP))) &&
	       has_port(region, ks_helper_port(helper));
}

static bool has_helper(const struct ks_policy *settings, unsigned helper)
{
	const struct ks_rule_list *list = &settings->config.list[KS_LIST_HELPER];

	for (__u32 i = list->first; i < list->first + list->count; i++) {
		if (settings->rules[i].helper == helper)
			return true;
	}
	return false;
}

static void helper_write(const struct ks_suggested_list *rules, const struct ks_policy *zones, unsigned helper,
			 FILE *out)
{
	__u64 from = 0, to = 0;

	for (size_t i = 0; i < rules->count; i++) {
		const struct ks_region *region = &rules->list[i].region;

		from |= may_need(region, helper) ? region->from : 0;
		to |= may_need(region, helper) ? region->to : 0;
	}
	if (!from)
		return;
	fprintf(out,
		"# Port %u is that of %s, whose connections announce others. If it is spoken there, these need:\n"
		"#   helper %s from ",
		ks_helper_port(helper), ks_helper_name(helper), ks_helper_name(helper));
	zones_write(zones, from, out);
	fputs(" to ", out);
	zones_write(zones, to, out);
	fputc('\n', out);
}

/* --- translation --- */

static bool is_private(const struct ks_addr *addr)
{
	const __u32 value = ks_be32(addr->w[3]);

	return (value & MASK_8) == PRIVATE_10 || (value & MASK_12) == PRIVATE_172 || (value & MASK_16) == PRIVATE_192;
}

/* Returns true for a connection of a private source with a destination that is in the Internet. */
static bool needs_translation(const struct ks_request *request)
{
	if (request->tuple.family != KS_IPV4 || request->from == KS_ZONE_SELF || request->to == KS_ZONE_SELF)
		return false;
	return is_private(&request->tuple.src) && !is_private(&request->tuple.dst) &&
	       ks_be32(request->tuple.dst.w[3]) < GROUPS;
}

static void translation_write(const struct ks_suggested_list *rules, const struct ks_policy *zones, FILE *out)
{
	__u64 from = 0, to = 0;

	for (size_t i = 0; i < rules->count; i++) {
		for (unsigned n = 0; n < rules->list[i].samples; n++) {
			const struct ks_request *request = &rules->list[i].sample[n];

			from |= needs_translation(request) ? BIT(request->from) : 0;
			to |= needs_translation(request) ? BIT(request->to) : 0;
		}
	}
	if (!from)
		return;
	fputs("# Sources of private networks ask the Internet, and nothing here translates them. If no router behind "
	      "the "
	      "firewall\n# does, they need:\n#   nat from ",
	      out);
	zones_write(zones, from, out);
	fputs(" to ", out);
	zones_write(zones, to, out);
	fputs(" masquerade\n", out);
}

void ks_hints_write(const struct ks_suggested_list *rules, const struct ks_policy *zones,
		    const struct ks_policy *settings, FILE *out)
{
	for (unsigned helper = KS_HELPER_NONE + 1; helper < KS_HELPER_MAX; helper++) {
		if (!has_helper(settings, helper))
			helper_write(rules, zones, helper, out);
	}
	if (!settings->config.list[KS_LIST_SOURCE].count)
		translation_write(rules, zones, out);
}
