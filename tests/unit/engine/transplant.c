/* SPDX-License-Identifier: BSD-2-Clause */
/* A translated flow put into another engine goes on there as it would have in its own. */
#include <errno.h>
#include <string.h>

#include "core/table/flow.h"
#include "scenario/craft.h"
#include "engine/transplant.h"
#include "policy/arena.h"
#include "policy/scenario/scenario.h"
#include "tests/unit/policy/support.h"

static const char policy_text[] = "zone lan { eth1, address 10.0.0.1, network 10.0.0.0/8 }\n"
				  "zone wan { eth0, address 203.0.113.1 }\n"
				  "forward from lan tcp port 443 destination 203.0.113.9 to wan 192.0.2.1 port 80\n"
				  "allow from lan to wan\n"
				  "nat from lan to wan masquerade port 50000-50010\n";

struct shop {
	struct ks_policy *policy;
	struct ks_tables tables;
	struct ks_crafter *crafter;
	struct ks_arena *arena;
};

static void shop_open(struct shop *shop)
{
	shop->policy = load_good(policy_text);
	shop->tables = ks_policy_tables(shop->policy);
	shop->arena = ks_arena_create();
	assert_int_equal(ks_crafter_create(&shop->crafter), 0);
}

static void shop_close(struct shop *shop)
{
	ks_crafter_destroy(shop->crafter);
	ks_arena_destroy(shop->arena);
	ks_policy_destroy(shop->policy);
}

static struct ks_engine *engine_make(struct shop *shop)
{
	struct ks_engine *engine;

	assert_int_equal(ks_engine_create(&shop->tables, &engine), 0);
	ks_engine_set_time(engine, 1000 * KS_NSEC_PER_SEC);
	return engine;
}

static void inspect(struct shop *shop, struct ks_engine *engine, const char *words, bool dry,
		    struct ks_inspection *insp)
{
	struct ks_diags diags = { 0 };
	struct ks_step step;
	struct ks_frame frame;

	assert_int_equal(ks_step_parse_text(shop->policy, words, shop->arena, &step, &diags), 0);
	ks_crafter_reset(shop->crafter);
	assert_int_equal(ks_crafter_craft(shop->crafter, &step.packet, &frame), 0);
	ks_engine_inspect(engine, &frame, dry, insp);
	ks_diags_fini(&diags);
}

/* The one flow of an engine and its names. */
static int collect(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct ks_transplant *transplant = arg;
	unsigned side = flow->helper & 1;

	if (flow->state != KS_STATE_ALIAS) {
		transplant->key = *key;
		transplant->flow = *flow;
		return 0;
	}
	transplant->has_alias[side] = true;
	transplant->alias_key[side] = *key;
	transplant->alias[side] = *flow;
	return 0;
}

static void assert_address(const struct ks_addr *addr, __u32 ipv4)
{
	assert_int_equal(ks_be32(addr->w[3]), ipv4);
}

static void test_both_directions_go_on(void **state)
{
	struct shop shop;
	struct ks_engine *first, *second;
	struct ks_transplant transplant = { 0 };
	struct ks_inspection insp;
	char reply[128];

	shop_open(&shop);
	first = engine_make(&shop);
	second = engine_make(&shop);
	inspect(&shop, first, "lan 10.0.0.5:40000 > wan 203.0.113.9:443 tcp syn", false, &insp);
	assert_int_equal(insp.verdict.action, KS_ALLOW);
	ks_engine_each_entry(first, collect, &transplant);
	assert_true(transplant.has_alias[KS_ORIGINAL] && transplant.has_alias[KS_REPLY]);
	assert_int_equal(ks_engine_transplant(second, &transplant), 0);
	assert_int_equal(ks_engine_transplant(second, &transplant), -EEXIST);

	snprintf(reply, sizeof(reply), "wan 192.0.2.1:80 > lan 203.0.113.1:%u tcp syn ack seq =5000 ack =1001",
		 ks_be16(insp.sent.sport));
	inspect(&shop, second, reply, true, &insp);
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_ESTABLISHED);
	assert_int_equal(insp.dir, KS_REPLY);
	assert_address(&insp.sent.src, 0xcb007109);
	assert_int_equal(ks_be16(insp.sent.sport), 443);
	assert_address(&insp.sent.dst, 0x0a000005);
	assert_int_equal(ks_be16(insp.sent.dport), 40000);

	inspect(&shop, second, "lan 10.0.0.5:40000 > wan 203.0.113.9:443 tcp syn", true, &insp);
	assert_int_equal(insp.dir, KS_ORIGINAL);
	assert_true(insp.flow.found);
	assert_address(&insp.sent.src, 0xcb007101);
	assert_address(&insp.sent.dst, 0xc0000201);
	ks_engine_destroy(first);
	ks_engine_destroy(second);
	shop_close(&shop);
}

/* The names that user space gives a flow are those that the core gives it. */
static void test_names(void **state)
{
	struct shop shop;
	struct ks_engine *engine;
	struct ks_transplant seen = { 0 }, named;
	struct ks_inspection insp;

	shop_open(&shop);
	engine = engine_make(&shop);
	inspect(&shop, engine, "lan 10.0.0.5:40000 > wan 203.0.113.9:443 tcp syn", false, &insp);
	ks_engine_each_entry(engine, collect, &seen);
	named = seen;
	memset(named.alias_key, 0, sizeof(named.alias_key));
	insp.sent.dst = seen.key.addr[!ks_flow_orig_side(&seen.flow)];
	ks_transplant_name(&named, KS_ORIGINAL, &insp.pkt.tuple);
	ks_transplant_name(&named, KS_REPLY, &insp.sent);
	for (unsigned side = 0; side < 2; side++) {
		assert_memory_equal(&named.alias_key[side], &seen.alias_key[side], sizeof(named.alias_key[0]));
		assert_int_equal(named.alias[side].flags, seen.alias[side].flags);
		assert_memory_equal(named.alias[side].zone, seen.alias[side].zone, sizeof(seen.alias[0].zone));
		assert_int_equal(named.alias[side].rule, seen.alias[side].rule);
		assert_int_equal(named.alias[side].helper, seen.alias[side].helper);
	}
	ks_engine_destroy(engine);
	shop_close(&shop);
}

/* On a table that another engine made; and of a flow whose second key is taken nothing stays. */
static void test_shared_table_and_conflict(void **state)
{
	struct shop shop;
	struct ks_engine *owner, *engine;
	struct ks_transplant transplant = { 0 };
	struct ks_inspection insp;

	shop_open(&shop);
	owner = engine_make(&shop);
	inspect(&shop, owner, "lan 10.0.0.5:40000 > wan 203.0.113.9:443 tcp syn", false, &insp);
	ks_engine_each_entry(owner, collect, &transplant);
	assert_int_equal(ks_engine_create_beside(owner, &shop.tables, &engine), 0);
	transplant.key.port[0] ^= 0xffff; /* another flow, which only shares the alias of the responder's side */
	transplant.alias_key[KS_ORIGINAL].port[0] ^= 0xffff;
	transplant.flow.alias[0] = transplant.flow.alias[1] = 0;
	assert_int_equal(ks_engine_transplant(engine, &transplant), -EEXIST);
	assert_int_equal(ks_engine_counts(owner)->flows, 1);
	assert_int_equal(ks_engine_counts(owner)->records[KS_KIND_FLOW], 2);
	transplant.has_alias[KS_REPLY] = false;
	assert_int_equal(ks_engine_transplant(engine, &transplant), 0);
	assert_int_equal(ks_engine_counts(owner)->flows, 2);
	assert_int_equal(ks_engine_counts(owner)->records[KS_KIND_FLOW], 3);
	ks_engine_destroy(engine);
	ks_engine_destroy(owner);
	shop_close(&shop);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_both_directions_go_on), cmocka_unit_test(test_names),
					    cmocka_unit_test(test_shared_table_and_conflict) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
