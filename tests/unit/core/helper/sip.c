// SPDX-License-Identifier: BSD-2-Clause
/* SIP: media streams; core/helper/sip.c. */
#include "tests/unit/core/helper/heard.h"

/* Listens to a datagram; its addresses are the speaker's if they are 10.0.0.5. Returns how many streams. */
static unsigned sip(const char *text, __u16 *ports)
{
	static const struct ks_addr own = { .b = { [12] = 10, [15] = 5 } };
	struct ks_scanner p;
	unsigned count = 0;
	enum ks_heard what;

	ks_scanner_reset(&p);
	for (size_t i = 0; text[i]; i++) {
		what = ks_sip_byte(&p, (__u8)text[i], false);
		if (what == KS_HEARD_ADDRESS)
			ks_sip_address(&p, ks_scanner_names(&p, &own));
		if (what == KS_HEARD_ANNOUNCED)
			ports[count++] = p.code;
		if (what == KS_HEARD_OVER)
			return count;
	}
	if (ks_sip_end(&p) == KS_HEARD_ANNOUNCED)
		ports[count++] = p.code;
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

/* Listens to a stream. Returns how many media streams, with their ports and those of their controls; 99 if it ended. */
static unsigned sip_stream(const char *text, size_t len, __u16 *ports, __u16 *controls, unsigned *messages)
{
	static const struct ks_addr own = { .b = { [12] = 10, [15] = 5 } };
	struct ks_scanner p;
	unsigned count = 0;
	enum ks_heard what;

	*messages = 0;
	ks_scanner_reset(&p);
	for (size_t i = 0; i < len; i++) {
		what = ks_sip_byte(&p, (__u8)text[i], true);
		if (what == KS_HEARD_ADDRESS)
			ks_sip_address(&p, ks_scanner_names(&p, &own));
		if (what == KS_HEARD_ANNOUNCED) {
			controls[count] = ks_sip_control(&p);
			ports[count++] = p.code;
		}
		*messages += (what == KS_HEARD_ENDED || what == KS_HEARD_ANNOUNCED) && ks_sip_is_between(&p);
		if (what == KS_HEARD_OVER)
			return 99;
	}
	return count;
}

#define SDP OWN "m=audio 4000 RTP/AVP 0\r\na=rtcp:4010\r\n" /* 19 + 24 + 13 bytes */
#define SIZED(method, length) method " sip:b@example.com SIP/2.0\r\n" length "\r\n\r\n" SDP

static void sip_framing(void **state)
{
	static const struct {
		const char *text;
		unsigned streams, messages;
	} cases[] = {
		{ SIZED("INVITE", "Content-Length: 56"), 1, 1 },
		{ SIZED("INVITE", "l:56"), 1, 1 },
		{ SIZED("INVITE", "CONTENT-LENGTH:\t56 ") SIZED("UPDATE", "l: 56"), 2, 2 },
		{ "\r\n\r\n" SIZED("BYE", "l: 56") "\r\n" SIZED("ACK", "l: 56") "\r\n", 1, 2 },
		{ "SIP/2.0 200 OK\r\nl: 56\r\n\r\n" SDP "SIP/2.0 100 Trying\r\n\r\nOPTIONS a SIP/2.0\nl: 0\n\n", 1, 3 },
		/* Not whole; no length, so that the body would be a message; too long; no number; not this protocol. */
		{ SIZED("INVITE", "l: 57"), 0, 0 },
		{ SIZED("INVITE", "Subject: 56"), 99, 1 },
		{ SIZED("INVITE", "l: 65536"), 99, 0 },
		{ SIZED("INVITE", "l: 99999999999999999999"), 99, 0 },
		{ SIZED("INVITE", "l: x"), 99, 1 },
		{ "GET / HTTP/1.1\r\nl: 0\r\n\r\n", 99, 0 },
		{ "A\r\n\r\n", 99, 0 },
	};
	__u16 ports[8] = { 0 }, controls[8] = { 0 };
	unsigned messages;

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		assert_int_equal(sip_stream(cases[i].text, strlen(cases[i].text), ports, controls, &messages),
				 cases[i].streams);
		assert_int_equal(messages, cases[i].messages);
		if (cases[i].streams != 1)
			continue;
		assert_int_equal(ports[0], 4000);
		assert_int_equal(controls[0], 4010);
	}
}

/* Any bytes, NULs among them, behind a good beginning: nothing is announced but what is there, and nothing is read past. */
static void sip_hostile(void **state)
{
	static const char good[] = SIZED("INVITE", "Content-Length: 56");
	__u16 ports[8], controls[8];
	unsigned messages;
	char text[sizeof(good)];

	for (size_t at = 0; at < sizeof(good) - 1; at++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			memcpy(text, good, sizeof(good));
			text[at] = (char)byte;
			if (sip_stream(text, sizeof(good) - 1, ports, controls, &messages) == 1)
				assert_in_range(ports[0], 0, 65535);
		}
		assert_int_not_equal(sip_stream(good, at, ports, controls, &messages), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sip_streams),
		cmocka_unit_test(sip_refused),
		cmocka_unit_test(sip_framing),
		cmocka_unit_test(sip_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
