/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/where.c: conditions select what they say, and nothing of what somebody sent becomes SQL. */
#include "tests/unit/journal/support.h"

#include <errno.h>

#include "journal/where.h"

static struct ks_where where;

static const char *const lines[] = {
	"{\"event\":\"drop\",\"time\":\"1\",\"verdict\":\"deny\",\"reason\":\"no "
	"rule\",\"from\":\"wan\",\"to\":\"lan\",\"proto\":\"tcp\","
	"\"source\":\"192.0.2.10\",\"destination\":\"203.0.113.1\",\"source_port\":40000,\"destination_port\":8080,"
	"\"packet\":\"one\","
	"\"rule\":{\"id\":3,\"file\":\"/etc/a.conf\",\"line\":4,\"label\":\"no, "
	"way\"},\"nat\":{\"destination\":\"10.0.0.10\","
	"\"destination_port\":80}}",
	"{\"event\":\"pass\",\"time\":\"2\",\"verdict\":\"allow\",\"reason\":\"new\",\"from\":\"lan\",\"to\":\"wan\","
	"\"proto\":\"udp\","
	"\"source\":\"10.0.0.10\",\"destination\":\"192.0.2.53\",\"source_port\":5353,\"destination_port\":53,"
	"\"packet\":\"two\","
	"\"rule\":{\"id\":4,\"file\":\"/etc/a.conf\",\"line\":5}}",
	"{\"event\":\"drop\",\"time\":\"3\",\"verdict\":\"deny\",\"reason\":\"no "
	"state\",\"from\":\"wan\",\"to\":\"lan\",\"proto\":\"tcp\","
	"\"source\":\"2001:db8::1\",\"destination\":\"fd00::1\",\"source_port\":1,\"destination_port\":2,\"packet\":"
	"\"three\","
	"\"rule\":null}",
	"{\"event\":\"lost\",\"time\":\"4\",\"lost\":9}",
};

static int fill(void **state)
{
	int err = store_begin_test(state);

	for (size_t i = 0; !err && i < sizeof(lines) / sizeof(lines[0]); i++)
		write_event(lines[i]);
	commit_test();
	return err;
}

/* The ids that a question selects, as digits. */
static const char *select_by(const struct ks_wish *wishes, size_t count, char found[16])
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	char sql[KS_WHERE_TEXT + 64];
	size_t n = 0;

	if (ks_where_make(&where, KS_WHERE_PACKETS, wishes, count))
		return where.complaint;
	snprintf(sql, sizeof(sql), "SELECT id FROM history WHERE 1%s ORDER BY id", where.text);
	assert_int_equal(sqlite3_prepare_v2(test_store.db, sql, -1, &stmt, NULL), SQLITE_OK);
	ks_where_bind(&where, stmt, 1);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		found[n++] = (char)('0' + sqlite3_column_int(stmt, 0));
	found[n] = '\0';
	return found;
}

static void check(const char *name, const char *value, const char *expected)
{
	const struct ks_wish wish = { name, value };
	char found[16];

	if (strcmp(select_by(&wish, 1, found), expected))
		fail_msg("%s=%s selects %s", name, value, found);
}

static void test_each(void **state)
{
	check("verdict", "deny", "13");
	check("reason", "no state", "3");
	check("proto", "tcp", "13");
	check("zone", "lan", "123");
	check("from", "lan", "2");
	check("address", "10.0.0.0/8", "12"); /* also the translated one */
	check("address", "192.0.2.0/24", "12");
	check("address", "192.0.2.10", "1");
	check("address", "0.0.0.0/0", "12");
	check("address", "::/0", "3");
	check("address", "2001:db8::/32", "3");
	check("source", "10.0.0.10", "2");
	check("destination", "10.0.0.10", "1");
	check("port", "80", "1");
	check("port", "50-60", "2");
	check("rule", "no, way", "1");
	check("rule", "/etc/a.conf:4", "1");
	check("rule", "a.conf:5", "2");
	check("rule", "4", "2");
	check("rule", "conf:5", "");
	check("text", "WAY", "1");
	check("text", "thr", "3");
	check("kind", "packet", "1234");
	check("kind", "flow", "4");
}

/* As the daemon takes them: in any case, protocols also by number. */
static void test_words(void **state)
{
	check("proto", "6", "13");
	check("proto", "TCP", "13");
	check("proto", "!17", "134");
	check("proto", "250", "");
	check("proto", "ip", "");
	check("reason", "No Rule", "1");
	check("verdict", "DENY", "13");
	check("state", "established", "");
	check("why", "unseen", "");
}

static int64_t count_who(const char *text)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	char sql[KS_WHERE_TEXT + 64];

	assert_int_equal(ks_where_make(&where, KS_WHERE_FLOWS, NULL, 0), 0);
	assert_int_equal(ks_where_who(&where, text), 0);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM flow WHERE 1%s", where.text);
	assert_int_equal(sqlite3_prepare_v2(test_store.db, sql, -1, &stmt, NULL), SQLITE_OK);
	ks_where_bind(&where, stmt, 1);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	return sqlite3_column_int64(stmt, 0);
}

/* An end is found by what it is, and by what the outside saw. */
static void test_who(void **state)
{
	write_event("{\"event\":\"begin\",\"id\":\"0000000000000001\",\"proto\":\"tcp\",\"source\":\"10.0.0.10\","
		    "\"source_port\":45656,"
		    "\"destination\":\"10.0.0.80\",\"destination_port\":8080,\"nat\":{\"source\":\"203.0.113.1\","
		    "\"source_port\":40123,"
		    "\"destination\":\"203.0.113.1\",\"destination_port\":8443}}");
	commit_test();
	assert_int_equal(count_who("203.0.113.1:40123"), 1);
	assert_int_equal(count_who("203.0.113.1:8443"), 1);
	assert_int_equal(count_who("10.0.0.10:45656"), 1);
	assert_int_equal(count_who("10.0.0.80:8080"), 1);
	assert_int_equal(count_who("10.0.0.10:40123"), 0);
	assert_int_equal(count_who("[2001:db8::1]:8443"), 0);
}

static void test_not(void **state)
{
	check("proto", "!tcp", "24"); /* an entry without a protocol is not of it */
	check("proto", "not tcp", "24");
	check("rule", "!4", "134");
	check("address", "!10.0.0.0/8", "34");
}

static void test_several(void **state)
{
	const struct ks_wish wishes[] = { { "proto", "tcp" }, { "proto", "udp" }, { "port", "!53" }, { "port", "!2" } };
	char found[16];

	assert_string_equal(select_by(wishes, 4, found), "1");
	assert_string_equal(select_by(wishes, 2, found), "123");
	assert_string_equal(select_by(wishes, 3, found), "13");
}

static void test_injection(void **state)
{
	check("zone", "lan' OR '1'='1", "");
	check("rule", "x') OR 1 --", "");
	check("text", "%", "");
	check("zone", "\"; DROP TABLE entry; --", "");
	assert_int_equal(ask_test("SELECT count(*) FROM entry"), 4);
}

static void test_complaints(void **state)
{
	static const struct ks_wish wrong[] = { { "address", "10.0.0.300" },
						{ "port", "70000" },
						{ "kind", "x" },
						{ "port", "" },
						{ "proto", "nonsense" },
						{ "proto", "256" },
						{ "reason", "nonsuch" },
						{ "verdict", "deeny" },
						{ "state", "ESTABLISHD" },
						{ "why", "closd" },
						{ "proto", "tcp' OR '1'='1" } };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(ks_where_make(&where, KS_WHERE_PACKETS, &wrong[i], 1), -EINVAL);
		assert_non_null(strstr(where.complaint, "is not"));
	}
	assert_int_equal(ks_where_make(&where, KS_WHERE_FLOWS, &(struct ks_wish){ "reason", "x" }, 1), -EINVAL);
	assert_string_equal(where.complaint, "flows have no reason: ask the log for it");
}

static void test_too_many(void **state)
{
	struct ks_wish wishes[KS_WHERE_VALUES];

	for (size_t i = 0; i < KS_WHERE_VALUES; i++)
		wishes[i] = (struct ks_wish){ "address", "10.0.0.0/8" };
	assert_int_equal(ks_where_make(&where, KS_WHERE_PACKETS, wishes, KS_WHERE_VALUES), -EINVAL);
	assert_non_null(strstr(where.complaint, "too many"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fill, store_end_test)
	const struct CMUnitTest tests[] = { TEST(test_each),	   TEST(test_words),   TEST(test_who),
					    TEST(test_not),	   TEST(test_several), TEST(test_injection),
					    TEST(test_complaints), TEST(test_too_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
