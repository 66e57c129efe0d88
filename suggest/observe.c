/* SPDX-License-Identifier: BSD-2-Clause */
/* See observe.h. */
#include "suggest/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/replay.h"
#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "policy/index.h"

#define CONNECTIONS_KEPT 1048576U
#define SLOTS_FIRST 1024U
#define SEED 0x6f62736572766521ULL

/* TCP connections whose SYN was answered. */
struct accepted {
	struct ks_flow_key *slots; /* family 0: free */
	size_t count, slot_count; /* the latter is a power of two */
};

static struct ks_flow_key *slot_find(const struct accepted *accepted, const struct ks_flow_key *key)
{
	size_t at = ks_hash_bytes(SEED, key, sizeof(*key)) & (accepted->slot_count - 1);

	while (accepted->slots[at].family && memcmp(&accepted->slots[at], key, sizeof(*key)) != 0)
		at = (at + 1) & (accepted->slot_count - 1);
	return &accepted->slots[at];
}

static int slots_grow(struct accepted *accepted)
{
	struct accepted grown = { .slot_count = accepted->slot_count ? accepted->slot_count * 2 : SLOTS_FIRST };

	grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (size_t i = 0; i < accepted->slot_count; i++) {
		if (accepted->slots[i].family)
			*slot_find(&grown, &accepted->slots[i]) = accepted->slots[i];
	}
	grown.count = accepted->count;
	free(accepted->slots);
	*accepted = grown;
	return 0;
}

/* Takes the key of the flow, which has the ends as its originator knows them, translated or not. */
static int accepted_add(struct accepted *accepted, const struct ks_flow_key *flow)
{
	struct ks_flow_key key = *flow, *slot;

	key.link = 0;
	if (accepted->count * 2 >= accepted->slot_count && slots_grow(accepted))
		return -ENOMEM;
	slot = slot_find(accepted, &key);
	accepted->count += !slot->family;
	*slot = key;
	return 0;
}

static bool is_accepted(const struct accepted *accepted, const struct ks_tuple *tuple)
{
	struct ks_flow_key key;

	ks_flow_key_make(tuple, &key);
	return accepted->count && slot_find(accepted, &key)->family;
}

struct observing {
	struct ks_suggestion *suggestion;
	struct accepted accepted;
};

static void observing_fini(struct observing *observing)
{
	free(observing->accepted.slots);
}

KS_SCOPED_STRUCT(auto_observing, struct observing, observing_fini)

/* Returns true for what is dropped though everything is allowed, but for strays, which are counted otherwise. */
static bool is_invalid(const struct ks_inspection *insp)
{
	return insp->verdict.action != KS_ALLOW && insp->verdict.action != KS_HOLD &&
	       insp->verdict.reason != KS_REASON_NO_STATE;
}

static int frame_see(const struct ks_replay_frame *frame, void *arg)
{
	struct observing *observing = arg;
	const struct ks_inspection *insp = frame->insp;

	if (!insp)
		return 0;
	if (is_invalid(insp))
		observing->suggestion->dropped[insp->verdict.reason]++;
	if (insp->pkt.tuple.proto == KS_PROTO_TCP && insp->verdict.action == KS_ALLOW &&
	    insp->verdict.state == KS_STATE_TCP_SYN_RECV)
		return accepted_add(&observing->accepted, &insp->flow.key);
	return 0;
}

static int connection_add(struct observing *observing, const struct ks_replay_connection *conn)
{
	struct ks_request request = { .tuple = conn->tuple, .from = conn->from, .to = conn->to };
	const struct ks_rule_info *rule = ks_policy_rule(observing->suggestion->wish.zones, conn->rule);
	bool is_tcp = conn->tuple.proto == KS_PROTO_TCP;

	if (rule && rule->statement == KS_STATEMENT_REDIRECT) {
		observing->suggestion->left[KS_LEFT_FORWARDED]++;
		return 0;
	}
	if (rule && rule->statement == KS_STATEMENT_FORWARD)
		return ks_suggestion_forward(observing->suggestion, &request,
					     is_tcp ? is_accepted(&observing->accepted, &conn->ends)
						    : conn->packets[KS_REPLY] > 0,
					     &conn->ends.dst, conn->ends.dport);
	if (ks_proto_is_icmp(conn->tuple.proto))
		request.icmp = ks_be16(conn->tuple.dport);
	return ks_suggestion_add(observing->suggestion, &request,
				 is_tcp ? is_accepted(&observing->accepted, &conn->tuple)
					: conn->packets[KS_REPLY] > 0);
}

static int connections_add(struct observing *observing, struct ks_replay *replay)
{
	const struct ks_replay_totals *totals = ks_replay_totals(replay);
	const struct ks_replay_connection *list;
	size_t count;
	int err = 0;

	list = ks_replay_connections(replay, &count);
	for (size_t i = 0; i < count && !err; i++)
		err = connection_add(observing, &list[i]);
	observing->suggestion->left[KS_LEFT_MIDSTREAM] += totals->midstream_flows;
	observing->suggestion->left[KS_LEFT_FORGOTTEN] += totals->forgotten;
	return err;
}

int ks_suggest_observe(struct ks_suggestion *suggestion, const struct ks_observe *observe, const char **failed,
		       char error[KS_CAPTURE_ERROR])
{
	ks_scoped(auto_observing) struct observing observing = { .suggestion = suggestion };
	const struct ks_replay_config config = {
		.policy = observe->watch,
		.zones = observe->zones,
		.options_set = observe->ignores_checksums ? KS_OPT_NO_IP_CHECKSUM : 0,
		.options_clear = KS_OPT_PICKUP | (observe->ignores_checksums ? KS_OPT_CHECKSUM : 0),
		.arriving_only = observe->arriving_only,
		.connections = CONNECTIONS_KEPT,
		.each = frame_see,
		.arg = &observing,
	};
	ks_auto_replay struct ks_replay *replay = NULL;
	int err = ks_replay_create(&config, &replay);

	error[0] = '\0';
	*failed = observe->paths[0];
	for (size_t i = 0; observe->paths[i] && !err; i++) {
		*failed = observe->paths[i];
		err = ks_replay_file(replay, observe->paths[i], error);
	}
	if (!err)
		err = ks_replay_finish(replay);
	return err ? err : connections_add(&observing, replay);
}
