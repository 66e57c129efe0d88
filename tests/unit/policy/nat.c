/* SPDX-License-Identifier: BSD-2-Clause */
/* Address translation and helpers: what they become in the tables, their normal form, and the complaints about them. */
#include "core/helper/id.h"
#include "policy/value.h"
#include "tests/unit/policy/support.h"

#define ZONES                                                          \
	"zone lan { eth1, network 10.0.0.0/8, network fd00:1::/48 }\n" \
	"zone dmz { eth2, network 10.9.0.0/16 }\n"                     \
	"zone wan { eth0, address 203.0.113.1, address 2001:db8::1 }\n"

enum { LAN = 2, DMZ = 3, WAN = 4 };

static const __u64 all = KS_ZONES_ANY, self = 1ULL << KS_ZONE_SELF;

/* The n-th entry of a list. */
static const struct ks_rule *entry_of(const struct ks_policy *policy, enum ks_list list, __u32 n)
{
	__u32 first = list == KS_LIST_FILTER ? 0 : policy->config.list[list].first;
	__u32 count = list == KS_LIST_FILTER ? policy->config.rules : policy->config.list[list].count;

	assert_true(n < count);
	return &policy->rules[first + n];
}

static const struct ks_target *target_of(const struct ks_policy *policy, const struct ks_rule *entry, __u32 n)
{
	assert_true(n < entry->targets);
	assert_true(entry->target + n < policy->config.targets);
	return &policy->targets[entry->target + n];
}

static void assert_low(const struct ks_target *target, __u64 high, __u64 low)
{
	assert_true(target->lo[0] == high && target->lo[1] == low);
}

static void assert_text(const struct ks_policy *policy, size_t info, const char *text)
{
	struct ks_policy *again;
	char *printed = print_text(policy);

	assert_string_equal(policy->infos[info].text, text);
	again = load_good(printed);
	assert_same_tables(policy, again);
	assert_string_equal(again->infos[info].text, text);
	free(printed);
	ks_policy_destroy(again);
}

static void test_addresses(void **state)
{
	struct ks_policy *policy = load_good(ZONES);

	assert_int_equal(ks_be32(policy->config.address[WAN][0].w[3]), 0xcb007101);
	assert_int_equal(policy->config.address[WAN][1].b[0], 0x20);
	assert_int_equal(policy->config.address[WAN][1].b[15], 1);
	assert_int_equal(policy->config.address[LAN][0].w[3], 0);
	assert_int_equal(policy->config.options & (KS_OPT_NAT | KS_OPT_FORWARD), 0);
	ks_policy_destroy(policy);
}

static void test_forward(void **state)
{
	struct ks_policy *policy = load_good(ZONES "forward from wan tcp port 443 to lan 10.9.0.5 port 8443 log \"w\"\n"
						   "forward from wan tcp port 25 to 10.9.0.6\n"
						   "forward from wan destination 203.0.113.9 to 192.0.2.1\n");
	const struct ks_rule *rule = entry_of(policy, KS_LIST_FILTER, 0);
	const struct ks_target *target = target_of(policy, rule, 0);

	assert_int_equal(policy->config.options & (KS_OPT_NAT | KS_OPT_FORWARD), KS_OPT_NAT | KS_OPT_FORWARD);
	assert_int_equal(rule->action, KS_ALLOW);
	assert_int_equal(rule->family, KS_IPV4);
	assert_true(rule->from_zones == 1ULL << WAN && rule->to_zones == self);
	assert_int_equal(rule->flags, KS_RULE_LOG);
	assert_int_equal(target->kind, KS_TARGET_RANGE);
	assert_int_equal(target->flags, KS_TARGET_PORTS);
	assert_int_equal(target->port_lo, 8443);
	assert_int_equal(target->port_hi, 8443);
	assert_int_equal(target->zone, LAN);
	assert_low(target, 0, 0x0a090005);
	assert_true(target->hi[1] == 0x0a090005);
	assert_text(policy, 0, "forward from wan tcp port 443 to lan 10.9.0.5 port 8443");

	target = target_of(policy, entry_of(policy, KS_LIST_FILTER, 1), 0);
	assert_int_equal(target->zone, DMZ); /* the longer network */
	assert_int_equal(target->flags, 0);

	rule = entry_of(policy, KS_LIST_FILTER, 2);
	assert_true(rule->to_zones == all);
	assert_int_equal(rule->flags, KS_RULE_ANY_PROTO);
	assert_int_equal(target_of(policy, rule, 0)->zone, KS_ZONE_UNKNOWN);
	ks_policy_destroy(policy);
}

static void test_forward_many(void **state)
{
	struct ks_policy *policy =
		load_good(ZONES "forward from { wan, lan } { tcp, udp } port 80 to { 10.0.0.5, fd00:1::5, 10.0.0.6 } "
				"port 8080\n");
	const struct ks_rule *rule;

	assert_int_equal(policy->config.rules, 4); /* two families, two protocols */
	assert_int_equal(policy->config.targets, 5); /* and the one of IPv6 the other way round, for either protocol */
	assert_int_equal(policy->config.list[KS_LIST_OWN].count, 2);
	rule = entry_of(policy, KS_LIST_FILTER, 1);
	assert_int_equal(rule->family, KS_IPV4);
	assert_int_equal(rule->proto, 17);
	assert_int_equal(rule->targets, 2);
	assert_int_equal(rule->target, entry_of(policy, KS_LIST_FILTER, 0)->target);
	assert_low(target_of(policy, rule, 1), 0, 0x0a000006);
	rule = entry_of(policy, KS_LIST_FILTER, 2);
	assert_int_equal(rule->family, KS_IPV6);
	assert_int_equal(rule->targets, 1);
	assert_low(target_of(policy, rule, 0), 0xfd00000100000000, 5);
	assert_int_equal(target_of(policy, rule, 0)->zone, LAN);
	assert_text(policy, 0,
		    "forward from { wan, lan } { tcp, udp } port 80 to { 10.0.0.5, fd00:1::5, 10.0.0.6 } port 8080");
	ks_policy_destroy(policy);
}

static void test_ports(void **state)
{
	struct ks_policy *policy = load_good(ZONES "forward from wan tcp port 5000-5100 to 10.0.0.5 port 6000\n"
						   "forward from wan tcp port { 80, 8080 } to 10.0.0.5 port 81\n"
						   "redirect from lan tcp port 9000-9009 to port 3128\n"
						   "redirect from lan udp port 9000-9009 to self port 3000-3009\n");
	const struct ks_target *target = target_of(policy, entry_of(policy, KS_LIST_FILTER, 0), 0), *own;

	assert_int_equal(target->flags, KS_TARGET_PORTS | KS_TARGET_PORT_OFFSET);
	assert_int_equal(target->port_from, 5000);
	assert_int_equal(target->port_lo, 6000);
	assert_int_equal(target->port_hi, 6100);
	target = target_of(policy, entry_of(policy, KS_LIST_FILTER, 1), 0);
	assert_int_equal(target->flags, KS_TARGET_PORTS);
	assert_int_equal(target->port_lo, 81);
	target = target_of(policy, entry_of(policy, KS_LIST_FILTER, 2), 0);
	assert_int_equal(target->flags, KS_TARGET_PORTS);
	assert_int_equal(target->port_hi, 3128);
	target = target_of(policy, entry_of(policy, KS_LIST_FILTER, 3), 0);
	assert_int_equal(target->flags, KS_TARGET_PORTS | KS_TARGET_PORT_OFFSET);
	assert_int_equal(target->port_from, 9000);
	/* The other way round: what is redirected to the box has none. */
	assert_int_equal(policy->config.list[KS_LIST_OWN].count, 2);
	own = target_of(policy, entry_of(policy, KS_LIST_OWN, 0), 0);
	assert_int_equal(own->port_from, 6000);
	assert_int_equal(own->port_lo, 5000);
	own = target_of(policy, entry_of(policy, KS_LIST_OWN, 1), 0);
	assert_int_equal(own->port_from, 81);
	assert_int_equal(own->port_lo, 80);
	assert_text(policy, 0, "forward from wan tcp port 5000-5100 to 10.0.0.5 port 6000-6100");
	assert_text(policy, 1, "forward from wan tcp port { 80, 8080 } to 10.0.0.5 port 81");
	assert_text(policy, 2, "redirect from lan tcp port 9000-9009 to self port 3128");
	assert_text(policy, 3, "redirect from lan udp port 9000-9009 to self port 3000-3009");
	ks_policy_destroy(policy);
}

/* `to` before the translation is a condition, also in a list with protocols behind it. */
static void test_to(void **state)
{
	struct ks_policy *policy = load_good(ZONES "forward from lan to wan udp port 53 to 10.0.0.53\n"
						   "forward from lan to wan { tcp, udp } port 54 to lan { 10.0.0.53 }\n"
						   "forward from lan to any tcp port 25 to lan 10.0.0.25\n"
						   "redirect from lan to { wan, dmz } tcp port 80 to port 3128\n"
						   "redirect from lan to self tcp port 81 to port 3128\n"
						   "redirect from lan tcp port 82 to self\n"
						   "redirect from lan tcp port 83 to self log\n");

	assert_true(entry_of(policy, KS_LIST_FILTER, 0)->to_zones == 1ULL << WAN);
	assert_true(entry_of(policy, KS_LIST_FILTER, 1)->to_zones == 1ULL << WAN);
	assert_int_equal(entry_of(policy, KS_LIST_FILTER, 2)->proto, 17);
	assert_true(entry_of(policy, KS_LIST_FILTER, 3)->to_zones == all);
	assert_true(entry_of(policy, KS_LIST_FILTER, 4)->to_zones == (1ULL << WAN | 1ULL << DMZ));
	assert_true(entry_of(policy, KS_LIST_FILTER, 5)->to_zones == self);
	assert_true(entry_of(policy, KS_LIST_FILTER, 6)->to_zones == all);
	assert_int_equal(target_of(policy, entry_of(policy, KS_LIST_FILTER, 6), 0)->kind, KS_TARGET_SELF);
	assert_int_equal(target_of(policy, entry_of(policy, KS_LIST_FILTER, 6), 0)->zone, KS_ZONE_SELF);
	assert_int_equal(target_of(policy, entry_of(policy, KS_LIST_FILTER, 6), 0)->family, 0);
	assert_int_equal(entry_of(policy, KS_LIST_FILTER, 7)->flags, KS_RULE_LOG);
	assert_text(policy, 1, "forward from lan to wan { tcp, udp } port 54 to lan 10.0.0.53");
	assert_text(policy, 2, "forward from lan to any tcp port 25 to lan 10.0.0.25");
	assert_text(policy, 5, "redirect from lan tcp port 82 to self");
	ks_policy_destroy(policy);
}

static void test_nat(void **state)
{
	struct ks_policy *policy =
		load_good(ZONES "allow from lan to wan\n"
				"nat from lan to wan destination 10.8.0.0/16 exempt\n"
				"nat from lan to wan source 10.0.0.0/24 to { 203.0.113.8-203.0.113.13, 2001:db8::/64, "
				"203.0.113.16/28 } port 20000-29999 random-port\n"
				"nat to wan masquerade endpoint-independent filtering address-dependent\n"
				"nat from self to wan udp port 123 to 203.0.113.7 endpoint-independent\n");
	const struct ks_rule *rule = entry_of(policy, KS_LIST_SOURCE, 0);

	assert_int_equal(policy->config.rules, 1);
	assert_int_equal(policy->config.entries, 6);
	assert_int_equal(policy->config.list[KS_LIST_SOURCE].count, 5);
	assert_int_equal(target_of(policy, rule, 0)->kind, KS_TARGET_EXEMPT);
	assert_int_equal(rule->family, 0);
	assert_int_equal(rule->id, 2);
	assert_int_equal(policy->rule_info[policy->config.list[KS_LIST_SOURCE].first], 1);

	rule = entry_of(policy, KS_LIST_SOURCE, 1);
	assert_int_equal(rule->family, KS_IPV4);
	assert_int_equal(rule->targets, 2);
	assert_int_equal(target_of(policy, rule, 0)->flags, KS_TARGET_PORTS | KS_TARGET_RANDOM);
	assert_low(target_of(policy, rule, 1), 0, 0xcb007110);
	assert_true(target_of(policy, rule, 1)->hi[1] == 0xcb00711f);
	assert_int_equal(entry_of(policy, KS_LIST_SOURCE, 2)->family, KS_IPV6);

	rule = entry_of(policy, KS_LIST_SOURCE, 3);
	assert_true(rule->from_zones == (all & ~self)); /* the box has its address already */
	assert_int_equal(target_of(policy, rule, 0)->kind, KS_TARGET_MASQUERADE);
	assert_int_equal(target_of(policy, rule, 0)->flags, KS_TARGET_EIM | KS_TARGET_ADF);
	assert_int_equal(target_of(policy, rule, 0)->port_hi, 0);

	rule = entry_of(policy, KS_LIST_SOURCE, 4);
	assert_true(rule->from_zones == self);
	assert_int_equal(target_of(policy, rule, 0)->flags, KS_TARGET_EIM | KS_TARGET_EIF);
	assert_text(policy, 2,
		    "nat from lan to wan source 10.0.0.0/24 to { 203.0.113.8-203.0.113.13, 2001:db8::/64, "
		    "203.0.113.16/28 } port 20000-29999 random-port");
	assert_text(policy, 3, "nat to wan family ipv4 masquerade endpoint-independent filtering address-dependent");
	ks_policy_destroy(policy);
}

/* Masquerading is for IPv4 unless the rule says otherwise, by the word or by what it is for; the normal form says which. */
static void test_masquerade_family(void **state)
{
	static const struct {
		const char *rule, *text;
		__u8 family;
	} all_of[] = {
		{ "nat to wan masquerade", "nat to wan family ipv4 masquerade", KS_IPV4 },
		{ "nat to wan family ipv4 masquerade", "nat to wan family ipv4 masquerade", KS_IPV4 },
		{ "nat to wan family ipv6 masquerade", "nat to wan family ipv6 masquerade", KS_IPV6 },
		{ "nat to wan source fd00::/64 masquerade", "nat to wan family ipv6 source fd00::/64 masquerade",
		  KS_IPV6 },
		{ "nat to wan source { fd00::/64, 10.0.0.0/8 } masquerade",
		  "nat to wan family ipv4 source { 10.0.0.0/8, fd00::/64 } masquerade", KS_IPV4 },
		{ "nat to wan source not fd00::/64 masquerade",
		  "nat to wan family ipv4 source not fd00::/64 masquerade", KS_IPV4 },
		{ "nat to wan icmpv6 masquerade", "nat to wan family ipv6 icmpv6 masquerade", KS_IPV6 },
		{ "nat to wan exempt", "nat to wan exempt", 0 },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(all_of); i++) {
		ks_auto_free char *text = NULL;
		struct ks_policy *policy;

		assert_true(asprintf(&text, ZONES "%s\n", all_of[i].rule) > 0);
		policy = load_good(text);
		assert_int_equal(entry_of(policy, KS_LIST_SOURCE, 0)->family, all_of[i].family);
		assert_text(policy, 0, all_of[i].text);
		ks_policy_destroy(policy);
	}
}

/* The box's own packets cannot be sent elsewhere: "any" zone does not mean them, so that they are not refused either. */
static void test_forward_from_any(void **state)
{
	struct ks_policy *policy = load_good(ZONES "forward to wan udp port 53 to 10.0.0.53\n"
						   "forward from any to wan tcp port 53 to 10.0.0.53\n"
						   "redirect to wan udp port 123 to self\n"
						   "forward from lan to any udp port 5 to 10.0.0.53\n"
						   "allow from any to wan\n");

	for (__u32 i = 0; i < 3; i++)
		assert_true(entry_of(policy, KS_LIST_FILTER, i)->from_zones == (all & ~self));
	assert_true(entry_of(policy, KS_LIST_FILTER, 3)->to_zones == all);
	assert_true(entry_of(policy, KS_LIST_FILTER, 4)->from_zones == all);
	ks_policy_destroy(policy);
}

static void test_binat(void **state)
{
	struct ks_policy *policy = load_good(ZONES "binat 10.1.0.0/24 to 203.0.113.0/24 on wan\n"
						   "allow\n"
						   "nat to wan masquerade\n"
						   "binat lan 192.0.2.5 to 203.0.113.5 on { wan, dmz }\n");
	const struct ks_rule *insp = entry_of(policy, KS_LIST_INBOUND, 0), *out = entry_of(policy, KS_LIST_SOURCE, 0);

	assert_int_equal(policy->config.rules, 1);
	assert_int_equal(policy->config.list[KS_LIST_INBOUND].count, 2);
	assert_int_equal(policy->config.list[KS_LIST_SOURCE].count, 3); /* in the order of the text */
	assert_int_equal(entry_of(policy, KS_LIST_SOURCE, 1)->id, 3);
	assert_true(insp->from_zones == 1ULL << WAN && insp->to_zones == all);
	assert_true(out->to_zones == 1ULL << WAN && out->from_zones == (all & ~self));
	assert_int_equal(insp->id, out->id);
	assert_int_equal(insp->family, KS_IPV4);
	assert_true(policy->ranges[policy->sets[insp->dst_set].first4].lo[1] == 0xcb007100);
	assert_true(policy->ranges[policy->sets[out->src_set].first4].hi[1] == 0x0a0100ff);
	assert_low(target_of(policy, insp, 0), 0, 0x0a010000);
	assert_low(target_of(policy, out, 0), 0, 0xcb007100);
	assert_int_equal(target_of(policy, insp, 0)->kind, KS_TARGET_PREFIX);
	assert_int_equal(target_of(policy, insp, 0)->prefix, 24);
	assert_int_equal(target_of(policy, insp, 0)->zone, LAN);
	assert_int_equal(target_of(policy, entry_of(policy, KS_LIST_INBOUND, 1), 0)->zone, LAN);
	assert_text(policy, 0, "binat 10.1.0.0/24 to 203.0.113.0/24 on wan");
	assert_text(policy, 3, "binat lan 192.0.2.5 to 203.0.113.5 on { wan, dmz }");
	ks_policy_destroy(policy);
}

static __u32 fold(__u32 sum)
{
	return (sum & 0xffff) + (sum >> 16);
}

/* The example of RFC 6296 appendix B: fd01:203:405:1::1234 becomes 2001:db8:1:d550::1234. */
static void test_nptv6(void **state)
{
	struct ks_policy *policy = load_good(ZONES "nptv6 fd01:203:405::/48 to 2001:db8:1::/48 on wan\n");
	const struct ks_target *insp = target_of(policy, entry_of(policy, KS_LIST_INBOUND, 0), 0);
	const struct ks_target *out = target_of(policy, entry_of(policy, KS_LIST_SOURCE, 0), 0);

	assert_int_equal(out->kind, KS_TARGET_NPT);
	assert_int_equal(out->prefix, 48);
	assert_int_equal(fold(0x0001 + (__u32)out->adjust), 0xd550);
	assert_int_equal(fold(0xd550 + (__u32)insp->adjust), 0x0001);
	assert_text(policy, 0, "nptv6 fd01:203:405::/48 to 2001:db8:1::/48 on wan");
	ks_policy_destroy(policy);
}

static __u64 address_in(const struct ks_policy *policy, __u32 set, __u32 n)
{
	assert_true(n < policy->sets[set].count4);
	return policy->ranges[policy->sets[set].first4 + n].lo[1];
}

static struct ks_own_address own(__u32 ipv4)
{
	struct ks_own_address own = { .family = KS_IPV4 };

	ks_addr_set_ipv4(&own.addr, ks_be32(ipv4));
	return own;
}

/* One set a zone, filled from the text at first, then with whatever the firewall has. */
static void test_address_of(void **state)
{
	struct ks_policy *policy =
		load_good(ZONES "forward from { wan, lan } destination address of wan tcp port 443 to 10.0.0.5\n"
				"deny destination 203.0.113.1\n"
				"deny from lan destination not address of lan\n"
				"allow source address of wan\n");
	const struct ks_rule *rules = policy->rules;
	struct ks_own_address list[KS_ADDRESS_SET_MAX + 4];
	__u32 wan = rules[0].dst_set;

	assert_text(policy, 0, "forward from { wan, lan } tcp port 443 destination address of wan to 10.0.0.5");
	assert_text(policy, 2, "deny from lan destination not address of lan");
	assert_int_equal(policy->address_set_count, 2);
	assert_int_equal(rules[3].src_set, wan);
	assert_int_not_equal(rules[1].dst_set, wan); /* of the same content, but it stays */
	assert_true(rules[0].to_zones == all);
	assert_int_equal(policy->sets[wan].count4, 1);
	assert_int_equal(policy->sets[wan].count6, 1);
	assert_true(address_in(policy, wan, 0) == 0xcb007101);
	assert_int_equal(policy->sets[rules[2].dst_set].count4, 0);

	list[0] = own(0xcb007109);
	list[1] = own(0xcb007102);
	list[2] = own(0xcb007109);
	assert_true(ks_policy_set_addresses(policy, WAN, list, 3));
	assert_false(ks_policy_set_addresses(policy, WAN, list, 3));
	assert_int_equal(policy->sets[wan].count4, 2);
	assert_int_equal(policy->sets[wan].count6, 0);
	assert_true(address_in(policy, wan, 0) == 0xcb007102 && address_in(policy, wan, 1) == 0xcb007109);
	assert_true(address_in(policy, rules[1].dst_set, 0) == 0xcb007101);
	assert_false(ks_policy_set_addresses(policy, DMZ, list, 3));

	for (__u32 i = 0; i < KS_ARRAY_SIZE(list); i++)
		list[i] = own(0x0a000000 + i);
	assert_true(ks_policy_set_addresses(policy, WAN, list, KS_ARRAY_SIZE(list)));
	assert_int_equal(policy->sets[wan].count4, KS_ADDRESS_SET_MAX);
	assert_true(ks_policy_set_addresses(policy, WAN, NULL, 0));
	assert_int_equal(policy->sets[wan].count4, 0);
	ks_policy_destroy(policy);
}

static struct ks_own_address own_network(const char *text)
{
	struct ks_own_address address = { 0 };

	assert_int_equal(ks_value_prefix(text, &address.network), 0);
	address.addr = address.network.addr;
	address.family = address.network.family;
	return address;
}

static void assert_range(const struct ks_policy *policy, __u32 first, const char *text)
{
	struct ks_range range;
	__u8 family;

	assert_int_equal(ks_value_range(text, &range, &family), 0);
	assert_memory_equal(&policy->ranges[first], &range, sizeof(range));
}

/* Networks that overlap are one; a suffix is a host in each, with what a long prefix or a short one says of its bits. */
static void test_network_of(void **state)
{
	struct ks_policy *policy =
		load_good("zone lan { eth1, network 10.0.0.0/24, network fd00:1::/64, network fd00:2::/48 }\n"
			  "allow source network of lan\n"
			  "allow to lan destination suffix { ::10/64, ::7:0:0:0:20/48 }\n"
			  "allow from lan source not suffix ::10/64\n"
			  "allow destination suffix { ::10/64, ::7:0:0:0:20/48 } of lan\n");
	const struct ks_set *networks = &policy->sets[policy->rules[0].src_set];
	const struct ks_set *hosts = &policy->sets[policy->rules[1].dst_set];
	const struct ks_own_address list[] = { own_network("10.0.0.1/24"),  own_network("10.0.0.129/25"),
					       own_network("10.0.1.1/23"),  own_network("192.0.2.1"),
					       own_network("fd00:9::1/64"), own_network("fd00:8:0:5::1") };

	assert_text(policy, 1, "allow to lan destination suffix { ::10/64, ::7:0:0:0:20/48 } of lan");
	assert_text(policy, 2, "allow from lan source not suffix ::10/64 of lan");
	assert_int_equal(policy->rules[1].dst_set, policy->rules[3].dst_set);
	assert_int_equal(policy->address_set_count, 3);
	assert_int_equal(networks->count4, 1);
	assert_int_equal(networks->count6, 2);
	assert_int_equal(hosts->count4, 0);
	assert_int_equal(hosts->count6, 4);
	assert_range(policy, hosts->first6, "fd00:1::10");
	assert_range(policy, hosts->first6 + 3, "fd00:2:0:7::20");

	assert_true(ks_policy_set_addresses(policy, policy->zones[0].id, list, KS_ARRAY_SIZE(list)));
	assert_false(ks_policy_set_addresses(policy, policy->zones[0].id, list, KS_ARRAY_SIZE(list)));
	assert_int_equal(networks->count4, 2);
	assert_range(policy, networks->first4, "10.0.0.0/23");
	assert_range(policy, networks->first4 + 1, "192.0.2.1");
	assert_int_equal(networks->count6, 2);
	assert_int_equal(hosts->count6, 4);
	assert_range(policy, hosts->first6, "fd00:8:0:5::10");
	assert_range(policy, hosts->first6 + 1, "fd00:8:0:7::20");
	assert_range(policy, hosts->first6 + 2, "fd00:9::10");
	assert_range(policy, hosts->first6 + 3, "fd00:9:0:7::20");
	assert_true(ks_policy_set_addresses(policy, policy->zones[0].id, NULL, 0));
	assert_int_equal(networks->count4 + networks->count6 + hosts->count6, 0);
	ks_policy_destroy(policy);
}

static void test_network_of_many(void **state)
{
	struct ks_policy *policy = load_good("zone lan { eth1 }\nallow source network of lan\n");
	const struct ks_set *networks = &policy->sets[policy->rules[0].src_set];
	struct ks_own_address list[KS_ADDRESS_SET_MAX + 2];
	char text[32];

	for (unsigned i = 0; i < KS_ARRAY_SIZE(list); i++) {
		snprintf(text, sizeof(text), "10.%u.0.1/24", i * 37 % 251);
		list[i] = own_network(text);
	}
	assert_true(ks_policy_set_addresses(policy, policy->zones[0].id, list, KS_ARRAY_SIZE(list)));
	assert_int_equal(networks->count4, KS_ADDRESS_SET_MAX);
	for (unsigned i = 1; i < KS_ADDRESS_SET_MAX; i++)
		assert_true(policy->ranges[networks->first4 + i].lo[1] >
			    policy->ranges[networks->first4 + i - 1].hi[1]);
	ks_policy_destroy(policy);
}

static void test_helpers(void **state)
{
	struct ks_policy *policy = load_good(ZONES "helper ftp from lan to wan tcp port 2121\n"
						   "helper { sip, ftp, sip, tftp } from lan to wan\n");
	static const struct {
		__u8 helper, proto;
		__u16 port;
	} expected[] = {
		{ KS_HELPER_FTP, 6, 2121 }, { KS_HELPER_SIP, 6, 5060 }, { KS_HELPER_SIP, 17, 5060 },
		{ KS_HELPER_FTP, 6, 21 },   { KS_HELPER_TFTP, 17, 69 },
	};

	assert_int_equal(policy->config.list[KS_LIST_HELPER].count, KS_ARRAY_SIZE(expected));
	assert_int_equal(policy->config.options & KS_OPT_NAT, 0);
	for (__u32 i = 0; i < KS_ARRAY_SIZE(expected); i++) {
		const struct ks_rule *rule = entry_of(policy, KS_LIST_HELPER, i);
		const struct ks_set *ports = &policy->sets[rule->dport_set];

		assert_int_equal(rule->helper, expected[i].helper);
		assert_int_equal(rule->proto, expected[i].proto);
		assert_int_equal(rule->flags, 0);
		assert_int_equal(ports->count4, 1);
		assert_int_equal(policy->ranges[ports->first4].lo[1], expected[i].port);
	}
	assert_text(policy, 0, "helper ftp from lan to wan tcp port 2121");
	assert_text(policy, 1, "helper { sip, ftp, tftp } from lan to wan");
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_forward_many),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_to),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_masquerade_family),
		cmocka_unit_test(test_forward_from_any),
		cmocka_unit_test(test_binat),
		cmocka_unit_test(test_nptv6),
		cmocka_unit_test(test_address_of),
		cmocka_unit_test(test_network_of),
		cmocka_unit_test(test_network_of_many),
		cmocka_unit_test(test_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
