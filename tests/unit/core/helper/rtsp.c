// SPDX-License-Identifier: BSD-2-Clause
/* RTSP: ports of the Transport header; core/helper/rtsp.c. */
#include "tests/unit/core/helper/heard.h"

static struct heard rtsp(const char *text, size_t len, bool client, struct ks_scanner *p)
{
	struct heard heard = { 0 };

	ks_scanner_reset(p);
	for (size_t i = 0; i < len; i++)
		listen(ks_rtsp_byte(p, (__u8)text[i], client), &heard, p, i);
	return heard;
}

#define SETUP "SETUP a RTSP/1.0\r\nTransport: "
#define REPLY "RTSP/1.0 200 OK\r\nTransport: "
#define END "\r\n\r\n"

static void rtsp_ports(void **state)
{
	static const struct {
		const char *text, *port;
		unsigned announced;
		bool client;
	} cases[] = {
		{ SETUP "RTP/AVP;client_port=4588-4589" END, "0.0.0.0 4588", 1, true },
		{ SETUP "RTP/AVP;CLIENT_PORT=4588;x" END, "0.0.0.0 4588", 1, true },
		{ REPLY "RTP/AVP;client_port=4588-4589;server_port=6256-6257" END, "0.0.0.0 6256", 1, false },
		{ SETUP "RTP/AVP;server_port=4588-4589" END, "", 0, true },
		{ SETUP "RTP/AVP;client_port=-4589" END, "", 0, true },
		{ SETUP "RTP/AVP;client_port=4588-" END, "", 0, true },
		{ SETUP "RTP/AVP;client_port=65536-65537" END, "", 0, true },
		{ SETUP "RTP/AVP;client_port=0000004588" END, "", 0, true },
		{ SETUP "RTP/AVP;client_port=4588-4589", "", 0, true }, /* not complete */
		{ "SETUP a RTSP/1.0\r\nX-Transport: RTP/AVP;client_port=4588-4589" END, "", 0, true },
	};
	struct ks_scanner p;

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct heard heard = rtsp(cases[i].text, strlen(cases[i].text), cases[i].client, &p);

		assert_int_equal(heard.announced, cases[i].announced);
		assert_string_equal(heard.last, cases[i].port);
		assert_int_equal(heard.over, 0);
	}
}

/* Every byte of good messages, replaced by every other one: no more is announced than there is. */
static void rtsp_hostile(void **state)
{
	static const char good[] = "$\0\0\3abc" SETUP "RTP/AVP;client_port=4588-4589\r\nContent-Length: 3" END
				   "x\r\n" SETUP "a;client_port=1-2" END;
	char text[sizeof(good)];
	struct ks_scanner p;

	assert_int_equal(rtsp(good, sizeof(good) - 1, true, &p).announced, 2);
	for (size_t at = 0; at < sizeof(good) - 1; at++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			memcpy(text, good, sizeof(good));
			text[at] = (char)byte;
			assert_in_range(rtsp(text, sizeof(good) - 1, true, &p).announced, 0, 2);
		}
	}
}

static void rtsp_over(void **state)
{
	static const char *const other[] = {
		"GET / HTTP/1.1\r\n",
		"SETUP a RTSP/1.0\r\nContent-Length: 65536\r\n",
		"\x16\x03\x01\n",
	};
	struct ks_scanner p;

	for (size_t i = 0; i < KS_ARRAY_SIZE(other); i++)
		assert_int_not_equal(rtsp(other[i], strlen(other[i]), true, &p).over, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rtsp_ports),
		cmocka_unit_test(rtsp_hostile),
		cmocka_unit_test(rtsp_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
