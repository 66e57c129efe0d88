/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes up the connections that netfilter tracks. See settle.h and kernel/conntrack.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "core/header/packet.h"
#include "core/address.h"
#include "daemon/settle/takeup.h"
#include "kernel/conntrack.h"

#define MS_PER_S 1000U
#define SENT_FIN IP_CT_TCP_FLAG_CLOSE_INIT

struct conntrack_ctx {
	struct ks_takeup *takeup;
	struct ks_conntrack_list *translated;
	int err;
};

/* Its states have our names. Openings begin again, and what is over needs nothing: 0. */
static __u8 tcp_state(const struct ks_conntrack *connection)
{
	switch (connection->tcp_state) {
	case TCP_CONNTRACK_SYN_RECV:
		return KS_STATE_TAKEN_UP;
	case TCP_CONNTRACK_ESTABLISHED:
		return connection->status & IPS_SEEN_REPLY ? KS_STATE_TCP_ESTABLISHED : KS_STATE_TAKEN_UP;
	case TCP_CONNTRACK_FIN_WAIT:
		return KS_STATE_TCP_FIN_WAIT;
	case TCP_CONNTRACK_CLOSE_WAIT:
		return KS_STATE_TCP_CLOSE_WAIT;
	case TCP_CONNTRACK_LAST_ACK:
		return KS_STATE_TCP_LAST_ACK;
	default:
		return KS_STATE_NONE;
	}
}

static __u8 sctp_state(const struct ks_conntrack *connection)
{
	bool has_tags = connection->sctp_tag[KS_ORIGINAL] && connection->sctp_tag[KS_REPLY];

	return connection->sctp_state == SCTP_CONNTRACK_ESTABLISHED && has_tags ? KS_STATE_SCTP_ESTABLISHED
										: KS_STATE_NONE;
}

/* Queries of ICMP repeat themselves, and so does what opens with each packet; GRE has other keys there than here. */
static __u8 state_of(const struct ks_conntrack *connection)
{
	bool replied = connection->status & IPS_SEEN_REPLY;

	switch (connection->original.proto) {
	case KS_PROTO_TCP:
		return tcp_state(connection);
	case KS_PROTO_SCTP:
		return sctp_state(connection);
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
		return replied ? KS_STATE_UDP_STREAM : KS_STATE_UDP_SINGLE;
	case KS_PROTO_DCCP:
	case KS_PROTO_GRE:
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return KS_STATE_NONE;
	default:
		return replied ? KS_STATE_OTHER_STREAM : KS_STATE_OTHER_SINGLE;
	}
}

/* The last acknowledgement of a FIN is known by its number, which we do not have: the side that closes last is not told. */
static void fill_fins(const struct ks_conntrack *connection, struct ks_under_way *under_way)
{
	for (unsigned dir = 0; dir < 2; dir++) {
		if (connection->tcp_flags[dir] & SENT_FIN)
			under_way->tcp_flags[dir] |= KS_TCP_FIN_SEEN;
		if (connection->tcp_flags[dir] & SENT_FIN && connection->tcp_state != TCP_CONNTRACK_FIN_WAIT)
			under_way->tcp_flags[dir] |= KS_TCP_FIN_ACKED;
		if (connection->tcp_state == TCP_CONNTRACK_LAST_ACK)
			under_way->tcp_flags[dir] |= KS_TCP_FIN_SEEN;
	}
}

static struct ks_under_way under_way_of(const struct ks_conntrack *connection)
{
	struct ks_under_way under_way = {
		.sent = connection->original,
		.seen = connection->reply,
		.state = state_of(connection),
		.left = (__u32)KS_MIN((__u64)connection->timeout * MS_PER_S, KS_TIMEOUT_MAX_MS),
		.sctp_tag = { connection->sctp_tag[0], connection->sctp_tag[1] },
		/* One that it took up in the middle itself. Where only one side has spoken, that is no evidence of the other. */
		.may_turn = connection->original.proto == KS_PROTO_TCP && connection->status & IPS_ASSURED,
	};

	under_way.seen.src = connection->reply.dst;
	under_way.seen.sport = connection->reply.dport;
	under_way.seen.dst = connection->reply.src;
	under_way.seen.dport = connection->reply.sport;
	if (connection->status & IPS_SEEN_REPLY)
		under_way.flags |= KS_FLOW_REPLIED;
	if (connection->status & IPS_ASSURED && under_way.state != KS_STATE_TAKEN_UP)
		under_way.flags |= KS_FLOW_ASSURED;
	if (connection->original.proto == KS_PROTO_TCP)
		fill_fins(connection, &under_way);
	return under_way;
}

static bool is_translated(const struct ks_conntrack *connection)
{
	return connection->status & IPS_NAT_MASK;
}

/*
 * Returns true if it can be one of ours. A policy that does not translate leaves translated connections to who does; one
 * whose data were made longer or shorter cannot be carried on, because by how much is not known here.
 */
static bool is_of_use(const struct ks_takeup *takeup, const struct ks_conntrack *connection)
{
	const struct ks_tuple *original = &connection->original;

	if (connection->elsewhere || connection->shifted || connection->status & IPS_DYING || !state_of(connection))
		return false;
	if (is_translated(connection) && !(takeup->daemon->policy->config.options & KS_OPT_NAT))
		return false;
	return !ks_addr_is_on_link(&original->src, original->family) &&
	       !ks_addr_is_on_link(&original->dst, original->family);
}

void ks_conntrack_list_fini(struct ks_conntrack_list *list)
{
	free(list->list);
	*list = (struct ks_conntrack_list){ 0 };
}

/* The list grows by doubling: it may have a hundred thousand. */
static int note_translated(struct ks_conntrack_list *to, const struct ks_conntrack *connection)
{
	if (!(to->count & (to->count - 1))) {
		struct ks_conntrack *list = reallocarray(to->list, to->count ? 2 * to->count : 1, sizeof(*list));

		if (!list)
			return -ENOMEM;
		to->list = list;
	}
	to->list[to->count++] = *connection;
	return 0;
}

static int take_connection(const struct ks_conntrack *connection, void *arg)
{
	struct conntrack_ctx *ctx = arg;
	struct ks_under_way under_way;
	int err;

	if (!is_of_use(ctx->takeup, connection))
		return 0;
	under_way = under_way_of(connection);
	err = ks_takeup_flow(ctx->takeup, &under_way);
	if (is_translated(connection) && (!err || err == -EEXIST))
		ctx->err = note_translated(ctx->translated, connection);
	return ctx->err != 0;
}

int ks_takeup_conntrack(struct ks_takeup *takeup, struct ks_conntrack_list *translated)
{
	struct conntrack_ctx ctx = { .takeup = takeup, .translated = translated };

	if (!ks_conntrack_is_used())
		return 0;
	return ks_conntrack_each(take_connection, &ctx) ?: ctx.err;
}
