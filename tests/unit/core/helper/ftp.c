// SPDX-License-Identifier: BSD-2-Clause
/* FTP: what is announced, where, and what is not; core/helper/ftp.c. */
#include "tests/unit/core/helper/heard.h"

static struct heard ftp(const char *text, bool client)
{
	struct heard heard = { 0 };
	struct ks_scanner p;

	ks_scanner_reset(&p);
	for (size_t i = 0; text[i]; i++)
		listen(ks_ftp_byte(&p, (__u8)text[i], client, true), &heard, &p, i);
	return heard;
}

static void assert_one(const char *text, bool client, const char *expected, const char *span)
{
	struct heard heard = ftp(text, client);

	if (heard.announced != 1)
		fail_msg("%u announcements in \"%s\"", heard.announced, text);
	assert_string_equal(heard.last, expected);
	assert_int_equal(heard.end - heard.mark, strlen(span));
	assert_memory_equal(text + heard.mark, span, strlen(span));
}

static void assert_none(const char *text, bool client)
{
	struct heard heard = ftp(text, client);

	if (heard.announced)
		fail_msg("\"%s\" announced %s", text, heard.last);
}

static void ftp_port(void **state)
{
	assert_one("PORT 10,0,0,5,4,1\r\n", true, "10.0.0.5 1025", "10,0,0,5,4,1");
	assert_one("port 10,0,0,5,4,1\n", true, "10.0.0.5 1025", "10,0,0,5,4,1");
	assert_one("NOOP\r\nPoRt   010,0,0,5,255,255\r\n", true, "10.0.0.5 65535", "010,0,0,5,255,255");
	assert_int_equal(ftp("PORT 1,2,3,4,5,6\r\nPORT 1,2,3,4,5,7\r\n", true).announced, 2);
}

static void ftp_port_refused(void **state)
{
	assert_none("PORT 10,0,0,5,4,256\r\n", true);
	assert_none("PORT 10,0,0,300,4,1\r\n", true);
	assert_none("PORT 10,0,0,5,4,4294967297\r\n", true);
	assert_none("PORT 10,0,0,5,4\r\n", true);
	assert_none("PORT 10,0,0,5,4,1,1\r\n", true);
	assert_none("PORT 10,0,,5,4,1\r\n", true);
	assert_none("PORT ,10,0,0,5,4,1\r\n", true);
	assert_none("PORT 10,0,0,5,4,1x\r\n", true);
	assert_none("PORT 10,0,0,5,4,1 \r\n", true);
	assert_none("PORT 10,0,0,5,4,1", true); /* may go on */
	assert_none("PORT10,0,0,5,4,1\r\n", true);
	assert_none("PORTS 10,0,0,5,4,1\r\n", true);
	assert_none("PORT\r\n10,0,0,5,4,1\r\n", true);
	assert_none("PORT 0000010,0,0,5,4,1\r\n", true);
}

/* Commands count at the start of a line only, and in the right direction. */
static void ftp_slipstream(void **state)
{
	assert_none("XPORT 10,0,0,5,4,1\r\n", true);
	assert_none(" PORT 10,0,0,5,4,1\r\n", true);
	assert_none("SITE PORT 10,0,0,5,4,1\r\n", true);
	assert_none("STOR \rPORT 10,0,0,5,4,1\r\n", true);
	assert_none("PORT 10,0,0,5,4,1\r\n", false);
	assert_none("227 Entering (10,0,0,5,4,1)\r\n", true);
	assert_none("Hello 227 Entering (10,0,0,5,4,1)\r\n", false);
}

/* A client that does not begin with a login is no FTP client. */
static void ftp_first_line(void **state)
{
	static const char *const others[] = { "POST / HTTP/1.1\r\n", "PORT 10,0,0,5,4,1\r\n", "USERS x\r\n" };
	static const char *const logins[] = { "USER x\r\n", "AUTH TLS\r\n", "FEAT\r\n", "feat\n" };
	struct ks_scanner p;

	for (size_t n = 0; n < KS_ARRAY_SIZE(others) + KS_ARRAY_SIZE(logins); n++) {
		bool login = n >= KS_ARRAY_SIZE(others);
		const char *text = login ? logins[n - KS_ARRAY_SIZE(others)] : others[n];
		struct heard heard = { 0 };

		ks_scanner_reset(&p);
		for (size_t i = 0; i < 5; i++)
			listen(ks_ftp_byte(&p, (__u8)text[i], true, false), &heard, &p, i);
		assert_int_equal(heard.over, !login);
		assert_int_equal(heard.greeted, login);
	}
}

static void ftp_eprt(void **state)
{
	assert_one("EPRT |1|10.0.0.5|1025|\r\n", true, "10.0.0.5 1025", "|1|10.0.0.5|1025|");
	assert_one("EPRT !1!10.0.0.5!1025!\r\n", true, "10.0.0.5 1025", "!1!10.0.0.5!1025!");
	assert_one("eprt |2|fd00::5|40000|\n", true, "fd000000000000000000000000000005 40000", "|2|fd00::5|40000|");
	assert_one("EPRT |2|1:2:3:4:5:6:7:8|40000|\r\n", true, "00010002000300040005000600070008 40000",
		   "|2|1:2:3:4:5:6:7:8|40000|");
	assert_one("EPRT |2|fd00:1::|40000|\r\n", true, "fd000001000000000000000000000000 40000", "|2|fd00:1::|40000|");
	assert_one("EPRT |2|::ffff:a:B|1|\r\n", true, "00000000000000000000ffff000a000b 1", "|2|::ffff:a:B|1|");
}

static void ftp_eprt_refused(void **state)
{
	assert_none("EPRT |3|10.0.0.5|1025|\r\n", true);
	assert_none("EPRT |0|10.0.0.5|1025|\r\n", true);
	assert_none("EPRT |11|10.0.0.5|1025|\r\n", true);
	assert_none("EPRT |1|10.0.0|1025|\r\n", true);
	assert_none("EPRT |1|10.0.0.5.6|1025|\r\n", true);
	assert_none("EPRT |1|10.0.0.256|1025|\r\n", true);
	assert_none("EPRT |1|10.0.0.5|65536|\r\n", true);
	assert_none("EPRT |1|10.0.0.5|001025|\r\n", true);
	assert_none("EPRT |1|10.0.0.5||\r\n", true);
	assert_none("EPRT |1|10.0.0.5|1025\r\n", true);
	assert_none("EPRT |1|10.0.0.5|1025|x\r\n", true);
	assert_none("EPRT a1a10.0.0.5a1025a\r\n", true);
	assert_none("EPRT |2|:1::|1025|\r\n", true);
	assert_none("EPRT |2|1:::2|1025|\r\n", true);
	assert_none("EPRT |2|1::2::3|1025|\r\n", true);
	assert_none("EPRT |2|1:2:3:4:5:6:7|1025|\r\n", true);
	assert_none("EPRT |2|1:2:3:4:5:6:7:8:9|1025|\r\n", true);
	assert_none("EPRT |2|1:2:3:4:5:6:7::8|1025|x\r\n", true);
	assert_none("EPRT |2|1:2:3:4:5:6:7:|1025|\r\n", true);
	assert_none("EPRT |2|12345::|1025|\r\n", true);
	assert_none("EPRT |2|::10.0.0.5|1025|\r\n", true);
	assert_none("EPRT |2||1025|\r\n", true);
}

static void ftp_passive(void **state)
{
	assert_one("227 Entering Passive Mode (10,0,0,5,4,1).\r\n", false, "10.0.0.5 1025", "10,0,0,5,4,1");
	assert_one("227 at your service: 10,0,0,5,4,1\r\n", false, "10.0.0.5 1025", "10,0,0,5,4,1");
	assert_one("227 server 2, mode 7,1, (10,0,0,5,4,1)\r\n", false, "10.0.0.5 1025", "10,0,0,5,4,1");
	assert_one("229 Entering Extended Passive Mode (|||6446|)\r\n", false, "0.0.0.0 6446", "6446");
	assert_one("229 (!!!6446!)\n", false, "0.0.0.0 6446", "6446");
	assert_int_equal(ftp("220 hello\r\n227 (1,2,3,4,5,6)\r\n229 (|||7|)\r\n", false).announced, 2);
}

static void ftp_passive_refused(void **state)
{
	assert_none("227 (10,0,0,5,4,256)\r\n", false);
	assert_none("227 (10,0,0,5,4,1,1)\r\n", false);
	assert_none("227 (10,0,0,5,4\r\n1)\r\n", false);
	assert_none("227 2024 (10,0,0,5,4,1)\r\n", false);
	assert_none("227 (10,0,0,5,4,1", false);
	assert_none("229 (|||65536|)\r\n", false);
	assert_none("229 (||6446|)\r\n", false);
	assert_none("229 (|||6446)\r\n", false);
	assert_none("229 (|!|6446|)\r\n", false);
	assert_none("229 |||6446|\r\n", false);
	assert_none("229 (11116446|)\r\n", false);
	assert_none("200 (10,0,0,5,4,1)\r\n", false);
	assert_none("22 7 (10,0,0,5,4,1)\r\n", false);
	assert_none("227x(10,0,0,5,4,1)\r\n", false);
}

/* Only the last line of a reply of several counts (RFC 959 4.2). */
static void ftp_several_lines(void **state)
{
	assert_none("227-(10,0,0,5,4,1)\r\n", false);
	assert_none("230-Welcome\r\n227 (10,0,0,5,4,1)\r\n230 done\r\n", false);
	assert_none("230-Welcome\r\n229 (|||6446|)\r\n230-more\r\n227 (10,0,0,5,4,1)\r\n230 done\r\n", false);
	assert_one("227-Entering\r\n 227 (1,1,1,1,4,1)\r\n227 (10,0,0,5,4,1)\r\n", false, "10.0.0.5 1025",
		   "10,0,0,5,4,1");
	assert_one("230-Welcome\r\n230 done\r\n227 (10,0,0,5,4,1)\r\n", false, "10.0.0.5 1025", "10,0,0,5,4,1");
	assert_int_equal(ftp("220-a\r\n220-b\r\n220 c\r\n", false).greeted, 1);
	assert_int_equal(ftp("220-a\r\n", false).greeted, 0);
}

static void ftp_others(void **state)
{
	struct heard heard = ftp("PASV\r\nEPSV\r\nEPSV ALL\r\nPASVX\r\n", true);

	assert_int_equal(heard.asked, 3);
	assert_int_equal(ftp("234 AUTH TLS successful\r\n", false).over, 1);
	assert_int_equal(ftp("230-x\r\n234 y\r\n", false).over, 0);
}

/* A line too long to be one is passed over to its end. */
static void ftp_long_lines(void **state)
{
	char text[2048];

	memset(text, 'x', 600);
	strcpy(text + 600, "PORT 10,0,0,5,4,1\r\nPORT 10,0,0,6,4,1\r\n");
	assert_one(text, true, "10.0.0.6 1025", "10,0,0,6,4,1");
	memcpy(text, "227 ", 4);
	memset(text + 4, 'x', 300);
	strcpy(text + 304, " (10,0,0,5,4,1)\r\n");
	assert_none(text, false);
	/* 256 bytes on, the count must not begin again. */
	for (size_t n = 200; n < 1000; n++) {
		memset(text, 'x', n);
		strcpy(text + n, "PORT 10,0,0,5,4,1\r\n");
		assert_none(text, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ftp_port),	     cmocka_unit_test(ftp_port_refused),
		cmocka_unit_test(ftp_slipstream),    cmocka_unit_test(ftp_first_line),
		cmocka_unit_test(ftp_eprt),	     cmocka_unit_test(ftp_eprt_refused),
		cmocka_unit_test(ftp_passive),	     cmocka_unit_test(ftp_passive_refused),
		cmocka_unit_test(ftp_several_lines), cmocka_unit_test(ftp_others),
		cmocka_unit_test(ftp_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
