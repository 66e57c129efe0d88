/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routes, rules and next hops of the network namespace, as far as Keepstate
 * needs them: the addresses of the box, the networks that are directly on its
 * links, the way to the rest of the world, and if a route lookup can tell where a
 * packet will go. Of a large routing table only these few routes are handed over.
 */
#ifndef KS_KERNEL_NETLINK_ROUTE_H
#define KS_KERNEL_NETLINK_ROUTE_H

#include <stdbool.h>

#include "core/table/flow.h"

struct rtmsg;

enum ks_route_kind {
	KS_ROUTE_OTHER, /* of no interest by itself */
	KS_ROUTE_SELF, /* an address of the box, unicast or anycast */
	KS_ROUTE_BROADCAST, /* a directed broadcast address */
	KS_ROUTE_LINK, /* a network that is directly on the interface */
	KS_ROUTE_DEFAULT, /* to the rest of the world; also its halves, as VPNs like to write them, and 2000::/3 */
};

/* One next hop of a route. */
struct ks_route {
	__u8 kind; /* enum ks_route_kind */
	__u8 family; /* KS_IPV4 or KS_IPV6 */
	__u8 bits; /* of the prefix */
	bool gone;
	bool replaces; /* takes the place of the route with the same table, prefix and metric */
	bool several; /* the route has several next hops */
	__u32 table;
	__u32 metric;
	__u32 nexthop; /* id of a next hop object, where the kernel does not say what that is; 0: ifindex is set */
	unsigned ifindex;
	struct ks_addr addr;
	struct ks_addr gateway; /* zeros: none, or one of the other family */
};

typedef void ks_route_fn(const struct ks_route *route, void *arg);

/* A next hop object: an interface, or a group of other objects. */
#define KS_NEXTHOP_MEMBERS 16
struct ks_nexthop {
	__u32 id;
	unsigned ifindex;
	struct ks_addr gateway; /* zeros: none */
	__u8 family; /* of the gateway, as far as it is known */
	unsigned member_count; /* of a group; the ids of more than KS_NEXTHOP_MEMBERS are left out */
	__u32 members[KS_NEXTHOP_MEMBERS];
};

typedef void ks_nexthop_fn(const struct ks_nexthop *nexthop, void *arg);

/* The selectors of rules of ip-rule(8) that are not the kernel's own. X(identifier, name) */
#define KS_ROUTE_RULES(X)             \
	X(MARK, "mark")               \
	X(UID, "uid")                 \
	X(TOS, "tos")                 \
	X(SOURCE, "source")           \
	X(DESTINATION, "destination") \
	X(INTERFACE, "interface")     \
	X(PORT, "protocol or port")   \
	X(TABLE, "a table of their own") /* without a selector, or not to a table at all */

enum ks_route_rule {
#define X(id, name) KS_ROUTE_RULE_##id,
	KS_ROUTE_RULES(X)
#undef X
		KS_ROUTE_RULE_MAX
};

/* Tells the kind of a route by its header and attributes. */
enum ks_route_kind ks_route_kind_of(const struct rtmsg *info, const struct ks_route *route, bool has_gateway);

/* Opens a socket that hears of routes, rules, next hops and neighbours. Returns it, or -errno. */
int ks_netlink_open_routes(void);

/* Calls fn for each next hop of the routes of interest, of every table of both families. */
int ks_netlink_each_route(ks_route_fn *fn, void *arg);

/*
 * Reads the news that wait on a socket. fn hears of routes; *others is set when rules, next hop objects or what is
 * forwarded changed.
 * -ENOBUFS: some were lost.
 */
int ks_netlink_read_routes(int fd, ks_route_fn *fn, void *arg, bool *others);

/* Sets a bit of *rules for each enum ks_route_rule that is in use. */
int ks_netlink_rules(unsigned *rules);

/* Calls fn for every next hop object; for none where the kernel has no such thing (before 5.3). */
int ks_netlink_each_nexthop(ks_nexthop_fn *fn, void *arg);

#endif
