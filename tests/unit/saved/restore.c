/* SPDX-License-Identifier: BSD-2-Clause */
/* Saved states in another box: what goes on there, and what does not. */
#include "core/header/packet.h"
#include "tests/unit/saved/support.h"
#include "text/names.h"

#define ZONES                                                       \
	"zone lan { eth1, address 10.0.0.1, network 10.0.0.0/8 }\n" \
	"zone wan { eth0, address 203.0.113.1, network 0.0.0.0/0 }\n"
#define OUT "allow from lan to wan\n"
#define MASQUERADE "nat from lan to wan masquerade\n"
#define PLAIN ZONES OUT MASQUERADE

static const char *const handshake[] = {
	"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn seq =1000 win 8192",
	"wan 192.0.2.1:80 > self 203.0.113.1:40000 tcp syn ack seq =5000 ack =1001 win 8192",
	"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =1001 ack =5001 win 8192",
};

static void run_all(struct box *box, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!box_passes(box, words[i]))
			fail_msg("%s: %s", words[i], ks_reason_name(box_send(box, words[i])));
	}
}

/* Restores a file into a box, so many ms after it was saved. */
static struct ks_saved_outcome restore(struct box *box, const struct bytes *bytes, __u64 elapsed)
{
	ks_auto_saved struct ks_saved *saved = bytes_open(bytes);
	struct ks_saved_moment now = saved_moment;
	struct ks_saved_outcome outcome;

	now.boottime += elapsed;
	assert_int_equal(ks_saved_restore(saved, &now, box->engine, box->policy, &outcome), 0);
	assert_int_equal(outcome.elapsed, elapsed);
	return outcome;
}

/* Runs packets through a box with one policy, saves it, and restores it into a box with another. */
struct move {
	const char *before, *after;
	const char *const *words;
	size_t count;
	__u64 elapsed;
	bool quiet;
	struct box box; /* the new one */
	struct ks_saved_outcome outcome;
};

static void move_run(struct move *move)
{
	struct bytes bytes;
	struct box old;

	box_open(&old, move->before, NULL);
	run_all(&old, move->words, move->count);
	bytes = box_save(&old, move->quiet);
	box_close(&old);
	box_open(&move->box, move->after, NULL);
	move->outcome = restore(&move->box, &bytes, move->elapsed);
	free(bytes.at);
}

#define HANDSHAKE .words = handshake, .count = KS_ARRAY_SIZE(handshake)

static void test_a_masqueraded_connection_goes_on(void **state)
{
	struct move move = { PLAIN, PLAIN, HANDSHAKE, .elapsed = 3000, .quiet = true };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_true(
		box_passes(&move.box, "wan 192.0.2.1:80 > self 203.0.113.1:40000 tcp ack seq =5001 ack =1001 len 100"));
	assert_true(box_passes(&move.box, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =1001 ack =5101"));
	/* The windows are as they were. */
	assert_int_equal(box_send(&move.box, "wan 192.0.2.1:80 > self 203.0.113.1:40000 tcp ack seq =90001 ack =1001"),
			 KS_REASON_TCP_WINDOW_SEQ);
	box_close(&move.box);
}

/* Packets could pass when it was saved, so its ends may be far ahead. */
static void test_what_may_have_moved_is_not_held_to_its_windows(void **state)
{
	struct move move = { PLAIN, PLAIN, HANDSHAKE };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_true(box_passes(&move.box, "wan 192.0.2.1:80 > self 203.0.113.1:40000 tcp ack seq =90001 ack =70000"));
	assert_true(box_passes(&move.box, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =70000 ack =90001"));
	box_close(&move.box);
}

/* An untranslated connection runs on while no firewall is there. */
static void test_what_is_not_translated_may_have_moved(void **state)
{
	static const char *const words[] = {
		"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn seq =1000 win 8192",
		"wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp syn ack seq =5000 ack =1001 win 8192",
		"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =1001 ack =5001 win 8192",
	};
	struct move move = { ZONES OUT, ZONES OUT, .words = words, .count = KS_ARRAY_SIZE(words), .quiet = true };

	move_run(&move);
	assert_true(box_passes(&move.box, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp ack seq =90001 ack =70000"));
	box_close(&move.box);
}

static void test_time_passes(void **state)
{
	static const char *const words[] = { "lan 10.0.0.5:5000 > wan 192.0.2.1:900 udp len 10" };
	struct move young = { PLAIN, PLAIN, .words = words, .count = 1, .elapsed = 29000 };
	struct move old = { PLAIN, PLAIN, .words = words, .count = 1, .elapsed = 31000 };

	move_run(&young);
	assert_int_equal(young.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_true(box_passes(&young.box, "wan 192.0.2.1:900 > self 203.0.113.1:5000 udp len 10"));
	box_close(&young.box);
	move_run(&old);
	assert_int_equal(old.outcome.flows[KS_SAVED_EXPIRED], 1);
	assert_false(box_passes(&old.box, "wan 192.0.2.1:900 > self 203.0.113.1:5000 udp len 10"));
	box_close(&old.box);
}

/* The time that it had left is what it has, and no more. */
static void test_what_is_left_of_its_time(void **state)
{
	static const char *const words[] = { "lan 10.0.0.5:5000 > wan 192.0.2.1:900 udp len 10" };
	struct move move = { PLAIN, PLAIN, .words = words, .count = 1, .elapsed = 20000 };

	move_run(&move);
	ks_engine_set_time(move.box.engine, BOX_START + 9 * KS_NSEC_PER_SEC);
	assert_true(box_passes(&move.box, "wan 192.0.2.1:900 > self 203.0.113.1:5000 udp len 10"));
	box_close(&move.box);
	move_run(&move);
	ks_engine_set_time(move.box.engine, BOX_START + 11 * KS_NSEC_PER_SEC);
	assert_false(box_passes(&move.box, "wan 192.0.2.1:900 > self 203.0.113.1:5000 udp len 10"));
	box_close(&move.box);
}

static int age_of(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	*(__u32 *)arg = (__u32)(BOX_START / KS_NSEC_PER_SEC) - flow->created;
	return 0;
}

static void test_the_age_goes_on(void **state)
{
	struct move move = { PLAIN, PLAIN, HANDSHAKE, .elapsed = 120000 };
	__u32 age = 0;

	move_run(&move);
	ks_engine_each_flow(move.box.engine, age_of, &age);
	assert_int_equal(age, 120);
	box_close(&move.box);
}

/* Zones and rules have other numbers there: their names count. */
static void test_other_numbers(void **state)
{
	struct move move = { PLAIN,
			     "zone dmz { eth7 }\nzone wan { eth0, address 203.0.113.1, network 0.0.0.0/0 }\n"
			     "zone lan { eth1, address 10.0.0.1, network 10.0.0.0/8 }\n"
			     "deny from dmz to lan\ndeny from dmz to wan\n" OUT MASQUERADE,
			     HANDSHAKE, .quiet = true };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_true(
		box_passes(&move.box, "wan 192.0.2.1:80 > self 203.0.113.1:40000 tcp ack seq =5001 ack =1001 len 100"));
	box_close(&move.box);
}

static void test_a_zone_that_is_gone(void **state)
{
	struct move move = { PLAIN,
			     "zone inside { eth1, address 10.0.0.1, network 10.0.0.0/8 }\n"
			     "zone wan { eth0, address 203.0.113.1, network 0.0.0.0/0 }\nallow from inside to wan\n",
			     HANDSHAKE };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_ZONE], 1);
	assert_int_equal(ks_engine_counts(move.box.engine)->flows, 0);
	box_close(&move.box);
}

static void test_a_rule_that_denies_now(void **state)
{
	struct move move = { PLAIN, ZONES "deny from lan to wan tcp port 80\n" OUT MASQUERADE, HANDSHAKE };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_DENIED], 1);
	assert_int_equal(ks_engine_counts(move.box.engine)->flows, 0);
	assert_int_equal(ks_engine_counts(move.box.engine)->records[KS_KIND_FLOW], 0); /* no alias stays */
	box_close(&move.box);
}

/* Another rule than before allows it: it is that one's flow from now on. */
static int rule_of(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	*(__u32 *)arg = flow->rule;
	return 0;
}

static void test_another_rule_that_allows(void **state)
{
	struct move move = { PLAIN, ZONES "allow from lan to wan tcp port 80\n" MASQUERADE, HANDSHAKE };
	__u32 rule = 0;

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 1);
	ks_engine_each_flow(move.box.engine, rule_of, &rule);
	assert_int_equal(rule, move.box.policy->infos[0].id);
	box_close(&move.box);
}

/* --- forwards --- */

#define FORWARD(target) ZONES "forward from wan to self tcp port 8080 to lan " target " port 80\n" MASQUERADE

static const char *const forwarded[] = {
	"wan 192.0.2.9:40000 > self 203.0.113.1:8080 tcp syn seq =1000 win 8192",
	"lan 10.0.0.7:80 > wan 192.0.2.9:40000 tcp syn ack seq =5000 ack =1001 win 8192",
	"wan 192.0.2.9:40000 > self 203.0.113.1:8080 tcp ack seq =1001 ack =5001 win 8192",
};

#define FORWARDED .words = forwarded, .count = KS_ARRAY_SIZE(forwarded), .quiet = true

static void test_a_forwarded_connection_goes_on(void **state)
{
	struct move move = { FORWARD("10.0.0.7"), FORWARD("10.0.0.7"), FORWARDED };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_true(box_passes(&move.box, "lan 10.0.0.7:80 > wan 192.0.2.9:40000 tcp ack seq =5001 ack =1001 len 50"));
	assert_true(box_passes(&move.box, "wan 192.0.2.9:40000 > self 203.0.113.1:8080 tcp ack seq =1001 ack =5051"));
	box_close(&move.box);
}

static void test_a_forward_to_elsewhere(void **state)
{
	struct move move = { FORWARD("10.0.0.7"), FORWARD("10.0.0.8"), FORWARDED };
	struct move gone = { FORWARD("10.0.0.7"), PLAIN, FORWARDED };
	struct move before = { FORWARD("10.0.0.7"),
			       ZONES "deny from wan to self tcp source 192.0.2.0/24\n" FORWARD("10.0.0.7"), FORWARDED };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_DENIED], 1);
	box_close(&move.box);
	move_run(&gone);
	assert_int_equal(gone.outcome.flows[KS_SAVED_DENIED], 1);
	box_close(&gone.box);
	before.after = "zone lan { eth1, address 10.0.0.1, network 10.0.0.0/8 }\n"
		       "zone wan { eth0, address 203.0.113.1, network 0.0.0.0/0 }\n"
		       "deny from wan to self source 192.0.2.0/24\n"
		       "forward from wan to self tcp port 8080 to lan 10.0.0.7 port 80\n" MASQUERADE;
	move_run(&before);
	assert_int_equal(before.outcome.flows[KS_SAVED_DENIED], 1);
	box_close(&before.box);
}

/* --- mappings --- */

#define MAPPED ZONES OUT "nat from lan to wan masquerade endpoint-independent\n"

static const char *const mapped[] = {
	"lan 10.0.0.5:5000 > wan 192.0.2.1:53000 udp len 10",
	"wan 198.51.100.7:9999 > self 203.0.113.1:5000 udp len 10",
};

static void test_a_mapping_goes_on(void **state)
{
	struct move move = { MAPPED, MAPPED, .words = mapped, .count = KS_ARRAY_SIZE(mapped), .elapsed = 5000 };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 2);
	assert_int_equal(move.outcome.records[KS_SAVED_TAKEN], 2);
	assert_true(box_passes(&move.box, "wan 198.51.100.7:9999 > self 203.0.113.1:5000 udp len 10"));
	assert_true(box_passes(&move.box, "wan 198.51.100.8:1 > self 203.0.113.1:5000 udp len 10"));
	assert_true(box_passes(&move.box, "lan 10.0.0.5:5000 > wan 192.0.2.77:1 udp len 10"));
	assert_true(box_passes(&move.box, "wan 192.0.2.77:1 > self 203.0.113.1:5000 udp len 10"));
	box_close(&move.box);
}

/* Without its rule a mapping opens nothing more, nor do the flows that came by it live on. */
static void test_a_mapping_whose_rule_is_gone(void **state)
{
	struct move move = { MAPPED, ZONES "allow from lan to wan tcp\n" MASQUERADE, .words = mapped,
			     .count = KS_ARRAY_SIZE(mapped) };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 0);
	assert_int_equal(move.outcome.records[KS_SAVED_DENIED], 2);
	assert_false(box_passes(&move.box, "wan 198.51.100.8:1 > self 203.0.113.1:5000 udp len 10"));
	box_close(&move.box);
}

static void test_a_denial_before_the_rule_of_a_mapping(void **state)
{
	struct move move = { MAPPED,
			     ZONES "deny from wan source 198.51.100.0/24\n" OUT
				   "nat from lan to wan masquerade endpoint-independent\n",
			     .words = mapped, .count = KS_ARRAY_SIZE(mapped) };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_int_equal(move.outcome.flows[KS_SAVED_DENIED], 1);
	box_close(&move.box);
}

/* --- helpers --- */

#define HELPED ZONES "allow from lan to wan tcp port 21\nhelper ftp from lan to wan tcp port 21\n"

#define PORT                                                                                      \
	"lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp ack seq =1009 ack =5012 win 8192 data \"PORT " \
	"10,0,0,5,200,0\\r\\n\""

static const char *const announced[] = {
	"lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp syn seq =1000 win 8192",
	"wan 192.0.2.1:21 > lan 10.0.0.5:40000 tcp syn ack seq =5000 ack =1001 win 8192",
	"lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp ack seq =1001 ack =5001 win 8192",
	"wan 192.0.2.1:21 > lan 10.0.0.5:40000 tcp ack seq =5001 ack =1001 win 8192 data \"220 hello\\r\\n\"",
	"lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp ack seq =1001 ack =5012 win 8192 data \"USER x\\r\\n\"",
	PORT,
};

static void test_an_expectation_goes_on(void **state)
{
	struct move move = { HELPED, HELPED, .words = announced, .count = KS_ARRAY_SIZE(announced), .elapsed = 1000 };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_int_equal(move.outcome.records[KS_SAVED_TAKEN], 3); /* two memories and an expectation */
	assert_true(box_passes(&move.box, "wan 192.0.2.1:20 > lan 10.0.0.5:51200 tcp syn seq =1 win 8192"));
	assert_false(box_passes(&move.box, "wan 192.0.2.1:20 > lan 10.0.0.5:51201 tcp syn seq =1 win 8192"));
	/* The helper hears on. */
	assert_true(box_passes(&move.box,
			       "lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp ack seq =1030 ack =5012 win 8192 data "
			       "\"PORT 10,0,0,5,200,1\\r\\n\""));
	assert_true(box_passes(&move.box, "wan 192.0.2.1:20 > lan 10.0.0.5:51201 tcp syn seq =1 win 8192"));
	box_close(&move.box);
}

/* The data connection came by an expectation. It lives on as long as its control connection's rule is there. */
static void test_a_connection_that_was_expected(void **state)
{
	static const char *const words[] = {
		"lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp syn seq =1000 win 8192",
		"wan 192.0.2.1:21 > lan 10.0.0.5:40000 tcp syn ack seq =5000 ack =1001 win 8192",
		"lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp ack seq =1001 ack =5001 win 8192",
		"wan 192.0.2.1:21 > lan 10.0.0.5:40000 tcp ack seq =5001 ack =1001 win 8192 data \"220 hello\\r\\n\"",
		"lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp ack seq =1001 ack =5012 win 8192 data \"USER x\\r\\n\"",
		PORT,
		"wan 192.0.2.1:20 > lan 10.0.0.5:51200 tcp syn seq =1 win 8192",
	};
	struct move move = { HELPED, HELPED, .words = words, .count = KS_ARRAY_SIZE(words) };
	struct move gone = { HELPED, ZONES OUT, .words = words, .count = KS_ARRAY_SIZE(words) };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_TAKEN], 2);
	box_close(&move.box);
	move_run(&gone);
	assert_int_equal(gone.outcome.flows[KS_SAVED_TAKEN], 1);
	assert_int_equal(gone.outcome.flows[KS_SAVED_DENIED], 1);
	box_close(&gone.box);
}

/* A rule whose words are the same, but whose set is another: the flow is no more of those that it lets open. */
static void test_a_set_that_has_changed(void **state)
{
	struct move move = { ZONES "set web { 192.0.2.1 }\nallow from lan to wan destination @web\n" MASQUERADE,
			     ZONES "set web { 192.0.2.2 }\nallow from lan to wan destination @web\n" MASQUERADE,
			     HANDSHAKE };

	move_run(&move);
	assert_int_equal(move.outcome.flows[KS_SAVED_DENIED], 1);
	box_close(&move.box);
}

/* --- room --- */

static void test_no_room(void **state)
{
	const char *policy = PLAIN "limit states 64\n";
	struct bytes bytes;
	struct ks_saved_outcome outcome;
	struct box box;

	box_open(&box, PLAIN, NULL);
	for (unsigned i = 0; i < 200; i++) {
		char words[80];

		snprintf(words, sizeof(words), "lan 10.0.0.5:%u > wan 192.0.2.1:53000 udp len 10", 2000 + i);
		assert_true(box_passes(&box, words));
	}
	bytes = box_save(&box, true);
	box_close(&box);
	box_open(&box, policy, NULL);
	outcome = restore(&box, &bytes, 0);
	assert_int_equal(outcome.flows[KS_SAVED_TAKEN], 64);
	assert_int_equal(outcome.flows[KS_SAVED_ROOM], 136);
	assert_int_equal(ks_engine_counts(box.engine)->records[KS_KIND_FLOW], 64);
	free(bytes.at);
	box_close(&box);
}

/* An entry that is in the table already stays as it is. */
static void test_a_place_that_is_taken(void **state)
{
	struct bytes bytes;
	struct box box;

	box_open(&box, PLAIN, NULL);
	run_all(&box, handshake, KS_ARRAY_SIZE(handshake));
	bytes = box_save(&box, true);
	box_close(&box);
	box_open(&box, PLAIN, NULL);
	assert_true(box_passes(&box, "lan 10.0.0.6:40000 > wan 192.0.2.1:80 tcp syn seq =1 win 8192"));
	assert_int_equal(restore(&box, &bytes, 0).flows[KS_SAVED_ROOM], 1);
	assert_true(box_passes(&box, "wan 192.0.2.1:80 > self 203.0.113.1:40000 tcp syn ack seq =9 ack =2 win 8192"));
	free(bytes.at);
	box_close(&box);
}

static void test_names_of_fates(void **state)
{
	assert_string_equal(ks_saved_fate_name(KS_SAVED_ROOM), "no_room");
	assert_string_equal(ks_saved_fate_text(KS_SAVED_EXPIRED), "their time was over");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_masqueraded_connection_goes_on),
		cmocka_unit_test(test_what_may_have_moved_is_not_held_to_its_windows),
		cmocka_unit_test(test_what_is_not_translated_may_have_moved),
		cmocka_unit_test(test_time_passes),
		cmocka_unit_test(test_what_is_left_of_its_time),
		cmocka_unit_test(test_the_age_goes_on),
		cmocka_unit_test(test_other_numbers),
		cmocka_unit_test(test_a_zone_that_is_gone),
		cmocka_unit_test(test_a_rule_that_denies_now),
		cmocka_unit_test(test_another_rule_that_allows),
		cmocka_unit_test(test_a_forwarded_connection_goes_on),
		cmocka_unit_test(test_a_forward_to_elsewhere),
		cmocka_unit_test(test_a_mapping_goes_on),
		cmocka_unit_test(test_a_mapping_whose_rule_is_gone),
		cmocka_unit_test(test_a_denial_before_the_rule_of_a_mapping),
		cmocka_unit_test(test_an_expectation_goes_on),
		cmocka_unit_test(test_a_connection_that_was_expected),
		cmocka_unit_test(test_a_set_that_has_changed),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_a_place_that_is_taken),
		cmocka_unit_test(test_names_of_fates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
