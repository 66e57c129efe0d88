/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's routes, as far as they tell about the box: its own addresses, the
 * networks on its links, where the rest of the world is, and if a packet may
 * leave by another way than a route lookup at ingress tells.
 *
 * Life cycle. News are applied at once. They do not tell everything (a link that
 * goes down takes its IPv4 routes along without news), so news also make the list
 * stale: it is read again within a second. Reading a million routes takes a
 * second, so that is done a twentieth of the time at most.
 *
 * Writers. Only the daemon's thread, here and in the map ks_locals,
 * which the programs read. New entries are written before old ones are removed,
 * so that no address of the box is missing in between.
 */
#ifndef KS_DAEMON_ROUTES_H
#define KS_DAEMON_ROUTES_H

#include <stddef.h>

#include "kernel/kernel.h"
#include "kernel/netlink_route.h"

/* An entry of the map ks_locals. */
struct ks_local_entry {
	struct ks_local_key key;
	struct ks_local local;
};

struct ks_routes {
	struct ks_route *list; /* in no order; none of kind OTHER */
	size_t count;
	struct ks_nexthop *nexthops;
	size_t nexthop_count;
	struct ks_local_entry *known; /* the entries of the map, sorted by key */
	size_t known_count;
	bool is_known; /* the map was read, or is ours from the start */
	unsigned rules; /* bit per enum ks_route_rule in use */
	bool several; /* some route has several next hops */
	bool multicast; /* the box routes multicast */
	bool stale;
	int error; /* of the last attempt to fill the map; told once */
	__u64 read_at, read_took; /* ns, of the last reading */
	int read_error; /* of the last attempt to read; told once */
	__u64 retry_at, retry_wait; /* ns: not before, and for how long that was */
};

/* Reads everything from the kernel. With an error the list stays as it was. */
int ks_routes_read(struct ks_routes *routes);

/* Takes one piece of news. Returns true if it is of interest. */
bool ks_routes_take_news(struct ks_routes *routes, const struct ks_route *route);

/*
 * Notes that the list may be wrong; ks_routes_refresh() reads it again, if it is time.
 * Returns true if something may have changed.
 */
void ks_routes_doubt(struct ks_routes *routes);
bool ks_routes_refresh(struct ks_routes *routes);

/*
 * The entries that ks_locals should have, sorted by key, one for each key: an address of the box before a
 * broadcast address before a network; of several networks the one of the main table, then the one with the best metric.
 * Returns how many, or -ENOMEM; the caller frees *entries.
 */
long ks_routes_locals(const struct ks_routes *routes, struct ks_local_entry **entries);

/* Brings the map in line. */
int ks_routes_apply(struct ks_routes *routes, struct ks_kernel *kernel);

/* Calls fn with each interface that a default route leads to, with some several times. */
void ks_routes_each_default(const struct ks_routes *routes, void (*fn)(unsigned ifindex, void *arg), void *arg);

/*
 * The router of a family that the best default route by an interface names, for packets that must leave by it. Returns
 * false if there is none, or the route needs no router.
 */
bool ks_routes_gateway(const struct ks_routes *routes, unsigned ifindex, unsigned family, struct ks_addr *gateway);

/* Says why routes may differ from a lookup at ingress: "rules by mark, uid; several next hops". "" if they cannot. */
#define KS_ROUTES_WHY_TEXT 256
const char *ks_routes_why(const struct ks_routes *routes, char *text, size_t size);

void ks_routes_fini(struct ks_routes *routes);

static inline void ks_routes_end(struct ks_routes *routes)
{
	ks_routes_fini(routes);
}

#endif
