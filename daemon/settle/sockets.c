/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes up the connections of the box's sockets. See settle.h and kernel/sockets.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/tcp.h>

#include "core/address.h"
#include "core/header/packet.h"
#include "daemon/settle/takeup.h"
#include "kernel/sockets.h"

#define STATE(state) (1U << (state))

/* Connections that go on. One that is being opened begins again, one that is over needs nothing. */
#define TCP_GOES_ON                                                                                     \
	(STATE(TCP_ESTABLISHED) | STATE(TCP_FIN_WAIT1) | STATE(TCP_FIN_WAIT2) | STATE(TCP_CLOSE_WAIT) | \
	 STATE(TCP_LAST_ACK) | STATE(TCP_CLOSING))

/* Sockets that strangers may speak to first: who has the same port as one of them did not open. */
struct sockets_ctx {
	struct ks_takeup *takeup;
	struct ks_socket *listening;
	size_t count;
};

static int note_listening(const struct ks_socket *socket, void *arg)
{
	struct sockets_ctx *ctx = arg;
	struct ks_socket *list;

	if (!socket->tuple.sport)
		return 0;
	list = reallocarray(ctx->listening, ctx->count + 1, sizeof(*list));
	if (!list)
		return 1; /* the rest is taken for the box's own doing */
	ctx->listening = list;
	list[ctx->count++] = *socket;
	return 0;
}

static bool accepts(const struct ks_socket *listening, const struct ks_tuple *tuple)
{
	static const struct ks_addr any;

	if (listening->tuple.sport != tuple->sport)
		return false;
	if (listening->tuple.family != tuple->family)
		return listening->takes_both && ks_addr_equal(&listening->tuple.src, &any);
	return ks_addr_equal(&listening->tuple.src, &tuple->src) ||
	       !(listening->tuple.src.d[0] | listening->tuple.src.d[1]) ||
	       (tuple->family == KS_IPV4 && !listening->tuple.src.w[3]);
}

static bool is_answering(const struct sockets_ctx *ctx, const struct ks_tuple *tuple)
{
	for (size_t i = 0; i < ctx->count; i++) {
		if (accepts(&ctx->listening[i], tuple))
			return true;
	}
	return false;
}

/* FINs by enum ks_dir if the box opened the connection. */
struct closing {
	__u8 state;
	__u8 box, peer; /* tcp_flags of each */
};

static struct closing closing_of(__u8 state)
{
	static const __u8 acked = KS_TCP_FIN_SEEN | KS_TCP_FIN_ACKED;

	switch (state) {
	case TCP_FIN_WAIT1:
		return (struct closing){ KS_STATE_TCP_FIN_WAIT, KS_TCP_FIN_SEEN, 0 };
	case TCP_FIN_WAIT2:
		return (struct closing){ KS_STATE_TCP_CLOSE_WAIT, acked, 0 };
	case TCP_CLOSE_WAIT:
		return (struct closing){ KS_STATE_TCP_CLOSE_WAIT, 0, acked };
	case TCP_CLOSING:
		return (struct closing){ KS_STATE_TCP_LAST_ACK, KS_TCP_FIN_SEEN, acked };
	case TCP_LAST_ACK:
		return (struct closing){ KS_STATE_TCP_LAST_ACK, KS_TCP_FIN_SEEN, acked };
	default:
		return (struct closing){ KS_STATE_TCP_ESTABLISHED, 0, 0 };
	}
}

static void turn(struct ks_tuple *tuple)
{
	const struct ks_tuple was = *tuple;

	tuple->src = was.dst;
	tuple->dst = was.src;
	tuple->sport = was.dport;
	tuple->dport = was.sport;
}

static int take_socket(const struct ks_socket *socket, void *arg)
{
	struct sockets_ctx *ctx = arg;
	bool is_tcp = socket->tuple.proto == KS_PROTO_TCP;
	struct closing closing = closing_of(socket->state);
	struct ks_under_way under_way = {
		.sent = socket->tuple,
		.state = is_tcp ? closing.state : KS_STATE_UDP_STREAM,
		.flags = KS_FLOW_REPLIED | KS_FLOW_ASSURED,
		.tcp_flags = { closing.box, closing.peer },
	};

	if (is_answering(ctx, &socket->tuple)) {
		turn(&under_way.sent);
		under_way.tcp_flags[KS_ORIGINAL] = closing.peer;
		under_way.tcp_flags[KS_REPLY] = closing.box;
	}
	if (ks_addr_is_on_link(&socket->tuple.dst, socket->tuple.family)) {
		if (!socket->ifindex || ks_addr_is_group(&socket->tuple.dst, socket->tuple.family))
			return 0; /* nothing tells where it is */
		under_way.ifindex = socket->ifindex;
	}
	under_way.seen = under_way.sent;
	ks_takeup_flow(ctx->takeup, &under_way);
	return 0;
}

/* `goes_on` and `listens` are states of sockets, a bit each. */
static int take_protocol(struct ks_takeup *takeup, __u8 proto, __u32 goes_on, __u32 listens)
{
	struct sockets_ctx ctx = { .takeup = takeup };
	int err = ks_sockets_each(proto, listens, note_listening, &ctx)
			  ?: ks_sockets_each(proto, goes_on, take_socket, &ctx);

	free(ctx.listening);
	return err;
}

int ks_takeup_sockets(struct ks_takeup *takeup)
{
	int err = take_protocol(takeup, KS_PROTO_TCP, TCP_GOES_ON, STATE(TCP_LISTEN));

	return take_protocol(takeup, KS_PROTO_UDP, STATE(TCP_ESTABLISHED), STATE(TCP_CLOSE)) ?: err;
}
