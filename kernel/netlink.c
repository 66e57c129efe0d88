/* SPDX-License-Identifier: BSD-2-Clause */
/* See netlink.h. Messages are read with the macros of linux/netlink.h, which check lengths. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "kernel/netlink.h"
#include "kernel/netlink_internal.h"

#define KS_BUFFER 32768
#define KS_DUMP_TRIES 16 /* while interfaces come and go all the time */
#define KS_BACKLOG (4 << 20) /* bytes of news that may wait while the daemon is busy */

static int open_socket(bool blocks)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (blocks ? 0 : SOCK_NONBLOCK), NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int ks_netlink_socket(const unsigned *groups)
{
	const int backlog = KS_BACKLOG;
	int fd = open_socket(!groups);

	if (fd < 0 || !groups)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &backlog, sizeof(backlog)); /* without it news are lost sooner */
	for (; *groups; groups++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups, sizeof(*groups)) && errno != EINVAL) {
			int err = -errno;

			close(fd);
			return err;
		}
	}
	return fd;
}

int ks_netlink_open(bool news)
{
	static const unsigned groups[] = { RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0 };

	return ks_netlink_socket(news ? groups : NULL);
}

/*
 * Calls fn for the messages of a datagram. Returns 1 when the reply is over, 0 if more follows, -errno. Clears *whole if
 * something changed while the kernel wrote the reply, so that parts may be missing.
 */
static int each_message(const void *buffer, int length, ks_message_fn *fn, void *arg, bool *whole)
{
	const struct nlmsghdr *message = buffer;

	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		*whole &= !(message->nlmsg_flags & NLM_F_DUMP_INTR);
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(message))->error ?: 1;
		if (fn(message, arg))
			return 1;
	}
	return 0;
}

static int read_reply(int fd, ks_message_fn *fn, void *arg, bool *whole)
{
	char buffer[KS_BUFFER] __attribute__((aligned(8)));
	int result = 0;

	while (!result) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		result = each_message(buffer, (int)n, fn, arg, whole);
	}
	return result < 0 ? result : 0;
}

static int dump(const void *request, size_t size, ks_message_fn *fn, void *arg, bool *whole)
{
	int fd = ks_netlink_socket(NULL);
	int err;

	*whole = true;
	if (fd < 0)
		return fd;
	err = send(fd, request, size, 0) == (ssize_t)size ? read_reply(fd, fn, arg, whole) : -errno;
	close(fd);
	return err;
}

int ks_netlink_dump(const void *request, size_t size, ks_message_fn *fn, void *arg)
{
	bool whole;

	return dump(request, size, fn, arg, &whole);
}

/* Entries of a reply that is read again until it is whole. */
struct gathered {
	char *list;
	size_t entry_size;
	size_t count;
	int err;
};

static void gather(struct gathered *gathered, const void *entry)
{
	char *list = reallocarray(gathered->list, gathered->count + 1, gathered->entry_size);

	if (!list) {
		gathered->err = -ENOMEM;
		return;
	}
	gathered->list = list;
	memcpy(list + gathered->count++ * gathered->entry_size, entry, gathered->entry_size);
}

static int dump_whole(const void *request, size_t size, ks_message_fn *fn, void *arg, struct gathered *gathered)
{
	for (unsigned i = 0; i < KS_DUMP_TRIES; i++) {
		bool whole;
		int err;

		gathered->count = 0;
		err = dump(request, size, fn, arg, &whole) ?: gathered->err;
		if (err || whole)
			return err;
	}
	return -EAGAIN;
}

int ks_netlink_read(int fd, ks_message_fn *fn, void *arg)
{
	char buffer[KS_BUFFER] __attribute__((aligned(8)));
	bool whole = true; /* of news nobody asks */

	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		each_message(buffer, (int)n, fn, arg, &whole);
	}
}

struct link_reader {
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

static unsigned number_of(const struct rtattr *attr)
{
	unsigned number = 0;

	if (RTA_PAYLOAD(attr) == sizeof(number))
		memcpy(&number, RTA_DATA(attr), sizeof(number));
	return number;
}

/*
 * Returns false if the message does not describe the interface: wireless drivers tell of scans and access points in messages
 * that have nothing but the name, neither a master nor a MAC address (net/wireless/wext-core.c).
 */
static bool read_attributes(const struct nlmsghdr *message, const struct ifinfomsg *info,
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
			interface->master = number_of(attr);
		else if (attr->rta_type == IFLA_LINK)
			interface->lower = number_of(attr);
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
	const struct link_reader *reader = arg;
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct ks_interface interface = { .gone = message->nlmsg_type == RTM_DELLINK };

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) || info->ifi_family != AF_UNSPEC)
		return 0; /* another family: a bridge's word about its port */
	interface.ifindex = (unsigned)info->ifi_index;
	interface.up = info->ifi_flags & IFF_UP;
	interface.loopback = info->ifi_type == ARPHRD_LOOPBACK;
	interface.layer3 = info->ifi_type != ARPHRD_ETHER && info->ifi_type != ARPHRD_LOOPBACK;
	if (read_attributes(message, info, &interface))
		reader->fn(&interface, reader->arg);
	return 0;
}

static int read_filter(const struct nlmsghdr *message, void *arg)
{
	const struct link_reader *reader = arg;
	const struct tcmsg *info = NLMSG_DATA(message);
	struct ks_interface interface = { .filters = true };

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	interface.ifindex = (unsigned)info->tcm_ifindex;
	reader->fn(&interface, reader->arg);
	return 0;
}

static int read_address_news(const struct nlmsghdr *message, void *arg)
{
	const struct link_reader *reader = arg;
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	struct ks_interface interface = { .addresses = true };

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	interface.ifindex = info->ifa_index;
	reader->fn(&interface, reader->arg);
	return 0;
}

static int read_any(const struct nlmsghdr *message, void *arg)
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

struct address_reader {
	ks_address_fn *fn;
	void *arg;
	unsigned ifindex;
};

/* Of global addresses the lasting ones before temporary, these before deprecated; fc00::/7 after the public ones. */
static unsigned rank_of(const struct ks_interface_address *address, unsigned scope, unsigned flags)
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

/* Where both are given, IFA_ADDRESS is the peer's. */
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
		if (RTA_PAYLOAD(attr) != size ||
		    (attr->rta_type != IFA_LOCAL && (attr->rta_type != IFA_ADDRESS || local)))
			continue;
		local |= attr->rta_type == IFA_LOCAL;
		memcpy(address->addr.b + sizeof(address->addr) - size, RTA_DATA(attr), size);
	}
	return flags;
}

static int read_address(const struct nlmsghdr *message, void *arg)
{
	const struct address_reader *reader = arg;
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	struct ks_interface_address address = { 0 };
	unsigned flags;

	if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6) ||
	    (reader->ifindex && reader->ifindex != info->ifa_index))
		return 0;
	address.ifindex = info->ifa_index;
	address.family = info->ifa_family == AF_INET ? KS_IPV4 : KS_IPV6;
	flags = read_address_attributes(message, info, &address);
	address.rank = rank_of(&address, info->ifa_scope, flags);
	if (is_useful(&address, info->ifa_scope, flags))
		reader->fn(&address, reader->arg);
	return 0;
}

static void gather_address(const struct ks_interface_address *address, void *arg)
{
	gather(arg, address);
}

int ks_netlink_each_address(unsigned ifindex, ks_address_fn *fn, void *arg)
{
	struct gathered gathered = { .entry_size = sizeof(struct ks_interface_address) };
	struct address_reader reader = { .fn = gather_address, .arg = &gathered, .ifindex = ifindex };
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETADDR,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};

	int err = dump_whole(&request, sizeof(request), read_address, &reader, &gathered);

	for (size_t i = 0; !err && i < gathered.count; i++)
		fn(&((const struct ks_interface_address *)(const void *)gathered.list)[i], arg);
	free(gathered.list);
	return err;
}

static void gather_interface(const struct ks_interface *interface, void *arg)
{
	gather(arg, interface);
}

int ks_netlink_each_interface(ks_interface_fn *fn, void *arg)
{
	struct gathered gathered = { .entry_size = sizeof(struct ks_interface) };
	struct link_reader reader = { .fn = gather_interface, .arg = &gathered };
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};

	int err = dump_whole(&request, sizeof(request), read_any, &reader, &gathered);

	for (size_t i = 0; !err && i < gathered.count; i++)
		fn(&((const struct ks_interface *)(const void *)gathered.list)[i], arg);
	free(gathered.list);
	return err;
}

int ks_netlink_read_news(int fd, ks_interface_fn *fn, void *arg)
{
	struct link_reader reader = { .fn = fn, .arg = arg };

	return ks_netlink_read(fd, read_any, &reader);
}

static int read_route(const struct nlmsghdr *message, void *arg)
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
	err = ks_netlink_dump(&request, request.header.nlmsg_len, read_route, &found);
	if (err && err != -ENETUNREACH && err != -EHOSTUNREACH)
		return err;
	*ifindex = found;
	return 0;
}

/* Asks for the qdiscs of an interface, or with a parent for the filters below it. */
static int dump_tc(unsigned short type, unsigned ifindex, __u32 parent, ks_message_fn *fn, void *arg)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.info = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parent },
	};

	return ks_netlink_dump(&request, sizeof(request), fn, arg);
}

struct qdisc_reader {
	unsigned ifindex;
	bool is_ingress;
};

static int read_qdisc(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *info = NLMSG_DATA(message);
	const struct rtattr *attr = TCA_RTA(info);
	int length = (int)NLMSG_PAYLOAD(message, sizeof(*info));
	struct qdisc_reader *reader = arg;

	if (message->nlmsg_type != RTM_NEWQDISC || (unsigned)info->tcm_ifindex != reader->ifindex)
		return 0;
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == TCA_KIND && !strncmp(RTA_DATA(attr), "ingress", RTA_PAYLOAD(attr)))
			reader->is_ingress = true;
	}
	return 0;
}

int ks_netlink_has_ingress_qdisc(unsigned ifindex)
{
	struct qdisc_reader reader = { .ifindex = ifindex };

	return dump_tc(RTM_GETQDISC, ifindex, 0, read_qdisc, &reader) ?: reader.is_ingress;
}

/* Only chain 0 is entered by itself. */
static bool is_of_first_chain(const struct nlmsghdr *message, const struct tcmsg *info)
{
	const struct rtattr *attr = TCA_RTA(info);
	int length = (int)NLMSG_PAYLOAD(message, sizeof(*info));
	__u32 chain = 0;

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == TCA_CHAIN && RTA_PAYLOAD(attr) == sizeof(chain))
			memcpy(&chain, RTA_DATA(attr), sizeof(chain));
	}
	return chain == 0;
}

/* Filters come in the order in which they are asked. */
static int take_first_filter(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *info = NLMSG_DATA(message);
	struct ks_first_filter *first = arg;

	if (message->nlmsg_type != RTM_NEWTFILTER || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    !info->tcm_handle || !is_of_first_chain(message, info))
		return 0;
	first->handle = info->tcm_handle;
	first->priority = TC_H_MAJ(info->tcm_info) >> 16;
	first->all_protocols = TC_H_MIN(info->tcm_info) == htons(ETH_P_ALL);
	return 1;
}

int ks_netlink_first_filter(unsigned ifindex, bool egress, struct ks_first_filter *first)
{
	__u32 parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);

	memset(first, 0, sizeof(*first));
	return dump_tc(RTM_GETTFILTER, ifindex, parent, take_first_filter, first);
}

/* The kernel also lists a header for each (priority, protocol) without a handle: only filters have TCA_OPTIONS. */
static int count_filter(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *info = NLMSG_DATA(message);
	int *count = arg;

	if (message->nlmsg_type == RTM_NEWTFILTER && info->tcm_handle)
		(*count)++;
	return 0;
}

static int find_filter(const struct nlmsghdr *message, void *arg)
{
	count_filter(message, arg);
	return *(const int *)arg > 0;
}

/* Adds the filters below a parent to *count. */
static int count_below(unsigned ifindex, __u32 parent, int *count)
{
	return dump_tc(RTM_GETTFILTER, ifindex, parent, count_filter, count);
}

int ks_netlink_count_filters(unsigned ifindex)
{
	int count = 0, err = count_below(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), &count);

	return err ?: count_below(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), &count) ?: count;
}

int ks_netlink_has_ingress_filters(unsigned ifindex)
{
	int count = 0, err;

	err = dump_tc(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), find_filter, &count);
	if (!err && !count) /* the older qdisc has another handle and no parts */
		err = dump_tc(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_INGRESS, 0), find_filter, &count);
	return err ?: count > 0;
}
