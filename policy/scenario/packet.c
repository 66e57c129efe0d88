/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a packet in words:
 *
 *   [ZONE] ENDPOINT > [ZONE] ENDPOINT PROTOCOL WORD... [quoting PACKET]
 *   CONVERSATION > WORD...      CONVERSATION < WORD...
 *   ZONE > ZONE arp             ZONE > ZONE frame hex "..."
 *
 * Only the words are checked: the packet itself may be as wrong as a test wants
 * it, because the inspector is to judge it.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/network.h"
#include "text/names.h"
#include "policy/icmp.h"
#include "policy/value.h"
#include "policy/scenario/args.h"
#include "policy/scenario/packet.h"
#include "policy/scenario/reader.h"
#include "policy/scenario/words.h"

/* One end of a packet as written. */
struct end {
	int zone; /* -1: not said */
	bool has_addr, has_port;
	struct ks_addr addr;
	__u8 family;
	__u16 port;
};

static unsigned where_of(const struct ks_packet_spec *spec)
{
	unsigned where = spec->family == KS_IPV4 ? KS_FOR_IPV4 : spec->family == KS_IPV6 ? KS_FOR_IPV6 : KS_FOR_FRAME;

	if (!spec->family)
		return where;
	switch (spec->proto) {
	case KS_PROTO_TCP:
		return where | KS_FOR_TCP;
	case KS_PROTO_UDP:
		return where | KS_FOR_UDP;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return where | KS_FOR_ICMP;
	case KS_PROTO_SCTP:
		return where | KS_FOR_SCTP;
	case KS_PROTO_DCCP:
		return where | KS_FOR_DCCP;
	case KS_PROTO_GRE:
		return where | KS_FOR_GRE;
	case KS_PROTO_UDPLITE:
		return where | KS_FOR_UDPLITE;
	default:
		return where | KS_FOR_OTHER;
	}
}

struct ks_mod *ks_packet_spec_add(struct ks_reader *reader, struct ks_packet_spec *spec, enum ks_mod_kind kind)
{
	struct ks_mod *mods = ks_arena_alloc(reader->arena, (spec->mod_count + 1) * sizeof(*mods));

	if (!mods) {
		ks_reader_no_memory(reader);
		return NULL;
	}
	if (spec->mod_count)
		memcpy(mods, spec->mods, spec->mod_count * sizeof(*mods));
	spec->mods = mods;
	mods[spec->mod_count].kind = kind;
	return &mods[spec->mod_count++];
}

void ks_packet_spec_reverse(struct ks_packet_spec *spec)
{
	struct ks_addr addr = spec->src;
	__u16 port = spec->sport;
	__u8 zone = spec->from;

	spec->src = spec->dst;
	spec->dst = addr;
	spec->sport = spec->dport;
	spec->dport = port;
	spec->from = spec->to;
	spec->to = zone;
}

const struct ks_mod *ks_spec_mod(const struct ks_packet_spec *spec, enum ks_mod_kind kind)
{
	for (size_t i = spec->mod_count; i > 0; i--) {
		if (spec->mods[i - 1].kind == kind)
			return &spec->mods[i - 1];
	}
	return NULL;
}

__s64 ks_spec_number(const struct ks_packet_spec *spec, enum ks_mod_kind kind, __s64 otherwise)
{
	const struct ks_mod *mod = ks_spec_mod(spec, kind);

	return mod ? mod->value : otherwise;
}

/* --- ends --- */

static bool has_port(const char *text, unsigned family)
{
	return family == KS_IPV4 ? strchr(text, ':') != NULL : strstr(text, "]:") != NULL;
}

/* As ks_value_endpoint(), but a packet may also have port 0. */
static int endpoint_value(const char *text, struct end *end)
{
	size_t length = strlen(text);
	char plain[KS_ENDPOINT_TEXT];

	if (ks_value_endpoint(text, &end->addr, &end->family, &end->port) == 0) {
		end->has_port = has_port(text, end->family);
		return 0;
	}
	if (length < 3 || length >= sizeof(plain) || strcmp(text + length - 2, ":0") != 0)
		return -EINVAL;
	memcpy(plain, text, length - 2);
	plain[length - 2] = '\0';
	if (ks_value_endpoint(plain, &end->addr, &end->family, &end->port) || has_port(plain, end->family))
		return -EINVAL;
	end->has_port = true;
	return 0;
}

static int endpoint_parse(struct ks_reader *reader, struct end *end)
{
	const struct ks_token *token = ks_reader_peek(reader);

	if (token->kind != KS_TOKEN_WORD || endpoint_value(token->text, end))
		return -EINVAL;
	end->has_addr = true;
	ks_reader_next(reader);
	return 0;
}

static int end_parse(struct ks_reader *reader, struct end *end)
{
	const struct ks_token *token = ks_reader_peek(reader);
	const struct ks_network *network;

	*end = (struct end){ .zone = -1 };
	if (token->kind == KS_TOKEN_WORD)
		end->zone = ks_policy_zone_id(reader->policy, token->text);
	if (end->zone >= 0) {
		ks_reader_next(reader);
		endpoint_parse(reader, end);
		return 0;
	}
	end->zone = -1;
	if (endpoint_parse(reader, end))
		return ks_reader_expected(reader, "a zone, an endpoint such as 10.0.0.5:40000 or [fd00::5]:40000, "
						  "or the name of a conversation");
	network = ks_network_find(&reader->policy->config, &end->addr, end->family);
	end->zone = network ? network->zone : -1;
	if (!network && reader->zones_needed)
		return ks_reader_complain_last(reader, "which zone is this in? Write it before the address");
	return 0;
}

static int proto_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	__u64 number;

	if (ks_reader_accept_word(reader, "proto")) {
		if (ks_reader_number(reader, 0, UINT8_MAX, "a protocol number, 0 to 255", &number))
			return -EINVAL;
		spec->proto = (__u8)number;
	} else if (ks_reader_peek(reader)->kind == KS_TOKEN_WORD &&
		   ks_proto_from_name(ks_reader_peek(reader)->text) >= 0) {
		spec->proto = (__u8)ks_proto_from_name(ks_reader_next(reader)->text);
		if (spec->proto == (spec->family == KS_IPV4 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP))
			return ks_reader_complain_last(reader,
						       "%s does not go with these addresses; "
						       "write proto %u to send it all the same",
						       spec->family == KS_IPV4 ? "icmpv6" : "icmp", spec->proto);
	} else {
		return ks_reader_expected(reader, "a protocol: tcp, udp, icmp, icmpv6 or proto NUMBER");
	}
	if ((spec->proto == KS_PROTO_TCP || spec->proto == KS_PROTO_UDP) && !spec->has_ports)
		return ks_reader_complain_last(reader, "both ends need a port, such as 10.0.0.5:40000 or "
						       "[fd00::5]:40000");
	return 0;
}

/* --- words --- */

static int mod_parse(struct ks_reader *reader, struct ks_packet_spec *spec, enum ks_mod_kind kind)
{
	const struct ks_mod_info *info = &ks_mod_infos[kind];
	unsigned where = where_of(spec), family = info->where & (KS_FOR_IP | KS_FOR_FRAME);
	struct ks_mod *mod;

	if ((family && !(family & where)) || ((info->where & KS_FOR_L4) && !(info->where & KS_FOR_L4 & where)))
		return ks_reader_complain_last(reader, "'%s' has no meaning for this kind of packet", info->word);
	mod = ks_packet_spec_add(reader, spec, kind);
	return mod ? ks_mod_argument_parse(reader, info, mod) : -ENOMEM;
}

/* Reads the number behind `ack`, which is a flag and, with a number, the acknowledgement too. */
static int ack_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	const struct ks_token *token = ks_reader_peek(reader);
	struct ks_mod probe = { 0 };

	if (token->kind != KS_TOKEN_EQUALS && (token->kind != KS_TOKEN_WORD || ks_seq_value(token->text, &probe) != 0))
		return 0;
	return mod_parse(reader, spec, KS_MOD_ACK);
}

static int number_word_add(struct ks_reader *reader, struct ks_packet_spec *spec, enum ks_mod_kind kind, int value)
{
	struct ks_mod *mod = ks_packet_spec_add(reader, spec, kind);

	if (!mod)
		return -ENOMEM;
	mod->value = value;
	return 0;
}

static int quote_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	bool zones_needed = reader->zones_needed;
	__u8 seen = KS_SEEN_AUTO;
	int err;

	spec->quote = ks_arena_alloc(reader->arena, sizeof(*spec->quote));
	if (!spec->quote)
		return ks_reader_no_memory(reader);
	if (ks_reader_accept_word(reader, "sent"))
		seen = KS_SEEN_SENT;
	else if (ks_reader_accept_word(reader, "received"))
		seen = KS_SEEN_RECEIVED;
	if (ks_reader_accept_word(reader, "last")) {
		spec->quote->kind = KS_SPEC_LAST;
		spec->quote->family = spec->family;
		spec->quote->seen = seen;
		return ks_packet_spec_parse_words(reader, spec->quote);
	}
	reader->zones_needed = false;
	err = ks_packet_spec_parse(reader, spec->quote);
	reader->zones_needed = zones_needed;
	spec->quote->seen = seen;
	return err;
}

/* `data` with bytes behind it is the payload; without them it is a chunk or a type. */
static bool is_payload(const struct ks_reader *reader)
{
	const struct ks_line *line = &reader->line;
	const struct ks_token *next = reader->at + 1 < line->count ? &line->tokens[reader->at + 1] : NULL;

	return ks_reader_is_word(reader, "data") && next &&
	       (next->kind == KS_TOKEN_STRING || (next->kind == KS_TOKEN_WORD && strcmp(next->text, "hex") == 0));
}

/* Reads the name of a chunk or a type. Returns 1 if the next word is none. */
static int named_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	const char *text = ks_reader_peek(reader)->text;
	int number = -1;
	enum ks_mod_kind kind = KS_MOD_CHUNK;

	if (is_payload(reader))
		return 1;
	if (spec->proto == KS_PROTO_SCTP)
		number = ks_chunk_from_word(text);
	if (spec->proto == KS_PROTO_DCCP) {
		number = ks_dccp_type_from_word(text);
		kind = KS_MOD_TYPE;
	}
	if (number < 0)
		return 1;
	ks_reader_next(reader);
	return number_word_add(reader, spec, kind, number);
}

static int word_unknown(struct ks_reader *reader)
{
	const struct ks_token *token = ks_reader_peek(reader);
	const char *near = token->kind == KS_TOKEN_WORD ? ks_packet_word_nearest(token->text) : NULL;

	if (near && strcmp(near, token->text) == 0)
		return ks_reader_complain(reader, "'%s' has no meaning for this kind of packet", token->text);
	if (near)
		return ks_reader_complain(reader, "'%s' says nothing about this packet; did you mean '%s'?",
					  token->text, near);
	return ks_reader_expected(reader, "a word about the packet, or =>");
}

/* Goes past `type` before the name of a message, as rules have it; before a number it is a word with a value. */
static void type_skip(struct ks_reader *reader, const struct ks_packet_spec *spec)
{
	const struct ks_line *line = &reader->line;
	const struct ks_token *next = reader->at + 1 < line->count ? &line->tokens[reader->at + 1] : NULL;
	__s32 type, code;

	if (next && next->kind == KS_TOKEN_WORD && ks_reader_is_word(reader, "type") &&
	    !ks_icmp_lookup(spec->proto, next->text, &type, &code))
		ks_reader_next(reader);
}

/* Reads the name of an ICMP message or code, or a quotation. Returns 1 if the next word is something else. */
static int icmp_word_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	unsigned family = spec->proto == KS_PROTO_ICMP ? KS_IPV4 : KS_IPV6;
	const char *text;
	__s32 type, code = -1;

	type_skip(reader, spec);
	text = ks_reader_peek(reader)->text;
	if (ks_reader_accept_word(reader, "quoting"))
		return quote_parse(reader, spec);
	if (ks_icmp_lookup(spec->proto, text, &type, &code))
		type = ks_icmp_type_from_word(text, family);
	if (type < 0)
		code = ks_icmp_code_from_word(text, family);
	if (type < 0 && code < 0)
		return 1;
	ks_reader_next(reader);
	if (code >= 0 && number_word_add(reader, spec, KS_MOD_CODE, code))
		return -ENOMEM;
	return type >= 0 ? number_word_add(reader, spec, KS_MOD_TYPE, type) : 0;
}

/* Reads a TCP flag, with the number that may stand behind `ack`. Returns 1 if the next word is none. */
static int flag_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	int flag = ks_tcp_flag_from_word(ks_reader_peek(reader)->text);

	if (flag < 0)
		return 1;
	ks_reader_next(reader);
	spec->tcp_flags |= (__u8)flag;
	return flag == KS_TCP_ACK ? ack_parse(reader, spec) : 0;
}

static int packet_word_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	unsigned where = where_of(spec);
	int kind, err;

	if (ks_reader_peek(reader)->kind != KS_TOKEN_WORD)
		return word_unknown(reader);
	err = named_parse(reader, spec);
	if (err > 0 && where & KS_FOR_TCP)
		err = flag_parse(reader, spec);
	if (err > 0 && where & KS_FOR_ICMP)
		err = icmp_word_parse(reader, spec);
	if (err <= 0)
		return err;
	kind = ks_mod_from_word(ks_reader_peek(reader)->text);
	if (kind < 0)
		return word_unknown(reader);
	ks_reader_next(reader);
	return mod_parse(reader, spec, (enum ks_mod_kind)kind);
}

int ks_packet_spec_parse_words(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	int err = 0;

	while (!err && ks_reader_peek(reader)->kind != KS_TOKEN_END && ks_reader_peek(reader)->kind != KS_TOKEN_ARROW)
		err = packet_word_parse(reader, spec);
	return err;
}

/* Reads a frame without IP, behind `ZONE > ZONE`. */
static int frame_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	int err;

	if (ks_reader_accept_word(reader, "arp")) {
		spec->kind = KS_SPEC_ARP;
		return ks_packet_spec_parse_words(reader, spec);
	}
	if (!ks_reader_accept_word(reader, "frame"))
		return ks_reader_expected(reader, "arp or frame hex \"...\" (or addresses behind the zones)");
	spec->kind = KS_SPEC_FRAME;
	err = ks_reader_bytes(reader, &spec->data, &spec->length);
	return err ? err : ks_packet_spec_parse_words(reader, spec);
}

static int ends_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	struct end src, dst;

	if (end_parse(reader, &src))
		return -EINVAL;
	if (!ks_reader_accept(reader, KS_TOKEN_GREATER))
		return ks_reader_expected(reader, src.has_addr ? "'>'" : "an endpoint or '>'");
	if (end_parse(reader, &dst))
		return -EINVAL;
	spec->from = src.zone < 0 ? KS_ZONE_UNKNOWN : (__u8)src.zone;
	spec->to = dst.zone < 0 ? KS_ZONE_UNKNOWN : (__u8)dst.zone;
	if (src.has_addr != dst.has_addr)
		return ks_reader_complain_last(reader, "one end has an address and the other has none");
	if (!src.has_addr)
		return 0;
	if (src.family != dst.family)
		return ks_reader_complain_last(reader, "one end is IPv4 and the other IPv6");
	spec->family = src.family;
	spec->src = src.addr;
	spec->dst = dst.addr;
	spec->sport = src.port;
	spec->dport = dst.port;
	spec->has_ports = src.has_port && dst.has_port;
	return 0;
}

static bool backwards_accept(struct ks_reader *reader, bool *known)
{
	*known = ks_reader_accept(reader, KS_TOKEN_GREATER);
	if (*known)
		return false;
	*known = ks_reader_accept_word(reader, "<");
	return *known;
}

int ks_packet_spec_parse(struct ks_reader *reader, struct ks_packet_spec *spec)
{
	const struct ks_token *token = ks_reader_peek(reader);
	struct ks_named_conversation *conversation =
		token->kind == KS_TOKEN_WORD ? ks_reader_conversation(reader, token->text) : NULL;
	bool known, back;
	int err;

	if (conversation) {
		ks_reader_next(reader);
		back = backwards_accept(reader, &known);
		if (!known)
			return ks_reader_expected(reader, "'>', '<', open or close");
		*spec = conversation->spec; /* adding a word copies the list first, so the two may share it */
		spec->conversation = true;
		if (back)
			ks_packet_spec_reverse(spec);
		return ks_packet_spec_parse_words(reader, spec);
	}
	memset(spec, 0, sizeof(*spec));
	err = ends_parse(reader, spec);
	if (!err && !spec->family)
		return frame_parse(reader, spec);
	if (!err)
		err = proto_parse(reader, spec);
	return err ? err : ks_packet_spec_parse_words(reader, spec);
}
