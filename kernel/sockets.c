/* SPDX-License-Identifier: BSD-2-Clause */
/* See sockets.h. */
#include "kernel/sockets.h"

#include <string.h>

#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "core/address.h"
#include "kernel/netlink_internal.h"

#define MAPPED_WORDS 3 /* an IPv4 address in IPv6 is ::ffff:a.b.c.d */

struct each_ctx {
	int (*fn)(const struct ks_socket *socket, void *arg);
	void *arg;
	__u8 proto;
};

static bool is_mapped(const __be32 wire[4])
{
	return !wire[0] && !wire[1] && wire[2] == ks_be32(0xffff);
}

static void read_address(const __be32 wire[4], __u8 family, bool mapped, struct ks_addr *addr)
{
	if (family == KS_IPV4)
		ks_addr_set_ipv4(addr, wire[mapped ? MAPPED_WORDS : 0]);
	else
		memcpy(addr->w, wire, sizeof(addr->w));
}

/* Returns true if a socket of IPv6 takes no IPv4. */
static bool is_v6only(const struct nlmsghdr *message)
{
	const struct inet_diag_msg *info = NLMSG_DATA(message);
	const struct rtattr *attr = (const struct rtattr *)(info + 1);
	int length = (int)NLMSG_PAYLOAD(message, sizeof(*info));

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(attr))
			return *(const __u8 *)RTA_DATA(attr);
	}
	return false;
}

static int read_socket(const struct nlmsghdr *message, void *arg)
{
	const struct each_ctx *ctx = arg;
	const struct inet_diag_msg *info = NLMSG_DATA(message);
	bool is_ipv6, mapped;
	struct ks_socket found = { .tuple.proto = ctx->proto };

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	is_ipv6 = info->idiag_family == AF_INET6;
	mapped = is_ipv6 && is_mapped(info->id.idiag_src);
	found.tuple.family = is_ipv6 && !mapped ? KS_IPV6 : KS_IPV4;
	read_address(info->id.idiag_src, found.tuple.family, mapped, &found.tuple.src);
	read_address(info->id.idiag_dst, found.tuple.family, mapped, &found.tuple.dst);
	found.tuple.sport = info->id.idiag_sport;
	found.tuple.dport = info->id.idiag_dport;
	found.state = info->idiag_state;
	found.ifindex = info->id.idiag_if;
	found.takes_both = found.tuple.family == KS_IPV6 && !is_v6only(message);
	return ctx->fn(&found, ctx->arg);
}

static int each_of_family(unsigned char family, __u32 states, struct each_ctx *ctx)
{
	const struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 info;
	} request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct inet_diag_req_v2)),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.info = { .sdiag_family = family, .sdiag_protocol = ctx->proto, .idiag_states = states },
	};

	return ks_netlink_ask(NETLINK_SOCK_DIAG, &request, sizeof(request), read_socket, ctx);
}

int ks_sockets_each(__u8 proto, __u32 states, int (*fn)(const struct ks_socket *socket, void *arg), void *arg)
{
	struct each_ctx ctx = { .fn = fn, .arg = arg, .proto = proto };

	return each_of_family(AF_INET, states, &ctx) ?: each_of_family(AF_INET6, states, &ctx);
}
