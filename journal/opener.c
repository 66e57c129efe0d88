/* SPDX-License-Identifier: BSD-2-Clause */
/* See opener.h. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/http.h"
#include "core/types.h"
#include "journal/opener.h"
#include "text/scoped.h"

#define JOURNALD_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET "/dev/log"
#define REQUEST_WAITS 10 /* of KS_HTTP_PATIENCE_MS, for room in the socket */

static volatile sig_atomic_t to_hang_up;

/* The other half is another user's, so that no signal of ours reaches it; but it sees the end of the connection. */
static void hang_up(int signal)
{
	shutdown((int)to_hang_up, SHUT_RDWR);
}

static int wait_for_room(void *arg)
{
	unsigned *waits = arg;

	return ++*waits > REQUEST_WAITS ? -ETIMEDOUT : 0;
}

static int connect_to(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	ks_auto_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return TAKE_FD(fd);
}

static int request(const char *socket, const char *path)
{
	ks_auto_fd int fd = connect_to(socket, SOCK_STREAM);
	struct ks_http http;
	unsigned waits = 0;
	int err;

	if (fd < 0)
		return fd;
	ks_http_begin(&http, fd, wait_for_room, &waits);
	err = ks_http_send(&http, "GET", path, NULL);
	return err ? err : TAKE_FD(fd);
}

/* A firewall has its files as long as it is in force, also without a daemon. */
static int look_for(const struct ks_instance *instance)
{
	return access(instance->dir, F_OK) && errno == ENOENT && access(instance->pins, F_OK) && errno == ENOENT
		       ? -ENOENT
		       : -EEXIST;
}

/* Opens what was asked for. Returns a descriptor, or -errno. */
static int open_source(const struct ks_instance *instance, unsigned char source)
{
#define X(name, path) path,
	static const char *const paths[] = { KS_SOURCES(X) };
#undef X

	if (source < KS_ARRAY_SIZE(paths))
		return request(instance->socket, paths[source]);
	if (source == KS_SOURCE_JOURNALD)
		return connect_to(JOURNALD_SOCKET, SOCK_DGRAM);
	if (source == KS_SOURCE_PRESENCE)
		return look_for(instance);
	return source == KS_SOURCE_SYSLOG ? connect_to(SYSLOG_SOCKET, SOCK_DGRAM) : -EINVAL;
}

struct message {
	struct msghdr head;
	struct iovec part;
	int err;
	char control[CMSG_SPACE(sizeof(int))];
};

static void message_init(struct message *message)
{
	memset(message, 0, sizeof(*message));
	message->part = (struct iovec){ &message->err, sizeof(message->err) };
	message->head = (struct msghdr){ .msg_iov = &message->part, .msg_iovlen = 1 };
}

static void send_outcome(int to, int fd)
{
	struct message message;
	struct cmsghdr *head;

	message_init(&message);
	message.err = fd < 0 ? fd : 0;
	if (fd >= 0) {
		message.head.msg_control = message.control;
		message.head.msg_controllen = sizeof(message.control);
		head = CMSG_FIRSTHDR(&message.head);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	sendmsg(to, &message.head, MSG_NOSIGNAL); /* if the other half is gone, the next read says so */
}

static int end_of(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

int ks_opener_serve(int fd, const struct ks_instance *instance, pid_t child)
{
	const struct sigaction end = { .sa_handler = hang_up };
	unsigned char source;

	to_hang_up = fd;
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	for (;;) {
		ssize_t n = recv(fd, &source, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return end_of(child);
		ks_auto_fd int opened = open_source(instance, source);

		send_outcome(fd, opened);
	}
}

static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
static int opener_fd = -1;

void ks_opener_use(int fd)
{
	opener_fd = fd;
}

/* Returns the descriptor in the answer, or the -errno that it says. */
static int receive_outcome(void)
{
	struct message message;
	const struct cmsghdr *head;
	int fd = -ECONNRESET;
	ssize_t n;

	message_init(&message);
	message.head.msg_control = message.control;
	message.head.msg_controllen = sizeof(message.control);
	while ((n = recvmsg(opener_fd, &message.head, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		continue;
	if (n != sizeof(message.err) || message.err)
		return n == sizeof(message.err) ? message.err : -ECONNRESET;
	head = CMSG_FIRSTHDR(&message.head);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

int ks_opener_ask(enum ks_source source)
{
	unsigned char byte = (unsigned char)source;
	int fd;

	pthread_mutex_lock(&asking);
	fd = send(opener_fd, &byte, 1, MSG_NOSIGNAL) == 1 ? receive_outcome() : -ECONNRESET;
	pthread_mutex_unlock(&asking);
	return fd;
}
