/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the inspector with sequences of frames (packet_records.h) in a small
 * table, and asserts invariants: a packet that is not let through changes no
 * flow; one that is let through changes at most its own, by one packet; dry and
 * real inspection agree; both directions have one key; counters add up; no
 * answer is larger than what provoked it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/reject.h"
#include "engine/engine.h"
#include "text/names.h"
#include "policy/policy.h"
#include "tests/fuzz/packet_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FLOWS_MAX 512
#define FRAMES_MAX 256

static const char policy_text[] = "zone lan { eth1 }\nzone wan { eth0 }\nzone dmz { eth2 }\n"
				  "limit states 64, half-open 16\noption checksum off, state-checksum off\n"
				  "deny from lan to wan tcp port 25\nbypass from lan udp port 4789\n"
				  "reject from wan to self\nallow from { lan, self } to any\n"
				  "allow from wan to dmz tcp port 80\n";

static struct ks_policy *policy;

struct flows {
	struct entry {
		struct ks_flow_key key;
		struct ks_flow flow;
	} list[FLOWS_MAX];
	size_t count;
};

static void check(int good, const char *what, const struct ks_inspection *insp)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s, %s, %s\n", what, ks_action_name(insp->verdict.action),
		ks_reason_name(insp->verdict.reason), ks_state_name(insp->verdict.state));
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

static int flow_add(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct flows *flows = arg;

	if (flows->count == FLOWS_MAX)
		abort();
	flows->list[flows->count].key = *key;
	flows->list[flows->count++].flow = *flow;
	return 0;
}

static int entry_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ks_flow_key));
}

static void flows_take(struct ks_engine *engine, struct flows *flows)
{
	flows->count = 0;
	ks_engine_each_flow(engine, flow_add, flows);
	qsort(flows->list, flows->count, sizeof(flows->list[0]), entry_order);
}

static const struct entry *flows_find(const struct flows *flows, const struct ks_flow_key *key)
{
	return bsearch(key, flows->list, flows->count, sizeof(flows->list[0]), entry_order);
}

static bool flows_equal(const struct flows *a, const struct flows *b)
{
	return a->count == b->count && memcmp(a->list, b->list, a->count * sizeof(a->list[0])) == 0;
}

static unsigned long long packets_of(const struct ks_flow *flow)
{
	return ks_flow_packets(flow, 0) + ks_flow_packets(flow, 1);
}

/* A packet of a flow was let through. */
static void check_one_changed(const struct flows *before, const struct flows *after, const struct ks_inspection *insp)
{
	const struct entry *mine = flows_find(after, &insp->flow.key);

	check(mine != NULL, "a packet passed and its flow is not there", insp);
	check(packets_of(&mine->flow) == (insp->flow.found ? packets_of(&insp->flow.before) : 0) + 1 ||
		      packets_of(&mine->flow) == 1,
	      "its flow did not count it once", insp);
	for (size_t i = 0; i < before->count; i++) {
		const struct entry *old = &before->list[i], *now = flows_find(after, &old->key);

		if (memcmp(&old->key, &insp->flow.key, sizeof(insp->flow.key)) == 0)
			continue;
		if (!now) {
			check(ks_state_is_closed(old->flow.state), "a live flow was forgotten", insp);
			continue;
		}
		check(memcmp(&old->flow, &now->flow, sizeof(now->flow)) == 0, "another flow was changed", insp);
	}
}

/* The rules do not allow a flow where it really leaves, or its translation does not: it ends, and nothing else changes. */
static bool may_end_its_flow(const struct ks_inspection *insp)
{
	return insp->flow.found &&
	       (insp->verdict.reason == KS_REASON_NO_RULE || insp->verdict.reason == KS_REASON_RULE ||
		insp->verdict.reason == KS_REASON_REROUTED);
}

static void check_one_ended(const struct flows *before, const struct flows *after, const struct ks_inspection *insp)
{
	size_t kept = 0;

	for (size_t i = 0; i < before->count; i++) {
		const struct entry *old = &before->list[i], *now = flows_find(after, &old->key);
		bool own = memcmp(&old->key, &insp->flow.key, sizeof(insp->flow.key)) == 0;

		check(now || own, "a packet ended a flow of others", insp);
		check(!now || memcmp(&old->flow, &now->flow, sizeof(now->flow)) == 0, "a denied packet changed a flow",
		      insp);
		kept += now != NULL;
	}
	check(kept == after->count, "a denied packet opened a flow", insp);
}

static void check_table(const struct flows *before, const struct flows *after, const struct ks_inspection *insp)
{
	bool of_flow = insp->verdict.action == KS_ALLOW &&
		       (insp->verdict.class == KS_CLASS_NEW || insp->verdict.class == KS_CLASS_ESTABLISHED);

	if (of_flow)
		check_one_changed(before, after, insp);
	else if (may_end_its_flow(insp))
		check_one_ended(before, after, insp);
	else
		check(flows_equal(before, after), "a packet that is of no flow changed one", insp);
}

static void check_key(const struct ks_inspection *insp)
{
	const struct ks_tuple *tuple = &insp->pkt.tuple;
	struct ks_tuple back = *tuple;
	struct ks_flow_key a, b;
	__u32 side, other;

	back.src = tuple->dst;
	back.dst = tuple->src;
	back.sport = tuple->dport;
	back.dport = tuple->sport;
	side = ks_flow_key_make(tuple, &a);
	other = ks_flow_key_make(&back, &b);
	check(memcmp(&a, &b, sizeof(a)) == 0, "the directions have two keys", insp);
	check(side != other || memcmp(tuple, &back, sizeof(back)) == 0, "the directions are one side", insp);
}

static void check_verdict(const struct ks_inspection *insp)
{
	bool passes = insp->verdict.action != KS_DENY && insp->verdict.action != KS_REJECT; /* or is held */

	check((insp->verdict.action == KS_HOLD) == (insp->verdict.reason == KS_REASON_OK_HELD),
	      "held for another reason", insp);
	check(insp->verdict.reason < KS_REASON_MAX && insp->verdict.class < KS_CLASS_MAX &&
		      insp->verdict.state < KS_STATE_MAX,
	      "out of range", insp);
	check(passes == ks_reason_is_pass(insp->verdict.reason), "verdict and reason contradict each other", insp);
	check(insp->verdict.reason != KS_REASON_INTERNAL && insp->verdict.reason != KS_REASON_CONTENDED,
	      "impossible reason", insp);
	check(passes || insp->verdict.class != KS_CLASS_RELATED, "related, and dropped", insp);
}

static void check_answer(const struct ks_frame *frame, const struct ks_inspection *insp)
{
	__u8 head[KS_HEAD_SIZE] = { 0 }, answer[KS_REJECT_MAX];

	if (insp->verdict.action != KS_REJECT)
		return;
	memcpy(head, frame->data, frame->captured < KS_HEAD_MAX ? frame->captured : KS_HEAD_MAX);
	check(ks_reject_build(head, &insp->pkt, NULL, answer) <= frame->length, "an answer larger than its cause",
	      insp);
}

static void check_dry(const struct ks_inspection *dry, const struct ks_inspection *insp)
{
	/* An answer is withheld when others have used up its rate. */
	bool withheld = dry->verdict.action == KS_REJECT && insp->verdict.action == KS_DENY;

	if (insp->verdict.reason == KS_REASON_TABLE_FULL)
		return; /* only a real insert finds that out */
	check((dry->verdict.action == insp->verdict.action || withheld) &&
		      dry->verdict.reason == insp->verdict.reason && dry->verdict.class == insp->verdict.class &&
		      dry->verdict.state == insp->verdict.state && dry->verdict.rule == insp->verdict.rule,
	      "dry and real inspection disagree", insp);
}

static void check_counters(const struct ks_engine *engine, unsigned frames, const struct ks_inspection *insp)
{
	const struct ks_count *reasons = ks_engine_reasons(engine);
	const struct ks_table_counts *counts = ks_engine_counts(engine);
	unsigned long long sum = 0;

	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		sum += reasons[i].packets;
	check(sum == frames, "the reasons do not add up to the packets", insp);
	check(counts->flows <= policy->config.limit_states, "more flows than the limit", insp);
	check(counts->half_open <= policy->config.limit_half_open, "more half-open flows than the limit", insp);
}

static void checksum_mend(uint8_t *ip, size_t length)
{
	size_t header = length ? (ip[0] & 15U) * 4 : 0;
	uint32_t sum = 0;

	if (length < 20 || ip[0] >> 4 != 4 || header < 20 || header > length)
		return;
	ip[10] = ip[11] = 0;
	for (size_t i = 0; i < header; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = (uint8_t)(~sum >> 8);
	ip[11] = (uint8_t)~sum;
}

static void frame_feed(struct ks_engine *engine, const struct ks_frame *frame, unsigned number)
{
	static struct flows before, after;
	struct ks_inspection dry, insp;

	flows_take(engine, &before);
	ks_engine_inspect(engine, frame, true, &dry);
	flows_take(engine, &after);
	check(flows_equal(&before, &after), "a dry inspection changed a flow", &dry);
	ks_engine_inspect(engine, frame, false, &insp);
	flows_take(engine, &after);
	check_verdict(&insp);
	check_dry(&dry, &insp);
	check_table(&before, &after, &insp);
	check_key(&insp);
	check_answer(frame, &insp);
	check_counters(engine, number, &insp);
}

/* Takes the next record; returns the bytes consumed, 0 at the end. */
static size_t record_feed(struct ks_engine *engine, const uint8_t *data, size_t size, unsigned number)
{
	struct packet_record head;
	struct ks_frame frame;
	uint8_t *bytes;
	size_t length;

	if (size < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	length = (size_t)(head.length[0] << 8 | head.length[1]);
	if (length > RECORD_LENGTH_MAX)
		length = RECORD_LENGTH_MAX;
	if (length > size - sizeof(head))
		length = size - sizeof(head);
	/* A copy of just this size, so that reading past it is noticed. */
	bytes = malloc(length ? length : 1);
	if (!bytes)
		abort();
	memcpy(bytes, data + sizeof(head), length);
	if (head.flags & RECORD_MEND && head.flags & RECORD_LAYER3)
		checksum_mend(bytes, length);
	else if (head.flags & RECORD_MEND && length > 14)
		checksum_mend(bytes + 14, length - 14);
	frame = (struct ks_frame){
		.data = bytes,
		.captured = (__u32)length,
		.length = (__u32)length + (head.flags & RECORD_SNAPPED ? 1000 : 0),
		.link = head.flags & RECORD_LAYER3 ? KS_LINK_IP : KS_LINK_ETHERNET,
		.from = (head.zones & 15) % RECORD_ZONES,
		.to = (head.zones >> 4) % RECORD_ZONES,
	};
	ks_engine_set_time(engine, ks_engine_time(engine) + (__u64)head.wait * head.wait * KS_NSEC_PER_SEC);
	frame_feed(engine, &frame, number);
	free(bytes);
	return sizeof(head) + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ks_tables tables = ks_policy_tables(policy);
	struct ks_engine *engine;
	size_t used;

	if (ks_engine_create(&tables, &engine))
		abort();
	ks_engine_set_time(engine, 1000 * KS_NSEC_PER_SEC);
	for (unsigned n = 1; n <= FRAMES_MAX; n++) {
		used = record_feed(engine, data, size, n);
		if (!used)
			break;
		data += used;
		size -= used;
	}
	ks_engine_destroy(engine);
	return 0;
}
