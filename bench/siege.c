// SPDX-License-Identifier: BSD-2-Clause
/*
 * Floods for tools/siege: frames that strangers send, by a packet socket, at a stated rate and for a stated time. Each kind
 * is a row of `attacks`. Sources are invented in 198.18.0.0/15 (RFC 2544) and 2001:db8:ffff::/48 unless --from names one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/flows.h"

#define BATCH 32 /* frames a call */
#define FRAME_MAX 128
#define TTL 64
#define LOW_PORT 1024 /* invented ports lie above */
#define PAYLOAD 18 /* bytes of a datagram: the smallest frame */
#define FRAGMENT_BYTES 64
#define IP4_MORE 0x2000
#define WINDOW 64240
#define BEHIND_MAX_NS 100000000 /* on a busy machine, what could not be sent within it is left out */
#define IDLE_NS 200000

/* A frame that is being written, and where the invented numbers come from. */
struct siege {
	const struct bench_opts *opts;
	__u64 random;
	int family;
	struct in6_addr from, target; /* IPv4: the first four bytes */
	bool from_given;
	__u8 macs[BENCH_MACS];
};

static __u32 invent(struct siege *s, __u32 below)
{
	return bench_random(&s->random, below);
}

static __u16 invent_port(struct siege *s)
{
	return htons((__u16)(LOW_PORT + invent(s, 65536 - LOW_PORT)));
}

static void invent_source(struct siege *s, void *to)
{
	static const __u8 prefix6[] = { 0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff };
	__u32 number = htonl(0xc6120000 + invent(s, 1U << 17)), more = invent(s, 1U << 30);
	__u8 *address = to;

	if (s->from_given) {
		memcpy(address, &s->from, s->family == AF_INET ? 4 : 16);
		return;
	}
	if (s->family == AF_INET) {
		memcpy(address, &number, 4);
		return;
	}
	memset(address, 0, 16);
	memcpy(address, prefix6, sizeof(prefix6));
	memcpy(address + 6, &number, 4);
	memcpy(address + 12, &more, 4);
}

static __u32 sum(const void *data, size_t bytes, __u32 more)
{
	const __u8 *at = data;

	for (size_t i = 0; i + 1 < bytes; i += 2)
		more += (__u32)at[i] << 8 | at[i + 1];
	if (bytes & 1)
		more += (__u32)at[bytes - 1] << 8;
	return more;
}

static __be16 fold(__u32 value)
{
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	return htons((__u16)~value);
}

static __u8 *ipv4_write(struct siege *s, __u8 *frame, __u8 proto, __u16 bytes, __u16 fragment)
{
	struct iphdr ip = {
		.version = 4, .ihl = 5, .ttl = TTL, .protocol = proto, .id = htons((__u16)invent(s, 65536))
	};

	ip.tot_len = htons((__u16)(sizeof(ip) + bytes));
	ip.frag_off = htons(fragment);
	invent_source(s, &ip.saddr);
	memcpy(&ip.daddr, &s->target, 4);
	ip.check = fold(sum(&ip, sizeof(ip), 0));
	memcpy(frame + BENCH_MACS, "\x08\x00", 2);
	memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
	return frame + ETH_HLEN + sizeof(ip);
}

static __u8 *ipv6_write(struct siege *s, __u8 *frame, __u8 proto, __u16 bytes)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6U << 28), .ip6_nxt = proto, .ip6_hlim = TTL, .ip6_plen = htons(bytes)
	};

	invent_source(s, &ip.ip6_src);
	ip.ip6_dst = s->target;
	memcpy(frame + BENCH_MACS, "\x86\xdd", 2);
	memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
	return frame + ETH_HLEN + sizeof(ip);
}

/* Writes the headers in front of `bytes` bytes of protocol `proto`. Returns where these go. */
static __u8 *ip_write(struct siege *s, __u8 *frame, __u8 proto, __u16 bytes, __u16 fragment)
{
	memcpy(frame, s->macs, BENCH_MACS);
	return s->family == AF_INET ? ipv4_write(s, frame, proto, bytes, fragment) : ipv6_write(s, frame, proto, bytes);
}

/* The checksum of an upper protocol whose field is zero now. */
static __be16 upper_sum(const struct siege *s, const __u8 *frame, const __u8 *upper, __u16 bytes, __u8 proto)
{
	size_t each = s->family == AF_INET ? 4 : 16, at = s->family == AF_INET ? 12 : 8;

	return fold(sum(upper, bytes, sum(frame + ETH_HLEN + at, 2 * each, (__u32)proto + bytes)));
}

/* A segment to the port, of the given flags and numbers. */
static size_t segment_make(struct siege *s, __u8 *frame, __u8 flags, __u16 spoil)
{
	struct tcphdr tcp = {
		.source = invent_port(s), .dest = htons((__u16)s->opts->port), .doff = 5, .window = htons(WINDOW)
	};
	__u8 *at = ip_write(s, frame, IPPROTO_TCP, sizeof(tcp), 0);

	if (s->opts->sources) /* --from has connections from the first ports above 20000: one of them */
		tcp.source = htons((__u16)(20000 + invent(s, s->opts->sources)));
	tcp.seq = htonl(invent(s, 1U << 31) << 1);
	tcp.ack_seq = flags & TH_ACK ? htonl(invent(s, 1U << 31) << 1) : 0;
	((__u8 *)&tcp)[13] = flags;
	memcpy(at, &tcp, sizeof(tcp));
	tcp.check = upper_sum(s, frame, at, sizeof(tcp), IPPROTO_TCP) ^ htons(spoil);
	memcpy(at, &tcp, sizeof(tcp));
	return (size_t)(at - frame) + sizeof(tcp);
}

static size_t syn_make(struct siege *s, __u8 *frame)
{
	return segment_make(s, frame, TH_SYN, 0);
}

/* Hosts ignore it: the checksum is wrong. */
static size_t syn_spoilt_make(struct siege *s, __u8 *frame)
{
	return segment_make(s, frame, TH_SYN, 0x1234);
}

static size_t reset_make(struct siege *s, __u8 *frame)
{
	return segment_make(s, frame, TH_RST, 0);
}

static size_t ack_make(struct siege *s, __u8 *frame)
{
	return segment_make(s, frame, TH_ACK, 0);
}

static size_t fin_make(struct siege *s, __u8 *frame)
{
	return segment_make(s, frame, TH_FIN | TH_ACK, 0);
}

/* A SYN to any port of any address of the target's network of 256. */
static size_t scan_make(struct siege *s, __u8 *frame)
{
	__u32 port = s->opts->port, last = s->family == AF_INET ? 3 : 15;
	struct siege other = *s;
	struct bench_opts opts = *s->opts;
	size_t bytes;

	opts.port = port ? 1 + invent(s, 65535) : 0;
	other.opts = &opts;
	other.random = s->random;
	((__u8 *)&other.target)[last] = (__u8)invent(&other, 254);
	bytes = segment_make(&other, frame, TH_SYN, 0);
	s->random = other.random;
	return bytes;
}

static size_t datagram_make(struct siege *s, __u8 *frame)
{
	struct {
		struct udphdr head;
		__u8 data[PAYLOAD];
	} udp = { .head = {
			  .source = invent_port(s), .dest = htons((__u16)s->opts->port), .len = htons(sizeof(udp)) } };
	__u8 *at = ip_write(s, frame, IPPROTO_UDP, sizeof(udp), 0);

	memset(udp.data, 'x', sizeof(udp.data));
	memcpy(at, &udp, sizeof(udp));
	udp.head.check = upper_sum(s, frame, at, sizeof(udp), IPPROTO_UDP);
	memcpy(at, &udp, sizeof(udp));
	return (size_t)(at - frame) + sizeof(udp);
}

static size_t echo_make(struct siege *s, __u8 *frame)
{
	bool four = s->family == AF_INET;
	struct icmphdr icmp = { .type = four ? ICMP_ECHO : ICMP6_ECHO_REQUEST };
	__u8 proto = four ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	__u8 *at = ip_write(s, frame, proto, sizeof(icmp), 0);

	icmp.un.echo.id = invent_port(s);
	memcpy(at, &icmp, sizeof(icmp));
	icmp.checksum = four ? fold(sum(&icmp, sizeof(icmp), 0)) : upper_sum(s, frame, at, sizeof(icmp), proto);
	memcpy(at, &icmp, sizeof(icmp));
	return (size_t)(at - frame) + sizeof(icmp);
}

/* The first fragment of a datagram whose rest never comes. IPv6 has a header for it. */
static size_t fragment_make(struct siege *s, __u8 *frame)
{
	struct udphdr udp = { .source = invent_port(s),
			      .dest = htons((__u16)s->opts->port),
			      .len = htons(2 * FRAGMENT_BYTES) };
	struct ip6_frag frag = { .ip6f_nxt = IPPROTO_UDP,
				 .ip6f_offlg = htons(1),
				 .ip6f_ident = htonl(invent(s, 1U << 31)) };
	bool four = s->family == AF_INET;
	size_t head = four ? 0 : sizeof(frag);
	__u8 *at = ip_write(s, frame, four ? IPPROTO_UDP : IPPROTO_FRAGMENT, (__u16)(FRAGMENT_BYTES + head),
			    four ? IP4_MORE : 0);

	memset(at, 0, FRAGMENT_BYTES + head);
	memcpy(at, &frag, head);
	memcpy(at + head, &udp, sizeof(udp));
	return (size_t)(at - frame) + FRAGMENT_BYTES + head;
}

/* An error that a router might send about a connection of the target's with --from, from its port to one of ours. */
static size_t error_make(struct siege *s, __u8 *frame)
{
	struct {
		struct icmphdr icmp;
		struct iphdr ip;
		__be16 source, dest;
		__be32 seq;
	} error = { .icmp = { .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH } };
	struct siege router = *s;
	__u8 *at;

	router.from_given = false;
	error.ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = TTL, .protocol = IPPROTO_TCP, .tot_len = htons(60) };
	memcpy(&error.ip.saddr, &s->target, 4);
	memcpy(&error.ip.daddr, &s->from, 4);
	error.ip.check = fold(sum(&error.ip, sizeof(error.ip), 0));
	error.source = htons((__u16)s->opts->port);
	error.dest = htons((__u16)(20000 + invent(s, s->opts->sources ? s->opts->sources : 1)));
	error.seq = htonl(invent(s, 1U << 31) << 1);
	error.icmp.checksum = fold(sum(&error, sizeof(error), 0));
	router.random = s->random;
	at = ip_write(&router, frame, IPPROTO_ICMP, sizeof(error), 0);
	s->random = router.random;
	memcpy(at, &error, sizeof(error));
	return (size_t)(at - frame) + sizeof(error);
}

static const struct attack {
	const char *name;
	size_t (*make)(struct siege *s, __u8 *frame); /* writes a frame; returns its bytes */
} attacks[] = {
	{ "syn", syn_make },	       { "syn-spoilt", syn_spoilt_make },
	{ "reset", reset_make },       { "ack", ack_make },
	{ "fin", fin_make },	       { "scan", scan_make },
	{ "udp", datagram_make },      { "echo", echo_make },
	{ "fragment", fragment_make }, { "error", error_make },
};

static const struct attack *attack_find(const char *name)
{
	for (size_t i = 0; name && i < KS_ARRAY_SIZE(attacks); i++) {
		if (strcmp(attacks[i].name, name) == 0)
			return &attacks[i];
	}
	fputs("keepstate-bench: siege needs --attack, one of:", stderr);
	for (size_t i = 0; i < KS_ARRAY_SIZE(attacks); i++)
		fprintf(stderr, " %s", attacks[i].name);
	fputc('\n', stderr);
	return NULL;
}

/* Reads the options. Returns 0 or -EINVAL. */
static int siege_init(struct siege *s, const struct bench_opts *opts)
{
	*s = (struct siege){ .opts = opts, .random = bench_wall_time(), .family = AF_INET };
	if (!opts->address || !opts->device || !opts->macs || strlen(opts->macs) != 2 * BENCH_MACS)
		return -EINVAL;
	if (strchr(opts->address, ':'))
		s->family = AF_INET6;
	if (inet_pton(s->family, opts->address, &s->target) != 1)
		return -EINVAL;
	s->from_given = opts->from;
	if (opts->from && inet_pton(s->family, opts->from, &s->from) != 1)
		return -EINVAL;
	return bench_macs_parse(opts->macs, s->macs);
}

static int packet_socket(const char *device)
{
	struct sockaddr_ll where = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&where, sizeof(where)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Makes and sends one batch. Returns how many went out. */
static __u32 batch_send(struct siege *s, const struct attack *attack, int fd)
{
	static __u8 frames[BATCH][FRAME_MAX];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec pieces[BATCH];
	int sent;

	for (__u32 i = 0; i < BATCH; i++) {
		pieces[i] = (struct iovec){ .iov_base = frames[i], .iov_len = attack->make(s, frames[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
	}
	sent = sendmmsg(fd, messages, BATCH, 0);
	return sent > 0 ? (__u32)sent : 0;
}

/* Sends --rate frames a second for --seconds. */
static __u64 siege_run(struct siege *s, const struct attack *attack, int fd)
{
	__u64 begin = bench_wall_time(), end = begin + s->opts->seconds * KS_NSEC_PER_SEC, sent = 0, now;
	double rate = (double)s->opts->rate / (double)KS_NSEC_PER_SEC;
	static const struct timespec idle = { .tv_nsec = IDLE_NS };

	while ((now = bench_wall_time()) < end) {
		double due = (double)(now - begin) * rate - (double)sent;

		if (due < BATCH) {
			nanosleep(&idle, NULL);
			continue;
		}
		if (due > BEHIND_MAX_NS * rate + BATCH)
			begin += (__u64)((due - BEHIND_MAX_NS * rate) / rate);
		sent += batch_send(s, attack, fd);
	}
	return sent;
}

int bench_siege(const struct bench_opts *opts)
{
	const struct attack *attack = attack_find(opts->attack);
	struct siege siege;
	__u64 sent;
	int fd;

	if (!attack)
		return -EINVAL;
	if (siege_init(&siege, opts))
		return bench_fail(-EINVAL,
				  "siege needs --device, --macs, --address, and perhaps --from, of one family");
	fd = packet_socket(opts->device);
	if (fd < 0)
		return bench_fail(fd, "a packet socket on %s", opts->device);
	sent = siege_run(&siege, attack, fd);
	close(fd);
	printf("{\"sent\": %llu}\n", (unsigned long long)sent);
	return 0;
}

#define ECHO_BATCH 64
#define ECHO_BYTES 4096
#define ECHO_BUFFER (1 << 24)
#define ECHO_WAIT_MS 200

/* An IPv6 socket that serves IPv4 as well. Returns the descriptor or -errno. */
static int echo_socket(__u32 port)
{
	struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons((__u16)port) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), off = 0, room = ECHO_BUFFER, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Sends back what has come. */
static void echo_once(int fd)
{
	static __u8 data[ECHO_BATCH][ECHO_BYTES];
	struct sockaddr_in6 from[ECHO_BATCH];
	struct mmsghdr messages[ECHO_BATCH] = { 0 };
	struct iovec pieces[ECHO_BATCH];
	int came;

	for (int i = 0; i < ECHO_BATCH; i++) {
		pieces[i] = (struct iovec){ .iov_base = data[i], .iov_len = ECHO_BYTES };
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &pieces[i], .msg_iovlen = 1
		};
	}
	came = recvmmsg(fd, messages, ECHO_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < came; i++)
		pieces[i].iov_len = messages[i].msg_len;
	/* A datagram that cannot go back is left out, with those of its batch behind it. */
	if (came > 0)
		sendmmsg(fd, messages, (unsigned)came, MSG_DONTWAIT);
}

int bench_echo(const struct bench_opts *opts)
{
	struct pollfd polled[] = { { .fd = echo_socket(opts->port), .events = POLLIN },
				   { .fd = STDIN_FILENO, .events = POLLIN } };

	if (polled[0].fd < 0)
		return bench_fail(polled[0].fd, "port %u", opts->port);
	puts("{\"ready\": true}");
	while (!(polled[1].revents & (POLLIN | POLLHUP))) {
		if (poll(polled, KS_ARRAY_SIZE(polled), ECHO_WAIT_MS) > 0 && polled[0].revents)
			echo_once(polled[0].fd);
	}
	close(polled[0].fd);
	return 0;
}
