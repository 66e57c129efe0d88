/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/flows.c: one row for each flow, whatever the journal has heard of it. */
#include "tests/unit/journal/support.h"

#define ENDS                                                                                                          \
	"\"family\":\"ipv4\",\"proto\":\"tcp\",\"source\":\"10.0.0.10\",\"destination\":\"192.0.2.10\",\"source_"     \
	"port\":45656,"                                                                                               \
	"\"destination_port\":80,\"nat\":{\"source\":\"203.0.113.1\",\"source_port\":40123},\"from\":\"lan\",\"to\":" \
	"\"wan\""
#define RULE "\"rule\":{\"id\":1,\"file\":\"gateway.conf\",\"line\":4,\"text\":\"allow\",\"label\":\"web\"}"
#define EVENT(event, second, state, packets)                                                                       \
	"{\"event\":\"" event "\",\"time\":\"2026-11-29T10:00:" second ".500Z\",\"id\":\"fedcba9876543210\"," ENDS \
	",\"state\":\"" state "\",\"packets\":" packets                                                            \
	",\"bytes\":[394,864],\"begun\":\"2026-11-29T10:00:01Z\"," RULE
#define BEGIN EVENT("begin", "01", "SYN_SENT", "[1,0]") "}"
#define ESTABLISHED EVENT("established", "02", "ESTABLISHED", "[2,1]") "}"
#define END EVENT("end", "09", "TIME_WAIT", "[6,5]") ",\"why\":\"closed\"}"
#define STATE "{" ENDS ",\"state\":\"ESTABLISHED\",\"packets\":[3,2],\"bytes\":[300,200],\"age\":5," RULE "}"

#define BEGUN 1795946401000LL /* 10:00:01 */
#define LAST_FLOW "SELECT " KS_ROW_COMMON " FROM flow ORDER BY id DESC LIMIT 1"

static void list_state_late(const char *text, int64_t asked, int64_t read)
{
	ks_auto_json json_t *line = json_loads(text, 0, NULL);
	const struct ks_flows_asked when = { asked, read };

	assert_non_null(line);
	assert_int_equal(ks_store_begin(&test_store), 0);
	assert_int_equal(ks_flows_state(&test_store, line, &when), 0);
}

static void list_state(const char *text, int64_t now)
{
	list_state_late(text, now, now);
}

static int64_t last_row;

static void begin_list(void)
{
	assert_int_equal(ks_store_begin(&test_store), 0);
	assert_int_equal(ks_flows_begin(&test_store, &last_row), 0);
}

static void end_list(int64_t heard)
{
	assert_int_equal(ks_flows_end(&test_store, heard, last_row), 0);
	commit_test();
}

static void check_whole(void)
{
	ks_auto_json json_t *flow = row_of(LAST_FLOW, true);
	const json_t *nat = json_object_get(flow, "nat");

	assert_string_equal(text_in(flow, "source"), "10.0.0.10");
	assert_int_equal(json_integer_value(json_object_get(flow, "source_port")), 45656);
	assert_string_equal(text_in(nat, "source"), "203.0.113.1");
	assert_int_equal(json_integer_value(json_object_get(nat, "source_port")), 40123);
	assert_string_equal(text_in(flow, "ended"), "2026-11-29T10:00:09.500Z");
	assert_string_equal(text_in(flow, "why"), "closed");
	assert_string_equal(text_in(flow, "state"), "TIME_WAIT");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(flow, "packets"), 1)), 5);
	assert_string_equal(text_in(json_object_get(flow, "rule"), "label"), "web");
}

static void test_whole_life(void **state)
{
	write_event(BEGIN);
	write_event(ESTABLISHED);
	commit_test();
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL AND established IS NOT NULL"), 1);
	write_event(END);
	commit_test();
	check_whole();
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
	assert_int_equal(ask_test("SELECT count(*) FROM history WHERE flow IS NOT NULL"), 3);
	ks_auto_json json_t *entry = row_of("SELECT " KS_ROW_ENTRY " FROM history WHERE event = 4", false);

	assert_string_equal(text_in(entry, "event"), "end");
	assert_string_equal(text_in(entry, "id"), "fedcba9876543210");
	assert_string_equal(text_in(entry, "why"), "closed");
	assert_int_equal(json_integer_value(json_object_get(entry, "duration")), 8);
}

static void check_told(const json_t *line)
{
	assert_int_equal(json_integer_value(json_object_get(line, "duration")), 3);
	assert_string_equal(text_in(line, "last"), "2026-11-29T10:00:04.250Z");
	assert_true(json_is_true(json_object_get(line, "replied")));
	assert_true(json_is_false(json_object_get(line, "assured")));
}

#define TOLD_END                                                                                                  \
	EVENT("end", "35", "UDP_STREAM", "[6,5]")                                                                 \
	",\"why\":\"expired\",\"last\":\"2026-11-29T10:00:04.250Z\",\"duration\":3,\"replied\":true,\"assured\":" \
	"false,\"pickup\":false}"

/* A flow that expires was silent for long: what it lasted is what its end told, in the log as in the list of flows. */
static void test_duration_is_that_which_was_told(void **state)
{
	write_event(BEGIN);
	write_event(TOLD_END);
	commit_test();
	ks_auto_json json_t *flow = row_of(LAST_FLOW, true);
	ks_auto_json json_t *entry = row_of("SELECT " KS_ROW_ENTRY " FROM history WHERE event = 4", false);

	check_told(flow);
	check_told(entry);
	assert_string_equal(text_in(flow, "ended"), "2026-11-29T10:00:35.500Z");
}

/* A file of the first version has no such columns; it is kept, and gets them. */
static void test_file_of_first_version(void **state)
{
	write_event(BEGIN);
	commit_test();
	assert_int_equal(ks_store_execute(&test_store,
					  "DROP VIEW history; ALTER TABLE flow DROP COLUMN last;"
					  "ALTER TABLE flow DROP COLUMN duration;"
					  "ALTER TABLE flow DROP COLUMN flags; CREATE VIEW history AS SELECT 1;"
					  "PRAGMA user_version=1"),
			 0);
	ks_store_close(&test_store);
	assert_int_equal(ks_store_open(test_path, &test_store), 0);
	write_event(TOLD_END);
	commit_test();
	ks_auto_json json_t *entry = row_of("SELECT " KS_ROW_ENTRY " FROM history WHERE event = 4", false);

	check_told(entry);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
}

/* Of a flow that began before the journal listened only the end is told. */
static void test_end_alone(void **state)
{
	write_event(END);
	commit_test();
	check_whole();
	assert_int_equal(ask_test("SELECT begun FROM flow"), BEGUN);
}

/* The list of states knows no names: the row is found by its ends and its begin, which are rounded each on its own. */
static void test_listed_then_ended(void **state)
{
	begin_list();
	list_state(STATE, BEGUN + 5999);
	end_list(BEGUN);
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL"), 1);
	write_event(END);
	commit_test();
	check_whole();
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
}

/* A second list adds nothing, and knows how much has passed. */
static void test_listed_again(void **state)
{
	write_event(BEGIN);
	begin_list();
	list_state(STATE, BEGUN + 5000);
	end_list(BEGUN + 4000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
	assert_int_equal(ask_test("SELECT packets_out FROM flow WHERE ended IS NULL"), 3);
}

/* The same ends at another time are another flow. */
static void test_same_ends_later(void **state)
{
	write_event(BEGIN);
	begin_list();
	list_state(STATE, BEGUN + 3600000);
	end_list(BEGUN + 60000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 2);
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL"), 1);
}

static void test_unseen(void **state)
{
	write_event(BEGIN);
	begin_list();
	end_list(BEGUN + 7000);
	ks_auto_json json_t *flow = row_of(LAST_FLOW, true);

	assert_string_equal(text_in(flow, "why"), KS_WHY_UNSEEN);
	assert_string_equal(text_in(flow, "ended"), "2026-11-29T10:00:08.000Z");
}

/* One that began while the list was made may be missing in it, and lives. */
static void test_too_new_for_list(void **state)
{
	begin_list();
	write_event(BEGIN);
	end_list(BEGUN);
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL"), 1);
}

#define OVER "{" ENDS ",\"state\":\"TIME_WAIT\",\"packets\":[6,5],\"bytes\":[394,864],\"age\":9," RULE "}"

/* The table keeps a closed connection for a while: its end was told, and will not be told again. */
static void test_listed_when_over(void **state)
{
	write_event(BEGIN);
	write_event(END);
	begin_list();
	list_state(OVER, BEGUN + 9000);
	end_list(BEGUN + 8000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
	check_whole();
}

/* It was closed while nobody listened. */
static void test_over_unseen(void **state)
{
	write_event(BEGIN);
	begin_list();
	list_state(OVER, BEGUN + 9000);
	end_list(BEGUN + 7000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
	ks_auto_json json_t *flow = row_of(LAST_FLOW, true);

	assert_string_equal(text_in(flow, "why"), KS_WHY_UNSEEN);
	assert_string_equal(text_in(flow, "ended"), "2026-11-29T10:00:08.000Z");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(flow, "packets"), 1)), 5);
}

#define STOP "{\"event\":\"stop\",\"time\":\"2026-11-29T10:00:07.500Z\",\"saved\":true}"

/* A firewall that is taken away ends its flows at that moment. */
static void test_stop(void **state)
{
	write_event(BEGIN);
	write_event(STOP);
	commit_test();
	ks_auto_json json_t *flow = row_of(LAST_FLOW, true);
	ks_auto_json json_t *entry = row_of("SELECT " KS_ROW_ENTRY " FROM history WHERE event = 7", false);

	assert_string_equal(text_in(flow, "why"), KS_WHY_STOPPED);
	assert_string_equal(text_in(flow, "ended"), "2026-11-29T10:00:07.500Z");
	assert_string_equal(text_in(entry, "event"), "stop");
	assert_true(json_is_true(json_object_get(entry, "saved")));
}

/* Those that the next start takes back go on as the same row; the others stay ended at the stop. */
static void test_stop_and_taken_back(void **state)
{
	write_event(BEGIN);
	write_event("{\"event\":\"begin\",\"time\":\"2026-11-29T10:00:02.500Z\",\"id\":\"0000000000000007\",\"proto\":"
		    "\"udp\",\"source\":\"10.0.0.10\",\"destination\":\"192.0.2.10\",\"source_port\":1,"
		    "\"destination_port\":2}");
	write_event(STOP);
	begin_list();
	list_state(STATE, BEGUN + 5999);
	end_list(BEGUN + 8000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 2);
	assert_int_equal(ask_test("SELECT packets_out FROM flow WHERE ended IS NULL AND why IS NULL"), 3);
	assert_int_equal(ask_test("SELECT ended FROM flow WHERE ended IS NOT NULL"), BEGUN + 6500);
	write_event(END);
	commit_test();
	assert_int_equal(ask_test("SELECT ended FROM flow ORDER BY id LIMIT 1"), BEGUN + 8500);
}

/* A list of many states, or on a busy machine, takes seconds, and its ages are of no one moment: rows are the same nevertheless. */
static void test_list_that_takes_long(void **state)
{
	write_event(BEGIN);
	begin_list();
	list_state_late(STATE, BEGUN, BEGUN + 9000);
	end_list(BEGUN + 9000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
	write_event(STOP);
	begin_list();
	list_state_late(STATE, BEGUN, BEGUN + 9000);
	end_list(BEGUN + 9000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL"), 1);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
}

/* A stop that one list has settled does not open rows of a later one. */
static void test_stop_is_settled(void **state)
{
	write_event(BEGIN);
	write_event(STOP);
	begin_list();
	end_list(BEGUN + 8000);
	begin_list();
	list_state(STATE, BEGUN + 5999);
	end_list(BEGUN + 8000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL"), 1);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 2);
}

/* Of a daemon that is away nobody knows how long its flows live. */
static void test_known_until(void **state)
{
	write_event(BEGIN);
	commit_test();
	test_times.known = BEGUN + 20500;
	ks_auto_json json_t *flow = row_of(LAST_FLOW, true);

	test_times.known = INT64_MAX;
	assert_string_equal(text_in(flow, "known"), "2026-11-29T10:00:21.500Z");
	assert_int_equal(json_integer_value(json_object_get(flow, "age")), 20);
	assert_int_equal(json_integer_value(json_object_get(flow, "duration")), 20);
}

static void test_icmp(void **state)
{
	write_event("{\"event\":\"begin\",\"time\":\"2026-11-29T10:00:01.500Z\",\"id\":\"0000000000000007\",\"proto\":"
		    "\"icmp\","
		    "\"source\":\"10.0.0.10\",\"destination\":\"192.0.2.10\",\"icmp_id\":77,\"type\":8,\"begun\":"
		    "\"2026-11-29T10:00:01Z\",\"nat\":{\"source\":\"203.0.113.1\",\"source_id\":99},\"rule\":null}");
	commit_test();
	ks_auto_json json_t *flow = row_of(LAST_FLOW, true);
	ks_auto_json json_t *entry = row_of("SELECT " KS_ROW_ENTRY " FROM history", false);

	assert_int_equal(json_integer_value(json_object_get(flow, "id")), 77);
	assert_int_equal(json_integer_value(json_object_get(flow, "type")), 8);
	assert_int_equal(json_integer_value(json_object_get(entry, "icmp_id")), 77);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(entry, "nat"), "source_id")), 99);
	begin_list();
	list_state("{\"proto\":\"icmp\",\"source\":\"10.0.0.10\",\"destination\":\"192.0.2.10\",\"id\":77,\"type\":8,"
		   "\"age\":3}",
		   BEGUN + 3000);
	end_list(BEGUN);
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_begin_test, store_end_test)
	const struct CMUnitTest tests[] = {
		TEST(test_whole_life),
		TEST(test_end_alone),
		TEST(test_listed_then_ended),
		TEST(test_listed_again),
		TEST(test_same_ends_later),
		TEST(test_list_that_takes_long),
		TEST(test_unseen),
		TEST(test_too_new_for_list),
		TEST(test_icmp),
		TEST(test_listed_when_over),
		TEST(test_over_unseen),
		TEST(test_duration_is_that_which_was_told),
		TEST(test_file_of_first_version),
		TEST(test_stop),
		TEST(test_stop_and_taken_back),
		TEST(test_stop_is_settled),
		TEST(test_known_until),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
