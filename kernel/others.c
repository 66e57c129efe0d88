// SPDX-License-Identifier: BSD-2-Clause
/* See others.h. */
#include "kernel/others.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/xfrm.h>

#include "core/types.h"
#include "kernel/netlink_internal.h"

#define NAME_TEXT 48

/* --- nftables --- */

/* A chain that is hooked into the path of packets. */
struct base_chain {
	char table[NAME_TEXT], name[NAME_TEXT];
	bool hooked;
	__u32 hook; /* enum nf_inet_hooks, or enum nf_dev_hooks */
};

struct found_ctx {
	char *text;
	size_t size;
};

static const char *family_name(unsigned family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return NULL;
	}
}

/* Returns true if a forwarded packet passes there. */
static bool is_on_the_way(unsigned family, __u32 hook)
{
	if (family == NFPROTO_NETDEV)
		return true;
	return hook == NF_INET_PRE_ROUTING || hook == NF_INET_FORWARD || hook == NF_INET_POST_ROUTING ||
	       hook == NF_INET_INGRESS;
}

static void copy_name(const struct rtattr *attr, char name[NAME_TEXT])
{
	snprintf(name, NAME_TEXT, "%.*s", (int)RTA_PAYLOAD(attr), (const char *)RTA_DATA(attr));
}

static void read_hook(const struct rtattr *hook, struct base_chain *chain)
{
	const struct rtattr *attr = RTA_DATA(hook);
	int length = (int)RTA_PAYLOAD(hook);

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if ((attr->rta_type & NLA_TYPE_MASK) != NFTA_HOOK_HOOKNUM)
			continue;
		chain->hook = ntohl(ks_netlink_u32(attr));
		chain->hooked = true;
	}
}

static int read_chain(const struct nlmsghdr *message, void *arg)
{
	const struct found_ctx *ctx = arg;
	const struct nfgenmsg *info = NLMSG_DATA(message);
	const struct rtattr *attr = (const struct rtattr *)((const char *)info + NLMSG_ALIGN(sizeof(*info)));
	int length = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*info));
	const char *family = length < 0 ? NULL : family_name(info->nfgen_family);
	struct base_chain chain = { 0 };

	if (!family || message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN))
		return 0;
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		switch (attr->rta_type & NLA_TYPE_MASK) {
		case NFTA_CHAIN_TABLE:
			copy_name(attr, chain.table);
			break;
		case NFTA_CHAIN_NAME:
			copy_name(attr, chain.name);
			break;
		case NFTA_CHAIN_HOOK:
			read_hook(attr, &chain);
			break;
		}
	}
	if (!chain.hooked || !is_on_the_way(info->nfgen_family, chain.hook))
		return 0;
	snprintf(ctx->text, ctx->size, "nftables: chain %s of table %s %s", chain.name, family, chain.table);
	return 1;
}

static int find_nftables(char *text, size_t size)
{
	struct found_ctx ctx = { .text = text, .size = size };
	const struct {
		struct nlmsghdr header;
		struct nfgenmsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.info = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 },
	};
	int err = ks_netlink_ask(NETLINK_NETFILTER, &request, sizeof(request), read_chain, &ctx);

	/* A kernel without nftables, or whose module nobody has loaded: then there are no chains. */
	return err == -EPROTONOSUPPORT || err == -EOPNOTSUPP || err == -EINVAL ? 0 : err;
}

/* --- iptables of the old kind: a table that somebody has looked at is hooked for good --- */

static int find_iptables(const char *path, const char *program, char *text, size_t size)
{
	ks_auto_file FILE *file = fopen(path, "re");
	char name[NAME_TEXT];

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	if (fgets(name, sizeof(name), file))
		snprintf(text, size, "%s: table %.*s", program, (int)strcspn(name, "\n"), name);
	return 0;
}

int ks_others_in_netfilter(char *text, size_t size)
{
	int err;

	*text = '\0';
	err = find_nftables(text, size);
	if (!err && !*text)
		err = find_iptables("/proc/thread-self/net/ip_tables_names", "iptables", text, size);
	if (!err && !*text)
		err = find_iptables("/proc/thread-self/net/ip6_tables_names", "ip6tables", text, size);
	return err;
}

/* --- IPsec --- */

static int read_policy(const struct nlmsghdr *message, void *arg)
{
	const struct found_ctx *ctx = arg;
	const struct xfrm_userpolicy_info *policy = NLMSG_DATA(message);

	if (message->nlmsg_type != XFRM_MSG_NEWPOLICY || message->nlmsg_len < NLMSG_LENGTH(sizeof(*policy)) ||
	    policy->dir >= XFRM_POLICY_MAX) /* behind it are those of sockets */
		return 0;
	snprintf(ctx->text, ctx->size, "an IPsec policy");
	return 1;
}

int ks_others_in_ipsec(char *text, size_t size)
{
	struct found_ctx ctx = { .text = text, .size = size };
	const struct {
		struct nlmsghdr header;
		struct xfrm_userpolicy_id id;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = XFRM_MSG_GETPOLICY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int err;

	*text = '\0';
	err = ks_netlink_ask(NETLINK_XFRM, &request, sizeof(request), read_policy, &ctx);
	return err == -EPROTONOSUPPORT ? 0 : err;
}
