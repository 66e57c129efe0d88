// SPDX-License-Identifier: BSD-2-Clause
/*
 * The memory of a crafter: who speaks with whom, as each of the two sees it,
 * and the numbers of their TCP; see craft.h and policy/scenario/scenario.h. The addresses
 * in the test are the view of the side that speaks first. The other side's view
 * is learnt from the packets that reach it, so that conversations go on
 * through translators as between real hosts. RFC 9293.
 *
 * Order of calls for a packet: ks_send_take(), numbers while it is crafted, ks_crafter_surprise(),
 * ks_crafter_delivered(), which moves the numbers and views on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/wire.h"
#include "scenario/crafter.h"
#include "scenario/layout.h"

/* A crafter and its conversations. */

int ks_crafter_create(struct ks_crafter **crafter)
{
	ks_auto_crafter struct ks_crafter *made = calloc(1, sizeof(*made));

	if (!made || ks_bytes_init(&made->frame) || ks_bytes_init(&made->last) || ks_bytes_init(&made->left))
		return -ENOMEM;
	*crafter = TAKE(made);
	return 0;
}

void ks_crafter_reset(struct ks_crafter *crafter)
{
	struct ks_craft_conversation *next;

	for (struct ks_craft_conversation *conversation = crafter->conversations; conversation; conversation = next) {
		next = conversation->next;
		free(conversation);
	}
	crafter->conversations = NULL;
	crafter->send.conversation = crafter->quote.conversation = NULL;
	crafter->last.length = crafter->left.length = 0;
}

void ks_crafter_forget(struct ks_crafter *crafter)
{
	struct ks_craft_conversation *newest = crafter->conversations;

	if (!newest)
		return;
	crafter->send.conversation = crafter->quote.conversation = NULL;
	crafter->conversations = newest->next;
	free(newest);
}

void ks_crafter_destroy(struct ks_crafter *crafter)
{
	if (!crafter)
		return;
	ks_crafter_reset(crafter);
	ks_bytes_fini(&crafter->frame);
	ks_bytes_fini(&crafter->last);
	ks_bytes_fini(&crafter->left);
	free(crafter);
}

/* Views. */

static void view_reverse(const struct ks_view *view, struct ks_view *reversed)
{
	*reversed = (struct ks_view){ .own = view->other,
				      .other = view->own,
				      .own_port = view->other_port,
				      .other_port = view->own_port,
				      .id = view->id };
}

static bool views_equal(const struct ks_view *a, const struct ks_view *b)
{
	return a->own_port == b->own_port && a->other_port == b->other_port && a->id == b->id &&
	       memcmp(&a->own, &b->own, sizeof(a->own)) == 0 && memcmp(&a->other, &b->other, sizeof(a->other)) == 0;
}

/* Returns true for protocols whose packets bear numbers that go on from packet to packet. */
static bool proto_has_numbers(__u8 proto)
{
	return proto == KS_PROTO_TCP || proto == KS_PROTO_SCTP || proto == KS_PROTO_DCCP;
}

/* The sender's view, from a packet in words. */
static void view_of_spec(const struct ks_packet_spec *spec, struct ks_view *view)
{
	*view = (struct ks_view){ .own = spec->src, .other = spec->dst };
	if (spec->has_ports) {
		view->own_port = spec->sport;
		view->other_port = spec->dport;
	}
	if (ks_proto_is_icmp(spec->proto))
		view->id = (__u16)ks_spec_number(spec, KS_MOD_ID, 0);
}

/* The sender's view, from the bytes of its packet. */
static void view_of_layout(const struct ks_layout *layout, struct ks_view *view)
{
	*view = (struct ks_view){ .own = layout->src, .other = layout->dst };
	if (layout->has_ports) {
		view->own_port = layout->sport;
		view->other_port = layout->dport;
	}
	if (layout->has_id)
		view->id = layout->id;
}

static struct ks_craft_conversation *conversation_add(struct ks_crafter *crafter, const struct ks_packet_spec *spec,
						      const struct ks_view *view)
{
	struct ks_craft_conversation *conversation = calloc(1, sizeof(*conversation));

	if (!conversation)
		return NULL;
	conversation->family = spec->family;
	conversation->proto = spec->proto;
	conversation->written = conversation->speaker[0].view = *view;
	view_reverse(view, &conversation->speaker[1].view);
	for (int i = 0; i < 2; i++) {
		struct ks_speaker *speaker = &conversation->speaker[i];

		speaker->zone = KS_ZONE_UNKNOWN;
		speaker->isn = speaker->next = speaker->last = i ? KS_CRAFT_ISN_OTHER : KS_CRAFT_ISN_FIRST;
		speaker->heard_isn = speaker->heard_next = speaker->heard_last = speaker->isn;
		speaker->tag = speaker->isn;
	}
	conversation->opener = -1;
	conversation->next = crafter->conversations;
	crafter->conversations = conversation;
	return conversation;
}

/*
 * The conversation of a packet, NULL for a new one, and in *side which speaker the sender is.
 * It is found by the addresses that the test has written for it. A packet of no named conversation
 * is found by what its sender sees first.
 */
static struct ks_craft_conversation *conversation_find(const struct ks_crafter *crafter,
						       const struct ks_packet_spec *spec, const struct ks_view *view,
						       int *side)
{
	struct ks_view reversed;

	for (struct ks_craft_conversation *conversation = crafter->conversations; conversation && !spec->conversation;
	     conversation = conversation->next) {
		for (*side = 0; *side < 2; (*side)++) {
			if (conversation->proto == spec->proto && conversation->family == spec->family &&
			    views_equal(&conversation->speaker[*side].view, view))
				return conversation;
		}
	}
	view_reverse(view, &reversed);
	for (struct ks_craft_conversation *conversation = crafter->conversations; conversation;
	     conversation = conversation->next) {
		*side = views_equal(&conversation->written, &reversed);
		if (conversation->proto == spec->proto && conversation->family == spec->family &&
		    (*side || views_equal(&conversation->written, view)))
			return conversation;
	}
	*side = 0;
	return NULL;
}

static void spec_set_view(struct ks_packet_spec *spec, const struct ks_view *view)
{
	spec->src = view->own;
	spec->dst = view->other;
	spec->sport = view->own_port;
	spec->dport = view->other_port;
}

/* Returns true if a host in zone `from`, which quotes the packet, has seen it on its receiver's side of the box. */
static bool is_received(const struct ks_send *send, __u8 from)
{
	__u8 to = send->conversation->speaker[!send->side].zone;

	if (send->spec.seen != KS_SEEN_AUTO)
		return send->spec.seen == KS_SEEN_RECEIVED;
	return from == (to == KS_ZONE_UNKNOWN ? send->spec.to : to) && from != send->spec.from;
}

/* A named conversation is written as its opener sees it; each packet gets the addresses that its own sender sees. */
static void send_address(struct ks_send *send, __u8 from)
{
	const struct ks_speaker *sender = &send->conversation->speaker[send->side];
	const struct ks_speaker *receiver = &send->conversation->speaker[!send->side];
	/* An identifier that is not the conversation's is meant as it is written. */
	bool is_query = ks_spec_number(&send->spec, KS_MOD_ID, 0) == send->conversation->written.id;
	struct ks_view view = sender->view;

	if (sender->zone != KS_ZONE_UNKNOWN)
		send->spec.from = sender->zone;
	send->received = send->quoted && is_received(send, from);
	if (send->received)
		view_reverse(&receiver->view, &view);
	spec_set_view(&send->spec, &view);
	if (is_query)
		send->id = view.id;
}

/* The sender of an INIT wants to see the tag in it from then on. */
static void tag_take(const struct ks_packet_spec *spec, struct ks_speaker *speaker)
{
	const struct ks_mod *tag = ks_spec_mod(spec, KS_MOD_INIT_TAG);

	if (tag)
		speaker->tag = (__u32)tag->value;
}

void ks_crafter_ends(const struct ks_crafter *crafter, const struct ks_packet_spec *spec, struct ks_packet_spec *ends)
{
	const struct ks_craft_conversation *conversation;
	struct ks_view view;
	int side;

	*ends = *spec;
	view_of_spec(spec, &view);
	conversation = spec->conversation ? conversation_find(crafter, spec, &view, &side) : NULL;
	if (!conversation)
		return;
	ends->src = conversation->speaker[side].view.own;
	ends->sport = conversation->speaker[side].view.own_port;
	ends->dst = conversation->speaker[!side].view.own;
	ends->dport = conversation->speaker[!side].view.own_port;
}

int ks_send_take(struct ks_crafter *crafter, const struct ks_packet_spec *spec, bool quoted, __u8 from,
		 struct ks_send *send)
{
	const struct ks_mod *isn = ks_spec_mod(spec, KS_MOD_ISN);
	struct ks_view view;

	*send = (struct ks_send){ .spec = *spec, .quoted = quoted };
	send->id = (__u16)ks_spec_number(spec, KS_MOD_ID, 0);
	if (spec->kind != KS_SPEC_IP || (!spec->conversation && !proto_has_numbers(spec->proto)))
		return 0;
	view_of_spec(spec, &view);
	send->conversation = conversation_find(crafter, spec, &view, &send->side);
	if (!send->conversation)
		send->conversation = conversation_add(crafter, spec, &view);
	if (!send->conversation)
		return -ENOMEM;
	if (spec->conversation)
		send_address(send, from);
	if (!quoted)
		tag_take(spec, &send->conversation->speaker[send->side]);
	if (isn && !quoted) {
		struct ks_speaker *speaker = &send->conversation->speaker[send->side];

		speaker->isn = speaker->next = (__u32)isn->value;
		speaker->heard_isn = speaker->heard_next = speaker->isn;
	}
	return 0;
}

/* Numbers. */

static __u32 number_resolve(const struct ks_send *send, const struct ks_mod *mod, __u32 isn, __u32 next)
{
	const __u32 bases[] = { [KS_SEQ_ISN] = isn,
				[KS_SEQ_NEXT] = next,
				[KS_SEQ_ABSOLUTE] = 0,
				[KS_SEQ_CHALLENGE] = send->conversation->challenged };

	return bases[mod->base] + (__u32)mod->value;
}

__u32 ks_send_seq(const struct ks_send *send)
{
	const struct ks_mod *mod = ks_spec_mod(&send->spec, KS_MOD_SEQ);
	const struct ks_speaker *sender = &send->conversation->speaker[send->side];
	__u32 isn = send->received ? sender->heard_isn : sender->isn;

	if (mod)
		return number_resolve(send, mod, isn, send->received ? sender->heard_next : sender->next);
	if (send->quoted)
		return send->received ? sender->heard_last : sender->last;
	return send->spec.tcp_flags & KS_TCP_SYN ? isn : sender->next;
}

__u32 ks_send_ack(const struct ks_send *send)
{
	const struct ks_mod *mod = ks_spec_mod(&send->spec, KS_MOD_ACK);
	const struct ks_speaker *peer = &send->conversation->speaker[!send->side];
	/* The sender acknowledges what it has heard; on the far side of a helper that is what the peer has sent. */
	__u32 isn = send->received ? peer->isn : peer->heard_isn;
	__u32 next = send->received ? peer->next : peer->heard_next;

	if (mod)
		return number_resolve(send, mod, isn, next);
	return send->spec.tcp_flags & KS_TCP_ACK ? next : 0;
}

void ks_crafter_challenged(struct ks_crafter *crafter, __u32 ack)
{
	if (crafter->send.conversation)
		crafter->send.conversation->challenged = ack;
}

/* A packet as it arrived: its first number, the bytes that a helper added, and if the end was cut off. */
struct hearing {
	__u32 seq, grown;
	bool cut;
};

static void numbers_deliver(struct ks_crafter *crafter, const struct hearing *heard)
{
	struct ks_speaker *sender = &crafter->send.conversation->speaker[crafter->send.side];
	bool syn = crafter->send.spec.tcp_flags & KS_TCP_SYN;
	__u32 heard_end = heard->seq + (crafter->end - crafter->seq) + heard->grown;

	sender->last = crafter->seq;
	sender->heard_last = heard->seq;
	/* A SYN elsewhere than at the initial number is a stray one and no part of what is sent. */
	if (syn && crafter->seq != sender->isn)
		return;
	if (syn)
		sender->heard_isn = heard->seq;
	if (syn || ks_seq_after(crafter->end, sender->next))
		sender->next = crafter->end;
	if (syn || ks_seq_after(heard_end, sender->heard_next)) {
		sender->heard_next = heard_end;
		sender->short_of = heard->cut;
	}
}

/* Delivery. */

static void view_deliver(struct ks_crafter *crafter, const struct ks_layout *left, __u8 to)
{
	struct ks_craft_conversation *conversation = crafter->send.conversation;
	struct ks_view view;
	int side = crafter->send.side;

	if (conversation->opener < 0)
		conversation->opener = side;
	if (conversation->opener != side || left->fragment)
		return;
	view_of_layout(left, &view);
	view_reverse(&view, &conversation->speaker[!side].view);
	if (ks_proto_is_icmp(conversation->proto) && !left->has_id)
		conversation->speaker[!side].view.id = conversation->speaker[side].view.id;
	if (to != KS_ZONE_UNKNOWN)
		conversation->speaker[!side].zone = to;
}

void ks_crafter_delivered(struct ks_crafter *crafter, const __u8 *data, size_t length, __u8 to)
{
	enum ks_link link = ks_spec_mod(&crafter->send.spec, KS_MOD_LAYER3) ? KS_LINK_IP : KS_LINK_ETHERNET;
	const struct ks_send *send = &crafter->send;
	struct ks_layout left;
	bool readable = ks_layout_read(data, length, link, &left);
	struct hearing heard = { .seq = crafter->seq };

	if (readable && send->spec.proto == KS_PROTO_TCP && !left.fragment && left.have >= left.l4 + TCP_HEADER_LEN) {
		heard.seq = ks_get32(data + left.l4 + TCP_SEQ_OFF);
		heard.grown = (__u32)(length - crafter->frame.length);
		/* Without a pad, whole lines end as they were sent. */
		heard.cut = heard.grown && data[length - 1] != crafter->frame.data[crafter->frame.length - 1];
	}
	if (readable) {
		ks_bytes_cut(&crafter->left, 0);
		ks_bytes_add(&crafter->left, data + left.l3, left.end - left.l3);
	}
	if (!send->conversation)
		return;
	if (readable)
		view_deliver(crafter, &left, to);
	if (send->spec.proto == KS_PROTO_DCCP)
		numbers_deliver(crafter, &heard);
	else if (send->spec.proto == KS_PROTO_TCP && !(readable && left.fragment))
		numbers_deliver(crafter, &heard);
	crafter->send.conversation = NULL;
}

/* Surprises: a packet that its receiver would not take. */

static const char *numbers_surprise(const struct ks_crafter *crafter, const struct ks_layout *left, const __u8 *data)
{
	const struct ks_craft_conversation *conversation = crafter->send.conversation;
	const struct ks_speaker *sender = &conversation->speaker[crafter->send.side];
	const struct ks_speaker *peer = &conversation->speaker[!crafter->send.side];
	__u8 flags = crafter->send.spec.tcp_flags;

	if (left->have < left->l4 + 20)
		return NULL;
	if (!(flags & KS_TCP_SYN) && crafter->seq == sender->next && !sender->short_of &&
	    ks_get32(data + left->l4 + TCP_SEQ_OFF) != sender->heard_next)
		return "it goes on where its sender stopped, but not where its receiver has heard it stop";
	if (flags & KS_TCP_ACK && crafter->ack == peer->heard_next && !peer->short_of &&
	    ks_get32(data + left->l4 + TCP_ACK_OFF) != peer->next)
		return "it acknowledges all that its sender has heard, but not all that its receiver has sent";
	return NULL;
}

/* The side that spoke first expects answers from where it sent to. */
static const char *view_surprise(const struct ks_crafter *crafter, const struct ks_layout *left)
{
	const struct ks_craft_conversation *conversation = crafter->send.conversation;
	struct ks_view view, arrived;

	if (conversation->opener < 0 || conversation->opener == crafter->send.side || left->fragment)
		return NULL;
	view_of_layout(left, &arrived);
	view_reverse(&arrived, &view);
	if (ks_proto_is_icmp(conversation->proto) && !left->has_id)
		view.id = conversation->speaker[conversation->opener].view.id;
	return views_equal(&view, &conversation->speaker[conversation->opener].view)
		       ? NULL
		       : "it does not reach its receiver as an answer from where that has sent to";
}

/* A host can use an error only if it quotes a packet which that host has sent. */
static const char *quote_surprise(const struct ks_crafter *crafter, const struct ks_layout *left, const __u8 *data)
{
	const struct ks_send *quote = &crafter->quote;
	const struct ks_view *sent = &quote->conversation->speaker[quote->side].view;
	struct ks_layout quoted;

	if (!ks_layout_read_quote(data, left, &quoted))
		return "what it quotes is no packet";
	if (memcmp(&left->dst, &sent->own, sizeof(left->dst)))
		return "it does not go to who sent what it quotes";
	if (memcmp(&quoted.src, &sent->own, sizeof(quoted.src)) ||
	    memcmp(&quoted.dst, &sent->other, sizeof(quoted.dst)) ||
	    (quoted.has_ports && (quoted.sport != sent->own_port || quoted.dport != sent->other_port)))
		return "it quotes a packet that its receiver did not send";
	if (quoted.has_id &&
	    quote->id == quote->conversation->speaker[quote->received ? !quote->side : quote->side].view.id &&
	    quoted.id != sent->id)
		return "it quotes an identifier that its receiver did not send";
	return NULL;
}

const char *ks_crafter_surprise(const struct ks_crafter *crafter, const __u8 *data, size_t length)
{
	const struct ks_send *send = &crafter->send;
	enum ks_link link = ks_spec_mod(&send->spec, KS_MOD_LAYER3) ? KS_LINK_IP : KS_LINK_ETHERNET;
	const char *surprise = NULL;
	struct ks_layout left;

	if (!ks_layout_read(data, length, link, &left))
		return NULL;
	if (send->conversation && send->spec.conversation)
		surprise = view_surprise(crafter, &left);
	if (!surprise && send->conversation && send->spec.conversation && send->spec.proto == KS_PROTO_TCP &&
	    !left.fragment)
		surprise = numbers_surprise(crafter, &left, data);
	if (!surprise && crafter->quote.conversation && ks_layout_is_error(data, &left))
		surprise = quote_surprise(crafter, &left, data);
	return surprise;
}
