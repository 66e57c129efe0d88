/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of rtnetlink(7) that Keepstate needs: the interfaces of the network
 * namespace with their addresses, news about both, and the tc filters of one.
 * netlink_route.h has routes. A socket belongs to the namespace in which it was
 * opened.
 */
#ifndef KS_KERNEL_NETLINK_H
#define KS_KERNEL_NETLINK_H

#include <stdbool.h>
#include <stddef.h>

#include "core/table/flow.h"

/* An interface as it is, or as it was when it went (gone). */
struct ks_interface {
	unsigned ifindex;
	bool gone;
	bool filters; /* only its tc filters or qdiscs changed: name and up are not filled */
	bool addresses; /* only its addresses changed: the same */
	bool up;
	bool layer3; /* frames have no Ethernet header: tun, WireGuard, tunnels */
	bool loopback;
	unsigned master; /* ifindex of the bridge, bond or VRF that it belongs to; 0: none */
	unsigned lower; /* of the device that it is stacked on in this namespace (of veth: the other end); 0: none */
	__u8 mac[6]; /* zeros without one */
	char kind[16]; /* the driver's: "bridge", "vrf", "bond", "macvlan", ...; "" of most network cards */
	char name[16];
};

typedef void ks_interface_fn(const struct ks_interface *interface, void *arg);

/* An address of an interface that packets may be sent from. */
struct ks_interface_address {
	unsigned ifindex;
	unsigned char family; /* KS_IPV4 or KS_IPV6 */
	unsigned char length; /* bits of the network around it */
	unsigned rank; /* the higher the better to translate to, never 0 */
	struct ks_addr addr;
	struct ks_addr network; /* an address of that network: its own, or that of the peer where there is one */
};

typedef void ks_address_fn(const struct ks_interface_address *address, void *arg);

/* Opens a socket; with `news` it hears of interfaces, addresses and tc filters and does not block. Returns it, or -errno. */
int ks_netlink_open(bool news);

/* Calls fn for every interface. -EAGAIN: they change faster than they can be read. */
int ks_netlink_each_interface(ks_interface_fn *fn, void *arg);

/*
 * Calls fn for the addresses of an interface (0: of all) that are of use to
 * others, in the kernel's order: no link-local IPv6 ones, none whose uniqueness is not
 * known yet. -EAGAIN as above.
 */
int ks_netlink_each_address(unsigned ifindex, ks_address_fn *fn, void *arg);

typedef void ks_unicast_fn(unsigned ifindex, const __u8 mac[6], void *arg);

/*
 * Calls fn for the unicast link addresses besides its own that an interface (0: any) takes frames for: those of the
 * devices that are stacked on it, in whatever namespace, and are up. No news tell of them. -EAGAIN as above.
 */
int ks_netlink_each_unicast(unsigned ifindex, ks_unicast_fn *fn, void *arg);

/*
 * Reads the news that wait on a socket and calls fn for each. -ENOBUFS: some
 * were lost, look at all interfaces again.
 */
int ks_netlink_read_news(int fd, ks_interface_fn *fn, void *arg);

/*
 * Asks the kernel by which interface it would send a packet to an address of `size`
 * bytes (4 or 16). *ifindex is 0 if the address is the box's own or cannot be reached.
 */
int ks_netlink_route(const void *address, size_t size, unsigned *ifindex);

/* Returns 1 if the interface has an `ingress` qdisc, which takes the place of clsact, 0 if not, or -errno. */
int ks_netlink_has_ingress_qdisc(unsigned ifindex);

/*
 * Returns 0 if packets that leave an interface are only queued there, one behind the other or fairly; 1 with the name of what
 * does more with them (shapes them, say) in `kind`; or -errno.
 */
#define KS_QUEUE_KIND 16
int ks_netlink_queue_is_more(unsigned ifindex, char kind[KS_QUEUE_KIND]);

/* The filter that sees packets first. */
struct ks_first_filter {
	unsigned handle; /* 0: there is no filter */
	unsigned priority;
	bool all_protocols;
};

int ks_netlink_first_filter(unsigned ifindex, bool egress, struct ks_first_filter *first);

/* Returns 1 if an interface has tc filters at ingress, on a clsact or an ingress qdisc, besides `known` ones, 0 if not, or -errno. */
int ks_netlink_has_ingress_filters(unsigned ifindex, int known);

/* Number of tc filters on the clsact qdisc of an interface, both directions, or -errno. */
int ks_netlink_count_filters(unsigned ifindex);

#endif
