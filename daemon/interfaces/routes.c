/* SPDX-License-Identifier: BSD-2-Clause */
/* See routes.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "daemon/interfaces/routes.h"
#include "daemon/report.h"
#include "kernel/sysctl.h"
#include "text/scoped.h"

#define READING_SHARE 20 /* reading the routes may take one part in so many of the time */
#define RETRY_NS_MAX (64 * KS_NSEC_PER_SEC) /* the longest wait after a reading that failed; the first is a second */

/* --- the list --- */

static bool is_same_prefix(const struct ks_route *a, const struct ks_route *b)
{
	return a->family == b->family && a->table == b->table && a->bits == b->bits && a->metric == b->metric &&
	       !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static bool is_same_route(const struct ks_route *a, const struct ks_route *b)
{
	return is_same_prefix(a, b) && a->kind == b->kind && a->ifindex == b->ifindex && a->nexthop == b->nexthop;
}

/* Removes the routes that are like this one. Returns true if there was one. */
static bool remove_like(struct ks_routes *routes, const struct ks_route *route,
			bool (*is_like)(const struct ks_route *, const struct ks_route *))
{
	size_t kept = 0, count = routes->count;

	for (size_t i = 0; i < count; i++) {
		if (!is_like(&routes->list[i], route))
			routes->list[kept++] = routes->list[i];
	}
	routes->count = kept;
	return kept != count;
}

static int append_route(struct ks_routes *routes, const struct ks_route *route)
{
	size_t count = routes->count;

	if (!(count & (count - 1))) { /* the room is a power of two, and full */
		struct ks_route *list = reallocarray(routes->list, count ? 2 * count : 1, sizeof(*list));

		if (!list)
			return -ENOMEM;
		routes->list = list;
	}
	routes->list[routes->count++] = *route;
	return 0;
}

bool ks_routes_take_news(struct ks_routes *routes, const struct ks_route *route)
{
	bool changed = route->replaces && !route->gone && remove_like(routes, route, is_same_prefix);

	if (route->several) {
		routes->several |= !route->gone;
		changed = true;
	}
	if (route->kind != KS_ROUTE_OTHER) {
		changed = true;
		remove_like(routes, route, is_same_route);
		if (!route->gone && append_route(routes, route))
			ks_report_error("out of memory: a new route is not noticed");
	}
	routes->stale |= changed;
	return changed;
}

struct routes_read_ctx {
	struct ks_routes *new;
	int err;
};

static void collect_route(const struct ks_route *route, void *arg)
{
	struct routes_read_ctx *ctx = arg;

	ctx->new->several |= route->several;
	if (route->kind != KS_ROUTE_OTHER)
		ctx->err = append_route(ctx->new, route) ?: ctx->err;
}

static void collect_nexthop(const struct ks_nexthop *nexthop, void *arg)
{
	struct routes_read_ctx *ctx = arg;
	struct ks_routes *new = ctx->new;
	struct ks_nexthop *list = reallocarray(new->nexthops, new->nexthop_count + 1, sizeof(*list));

	if (!list) {
		ctx->err = -ENOMEM;
		return;
	}
	new->nexthops = list;
	list[new->nexthop_count++] = *nexthop;
	new->several |= nexthop->member_count > 1;
}

/* The kernel sets these while a program has a multicast routing socket: without one there are no multicast routes. */
static bool routes_multicast(void)
{
	return ks_sysctl_is_on("/proc/sys/net/ipv4/conf/all/mc_forwarding") ||
	       ks_sysctl_is_on("/proc/sys/net/ipv6/conf/all/mc_forwarding");
}

int ks_routes_read(struct ks_routes *routes)
{
	ks_scoped(ks_routes) struct ks_routes new = { 0 };
	struct routes_read_ctx ctx = { .new = &new };
	__u64 start = ks_kernel_clock();
	int err = ks_netlink_each_route(collect_route, &ctx) ?: ctx.err;

	if (!err)
		err = ks_netlink_each_nexthop(collect_nexthop, &ctx) ?: ctx.err;
	if (!err)
		err = ks_netlink_rules(&new.rules);
	if (err)
		return err;
	free(routes->list);
	free(routes->nexthops);
	routes->list = TAKE(new.list);
	routes->count = new.count;
	routes->nexthops = TAKE(new.nexthops);
	routes->nexthop_count = new.nexthop_count;
	routes->rules = new.rules;
	routes->several = new.several;
	routes->multicast = routes_multicast();
	routes->stale = false;
	routes->read_error = 0;
	routes->retry_wait = 0;
	routes->read_at = ks_kernel_clock();
	routes->read_took = routes->read_at - start;
	return 0;
}

void ks_routes_doubt(struct ks_routes *routes)
{
	routes->stale = true;
}

static bool is_time_to_read(const struct ks_routes *routes)
{
	__u64 now = ks_kernel_clock();

	return now >= routes->retry_at && now - routes->read_at >= READING_SHARE * routes->read_took;
}

/* Says each error once, and waits twice as long before the next attempt. */
static void note_failure(struct ks_routes *routes, int err)
{
	if (err != routes->read_error)
		ks_report_error("cannot read the routes, those that were known stay: %s", strerror(-err));
	routes->read_error = err;
	routes->retry_wait = KS_MIN(KS_MAX(2 * routes->retry_wait, KS_NSEC_PER_SEC), RETRY_NS_MAX);
	routes->retry_at = ks_kernel_clock() + routes->retry_wait;
}

bool ks_routes_refresh(struct ks_routes *routes)
{
	bool multicast = routes_multicast(), changed = multicast != routes->multicast;
	int err;

	routes->multicast = multicast;
	if (!routes->stale || !is_time_to_read(routes))
		return changed;
	err = ks_routes_read(routes);
	if (err)
		note_failure(routes, err);
	return changed || !err;
}

/* --- the map --- */

static int compare_keys(const struct ks_local_key *a, const struct ks_local_key *b)
{
	return memcmp(a, b, sizeof(*a));
}

/* A route as an entry, with the fields that choose between several of one key. */
struct candidate {
	struct ks_local_entry entry;
	bool is_main;
	__u32 metric;
};

static int compare_candidates(const void *first, const void *second)
{
	const struct candidate *a = first, *b = second;
	int order = compare_keys(&a->entry.key, &b->entry.key);

	if (order)
		return order;
	if (a->entry.local.kind != b->entry.local.kind) /* SELF is the least */
		return a->entry.local.kind < b->entry.local.kind ? -1 : 1;
	if (a->is_main != b->is_main)
		return a->is_main ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return a->entry.local.ifindex < b->entry.local.ifindex ? -1 : a->entry.local.ifindex > b->entry.local.ifindex;
}

static struct candidate candidate_of(const struct ks_route *route)
{
	static const __u32 kinds[] = { [KS_ROUTE_SELF] = KS_LOCAL_SELF,
				       [KS_ROUTE_BROADCAST] = KS_LOCAL_BROADCAST,
				       [KS_ROUTE_LINK] = KS_LOCAL_LINK };
	struct candidate candidate = { .is_main = route->table == RT_TABLE_MAIN || route->table == RT_TABLE_LOCAL,
				       .metric = route->metric };

	candidate.entry.key.bits = KS_LOCAL_BITS(route->family, route->bits);
	candidate.entry.key.family = route->family;
	candidate.entry.key.addr = route->addr;
	candidate.entry.local.ifindex = route->ifindex;
	candidate.entry.local.kind = kinds[route->kind];
	return candidate;
}

long ks_routes_locals(const struct ks_routes *routes, struct ks_local_entry **entries)
{
	ks_auto_free struct candidate *candidates = calloc(routes->count + 1, sizeof(*candidates));
	ks_auto_free struct ks_local_entry *list = calloc(routes->count + 1, sizeof(*list));
	size_t count = 0, kept = 0;

	if (!candidates || !list)
		return -ENOMEM;
	for (size_t i = 0; i < routes->count; i++) {
		if (routes->list[i].kind != KS_ROUTE_DEFAULT)
			candidates[count++] = candidate_of(&routes->list[i]);
	}
	qsort(candidates, count, sizeof(*candidates), compare_candidates);
	for (size_t i = 0; i < count; i++) {
		if (!kept || compare_keys(&list[kept - 1].key, &candidates[i].entry.key))
			list[kept++] = candidates[i].entry;
	}
	*entries = TAKE(list);
	return (long)kept;
}

static int compare_entries(const void *a, const void *b)
{
	return compare_keys(&((const struct ks_local_entry *)a)->key, &((const struct ks_local_entry *)b)->key);
}

struct locals_read_ctx {
	struct ks_routes *routes;
	int err;
};

static void collect_local(const struct ks_local_key *key, const struct ks_local *local, void *arg)
{
	struct locals_read_ctx *ctx = arg;
	struct ks_routes *routes = ctx->routes;
	struct ks_local_entry *list = reallocarray(routes->known, routes->known_count + 1, sizeof(*list));

	if (!list) {
		ctx->err = -ENOMEM;
		return;
	}
	routes->known = list;
	list[routes->known_count++] = (struct ks_local_entry){ .key = *key, .local = *local };
}

/* Reads what an earlier daemon left in the map. */
static int read_locals(struct ks_routes *routes, const struct ks_kernel *kernel)
{
	struct locals_read_ctx ctx = { .routes = routes };

	free(routes->known);
	routes->known = NULL;
	routes->known_count = 0;
	ks_kernel_each_local(kernel, collect_local, &ctx);
	if (routes->known_count)
		qsort(routes->known, routes->known_count, sizeof(*routes->known), compare_entries);
	routes->is_known = !ctx.err;
	return ctx.err;
}

static const struct ks_local_entry *find_local(const struct ks_local_entry *list, size_t count,
					       const struct ks_local_entry *entry)
{
	return count ? bsearch(entry, list, count, sizeof(*list), compare_entries) : NULL;
}

/* New and changed entries first, so that no address is missing in between. */
static int write_locals(struct ks_routes *routes, struct ks_kernel *kernel, const struct ks_local_entry *list,
			size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		const struct ks_local_entry *known = find_local(routes->known, routes->known_count, &list[i]);

		if (!known || memcmp(&known->local, &list[i].local, sizeof(known->local)))
			err = ks_kernel_set_local(kernel, &list[i].key, &list[i].local) ?: err;
	}
	for (size_t i = 0; i < routes->known_count; i++) {
		if (!find_local(list, count, &routes->known[i]))
			err = ks_kernel_forget_local(kernel, &routes->known[i].key) ?: err;
	}
	return err;
}

int ks_routes_apply(struct ks_routes *routes, struct ks_kernel *kernel)
{
	ks_auto_free struct ks_local_entry *list = NULL;
	long count;
	int err = routes->is_known ? 0 : read_locals(routes, kernel);

	if (err)
		return err;
	count = ks_routes_locals(routes, &list);
	if (count < 0)
		return (int)count;
	err = write_locals(routes, kernel, list, (size_t)count);
	if (err && err != routes->error)
		ks_report_error("not every address of the box is known to the programs: %s", strerror(-err));
	routes->error = err;
	free(routes->known);
	routes->known = TAKE(list);
	routes->known_count = (size_t)count;
	routes->is_known = !err; /* else the map is read again next time */
	return err;
}

/* --- what follows --- */

static const struct ks_nexthop *find_nexthop(const struct ks_routes *routes, __u32 id)
{
	for (size_t i = 0; i < routes->nexthop_count; i++) {
		if (routes->nexthops[i].id == id)
			return &routes->nexthops[i];
	}
	return NULL;
}

static void tell_nexthop(const struct ks_routes *routes, __u32 id, void (*fn)(unsigned ifindex, void *arg), void *arg)
{
	const struct ks_nexthop *nexthop = find_nexthop(routes, id);

	if (!nexthop)
		return;
	if (nexthop->ifindex)
		fn(nexthop->ifindex, arg);
	for (unsigned i = 0; i < KS_MIN(nexthop->member_count, (unsigned)KS_NEXTHOP_MEMBERS); i++) {
		const struct ks_nexthop *member = find_nexthop(routes, nexthop->members[i]);

		if (member && member->ifindex) /* groups are not nested */
			fn(member->ifindex, arg);
	}
}

void ks_routes_each_default(const struct ks_routes *routes, void (*fn)(unsigned ifindex, void *arg), void *arg)
{
	for (size_t i = 0; i < routes->count; i++) {
		const struct ks_route *route = &routes->list[i];

		if (route->kind != KS_ROUTE_DEFAULT)
			continue;
		if (route->nexthop)
			tell_nexthop(routes, route->nexthop, fn, arg);
		else if (route->ifindex)
			fn(route->ifindex, arg);
	}
}

/* The gateway of a route by an interface, if that is what the route leads to. */
static const struct ks_addr *gateway_by(const struct ks_routes *routes, const struct ks_route *route, unsigned ifindex)
{
	const struct ks_nexthop *nexthop = route->nexthop ? find_nexthop(routes, route->nexthop) : NULL;

	if (!nexthop)
		return route->ifindex == ifindex ? &route->gateway : NULL;
	if (nexthop->ifindex == ifindex)
		return &nexthop->gateway;
	for (unsigned i = 0; i < KS_MIN(nexthop->member_count, (unsigned)KS_NEXTHOP_MEMBERS); i++) {
		const struct ks_nexthop *member = find_nexthop(routes, nexthop->members[i]);

		if (member && member->ifindex == ifindex)
			return &member->gateway;
	}
	return NULL;
}

bool ks_routes_gateway(const struct ks_routes *routes, unsigned ifindex, unsigned family, struct ks_addr *gateway)
{
	const struct ks_addr *best = NULL;
	__u32 metric = 0;

	for (size_t i = 0; i < routes->count; i++) {
		const struct ks_route *route = &routes->list[i];
		const struct ks_addr *by;

		if (route->kind != KS_ROUTE_DEFAULT || route->family != family || (best && route->metric >= metric))
			continue;
		by = gateway_by(routes, route, ifindex);
		if (by && (by->d[0] | by->d[1])) {
			best = by;
			metric = route->metric;
		}
	}
	if (best)
		*gateway = *best;
	return best;
}

static void print_route_rules(unsigned rules, FILE *out)
{
	static const char *const names[] = {
#define X(id, name) name,
		KS_ROUTE_RULES(X)
#undef X
	};
	const char *before = "rules by ";

	for (unsigned i = 0; i < KS_ROUTE_RULE_MAX; i++) {
		if (!(rules & 1U << i))
			continue;
		fprintf(out, "%s%s", before, names[i]);
		before = ", ";
	}
}

const char *ks_routes_why(const struct ks_routes *routes, char *text, size_t size)
{
	ks_auto_file FILE *out = fmemopen(text, size, "w");

	text[0] = '\0';
	if (!out)
		return text;
	print_route_rules(routes->rules, out);
	if (routes->several)
		fprintf(out, "%sseveral next hops", routes->rules ? "; " : "");
	if (routes->multicast)
		fprintf(out, "%smulticast routing", routes->rules || routes->several ? "; " : "");
	fflush(out);
	return text;
}

void ks_routes_fini(struct ks_routes *routes)
{
	free(routes->list);
	free(routes->nexthops);
	free(routes->known);
	*routes = (struct ks_routes){ 0 };
}
