/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/keeper.c: a disk that fails and a daemon that goes away leave no holes that nobody tells of. No threads: this file is the opener. */
#include "tests/unit/journal/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "core/types.h"
#include "journal/keeper.h"
#include "journal/opener.h"

#define DROP                                                                                                          \
	"{\"event\":\"drop\",\"verdict\":\"deny\",\"reason\":\"no rule\",\"proto\":\"udp\",\"source\":\"192.0.2.10\"" \
	",\"source_port\":40000,\"destination\":\"203.0.113.1\",\"destination_port\":53}"
#define ENDS                                                                                               \
	"\"proto\":\"udp\",\"source\":\"10.0.0.10\",\"source_port\":40000,\"destination\":\"192.0.2.10\"," \
	"\"destination_port\":53"
#define BEGIN "{\"event\":\"begin\",\"id\":\"0000000000000001\"," ENDS "}"
#define STATE "{" ENDS ",\"age\":0}\n"
#define TOTALS "{\"generation\":1,\"loaded\":1796464000,\"journal\":{\"size\":16777216,\"age\":86400}}"
#define POLICY "{\"policy\":\"a.conf\",\"generation\":1,\"loaded\":1796464000,\"text\":\"deny\"}"

static struct ks_keeper keeper;
static struct ks_exports exports;
static const char *answers[KS_SOURCE_MAX]; /* of the daemon; NULL: it is away */
static bool breaks_off; /* its answers do before their end */
static bool is_gone; /* the firewall, with its daemon */

/* Instead of that of journal/opener.c. */
int ks_opener_ask(enum ks_source source)
{
	const char *answer = answers[source];
	int fds[2];

	if (source == KS_SOURCE_PRESENCE)
		return is_gone ? -ENOENT : -EEXIST;
	if (!answer)
		return -ECONNREFUSED;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		return -errno;
	dprintf(fds[1], "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(answer) + breaks_off, answer);
	close(fds[1]);
	return fds[0];
}

static void nothing_committed(void *arg)
{
}

static int begin_keeper(void **state)
{
	memset(&exports, 0, sizeof(exports));
	memset(answers, 0, sizeof(answers));
	answers[KS_SOURCE_TOTALS] = TOTALS;
	answers[KS_SOURCE_POLICY] = POLICY;
	answers[KS_SOURCE_STATES] = "";
	breaks_off = is_gone = false;
	if (store_begin_test(state) || ks_exports_open(&exports))
		return -1;
	return ks_keeper_init(&keeper, test_path, &exports, nothing_committed, NULL);
}

static int end_keeper(void **state)
{
	ks_keeper_fini(&keeper);
	return store_end_test(state);
}

static void write_line(enum ks_line_kind kind, int64_t time, const char *text)
{
	struct ks_line *line = calloc(1, sizeof(*line) + strlen(text) + 1);

	assert_non_null(line);
	line->kind = kind;
	line->time = time;
	line->size = strlen(text);
	memcpy(line->text, text, line->size);
	ks_keeper_write(&keeper, line, 0);
	ks_lines_free(line);
}

static int refuse_commit(void *arg)
{
	return 1;
}

/* The next commit fails as on a full disk. The file is opened anew after it. */
static void fail_commit(void)
{
	sqlite3_commit_hook(keeper.store.db, refuse_commit, NULL);
	ks_keeper_second(&keeper);
	assert_int_equal(keeper.state, KS_KEEPER_STOPPED);
}

static void go_on(void)
{
	keeper.retry = 0;
	ks_keeper_second(&keeper);
	assert_int_equal(keeper.state, KS_KEEPER_WRITING);
}

static void test_policy_of_failed_batch(void **state)
{
	ks_keeper_second(&keeper);
	assert_int_equal(ask_test("SELECT count(*) FROM policy"), 1);
	answers[KS_SOURCE_TOTALS] = "{\"generation\":2,\"loaded\":1796464100,\"journal\":{\"size\":16777216}}";
	answers[KS_SOURCE_POLICY] = "{\"policy\":\"a.conf\",\"generation\":2,\"loaded\":1796464100,\"text\":\"allow\"}";
	fail_commit();
	assert_int_equal(ask_test("SELECT count(*) FROM policy"), 1);
	go_on();
	assert_int_equal(ask_test("SELECT generation FROM policy WHERE until IS NULL"), 2);
	ks_keeper_second(&keeper);
	assert_int_equal(ask_test("SELECT count(*) FROM policy"), 2);
}

/* A reload falls between the question for the totals and that for the text, which is of the new policy then. */
static void test_policy_between_questions(void **state)
{
	answers[KS_SOURCE_POLICY] = "{\"policy\":\"a.conf\",\"generation\":2,\"loaded\":1796464100,\"text\":\"allow\"}";
	ks_keeper_second(&keeper);
	answers[KS_SOURCE_TOTALS] = "{\"generation\":2,\"loaded\":1796464100,\"journal\":{\"size\":16777216}}";
	answers[KS_SOURCE_POLICY] = NULL; /* there is nothing to ask for */
	ks_keeper_second(&keeper);
	assert_int_equal(ask_test("SELECT time FROM policy"), 1796464100000);
	assert_int_equal(ask_test("SELECT count(*) FROM policy"), 1);
	assert_int_equal(keeper.policies.generation, 2);
}

/* Points of the last minutes, as if they had been taken. */
static void take_points(int64_t minute)
{
	for (int64_t n = 0; n < 61; n++) {
		ks_auto_json json_t *totals = json_loads("{\"reasons\":[],\"table\":{}}", 0, NULL);

		assert_int_equal(ks_figures_take(&keeper.figures, totals, minute + n * 1000), 0);
	}
}

static void test_figures_of_failed_batch(void **state)
{
	int64_t minute = ks_when_now() / 60000 * 60000;

	ks_keeper_second(&keeper);
	take_points(minute - 120000);
	fail_commit();
	assert_int_equal(ask_test("SELECT count(*) FROM figure"), 0);
	go_on();
	assert_true(ask_test("SELECT count(*) FROM figure WHERE span = 1") >= 60);
	assert_int_equal(ask_test("SELECT min(time) FROM figure WHERE span = 60"), minute / 1000 - 120);
	assert_true(ask_test("SELECT count(*) FROM figure WHERE span = 3600") >= 1);
}

static int64_t lost_in_file(void)
{
	return ask_test("SELECT sum(json_extract(rest, '$.lost')) FROM entry WHERE event = 5");
}

static void test_events_of_failed_batch(void **state)
{
	ks_keeper_second(&keeper);
	write_line(KS_LINE_EVENT, ks_when_now(), DROP);
	ks_keeper_second(&keeper);
	for (int i = 0; i < 3; i++)
		write_line(KS_LINE_EVENT, ks_when_now(), DROP);
	fail_commit();
	write_line(KS_LINE_EVENT, ks_when_now(), DROP);
	assert_int_equal(keeper.lost, 4);
	go_on();
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE event = 0"), 1);
	assert_int_equal(lost_in_file(), 4);
}

/* The entry that tells of lost events may itself be in a batch that fails. */
static void test_lost_is_told_once(void **state)
{
	ks_keeper_second(&keeper);
	ks_keeper_write(&keeper, NULL, 5);
	fail_commit();
	assert_int_equal(lost_in_file(), 0);
	go_on();
	ks_keeper_second(&keeper);
	assert_int_equal(lost_in_file(), 5);
	assert_int_equal(keeper.lost, 5);
}

#define QUIET_MS 3600000 /* an hour in which nothing is to be told */

static void connect_again(int64_t away, int64_t ms)
{
	write_line(KS_LINE_AWAY, away, "");
	write_line(KS_LINE_CONNECTED, away + ms, "");
	ks_keeper_second(&keeper);
}

/* A gap is the time without the daemon, not that without events. */
static void test_gap_after_quiet(void **state)
{
	int64_t now = ks_when_now();

	ks_keeper_second(&keeper);
	write_line(KS_LINE_CONNECTED, now, "");
	connect_again(now + QUIET_MS, 300);
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE event = 6"), 0);
	connect_again(now + 2 * QUIET_MS, 5000);
	assert_int_equal(ask_test("SELECT sum(json_extract(rest, '$.gap')) FROM entry WHERE event = 6"), 5000);
}

/* The daemon may answer while the line that tells of the connection is still on its way. */
static void test_gap_while_connection_is_on_its_way(void **state)
{
	int64_t now = ks_when_now();

	ks_keeper_second(&keeper);
	write_line(KS_LINE_CONNECTED, now, "");
	write_line(KS_LINE_AWAY, now - 5000, "");
	keeper.connected = true;
	ks_keeper_second(&keeper);
	write_line(KS_LINE_CONNECTED, now, "");
	ks_keeper_second(&keeper);
	assert_int_equal(ask_test("SELECT sum(json_extract(rest, '$.gap')) FROM entry WHERE event = 6"), 5000);
}

static int64_t sum_of_gaps(void)
{
	return ask_test("SELECT sum(json_extract(rest, '$.gap')) FROM entry WHERE event = 6");
}

/* The journal is ended, and another one hears the daemon so much later. */
static void start_again(const char *meanwhile, int64_t ms)
{
	ks_keeper_fini(&keeper);
	assert_int_equal(ks_store_execute(&test_store, meanwhile), 0);
	assert_int_equal(ks_keeper_init(&keeper, test_path, &exports, nothing_committed, NULL), 0);
	write_line(KS_LINE_CONNECTED, ks_when_now() + ms, "");
	ks_keeper_second(&keeper);
}

/* While it did not run nobody listened. One that died has noted nothing in its last moments but what it wrote. */
static void test_gap_of_its_own(void **state)
{
	ks_keeper_second(&keeper);
	write_line(KS_LINE_CONNECTED, ks_when_now(), "");
	keeper.connected = true;
	ks_keeper_second(&keeper);
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE event = 6"), 0);
	start_again("SELECT 1", 5000);
	assert_in_range(sum_of_gaps(), 4000, 6000);
	write_line(KS_LINE_EVENT, ks_when_now(), DROP);
	start_again("DELETE FROM meta; DELETE FROM entry WHERE event = 6", 9000);
	assert_in_range(sum_of_gaps(), 8000, 10000);
}

static int64_t count_living(void)
{
	return ask_test("SELECT count(*) FROM flow WHERE ended IS NULL");
}

/* A flow, and a list of states that has it. */
static void begin_listed_flow(void)
{
	ks_keeper_second(&keeper);
	write_line(KS_LINE_EVENT, ks_when_now(), BEGIN);
	answers[KS_SOURCE_STATES] = STATE;
	write_line(KS_LINE_CONNECTED, ks_when_now(), "");
	ks_keeper_second(&keeper);
	assert_int_equal(count_living(), 1);
}

/* As if so much time had gone since the list that those that are not in it have ended. */
static void end_unlisted(void)
{
	if (keeper.listed)
		keeper.listed -= 10000;
	ks_keeper_second(&keeper);
}

/* The daemon is away from now on. */
static void go_away(void)
{
	write_line(KS_LINE_AWAY, ks_when_now(), "");
	memset(answers, 0, sizeof(answers));
	ks_keeper_second(&keeper);
}

#define IN_FORCE "SELECT count(*) FROM policy WHERE until IS NULL"

/* A daemon that is dead has left the firewall in force: nothing has ended, and it is known how long that was certain. */
static void test_daemon_dies(void **state)
{
	begin_listed_flow();
	go_away();
	assert_int_equal(count_living(), 1);
	assert_int_equal(ask_test(IN_FORCE), 1);
	assert_true(ks_keeper_known(&keeper) <= ks_when_now());
}

/* The firewall that it left is taken away, which nobody tells. */
static void test_firewall_goes(void **state)
{
	int64_t heard;

	begin_listed_flow();
	go_away();
	heard = ks_keeper_known(&keeper);
	is_gone = true;
	ks_keeper_second(&keeper);
	assert_int_equal(count_living(), 0);
	assert_int_equal(ask_test("SELECT max(ended) FROM flow"), heard);
	assert_int_equal(ask_test(IN_FORCE), 0);
	assert_true(ask_test("SELECT until FROM policy") >= heard);
}

#define STOP "{\"event\":\"stop\",\"time\":\"2026-12-05T10:00:00.000Z\",\"saved\":false}"
#define SAVED_STOP "{\"event\":\"stop\",\"time\":\"2026-12-05T10:00:00.000Z\",\"saved\":true}"
#define STOPPED 1796464800000

/* The same policy afterwards is in force anew, not still. */
static void test_stop_and_start(void **state)
{
	begin_listed_flow();
	write_line(KS_LINE_EVENT, STOPPED, STOP);
	go_away();
	assert_int_equal(count_living(), 0);
	assert_int_equal(ask_test("SELECT until FROM policy"), STOPPED);
	answers[KS_SOURCE_TOTALS] = "{\"generation\":1,\"loaded\":1796464900,\"journal\":{\"size\":16777216}}";
	answers[KS_SOURCE_POLICY] = "{\"policy\":\"a.conf\",\"generation\":1,\"loaded\":1796464900,\"text\":\"deny\"}";
	ks_keeper_second(&keeper);
	assert_int_equal(ask_test("SELECT time FROM policy WHERE until IS NULL"), 1796464900000);
	assert_int_equal(ask_test("SELECT count(*) FROM policy"), 2);
}

/* Returns what the sinks got of a stop, told twice: after the first one nothing lives any more. */
static const char *sent_by_stop(const char *stop)
{
	static char text[1024];
	int fds[2];

	memset(text, 0, sizeof(text));
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	begin_listed_flow();
	exports.lines_fd = fds[1];
	write_line(KS_LINE_EVENT, STOPPED, stop);
	write_line(KS_LINE_EVENT, STOPPED, stop);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	exports.lines_fd = -1;
	close(fds[0]);
	close(fds[1]);
	return text;
}

/* Collectors get the end of each flow that lived. */
static void test_ends_of_a_stop(void **state)
{
	const char *text = sent_by_stop(STOP), *end = strchr(text, '\n') + 1;
	ks_auto_json json_t *event = json_loads(end, JSON_DISABLE_EOF_CHECK, NULL);

	assert_memory_equal(text, STOP "\n", sizeof(STOP));
	assert_string_equal(json_string_value(json_object_get(event, "event")), "end");
	assert_string_equal(json_string_value(json_object_get(event, "why")), "stopped");
	assert_string_equal(json_string_value(json_object_get(event, "id")), "0000000000000001");
	assert_string_equal(json_string_value(json_object_get(event, "source")), "10.0.0.10");
	assert_int_equal(json_integer_value(json_object_get(event, "destination_port")), 53);
	assert_null(json_object_get(event, "cursor"));
	assert_string_equal(strchr(end, '\n'), "\n" STOP "\n");
}

/* Those that were saved may go on. */
static void test_no_ends_of_a_saved_stop(void **state)
{
	assert_string_equal(sent_by_stop(SAVED_STOP), SAVED_STOP "\n" SAVED_STOP "\n");
}

/* Saved states are taken back while a list of before the stop had yet to be settled. */
static void test_stop_and_taken_back(void **state)
{
	begin_listed_flow();
	write_line(KS_LINE_EVENT, ks_when_now(), STOP);
	go_away();
	answers[KS_SOURCE_TOTALS] = TOTALS;
	answers[KS_SOURCE_POLICY] = POLICY;
	answers[KS_SOURCE_STATES] = STATE;
	end_unlisted();
	write_line(KS_LINE_CONNECTED, ks_when_now(), "");
	end_unlisted();
	assert_int_equal(count_living(), 1);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1);
}

/* The machine died with its firewall, and another one begins with the same policy: in between it was not in force. */
static void test_fresh_firewall(void **state)
{
	ks_keeper_second(&keeper);
	keeper.heard = 1796464500000;
	answers[KS_SOURCE_TOTALS] = "{\"generation\":1,\"loaded\":1796464900,\"started\":1796464899,\"fresh\":true,"
				    "\"journal\":{\"size\":16777216}}";
	answers[KS_SOURCE_POLICY] = "{\"policy\":\"a.conf\",\"generation\":1,\"loaded\":1796464900,\"text\":\"deny\"}";
	ks_keeper_second(&keeper);
	assert_int_equal(ask_test("SELECT until FROM policy ORDER BY time LIMIT 1"), 1796464500000);
	assert_int_equal(ask_test("SELECT time FROM policy WHERE until IS NULL"), 1796464900000);
}

static void test_unlisted_ends(void **state)
{
	begin_listed_flow();
	end_unlisted();
	assert_int_equal(count_living(), 1);
	answers[KS_SOURCE_STATES] = "";
	write_line(KS_LINE_CONNECTED, ks_when_now(), "");
	end_unlisted();
	assert_int_equal(count_living(), 0);
}

/* It says nothing about those that it does not have, and neither does the one before any longer. */
static void test_broken_list(void **state)
{
	begin_listed_flow();
	answers[KS_SOURCE_STATES] = "";
	breaks_off = true;
	write_line(KS_LINE_CONNECTED, ks_when_now(), "");
	breaks_off = false;
	end_unlisted();
	assert_int_equal(count_living(), 1);
}

/* The list goes with the connection to the file. */
static void test_list_of_failed_batch(void **state)
{
	begin_listed_flow();
	write_line(KS_LINE_EVENT, ks_when_now(), DROP);
	fail_commit();
	go_on();
	end_unlisted();
	assert_int_equal(count_living(), 1);
}

#define LOST "{\"event\":\"lost\",\"lost\":2}"

/* Lost events are not missed for ever: an end, or a begin, that was not told is seen in the list. */
static void test_list_after_loss(void **state)
{
	begin_listed_flow();
	end_unlisted();
	answers[KS_SOURCE_STATES] = "";
	end_unlisted();
	assert_int_equal(count_living(), 1);
	write_line(KS_LINE_EVENT, ks_when_now(), LOST);
	assert_true(keeper.list_again > ks_when_steady());
	keeper.list_again = ks_when_steady();
	ks_keeper_second(&keeper);
	end_unlisted();
	assert_int_equal(count_living(), 0);
	answers[KS_SOURCE_STATES] = STATE;
	ks_keeper_write(&keeper, NULL, 5);
	assert_true(keeper.list_again > ks_when_steady() + 60000); /* it was listed a moment ago */
	keeper.list_again = ks_when_steady();
	ks_keeper_second(&keeper);
	assert_int_equal(count_living(), 1);
	assert_int_equal(keeper.list_again, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_keeper, end_keeper)
	const struct CMUnitTest tests[] = { TEST(test_policy_of_failed_batch),
					    TEST(test_events_of_failed_batch),
					    TEST(test_policy_between_questions),
					    TEST(test_figures_of_failed_batch),
					    TEST(test_lost_is_told_once),
					    TEST(test_gap_after_quiet),
					    TEST(test_gap_while_connection_is_on_its_way),
					    TEST(test_daemon_dies),
					    TEST(test_firewall_goes),
					    TEST(test_stop_and_start),
					    TEST(test_ends_of_a_stop),
					    TEST(test_no_ends_of_a_saved_stop),
					    TEST(test_stop_and_taken_back),
					    TEST(test_fresh_firewall),
					    TEST(test_unlisted_ends),
					    TEST(test_broken_list),
					    TEST(test_list_of_failed_batch),
					    TEST(test_list_after_loss),
					    TEST(test_gap_of_its_own) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
