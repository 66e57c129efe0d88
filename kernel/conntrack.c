/* SPDX-License-Identifier: BSD-2-Clause */
/* See conntrack.h. */
#include "kernel/conntrack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sys/socket.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/address.h"
#include "kernel/netlink_internal.h"

#define COUNT_FILE "/proc/sys/net/netfilter/nf_conntrack_count"
#define CTNETLINK(message) ((__u16)(NFNL_SUBSYS_CTNETLINK << 8 | (message)))

/* The attributes inside an attribute. */
static const struct rtattr *first_inside(const struct rtattr *nest, int *length)
{
	*length = (int)RTA_PAYLOAD(nest);
	return RTA_DATA(nest);
}

#define EACH_INSIDE(attr, nest, length) \
	for (attr = first_inside(nest, &(length)); RTA_OK(attr, length); attr = RTA_NEXT(attr, length))

static inline unsigned type_of(const struct rtattr *attr)
{
	return attr->rta_type & NLA_TYPE_MASK;
}

static __u8 read_u8(const struct rtattr *attr)
{
	return RTA_PAYLOAD(attr) ? *(const __u8 *)RTA_DATA(attr) : 0;
}

/* Numbers of ctnetlink are big endian, but those of its flags. */
static __u32 read_be32(const struct rtattr *attr)
{
	__be32 wire = ks_netlink_u32(attr);

	return ks_be32(wire);
}

static __be16 read_port(const struct rtattr *attr)
{
	__be16 port = 0;

	if (RTA_PAYLOAD(attr) == sizeof(port))
		memcpy(&port, RTA_DATA(attr), sizeof(port));
	return port;
}

static void read_address(const struct rtattr *attr, struct ks_addr *addr)
{
	size_t size = RTA_PAYLOAD(attr);

	if (size <= sizeof(*addr))
		memcpy(addr->b + sizeof(*addr) - size, RTA_DATA(attr), size);
}

static void read_addresses(const struct rtattr *nest, struct ks_tuple *tuple)
{
	const struct rtattr *attr;
	int length;

	EACH_INSIDE(attr, nest, length)
	{
		switch (type_of(attr)) {
		case CTA_IP_V4_SRC:
		case CTA_IP_V6_SRC:
			read_address(attr, &tuple->src);
			break;
		case CTA_IP_V4_DST:
		case CTA_IP_V6_DST:
			read_address(attr, &tuple->dst);
			break;
		}
	}
}

static void read_protocol(const struct rtattr *nest, struct ks_tuple *tuple)
{
	const struct rtattr *attr;
	int length;

	EACH_INSIDE(attr, nest, length)
	{
		switch (type_of(attr)) {
		case CTA_PROTO_NUM:
			tuple->proto = read_u8(attr);
			break;
		case CTA_PROTO_SRC_PORT:
			tuple->sport = read_port(attr);
			break;
		case CTA_PROTO_DST_PORT:
			tuple->dport = read_port(attr);
			break;
		}
	}
}

static void read_tuple(const struct rtattr *nest, __u8 family, struct ks_tuple *tuple)
{
	const struct rtattr *attr;
	int length;

	tuple->family = family;
	EACH_INSIDE(attr, nest, length)
	{
		if (type_of(attr) == CTA_TUPLE_IP)
			read_addresses(attr, tuple);
		else if (type_of(attr) == CTA_TUPLE_PROTO)
			read_protocol(attr, tuple);
	}
}

static void read_tcp(const struct rtattr *nest, struct ks_conntrack *connection)
{
	const struct rtattr *attr;
	int length;

	EACH_INSIDE(attr, nest, length)
	{
		switch (type_of(attr)) {
		case CTA_PROTOINFO_TCP_STATE:
			connection->tcp_state = read_u8(attr);
			break;
		case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
			connection->tcp_flags[KS_ORIGINAL] = read_u8(attr);
			break;
		case CTA_PROTOINFO_TCP_FLAGS_REPLY:
			connection->tcp_flags[KS_REPLY] = read_u8(attr);
			break;
		}
	}
}

static void read_sctp(const struct rtattr *nest, struct ks_conntrack *connection)
{
	const struct rtattr *attr;
	int length;

	EACH_INSIDE(attr, nest, length)
	{
		switch (type_of(attr)) {
		case CTA_PROTOINFO_SCTP_STATE:
			connection->sctp_state = read_u8(attr);
			break;
		case CTA_PROTOINFO_SCTP_VTAG_ORIGINAL:
			connection->sctp_tag[KS_ORIGINAL] = ks_netlink_u32(attr);
			break;
		case CTA_PROTOINFO_SCTP_VTAG_REPLY:
			connection->sctp_tag[KS_REPLY] = ks_netlink_u32(attr);
			break;
		}
	}
}

static void read_machine(const struct rtattr *nest, struct ks_conntrack *connection)
{
	const struct rtattr *attr;
	int length;

	EACH_INSIDE(attr, nest, length)
	{
		if (type_of(attr) == CTA_PROTOINFO_TCP)
			read_tcp(attr, connection);
		else if (type_of(attr) == CTA_PROTOINFO_SCTP)
			read_sctp(attr, connection);
	}
}

/* Returns true if a helper has moved the sequence numbers of a direction. */
static bool is_shifted(const struct rtattr *nest)
{
	const struct rtattr *attr;
	int length;

	EACH_INSIDE(attr, nest, length)
	{
		unsigned type = type_of(attr);

		if ((type == CTA_SEQADJ_OFFSET_BEFORE || type == CTA_SEQADJ_OFFSET_AFTER) && ks_netlink_u32(attr))
			return true;
	}
	return false;
}

static void read_attribute(const struct rtattr *attr, __u8 family, struct ks_conntrack *connection)
{
	switch (type_of(attr)) {
	case CTA_TUPLE_ORIG:
		read_tuple(attr, family, &connection->original);
		break;
	case CTA_TUPLE_REPLY:
		read_tuple(attr, family, &connection->reply);
		break;
	case CTA_STATUS:
		connection->status = read_be32(attr);
		break;
	case CTA_TIMEOUT:
		connection->timeout = read_be32(attr);
		break;
	case CTA_ID:
		connection->id = ks_netlink_u32(attr); /* given back as it is */
		break;
	case CTA_PROTOINFO:
		read_machine(attr, connection);
		break;
	case CTA_SEQ_ADJ_ORIG:
	case CTA_SEQ_ADJ_REPLY:
		connection->shifted |= is_shifted(attr);
		break;
	case CTA_ZONE:
		connection->elsewhere = true;
		break;
	}
}

struct each_ctx {
	int (*fn)(const struct ks_conntrack *connection, void *arg);
	void *arg;
};

static int read_connection(const struct nlmsghdr *message, void *arg)
{
	const struct each_ctx *ctx = arg;
	const struct nfgenmsg *head = NLMSG_DATA(message);
	struct ks_conntrack connection = { 0 };
	const struct rtattr *attr;
	int length;

	if (message->nlmsg_type != CTNETLINK(IPCTNL_MSG_CT_NEW) || message->nlmsg_len < NLMSG_LENGTH(sizeof(*head)) ||
	    (head->nfgen_family != AF_INET && head->nfgen_family != AF_INET6))
		return 0;
	attr = (const struct rtattr *)((const char *)head + NLMSG_ALIGN(sizeof(*head)));
	length = (int)NLMSG_PAYLOAD(message, sizeof(*head));
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length))
		read_attribute(attr, head->nfgen_family == AF_INET ? KS_IPV4 : KS_IPV6, &connection);
	return ctx->fn(&connection, ctx->arg);
}

bool ks_conntrack_is_used(void)
{
	FILE *file = fopen(COUNT_FILE, "re");
	unsigned long count = 0;

	if (!file)
		return false;
	if (fscanf(file, "%lu", &count) != 1)
		count = 0;
	fclose(file);
	return count;
}

int ks_conntrack_each(int (*fn)(const struct ks_conntrack *connection, void *arg), void *arg)
{
	const struct {
		struct nlmsghdr header;
		struct nfgenmsg head;
	} request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
			    .nlmsg_type = CTNETLINK(IPCTNL_MSG_CT_GET),
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.head = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	struct each_ctx ctx = { fn, arg };

	return ks_netlink_ask(NETLINK_NETFILTER, &request, sizeof(request), read_connection, &ctx);
}

/* --- forgetting --- */

/* A request that grows. It has room for the tuple of one connection and its id. */
struct forget_request {
	struct nlmsghdr header;
	struct nfgenmsg head;
	char attributes[256];
};

static struct rtattr *put(struct forget_request *request, unsigned type, const void *data, size_t size)
{
	struct rtattr *attr = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attr->rta_type = (unsigned short)type;
	attr->rta_len = (unsigned short)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(attr), data, size);
	request->header.nlmsg_len = (__u32)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attr->rta_len));
	return attr;
}

static void close_nest(const struct forget_request *request, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((const char *)request + request->header.nlmsg_len - (const char *)nest);
}

static void put_addresses(struct forget_request *request, const struct ks_tuple *tuple)
{
	struct rtattr *nest = put(request, CTA_TUPLE_IP | NLA_F_NESTED, NULL, 0);
	bool is_ipv4 = tuple->family == KS_IPV4;
	size_t size = is_ipv4 ? sizeof(tuple->src.w[3]) : sizeof(tuple->src);

	put(request, is_ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple->src.b + sizeof(tuple->src) - size, size);
	put(request, is_ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple->dst.b + sizeof(tuple->dst) - size, size);
	close_nest(request, nest);
}

static void put_tuple(struct forget_request *request, const struct ks_tuple *tuple)
{
	struct rtattr *nest = put(request, CTA_TUPLE_ORIG | NLA_F_NESTED, NULL, 0), *inner;

	put_addresses(request, tuple);
	inner = put(request, CTA_TUPLE_PROTO | NLA_F_NESTED, NULL, 0);
	put(request, CTA_PROTO_NUM, &tuple->proto, sizeof(tuple->proto));
	put(request, CTA_PROTO_SRC_PORT, &tuple->sport, sizeof(tuple->sport));
	put(request, CTA_PROTO_DST_PORT, &tuple->dport, sizeof(tuple->dport));
	close_nest(request, inner);
	close_nest(request, nest);
}

static struct forget_request forget_request_of(const struct ks_conntrack *connection)
{
	struct forget_request request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
			    .nlmsg_type = CTNETLINK(IPCTNL_MSG_CT_DELETE),
			    .nlmsg_flags = NLM_F_REQUEST },
		.head = { .nfgen_family = connection->original.family == KS_IPV4 ? AF_INET : AF_INET6,
			  .version = NFNETLINK_V0 },
	};

	put_tuple(&request, &connection->original);
	put(&request, CTA_ID, &connection->id, sizeof(connection->id));
	return request;
}

int ks_conntrack_forget(const struct ks_conntrack *connections, size_t count)
{
	ks_auto_fd int fd = count ? ks_netlink_socket_of(NETLINK_NETFILTER) : -1;

	if (!count)
		return 0;
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < count; i++) {
		struct forget_request request = forget_request_of(&connections[i]);

		/* Without an acknowledgement: an error, that it is gone, is of no interest, and is dropped when the queue is full. */
		if (send(fd, &request, request.header.nlmsg_len, 0) < 0)
			return -errno;
	}
	return 0;
}
