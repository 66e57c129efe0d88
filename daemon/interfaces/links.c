/* SPDX-License-Identifier: BSD-2-Clause */
/* See links.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/interfaces/links.h"

struct links_read_ctx {
	struct ks_links links;
	int err;
};

static void collect_link(const struct ks_interface *link, void *arg)
{
	struct links_read_ctx *ctx = arg;

	ctx->err = ks_links_insert(&ctx->links, link) ?: ctx->err;
}

int ks_links_read(struct ks_links *links)
{
	struct links_read_ctx ctx = { 0 };
	int err = ks_netlink_each_interface(collect_link, &ctx) ?: ctx.err;

	if (err) {
		ks_links_fini(&ctx.links);
		return err;
	}
	ks_links_fini(links);
	*links = ctx.links;
	return 0;
}

/* The index of the first link whose ifindex is not less. */
static size_t lower_bound(const struct ks_links *links, unsigned ifindex)
{
	size_t low = 0, high = links->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (links->list[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

long ks_links_find(const struct ks_links *links, unsigned ifindex)
{
	size_t at = lower_bound(links, ifindex);

	return at < links->count && links->list[at].ifindex == ifindex ? (long)at : -1;
}

int ks_links_insert(struct ks_links *links, const struct ks_interface *link)
{
	size_t at = lower_bound(links, link->ifindex);
	struct ks_interface *list = reallocarray(links->list, links->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	links->list = list;
	memmove(&list[at + 1], &list[at], (links->count - at) * sizeof(*list));
	list[at] = *link;
	links->count++;
	return 0;
}

void ks_links_remove(struct ks_links *links, long at)
{
	links->count--;
	memmove(&links->list[at], &links->list[at + 1], (links->count - (size_t)at) * sizeof(*links->list));
}

void ks_links_fini(struct ks_links *links)
{
	free(links->list);
	*links = (struct ks_links){ 0 };
}

bool ks_link_is_stacked(const struct ks_interface *link)
{
	static const char *const kinds[] = { "macvlan", "macvtap", "ipvlan", "ipvtap", "vlan" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		if (!strcmp(link->kind, kinds[i]))
			return true;
	}
	return false;
}
