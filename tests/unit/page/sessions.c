/* SPDX-License-Identifier: BSD-2-Clause */
/* page/sessions.c and page/tokens.c: who is let in, for how long, and how often somebody may guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "page/sessions.h"

static struct ks_tokens tokens;
static struct ks_sessions *sessions;

static int make(void **state)
{
	if (ks_token_make(&tokens.view) || ks_token_make(&tokens.act))
		return -1;
	sessions = ks_sessions_create(&tokens);
	return sessions ? 0 : -1;
}

static int end(void **state)
{
	ks_sessions_destroy(sessions);
	return 0;
}

static int try(const char *from, const char *token, time_t now, struct ks_session *session)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	const struct sockaddr *address = (const struct sockaddr *)&v4;

	if (inet_pton(AF_INET, from, &v4.sin_addr) != 1) {
		assert_int_equal(inet_pton(AF_INET6, from, &v6.sin6_addr), 1);
		address = (const struct sockaddr *)&v6;
	}
	return ks_sessions_login(sessions, address, token, now, session);
}

static void test_tokens_are_long_and_differ(void **state)
{
	struct ks_token one, other;

	assert_int_equal(ks_token_make(&one), 0);
	assert_int_equal(ks_token_make(&other), 0);
	assert_int_equal(strlen(one.text), KS_TOKEN_LENGTH);
	assert_string_not_equal(one.text, other.text);
	assert_true(ks_token_is(&one, one.text));
	assert_false(ks_token_is(&one, other.text));
	assert_false(ks_token_is(&one, ""));
	one.text[KS_TOKEN_LENGTH - 1] ^= 1;
	assert_false(ks_token_is(&other, one.text));
	memset(&one, 0, sizeof(one)); /* a page that may not act has no token for it */
	assert_false(ks_token_is(&one, ""));
	assert_false(ks_token_is(&one, other.text));
}

static void test_each_token_gives_its_right(void **state)
{
	struct ks_session session, found;

	assert_int_equal(try("127.0.0.1", tokens.view.text, 100, &session), 0);
	assert_false(session.may_act);
	assert_true(ks_sessions_find(sessions, session.id.text, 101, &found));
	assert_string_equal(found.csrf.text, session.csrf.text);
	assert_int_equal(try("127.0.0.1", tokens.act.text, 100, &session), 0);
	assert_true(session.may_act);
	ks_sessions_logout(sessions, session.id.text);
	assert_false(ks_sessions_find(sessions, session.id.text, 101, &found));
	assert_false(ks_sessions_find(sessions, "", 101, &found));
}

static void test_a_session_ends_when_it_is_silent_and_after_a_week(void **state)
{
	struct ks_session session, found;
	time_t now = 100;

	assert_int_equal(try("127.0.0.1", tokens.view.text, now, &session), 0);
	assert_true(ks_sessions_look(sessions, session.id.text, now + 12 * 3600, &found));
	assert_false(ks_sessions_look(sessions, session.id.text, now + 12 * 3600 + 1, &found));
	assert_true(ks_sessions_find(sessions, session.id.text, now + 12 * 3600, &found));
	assert_true(ks_sessions_look(sessions, session.id.text, now + 12 * 3600 + 1, &found));
	assert_false(ks_sessions_find(sessions, session.id.text, now + 24 * 3600 + 1, &found));
	assert_int_equal(try("127.0.0.1", tokens.view.text, now, &session), 0);
	for (int hour = 1; hour <= 7 * 24; hour++)
		assert_true(ks_sessions_find(sessions, session.id.text, now + hour * 3600, &found));
	assert_false(ks_sessions_find(sessions, session.id.text, now + 7 * 24 * 3600 + 1, &found));
}

static void test_many_sessions_replace_the_one_silent_longest(void **state)
{
	struct ks_session first, session, found;

	assert_int_equal(try("127.0.0.1", tokens.view.text, 100, &first), 0);
	for (int i = 1; i <= 64; i++)
		assert_int_equal(try("127.0.0.1", tokens.view.text, 100 + i, &session), 0);
	assert_false(ks_sessions_find(sessions, first.id.text, 200, &found));
	assert_true(ks_sessions_find(sessions, session.id.text, 200, &found));
}

static void test_guesses_become_slow_for_their_source(void **state)
{
	struct ks_session session;

	for (int i = 0; i < 5; i++)
		assert_int_equal(try("192.0.2.1", "wrong", 100, &session), -EACCES);
	assert_int_equal(try("192.0.2.1", "wrong", 100, &session), -EAGAIN);
	assert_int_equal(try("192.0.2.2", "wrong", 100, &session), -EACCES);
	assert_int_equal(try("192.0.2.1", tokens.view.text, 100, &session), 0);
	assert_int_equal(try("192.0.2.1", "wrong", 100, &session), -EAGAIN);
	assert_int_equal(try("192.0.2.1", "wrong", 105, &session), -EACCES);
	assert_int_equal(try("192.0.2.1", "wrong", 105, &session), -EAGAIN);
	assert_int_equal(try("192.0.2.1", "wrong", 110, &session), -EACCES);
}

static void test_a_network_of_ipv6_is_one_source_and_all_have_a_bound(void **state)
{
	struct ks_session session;
	char from[32];

	for (int i = 0; i < 5; i++) {
		snprintf(from, sizeof(from), "2001:db8::%x", i);
		assert_int_equal(try(from, "wrong", 100, &session), -EACCES);
	}
	assert_int_equal(try("2001:db8::ffff", "wrong", 100, &session), -EAGAIN);
	for (int i = 0; i < 200; i++) {
		snprintf(from, sizeof(from), "10.%d.0.1", i);
		try(from, "wrong", 100, &session);
	}
	assert_int_equal(try("198.51.100.1", "wrong", 100, &session), -EAGAIN);
	assert_int_equal(try("198.51.100.1", tokens.view.text, 100, &session), 0);
	assert_int_equal(try("198.51.100.1", "wrong", 200, &session), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tokens_are_long_and_differ, make, end),
		cmocka_unit_test_setup_teardown(test_each_token_gives_its_right, make, end),
		cmocka_unit_test_setup_teardown(test_a_session_ends_when_it_is_silent_and_after_a_week, make, end),
		cmocka_unit_test_setup_teardown(test_many_sessions_replace_the_one_silent_longest, make, end),
		cmocka_unit_test_setup_teardown(test_guesses_become_slow_for_their_source, make, end),
		cmocka_unit_test_setup_teardown(test_a_network_of_ipv6_is_one_source_and_all_have_a_bound, make, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
