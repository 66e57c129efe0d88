/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/interfaces/roles.c: how each interface is guarded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/maps.h"
#include "daemon/interfaces/roles.h"

#define LINKS_MAX 12

struct scene {
	struct ks_policy *policy;
	struct ks_interface list[LINKS_MAX];
	struct ks_links links;
	struct ks_role roles[LINKS_MAX];
};

static void begin(struct scene *scene, const char *text)
{
	struct ks_diags diags;

	memset(scene, 0, sizeof(*scene));
	scene->links.list = scene->list;
	assert_int_equal(ks_policy_load_text(text, strlen(text), "test", ".", &scene->policy, &diags), 0);
	ks_diags_fini(&diags);
}

/* The next interface; its ifindex is 10 times its place, counted from 1. */
static unsigned add(struct scene *scene, const char *name, const char *kind, unsigned master)
{
	struct ks_interface *link = &scene->list[scene->links.count++];

	link->ifindex = (unsigned)scene->links.count * 10;
	link->master = master;
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	return link->ifindex;
}

static void decide(struct scene *scene)
{
	ks_roles_decide(scene->policy, &scene->links, scene->roles);
}

static void check(const struct scene *scene, const char *name, enum ks_role_kind kind, const char *zone)
{
	for (size_t i = 0; i < scene->links.count; i++) {
		const struct ks_role *role = &scene->roles[i];
		const char *found = ks_policy_zone_name(scene->policy, role->zone);

		if (strcmp(scene->list[i].name, name))
			continue;
		if (role->kind != kind)
			fail_msg("%s is %s, not %s", name, ks_role_name(role->kind), ks_role_name(kind));
		if (kind != KS_ROLE_MEMBER && strcmp(found, zone))
			fail_msg("%s is in zone %s, not in %s", name, found, zone);
		return;
	}
	fail_msg("no %s", name);
}

static unsigned bearer(const struct scene *scene, unsigned ifindex)
{
	return scene->roles[ks_links_find(&scene->links, ifindex)].bearer;
}

static void end(struct scene *scene)
{
	ks_policy_destroy(scene->policy);
}

#define ZONES "zone lan { lan*, br0 }\nzone wan { wan0 }\nallow from lan to wan\n"

static void test_everything_is_guarded(void **state)
{
	struct scene scene;

	begin(&scene, ZONES);
	add(&scene, "lo", "", 0);
	add(&scene, "lan1", "", 0);
	add(&scene, "wan0", "", 0);
	add(&scene, "docker0", "bridge", 0);
	add(&scene, "lan1.5", "vlan", 0);
	decide(&scene);
	check(&scene, "lo", KS_ROLE_IGNORED, "none");
	check(&scene, "lan1", KS_ROLE_GUARDED, "lan");
	check(&scene, "wan0", KS_ROLE_GUARDED, "wan");
	check(&scene, "docker0", KS_ROLE_GUARDED, "none");
	check(&scene, "lan1.5", KS_ROLE_GUARDED, "lan");
	end(&scene);
}

static void test_a_renamed_loopback_is_left_alone(void **state)
{
	struct scene scene;

	begin(&scene, ZONES);
	add(&scene, "lan7", "", 0);
	scene.list[0].loopback = true;
	decide(&scene);
	check(&scene, "lan7", KS_ROLE_IGNORED, "none");
	end(&scene);
}

static void test_ignored_ones(void **state)
{
	static char *ignores[] = { "docker0", "lan9*" };
	struct scene scene;
	unsigned docker;

	begin(&scene, ZONES);
	scene.policy->ignores = ignores;
	scene.policy->ignore_count = KS_ARRAY_SIZE(ignores);
	docker = add(&scene, "docker0", "bridge", 0);
	add(&scene, "veth1", "veth", docker);
	add(&scene, "lan5", "veth", docker); /* named, but what carries it is ignored */
	add(&scene, "lan91", "", 0);
	add(&scene, "lan8", "", 0);
	decide(&scene);
	check(&scene, "docker0", KS_ROLE_IGNORED, "none");
	check(&scene, "veth1", KS_ROLE_MEMBER, "");
	check(&scene, "lan5", KS_ROLE_MEMBER, "");
	check(&scene, "lan91", KS_ROLE_IGNORED, "none");
	check(&scene, "lan8", KS_ROLE_GUARDED, "lan");
	end(&scene);
}

static void test_a_bridge_as_one(void **state)
{
	static char all[] = "*";
	struct scene scene;
	unsigned bridge;

	begin(&scene, ZONES "zone rest { rest }\n");
	scene.policy->zones[2].interfaces[0] = all; /* names nothing by itself */
	bridge = add(&scene, "br0", "bridge", 0);
	add(&scene, "eth1", "", bridge);
	add(&scene, "eth2", "", bridge);
	add(&scene, "eth3", "", 0);
	decide(&scene);
	check(&scene, "eth3", KS_ROLE_GUARDED, "rest");
	check(&scene, "br0", KS_ROLE_GUARDED, "lan");
	check(&scene, "eth1", KS_ROLE_MEMBER, "");
	check(&scene, "eth2", KS_ROLE_MEMBER, "");
	end(&scene);
}

static void test_a_bridge_at_its_ports(void **state)
{
	static char *ignores[] = { "tap0" };
	struct scene scene;
	unsigned bridge, port;

	begin(&scene, ZONES);
	scene.policy->ignores = ignores;
	scene.policy->ignore_count = 1;
	port = add(&scene, "wan0", "", 40);
	add(&scene, "eth1", "", 40);
	add(&scene, "tap0", "tun", 40);
	bridge = add(&scene, "br0", "bridge", 0);
	assert_int_equal(bridge, 40);
	decide(&scene);
	check(&scene, "br0", KS_ROLE_CARRIER, "lan");
	check(&scene, "wan0", KS_ROLE_PORT, "wan");
	check(&scene, "eth1", KS_ROLE_PORT, "lan"); /* the bridge's */
	check(&scene, "tap0", KS_ROLE_PORT, "none"); /* not the bridge's zone: the policy ignores it */
	assert_true(scene.roles[2].unheeded);
	assert_false(scene.roles[1].unheeded);
	assert_int_equal(bearer(&scene, port), bridge);
	assert_int_equal(bearer(&scene, bridge), bridge);
	end(&scene);
}

static void test_a_bond_in_a_bridge(void **state)
{
	struct scene scene;
	unsigned bridge, bond;

	begin(&scene, ZONES);
	bridge = add(&scene, "br1", "bridge", 0);
	bond = add(&scene, "bond0", "bond", bridge);
	add(&scene, "eth1", "", bond);
	add(&scene, "eth3", "", bridge);
	decide(&scene);
	check(&scene, "br1", KS_ROLE_GUARDED, "none");
	check(&scene, "bond0", KS_ROLE_MEMBER, "");
	check(&scene, "eth1", KS_ROLE_MEMBER, "");
	snprintf(scene.list[2].name, sizeof(scene.list[2].name), "lan1"); /* now a zone names the bond's member */
	decide(&scene);
	check(&scene, "br1", KS_ROLE_CARRIER, "none");
	check(&scene, "bond0", KS_ROLE_MEMBER, "");
	check(&scene, "lan1", KS_ROLE_PORT, "lan");
	check(&scene, "eth3", KS_ROLE_PORT, "none");
	assert_int_equal(bearer(&scene, 30), bridge);
	snprintf(scene.list[2].name, sizeof(scene.list[2].name), "eth1"); /* and now the bond itself */
	snprintf(scene.list[1].name, sizeof(scene.list[1].name), "lan0");
	decide(&scene);
	check(&scene, "br1", KS_ROLE_CARRIER, "none");
	check(&scene, "lan0", KS_ROLE_PORT, "lan");
	check(&scene, "eth1", KS_ROLE_MEMBER, "");
	end(&scene);
}

static void test_a_vrf(void **state)
{
	struct scene scene;
	unsigned vrf;

	begin(&scene, "zone lan { lan1, red }\nzone wan { wan0 }\nallow from lan to wan\n");
	vrf = add(&scene, "red", "vrf", 0);
	add(&scene, "wan0", "", vrf);
	add(&scene, "eth1", "", vrf);
	decide(&scene);
	check(&scene, "red", KS_ROLE_VRF, "lan");
	check(&scene, "wan0", KS_ROLE_GUARDED, "wan");
	check(&scene, "eth1", KS_ROLE_GUARDED, "lan"); /* the VRF's */
	assert_false(ks_role_has_programs(KS_ROLE_VRF));
	assert_int_equal(ks_role_flags(KS_ROLE_VRF), KS_GUARD_CARRIER);
	end(&scene);
}

static void test_a_macvlan(void **state)
{
	struct scene scene;

	begin(&scene, ZONES);
	add(&scene, "wan0", "", 0);
	add(&scene, "mac0", "macvlan", 0);
	scene.list[1].lower = 10;
	decide(&scene);
	check(&scene, "wan0", KS_ROLE_GUARDED, "wan");
	check(&scene, "mac0", KS_ROLE_GUARDED, "none");
	assert_true(ks_link_is_stacked(&scene.list[1]));
	assert_false(ks_link_is_stacked(&scene.list[0]));
	end(&scene);
}

/* Shaping leads packets through it that are judged elsewhere, whatever the policy calls it. */
static void test_an_ifb(void **state)
{
	struct scene scene;

	begin(&scene, ZONES);
	add(&scene, "wan0", "", 0);
	add(&scene, "ifb0", "ifb", 0);
	decide(&scene);
	check(&scene, "ifb0", KS_ROLE_IGNORED, "none");
	end(&scene);
}

static void test_a_circle_ends(void **state)
{
	struct scene scene;

	begin(&scene, ZONES);
	add(&scene, "lan1", "bridge", 20);
	add(&scene, "lan2", "bridge", 10);
	add(&scene, "lan3", "", 99); /* its master is not there */
	decide(&scene);
	check(&scene, "lan3", KS_ROLE_GUARDED, "lan");
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_guarded),
		cmocka_unit_test(test_a_renamed_loopback_is_left_alone),
		cmocka_unit_test(test_ignored_ones),
		cmocka_unit_test(test_a_bridge_as_one),
		cmocka_unit_test(test_a_bridge_at_its_ports),
		cmocka_unit_test(test_a_bond_in_a_bridge),
		cmocka_unit_test(test_a_vrf),
		cmocka_unit_test(test_a_macvlan),
		cmocka_unit_test(test_an_ifb),
		cmocka_unit_test(test_a_circle_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
