/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/interfaces/zone_facts.c: what follows from the list of interfaces for all zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/interfaces/zone_facts.h"
#include "tests/unit/daemon/interfaces/entry.h"

static void test_zones_and_outside(void **state)
{
	struct ks_guarded list[] = {
		entry("lo", 1, KS_ROLE_IGNORED, 0),    entry("lan0", 2, KS_ROLE_GUARDED, 2),
		entry("lan1", 3, KS_ROLE_GUARDED, 2),  entry("wan0", 4, KS_ROLE_GUARDED, 3),
		entry("wan1", 5, KS_ROLE_GUARDED, 3),  entry("docker0", 6, KS_ROLE_GUARDED, 0),
		entry("down0", 7, KS_ROLE_GUARDED, 5),
	};
	struct ks_route routes[] = { { .kind = KS_ROUTE_DEFAULT, .ifindex = 5 },
				     { .kind = KS_ROUTE_LINK, .ifindex = 2 } };
	struct ks_interfaces interfaces = { .list = list, .count = KS_ARRAY_SIZE(list) };
	struct ks_zone_facts facts;

	interfaces.routes.list = routes;
	interfaces.routes.count = KS_ARRAY_SIZE(routes);
	list[6].up = false;
	ks_zone_facts_find(&interfaces, &facts);
	assert_int_equal(facts.zones, 1U << 0 | 1U << 2 | 1U << 3 | 1U << 5);
	assert_int_equal(facts.outside, 1U << 3);
	assert_int_equal(facts.zone_ifindex[2], 2);
	assert_int_equal(facts.zone_ifindex[3], 5); /* it has the default route */
	assert_int_equal(facts.zone_ifindex[0], 6);
	assert_int_equal(facts.zone_ifindex[5], 0); /* down */
	assert_false(facts.routes_differ);
	list[4].up = false; /* the default route's is down */
	ks_zone_facts_find(&interfaces, &facts);
	assert_int_equal(facts.zone_ifindex[3], 4);
	interfaces.routes.several = true;
	ks_zone_facts_find(&interfaces, &facts);
	assert_true(facts.routes_differ);
}

/* Several uplinks of one zone, of both families, that are up. */
static void test_uplinks_of_a_zone(void **state)
{
	struct ks_guarded list[] = { entry("wan0", 4, KS_ROLE_GUARDED, 3), entry("wan1", 5, KS_ROLE_GUARDED, 3) };
	struct ks_route routes[] = { { .kind = KS_ROUTE_DEFAULT, .ifindex = 4, .family = KS_IPV4 },
				     { .kind = KS_ROUTE_DEFAULT, .ifindex = 4, .family = KS_IPV6 },
				     { .kind = KS_ROUTE_DEFAULT, .ifindex = 5, .family = KS_IPV4, .metric = 50 } };
	struct ks_interfaces interfaces = { .list = list, .count = KS_ARRAY_SIZE(list) };
	struct ks_zone_facts facts;

	interfaces.routes.list = routes;
	interfaces.routes.count = 2;
	ks_zone_facts_find(&interfaces, &facts);
	assert_false(facts.has_uplinks);
	interfaces.routes.count = 3;
	ks_zone_facts_find(&interfaces, &facts);
	assert_true(facts.has_uplinks);
	list[1].up = false;
	ks_zone_facts_find(&interfaces, &facts);
	assert_false(facts.has_uplinks);
	list[1].up = true;
	list[1].guard.zone = 4; /* a zone each: the core sees that they differ */
	ks_zone_facts_find(&interfaces, &facts);
	assert_false(facts.has_uplinks);
}

static void test_a_default_route_by_a_carrier(void **state)
{
	struct ks_guarded list[] = { entry("br0", 2, KS_ROLE_CARRIER, 0), entry("eth1", 3, KS_ROLE_PORT, 2),
				     entry("eth2", 4, KS_ROLE_PORT, 3) };
	struct ks_route route = { .kind = KS_ROUTE_DEFAULT, .ifindex = 2 };
	struct ks_interfaces interfaces = { .list = list, .count = KS_ARRAY_SIZE(list) };
	struct ks_zone_facts facts;

	list[1].bearer = list[2].bearer = 2;
	interfaces.routes.list = &route;
	interfaces.routes.count = 1;
	ks_zone_facts_find(&interfaces, &facts);
	assert_int_equal(facts.zones, 1U << 2 | 1U << 3);
	assert_int_equal(facts.outside, 1U << 2 | 1U << 3);
	assert_int_equal(facts.zone_ifindex[2], 2);
	assert_int_equal(facts.zone_ifindex[3], 2);
}

static void test_store(void **state)
{
	struct ks_control control = { .flags = KS_CONTROL_BACKSTOP };
	struct ks_zone_facts facts = { .zones = 5, .outside = 4, .routes_differ = true };

	facts.zone_ifindex[2] = 9;
	ks_zone_facts_store(&facts, &control);
	assert_int_equal(control.flags, KS_CONTROL_BACKSTOP | KS_CONTROL_ROUTES_DIFFER);
	facts.has_uplinks = true;
	ks_zone_facts_store(&facts, &control);
	assert_int_equal(control.flags, KS_CONTROL_BACKSTOP | KS_CONTROL_ROUTES_DIFFER | KS_CONTROL_UPLINKS);
	facts.has_uplinks = false;
	assert_int_equal(control.zones, 5);
	assert_int_equal(control.outside, 4);
	assert_int_equal(control.zone_ifindex[2], 9);
	facts.routes_differ = false;
	ks_zone_facts_store(&facts, &control);
	assert_int_equal(control.flags, KS_CONTROL_BACKSTOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zones_and_outside),
		cmocka_unit_test(test_uplinks_of_a_zone),
		cmocka_unit_test(test_a_default_route_by_a_carrier),
		cmocka_unit_test(test_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
