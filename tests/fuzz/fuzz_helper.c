/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes helpers: control connections of every helper, with and without
 * address translation, on which both sides send any bytes, cut anywhere, repeated
 * and out of order. Asserts that an expectation is always between the two ends of
 * its connection (IRC: from anybody to the speaker) and for one unprivileged port,
 * that there are no more of them than their bounds allow, that an untranslated
 * packet leaves unchanged, and a translated one with right lengths and checksums.
 *
 * The input is a sequence of records: two bytes and some payload.
 *   byte 0: the conversation (bits 0-2), the side that speaks (3), and the segment (4-5): the next, a repetition, one too early; or time passes
 *   byte 1: length of the payload, an eighth of which is the distance back or ahead; or seconds
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/helper/helper.h"
#include "engine/engine.h"
#include "text/names.h"
#include "policy/policy.h"
#include "engine/big_endian.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define HEADERS_MAX 40
#define FRAME_MAX (HEADERS_MAX + 256)
#define RECORDS_MAX 200
#define WINDOW 60000
#define OUTER 0xcb007101U /* 203.0.113.1 */
#define PORT_MIN 1024

enum { LAN = KS_ZONE_FIRST, WAN };
enum { HOW_NEXT, HOW_AGAIN, HOW_EARLY, HOW_LATER };

static const char policy_text[] =
	"zone lan { eth1, network 10.0.0.0/24 }\nzone wan { eth0, address 203.0.113.1 }\noption checksum off, "
	"state-checksum off\n"
	"limit states 64, expectations 6, helpers 8\nallow from lan to wan\nallow from wan to lan tcp port 21\n"
	"nat from lan to wan destination 198.51.100.0/24 masquerade\nforward from wan tcp port 2121 to lan 10.0.0.9 "
	"port 21\n"
	"helper ftp\nhelper tftp\nhelper sip\nhelper irc\nhelper pptp\n";

/* The conversations: client and server as the client knows them. */
static const struct conversation_kind {
	uint32_t client, server;
	uint16_t client_port, server_port;
	uint8_t from, proto;
	bool translated;
} kinds[8] = {
	{ 0x0a000005, 0xc0000201, 40000, 21, LAN, KS_PROTO_TCP, false },
	{ 0x0a000005, 0xc6336401, 40000, 21, LAN, KS_PROTO_TCP, true },
	{ 0xc0000202, OUTER, 40000, 2121, WAN, KS_PROTO_TCP, true },
	{ 0x0a000005, 0xc6336401, 40001, 6667, LAN, KS_PROTO_TCP, true },
	{ 0x0a000005, 0xc0000201, 40002, 1723, LAN, KS_PROTO_TCP, false },
	{ 0x0a000005, 0xc0000201, 5060, 5060, LAN, KS_PROTO_UDP, false },
	{ 0x0a000006, 0xc6336402, 5060, 5060, LAN, KS_PROTO_UDP, true },
	{ 0x0a000005, 0xc6336401, 40003, 69, LAN, KS_PROTO_UDP, true },
};

/* One side of a conversation, as it sees the other. */
struct side {
	uint32_t own, peer;
	uint16_t own_port, peer_port;
	uint32_t next, ack; /* TCP: its next number, and the number up to which it has heard */
};

struct conversation {
	struct side side[2];
	bool open;
};

static struct ks_policy *policy;

static void check(int good, const char *what, const struct ks_inspection *insp)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s, %s\n", what, ks_action_name(insp->verdict.action),
		ks_reason_name(insp->verdict.reason));
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ks_diags diags;

	if (ks_policy_load_text(policy_text, sizeof(policy_text) - 1, "fuzz", NULL, &policy, &diags)) {
		ks_diags_print(&diags, stderr, false);
		abort();
	}
	ks_diags_fini(&diags);
	return 0;
}

static uint32_t sum(uint32_t start, const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		start += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

/* In UDP a checksum of 0 means that there is none (RFC 768). */
static uint32_t checksum_sent(uint32_t sum_of_all)
{
	return sum_of_all == 0xffff ? 0xffff : 0xffff - sum_of_all;
}

static uint32_t upper_sum(const uint8_t *ip, uint32_t len)
{
	return sum(sum(ip[9] + len - 20, ip + 12, 8), ip + 20, len - 20);
}

static uint32_t headers_of(uint8_t proto)
{
	return proto == KS_PROTO_TCP ? 40 : 28;
}

static uint32_t packet_make(uint8_t *ip, const struct side *s, uint8_t proto, uint32_t seq, uint8_t flags,
			    const uint8_t *data, uint32_t len)
{
	uint32_t headers = headers_of(proto), size = headers + len;
	uint8_t *upper = ip + 20;

	memset(ip, 0, headers);
	ip[0] = 0x45;
	ks_put16(ip + 2, size);
	ip[8] = 64;
	ip[9] = proto;
	ks_put32(ip + 12, s->own);
	ks_put32(ip + 16, s->peer);
	ks_put16(ip + 10, 0xffff - sum(0, ip, 20));
	ks_put16(upper, s->own_port);
	ks_put16(upper + 2, s->peer_port);
	if (len)
		memcpy(ip + headers, data, len);
	if (proto == KS_PROTO_UDP) {
		ks_put16(upper + 4, size - 20);
		ks_put16(upper + 6, checksum_sent(upper_sum(ip, size)));
		return size;
	}
	ks_put32(upper + 4, seq);
	ks_put32(upper + 8, s->ack);
	upper[12] = 5 << 4;
	upper[13] = flags;
	ks_put16(upper + 14, WINDOW);
	ks_put16(upper + 16, 0xffff - upper_sum(ip, size));
	return size;
}

/* Asserts that an expectation lets only the right ends through. */
static void check_expectation(const struct ks_slot *slot, const struct ks_inspection *insp)
{
	const struct ks_expectation *e = &ks_record_of(&slot->flow)->expectation;
	uint32_t to = ks_get32(e->to.b + 12),
		 ends[2] = { ks_get32(slot->key.addr[0].b + 12), ks_get32(slot->key.addr[1].b + 12) };
	bool known = false;

	check(slot->key.proto == KS_PROTO_GRE || ks_be16(e->port) >= PORT_MIN, "a privileged port is expected", insp);
	for (unsigned n = 0; n < 8; n++) {
		const struct conversation_kind *k = &kinds[n];
		uint32_t server = k->server == OUTER ? 0x0a000009 : k->server;

		known |= to == k->client || to == server;
	}
	check(known, "somebody else is to be reached", insp);
	for (unsigned i = 0; i < 2; i++) {
		known = ends[i] == OUTER || (ends[i] == 0 && slot->key.port[i] == 0);
		for (unsigned n = 0; n < 8; n++)
			known |= ends[i] == kinds[n].client || ends[i] == kinds[n].server;
		check(known || ends[i] == 0x0a000009, "somebody else may open", insp);
	}
}

static void check_table(struct ks_engine *engine, const struct ks_inspection *insp)
{
	struct ks_env *env = ks_engine_env(engine);
	const struct ks_table_counts *counts = ks_engine_counts(engine);
	unsigned expected = 0;

	for (__u32 b = 0; b < env_table_shape(env)->buckets; b++) {
		for (unsigned s = 0; s < KS_BUCKET_SLOTS; s++) {
			const struct ks_slot *slot = &env_bucket(env, b)->slot[s];

			if (slot->flow.state == KS_STATE_NONE || slot->key.kind != KS_KIND_EXPECT)
				continue;
			expected++;
			check_expectation(slot, insp);
		}
	}
	check(expected == counts->records[KS_KIND_EXPECT], "expectations are miscounted", insp);
	check(expected <= policy->config.limit_kind[KS_KIND_EXPECT], "too many expectations", insp);
	check(counts->records[KS_KIND_HELPER_ORIGINAL] <= policy->config.limit_kind[KS_KIND_HELPER_ORIGINAL] &&
		      counts->records[KS_KIND_HELPER_REPLY] <= policy->config.limit_kind[KS_KIND_HELPER_REPLY],
	      "too many memories", insp);
}

/* Compares the packet that left with the one that came. */
static void check_output(const uint8_t *ip, uint32_t size, const uint8_t *out, uint32_t out_size, bool translated,
			 const struct ks_inspection *insp)
{
	check(out_size >= 28 && ks_get16(out + 2) == out_size, "a wrong length", insp);
	check(sum(0, out, 20) == 0xffff, "a wrong header checksum", insp);
	check(upper_sum(out, out_size) == 0xffff, "a wrong checksum", insp);
	if (!translated)
		check(out_size == size && memcmp(ip, out, size) == 0, "something changed", insp);
}

/* Hands a packet to the box; the other side learns from what leaves. */
static bool pass(struct ks_engine *engine, struct conversation *conversation, const struct conversation_kind *kind,
		 unsigned who, const uint8_t *ip, uint32_t size)
{
	struct ks_frame frame = { .captured = size, .length = size, .link = KS_LINK_IP };
	uint8_t far = kind->from == LAN ? WAN : LAN;
	struct side *other = &conversation->side[!who];
	struct ks_table_counts before;
	struct ks_inspection dry, insp;
	const uint8_t *out;
	uint32_t out_size;
	uint8_t *copy = malloc(size); /* of just this size, so that reading past it is noticed */

	if (!copy)
		abort();
	memcpy(copy, ip, size);
	frame.data = copy;
	frame.from = who ? far : kind->from;
	frame.to = who ? kind->from : kind->from == WAN ? KS_ZONE_SELF : far;
	before = *ks_engine_counts(engine);
	ks_engine_inspect(engine, &frame, true, &dry);
	check(memcmp(&before, ks_engine_counts(engine), sizeof(before)) == 0, "a dry inspection used something up",
	      &dry);
	ks_engine_inspect(engine, &frame, false, &insp);
	/* A dry inspection does not read announcements. */
	check(dry.verdict.reason == insp.verdict.reason || insp.verdict.reason == KS_REASON_ANNOUNCEMENT ||
		      insp.verdict.reason == KS_REASON_TABLE_FULL,
	      "dry and real inspection disagree", &insp);
	check(insp.verdict.reason != KS_REASON_INTERNAL && insp.verdict.reason != KS_REASON_CONTENDED &&
		      insp.verdict.reason != KS_REASON_TRANSLATE,
	      "impossible reason", &insp);
	check_table(engine, &insp);
	if (insp.verdict.action == KS_ALLOW) {
		out = ks_engine_output(engine, &out_size);
		check_output(ip, size, out, out_size, kind->translated, &insp);
		if (!conversation->open && !who) {
			other->own = ks_get32(out + 16);
			other->peer = ks_get32(out + 12);
			other->own_port = (uint16_t)ks_get16(out + 22);
			other->peer_port = (uint16_t)ks_get16(out + 20);
		}
		if (kind->proto == KS_PROTO_TCP)
			other->ack = ks_get32(out + 24) + (out_size - 40) + (out[33] & 2 ? 1 : 0);
	}
	free(copy);
	return insp.verdict.action == KS_ALLOW;
}

static void conversation_open(struct ks_engine *engine, struct conversation *conversation,
			      const struct conversation_kind *kind)
{
	struct side *client = &conversation->side[0], *server = &conversation->side[1];
	uint8_t ip[FRAME_MAX];

	*client = (struct side){ kind->client, kind->server, kind->client_port, kind->server_port, 0xffffff00, 0 };
	*server = (struct side){ .next = 5000 };
	if (kind->proto == KS_PROTO_TCP) {
		if (!pass(engine, conversation, kind, 0, ip,
			  packet_make(ip, client, KS_PROTO_TCP, client->next++, 0x02, NULL, 0)))
			return;
		pass(engine, conversation, kind, 1, ip,
		     packet_make(ip, server, KS_PROTO_TCP, server->next++, 0x12, NULL, 0));
		pass(engine, conversation, kind, 0, ip,
		     packet_make(ip, client, KS_PROTO_TCP, client->next, 0x10, NULL, 0));
	}
	conversation->open = true;
}

static void record_play(struct ks_engine *engine, struct conversation *talks, uint8_t head, const uint8_t *data,
			uint32_t len)
{
	const struct conversation_kind *kind = &kinds[head & 7];
	struct conversation *conversation = &talks[head & 7];
	unsigned who = head >> 3 & 1, how = head >> 4 & 3;
	struct side *side = &conversation->side[who];
	uint8_t ip[FRAME_MAX];
	uint32_t seq;

	if (!conversation->open && (kind->proto == KS_PROTO_TCP || who))
		conversation_open(engine, conversation, kind);
	else if (!conversation->open)
		*side = (struct side){ kind->client, kind->server, kind->client_port, kind->server_port, 0, 0 };
	seq = side->next;
	if (how == HOW_AGAIN)
		seq -= len / 8 + 1;
	else if (how == HOW_EARLY)
		seq += len / 8 + 1;
	if (pass(engine, conversation, kind, who, ip, packet_make(ip, side, kind->proto, seq, 0x18, data, len)) &&
	    how == HOW_NEXT)
		side->next += len;
	conversation->open = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ks_tables tables = ks_policy_tables(policy);
	struct conversation talks[8] = { 0 };
	struct ks_engine *engine;
	uint32_t len;

	if (ks_engine_create(&tables, &engine))
		abort();
	ks_engine_set_time(engine, 1000 * KS_NSEC_PER_SEC);
	for (unsigned n = 0; n < RECORDS_MAX && size >= 2; n++) {
		if ((data[0] >> 4 & 3) == HOW_LATER) {
			ks_engine_set_time(engine, ks_engine_time(engine) + data[1] * KS_NSEC_PER_SEC);
			len = 0;
		} else {
			len = data[1] < size - 2 ? data[1] : (uint32_t)(size - 2);
			record_play(engine, talks, data[0], data + 2, len);
		}
		data += 2 + len;
		size -= 2 + len;
	}
	ks_engine_destroy(engine);
	return 0;
}
