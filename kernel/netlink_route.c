/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes, next hops and rules, and where the kernel would send a packet. See netlink_route.h and netlink.h. */
#include <errno.h>
#include <string.h>

#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "kernel/netlink.h"
#include "kernel/netlink_internal.h"
#include "kernel/netlink_route.h"

#define IPV4_DEFAULT_BITS 1 /* a prefix of so many bits or less stands for the rest of the world */
#define IPV6_DEFAULT_BITS 3

int ks_netlink_open_routes(void)
{
	static const unsigned groups[] = { RTNLGRP_IPV4_ROUTE,	 RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
					   RTNLGRP_IPV6_RULE,	 RTNLGRP_NEXTHOP,    RTNLGRP_IPV4_NETCONF,
					   RTNLGRP_IPV6_NETCONF, RTNLGRP_NEIGH,	     0 };

	return ks_netlink_socket(groups);
}

/* --- routes --- */

/* Every link has a route for fe80::/10 and ff00::/8, so these tell nothing. */
static bool is_on_every_link(const struct ks_route *route)
{
	return route->family == KS_IPV6 &&
	       (route->addr.b[0] == 0xff || (route->addr.b[0] == 0xfe && (route->addr.b[1] & 0xc0) == 0x80));
}

enum ks_route_kind ks_route_kind_of(const struct rtmsg *info, const struct ks_route *route, bool has_gateway)
{
	bool is_of_kernel = route->table == RT_TABLE_LOCAL || info->rtm_protocol == RTPROT_KERNEL;
	unsigned default_bits = route->family == KS_IPV4 ? IPV4_DEFAULT_BITS : IPV6_DEFAULT_BITS;

	switch (info->rtm_type) {
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return is_of_kernel ? KS_ROUTE_SELF : KS_ROUTE_OTHER;
	case RTN_BROADCAST:
		return is_of_kernel ? KS_ROUTE_BROADCAST : KS_ROUTE_OTHER;
	case RTN_UNICAST:
		if (route->bits <= default_bits)
			return KS_ROUTE_DEFAULT;
		return has_gateway || is_on_every_link(route) ? KS_ROUTE_OTHER : KS_ROUTE_LINK;
	}
	return KS_ROUTE_OTHER;
}

struct route_ctx {
	ks_route_fn *fn;
	void *arg;
	bool others; /* rules or next hop objects changed */
};

/* The attributes of a route that are of interest. */
struct route_attributes {
	const struct rtattr *hops; /* RTA_MULTIPATH */
	bool has_gateway;
};

static void take_gateway(const struct rtattr *attr, unsigned family, struct ks_addr *gateway)
{
	size_t size = family == KS_IPV4 ? 4 : 16;

	if (RTA_PAYLOAD(attr) == size)
		memcpy(gateway->b + sizeof(*gateway) - size, RTA_DATA(attr), size);
}

static void read_route_attributes(const struct nlmsghdr *message, struct ks_route *route,
				  struct route_attributes *attributes)
{
	const struct rtmsg *info = NLMSG_DATA(message);
	const struct rtattr *attr = RTM_RTA(info);
	int length = (int)RTM_PAYLOAD(message);
	size_t size = route->family == KS_IPV4 ? 4 : 16;

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		switch (attr->rta_type) {
		case RTA_DST:
			if (RTA_PAYLOAD(attr) == size)
				memcpy(route->addr.b + sizeof(route->addr) - size, RTA_DATA(attr), size);
			break;
		case RTA_TABLE:
			route->table = ks_netlink_u32(attr);
			break;
		case RTA_PRIORITY:
			route->metric = ks_netlink_u32(attr);
			break;
		case RTA_OIF:
			route->ifindex = ks_netlink_u32(attr);
			break;
		case RTA_NH_ID:
			route->nexthop = ks_netlink_u32(attr);
			break;
		case RTA_GATEWAY:
			take_gateway(attr, route->family, &route->gateway);
			/* fall through */
		case RTA_VIA:
			attributes->has_gateway = true;
			break;
		case RTA_MULTIPATH:
			attributes->hops = attr;
			break;
		}
	}
}

static unsigned count_hops(const struct rtattr *hops)
{
	const struct rtnexthop *hop = RTA_DATA(hops);
	int length = (int)RTA_PAYLOAD(hops);
	unsigned count = 0;

	for (; RTNH_OK(hop, length) && hop->rtnh_len >= sizeof(*hop); count++) {
		length -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return count;
}

static void read_hop_gateway(const struct rtnexthop *hop, struct ks_route *route)
{
	const struct rtattr *attr = RTNH_DATA(hop);
	int length = (int)hop->rtnh_len - (int)sizeof(*hop);

	memset(&route->gateway, 0, sizeof(route->gateway));
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == RTA_GATEWAY)
			take_gateway(attr, route->family, &route->gateway);
	}
}

/* A route that leads nowhere now still takes the place of the one that it replaces. */
static void tell_replaced(const struct route_ctx *ctx, struct ks_route *route)
{
	if (!route->replaces)
		return;
	route->kind = KS_ROUTE_OTHER;
	ctx->fn(route, ctx->arg);
}

static void tell_hops(const struct route_ctx *ctx, struct ks_route *route, const struct rtattr *hops)
{
	const struct rtnexthop *hop = RTA_DATA(hops);
	int length = (int)RTA_PAYLOAD(hops);

	while (RTNH_OK(hop, length) && hop->rtnh_len >= sizeof(*hop)) {
		route->ifindex = (unsigned)hop->rtnh_ifindex;
		read_hop_gateway(hop, route);
		if (!(hop->rtnh_flags & RTNH_F_DEAD)) {
			ctx->fn(route, ctx->arg);
			route->replaces = false; /* the first living hop has replaced it */
		}
		length -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	tell_replaced(ctx, route);
}

static bool is_route(const struct nlmsghdr *message)
{
	const struct rtmsg *info = NLMSG_DATA(message);

	return (message->nlmsg_type == RTM_NEWROUTE || message->nlmsg_type == RTM_DELROUTE) &&
	       message->nlmsg_len >= NLMSG_LENGTH(sizeof(*info)) &&
	       (info->rtm_family == AF_INET || info->rtm_family == AF_INET6) && !(info->rtm_flags & RTM_F_CLONED);
}

static int read_route(const struct nlmsghdr *message, void *arg)
{
	const struct route_ctx *ctx = arg;
	const struct rtmsg *info = NLMSG_DATA(message);
	struct route_attributes attributes = { 0 };
	struct ks_route route = { .gone = message->nlmsg_type == RTM_DELROUTE,
				  .replaces = message->nlmsg_flags & NLM_F_REPLACE };

	if (!is_route(message))
		return 0;
	route.family = info->rtm_family == AF_INET ? KS_IPV4 : KS_IPV6;
	route.bits = info->rtm_dst_len;
	route.table = info->rtm_table;
	read_route_attributes(message, &route, &attributes);
	route.several = attributes.hops && count_hops(attributes.hops) > 1;
	if (route.ifindex || attributes.hops)
		route.nexthop = 0;
	route.kind = (__u8)ks_route_kind_of(info, &route, attributes.has_gateway || attributes.hops || route.nexthop);
	if (info->rtm_flags & RTNH_F_DEAD)
		tell_replaced(ctx, &route);
	else if (attributes.hops && route.kind == KS_ROUTE_DEFAULT)
		tell_hops(ctx, &route, attributes.hops);
	else if (route.kind != KS_ROUTE_OTHER || route.several || route.replaces)
		ctx->fn(&route, ctx->arg);
	return 0;
}

static int dump_family(unsigned char family, struct route_ctx *ctx)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETROUTE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.info = { .rtm_family = family },
	};

	return ks_netlink_dump(&request, sizeof(request), read_route, ctx);
}

int ks_netlink_each_route(ks_route_fn *fn, void *arg)
{
	struct route_ctx ctx = { .fn = fn, .arg = arg };

	return dump_family(AF_INET, &ctx) ?: dump_family(AF_INET6, &ctx);
}

static int read_route_news(const struct nlmsghdr *message, void *arg)
{
	struct route_ctx *ctx = arg;

	switch (message->nlmsg_type) {
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
	case RTM_NEWNETCONF: /* of forwarding too, that of multicast among them */
	case RTM_DELNETCONF:
		ctx->others = true;
		return 0;
	case RTM_NEWNEIGH: /* that something was heard is all that is of interest */
	case RTM_DELNEIGH:
		return 0;
	}
	return read_route(message, arg);
}

int ks_netlink_read_routes(int fd, ks_route_fn *fn, void *arg, bool *others)
{
	struct route_ctx ctx = { .fn = fn, .arg = arg };
	int err = ks_netlink_read(fd, read_route_news, &ctx);

	*others = ctx.others;
	return err;
}

/* --- rules --- */

static unsigned selector_of(const struct rtattr *attr)
{
	switch (attr->rta_type) {
	case FRA_FWMARK:
	case FRA_FWMASK:
		return 1U << KS_ROUTE_RULE_MARK;
	case FRA_UID_RANGE:
		return 1U << KS_ROUTE_RULE_UID;
	case FRA_IIFNAME:
	case FRA_OIFNAME:
		return 1U << KS_ROUTE_RULE_INTERFACE;
	case FRA_IP_PROTO:
	case FRA_SPORT_RANGE:
	case FRA_DPORT_RANGE:
		return 1U << KS_ROUTE_RULE_PORT;
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_SUPPRESS_IFGROUP:
		return ks_netlink_u32(attr) == ~0U ? 0 : 1U << KS_ROUTE_RULE_TABLE;
	case FRA_TUN_ID:
		return 1U << KS_ROUTE_RULE_TABLE;
	}
	return 0;
}

static int read_rule(const struct nlmsghdr *message, void *arg)
{
	const struct fib_rule_hdr *info = NLMSG_DATA(message);
	const struct rtattr *attr;
	unsigned *rules = arg, selectors;
	int length = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*info));
	__u32 table;
	bool l3mdev = false;

	if (message->nlmsg_type != RTM_NEWRULE || length < 0)
		return 0;
	table = info->table;
	selectors = (info->src_len ? 1U << KS_ROUTE_RULE_SOURCE : 0) |
		    (info->dst_len ? 1U << KS_ROUTE_RULE_DESTINATION : 0) | (info->tos ? 1U << KS_ROUTE_RULE_TOS : 0);
	attr = (const struct rtattr *)((const char *)info + NLMSG_ALIGN(sizeof(*info)));
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		selectors |= selector_of(attr);
		if (attr->rta_type == FRA_TABLE)
			table = ks_netlink_u32(attr);
		else if (attr->rta_type == FRA_L3MDEV)
			l3mdev = true;
	}
	if (!selectors &&
	    (info->action != FR_ACT_TO_TBL || (!l3mdev && (table < RT_TABLE_DEFAULT || table > RT_TABLE_LOCAL))))
		selectors = 1U << KS_ROUTE_RULE_TABLE;
	*rules |= selectors;
	return 0;
}

int ks_netlink_rules(unsigned *rules)
{
	static const unsigned char families[] = { AF_INET, AF_INET6 };
	unsigned found = 0;

	for (unsigned i = 0; i < KS_ARRAY_SIZE(families); i++) {
		struct {
			struct nlmsghdr header;
			struct fib_rule_hdr info;
		} request = {
			.header = { .nlmsg_len = sizeof(request),
				    .nlmsg_type = RTM_GETRULE,
				    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
			.info = { .family = families[i] },
		};
		int err = ks_netlink_dump(&request, sizeof(request), read_rule, &found);

		if (err && err != -EOPNOTSUPP &&
		    err != -EAFNOSUPPORT) /* a kernel without policy routing has no rules */
			return err;
	}
	*rules = found;
	return 0;
}

/* --- next hop objects --- */

struct nexthop_ctx {
	ks_nexthop_fn *fn;
	void *arg;
};

static void read_group(const struct rtattr *attr, struct ks_nexthop *nexthop)
{
	const struct nexthop_grp *members = RTA_DATA(attr);

	nexthop->member_count = (unsigned)(RTA_PAYLOAD(attr) / sizeof(*members));
	for (unsigned i = 0; i < KS_MIN(nexthop->member_count, (unsigned)KS_NEXTHOP_MEMBERS); i++)
		nexthop->members[i] = members[i].id;
}

static int read_nexthop(const struct nlmsghdr *message, void *arg)
{
	const struct nexthop_ctx *ctx = arg;
	const struct nhmsg *info = NLMSG_DATA(message);
	const struct rtattr *attr = (const struct rtattr *)((const char *)info + NLMSG_ALIGN(sizeof(*info)));
	int length = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*info));
	struct ks_nexthop nexthop = { .family = info->nh_family == AF_INET ? KS_IPV4 : KS_IPV6 };

	if (message->nlmsg_type != RTM_NEWNEXTHOP || length < 0)
		return 0;
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == NHA_ID)
			nexthop.id = ks_netlink_u32(attr);
		else if (attr->rta_type == NHA_OIF)
			nexthop.ifindex = ks_netlink_u32(attr);
		else if (attr->rta_type == NHA_GATEWAY)
			take_gateway(attr, nexthop.family, &nexthop.gateway);
		else if (attr->rta_type == NHA_GROUP)
			read_group(attr, &nexthop);
	}
	ctx->fn(&nexthop, ctx->arg);
	return 0;
}

int ks_netlink_each_nexthop(ks_nexthop_fn *fn, void *arg)
{
	struct nexthop_ctx ctx = { .fn = fn, .arg = arg };
	struct {
		struct nlmsghdr header;
		struct nhmsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETNEXTHOP,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int err = ks_netlink_dump(&request, sizeof(request), read_nexthop, &ctx);

	return err == -EOPNOTSUPP ? 0 : err;
}

/* --- a lookup --- */

static int read_lookup(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *info = NLMSG_DATA(message);
	const struct rtattr *attr = RTM_RTA(info);
	int length = (int)RTM_PAYLOAD(message);
	unsigned *ifindex = arg;

	if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == RTA_OIF && info->rtm_type == RTN_UNICAST && RTA_PAYLOAD(attr) == sizeof(*ifindex))
			memcpy(ifindex, RTA_DATA(attr), sizeof(*ifindex));
	}
	return 0;
}

int ks_netlink_route(const void *address, size_t size, unsigned *ifindex)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg info;
		struct rtattr attr;
		unsigned char address[16];
	} request = {
		.header = { .nlmsg_len = (__u32)(NLMSG_LENGTH(sizeof(struct rtmsg)) + RTA_LENGTH(size)),
			    .nlmsg_type = RTM_GETROUTE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.info = { .rtm_family = size == 4 ? AF_INET : AF_INET6, .rtm_dst_len = (unsigned char)(size * 8) },
		.attr = { .rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = RTA_DST },
	};
	unsigned found = 0;
	int err;

	memcpy(request.address, address, size);
	err = ks_netlink_dump(&request, request.header.nlmsg_len, read_lookup, &found);
	if (err && err != -ENETUNREACH && err != -EHOSTUNREACH)
		return err;
	*ifindex = found;
	return 0;
}
