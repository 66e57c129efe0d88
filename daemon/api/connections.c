/* SPDX-License-Identifier: BSD-2-Clause */
/* See connections.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/api/connections.h"
#include "text/scoped.h"

#define KS_BACKLOG 64

int ks_connections_listen(struct ks_connections *connections, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path); /* of a daemon that is dead, because we hold the lock */
	mask = umask(0177);
	err = bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, KS_BACKLOG) ? -errno : 0;
	umask(mask);
	if (!err && lstat(path, &connections->made))
		err = -errno;
	if (err)
		return err;
	connections->path = path;
	connections->fd = TAKE_FD(fd);
	return 0;
}

void ks_connections_close(struct ks_connections *connections)
{
	if (connections->fd >= 0)
		close(connections->fd);
	connections->fd = -1;
}

bool ks_connections_are_reachable(const struct ks_connections *connections)
{
	struct stat now;

	return !lstat(connections->path, &now) && now.st_ino == connections->made.st_ino &&
	       now.st_dev == connections->made.st_dev;
}

/* Takes it out of the list. Returns it, NULL if it is not there. */
static struct ks_connection *take_out(struct ks_connections *connections, const struct MHD_Connection *connection)
{
	for (struct ks_connection **at = &connections->first; *at; at = &(*at)->next) {
		struct ks_connection *one = *at;

		if (one->connection != connection)
			continue;
		*at = one->next;
		connections->count--;
		return one;
	}
	return NULL;
}

static void put_last(struct ks_connections *connections, struct ks_connection *one)
{
	struct ks_connection **at = &connections->first;

	while (*at)
		at = &(*at)->next;
	*at = one;
	one->next = NULL;
	connections->count++;
}

void ks_connections_notify(void *arg, struct MHD_Connection *connection, void **context,
			   enum MHD_ConnectionNotificationCode code)
{
	struct ks_connections *connections = arg;
	struct ks_connection *one;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		free(take_out(connections, connection));
		return;
	}
	one = calloc(1, sizeof(*one));
	if (!one) /* it is served, and counts for nothing */
		return;
	one->connection = connection;
	put_last(connections, one);
}

void ks_connections_mark(struct ks_connections *connections, struct MHD_Connection *connection, bool busy)
{
	struct ks_connection *one = take_out(connections, connection);

	if (!one)
		return;
	one->busy = busy;
	put_last(connections, one);
}

/* Ends the connection that has been idle longest. Returns false if all are busy. */
static bool make_room(struct ks_connections *connections)
{
	for (struct ks_connection *one = connections->first; one; one = one->next) {
		const union MHD_ConnectionInfo *info;

		if (one->busy)
			continue;
		info = MHD_get_connection_info(one->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info)
			shutdown(info->connect_fd, SHUT_RDWR); /* the server sees its end, and tells us */
		free(take_out(connections, one->connection));
		return true;
	}
	return false;
}

void ks_connections_accept(struct ks_connections *connections, struct MHD_Daemon *http)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	for (;;) {
		int fd = accept4(connections->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (connections->count >= KS_CONNECTIONS_MAX && !make_room(connections))
			close(fd);
		else /* closes it if it fails */
			MHD_add_connection(http, fd, (const struct sockaddr *)&address, sizeof(address.sun_family));
	}
}
