/* SPDX-License-Identifier: BSD-2-Clause */
/* See log_rebuild.h. */
#include "cli/log_rebuild.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "core/header/packet.h"
#include "core/header/wire.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/names.h"

#define ETHERNET_BYTES 14U /* an entry has the length of the frame */
#define IPV6_VERSION 0x60000000U
#define HOPS 64 /* nobody has kept them */

static __u32 number_of(const json_t *event, const char *name)
{
	return (__u32)ks_member_number(event, name);
}

static __u32 tcp_options(const json_t *event, __u32 room)
{
	__u32 behind = room > TCP_HEADER_LEN ? room - TCP_HEADER_LEN : 0;

	return number_of(event, "tcp_flags") & KS_TCP_SYN
		       ? KS_MIN(behind, TCP_OPTIONS_MAX) / TCP_DATA_OFFSET_UNIT * TCP_DATA_OFFSET_UNIT
		       : 0;
}

static size_t put_tcp(const json_t *event, __u32 room, __u8 *at)
{
	const __u32 options = tcp_options(event, room);
	const size_t length = sizeof(struct tcphdr) + options;
	struct tcphdr head = { .source = htons((__u16)number_of(event, "source_port")),
			       .dest = htons((__u16)number_of(event, "destination_port")),
			       .seq = htonl(number_of(event, "seq")),
			       .ack_seq = htonl(number_of(event, "ack")),
			       .window = htons((__u16)number_of(event, "window")) };

	memcpy(at, &head, sizeof(head));
	memset(at + sizeof(head), TCP_OPT_NOP, options);
	at[TCP_DATA_OFFSET_OFF] = (__u8)(length / TCP_DATA_OFFSET_UNIT << TCP_DATA_OFFSET_SHIFT);
	at[TCP_FLAGS_OFF] = (__u8)number_of(event, "tcp_flags");
	return length;
}

static size_t put_udp(const json_t *event, __u32 room, __u8 *at)
{
	struct udphdr head = { .source = htons((__u16)number_of(event, "source_port")),
			       .dest = htons((__u16)number_of(event, "destination_port")),
			       .len = htons((__u16)KS_MAX(room, sizeof(head))) };

	memcpy(at, &head, sizeof(head));
	return sizeof(head);
}

/* Type, code, a checksum that is not known, and the identifier of a query. */
static size_t put_icmp(const json_t *event, __u8 *at)
{
	struct icmphdr head = { .type = (__u8)number_of(event, "icmp_type"),
				.code = (__u8)number_of(event, "icmp_code") };

	head.un.echo.id = htons((__u16)number_of(event, "icmp_id"));
	memcpy(at, &head, sizeof(head));
	return sizeof(head);
}

/* `room`: bytes of the packet behind the IP header, as far as they are known. Returns how many are made. */
static size_t put_upper(const json_t *event, int proto, __u32 room, __u8 *at)
{
	__be16 ports[2];

	if (proto == KS_PROTO_TCP)
		return put_tcp(event, room, at);
	if (proto == KS_PROTO_UDP)
		return put_udp(event, room, at);
	if (proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6)
		return put_icmp(event, at);
	if (!ks_proto_has_ports((unsigned)proto))
		return 0;
	ports[0] = htons((__u16)number_of(event, "source_port"));
	ports[1] = htons((__u16)number_of(event, "destination_port"));
	memcpy(at, ports, sizeof(ports));
	return sizeof(ports);
}

static __u16 checksum_of(const void *data, size_t size)
{
	const __u8 *bytes = data;
	__u32 sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (__u32)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((__u16)~sum);
}

static bool rebuild_ipv4(const json_t *event, int proto, struct ks_rebuilt *rebuilt)
{
	struct iphdr head = { .version = 4, .ihl = sizeof(head) / 4, .ttl = HOPS, .protocol = (__u8)proto };
	__u32 room = rebuilt->length > sizeof(head) ? rebuilt->length - (__u32)sizeof(head) : 0;

	if (inet_pton(AF_INET, ks_member_text(event, "source"), &head.saddr) != 1 ||
	    inet_pton(AF_INET, ks_member_text(event, "destination"), &head.daddr) != 1)
		return false;
	rebuilt->captured = sizeof(head) + (__u32)put_upper(event, proto, room, rebuilt->bytes + sizeof(head));
	rebuilt->length = KS_MAX(rebuilt->length, rebuilt->captured);
	head.tot_len = htons((__u16)rebuilt->length);
	head.check = checksum_of(&head, sizeof(head));
	memcpy(rebuilt->bytes, &head, sizeof(head));
	return true;
}

static bool rebuild_ipv6(const json_t *event, int proto, struct ks_rebuilt *rebuilt)
{
	struct ip6_hdr head = { .ip6_flow = htonl(IPV6_VERSION), .ip6_nxt = (__u8)proto };
	__u32 room = rebuilt->length > sizeof(head) ? rebuilt->length - (__u32)sizeof(head) : 0;

	if (inet_pton(AF_INET6, ks_member_text(event, "source"), &head.ip6_src) != 1 ||
	    inet_pton(AF_INET6, ks_member_text(event, "destination"), &head.ip6_dst) != 1)
		return false;
	head.ip6_hops = HOPS;
	rebuilt->captured = sizeof(head) + (__u32)put_upper(event, proto, room, rebuilt->bytes + sizeof(head));
	rebuilt->length = KS_MAX(rebuilt->length, rebuilt->captured);
	head.ip6_plen = htons((__u16)(rebuilt->length - sizeof(head)));
	memcpy(rebuilt->bytes, &head, sizeof(head));
	return true;
}

int ks_log_rebuild(const json_t *event, struct ks_rebuilt *rebuilt)
{
	int proto = ks_proto_from_name(ks_member_text(event, "proto"));
	__u32 length = number_of(event, "length");

	*rebuilt = (struct ks_rebuilt){ .length = length > ETHERNET_BYTES ? length - ETHERNET_BYTES : 0 };
	if (proto < 0)
		return -EINVAL;
	return rebuild_ipv4(event, proto, rebuilt) || rebuild_ipv6(event, proto, rebuilt) ? 0 : -EINVAL;
}
