/* SPDX-License-Identifier: BSD-2-Clause */
/* The qdiscs and filters of an interface, as far as hooks by clsact need to know them (tc.c). See netlink.h. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "kernel/netlink.h"
#include "kernel/netlink_internal.h"

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

struct qdisc_ctx {
	unsigned ifindex;
	bool is_ingress;
};

static int read_qdisc(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *info = NLMSG_DATA(message);
	const struct rtattr *attr = TCA_RTA(info);
	int length = (int)NLMSG_PAYLOAD(message, sizeof(*info));
	struct qdisc_ctx *ctx = arg;

	if (message->nlmsg_type != RTM_NEWQDISC || (unsigned)info->tcm_ifindex != ctx->ifindex)
		return 0;
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type == TCA_KIND && !strncmp(RTA_DATA(attr), "ingress", RTA_PAYLOAD(attr)))
			ctx->is_ingress = true;
	}
	return 0;
}

int ks_netlink_has_ingress_qdisc(unsigned ifindex)
{
	struct qdisc_ctx ctx = { .ifindex = ifindex };

	return dump_tc(RTM_GETQDISC, ifindex, 0, read_qdisc, &ctx) ?: ctx.is_ingress;
}

/* Returns true for a qdisc that the kernel gives by itself or by `net.core.default_qdisc`, or that does no more. */
static bool is_mere_queue(const char *kind)
{
	static const char *const mere[] = { "noqueue", "mq",	"pfifo_fast", "pfifo",	 "bfifo",
					    "fq",      "codel", "fq_codel",   "ingress", "clsact" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(mere); i++) {
		if (!strcmp(kind, mere[i]))
			return true;
	}
	return false;
}

struct queue_ctx {
	unsigned ifindex;
	char *kind; /* of one that is more than a queue, "" as long as none is found */
};

static int read_queue(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *info = NLMSG_DATA(message);
	const struct rtattr *attr = TCA_RTA(info);
	int length = (int)NLMSG_PAYLOAD(message, sizeof(*info));
	const struct queue_ctx *ctx = arg;

	if (message->nlmsg_type != RTM_NEWQDISC || (unsigned)info->tcm_ifindex != ctx->ifindex)
		return 0;
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		char kind[KS_QUEUE_KIND];

		if (attr->rta_type != TCA_KIND)
			continue;
		snprintf(kind, sizeof(kind), "%.*s", (int)RTA_PAYLOAD(attr), (const char *)RTA_DATA(attr));
		if (!is_mere_queue(kind))
			memcpy(ctx->kind, kind, sizeof(kind));
	}
	return 0;
}

int ks_netlink_queue_is_more(unsigned ifindex, char kind[KS_QUEUE_KIND])
{
	char found[KS_QUEUE_KIND] = "";
	struct queue_ctx ctx = { .ifindex = ifindex, .kind = found };
	int err = dump_tc(RTM_GETQDISC, ifindex, 0, read_queue, &ctx);

	if (err || !*found)
		return err;
	memcpy(kind, found, sizeof(found));
	return 1;
}

/* Packets enter chain 0. Other chains are reached only by an action of a filter. */
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

/* The kernel lists filters in the order in which packets meet them. */
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

struct find_filter_ctx {
	int count, known;
};

/* Ends the listing as soon as there is one more than those that are known. */
static int find_filter(const struct nlmsghdr *message, void *arg)
{
	struct find_filter_ctx *ctx = arg;

	count_filter(message, &ctx->count);
	return ctx->count > ctx->known;
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

int ks_netlink_has_ingress_filters(unsigned ifindex, int known)
{
	struct find_filter_ctx ctx = { .known = known };
	int err;

	err = dump_tc(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), find_filter, &ctx);
	if (!err && !ctx.count) /* the older qdisc has another handle and no parts */
		err = dump_tc(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_INGRESS, 0), find_filter, &ctx);
	return err ?: ctx.count > known;
}
