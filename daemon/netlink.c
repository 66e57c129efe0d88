/* SPDX-License-Identifier: BSD-2-Clause */
/* See netlink.h. Messages are read with the macros of linux/netlink.h, which check lengths. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "netlink.h"

#define KS_BUFFER 32768

/* Handles one message of a reply; nonzero ends the reading. */
typedef int message_fn(const struct nlmsghdr *message, void *arg);

int ks_netlink_open(bool news)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = news ? RTMGRP_LINK | RTMGRP_TC : 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (news ? SOCK_NONBLOCK : 0), NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Calls fn for the messages of a datagram. Returns 1 when the reply is over, 0 if more follows, -errno. */
static int each_message(const void *buffer, int length, message_fn *fn, void *arg)
{
	const struct nlmsghdr *message = buffer;

	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(message))->error ?: 1;
		fn(message, arg);
	}
	return 0;
}

static int read_reply(int fd, message_fn *fn, void *arg)
{
	char buffer[KS_BUFFER] __attribute__((aligned(8)));
	int result = 0;

	while (!result) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		result = each_message(buffer, (int)n, fn, arg);
	}
	return result < 0 ? result : 0;
}

static int dump(const void *request, size_t size, message_fn *fn, void *arg)
{
	int fd = ks_netlink_open(false);
	int err;

	if (fd < 0)
		return fd;
	err = send(fd, request, size, 0) == (ssize_t)size ? read_reply(fd, fn, arg) : -errno;
	close(fd);
	return err;
}

struct link_reader {
	ks_interface_fn *fn;
	void *arg;
};

static void read_attributes(const struct nlmsghdr *message, const struct ifinfomsg *info, struct ks_interface *interface)
{
	const struct rtattr *attr = IFLA_RTA(info);
	int length = (int)IFLA_PAYLOAD(message);

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == IFLA_IFNAME)
			snprintf(interface->name, sizeof(interface->name), "%.*s", (int)RTA_PAYLOAD(attr),
				 (const char *)RTA_DATA(attr));
		else if (attr->rta_type == IFLA_MASTER)
			interface->bridged = true;
	}
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
	interface.layer3 = info->ifi_type != ARPHRD_ETHER && info->ifi_type != ARPHRD_LOOPBACK;
	read_attributes(message, info, &interface);
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
	}
	return 0;
}

int ks_netlink_each_interface(ks_interface_fn *fn, void *arg)
{
	struct link_reader reader = { .fn = fn, .arg = arg };
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};

	return dump(&request, sizeof(request), read_any, &reader);
}

int ks_netlink_read_news(int fd, ks_interface_fn *fn, void *arg)
{
	struct link_reader reader = { .fn = fn, .arg = arg };
	char buffer[KS_BUFFER] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		each_message(buffer, (int)n, read_any, &reader);
	}
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
	err = dump(&request, request.header.nlmsg_len, read_route, &found);
	if (err && err != -ENETUNREACH && err != -EHOSTUNREACH)
		return err;
	*ifindex = found;
	return 0;
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

int ks_netlink_count_filters(unsigned ifindex)
{
	static const __u32 parents[] = { TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
					 TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) };
	int count = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct {
			struct nlmsghdr header;
			struct tcmsg info;
		} request = {
			.header = { .nlmsg_len = sizeof(request),
				    .nlmsg_type = RTM_GETTFILTER,
				    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
			.info = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parents[i] },
		};
		int err = dump(&request, sizeof(request), count_filter, &count);

		if (err)
			return err;
	}
	return count;
}
