/* SPDX-License-Identifier: BSD-2-Clause */
/* See ipfix.h. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/types.h"
#include "journal/columns.h"
#include "journal/ipfix.h"
#include "journal/when.h"

#define IPFIX_VERSION 10
#define MESSAGE_HEADER 16
#define SET_HEADER 4
#define TEMPLATE_SET 2
#define TEMPLATES_MS 60000 /* UDP loses some: they come again */
#define ENTERPRISE 0x8000U /* of an element's number: a number of its owner follows */
#define REVERSE_PEN 29305U /* RFC 5103: the same of the other direction */
#define NAT_CREATE 4 /* natEvent (RFC 8158): NAT44 session create and delete */
#define NAT_DELETE 5
#define ICMP_TYPE_SHIFT 8 /* type and code are one number */

/* flowEndReason */
#define END_IDLE 1
#define END_DETECTED 3
#define END_FORCED 4
#define END_RESOURCES 5

/* X(identifier, number of the element, bytes, number of its owner) */
#define ELEMENTS(X)                        \
	X(TIME, 323, 8, 0)                 \
	X(BEGUN, 152, 8, 0)                \
	X(ENDED, 153, 8, 0)                \
	X(PROTO, 4, 1, 0)                  \
	X(SOURCE4, 8, 4, 0)                \
	X(DESTINATION4, 12, 4, 0)          \
	X(SOURCE6, 27, 16, 0)              \
	X(DESTINATION6, 28, 16, 0)         \
	X(SOURCE_PORT, 7, 2, 0)            \
	X(DESTINATION_PORT, 11, 2, 0)      \
	X(NAT_SOURCE4, 225, 4, 0)          \
	X(NAT_DESTINATION4, 226, 4, 0)     \
	X(NAT_SOURCE6, 281, 16, 0)         \
	X(NAT_DESTINATION6, 282, 16, 0)    \
	X(NAT_SOURCE_PORT, 227, 2, 0)      \
	X(NAT_DESTINATION_PORT, 228, 2, 0) \
	X(ICMP4, 32, 2, 0)                 \
	X(ICMP6, 139, 2, 0)                \
	X(NAT_EVENT, 230, 1, 0)            \
	X(END_REASON, 136, 1, 0)           \
	X(BYTES, 1, 8, 0)                  \
	X(PACKETS, 2, 8, 0)                \
	X(BYTES_BACK, 1, 8, REVERSE_PEN)   \
	X(PACKETS_BACK, 2, 8, REVERSE_PEN)

enum element {
#define X(name, number, bytes, owner) ELEMENT_##name,
	ELEMENTS(X)
#undef X
};

static const struct {
	uint16_t number, bytes;
	uint32_t owner;
} elements[] = {
#define X(name, number, bytes, owner) { number, bytes, owner },
	ELEMENTS(X)
#undef X
};

#define END_MAX 24
#define TIMES ELEMENT_BEGUN, ELEMENT_ENDED
#define ENDS4 ELEMENT_PROTO, ELEMENT_SOURCE4, ELEMENT_DESTINATION4, ELEMENT_SOURCE_PORT, ELEMENT_DESTINATION_PORT
#define ENDS6 ELEMENT_PROTO, ELEMENT_SOURCE6, ELEMENT_DESTINATION6, ELEMENT_SOURCE_PORT, ELEMENT_DESTINATION_PORT
#define NAT                                                                                        \
	ELEMENT_NAT_EVENT, ELEMENT_NAT_SOURCE4, ELEMENT_NAT_DESTINATION4, ELEMENT_NAT_SOURCE_PORT, \
		ELEMENT_NAT_DESTINATION_PORT
#define NAT6 ELEMENT_NAT_SOURCE6, ELEMENT_NAT_DESTINATION6, ELEMENT_NAT_SOURCE_PORT, ELEMENT_NAT_DESTINATION_PORT
/* The identifier of a query stands where others have the port of its sender, and is translated as that is. */
#define ICMP_ENDS4 ELEMENT_PROTO, ELEMENT_SOURCE4, ELEMENT_DESTINATION4, ELEMENT_SOURCE_PORT, ELEMENT_ICMP4
#define ICMP_ENDS6 ELEMENT_PROTO, ELEMENT_SOURCE6, ELEMENT_DESTINATION6, ELEMENT_SOURCE_PORT, ELEMENT_ICMP6
#define ICMP_NAT4 ELEMENT_NAT_EVENT, ELEMENT_NAT_SOURCE4, ELEMENT_NAT_DESTINATION4, ELEMENT_NAT_SOURCE_PORT
#define ICMP_NAT6 ELEMENT_NAT_SOURCE6, ELEMENT_NAT_DESTINATION6, ELEMENT_NAT_SOURCE_PORT
#define COUNTS ELEMENT_END_REASON, ELEMENT_BYTES, ELEMENT_PACKETS, ELEMENT_BYTES_BACK, ELEMENT_PACKETS_BACK

enum kind {
	KIND_BEGUN,
	KIND_TRANSLATED,
	KIND_PLAIN,
	KINDS
}; /* a translated flow has begun; one has ended; another has ended */

struct template
{
	uint16_t id;
	unsigned count;
	unsigned char element[END_MAX];
};

/* By: it is a query of ICMP, it is of IPv6, its kind. natEvent has no value for translations of IPv6. */
static const struct template templates[2][2][KINDS] = {
	{
		{
			{ 256, 11, { ELEMENT_TIME, ENDS4, NAT } },
			{ 257, 17, { TIMES, ENDS4, NAT, COUNTS } },
			{ 258, 12, { TIMES, ENDS4, COUNTS } },
		},
		{
			{ 261, 10, { ELEMENT_TIME, ENDS6, NAT6 } },
			{ 260, 16, { TIMES, ENDS6, NAT6, COUNTS } },
			{ 259, 12, { TIMES, ENDS6, COUNTS } },
		},
	},
	{
		{
			{ 262, 10, { ELEMENT_TIME, ICMP_ENDS4, ICMP_NAT4 } },
			{ 263, 16, { TIMES, ICMP_ENDS4, ICMP_NAT4, COUNTS } },
			{ 264, 12, { TIMES, ICMP_ENDS4, COUNTS } },
		},
		{
			{ 265, 9, { ELEMENT_TIME, ICMP_ENDS6, ICMP_NAT6 } },
			{ 266, 15, { TIMES, ICMP_ENDS6, ICMP_NAT6, COUNTS } },
			{ 267, 12, { TIMES, ICMP_ENDS6, COUNTS } },
		},
	},
};

/* A flow as numbers, each in the order of the wire. */
struct record {
	unsigned char value[KS_ARRAY_SIZE(elements)][KS_END_ADDRESS_MAX];
};

static void put(unsigned char *at, uint64_t value, size_t bytes)
{
	value = htobe64(value);
	memcpy(at, (unsigned char *)&value + sizeof(value) - bytes, bytes);
}

static void set_number(struct record *record, enum element element, uint64_t value)
{
	put(record->value[element], value, elements[element].bytes);
}

static int64_t time_of(const json_t *event, const char *name, int64_t otherwise)
{
	const char *text = json_string_value(json_object_get(event, name));
	int64_t ms = otherwise;

	if (text)
		ks_when_read(text, &ms);
	return ms;
}

static uint8_t proto_of(const json_t *event)
{
	static const struct {
		const char *name;
		uint8_t number;
	} protos[] = { { "tcp", 6 }, { "udp", 17 },   { "icmp", 1 },  { "icmpv6", 58 },	  { "gre", 47 }, { "esp", 50 },
		       { "ah", 51 }, { "sctp", 132 }, { "dccp", 33 }, { "udplite", 136 }, { "igmp", 2 } };
	const char *name = json_string_value(json_object_get(event, "proto"));

	for (size_t i = 0; name && i < KS_ARRAY_SIZE(protos); i++) {
		if (!strcmp(protos[i].name, name))
			return protos[i].number;
	}
	return name ? (uint8_t)strtoul(name, NULL, 10) : 0;
}

static uint8_t reason_of(const json_t *event)
{
	const char *why = json_string_value(json_object_get(event, "why"));

	if (!why || !strcmp(why, "expired"))
		return END_IDLE;
	if (!strcmp(why, "closed") || !strcmp(why, "reset"))
		return END_DETECTED;
	return !strcmp(why, "recycled") ? END_RESOURCES : END_FORCED;
}

struct end {
	const char *address;
	int64_t port;
};

/* `number` is what its port is called; an end that is not translated has no other one. */
static struct end end_of(const json_t *object, const char *name, const char *number, struct end otherwise)
{
	const char *address = json_string_value(json_object_get(object, name));
	const json_t *port = json_object_get(object, number);

	return (struct end){ address ?: otherwise.address, port ? json_integer_value(port) : otherwise.port };
}

/* A source is translated on its way through the box, so that its own address came. A destination is its own behind the box. */
static void set_end(struct record *record, const json_t *event, const char *name, bool is_source)
{
	const bool is_query = is_source && json_object_get(event, "icmp_id");
	const char *number = is_source ? "source_port" : "destination_port";
	const struct end own = end_of(event, name, is_query ? "icmp_id" : number, (struct end){ "", 0 });
	const struct end seen = end_of(json_object_get(event, "nat"), name, is_query ? "source_id" : number, own);
	const struct end came = is_source ? own : seen, left = is_source ? seen : own;

	inet_pton(AF_INET, came.address, record->value[is_source ? ELEMENT_SOURCE4 : ELEMENT_DESTINATION4]);
	inet_pton(AF_INET6, came.address, record->value[is_source ? ELEMENT_SOURCE6 : ELEMENT_DESTINATION6]);
	inet_pton(AF_INET, left.address, record->value[is_source ? ELEMENT_NAT_SOURCE4 : ELEMENT_NAT_DESTINATION4]);
	inet_pton(AF_INET6, left.address, record->value[is_source ? ELEMENT_NAT_SOURCE6 : ELEMENT_NAT_DESTINATION6]);
	set_number(record, is_source ? ELEMENT_SOURCE_PORT : ELEMENT_DESTINATION_PORT, (uint64_t)came.port);
	set_number(record, is_source ? ELEMENT_NAT_SOURCE_PORT : ELEMENT_NAT_DESTINATION_PORT, (uint64_t)left.port);
}

static void record_make(struct record *record, const json_t *event, bool is_end, int64_t now)
{
	const json_t *bytes = json_object_get(event, "bytes"), *packets = json_object_get(event, "packets");
	json_int_t type = json_integer_value(json_object_get(event, "type"));

	memset(record, 0, sizeof(*record));
	set_number(record, ELEMENT_TIME, (uint64_t)time_of(event, "time", now));
	set_number(record, ELEMENT_BEGUN, (uint64_t)time_of(event, "begun", now));
	set_number(record, ELEMENT_ENDED, (uint64_t)time_of(event, "last", now));
	set_number(record, ELEMENT_PROTO, proto_of(event));
	set_end(record, event, "source", true);
	set_end(record, event, "destination", false);
	set_number(record, ELEMENT_ICMP4, (uint64_t)type << ICMP_TYPE_SHIFT); /* queries have code 0 */
	set_number(record, ELEMENT_ICMP6, (uint64_t)type << ICMP_TYPE_SHIFT);
	set_number(record, ELEMENT_NAT_EVENT, is_end ? NAT_DELETE : NAT_CREATE);
	set_number(record, ELEMENT_END_REASON, reason_of(event));
	set_number(record, ELEMENT_BYTES, (uint64_t)json_integer_value(json_array_get(bytes, 0)));
	set_number(record, ELEMENT_BYTES_BACK, (uint64_t)json_integer_value(json_array_get(bytes, 1)));
	set_number(record, ELEMENT_PACKETS, (uint64_t)json_integer_value(json_array_get(packets, 0)));
	set_number(record, ELEMENT_PACKETS_BACK, (uint64_t)json_integer_value(json_array_get(packets, 1)));
}

static void append(struct ks_ipfix *ipfix, uint64_t value, size_t bytes)
{
	put(ipfix->message + ipfix->used, value, bytes);
	ipfix->used += bytes;
}

static void append_template(struct ks_ipfix *ipfix, const struct template *template)
{
	append(ipfix, template->id, 2);
	append(ipfix, template->count, 2);
	for (unsigned i = 0; i < template->count; i++) {
		unsigned element = template->element[i];

		append(ipfix, elements[element].number | (elements[element].owner ? ENTERPRISE : 0), 2);
		append(ipfix, elements[element].bytes, 2);
		if (elements[element].owner)
			append(ipfix, elements[element].owner, 4);
	}
}

/* A message begins with its header, which is completed when it is sent, and now and then with the templates. */
static void begin_message(struct ks_ipfix *ipfix, int64_t now)
{
	size_t set;

	ipfix->used = MESSAGE_HEADER;
	if (ipfix->templates && now - ipfix->templates < TEMPLATES_MS)
		return;
	set = ipfix->used;
	append(ipfix, TEMPLATE_SET, 2);
	append(ipfix, 0, 2);
	for (size_t i = 0; i < sizeof(templates) / sizeof(struct template); i++)
		append_template(ipfix, &templates[0][0][0] + i);
	put(ipfix->message + set + 2, ipfix->used - set, 2);
	ipfix->templates = now;
}

/* Each record is a set of its own: five records alike would save sixteen bytes. */
static void append_record(struct ks_ipfix *ipfix, const struct record *record, const struct template *template,
			  int64_t now)
{
	size_t size = SET_HEADER;

	for (unsigned i = 0; i < template->count; i++)
		size += elements[template->element[i]].bytes;
	if (ipfix->used && ipfix->used + size > KS_IPFIX_MESSAGE)
		ks_ipfix_flush(ipfix, now);
	if (!ipfix->used)
		begin_message(ipfix, now);
	append(ipfix, template->id, 2);
	append(ipfix, size, 2);
	for (unsigned i = 0; i < template->count; i++) {
		unsigned element = template->element[i];

		memcpy(ipfix->message + ipfix->used, record->value[element], elements[element].bytes);
		ipfix->used += elements[element].bytes;
	}
	ipfix->records++;
}

void ks_ipfix_init(struct ks_ipfix *ipfix, int fd)
{
	memset(ipfix, 0, sizeof(*ipfix));
	ipfix->fd = fd;
}

void ks_ipfix_take(struct ks_ipfix *ipfix, const json_t *event, int64_t now)
{
	const char *name = json_string_value(json_object_get(event, "event"));
	const char *family = json_string_value(json_object_get(event, "family"));
	bool is_end = name && !strcmp(name, "end"), is_v6 = family && !strcmp(family, "ipv6");
	bool is_icmp = json_object_get(event, "icmp_id"), is_translated = json_object_get(event, "nat");
	enum kind kind = !is_end ? KIND_BEGUN : is_translated ? KIND_TRANSLATED : KIND_PLAIN;
	struct record record;

	if (ipfix->fd < 0 || !(is_end || (name && !strcmp(name, "begin") && is_translated)))
		return;
	record_make(&record, event, is_end, now);
	append_record(ipfix, &record, &templates[is_icmp][is_v6][kind], now);
}

void ks_ipfix_flush(struct ks_ipfix *ipfix, int64_t now)
{
	if (!ipfix->used)
		return;
	put(ipfix->message, IPFIX_VERSION, 2);
	put(ipfix->message + 2, ipfix->used, 2);
	put(ipfix->message + 4, (uint64_t)now / 1000, 4);
	put(ipfix->message + 8, ipfix->sequence, 4);
	put(ipfix->message + 12, 1, 4); /* the observation domain */
	if (send(ipfix->fd, ipfix->message, ipfix->used, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED)
		send(ipfix->fd, ipfix->message, ipfix->used,
		     MSG_DONTWAIT | MSG_NOSIGNAL); /* the error was that of an earlier one */
	ipfix->sequence += ipfix->records; /* also of what was lost, so that the collector knows */
	ipfix->used = ipfix->records = 0;
}
