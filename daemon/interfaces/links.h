/* SPDX-License-Identifier: BSD-2-Clause */
/* All interfaces of the namespace as the kernel tells about them, sorted by ifindex. Used by the daemon's thread. */
#ifndef KS_DAEMON_LINKS_H
#define KS_DAEMON_LINKS_H

#include <stddef.h>

#include "kernel/netlink.h"

struct ks_links {
	struct ks_interface *list;
	size_t count;
};

/* Reads the list again. With an error it stays as it was. */
int ks_links_read(struct ks_links *links);

/* The index of an interface in the list, -1 if it is not there. */
long ks_links_find(const struct ks_links *links, unsigned ifindex);

/* Adds an interface that is not there. Returns 0 or -ENOMEM. */
int ks_links_insert(struct ks_links *links, const struct ks_interface *link);
void ks_links_remove(struct ks_links *links, long at);

void ks_links_fini(struct ks_links *links);

/* Returns true if the interface is stacked on another one, whose frames it takes by MAC address or VLAN tag. */
bool ks_link_is_stacked(const struct ks_interface *link);

#endif
