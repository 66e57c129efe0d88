// SPDX-License-Identifier: BSD-2-Clause
/* What the scanners hear, byte by byte: core/helper/scanner.h. */
#include "tests/unit/core/test_home.h"

#include <stdio.h>

#include "core/helper/helper.h"

/* What a text announced. */
struct heard {
	unsigned announced, asked, greeted, over, marks;
	char last[64]; /* the last announcement */
	size_t mark, end; /* where it stood in the text */
};

static void note(struct heard *heard, const struct ks_scanner *p, size_t end)
{
	heard->announced++;
	heard->end = end;
	if (p->addr.w[0] || p->addr.w[1] || p->addr.w[2])
		snprintf(heard->last, sizeof(heard->last), "%08x%08x%08x%08x %u", ks_be32(p->addr.w[0]),
			 ks_be32(p->addr.w[1]), ks_be32(p->addr.w[2]), ks_be32(p->addr.w[3]), p->port);
	else
		snprintf(heard->last, sizeof(heard->last), "%u.%u.%u.%u %u", p->addr.b[12], p->addr.b[13],
			 p->addr.b[14], p->addr.b[15], p->port);
}

static void listen(enum ks_heard what, struct heard *heard, const struct ks_scanner *p, size_t at)
{
	switch (what) {
	case KS_HEARD_MARK:
		heard->marks++;
		heard->mark = at;
		break;
	case KS_HEARD_UNMARK:
		heard->mark = 0;
		break;
	case KS_HEARD_ANNOUNCED:
		note(heard, p, at);
		break;
	case KS_HEARD_ASKED:
		heard->asked++;
		break;
	case KS_HEARD_GREETED:
		heard->greeted++;
		break;
	case KS_HEARD_OVER:
		heard->over++;
		break;
	default:
		break;
	}
}

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

/* Whoever does not begin with a login is no FTP client. */
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

/* What a page can make a browser say; the server may choose the name of the method. */
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

/* Listens to a datagram; its addresses are the speaker's if they are 10.0.0.5. Returns how many streams. */
static unsigned sip(const char *text, __u16 *ports)
{
	static const struct ks_addr own = { .b = { [12] = 10, [15] = 5 } };
	struct ks_scanner p;
	unsigned count = 0;
	enum ks_heard what;

	ks_scanner_reset(&p);
	for (size_t i = 0; text[i]; i++) {
		what = ks_sip_byte(&p, (__u8)text[i]);
		if (what == KS_HEARD_ADDRESS)
			ks_sip_address(&p, ks_scanner_names(&p, &own));
		if (what == KS_HEARD_ANNOUNCED)
			ports[count++] = p.port;
		if (what == KS_HEARD_OVER)
			return count;
	}
	if (ks_sip_end(&p) == KS_HEARD_ANNOUNCED)
		ports[count++] = p.port;
	return count;
}

#define INVITE "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5\r\nm=audio 7 RTP/AVP 0\r\n\r\nv=0\r\n"
#define OWN "c=IN IP4 10.0.0.5\r\n"
#define OTHER "c=IN IP4 10.0.0.6\r\n"
#define STREAM(port) "m=audio " port " RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

static void sip_streams(void **state)
{
	__u16 ports[8];

	assert_int_equal(sip(INVITE OWN STREAM("4000"), ports), 1);
	assert_int_equal(ports[0], 4000);
	assert_int_equal(sip(INVITE OWN STREAM("4000") STREAM("4002"), ports), 2);
	assert_int_equal(ports[0], 4000);
	assert_int_equal(ports[1], 4002);
	assert_int_equal(sip(INVITE OTHER STREAM("4000") OWN STREAM("4002"), ports), 1);
	assert_int_equal(ports[0], 4000);
	assert_int_equal(sip("SIP/2.0 200 OK\nCSeq: 1\n\nv=0\nc=IN IP4 10.0.0.5\nm=video 5000 RTP/AVP 31\n", ports), 1);
	assert_int_equal(ports[0], 5000);
}

static void sip_refused(void **state)
{
	__u16 ports[8];

	assert_int_equal(sip(INVITE STREAM("4000"), ports), 0);
	assert_int_equal(sip(INVITE OTHER STREAM("4000"), ports), 0);
	assert_int_equal(sip(INVITE OWN STREAM("4000") OTHER, ports), 0);
	assert_int_equal(sip(INVITE "c=IN IP4 10.0.0.5/127\r\n" STREAM("4000"), ports), 0);
	assert_int_equal(sip(INVITE "c=IN IP4 10.0.0\r\n" STREAM("4000"), ports), 0);
	assert_int_equal(sip(INVITE OWN "m=audio 65536 RTP/AVP 0\r\n", ports), 0);
	assert_int_equal(sip(INVITE OWN "m=audio 4000/2 RTP/AVP 0\r\n", ports), 0);
	assert_int_equal(sip(INVITE OWN "m=message 4000 TCP/MSRP *\r\n", ports), 0);
	assert_int_equal(sip(INVITE OWN " m=audio 4000 RTP/AVP 0\r\n", ports), 0);
	assert_int_equal(sip("REGISTER sip:x SIP/2.0\r\n\r\n" OWN STREAM("4000"), ports), 0);
	assert_int_equal(sip("INVITE sip:x SIP/2.0\r\n" OWN STREAM("4000"), ports), 0);
	assert_int_equal(sip("\r\n" INVITE OWN STREAM("4000"), ports), 0);
}

static void tftp_requests(void **state)
{
	assert_true(ks_tftp_is_request((const __u8 *)"\0\1f\0o\0", 6));
	assert_true(ks_tftp_is_request((const __u8 *)"\0\2f\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\0\3f\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\1\1f\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\0\1\0\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\0\1f\0o\0", 5));
}

/* A control message of PPTP: `type`, then a call id, another one and a result. */
static size_t pptp_message(__u8 *at, __u8 type, __u16 call, __u8 result)
{
	static const __u8 start[] = { 0, 32, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0 };

	memset(at, 0, 32);
	memcpy(at, start, sizeof(start));
	at[9] = type;
	at[12] = call >> 8;
	at[13] = call & 0xff;
	at[16] = result;
	return 32;
}

static struct heard pptp(const __u8 *bytes, size_t len, bool client)
{
	struct heard heard = { 0 };
	struct ks_scanner p;

	ks_scanner_reset(&p);
	for (size_t i = 0; i < len; i++)
		listen(ks_pptp_byte(&p, bytes[i], client), &heard, &p, i);
	return heard;
}

static void pptp_calls(void **state)
{
	__u8 bytes[96];
	size_t len = pptp_message(bytes, 1, 7, 1);

	len += pptp_message(bytes + len, 7, 4711, 0);
	assert_string_equal(pptp(bytes, len, true).last, "0.0.0.0 4711");
	assert_int_equal(pptp(bytes, len, true).announced, 1);
	assert_int_equal(pptp(bytes, len, false).announced, 0);
	len = pptp_message(bytes, 8, 12, 1);
	len += pptp_message(bytes + len, 8, 13, 2); /* refused */
	assert_string_equal(pptp(bytes, len, false).last, "0.0.0.0 12");
	assert_int_equal(pptp(bytes, len, false).announced, 1);
	assert_int_equal(pptp(bytes, len, true).announced, 0);
}

static void pptp_refused(void **state)
{
	/* Too long, too short, not a control message, a wrong cookie, no such type. */
	static const __u8 changes[][2] = { { 0, 1 }, { 1, 11 }, { 3, 2 }, { 4, 0 }, { 7, 0 }, { 8, 1 }, { 9, 16 } };
	__u8 bytes[32];

	for (size_t n = 0; n < KS_ARRAY_SIZE(changes); n++) {
		pptp_message(bytes, 7, 4711, 0);
		bytes[changes[n][0]] = changes[n][1];
		assert_true(pptp(bytes, 10, true).over);
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
		cmocka_unit_test(ftp_long_lines),    cmocka_unit_test(irc_dcc),
		cmocka_unit_test(irc_dcc_refused),   cmocka_unit_test(irc_not_a_client),
		cmocka_unit_test(sip_streams),	     cmocka_unit_test(sip_refused),
		cmocka_unit_test(tftp_requests),     cmocka_unit_test(pptp_calls),
		cmocka_unit_test(pptp_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
