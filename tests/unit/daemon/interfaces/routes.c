/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/interfaces/routes.c and kernel/netlink_route.c: which routes matter, and what they make of the map of locals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/rtnetlink.h>

#include "daemon/interfaces/routes.h"

static struct ks_route route_of(enum ks_route_kind kind, const char *addr, unsigned bits, unsigned ifindex)
{
	struct ks_route route = { .kind = (__u8)kind, .bits = (__u8)bits, .table = RT_TABLE_MAIN, .ifindex = ifindex };

	if (inet_pton(AF_INET, addr, &route.addr.w[3]) == 1)
		route.family = KS_IPV4;
	else if (inet_pton(AF_INET6, addr, route.addr.b) == 1)
		route.family = KS_IPV6;
	else
		fail_msg("%s", addr);
	return route;
}

static enum ks_route_kind kind_of(unsigned type, unsigned protocol, unsigned table, const char *addr, unsigned bits,
				  bool has_gateway)
{
	struct rtmsg info = { .rtm_type = (unsigned char)type, .rtm_protocol = (unsigned char)protocol };
	struct ks_route route = route_of(KS_ROUTE_OTHER, addr, bits, 1);

	route.table = table;
	return ks_route_kind_of(&info, &route, has_gateway);
}

static void test_kinds(void **state)
{
	assert_int_equal(kind_of(RTN_LOCAL, RTPROT_KERNEL, 255, "192.0.2.1", 32, false), KS_ROUTE_SELF);
	assert_int_equal(kind_of(RTN_LOCAL, RTPROT_BOOT, 255, "192.0.2.0", 24, false), KS_ROUTE_SELF); /* AnyIP */
	assert_int_equal(kind_of(RTN_LOCAL, RTPROT_KERNEL, 1001, "192.0.2.1", 32, false), KS_ROUTE_SELF); /* a VRF */
	assert_int_equal(kind_of(RTN_LOCAL, RTPROT_BOOT, 100, "0.0.0.0", 0, false), KS_ROUTE_OTHER); /* TPROXY */
	assert_int_equal(kind_of(RTN_ANYCAST, RTPROT_KERNEL, 255, "2001:db8::", 128, false), KS_ROUTE_SELF);
	assert_int_equal(kind_of(RTN_BROADCAST, RTPROT_KERNEL, 255, "192.0.2.255", 32, false), KS_ROUTE_BROADCAST);
	assert_int_equal(kind_of(RTN_UNICAST, RTPROT_KERNEL, 254, "192.0.2.0", 24, false), KS_ROUTE_LINK);
	assert_int_equal(kind_of(RTN_UNICAST, RTPROT_BOOT, 254, "198.51.100.0", 24, true), KS_ROUTE_OTHER);
	assert_int_equal(kind_of(RTN_UNICAST, RTPROT_KERNEL, 254, "fe80::", 64, false), KS_ROUTE_OTHER);
	assert_int_equal(kind_of(RTN_UNICAST, RTPROT_KERNEL, 255, "ff00::", 8, false), KS_ROUTE_OTHER);
	assert_int_equal(kind_of(RTN_UNICAST, RTPROT_DHCP, 254, "0.0.0.0", 0, true), KS_ROUTE_DEFAULT);
	assert_int_equal(kind_of(RTN_UNICAST, RTPROT_BOOT, 254, "128.0.0.0", 1, false), KS_ROUTE_DEFAULT);
	assert_int_equal(kind_of(RTN_UNICAST, RTPROT_BOOT, 254, "2000::", 3, true), KS_ROUTE_DEFAULT);
	assert_int_equal(kind_of(RTN_UNREACHABLE, RTPROT_BOOT, 254, "::", 0, false), KS_ROUTE_OTHER);
	assert_int_equal(kind_of(RTN_BLACKHOLE, RTPROT_BOOT, 254, "10.0.0.0", 8, false), KS_ROUTE_OTHER);
}

static void take(struct ks_routes *routes, struct ks_route route)
{
	ks_routes_take_news(routes, &route);
}

static void check_local(const struct ks_routes *routes, const char *addr, unsigned bits, unsigned kind,
			unsigned ifindex)
{
	struct ks_route wanted = route_of(KS_ROUTE_OTHER, addr, bits, 0);
	struct ks_local_entry *entries;
	long count = ks_routes_locals(routes, &entries);
	unsigned found = 0;

	assert_true(count >= 0);
	for (long i = 0; i < count; i++) {
		if (entries[i].key.family != wanted.family ||
		    entries[i].key.bits != KS_LOCAL_BITS(wanted.family, bits) ||
		    memcmp(&entries[i].key.addr, &wanted.addr, sizeof(wanted.addr)))
			continue;
		found++;
		assert_int_equal(entries[i].local.kind, kind);
		assert_int_equal(entries[i].local.ifindex, ifindex);
	}
	assert_int_equal(found, kind != 0);
	free(entries);
}

static void test_locals(void **state)
{
	struct ks_routes routes = { 0 };
	struct ks_route other;

	take(&routes, route_of(KS_ROUTE_LINK, "192.0.2.0", 24, 7));
	take(&routes, route_of(KS_ROUTE_SELF, "192.0.2.1", 32, 7));
	take(&routes, route_of(KS_ROUTE_BROADCAST, "192.0.2.255", 32, 7));
	take(&routes, route_of(KS_ROUTE_DEFAULT, "0.0.0.0", 0, 8));
	take(&routes, route_of(KS_ROUTE_SELF, "::1", 128, 1));
	check_local(&routes, "192.0.2.0", 24, KS_LOCAL_LINK, 7);
	check_local(&routes, "192.0.2.1", 32, KS_LOCAL_SELF, 7);
	check_local(&routes, "192.0.2.255", 32, KS_LOCAL_BROADCAST, 7);
	check_local(&routes, "::1", 128, KS_LOCAL_SELF, 1);
	check_local(&routes, "0.0.0.0", 0, 0, 0);

	take(&routes, route_of(KS_ROUTE_SELF, "192.0.2.255", 32, 9)); /* the box's own comes before */
	check_local(&routes, "192.0.2.255", 32, KS_LOCAL_SELF, 9);
	other = route_of(KS_ROUTE_LINK, "192.0.2.0", 24, 3); /* a worse one, in a table of its own */
	other.table = 1001;
	take(&routes, other);
	check_local(&routes, "192.0.2.0", 24, KS_LOCAL_LINK, 7);
	other = route_of(KS_ROUTE_LINK, "192.0.2.0", 24, 7);
	other.gone = true;
	take(&routes, other);
	check_local(&routes, "192.0.2.0", 24, KS_LOCAL_LINK, 3);
	ks_routes_fini(&routes);
}

static void test_news_twice_are_one_route(void **state)
{
	struct ks_routes routes = { 0 };

	for (int i = 0; i < 5; i++)
		take(&routes, route_of(KS_ROUTE_SELF, "192.0.2.1", 32, 7));
	assert_int_equal(routes.count, 1);
	ks_routes_fini(&routes);
}

struct defaults {
	unsigned count, sum;
};

static void count_default(unsigned ifindex, void *arg)
{
	struct defaults *defaults = arg;

	defaults->count++;
	defaults->sum += ifindex;
}

static struct defaults defaults_of(const struct ks_routes *routes)
{
	struct defaults defaults = { 0 };

	ks_routes_each_default(routes, count_default, &defaults);
	return defaults;
}

static void test_replaced_default(void **state)
{
	struct ks_routes routes = { 0 };
	struct ks_route other;

	take(&routes, route_of(KS_ROUTE_DEFAULT, "0.0.0.0", 0, 7));
	other = route_of(KS_ROUTE_DEFAULT, "0.0.0.0", 0, 8);
	other.replaces = true;
	take(&routes, other);
	assert_int_equal(defaults_of(&routes).count, 1);
	assert_int_equal(defaults_of(&routes).sum, 8);
	other = route_of(KS_ROUTE_OTHER, "0.0.0.0", 0, 0); /* by "unreachable" */
	other.replaces = true;
	take(&routes, other);
	assert_int_equal(defaults_of(&routes).count, 0);
	ks_routes_fini(&routes);
}

static void test_unrelated_routes_cost_nothing(void **state)
{
	struct ks_routes routes = { 0 };
	struct ks_route other = route_of(KS_ROUTE_OTHER, "198.51.100.0", 24, 0);

	other.replaces = true;
	assert_false(ks_routes_take_news(&routes, &other));
	assert_false(routes.stale);
	assert_int_equal(routes.count, 0);
}

static void test_default_by_nexthop_objects(void **state)
{
	struct ks_nexthop nexthops[] = { { .id = 1, .ifindex = 10 },
					 { .id = 2, .ifindex = 20 },
					 { .id = 9, .member_count = 2, .members = { 1, 2 } } };
	struct ks_routes routes = { .nexthops = nexthops, .nexthop_count = KS_ARRAY_SIZE(nexthops) };
	struct ks_route other = route_of(KS_ROUTE_DEFAULT, "::", 0, 0);

	other.nexthop = 9;
	take(&routes, other);
	assert_int_equal(defaults_of(&routes).count, 2);
	assert_int_equal(defaults_of(&routes).sum, 30);
	routes.nexthops = NULL;
	ks_routes_fini(&routes);
}

/* --- as the kernel writes them --- */

struct message {
	struct nlmsghdr header;
	struct rtmsg info;
	struct rtattr multipath;
	struct rtnexthop hops[2];
};

/* "ip route replace default" by interfaces 7 and 8, of which the links are down. */
static struct message dead_multipath(void)
{
	struct message message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = RTM_NEWROUTE, .nlmsg_flags = NLM_F_REPLACE },
		.info = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST },
		.multipath = { .rta_len = RTA_LENGTH(sizeof(message.hops)), .rta_type = RTA_MULTIPATH },
	};

	for (int i = 0; i < 2; i++)
		message.hops[i] = (struct rtnexthop){ .rtnh_len = sizeof(message.hops[i]),
						      .rtnh_flags = RTNH_F_DEAD,
						      .rtnh_ifindex = 7 + i };
	return message;
}

static void take_message(const struct ks_route *route, void *arg)
{
	ks_routes_take_news(arg, route);
}

static void read_message(struct ks_routes *routes, const struct message *message)
{
	bool others;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(write(fds[0], message, sizeof(*message)), sizeof(*message));
	assert_int_equal(ks_netlink_read_routes(fds[1], take_message, routes, &others), 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_a_dead_route_replaces_too(void **state)
{
	struct ks_routes routes = { 0 };
	struct message message = dead_multipath();

	take(&routes, route_of(KS_ROUTE_DEFAULT, "0.0.0.0", 0, 5));
	read_message(&routes, &message);
	assert_int_equal(defaults_of(&routes).count, 0);
	take(&routes, route_of(KS_ROUTE_DEFAULT, "0.0.0.0", 0, 5));
	message.hops[1].rtnh_flags = 0;
	read_message(&routes, &message);
	assert_int_equal(defaults_of(&routes).count, 1);
	assert_int_equal(defaults_of(&routes).sum, 8);
	message.info.rtm_flags = RTNH_F_DEAD;
	read_message(&routes, &message);
	assert_int_equal(defaults_of(&routes).count, 0);
	ks_routes_fini(&routes);
}

static void set_descriptors(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = count;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The known routes stay, none counts as changed, and the next attempt waits. */
static void test_a_reading_that_fails(void **state)
{
	struct ks_routes routes = { .stale = true };
	struct rlimit limit;
	__u64 wait;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	take(&routes, route_of(KS_ROUTE_DEFAULT, "0.0.0.0", 0, 5));
	set_descriptors(0);
	assert_false(ks_routes_refresh(&routes));
	assert_int_equal(routes.read_error, -EMFILE);
	wait = routes.retry_wait;
	assert_true(wait > 0);
	assert_false(ks_routes_refresh(&routes));
	assert_int_equal(routes.retry_wait, wait); /* not tried */
	routes.retry_at = 0;
	assert_false(ks_routes_refresh(&routes));
	assert_int_equal(routes.retry_wait, 2 * wait);
	set_descriptors(limit.rlim_cur);
	assert_int_equal(routes.count, 1);
	routes.retry_at = 0;
	assert_true(ks_routes_refresh(&routes));
	assert_int_equal(routes.read_error, 0);
	ks_routes_fini(&routes);
}

static void test_why(void **state)
{
	struct ks_routes routes = { 0 };
	char text[256];

	assert_string_equal(ks_routes_why(&routes, text, sizeof(text)), "");
	routes.rules = 1U << KS_ROUTE_RULE_MARK | 1U << KS_ROUTE_RULE_UID;
	assert_string_equal(ks_routes_why(&routes, text, sizeof(text)), "rules by mark, uid");
	routes.several = true;
	routes.multicast = true;
	assert_string_equal(ks_routes_why(&routes, text, sizeof(text)),
			    "rules by mark, uid; several next hops; multicast routing");
	routes.rules = 0;
	assert_string_equal(ks_routes_why(&routes, text, sizeof(text)), "several next hops; multicast routing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_locals),
		cmocka_unit_test(test_news_twice_are_one_route),
		cmocka_unit_test(test_replaced_default),
		cmocka_unit_test(test_unrelated_routes_cost_nothing),
		cmocka_unit_test(test_default_by_nexthop_objects),
		cmocka_unit_test(test_a_dead_route_replaces_too),
		cmocka_unit_test(test_a_reading_that_fails),
		cmocka_unit_test(test_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
