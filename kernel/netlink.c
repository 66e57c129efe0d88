/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtnetlink(7): sockets, requests and their replies. The messages themselves
 * are read in netlink_link.c, netlink_route.c, netlink_tc.c and netlink_unicast.c, with
 * the macros of linux/netlink.h, which check lengths.
 *
 * Each request has a socket of its own, so that a reply is never mixed with
 * another one or with news. A reply is a dump that the kernel writes piece by
 * piece: if something changes meanwhile it says so, and the dump is read again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "kernel/netlink.h"
#include "kernel/netlink_internal.h"
#include "text/scoped.h"

#define KS_NETLINK_BUFFER 32768
#define KS_DUMP_TRIES 16 /* while interfaces come and go all the time */
#define KS_BACKLOG (4 << 20) /* bytes of news that may wait while the daemon is busy */

static int open_socket(int protocol, bool blocks)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	ks_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (blocks ? 0 : SOCK_NONBLOCK), protocol);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return TAKE_FD(fd);
}

int ks_netlink_socket_of(int protocol)
{
	return open_socket(protocol, true);
}

int ks_netlink_socket(const unsigned *groups)
{
	const int backlog = KS_BACKLOG;
	ks_auto_fd int fd = open_socket(NETLINK_ROUTE, !groups);

	if (fd < 0 || !groups)
		return TAKE_FD(fd);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &backlog, sizeof(backlog)); /* without it news are lost sooner */
	for (; *groups; groups++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups, sizeof(*groups)) && errno != EINVAL)
			return -errno; /* EINVAL: this kernel has no such group */
	}
	return TAKE_FD(fd);
}

/* NLMSG_OK() of linux/netlink.h compares numbers of different signs. */
static bool is_whole_message(const struct nlmsghdr *message, int length)
{
	return length >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= (__u32)length;
}

/*
 * Calls fn for the messages of a datagram. Returns 1 when the reply is over, 0 if more follows, -errno. Clears *whole if
 * something changed while the kernel wrote the reply, so that parts may be missing.
 */
static int each_message(const void *buffer, int length, ks_message_fn *fn, void *arg, bool *whole)
{
	const struct nlmsghdr *message = buffer;

	for (; is_whole_message(message, length); message = NLMSG_NEXT(message, length)) {
		*whole &= !(message->nlmsg_flags & NLM_F_DUMP_INTR);
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(message))->error ?: 1;
		if (fn(message, arg))
			return 1;
	}
	return 0;
}

static int read_reply(int fd, ks_message_fn *fn, void *arg, bool *whole)
{
	char buffer[KS_NETLINK_BUFFER] __attribute__((aligned(8)));
	int result = 0;

	while (!result) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		result = each_message(buffer, (int)n, fn, arg, whole);
	}
	return result < 0 ? result : 0;
}

static int dump_once(int protocol, const void *request, size_t size, ks_message_fn *fn, void *arg, bool *whole)
{
	ks_auto_fd int fd = open_socket(protocol, true);

	*whole = true;
	if (fd < 0)
		return fd;
	return send(fd, request, size, 0) == (ssize_t)size ? read_reply(fd, fn, arg, whole) : -errno;
}

int ks_netlink_dump(const void *request, size_t size, ks_message_fn *fn, void *arg)
{
	bool whole;

	return dump_once(NETLINK_ROUTE, request, size, fn, arg, &whole);
}

int ks_netlink_ask(int protocol, const void *request, size_t size, ks_message_fn *fn, void *arg)
{
	bool whole;

	return dump_once(protocol, request, size, fn, arg, &whole);
}

void ks_netlink_gather(struct ks_gathered *gathered, const void *entry)
{
	char *list = reallocarray(gathered->list, gathered->count + 1, gathered->entry_size);

	if (!list) {
		gathered->err = -ENOMEM;
		return;
	}
	gathered->list = list;
	memcpy(list + gathered->count++ * gathered->entry_size, entry, gathered->entry_size);
}

int ks_netlink_dump_whole(const void *request, size_t size, ks_message_fn *fn, void *arg, struct ks_gathered *gathered)
{
	for (unsigned i = 0; i < KS_DUMP_TRIES; i++) {
		bool whole;
		int err;

		gathered->count = 0;
		err = dump_once(NETLINK_ROUTE, request, size, fn, arg, &whole) ?: gathered->err;
		if (err || whole)
			return err;
	}
	return -EAGAIN;
}

int ks_netlink_read(int fd, ks_message_fn *fn, void *arg)
{
	char buffer[KS_NETLINK_BUFFER] __attribute__((aligned(8)));
	bool whole = true; /* means nothing for news */

	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		each_message(buffer, (int)n, fn, arg, &whole);
	}
}

__u32 ks_netlink_u32(const struct rtattr *attr)
{
	__u32 number = 0;

	if (RTA_PAYLOAD(attr) == sizeof(number))
		memcpy(&number, RTA_DATA(attr), sizeof(number));
	return number;
}
