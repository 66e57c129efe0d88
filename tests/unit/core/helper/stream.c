// SPDX-License-Identifier: BSD-2-Clause
/*
 * FTP control connections through address translation, between two hosts that
 * cut their streams anyhow, lose packets before and behind the box, and repeat
 * what is not acknowledged: each must hear exactly what the other said, but for the
 * announcements, which name the outer address. Lengths and checksums are verified.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/rules.h"
#include "engine/engine.h"
#include "text/names.h"
#include "policy/policy.h"
#include "engine/big_endian.h"

#define STREAM_MAX 4096
#define STEPS_MAX 60000
#define ROUNDS 150
#define IP_TCP 40 /* bytes of both headers */
#define WINDOW 2000

enum { LAN = KS_ZONE_FIRST, WAN };

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/24 }\nzone wan { eth0, address 203.0.113.1 }\n"
				  "allow from lan to wan\nnat from lan to wan masquerade\n"
				  "forward from wan tcp port 2121 to lan 10.0.0.9 port 21\n"
				  "helper ftp from any to any tcp port 21\n";

/* One of the two hosts. */
struct host {
	uint8_t zone;
	uint32_t own, peer; /* addresses as this host knows them */
	uint16_t own_port, peer_port;
	uint32_t isn, peer_isn; /* the peer's as it was heard */
	char said[STREAM_MAX], heard[STREAM_MAX], expected[STREAM_MAX]; /* expected: what the peer is to hear */
	bool have[STREAM_MAX]; /* bytes heard, perhaps before those that precede them */
	uint32_t said_len, heard_len;
	uint32_t acked, sent; /* of what was said */
};

struct conversation {
	struct ks_engine *engine;
	struct host host[2]; /* 0: the client */
	uint64_t seed;
	unsigned loss; /* of 100 packets, before and behind the box each */
	unsigned refused;
};

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t)((*seed * 0x2545f4914f6cdd1dULL >> 32) % n);
}

static uint32_t sum(uint32_t start, const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		start += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

/* Over the pseudo header and the segment; 0xffff if its checksum is in it and right. */
static uint32_t tcp_sum(const uint8_t *ip, uint32_t len)
{
	return sum(sum(6 + len - 20, ip + 12, 8), ip + 20, len - 20);
}

static uint32_t segment_make(uint8_t *ip, const struct host *h, uint32_t seq, uint32_t ack, uint8_t flags,
			     const char *data, uint32_t len)
{
	uint8_t *tcp = ip + 20;

	memset(ip, 0, IP_TCP);
	ip[0] = 0x45;
	ks_put16(ip + 2, (__u16)(IP_TCP + len));
	ip[8] = 64;
	ip[9] = 6;
	ks_put32(ip + 12, h->own);
	ks_put32(ip + 16, h->peer);
	ks_put16(ip + 10, (__u16)(0xffff - sum(0, ip, 20)));
	ks_put16(tcp, h->own_port);
	ks_put16(tcp + 2, h->peer_port);
	ks_put32(tcp + 4, seq);
	ks_put32(tcp + 8, ack);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	ks_put16(tcp + 14, WINDOW);
	if (len)
		memcpy(ip + IP_TCP, data, len);
	ks_put16(tcp + 16, (__u16)(0xffff - tcp_sum(ip, IP_TCP + len)));
	return IP_TCP + len;
}

/* Hands a packet to the box. Returns what comes out, or NULL. */
static const uint8_t *pass(struct conversation *d, unsigned from, const uint8_t *ip, uint32_t *len)
{
	struct ks_frame frame = { .data = ip, .captured = *len, .length = *len, .link = KS_LINK_IP };
	const uint8_t *out;
	struct ks_inspection insp;

	frame.from = d->host[from].zone;
	frame.to = from == 0 && d->host[0].zone == WAN ? KS_ZONE_SELF : d->host[!from].zone;
	if (ks_engine_inspect(d->engine, &frame, false, &insp) != KS_ALLOW) {
		if (insp.verdict.reason != KS_REASON_ANNOUNCEMENT)
			fail_msg("dropped: %s", ks_reason_name(insp.verdict.reason));
		d->refused++;
		return NULL;
	}
	out = ks_engine_output(d->engine, len);
	assert_int_equal(ks_get16(out + 2), *len);
	assert_int_equal(sum(0, out, 20), 0xffff);
	assert_int_equal(tcp_sum(out, *len), 0xffff);
	return out;
}

/* Takes what is new of a segment, in any order, sometimes only its beginning; and the acknowledgement. */
static void hear(struct conversation *d, struct host *h, const uint8_t *ip, uint32_t len)
{
	uint32_t off = ks_get32(ip + 24) - h->peer_isn - 1, bytes = len - IP_TCP,
		 acked = ks_get32(ip + 28) - h->isn - 1;

	assert_in_range(acked, 0, h->sent);
	if (acked > h->acked)
		h->acked = acked;
	if (bytes && random_below(&d->seed, 100) < d->loss)
		bytes = random_below(&d->seed, bytes);
	assert_in_range(off + bytes, 0, STREAM_MAX - 1);
	for (uint32_t i = 0; i < bytes; i++) {
		if (!h->have[off + i])
			h->heard[off + i] = (char)ip[IP_TCP + i];
		h->have[off + i] = true;
	}
	while (h->have[h->heard_len])
		h->heard_len++;
}

/* The host sends something: new, or again from what is not acknowledged, or only an acknowledgement. */
static void speak(struct conversation *d, unsigned who)
{
	struct host *h = &d->host[who];
	uint32_t start = random_below(&d->seed, 3) ? h->sent : h->acked, most = h->said_len - start, len, size;
	const uint8_t *out;
	uint8_t ip[IP_TCP + STREAM_MAX];

	if (most > h->acked + WINDOW - start)
		most = h->acked + WINDOW - start;
	len = most ? random_below(&d->seed, most < 60 ? most + 1 : 61) : 0;
	size = segment_make(ip, h, h->isn + 1 + start, h->peer_isn + 1 + h->heard_len, 0x18, h->said + start, len);
	if (start + len > h->sent)
		h->sent = start + len;
	if (random_below(&d->seed, 100) < d->loss)
		return;
	out = pass(d, who, ip, &size);
	if (out && random_below(&d->seed, 100) >= d->loss)
		hear(d, &d->host[!who], out, size);
}

/* Both learn how the other is seen from where they are. */
static void shake_hands(struct conversation *d)
{
	struct host *client = &d->host[0], *server = &d->host[1];
	uint8_t ip[IP_TCP];
	const uint8_t *out;
	uint32_t len;

	len = segment_make(ip, client, client->isn, 0, 0x02, NULL, 0);
	out = pass(d, 0, ip, &len);
	assert_non_null(out);
	server->own = ks_get32(out + 16);
	server->peer = ks_get32(out + 12);
	server->own_port = (uint16_t)ks_get16(out + 22);
	server->peer_port = (uint16_t)ks_get16(out + 20);
	server->peer_isn = client->isn;
	len = segment_make(ip, server, server->isn, client->isn + 1, 0x12, NULL, 0);
	assert_non_null(pass(d, 1, ip, &len));
	client->peer_isn = server->isn;
	len = segment_make(ip, client, client->isn + 1, server->isn + 1, 0x10, NULL, 0);
	assert_non_null(pass(d, 0, ip, &len));
}

static bool is_over(const struct conversation *d)
{
	return d->host[0].acked == d->host[0].said_len && d->host[1].acked == d->host[1].said_len;
}

/* Lets them speak until both have heard all. */
static void converse(struct conversation *d)
{
	for (unsigned n = 0; n < STEPS_MAX && !is_over(d); n++)
		speak(d, random_below(&d->seed, 2));
	assert_true(is_over(d));
	for (unsigned n = 0; n < 2; n++) {
		assert_string_equal(d->host[!n].heard, d->host[n].expected);
		assert_int_equal(d->host[!n].heard_len, strlen(d->host[n].expected));
	}
}

static void say(struct host *h, const char *text, const char *expected)
{
	strcat(h->said, text);
	strcat(h->expected, expected);
	h->said_len = (uint32_t)strlen(h->said);
}

/* A line of the client; those that announce are written again. */
static void say_as_client(struct conversation *d, struct host *h, unsigned n)
{
	char text[64], expected[96];

	switch (random_below(&d->seed, 4)) {
	case 0:
		snprintf(text, sizeof(text), "PORT 10,0,0,5,%u,%u\r\n", 4 + n, random_below(&d->seed, 256));
		snprintf(expected, sizeof(expected), "PORT 203,0,113,1,%s", text + strlen("PORT 10,0,0,5,"));
		break;
	case 1:
		snprintf(text, sizeof(text), "EPRT |1|10.0.0.5|%u|\r\n", 30000 + n);
		snprintf(expected, sizeof(expected), "EPRT |1|203.0.113.1|%u|\r\n", 30000 + n);
		break;
	case 2:
		snprintf(text, sizeof(text), "PORT 10,0,0,6,%u,1\r\n", 4 + n); /* not its own */
		memcpy(expected, text, sizeof(text));
		break;
	default:
		snprintf(text, sizeof(text), "RETR %.*s\r\n", (int)random_below(&d->seed, 40),
			 "abcdefghijklmnopqrstuvwxyz0123456789PORT");
		memcpy(expected, text, sizeof(text));
		break;
	}
	say(h, text, expected);
}

static void say_as_server(struct conversation *d, struct host *h, unsigned n)
{
	char text[64], expected[96];

	if (random_below(&d->seed, 2)) {
		snprintf(text, sizeof(text), "227 Entering (10,0,0,9,%u,%u).\r\n", 4 + n, random_below(&d->seed, 256));
		snprintf(expected, sizeof(expected), "227 Entering (203,0,113,1,%s",
			 text + strlen("227 Entering (10,0,0,9,"));
	} else {
		snprintf(text, sizeof(text), "200%sok %u\r\n", random_below(&d->seed, 2) ? " " : "-so\r\n200 ", n);
		memcpy(expected, text, sizeof(text));
	}
	say(h, text, expected);
}

static void conversation_begin(struct conversation *d, const struct ks_policy *policy, uint64_t seed,
			       bool server_inside)
{
	const struct ks_tables tables = ks_policy_tables(policy);
	struct host *client = &d->host[0], *server = &d->host[1];

	memset(d, 0, sizeof(*d));
	d->seed = seed * 0x9e3779b97f4a7c15ULL | 1;
	d->loss = (unsigned)(seed % 3 * 10);
	assert_int_equal(ks_engine_create(&tables, &d->engine), 0);
	ks_engine_set_time(d->engine, 1000 * KS_NSEC_PER_SEC);
	client->zone = server_inside ? WAN : LAN;
	server->zone = server_inside ? LAN : WAN;
	client->own = server_inside ? 0xc0000201 : 0x0a000005;
	client->peer = server_inside ? 0xcb007101 : 0xc0000201;
	client->own_port = 40000;
	client->peer_port = server_inside ? 2121 : 21;
	/* Numbers that wrap now and then. */
	client->isn = seed & 4 ? 0xffffff80 : random_below(&d->seed, 1U << 31);
	server->isn = seed & 8 ? 0xffffff80 : random_below(&d->seed, 1U << 31);
	shake_hands(d);
}

static void run(struct ks_policy *policy, uint64_t seed, bool server_inside, unsigned *refused)
{
	static struct conversation d;

	conversation_begin(&d, policy, seed, server_inside);
	say(&d.host[1], "220-hello\r\n220 welcome\r\n", "220-hello\r\n220 welcome\r\n");
	converse(&d);
	say(&d.host[0], "USER x\r\n", "USER x\r\n");
	for (unsigned n = 0; n < 20; n++) {
		if (server_inside)
			say(&d.host[0], "PASV\r\n", "PASV\r\n");
		else
			say_as_client(&d, &d.host[0], n);
	}
	if (server_inside)
		converse(&d); /* it answers when it was asked */
	for (unsigned n = 0; n < 20; n++) {
		if (server_inside)
			say_as_server(&d, &d.host[1], n);
		else
			say(&d.host[1], "200 ok\r\n", "200 ok\r\n");
	}
	converse(&d);
	*refused += d.refused;
	ks_engine_destroy(d.engine);
}

static struct ks_policy *policy_load(void)
{
	struct ks_policy *policy;
	struct ks_diags diags;

	if (ks_policy_load_text(policy_text, sizeof(policy_text) - 1, "test", NULL, &policy, &diags)) {
		ks_diags_print(&diags, stderr, false);
		fail();
	}
	ks_diags_fini(&diags);
	return policy;
}

static void client_inside(void **state)
{
	struct ks_policy *policy = policy_load();
	unsigned refused = 0;

	for (uint64_t seed = 1; seed <= ROUNDS; seed++)
		run(policy, seed, false, &refused);
	assert_int_not_equal(refused, 0); /* or nothing was ever cut in the middle */
	ks_policy_destroy(policy);
}

static void server_inside(void **state)
{
	struct ks_policy *policy = policy_load();
	unsigned refused = 0;

	for (uint64_t seed = 1; seed <= ROUNDS; seed++)
		run(policy, seed, true, &refused);
	assert_int_not_equal(refused, 0);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_inside),
		cmocka_unit_test(server_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
