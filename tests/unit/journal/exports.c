/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/exports.c, journal/ipfix.c: words, priorities and datagrams. */
#include "tests/unit/journal/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <syslog.h>

#include "journal/exports.h"
#include "journal/opener.h"

#define FLOW(event)                                                                                                   \
	"{\"event\":\"" event                                                                                         \
	"\",\"time\":\"2026-11-29T10:00:09.500Z\",\"id\":\"0000000000000001\",\"family\":\"ipv4\","                   \
	"\"proto\":\"tcp\",\"source\":\"10.0.0.10\",\"destination\":\"192.0.2.10\",\"source_port\":45656,"            \
	"\"destination_port\":80,\"nat\":{\"source\":\"203.0.113.1\",\"source_port\":40123},\"from\":\"lan\",\"to\":" \
	"\"wan\","                                                                                                    \
	"\"packets\":[6,5],\"bytes\":[394,864],\"begun\":\"2026-11-29T10:00:01Z\",\"duration\":8,\"last\":\"2026-11-" \
	"29T10:00:09."                                                                                                \
	"400Z\","                                                                                                     \
	"\"why\":\"closed\",\"rule\":{\"id\":1,\"file\":\"a.conf\",\"line\":4,\"label\":\"we\\nb\"}}"

static struct ks_exports exports;
static int other = -1;

static int begin_exports(void **state)
{
	int fds[2];

	memset(&exports, 0, sizeof(exports));
	if (ks_exports_open(&exports) || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds))
		return -1;
	exports.journald_fd = exports.syslog_fd = exports.ipfix.fd = fds[0];
	other = fds[1];
	return 0;
}

static int end_exports(void **state)
{
	close(exports.ipfix.fd);
	return close(other);
}

static void send_text(const char *text)
{
	ks_auto_json json_t *event = json_loads(text, 0, NULL);

	assert_non_null(event);
	ks_exports_send(&exports, event, text, strlen(text));
}

static size_t receive(unsigned char *buf, size_t size)
{
	ssize_t n = recv(other, buf, size - 1, 0);

	assert_true(n > 0);
	buf[n] = '\0';
	return (size_t)n;
}

static void check_words(const char *text, const char *expected, int priority)
{
	ks_auto_json json_t *event = json_loads(text, 0, NULL);
	char words[KS_EXPORT_TEXT];

	assert_int_equal(ks_export_words(event, words), priority);
	assert_string_equal(words, expected);
}

static void test_words(void **state)
{
	check_words(FLOW("end"),
		    "end (closed): lan 10.0.0.10:45656 > wan 192.0.2.10:80 tcp as 203.0.113.1:40123, 8 s, 6+5 packets, "
		    "394+864 "
		    "octets, rule a.conf:4 \"we b\"",
		    LOG_INFO);
	check_words("{\"event\":\"pass\",\"verdict\":\"allow\",\"reason\":\"new\",\"packet\":\"x\",\"nat\":{\"source\":"
		    "\"203.0.113.1\","
		    "\"source_port\":40123,\"destination\":\"2001:db8::1\",\"destination_port\":80},\"rule\":null}",
		    "allow new: x as 203.0.113.1:40123 to [2001:db8::1]:80", LOG_INFO);
	check_words("{\"event\":\"begin\",\"from\":\"lan\",\"to\":\"wan\",\"source\":\"10.0.0.10\",\"destination\":"
		    "\"192.0.2.10\",\"proto\":"
		    "\"icmp\",\"icmp_id\":77,\"nat\":{\"source\":\"203.0.113.1\",\"source_id\":99}}",
		    "begin: lan 10.0.0.10 id 77 > wan 192.0.2.10 icmp as 203.0.113.1 id 99", LOG_INFO);
	check_words("{\"event\":\"drop\",\"verdict\":\"deny\",\"reason\":\"no rule\",\"packet\":\"wan 1.2.3.4:5 > lan "
		    "6.7.8.9:10 udp\","
		    "\"rule\":null,\"folded\":12}",
		    "deny no rule: wan 1.2.3.4:5 > lan 6.7.8.9:10 udp, and 12 more", LOG_WARNING);
	check_words("{\"event\":\"drop\",\"verdict\":\"reject\",\"reason\":\"denied\",\"packet\":\"x\"}",
		    "reject denied: x", LOG_NOTICE);
	check_words("{\"event\":\"lost\",\"lost\":17}", "17 events were lost", LOG_ERR);
	check_words("{\"event\":\"lost\",\"lost\":1}", "1 event was lost", LOG_ERR);
}

/* One event is one line with one priority, whatever a label has. */
static void test_journald(void **state)
{
	unsigned char buf[4096];

	exports.journald = true;
	send_text(FLOW("end"));
	receive(buf, sizeof(buf));
	assert_memory_equal(buf, "MESSAGE=end (closed): lan", 25);
	assert_non_null(strstr((char *)buf, "we b\"\nPRIORITY=6\nSYSLOG_IDENTIFIER=keepstate\n"));
	assert_non_null(strstr((char *)buf, "KEEPSTATE_WHY=closed\n"));
	assert_non_null(strstr((char *)buf, "KEEPSTATE_SOURCE=10.0.0.10\n"));
	assert_non_null(strstr((char *)buf, "KEEPSTATE_SOURCE_PORT=45656\n"));
	assert_non_null(strstr((char *)buf, "KEEPSTATE_NAT_SOURCE=203.0.113.1\n"));
	assert_non_null(strstr((char *)buf, "KEEPSTATE_NAT_SOURCE_PORT=40123\n"));
	assert_non_null(strstr((char *)buf, "KEEPSTATE_LABEL=we b\n"));
	assert_null(strstr((char *)buf, "KEEPSTATE_NAT_DESTINATION"));
}

/* A reader that waits, or a full disk, holds nobody up, and what is written later is a line of its own. */
static void test_lines(void **state)
{
	char path[] = "/tmp/keepstate-lines-XXXXXX", buf[4096];
	int reader, fd;

	assert_non_null(mkdtemp(path));
	assert_int_equal(chdir(path), 0);
	assert_int_equal(mkfifo("lines", 0600), 0);
	exports.lines = "lines";
	assert_int_equal(ks_exports_open(&exports), -ENXIO); /* nobody reads */
	reader = open("lines", O_RDONLY | O_NONBLOCK);
	assert_int_equal(ks_exports_open(&exports), 0);
	while (!exports.unsent)
		send_text(FLOW("end"));
	assert_true(read(reader, buf, sizeof(buf)) > 0);
	close(reader);
	close(exports.lines_fd);
	assert_int_equal(unlink("lines"), 0);

	fd = open("lines", O_RDWR | O_CREAT, 0600);
	exports.lines_fd = fd;
	exports.lines_cut = true; /* as after a line of which the disk took a part */
	send_text(FLOW("end"));
	send_text(FLOW("end"));
	assert_int_equal(pread(fd, buf, 2, 0), 2);
	assert_memory_equal(buf, "\n{", 2);
	assert_int_equal(lseek(fd, 0, SEEK_END), 1 + 2 * (off_t)(strlen(FLOW("end")) + 1));
	close(fd);
	exports.lines_fd = -1;
	assert_int_equal(unlink("lines"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(path), 0);
}

static void test_syslog(void **state)
{
	unsigned char buf[4096];

	exports.syslog = "192.0.2.1";
	snprintf(exports.host, sizeof(exports.host), "box");
	send_text(FLOW("end"));
	receive(buf, sizeof(buf));
	assert_memory_equal(buf, "<30>1 2026-11-29T10:00:09.500Z box keepstate ", 45);
	exports.syslog_is_local = true;
	send_text(FLOW("end"));
	receive(buf, sizeof(buf));
	assert_memory_equal(buf, "<30>keepstate: end (closed)", 27);
}

/* A server that comes back misses no message. */
static void test_server_comes_back(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0),
	    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(to);
	unsigned char buf[4096];

	assert_int_equal(bind(server, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&to, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	close(server);
	exports.syslog = "127.0.0.1";
	exports.syslog_fd = fd;
	for (int i = 0; i < 3; i++)
		send_text(FLOW("end"));
	server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&to, sizeof(to)), 0);
	send_text(FLOW("end"));
	assert_int_equal(poll(&(struct pollfd){ .fd = server, .events = POLLIN }, 1, 10000), 1);
	assert_true(recv(server, buf, sizeof(buf), 0) > 0);
	close(server);
	close(fd);
}

static unsigned read16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Where a set of this number stands in a message; 0 if there is none. */
static size_t set_at(const unsigned char *message, size_t size, unsigned id)
{
	for (size_t at = 16; at + 4 <= size; at += read16(message + at + 2)) {
		assert_true(read16(message + at + 2) >= 4);
		if (read16(message + at) == id)
			return at;
	}
	return 0;
}

static void test_ipfix(void **state)
{
	static const unsigned char ends[] = { 6, 10, 0, 0, 10, 192, 0, 2, 10, 45656 >> 8, 45656 & 255, 0, 80 };
	static const unsigned char nat[] = { 4, 203, 0, 113, 1, 192, 0, 2, 10, 40123 >> 8, 40123 & 255, 0, 80 };
	unsigned char buf[2048];
	size_t size, at;

	send_text(FLOW("begin"));
	send_text(FLOW("established")); /* no record */
	send_text(FLOW("end"));
	ks_exports_flush(&exports);
	size = receive(buf, sizeof(buf));
	assert_int_equal(read16(buf), 10);
	assert_int_equal(read16(buf + 2), size);
	assert_int_not_equal(set_at(buf, size, 2), 0); /* the templates */
	at = set_at(buf, size, 256);
	assert_memory_equal(buf + at + 12, ends, sizeof(ends));
	assert_memory_equal(buf + at + 12 + sizeof(ends), nat, sizeof(nat));
	assert_int_not_equal(set_at(buf, size, 257), 0);
	assert_int_equal(read16(buf + 10), 0); /* the sequence before them */
	send_text(FLOW("end"));
	ks_exports_flush(&exports);
	size = receive(buf, sizeof(buf));
	assert_int_equal(read16(buf + 10), 2);
	assert_int_equal(set_at(buf, size, 2), 0); /* they came a moment ago */
}

/* The destination's address is what it was before the box, the translated one what it became (RFC 8158), as of sources. */
static void test_ipfix_forward(void **state)
{
	static const unsigned char ends[] = { 6,   192, 0,	    2,		 9,	    203,       0,
					      113, 1,	46076 >> 8, 46076 & 255, 8443 >> 8, 8443 & 255 };
	static const unsigned char nat[] = { 4, 192, 0,		 2,	      9,	 10,	    0,
					     0, 10,  46076 >> 8, 46076 & 255, 8080 >> 8, 8080 & 255 };
	unsigned char buf[2048];
	size_t size, at;

	send_text("{\"event\":\"begin\",\"family\":\"ipv4\",\"proto\":\"tcp\",\"source\":\"192.0.2.9\",\"source_port\":"
		  "46076,"
		  "\"destination\":\"10.0.0.10\",\"destination_port\":8080,"
		  "\"nat\":{\"destination\":\"203.0.113.1\",\"destination_port\":8443}}");
	ks_exports_flush(&exports);
	size = receive(buf, sizeof(buf));
	at = set_at(buf, size, 256);
	assert_memory_equal(buf + at + 12, ends, sizeof(ends));
	assert_memory_equal(buf + at + 12 + sizeof(ends), nat, sizeof(nat));
}

static void test_ipfix_of_ipv6(void **state)
{
	static const unsigned char nat[] = { 0x20,	 0x01,	      0x0d, 0xb8, 0, 0, 0, 0,
					     0,		 0,	      0,    0,	  0, 0, 0, 1, /* 2001:db8::1 */
					     0x20,	 0x01,	      0x0d, 0xb8, 0, 0, 0, 0,
					     0,		 0,	      0,    0,	  0, 0, 0, 9, /* 2001:db8::9 */
					     40123 >> 8, 40123 & 255, 0,    80 };
	unsigned char buf[2048];
	size_t size, at;

	send_text("{\"event\":\"end\",\"family\":\"ipv6\",\"proto\":\"tcp\",\"source\":\"fd00::10\",\"source_port\":"
		  "36360,"
		  "\"destination\":\"2001:db8::9\",\"destination_port\":80,"
		  "\"nat\":{\"source\":\"2001:db8::1\",\"source_port\":40123}}");
	ks_exports_flush(&exports);
	size = receive(buf, sizeof(buf));
	at = set_at(buf, size, 260);
	assert_int_not_equal(at, 0);
	assert_int_equal(buf[at + 4 + 8 + 8], 6);
	assert_memory_equal(buf + at + 4 + 8 + 8 + 1 + 16 + 16 + 4, nat, sizeof(nat));
}

#define PING(event)                                                                                          \
	"{\"event\":\"" event                                                                                \
	"\",\"family\":\"ipv4\",\"proto\":\"icmp\",\"source\":\"10.0.0.10\",\"destination\":\"192.0.2.10\"," \
	"\"icmp_id\":513,\"type\":8,\"nat\":{\"source\":\"203.0.113.1\",\"source_id\":1027}}"
#define PING6                                                                                                      \
	"{\"event\":\"end\",\"family\":\"ipv6\",\"proto\":\"icmpv6\",\"source\":\"2001:db8::10\",\"destination\":" \
	"\"2001:db8:1::1\",\"icmp_id\":7,\"type\":128}"

/* A query of ICMP has an identifier, which is translated as a port is, and a type. */
static void test_ipfix_icmp(void **state)
{
	static const unsigned char ends[] = { 1, 10, 0, 0, 10, 192, 0, 2, 10, 2, 1, 8, 0 };
	static const unsigned char nat[] = { 4, 203, 0, 113, 1, 192, 0, 2, 10, 4, 3 };
	unsigned char buf[2048];
	size_t size, at;

	send_text(PING("begin"));
	send_text(PING("end"));
	send_text(PING6);
	ks_exports_flush(&exports);
	size = receive(buf, sizeof(buf));
	at = set_at(buf, size, 262);
	assert_memory_equal(buf + at + 12, ends, sizeof(ends));
	assert_memory_equal(buf + at + 12 + sizeof(ends), nat, sizeof(nat));
	assert_int_not_equal(set_at(buf, size, 263), 0);
	at = set_at(buf, size, 267);
	assert_int_equal(buf[at + 20], 58);
	assert_int_equal(read16(buf + at + 53), 7); /* behind both addresses: the identifier, then the type */
	assert_int_equal(read16(buf + at + 55), 128 << 8);
}

/* A translated flow of IPv6 is told when it begins, too. */
static void test_ipfix_begun_ipv6(void **state)
{
	static const unsigned char outer[] = { 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10 };
	unsigned char buf[2048];
	size_t size, at;

	send_text("{\"event\":\"begin\",\"family\":\"ipv6\",\"proto\":\"udp\",\"source\":\"fd00::10\",\"destination\":"
		  "\"2001:db8:1::1\","
		  "\"source_port\":4000,\"destination_port\":53,\"nat\":{\"source\":\"2001:db8::10\"}}");
	ks_exports_flush(&exports);
	size = receive(buf, sizeof(buf));
	at = set_at(buf, size, 261);
	assert_memory_equal(buf + at + 49, outer,
			    sizeof(outer)); /* behind the time, the protocol, both ends with ports */
	assert_int_equal(read16(buf + at + 81), 4000);
}

/* However many flows end, no message is larger than a datagram. */
static void test_ipfix_splits(void **state)
{
	unsigned char buf[2048];
	unsigned records = 0;
	ssize_t size;

	for (int i = 0; i < 50; i++)
		send_text(FLOW("end"));
	ks_exports_flush(&exports);
	while ((size = recv(other, buf, sizeof(buf), 0)) > 0) {
		assert_true(size <= KS_IPFIX_MESSAGE);
		for (size_t at = 16; at < (size_t)size; at += read16(buf + at + 2))
			records += read16(buf + at) == 257;
	}
	assert_int_equal(records, 50);
}

static void test_hostile(void **state)
{
	static const char *const lines[] = {
		"{\"event\":\"end\"}",
		("{\"event\":\"end\",\"family\":7,\"proto\":[],\"source\":{},\"nat\":\"x\",\"packets\":{},\"bytes\":["
		 "\"a\"],\"begun\":1}"),
		"{\"event\":\"begin\",\"nat\":{},\"source\":\"999.1.1.1\",\"source_port\":99999999}",
		"{\"event\":\"drop\",\"verdict\":\"%s%n\",\"reason\":\"%s\",\"packet\":\"%n\"}",
	};

	exports.journald = true;
	exports.syslog = "192.0.2.1";
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		send_text(lines[i]);
	ks_exports_flush(&exports);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_exports, end_exports)
	const struct CMUnitTest tests[] = {
		TEST(test_words),	  TEST(test_lines),	    TEST(test_server_comes_back),
		TEST(test_journald),	  TEST(test_syslog),	    TEST(test_ipfix),
		TEST(test_ipfix_splits),  TEST(test_ipfix_icmp),    TEST(test_ipfix_begun_ipv6),
		TEST(test_ipfix_forward), TEST(test_ipfix_of_ipv6), TEST(test_hostile)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
