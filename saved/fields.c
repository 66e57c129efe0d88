/* SPDX-License-Identifier: BSD-2-Clause */
/* See fields.h. A field that is read wrongly is 0, and everything behind it. */
#include "saved/fields.h"

#include <string.h>

#include "core/group.h"
#include "core/link.h"
#include "saved/names.h"

/* The part of a flow that its protocol has. */
enum { PART_NONE, PART_TCP, PART_SCTP, PART_DCCP, PART_DNS };

/* --- numbers --- */

static void io_number(struct ks_saved_io *io, __u64 *value, unsigned bytes)
{
	if (io->is_wrong || io->size - io->at < bytes) {
		io->is_wrong = true;
		*value = 0;
		return;
	}
	if (!io->out) {
		*value = 0;
		for (unsigned i = 0; i < bytes; i++)
			*value = *value << 8 | io->in[io->at++];
		return;
	}
	for (unsigned i = bytes; i-- > 0;)
		io->out[io->at++] = (__u8)(*value >> 8 * i);
}

static void io64(struct ks_saved_io *io, __u64 *value)
{
	io_number(io, value, sizeof(*value));
}

static void io32(struct ks_saved_io *io, __u32 *value)
{
	__u64 wide = *value;

	io_number(io, &wide, sizeof(*value));
	*value = (__u32)wide;
}

static void io16(struct ks_saved_io *io, __u16 *value)
{
	__u64 wide = *value;

	io_number(io, &wide, sizeof(*value));
	*value = (__u16)wide;
}

static void io8(struct ks_saved_io *io, __u8 *value)
{
	__u64 wide = *value;

	io_number(io, &wide, sizeof(*value));
	*value = (__u8)wide;
}

static void io_port(struct ks_saved_io *io, __be16 *port)
{
	__u16 value = ks_be16(*port);

	io16(io, &value);
	*port = ks_be16(value);
}

static void io_bits(struct ks_saved_io *io, const struct ks_saved_bit *bits, __u8 *value)
{
	__u8 saved = ks_saved_bits_out(bits, *value);

	io8(io, &saved);
	if (!io->out)
		*value = ks_saved_bits_in(bits, saved);
}

/* A number that has a name in the file: what is read becomes this build's. */
static void io_named(struct ks_saved_io *io, enum ks_saved_list list, __u8 *value)
{
	io8(io, value);
	if (io->out || io->is_wrong)
		return;
	*value = io->maps[list][*value];
	if (*value != KS_SAVED_NO_NAME)
		return;
	io->is_unknown = true;
	*value = 0;
}

/* --- keys --- */

static void io_address(struct ks_saved_io *io, unsigned family, struct ks_addr *addr)
{
	size_t first = family == KS_IPV4 ? IPV4_FIRST_BYTE : 0;

	if (!io->out)
		*addr = (struct ks_addr){ 0 };
	for (size_t i = first; i < sizeof(addr->b); i++)
		io8(io, &addr->b[i]);
}

struct ks_saved_link ks_saved_link_of(const struct ks_flow_key *key)
{
	const __u32 low = (1U << KS_LINK_HIGH_SHIFT) - 1;

	if (key->kind == KS_KIND_QUESTION)
		return (struct ks_saved_link){ KS_SAVED_LINK_QUESTION,
					       { (__u8)(key->link >> KS_GROUP_ASKED_SHIFT),
						 (__u8)(key->link & KS_GROUP_ASKER_MASK) } };
	if (key->link & KS_LINK_CROSSING)
		return (struct ks_saved_link){ KS_SAVED_LINK_CROSSING,
					       { (__u8)(key->link & low),
						 (__u8)(key->link >> KS_LINK_HIGH_SHIFT & low) } };
	return (struct ks_saved_link){ key->link ? KS_SAVED_LINK_ZONE : KS_SAVED_LINK_NONE,
				       { (__u8)key->link, KS_ZONE_NONE } };
}

__u16 ks_saved_link_join(const struct ks_saved_link *link)
{
	__u32 a = link->zone[0], b = link->zone[1];

	if (link->form == KS_SAVED_LINK_QUESTION)
		return ks_group_link(a, b);
	if (link->form == KS_SAVED_LINK_CROSSING)
		return (__u16)(KS_LINK_CROSSING | KS_MIN(a, b) | KS_MAX(a, b) << KS_LINK_HIGH_SHIFT);
	return (__u16)a;
}

static void io_link(struct ks_saved_io *io, struct ks_flow_key *key)
{
	struct ks_saved_link link = ks_saved_link_of(key);

	io8(io, &link.form);
	io8(io, &link.zone[0]);
	io8(io, &link.zone[1]);
	io->is_wrong |= link.form >= KS_SAVED_LINK_FORMS || link.zone[0] >= KS_ZONE_MAX ||
			link.zone[1] >= KS_ZONE_MAX ||
			(key->kind == KS_KIND_QUESTION) != (link.form == KS_SAVED_LINK_QUESTION);
	if (!io->out && !io->is_wrong)
		key->link = ks_saved_link_join(&link);
}

static void io_key(struct ks_saved_io *io, struct ks_flow_key *key)
{
	__u8 family = key->family, proto = key->proto;

	io8(io, &family);
	io->is_wrong |= family != KS_IPV4 && family != KS_IPV6;
	io8(io, &proto);
	key->family = family & KS_FAMILY_MASK;
	key->proto = proto;
	for (unsigned i = 0; i < 2; i++) {
		io_address(io, family, &key->addr[i]);
		io_port(io, &key->port[i]);
	}
	io_link(io, key);
}

/* --- flows --- */

static void io_zones(struct ks_saved_io *io, __u8 zone[2])
{
	io8(io, &zone[0]);
	io8(io, &zone[1]);
	io->is_wrong |= zone[0] >= KS_ZONE_MAX || zone[1] >= KS_ZONE_MAX;
}

/* The beginning that all entries share, but that memories have no zones. `seen` is an age. */
static void io_life(struct ks_saved_io *io, struct ks_flow *flow, const struct ks_saved_bit *bits)
{
	io_named(io, KS_SAVED_STATES, &flow->state);
	io_bits(io, bits, &flow->flags);
	io32(io, &flow->seen);
	io32(io, &flow->timeout);
}

static void io_head(struct ks_saved_io *io, struct ks_flow *flow, const struct ks_saved_bit *bits)
{
	io_life(io, flow, bits);
	io_zones(io, flow->zone);
}

/* Packets and bytes of both directions. */
static void io_volume(struct ks_saved_io *io, struct ks_flow *flow)
{
	for (__u32 dir = 0; dir < 2; dir++) {
		__u64 packets = ks_flow_packets(flow, dir), bytes = ks_flow_bytes(flow, dir);

		io64(io, &packets);
		io64(io, &bytes);
		if (io->out)
			continue;
		flow->packets_low[dir] = (__u32)packets;
		flow->volume[dir] =
			packets >> KS_FLOW_PACKETS_LOW_BITS << KS_FLOW_BYTE_BITS | (bytes & KS_FLOW_BYTE_MASK);
	}
}

static void io_tcp(struct ks_saved_io *io, struct ks_flow *flow, unsigned dir)
{
	io32(io, &flow->end[dir]);
	io32(io, &flow->max_end[dir]);
	io32(io, &flow->ack[dir]);
	io16(io, &flow->max_win[dir]);
	io8(io, &flow->scale[dir]);
	io_bits(io, ks_saved_tcp_bits, &flow->tcp_flags[dir]);
}

static __u8 part_of(const struct ks_flow_key *key, const struct ks_flow *flow)
{
	switch (key->proto) {
	case KS_PROTO_TCP:
		return PART_TCP;
	case KS_PROTO_SCTP:
		return PART_SCTP;
	case KS_PROTO_DCCP:
		return PART_DCCP;
	case KS_PROTO_UDP:
		return flow->class == KS_UDP_DNS ? PART_DNS : PART_NONE;
	default:
		return PART_NONE;
	}
}

/* Queries on one side, answers on the other, and half of the identifiers with each. */
static void io_dns(struct ks_saved_io *io, struct ks_flow *flow, unsigned dir)
{
	unsigned half = KS_DNS_PENDING / 2;

	io32(io, dir ? &flow->dns.answers : &flow->dns.queries);
	for (unsigned i = dir * half; i < (dir + 1) * half; i++)
		io16(io, &flow->dns.id[i]);
	if (dir)
		io8(io, &flow->dns.pending);
}

_Static_assert(KS_DNS_PENDING == 8, "with another number of identifiers the form is another");

static void io_part_of_side(struct ks_saved_io *io, __u8 part, struct ks_flow *flow, unsigned dir)
{
	switch (part) {
	case PART_TCP:
		io_tcp(io, flow, dir);
		break;
	case PART_SCTP:
		io32(io, &flow->sctp.tag[dir]);
		io32(io, &flow->sctp.offer[dir]);
		break;
	case PART_DCCP:
		io64(io, &flow->dccp.last[dir]);
		io64(io, &flow->dccp.first[dir]);
		break;
	case PART_DNS:
		io_dns(io, flow, dir);
		break;
	}
}

/* The protocol's own part. It is named, because a class that this build does not know has one of its own. */
static void io_part(struct ks_saved_io *io, const struct ks_flow_key *key, struct ks_flow *flow)
{
	__u8 part = part_of(key, flow);

	io8(io, &part);
	io->is_wrong |= !io->out && part != part_of(key, flow) && !io->is_unknown;
	if (!io->out)
		memset(flow->own, 0, sizeof(flow->own));
	for (unsigned dir = 0; dir < 2; dir++)
		io_part_of_side(io, part, flow, dir);
}

/* An alias lives as long as its flow: it has no age of its own. */
static void io_alias(struct ks_saved_io *io, struct ks_transplant *of, unsigned side)
{
	__u8 has = of->has_alias[side];
	struct ks_record *alias = ks_record_edit(&of->alias[side]);

	io8(io, &has);
	io->is_wrong |= has > 1;
	of->has_alias[side] = has == 1;
	if (!of->has_alias[side] || io->is_wrong)
		return;
	io_key(io, &of->alias_key[side]);
	io_head(io, &of->alias[side], ks_saved_flow_bits);
	io16(io, &alias->alias.rule);
	alias->alias.side = (__u8)side;
	io->is_wrong |= alias->state != KS_STATE_ALIAS && !io->is_unknown;
}

/* The limits of a flow's rule count it again when it is restored (engine/transplant.h). */
static void io_class(struct ks_saved_io *io, struct ks_flow *flow)
{
	__u8 class = flow->class;

	io_named(io, KS_SAVED_CLASSES, &class);
	if (io->out)
		return;
	flow->class = class & 0xfU;
	flow->limits = 0;
}

static void io_flow(struct ks_saved_io *io, struct ks_transplant *of)
{
	struct ks_flow *flow = &of->flow;

	io_head(io, flow, ks_saved_flow_bits);
	io32(io, &flow->created);
	io16(io, &flow->rule);
	io_named(io, KS_SAVED_HELPERS, &flow->helper);
	io_class(io, flow);
	io_volume(io, flow);
	io_part(io, &of->key, flow);
	for (unsigned side = 0; side < 2; side++)
		io_alias(io, of, side);
}

/* --- records --- */

static void io_mapping(struct ks_saved_io *io, unsigned family, struct ks_record *record)
{
	io_head(io, (struct ks_flow *)record, ks_saved_mapping_bits);
	io_address(io, family, &record->mapping.addr);
	io_port(io, &record->mapping.port);
	io16(io, &record->mapping.rule);
	io_address(io, family, &record->mapping.peer);
	io_port(io, &record->mapping.peer_port);
}

static void io_expectation(struct ks_saved_io *io, struct ks_saved_entry *entry)
{
	struct ks_record *record = ks_record_edit(&entry->of.flow);

	io_head(io, &entry->of.flow, ks_saved_mapping_bits);
	io_address(io, entry->of.key.family, &record->expectation.to);
	io_port(io, &record->expectation.port);
	io16(io, &record->expectation.rule);
	io_address(io, entry->of.key.family, &record->expectation.name);
	io_key(io, &entry->control);
}

static void io_memory(struct ks_saved_io *io, struct ks_record *record)
{
	struct ks_memory *memory = &record->memory;

	io_life(io, (struct ks_flow *)record, ks_saved_memory_bits);
	io8(io, &record->asked);
	io8(io, &record->answered);
	io32(io, &memory->next);
	io32(io, &memory->shift.position);
	io32(io, &memory->shift.before);
	io32(io, &memory->shift.after);
	io8(io, &memory->form);
	io8(io, &memory->len);
	io16(io, &memory->port);
}

static void io_question(struct ks_saved_io *io, struct ks_record *record)
{
	io_head(io, (struct ks_flow *)record, ks_saved_mapping_bits);
	io16(io, &record->question.rule);
	io8(io, &record->question.is_near);
}

void ks_saved_fields(struct ks_saved_io *io, struct ks_saved_entry *entry)
{
	struct ks_record *record = ks_record_edit(&entry->of.flow);

	io_key(io, &entry->of.key);
	switch (entry->of.key.kind) {
	case KS_KIND_FLOW:
		io_flow(io, &entry->of);
		break;
	case KS_KIND_EXPECT:
		io_expectation(io, entry);
		break;
	case KS_KIND_HELPER_ORIGINAL:
	case KS_KIND_HELPER_REPLY:
		io_memory(io, record);
		break;
	case KS_KIND_QUESTION:
		io_question(io, record);
		break;
	default:
		io_mapping(io, entry->of.key.family, record);
	}
}
