/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces and their addresses, and the news of both and of tc filters. See netlink.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

#include "kernel/netlink.h"
#include "kernel/netlink_internal.h"

int ks_netlink_open(bool news)
{
	static const unsigned groups[] = { RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0 };

	return ks_netlink_socket(news ? groups : NULL);
}

struct link_ctx {
	ks_interface_fn *fn;
	void *arg;
};

static void read_kind(const struct rtattr *info, struct ks_interface *interface)
{
	const struct rtattr *attr = RTA_DATA(info);
	int length = (int)RTA_PAYLOAD(info);

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == IFLA_INFO_KIND)
			snprintf(interface->kind, sizeof(interface->kind), "%.*s", (int)RTA_PAYLOAD(attr),
				 (const char *)RTA_DATA(attr));
	}
}

/*
 * Returns false if the message does not describe the interface: wireless drivers tell of scans and access points in messages
 * that have nothing but the name, neither a master nor a MAC address (net/wireless/wext-core.c).
 */
static bool read_link_attributes(const struct nlmsghdr *message, const struct ifinfomsg *info,
				 struct ks_interface *interface)
{
	const struct rtattr *attr = IFLA_RTA(info);
	int length = (int)IFLA_PAYLOAD(message);
	bool elsewhere = false;

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == IFLA_WIRELESS)
			return false;
		if (attr->rta_type == IFLA_IFNAME)
			snprintf(interface->name, sizeof(interface->name), "%.*s", (int)RTA_PAYLOAD(attr),
				 (const char *)RTA_DATA(attr));
		else if (attr->rta_type == IFLA_MASTER)
			interface->master = ks_netlink_u32(attr);
		else if (attr->rta_type == IFLA_LINK)
			interface->lower = ks_netlink_u32(attr);
		else if (attr->rta_type == IFLA_LINK_NETNSID)
			elsewhere = true;
		else if (attr->rta_type == IFLA_LINKINFO)
			read_kind(attr, interface);
		else if (attr->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(attr) == sizeof(interface->mac) &&
			 !interface->layer3)
			memcpy(interface->mac, RTA_DATA(attr), sizeof(interface->mac));
	}
	if (elsewhere || interface->lower == interface->ifindex)
		interface->lower = 0;
	return true;
}

static int read_link(const struct nlmsghdr *message, void *arg)
{
	const struct link_ctx *ctx = arg;
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct ks_interface interface = { .gone = message->nlmsg_type == RTM_DELLINK };

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) || info->ifi_family != AF_UNSPEC)
		return 0; /* of another family: a bridge tells about its port */
	interface.ifindex = (unsigned)info->ifi_index;
	interface.up = info->ifi_flags & IFF_UP;
	interface.loopback = info->ifi_type == ARPHRD_LOOPBACK;
	interface.layer3 = info->ifi_type != ARPHRD_ETHER && info->ifi_type != ARPHRD_LOOPBACK;
	if (read_link_attributes(message, info, &interface))
		ctx->fn(&interface, ctx->arg);
	return 0;
}

static int read_filter(const struct nlmsghdr *message, void *arg)
{
	const struct link_ctx *ctx = arg;
	const struct tcmsg *info = NLMSG_DATA(message);
	struct ks_interface interface = { .filters = true };

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	interface.ifindex = (unsigned)info->tcm_ifindex;
	ctx->fn(&interface, ctx->arg);
	return 0;
}

static int read_address_news(const struct nlmsghdr *message, void *arg)
{
	const struct link_ctx *ctx = arg;
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	struct ks_interface interface = { .addresses = true };

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	interface.ifindex = info->ifa_index;
	ctx->fn(&interface, ctx->arg);
	return 0;
}

static int read_link_or_news(const struct nlmsghdr *message, void *arg)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return read_link(message, arg);
	case RTM_DELQDISC:
	case RTM_DELTFILTER:
	case RTM_NEWTFILTER:
		return read_filter(message, arg);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return read_address_news(message, arg);
	}
	return 0;
}

struct address_dump_ctx {
	ks_address_fn *fn;
	void *arg;
	unsigned ifindex;
};

/* Ranks addresses from the best: public, fc00::/7, temporary, deprecated, not global. */
static unsigned rank_address(const struct ks_interface_address *address, unsigned scope, unsigned flags)
{
	bool ipv6 = address->family == KS_IPV6;

	if (scope != RT_SCOPE_UNIVERSE && scope != RT_SCOPE_SITE)
		return 1;
	if (flags & IFA_F_DEPRECATED)
		return 2;
	if (flags & IFA_F_SECONDARY) /* of IPv6: temporary */
		return 3;
	return ipv6 && (address->addr.b[0] & 0xfe) == 0xfc ? 4 : 5;
}

static bool is_useful(const struct ks_interface_address *address, unsigned scope, unsigned flags)
{
	if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) && !(flags & IFA_F_OPTIMISTIC))
		return false;
	return scope < RT_SCOPE_HOST && !(scope == RT_SCOPE_LINK && address->family == KS_IPV6);
}

/* Reads the address and returns its flags. Where IFA_LOCAL is given too, IFA_ADDRESS is the address of the peer. */
static unsigned read_address_attributes(const struct nlmsghdr *message, const struct ifaddrmsg *info,
					struct ks_interface_address *address)
{
	const struct rtattr *attr = IFA_RTA(info);
	int length = (int)IFA_PAYLOAD(message);
	size_t size = address->family == KS_IPV4 ? 4 : 16;
	unsigned flags = info->ifa_flags;
	bool local = false;

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == IFA_FLAGS && RTA_PAYLOAD(attr) == sizeof(flags))
			memcpy(&flags, RTA_DATA(attr), sizeof(flags));
		if (RTA_PAYLOAD(attr) != size || (attr->rta_type != IFA_LOCAL && attr->rta_type != IFA_ADDRESS))
			continue;
		if (attr->rta_type == IFA_ADDRESS)
			memcpy(address->network.b + sizeof(address->network) - size, RTA_DATA(attr), size);
		if (attr->rta_type == IFA_ADDRESS && local)
			continue;
		local |= attr->rta_type == IFA_LOCAL;
		memcpy(address->addr.b + sizeof(address->addr) - size, RTA_DATA(attr), size);
	}
	return flags;
}

static int read_address(const struct nlmsghdr *message, void *arg)
{
	const struct address_dump_ctx *ctx = arg;
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	struct ks_interface_address address = { 0 };
	unsigned flags;

	if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6) ||
	    (ctx->ifindex && ctx->ifindex != info->ifa_index))
		return 0;
	address.ifindex = info->ifa_index;
	address.family = info->ifa_family == AF_INET ? KS_IPV4 : KS_IPV6;
	address.length = info->ifa_prefixlen;
	flags = read_address_attributes(message, info, &address);
	address.rank = rank_address(&address, info->ifa_scope, flags);
	if (is_useful(&address, info->ifa_scope, flags))
		ctx->fn(&address, ctx->arg);
	return 0;
}

static void gather_address(const struct ks_interface_address *address, void *arg)
{
	ks_netlink_gather(arg, address);
}

int ks_netlink_each_address(unsigned ifindex, ks_address_fn *fn, void *arg)
{
	ks_scoped(ks_gathered) struct ks_gathered gathered = { .entry_size = sizeof(struct ks_interface_address) };
	struct address_dump_ctx ctx = { .fn = gather_address, .arg = &gathered, .ifindex = ifindex };
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETADDR,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int err = ks_netlink_dump_whole(&request, sizeof(request), read_address, &ctx, &gathered);

	for (size_t i = 0; !err && i < gathered.count; i++)
		fn(&((const struct ks_interface_address *)(const void *)gathered.list)[i], arg);
	return err;
}

static void gather_interface(const struct ks_interface *interface, void *arg)
{
	ks_netlink_gather(arg, interface);
}

int ks_netlink_each_interface(ks_interface_fn *fn, void *arg)
{
	ks_scoped(ks_gathered) struct ks_gathered gathered = { .entry_size = sizeof(struct ks_interface) };
	struct link_ctx ctx = { .fn = gather_interface, .arg = &gathered };
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int err = ks_netlink_dump_whole(&request, sizeof(request), read_link_or_news, &ctx, &gathered);

	for (size_t i = 0; !err && i < gathered.count; i++)
		fn(&((const struct ks_interface *)(const void *)gathered.list)[i], arg);
	return err;
}

int ks_netlink_read_news(int fd, ks_interface_fn *fn, void *arg)
{
	struct link_ctx ctx = { .fn = fn, .arg = arg };

	return ks_netlink_read(fd, read_link_or_news, &ctx);
}
