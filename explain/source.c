/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps for a packet of no flow before rules are asked: its source, and the question that it may answer. */
#include <string.h>

#include "core/group.h"
#include "core/link.h"
#include "core/network.h"
#include "core/antispoof.h"
#include "explain/internal.h"
#include "policy/value.h"

#define HOME_TEXT 160

/* Returns true if the stage that opens flows has seen the packet. A datagram in fragments has rules of its own before that. */
static bool was_opening(const struct ks_inspection *insp)
{
	const __u32 others = KS_PKT_NEIGHBOUR | KS_PKT_ICMP_ERROR | KS_PKT_FRAGMENT;

	if (insp->verdict.reason == KS_REASON_SPOOFED)
		return true;
	return !(insp->pkt.flags & others) && (!insp->flow.found || insp->opening.replaces) &&
	       insp->home.from != KS_ZONE_SELF;
}

/* The source. */

/* Returns true for two zones that are outside, and so one for the source check. */
static bool are_outside(const struct ks_config *config, unsigned family, unsigned home, unsigned from)
{
	__u64 both = 1ULL << (home & (KS_ZONE_MAX - 1)) | 1ULL << (from & (KS_ZONE_MAX - 1));

	return home != from && (config->outside[family == KS_IPV6] & both) == both;
}

/* By the networks of the tables that the engine has: the command line may have added some. */
static void home_by_network(const struct ks_explain *explain, char *buf, size_t size)
{
	const struct ks_config *config = env_config(ks_engine_env(explain->engine));
	const struct ks_tuple *tuple = &explain->insp->pkt.tuple;
	const struct ks_network *network = ks_network_find(config, &tuple->src, tuple->family);
	struct ks_prefix prefix;
	char text[KS_ADDR_TEXT + 4];

	if (ks_config_has_address(config, &tuple->src, tuple->family)) {
		snprintf(buf, size, "it is an address of the box");
		return;
	}
	if (!network) {
		snprintf(buf, size, "no zone has a network with it, so it is outside");
		return;
	}
	prefix = (struct ks_prefix){ .addr = network->addr, .family = network->family, .length = network->bits };
	ks_prefix_text(&prefix, text, sizeof(text));
	if (ks_network_is_broadcast(network, &tuple->src))
		snprintf(buf, size, "it is the broadcast address of network %s", text);
	else
		snprintf(buf, size, "network %s is in zone %s%s", text, ks_explain_zone_name(explain, network->zone),
			 are_outside(config, tuple->family, network->zone, explain->insp->home.from) ? ", outside too"
												     : "");
}

/* The reason why the source is or is not at home. */
static void home_text(const struct ks_explain *explain, char *buf, size_t size)
{
	const struct ks_world *world = ks_engine_world(explain->engine);
	const struct ks_tuple *tuple = &explain->insp->pkt.tuple;

	if (ks_source_is_nowhere(&explain->insp->pkt))
		snprintf(buf, size, "no packet on a wire comes from there");
	else if (ks_source_is_of_link(explain->insp))
		snprintf(buf, size, "it belongs to every link");
	else if (world)
		world->tell_home(tuple, explain->insp->home.from, buf, size, world->arg);
	else
		home_by_network(explain, buf, size);
}

void ks_explain_source(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_config *config = env_config(ks_engine_env(explain->engine));
	bool is_checked = config->antispoof >> (insp->home.from & (KS_ZONE_MAX - 1)) & 1;
	char addr[KS_ADDR_TEXT], why[HOME_TEXT];
	json_t *step;

	if (!was_opening(insp) ||
	    (!config->networks && !ks_engine_world(explain->engine) && insp->verdict.reason != KS_REASON_SPOOFED))
		return;
	ks_addr_text(&insp->pkt.tuple.src, insp->pkt.tuple.family, addr);
	home_text(explain, why, sizeof(why));
	if (insp->verdict.reason == KS_REASON_SPOOFED)
		step = ks_explain_step(explain, "source", "drop", "%s is not at home in zone %s: %s", addr,
				       ks_explain_zone_name(explain, insp->home.from), why);
	else if (is_checked)
		step = ks_explain_step(explain, "source", "ok", "%s is at home in zone %s: %s", addr,
				       ks_explain_zone_name(explain, insp->home.from), why);
	else
		step = ks_explain_step(explain, "source", "ok",
				       "%s is believed, because zone %s has 'antispoof off'; %s", addr,
				       ks_explain_zone_name(explain, insp->home.from), why);
	ks_explain_detail(explain, step, "address", json_string(addr));
}

/* The question. */

static bool answers_question(const struct ks_inspection *insp)
{
	return insp->verdict.reason == KS_REASON_OK_RELATED && insp->side.found &&
	       insp->side.key.kind == KS_KIND_QUESTION;
}

static void explain_answered_question(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_flow_key *key = &insp->side.key;
	const struct ks_record *asked = ks_record_before(&insp->side);
	char asker[KS_ENDPOINT_TEXT];
	__u32 age = insp->side.clock - asked->seen;
	json_t *step;

	ks_endpoint_text(&key->addr[0], key->family, key->proto == KS_PROTO_UDP ? key->port[0] : 0, asker);
	step = ks_explain_step(explain, "question", "ok",
			       "%s in zone %s has asked a group in zone %s %u ms ago; for %u ms its members may answer",
			       asker, ks_explain_zone_name(explain, key->link & KS_GROUP_ASKER_MASK),
			       ks_explain_zone_name(explain, key->link >> KS_GROUP_ASKED_SHIFT), age, asked->timeout);
	ks_explain_detail(explain, step, "age", json_integer(age));
	ks_explain_detail(explain, step, "timeout", json_integer(asked->timeout));
}

/* Returns true if the packet might have been an answer: it is for the box, and no question is known. */
static bool might_be_answer(const struct ks_inspection *insp)
{
	if (insp->pkt.flags & KS_PKT_ICMP_ANSWER)
		return insp->verdict.reason == KS_REASON_ICMP_REPLY;
	return insp->verdict.reason == KS_REASON_NO_RULE && insp->pkt.tuple.proto == KS_PROTO_UDP &&
	       insp->to == KS_ZONE_SELF && !(insp->pkt.flags & KS_PKT_GROUP);
}

void ks_explain_question(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	char target[KS_ENDPOINT_TEXT];

	if (!was_opening(insp))
		return;
	if (answers_question(insp)) {
		explain_answered_question(explain);
	} else if (might_be_answer(insp)) {
		ks_endpoint_text(&insp->pkt.tuple.dst, insp->pkt.tuple.family,
				 insp->pkt.tuple.proto == KS_PROTO_UDP ? insp->pkt.tuple.dport : 0, target);
		ks_explain_step(explain, "question", "note", "%s has not asked a group in zone %s of late", target,
				ks_explain_zone_name(explain, insp->home.from));
	}
}
