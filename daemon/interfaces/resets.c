// SPDX-License-Identifier: BSD-2-Clause
/* See resets.h. */
#include "daemon/interfaces/resets.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/header/checksum.h"

#define IPV6_VERSION_WORD (6U << 28)
#define TTL 64
#define TCP_WORDS 5 /* of its header, without options */

static __u32 sum_bytes(const void *data, size_t size)
{
	const __u8 *at = data;
	__u16 word;
	__u32 sum = 0;

	for (size_t i = 0; i + 1 < size; i += sizeof(word)) {
		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static void segment_make(const struct ks_reset *reset, struct tcphdr *tcp)
{
	__u32 sum = sum_bytes(&reset->tuple.src, sizeof(reset->tuple.src)) +
		    sum_bytes(&reset->tuple.dst, sizeof(reset->tuple.dst)) + htons(IPPROTO_TCP) + htons(sizeof(*tcp));

	*tcp = (struct tcphdr){ .source = reset->tuple.sport,
				.dest = reset->tuple.dport,
				.seq = htonl(reset->seq),
				.ack_seq = htonl(reset->ack),
				.doff = TCP_WORDS,
				.rst = 1,
				.ack = 1 };
	tcp->check = (__u16)~ks_checksum_fold(sum + sum_bytes(tcp, sizeof(*tcp)));
}

static void send4(const struct ks_reset *reset, int fd)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} packet = { .ip = { .version = IPVERSION,
			     .ihl = sizeof(struct iphdr) / 4,
			     .ttl = TTL,
			     .protocol = IPPROTO_TCP,
			     .saddr = reset->tuple.src.w[3],
			     .daddr = reset->tuple.dst.w[3],
			     .tot_len = htons(sizeof(packet)) } };
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { reset->tuple.dst.w[3] } };

	segment_make(reset, &packet.tcp);
	sendto(fd, &packet, sizeof(packet), MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to));
}

static void send6(const struct ks_reset *reset, int fd)
{
	struct {
		struct ip6_hdr ip;
		struct tcphdr tcp;
	} packet = { .ip = { .ip6_flow = htonl(IPV6_VERSION_WORD),
			     .ip6_plen = htons(sizeof(struct tcphdr)),
			     .ip6_nxt = IPPROTO_TCP,
			     .ip6_hlim = TTL } };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };

	memcpy(&packet.ip.ip6_src, &reset->tuple.src, sizeof(packet.ip.ip6_src));
	memcpy(&packet.ip.ip6_dst, &reset->tuple.dst, sizeof(packet.ip.ip6_dst));
	memcpy(&to.sin6_addr, &reset->tuple.dst, sizeof(to.sin6_addr));
	segment_make(reset, &packet.tcp);
	sendto(fd, &packet, sizeof(packet), MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to));
}

void ks_reset_send(const struct ks_reset *reset, void *arg)
{
	struct ks_resets *resets = arg;
	bool is_ipv4 = reset->tuple.family == KS_IPV4;

	if (resets->fd < 0)
		resets->fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (resets->fd < 0)
		return;
	if (is_ipv4)
		send4(reset, resets->fd);
	else
		send6(reset, resets->fd);
}

void ks_resets_end(struct ks_resets *resets)
{
	if (resets->fd >= 0)
		close(resets->fd);
}
