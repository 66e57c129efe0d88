/* SPDX-License-Identifier: BSD-2-Clause */
/* Explanations: each step of the path, the numbers compared, and that explaining changes nothing. */
#include "tests/unit/explain/fixture.h"

static const char policy_text[] = "zone lan { eth1 }\n"
				  "zone wan { eth0 }\n"
				  "deny from lan to wan tcp port 25\n"
				  "reject from wan to self tcp port 113\n"
				  "allow from lan to wan tcp destination not 198.51.100.0/24\n"
				  "allow from lan to wan udp port { 53, 443 }\n";

static int setup(void **state)
{
	return setup_policy(state, policy_text);
}

static int setup_asymmetric(void **state)
{
	return setup_policy(state,
			    "zone lan { eth1 }\nzone wan { eth0 }\noption asymmetric on\nallow from lan to wan\n");
}

static int setup_staged(void **state)
{
	return setup_policy(state,
			    "zone lan { eth1 }\nzone wan { eth0 }\nstaged deny from lan tcp port 25 log \"mail\"\n"
			    "allow from lan to wan\nstaged reject from lan udp\n");
}

static int setup_alter(void **state)
{
	return setup_policy(state, "zone lan { eth1 }\nzone wan { eth0, mss mtu }\n"
				   "allow from lan to wan tcp set dscp af41 set reply mark 0x10/0xff mss 1300\n"
				   "allow from lan to wan\n");
}

static int setup_nat(void **state)
{
	return setup_policy(state, "zone lan { eth1, address 10.0.0.1, network 10.0.0.0/24 }\n"
				   "zone wan { eth0, address 203.0.113.1 }\n"
				   "forward from { wan, lan } tcp port 443 to 10.0.0.9 port 8443\n"
				   "allow from lan to wan\n"
				   "nat from lan to wan source 10.0.0.8 exempt\n"
				   "nat from lan to wan masquerade\n"
				   "helper ftp from lan to wan\n");
}

static void expect_text(const json_t *explanation, const char *step, const char *outcome, const char *part)
{
	const json_t *found = step_of(explanation, step);

	assert_string_equal(text_of(found, "outcome"), outcome);
	if (!strstr(text_of(found, "text"), part))
		fail_msg("step '%s' says '%s', not '%s'", step, text_of(found, "text"), part);
}

static void expect_verdict(const json_t *explanation, const char *verdict, const char *reason)
{
	assert_string_equal(text_of(explanation, "verdict"), verdict);
	assert_string_equal(text_of(explanation, "reason"), reason);
}

static json_int_t compared(const json_t *explanation, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(step_of(explanation, "protocol"), "compare"), key));
}

/* The rules that were asked, and why each does not match. */
static void test_rules(void **state)
{
	static const char *const whys[] = { "port 80 is not its", "it is not for packets from lan", "it matches" };
	struct fixture *f = *state;
	json_t *explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn");
	const json_t *rules = json_object_get(step_of(explanation, "policy"), "rules");

	expect_verdict(explanation, "allow", "new");
	assert_true(json_is_true(json_object_get(explanation, "passes")));
	assert_int_equal(json_array_size(rules), KS_ARRAY_SIZE(whys));
	for (size_t i = 0; i < KS_ARRAY_SIZE(whys); i++)
		assert_string_equal(text_of(json_array_get(rules, i), "why"), whys[i]);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(explanation, "rule"), "line")), 5);
	expect_text(explanation, "state", "note", "opened in state SYN_SENT, for 60 s");
	json_decref(explanation);
}

/* The staged rule is told beside what is done. */
static void test_staged(void **state)
{
	struct fixture *f = *state;
	json_t *mail = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:25 tcp syn");
	json_t *other = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp");

	expect_verdict(mail, "allow", "new");
	expect_text(mail, "staged", "note", "a staged rule would deny it, test:3: staged deny from lan tcp port 25");
	assert_string_equal(text_of(json_object_get(mail, "staged"), "label"), "mail");
	expect_text(mail, "policy", "note", "rule 1 of 1 is the first that matches");
	expect_verdict(other, "allow", "new");
	assert_true(json_is_null(json_object_get(other, "staged")));
	json_decref(mail);
	json_decref(other);
}

static void test_default_deny(void **state)
{
	struct fixture *f = *state;
	json_t *explanation = explain(f, "lan 10.0.0.5:40000 > wan 198.51.100.1:80 tcp syn");
	const json_t *rules = json_object_get(step_of(explanation, "policy"), "rules");

	expect_verdict(explanation, "deny", "no rule");
	assert_false(json_is_true(json_object_get(explanation, "passes")));
	assert_true(json_is_null(json_object_get(explanation, "rule")));
	assert_int_equal(json_array_size(rules), 4);
	assert_string_equal(text_of(json_array_get(rules, 2), "why"), "destination 198.51.100.1 is not its");
	assert_string_equal(text_of(json_array_get(rules, 3), "why"), "it is not for tcp");
	expect_text(explanation, "policy", "drop", "none of 4 rules");
	json_decref(explanation);
}

static int setup_networks(void **state)
{
	return setup_policy(state, "zone lan { eth1, network 10.0.0.0/24, address 10.0.0.1 }\n"
				   "zone guest { eth2, network 10.1.0.0/24, antispoof off }\n"
				   "zone wan { eth0, network 203.0.113.0/24 }\nzone dsl { ppp0 }\n"
				   "allow from lan to wan\nallow from self\n");
}

/* Where the source is at home, by which network. */
static void test_source(void **state)
{
	static const struct {
		const char *words, *reason, *outcome, *part;
	} cases[] = {
		{ "lan 10.0.0.5:1 > wan 192.0.2.1:80 udp", "new", "ok",
		  "at home in zone lan: network 10.0.0.0/24 is in" },
		{ "wan 10.0.0.5:1 > lan 10.0.0.6:80 udp", "spoofed source", "drop",
		  "not at home in zone wan: network 10.0.0.0/24 is in zone lan" },
		{ "lan 192.0.2.1:1 > wan 192.0.2.2:80 udp", "spoofed source", "drop", "no zone has a network with it" },
		{ "dsl 203.0.113.5:1 > lan 10.0.0.5:80 udp", "no rule", "ok", "is in zone wan, outside too" },
		{ "guest 10.0.0.5:1 > wan 192.0.2.1:80 udp", "no rule", "ok", "believed, because zone guest has" },
		{ "guest 10.0.0.1:1 > wan 192.0.2.1:80 udp", "spoofed source", "drop", "it is an address of the box" },
		{ "lan 10.1.0.255:1 > wan 192.0.2.1:80 udp", "spoofed source", "drop",
		  "the broadcast address of network 10.1.0.0/24" },
		{ "lan 127.0.0.1:1 > wan 192.0.2.1:80 udp", "spoofed source", "drop",
		  "no packet on a wire comes from there" },
		{ "lan 0.0.0.0:68 > self 255.255.255.255:67 udp", "no rule", "ok", "it belongs to every link" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		json_t *explanation = explain(f, cases[i].words);

		assert_string_equal(text_of(explanation, "reason"), cases[i].reason);
		expect_text(explanation, "source", cases[i].outcome, cases[i].part);
		json_decref(explanation);
	}
}

static void test_broadcast(void **state)
{
	struct fixture *f = *state;
	json_t *explanation = explain(f, "wan 192.0.2.1:1 > lan 10.0.0.255:7 udp");

	expect_verdict(explanation, "deny", "directed broadcast");
	expect_text(explanation, "zones", "drop", "10.0.0.255 is the broadcast address of another network");
	json_decref(explanation);
	explanation = explain(f, "lan 10.0.0.5:1 > lan 10.0.0.255:7 udp");
	expect_verdict(explanation, "deny", "no rule");
	expect_text(explanation, "zones", "note",
		    "goes to zone self: 10.0.0.255 is the broadcast address of its network");
	json_decref(explanation);
}

/* A member of the group answers, and somebody else. */
static void test_question(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	pass(f, "self 10.0.0.1:5353 > lan 224.0.0.251:5353 udp");
	ks_engine_set_time(f->engine, 101 * KS_NSEC_PER_SEC);
	explanation = explain(f, "lan 10.0.0.5:5353 > self 10.0.0.1:5353 udp");
	expect_verdict(explanation, "allow", "related");
	expect_text(explanation, "question", "ok",
		    "10.0.0.1:5353 in zone self has asked a group in zone lan 1000 ms ago");
	json_decref(explanation);
	explanation = explain(f, "lan 10.0.0.5:5353 > self 10.0.0.1:5354 udp");
	expect_verdict(explanation, "deny", "no rule");
	expect_text(explanation, "question", "note", "10.0.0.1:5354 has not asked a group in zone lan");
	json_decref(explanation);
}

static void test_reject(void **state)
{
	struct fixture *f = *state;
	json_t *explanation = explain(f, "wan 192.0.2.1:999 > self 198.51.100.1:113 tcp syn");

	expect_verdict(explanation, "reject", "rule");
	expect_text(explanation, "answer", "note", "a TCP RST of 54 octets");
	json_decref(explanation);
}

static void test_headers(void **state)
{
	struct fixture *f = *state;
	json_t *explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn fin");

	expect_verdict(explanation, "deny", "bad tcp flags");
	expect_text(explanation, "headers", "drop", "no stack sends");
	json_decref(explanation);
	explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp");
	expect_verdict(explanation, "deny", "bad tcp flags");
	expect_text(explanation, "headers", "drop", "'tcp syn' begins a connection");
	json_decref(explanation);
}

static void open_connection(struct fixture *f)
{
	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn win 1000");
	pass(f, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp syn ack win 2000");
	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack win 1000");
}

/* The initial sequence numbers are 1000 and 5000 (policy/scenario/scenario.h): the receiver takes up to 1001 + 2000. */
static void test_window(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	open_connection(f);
	explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =3000 len 11");
	expect_verdict(explanation, "deny", "seq above window");
	assert_int_equal(compared(explanation, "have"), 3011);
	assert_int_equal(compared(explanation, "hi"), 3001);
	expect_text(explanation, "protocol", "drop", "10 past its window");
	expect_text(explanation, "flow", "ok", "is ESTABLISHED");
	expect_text(explanation, "state", "note", "stays as it is");
	json_decref(explanation);
}

/* Data sent before pass for the receiver to acknowledge again, which must not look as if they were in the window. */
static void test_repeated_data(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	open_connection(f);
	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =1001 ack-number =5001 len 2000 win 1000");
	pass(f, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp ack seq =5001 ack-number =3001 win 2000");
	ks_engine_set_time(f->engine, 101 * KS_NSEC_PER_SEC);
	explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =900 ack-number =5001 len 50");
	expect_verdict(explanation, "allow", "established");
	expect_text(explanation, "protocol", "ok", "end at 950, before the window from 1001 to 5001");
	expect_text(explanation, "state", "note", "its time runs on");
	json_decref(explanation);
}

/* Where one direction may go another way, it is said that the numbers are not checked. */
static void test_asymmetric(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn win 1000");
	explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =70000 ack-number =5 len 11");
	expect_verdict(explanation, "allow", "new");
	expect_text(explanation, "protocol", "ok", "acknowledgements are not checked");
	expect_text(explanation, "protocol", "ok", "'option asymmetric'");
	expect_text(explanation, "state", "note", "from SYN_SENT to ESTABLISHED");
	json_decref(explanation);
}

/* On a triangle of routes the answers go past the firewall: whoever asks why must hear of it. */
static void test_unseen_answer(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn");
	explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack");
	expect_verdict(explanation, "deny", "bad tcp state");
	expect_text(explanation, "protocol", "drop", "its rule must say 'asymmetric'");
	json_decref(explanation);
	explanation = explain(f, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp fin ack");
	expect_verdict(explanation, "deny", "bad tcp state");
	assert_null(strstr(text_of(step_of(explanation, "protocol"), "text"), "asymmetric"));
	json_decref(explanation);
}

/* A packet from the middle of a connection, with and without a start a moment ago. */
static void test_settling(void **state)
{
	static const char client[] = "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =70000 ack-number =5 len 11";
	static const char server[] = "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp ack seq =70000 ack-number =5 len 11";
	static const char second[] = "lan 10.0.0.6:40000 > wan 192.0.2.1:80 tcp ack seq =70000 ack-number =5 len 11";
	struct fixture *f = *state;
	json_t *explanation = explain(f, client);

	expect_text(explanation, "protocol", "drop", "it cannot open a flow: only a SYN can");
	json_decref(explanation);
	ks_engine_settle(f->engine, ks_engine_time(f->engine));
	explanation = explain(f, client);
	expect_verdict(explanation, "allow", "new");
	expect_text(explanation, "protocol", "note", "taken up because the firewall started a moment ago");
	expect_text(explanation, "state", "note", "opened in state TAKEN_UP, for 30 s");
	json_decref(explanation);
	explanation = explain(f, server);
	expect_verdict(explanation, "deny", "no state");
	expect_text(explanation, "protocol", "drop", "only if the rules let its sender open one");
	expect_text(explanation, "policy", "drop", "none of 2 rules matches");
	json_decref(explanation);
	pass(f, client);
	explanation = explain(f, second);
	expect_verdict(explanation, "deny", "no state");
	expect_text(explanation, "protocol", "drop", "source port 40000, which it had, is not free");
	json_decref(explanation);
}

static void test_acknowledgement(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	open_connection(f);
	explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack seq =1001 ack-number =5002");
	expect_verdict(explanation, "deny", "ack of unsent data");
	expect_text(explanation, "protocol", "drop", "1 were never sent");
	json_decref(explanation);
}

static void test_reset(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	open_connection(f);
	explanation = explain(f, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp rst seq =5002");
	expect_verdict(explanation, "deny", "inexact rst");
	assert_int_equal(compared(explanation, "have"), 5002);
	assert_int_equal(compared(explanation, "lo"), 5001);
	json_decref(explanation);
}

static void test_zone(void **state)
{
	struct fixture *f = *state;
	json_t *explanation;

	open_connection(f);
	explanation = explain(f, "wan 10.0.0.5:40000 > lan 192.0.2.1:80 tcp ack");
	expect_verdict(explanation, "deny", "wrong zone");
	expect_text(explanation, "zone check", "drop", "in zone lan, the packet comes from wan");
	json_decref(explanation);
}

static void test_established(void **state)
{
	struct fixture *f = *state;
	const json_t *flow;
	json_t *explanation;

	open_connection(f);
	explanation = explain(f, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp ack len 100");
	expect_verdict(explanation, "allow", "established");
	expect_text(explanation, "protocol", "ok", "in the window");
	flow = json_object_get(json_object_get(explanation, "flow"), "after");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(flow, "packets"), KS_REPLY)), 2);
	json_decref(explanation);
}

static int count_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	++*(unsigned *)arg;
	return 0;
}

static void test_changes_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned flows = 0;

	json_decref(explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp"));
	json_decref(explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:25 tcp syn"));
	ks_engine_each_flow(f->engine, count_flow, &flows);
	assert_int_equal(flows, 0);
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		assert_int_equal(ks_engine_reasons(f->engine)[i].packets, 0);
}

/* An object from elsewhere may lack anything. */
static void test_print(void **state)
{
	static const char *const objects[] = { "{}", "[]", "{\"steps\":[{}, 7, null]}", "{\"steps\":{\"rules\":3}}" };
	struct fixture *f = *state;
	json_t *explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ks_explain_print(explanation, out, false, false);
	fflush(out);
	assert_non_null(strstr(text, "test:5: allow from lan to wan tcp destination not 198.51.100.0/24"));
	assert_non_null(strstr(text, "=> allow, new: new, state SYN_SENT\n"));
	assert_null(strchr(text, '\033'));
	for (size_t i = 0; i < KS_ARRAY_SIZE(objects); i++) {
		json_t *object = json_loads(objects[i], 0, NULL);

		ks_explain_print(object, out, true, true);
		json_decref(object);
	}
	fclose(out);
	free(text);
	json_decref(explanation);
}

static void test_masquerade(void **state)
{
	struct fixture *f = *state;
	json_t *explanation = explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp syn");

	expect_verdict(explanation, "allow", "new");
	expect_text(explanation, "policy", "note", "rule 2 of 2 is the first");
	expect_text(explanation, "nat", "note",
		    "its source is the business of test:6: nat from lan to wan family ipv4 masquerade");
	expect_text(explanation, "leaving", "ok", "it leaves as tcp 203.0.113.1:40000 > 192.0.2.1:21, to zone wan");
	expect_text(explanation, "helper", "note", "helper ftp reads its connection");
	json_decref(explanation);
	explanation = explain(f, "lan 10.0.0.8:40000 > wan 192.0.2.1:80 tcp syn");
	expect_text(explanation, "nat", "note", "test:5: nat from lan to wan source 10.0.0.8 exempt");
	json_decref(explanation);
}

/* A nat rule counts the flows that have their source from it; what only was explained is not counted. */
static void test_nat_rules_count(void **state)
{
	struct fixture *f = *state;

	json_decref(explain(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn"));
	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn");
	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn");
	pass(f, "lan 10.0.0.8:40000 > wan 192.0.2.1:80 tcp syn");
	assert_int_equal(ks_engine_rule_count(f->engine, 3)->matches, 1); /* exempt */
	assert_int_equal(ks_engine_rule_count(f->engine, 4)->matches, 1);
}

/* The zones and the rules are told as the filter saw the packet, before it was sent elsewhere. */
static void test_forward(void **state)
{
	struct fixture *f = *state;
	json_t *explanation = explain(f, "lan 10.0.0.5:40000 > self 203.0.113.1:443 tcp syn");

	expect_verdict(explanation, "allow", "new");
	expect_text(explanation, "zones", "note", "comes from zone lan and goes to zone self");
	expect_text(explanation, "policy", "note", "rule 1 of 2 is the first");
	expect_text(explanation, "nat", "note", "its source becomes the box's own");
	expect_text(explanation, "leaving", "ok", "it leaves as tcp 10.0.0.1:40000 > 10.0.0.9:8443, to zone lan");
	json_decref(explanation);
	pass(f, "lan 10.0.0.5:40000 > self 203.0.113.1:443 tcp syn");
	explanation = explain(f, "lan 10.0.0.9:8443 > self 10.0.0.1:40000 tcp syn ack");
	expect_verdict(explanation, "allow", "established");
	expect_text(explanation, "flow", "ok", "its flow, tcp 10.0.0.5:40000 > 10.0.0.9:8443, is SYN_SENT");
	expect_text(explanation, "leaving", "ok", "it leaves as tcp 203.0.113.1:443 > 10.0.0.5:40000, to zone lan");
	json_decref(explanation);
}

static int setup_protocols(void **state)
{
	return setup_policy(state, "zone lan { eth1 }\nzone wan { eth0 }\nprotect wan\nallow from lan to wan\n");
}

/* Returns true if the printed explanation of a packet says `what`. */
static bool explains(struct fixture *f, const char *words, const char *what)
{
	json_t *explanation = explain(f, words);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool says;

	ks_explain_print(explanation, out, false, false);
	fclose(out);
	says = strstr(text, what);
	free(text);
	json_decref(explanation);
	return says;
}

static void test_alter(void **state)
{
	struct fixture *f = *state;

	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn", "its rule gives it code point af41"));
	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn",
			     "its rule lowers its MSS to 1300, if it is larger"));
	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn",
			     "zone wan lowers its MSS to what the MTU of its links allows"));
	pass(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn");
	assert_true(explains(f, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp syn ack",
			     "its rule gives it mark 0x10, of the bits 0xff"));
	assert_false(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 udp", "its rule gives it"));
}

/* Ports, keys, tags and types where a protocol has them, and what would open a flow of it. */
static void test_protocols(void **state)
{
	struct fixture *f = *state;

	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:5060 sctp init",
			     "sctp 10.0.0.5:40000 > 192.0.2.1:5060, tag 0, chunks init"));
	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:5060 sctp sack data vtag 7",
			     "tag 7, chunks data sack"));
	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:5060 sctp data vtag 7", "only an INIT can"));
	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:5001 dccp request",
			     "dccp 10.0.0.5:40000 > 192.0.2.1:5001, request, seq "));
	assert_true(explains(f, "lan 10.0.0.5:40000 > wan 192.0.2.1:5001 dccp data", "only a Request can"));
	assert_true(explains(f, "lan 10.0.0.5 > wan 192.0.2.1 gre key 100", "gre 10.0.0.5 > 192.0.2.1 key 100"));
	assert_true(explains(f, "lan 10.0.0.5 > wan 192.0.2.1 gre call 7", "gre 10.0.0.5 > 192.0.2.1 call 7"));
	assert_true(explains(f, "lan 10.0.0.5 > wan 192.0.2.1 gre data hex \"00000800\"",
			     "gre 10.0.0.5 > 192.0.2.1, 0 octets"));
	assert_true(explains(f, "wan 192.0.2.1 > lan 10.0.0.5 proto 200",
			     "protect wan: unassigned protocols (test:3): refused is a protocol"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rules),
		cmocka_unit_test_setup_teardown(test_staged, setup_staged, teardown),
		cmocka_unit_test_setup_teardown(test_alter, setup_alter, teardown),
		TEST(test_default_deny),
		TEST(test_reject),
		TEST(test_headers),
		TEST(test_window),
		TEST(test_acknowledgement),
		TEST(test_reset),
		TEST(test_zone),
		TEST(test_established),
		TEST(test_changes_nothing),
		TEST(test_print),
		TEST(test_repeated_data),
		cmocka_unit_test_setup_teardown(test_source, setup_networks, teardown),
		cmocka_unit_test_setup_teardown(test_broadcast, setup_networks, teardown),
		cmocka_unit_test_setup_teardown(test_question, setup_networks, teardown),
		cmocka_unit_test_setup_teardown(test_protocols, setup_protocols, teardown),
		cmocka_unit_test_setup_teardown(test_asymmetric, setup_asymmetric, teardown),
		cmocka_unit_test_setup_teardown(test_unseen_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settling, setup_nat, teardown),
		cmocka_unit_test_setup_teardown(test_masquerade, setup_nat, teardown),
		cmocka_unit_test_setup_teardown(test_forward, setup_nat, teardown),
		cmocka_unit_test_setup_teardown(test_nat_rules_count, setup_nat, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
