// SPDX-License-Identifier: BSD-2-Clause
/* IRC: offers of direct connections; core/helper/irc.c. */
#include "tests/unit/core/helper/heard.h"

/* `registered`: what the client has said before. */
static struct heard irc(const char *registered, const char *text)
{
	struct heard heard = { 0 };
	struct ks_scanner p;

	ks_scanner_reset(&p);
	for (size_t i = 0; registered && registered[i]; i++)
		ks_irc_byte(&p, (__u8)registered[i]);
	for (size_t i = 0; text[i]; i++)
		listen(ks_irc_byte(&p, (__u8)text[i]), &heard, &p, i);
	return heard;
}

static void assert_dcc(const char *text, const char *span)
{
	struct heard heard = irc("NICK a\r\n", text);

	assert_int_equal(heard.announced, 1);
	assert_string_equal(heard.last, "10.0.0.5 1025");
	assert_int_equal(heard.end - heard.mark, strlen(span));
	assert_memory_equal(text + heard.mark, span, strlen(span));
}

static void irc_dcc(void **state)
{
	assert_dcc("NICK a\r\nPRIVMSG bob :\001DCC SEND file.txt 167772165 1025 12345\001\r\n", "167772165 1025");
	assert_dcc("privmsg bob :\001dcc chat chat 167772165 1025\001\r\n", "167772165 1025");
	assert_dcc("PRIVMSG bob :\001DCC SEND \"a file\" 167772165 1025 1\001\r\n", "167772165 1025");
}

static void irc_dcc_refused(void **state)
{
	static const char *const texts[] = {
		":eve!e@h PRIVMSG bob :\001DCC SEND f 167772165 1025 1\001\r\n",
		"PRIVMSG bob :see \001DCC SEND f 167772165 1025 1\001\r\n",
		"PRIVMSG bob :DCC SEND f 167772165 1025 1\r\n",
		"NOTICE bob :\001DCC SEND f 167772165 1025 1\001\r\n",
		"PRIVMSG bob :\001DCC MOVE f 167772165 1025 1\001\r\n",
		"PRIVMSG bob :\001DCC SEND f 4294967296 1025 1\001\r\n",
		"PRIVMSG bob :\001DCC SEND f 167772165 65536 1\001\r\n",
		"PRIVMSG bob :\001DCC SEND f 167772165 \001\r\n",
		"PRIVMSG bob :\001DCC SEND 167772165 1025\001\r\n",
		"PRIVMSG bob :\001DCC SEND f 0000000000167772165 1025 1\001\r\n",
		"PRIVMSG bob :\001DCC SEND f 10.0.0.5 1025 1\001\r\n",
		"xPRIVMSG bob :\001DCC SEND f 167772165 1025 1\001\r\n",
	};

	for (size_t n = 0; n < KS_ARRAY_SIZE(texts); n++) {
		if (irc("NICK a\r\n", texts[n]).announced)
			fail_msg("announced: %s", texts[n]);
	}
}

/* Requests that a page can make a browser send; the page may choose the name of the method. */
static void irc_not_a_client(void **state)
{
	static const char said[] = "\r\nPRIVMSG bob :\001DCC SEND f 167772165 1025 1\001\r\n";
	struct heard heard = irc("POST / HTTP/1.1\r\nHost: a\r\n", said);

	assert_int_not_equal(irc(NULL, "POST / HTTP/1.1\r\n").over, 0);
	assert_int_not_equal(irc(NULL, "PRIVMSG bob :\001DCC SEND f 167772165 1025 1\001\r\n").over, 0);
	assert_int_not_equal(irc("NICK / HTTP/1.1\r\n", "Host: a\r\n").over, 0);
	assert_int_equal(irc(NULL, "CAP LS 302\r\nNICK a\r\nUSER a 0 * :a\r\n").over, 0);
	assert_int_equal(irc(NULL, "PASS x\r\nNICK a\r\n").over, 0);
	assert_int_not_equal(heard.over, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(irc_dcc),
		cmocka_unit_test(irc_dcc_refused),
		cmocka_unit_test(irc_not_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
