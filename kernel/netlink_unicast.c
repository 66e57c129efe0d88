/* SPDX-License-Identifier: BSD-2-Clause */
/* The link addresses that interfaces listen to besides their own. See netlink.h. */
#include <string.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "kernel/netlink.h"
#include "kernel/netlink_internal.h"

#define GROUP_BIT 0x01U /* of the first byte of an address: multicast */

/*
 * Reads an entry of the interface's own list. Its address is all that is told of one; an entry of a bridge, or of a tunnel for
 * somebody at its other end, says more. Returns false if it is another's.
 */
static bool read_entry(const struct nlmsghdr *message, const struct ndmsg *info, __u8 mac[ETH_ALEN])
{
	const struct rtattr *attr = (const struct rtattr *)((const char *)info + NLMSG_ALIGN(sizeof(*info)));
	int length = (int)NLMSG_PAYLOAD(message, sizeof(*info));
	bool found = false;

	if (info->ndm_flags != NTF_SELF || info->ndm_state != NUD_PERMANENT)
		return false;
	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type != NDA_LLADDR && attr->rta_type != NDA_VLAN)
			return false;
		if (attr->rta_type != NDA_LLADDR || RTA_PAYLOAD(attr) != ETH_ALEN)
			continue;
		memcpy(mac, RTA_DATA(attr), ETH_ALEN);
		found = true;
	}
	return found && !(mac[0] & GROUP_BIT);
}

struct unicast_ctx {
	unsigned ifindex;
	struct ks_gathered *gathered;
};

struct unicast_entry {
	unsigned ifindex;
	__u8 mac[ETH_ALEN];
};

static int gather_entry(const struct nlmsghdr *message, void *arg)
{
	const struct unicast_ctx *ctx = arg;
	const struct ndmsg *info = NLMSG_DATA(message);
	struct unicast_entry entry = { 0 };

	if (message->nlmsg_type != RTM_NEWNEIGH || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	entry.ifindex = (unsigned)info->ndm_ifindex;
	if ((!ctx->ifindex || entry.ifindex == ctx->ifindex) && read_entry(message, info, entry.mac))
		ks_netlink_gather(ctx->gathered, &entry);
	return 0;
}

int ks_netlink_each_unicast(unsigned ifindex, ks_unicast_fn *fn, void *arg)
{
	ks_scoped(ks_gathered) struct ks_gathered gathered = { .entry_size = sizeof(struct unicast_entry) };
	struct unicast_ctx ctx = { .ifindex = ifindex, .gathered = &gathered };
	struct {
		struct nlmsghdr header;
		struct ifinfomsg
			info; /* which the kernel takes here for the sake of old programs, and with it the interface */
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETNEIGH,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.info = { .ifi_family = AF_BRIDGE, .ifi_index = (int)ifindex },
	};
	int err = ks_netlink_dump_whole(&request, sizeof(request), gather_entry, &ctx, &gathered);

	for (size_t i = 0; !err && i < gathered.count; i++) {
		const struct unicast_entry *entry = &((const struct unicast_entry *)(const void *)gathered.list)[i];

		fn(entry->ifindex, entry->mac, arg);
	}
	return err;
}
