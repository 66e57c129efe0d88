/* SPDX-License-Identifier: BSD-2-Clause */
/* See names.h. */
#include "text/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/track/dccp.h"
#include "core/header/gre.h"
#include "core/track/sctp.h"

#define X(id, name, text) [KS_REASON_##id] = name,
static const char *const reason_names[KS_REASON_MAX] = { KS_REASONS(X) };
#undef X
#define X(id, name, text) [KS_REASON_##id] = text,
static const char *const reason_texts[KS_REASON_MAX] = { KS_REASONS(X) };
#undef X
#define X(id, name) [KS_STATE_##id] = name,
static const char *const state_names[KS_STATE_MAX] = { KS_STATES(X) };
#undef X

#define X(id, name, text) [KS_END_##id] = name,
static const char *const end_names[KS_END_MAX] = { KS_ENDS(X) };
#undef X

static const char *const action_names[KS_ACTION_MAX] = { "allow", "deny", "reject", "bypass", "hold" };

static const char *const challenge_mode_names[] = { "auto", "always", "never" };

static const char *const class_names[KS_CLASS_MAX] = {
	"none", "new", "established", "related", "invalid", "untracked",
};

static const struct {
	const char *name;
	__u8 number;
} protos[] = {
	{ "icmp", 1 },	{ "igmp", 2 },	 { "ipip", 4 },	  { "tcp", 6 },	   { "udp", 17 },      { "dccp", 33 },
	{ "ipv6", 41 }, { "gre", 47 },	 { "esp", 50 },	  { "ah", 51 },	   { "icmpv6", 58 },   { "ospf", 89 },
	{ "pim", 103 }, { "vrrp", 112 }, { "l2tp", 115 }, { "sctp", 132 }, { "udplite", 136 },
};

static const char *number_to_name(const char *const *names, size_t count, unsigned number)
{
	return number < count && names[number] ? names[number] : "?";
}

static int name_to_number(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i] && strcasecmp(names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

const char *ks_end_name(unsigned end)
{
	return number_to_name(end_names, KS_END_MAX, end);
}

int ks_end_from_name(const char *name)
{
	return *name ? name_to_number(end_names, KS_END_MAX, name) : -1;
}

const char *ks_reason_name(unsigned reason)
{
	return number_to_name(reason_names, KS_REASON_MAX, reason);
}

const char *ks_reason_text(unsigned reason)
{
	return number_to_name(reason_texts, KS_REASON_MAX, reason);
}

const char *ks_state_name(unsigned state)
{
	return number_to_name(state_names, KS_STATE_MAX, state);
}

const char *ks_action_name(unsigned action)
{
	return number_to_name(action_names, KS_ARRAY_SIZE(action_names), action);
}

const char *ks_challenge_mode_name(unsigned mode)
{
	return number_to_name(challenge_mode_names, KS_ARRAY_SIZE(challenge_mode_names), mode);
}

const char *ks_class_name(unsigned class)
{
	return number_to_name(class_names, KS_CLASS_MAX, class);
}

int ks_reason_from_name(const char *name)
{
	return name_to_number(reason_names, KS_REASON_MAX, name);
}

int ks_state_from_name(const char *name)
{
	return name_to_number(state_names, KS_STATE_MAX, name);
}

int ks_class_from_name(const char *name)
{
	return name_to_number(class_names, KS_CLASS_MAX, name);
}

const char *ks_proto_name(unsigned proto, char *buf, size_t size)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(protos); i++) {
		if (protos[i].number == proto)
			return protos[i].name;
	}
	snprintf(buf, size, "%u", proto);
	return buf;
}

int ks_proto_from_name(const char *name)
{
	char *end;
	long number;

	for (size_t i = 0; i < KS_ARRAY_SIZE(protos); i++) {
		if (strcasecmp(protos[i].name, name) == 0)
			return protos[i].number;
	}
	if (*name < '0' || *name > '9')
		return -1;
	number = strtol(name, &end, 10);
	return *end == '\0' && number <= 255 ? (int)number : -1;
}

size_t ks_proto_names(const char *names[KS_PROTO_NAMES_MAX])
{
	_Static_assert(KS_ARRAY_SIZE(protos) <= KS_PROTO_NAMES_MAX, "there is room for all");
	for (size_t i = 0; i < KS_ARRAY_SIZE(protos); i++)
		names[i] = protos[i].name;
	return KS_ARRAY_SIZE(protos);
}

const char *ks_addr_text(const struct ks_addr *addr, unsigned family, char buf[KS_ADDR_TEXT])
{
	if (family == KS_IPV4)
		inet_ntop(AF_INET, &addr->w[3], buf, KS_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, addr->b, buf, KS_ADDR_TEXT);
	return buf;
}

const char *ks_endpoint_text(const struct ks_addr *addr, unsigned family, __be16 port, char buf[KS_ENDPOINT_TEXT])
{
	char text[KS_ADDR_TEXT];

	ks_addr_text(addr, family, text);
	if (port == 0)
		snprintf(buf, KS_ENDPOINT_TEXT, "%s", text);
	else
		snprintf(buf, KS_ENDPOINT_TEXT, family == KS_IPV4 ? "%s:%u" : "[%s]:%u", text, ks_be16(port));
	return buf;
}

const char *ks_gre_key_text(const struct ks_tuple *tuple, char buf[KS_KEY_TEXT])
{
	buf[0] = '\0';
	if (tuple->proto != KS_PROTO_GRE)
		return buf;
	if (ks_gre_is_call(tuple)) /* in the tuple of a reply the call comes first */
		snprintf(buf, KS_KEY_TEXT, " call %u", ks_be16(tuple->dport ? tuple->dport : tuple->sport));
	else if (tuple->sport)
		snprintf(buf, KS_KEY_TEXT, " key %u", ks_be16(tuple->sport));
	return buf;
}

/* RFC 9260 3.2; the index is the type, and the bit of KS_SCTP_* too. */
static const char *const chunk_names[] = {
	"data",	 "init",     "init-ack",	  "sack",  "heartbeat",	  "heartbeat-ack",
	"abort", "shutdown", "shutdown-ack",	  "error", "cookie-echo", "cookie-ack",
	"ecne",	 "cwr",	     "shutdown-complete", "other",
};

const char *ks_sctp_chunk_name(unsigned type)
{
	return number_to_name(chunk_names, KS_ARRAY_SIZE(chunk_names), type);
}

const char *ks_sctp_chunks_text(unsigned chunks, char buf[KS_CHUNKS_TEXT])
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < KS_ARRAY_SIZE(chunk_names) && used < KS_CHUNKS_TEXT; i++) {
		if (chunks >> i & 1)
			used += (size_t)snprintf(buf + used, KS_CHUNKS_TEXT - used, "%s%s", used ? " " : "",
						 chunk_names[i]);
	}
	if (chunks & KS_SCTP_REFLECTED && used < KS_CHUNKS_TEXT)
		snprintf(buf + used, KS_CHUNKS_TEXT - used, " tbit");
	return buf;
}

static const char *const dccp_type_names[KS_DCCP_TYPES] = {
	"request", "response", "data", "ack", "dataack", "closereq", "close", "reset", "sync", "syncack",
};

const char *ks_dccp_type_text(unsigned type)
{
	return number_to_name(dccp_type_names, KS_DCCP_TYPES, type & KS_DCCP_TYPE_MASK);
}
