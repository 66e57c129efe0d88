/* SPDX-License-Identifier: BSD-2-Clause */
/* See view.h. */
#include "daemon/api/view.h"

#include <endian.h>
#include <string.h>

#include "core/header/packet.h"
#include "daemon/api/flow_forms.h"

#define PORT_BITS 16
#define ZONE_BITS 8
#define PROTO_SHIFT 17 /* in the number of a group by port: above the port and the bit that says there is one */
#define PORT_PRESENT (1ULL << PORT_BITS)

/* A flow as it is looked at. */
struct look_ctx {
	const struct ks_slot *slot;
	const __u64 *rate;
	__u64 now;
	__u32 opener; /* the index of its address in the key */
};

static __u64 sum(const __u64 pair[2])
{
	return pair[0] + pair[1];
}

static void rank_rate(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = sum(look->rate);
}

static void rank_bytes(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = ks_flow_bytes(&look->slot->flow, 0) + ks_flow_bytes(&look->slot->flow, 1);
}

static void rank_packets(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = ks_flow_packets(&look->slot->flow, 0) + ks_flow_packets(&look->slot->flow, 1);
}

/* By birth and not by age, which grows from one page to the next. */
static void rank_age(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = ~(__u64)look->slot->flow.created;
}

/* By the moment of its end, for the same reason. */
static void rank_left(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = look->now / KS_NSEC_PER_MSEC + ks_flow_time_left(&look->slot->flow, look->now);
}

static void rank_addr(const struct ks_addr *addr, struct ks_rank *rank)
{
	rank->high = be64toh(addr->d[0]);
	rank->low = be64toh(addr->d[1]);
}

static void rank_source(const struct look_ctx *look, struct ks_rank *rank)
{
	rank_addr(&look->slot->key.addr[look->opener], rank);
}

static void rank_destination(const struct look_ctx *look, struct ks_rank *rank)
{
	rank_addr(&look->slot->key.addr[!look->opener], rank);
}

static __u64 port(const struct look_ctx *look, bool opener)
{
	return ks_be16(look->slot->key.port[opener ? look->opener : !look->opener]);
}

static void rank_port(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = ks_proto_has_ports(look->slot->key.proto) ? port(look, false) : 0;
	rank->low = look->slot->key.proto;
}

static void rank_proto(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = look->slot->key.proto;
}

static void rank_state(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = look->slot->flow.state;
}

static void rank_zone(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = (__u64)look->slot->flow.zone[0] << ZONE_BITS | look->slot->flow.zone[1];
}

static void rank_rule(const struct look_ctx *look, struct ks_rank *rank)
{
	rank->high = look->slot->flow.rule;
}

static void (*const rankers[KS_SORTS])(const struct look_ctx *look, struct ks_rank *rank) = {
	[KS_SORT_BYTES] = rank_bytes,
	[KS_SORT_RATE] = rank_rate,
	[KS_SORT_PACKETS] = rank_packets,
	[KS_SORT_AGE] = rank_age,
	[KS_SORT_LEFT] = rank_left,
	[KS_SORT_SOURCE] = rank_source,
	[KS_SORT_DESTINATION] = rank_destination,
	[KS_SORT_PORT] = rank_port,
	[KS_SORT_PROTO] = rank_proto,
	[KS_SORT_STATE] = rank_state,
	[KS_SORT_ZONE] = rank_zone,
	[KS_SORT_RULE] = rank_rule,
};

static enum ks_group_sort group_sort(enum ks_view_sort sort)
{
	switch (sort) {
	case KS_SORT_FLOWS:
		return KS_GROUP_SORT_FLOWS;
	case KS_SORT_PACKETS:
		return KS_GROUP_SORT_PACKETS;
	case KS_SORT_RATE:
		return KS_GROUP_SORT_RATE;
	default:
		return KS_GROUP_SORT_BYTES;
	}
}

int ks_view_init(struct ks_view *view, const struct ks_view_wish *wish)
{
	int err;

	*view = (struct ks_view){ .wish = *wish };
	err = ks_ranking_init(&view->ranking, wish->offset + wish->limit);
	if (!err && wish->group)
		err = ks_groups_init(&view->groups, group_sort(wish->sort), KS_GROUPS_MAX);
	return err;
}

void ks_view_fini(struct ks_view *view)
{
	ks_ranking_fini(&view->ranking);
	ks_groups_fini(&view->groups);
}

/* The larger rank is the first: of an ascending order all bits are turned. */
static void turn(const struct ks_view *view, struct ks_rank *rank)
{
	if (!view->wish.ascending)
		return;
	rank->high = ~rank->high;
	rank->low = ~rank->low;
}

static void offer(struct ks_view *view, const struct ks_rank *rank)
{
	if (!view->wish.has_cursor || ks_rank_is_before(&view->wish.cursor, rank))
		ks_ranking_offer(&view->ranking, rank);
}

void ks_view_rank(const struct ks_view *view, __u32 id, const struct ks_slot *slot, const __u64 rate[2], __u64 now,
		  struct ks_rank *rank)
{
	const struct look_ctx look = {
		.slot = slot, .rate = rate, .now = now, .opener = ks_flow_orig_side(&slot->flow)
	};

	*rank = (struct ks_rank){ .id = id };
	rankers[view->wish.sort](&look, rank);
	turn(view, rank);
}

/* The key of a flow's group. A host is the end `side`. */
static void group_key(const struct ks_view *view, const struct look_ctx *look, unsigned side, struct ks_group_key *key)
{
	const struct ks_slot *slot = look->slot;

	*key = (struct ks_group_key){ .number = slot->key.proto };
	switch (view->wish.group) {
	case KS_GROUP_HOST:
	case KS_GROUP_SOURCE:
	case KS_GROUP_DESTINATION:
		key->addr = slot->key.addr[side];
		key->number = slot->key.family;
		break;
	case KS_GROUP_RULE:
		key->number = slot->flow.rule;
		break;
	case KS_GROUP_ZONE:
		key->number = (__u64)slot->flow.zone[0] << ZONE_BITS | slot->flow.zone[1];
		break;
	case KS_GROUP_PORT:
		key->number <<= PROTO_SHIFT;
		if (ks_proto_has_ports(slot->key.proto))
			key->number |= PORT_PRESENT | port(look, false);
		break;
	case KS_GROUP_STATE:
		key->number = (__u64)slot->key.proto << ZONE_BITS | slot->flow.state;
		break;
	default:
		break;
	}
}

static void swap(__u64 pair[2])
{
	__u64 first = pair[0];

	pair[0] = pair[1];
	pair[1] = first;
}

/* A flow belongs to the groups of both its hosts; of each the first number is what the host has sent. */
static void group_add(struct ks_view *view, const struct look_ctx *look, struct ks_sums sums)
{
	unsigned side = view->wish.group == KS_GROUP_DESTINATION ? !look->opener : look->opener;
	struct ks_group_key key;

	group_key(view, look, side, &key);
	ks_groups_add(&view->groups, &key, &sums);
	if (view->wish.group != KS_GROUP_HOST)
		return;
	swap(sums.packets);
	swap(sums.bytes);
	swap(sums.rate);
	group_key(view, look, !side, &key);
	ks_groups_add(&view->groups, &key, &sums);
}

void ks_view_add(struct ks_view *view, __u32 id, const struct ks_slot *slot, const __u64 rate[2], __u64 now)
{
	const struct look_ctx look = {
		.slot = slot, .rate = rate, .now = now, .opener = ks_flow_orig_side(&slot->flow)
	};
	const struct ks_sums sums = {
		.flows = 1,
		.packets = { ks_flow_packets(&slot->flow, 0), ks_flow_packets(&slot->flow, 1) },
		.bytes = { ks_flow_bytes(&slot->flow, 0), ks_flow_bytes(&slot->flow, 1) },
		.rate = { rate[0], rate[1] },
	};
	struct ks_rank rank;

	ks_sums_add(&view->matches, &sums);
	if (view->wish.group) {
		group_add(view, &look, sums);
	} else {
		ks_view_rank(view, id, slot, rate, now, &rank);
		offer(view, &rank);
	}
}

void ks_view_finish(struct ks_view *view)
{
	ks_groups_settle(&view->groups);
	for (__u32 i = 0; i < view->groups.count; i++) {
		struct ks_rank rank = { .high = ks_sums_size(&view->groups.list[i].sums, view->groups.sort),
					.id = i + 1 };

		turn(view, &rank);
		offer(view, &rank);
	}
	ks_ranking_sort(&view->ranking);
}

const struct ks_rank *ks_view_rows(const struct ks_view *view, size_t *count)
{
	size_t skipped = KS_MIN(view->ranking.count, (size_t)view->wish.offset);

	*count = view->ranking.count - skipped;
	return view->ranking.list + skipped;
}

bool ks_view_cursor(const struct ks_view *view, char text[KS_VIEW_CURSOR_TEXT])
{
	const struct ks_rank *last = view->ranking.list + view->ranking.count - 1;

	if (view->wish.group || !view->ranking.count || view->ranking.offered == view->ranking.count)
		return false;
	snprintf(text, KS_VIEW_CURSOR_TEXT, "%llx.%llx.%x", last->high, last->low, last->id);
	return true;
}
