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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sip_streams),
		cmocka_unit_test(sip_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
