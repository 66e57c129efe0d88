/* SPDX-License-Identifier: BSD-2-Clause */
/* See connections.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/api/connections.h"
#include "daemon/report.h"
#include "text/scoped.h"

#define KS_BACKLOG 64
#define KS_ACCEPTED_TOGETHER 8U
#define KS_MASK_ROOT 0177 /* of the modes that a socket of root has */
#define KS_MASK_GROUP 0117

KS_SCOPED(auto_groups, FILE *, fclose)

/* Read from the file itself: the C library would load modules for it that ask a network, before the firewall lets anybody. */
static bool find_group(const char *name, gid_t *gid)
{
	ks_scoped(auto_groups) FILE *groups = name ? fopen("/etc/group", "re") : NULL;
	const struct group *group;

	while (groups && (group = fgetgrent(groups))) {
		if (strcmp(group->gr_name, name))
			continue;
		*gid = group->gr_gid;
		return true;
	}
	return false;
}

/* The right to give files away goes once the firewall is in force, so a socket that is made again may be root's alone. */
static void give_to_group(const char *path, const char *name)
{
	gid_t gid;

	if (find_group(name, &gid) && fchownat(AT_FDCWD, path, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW))
		ks_report_error("%s: it cannot be given to the group %s (%s), so that only root may use it until the "
				"next start",
				path, name, strerror(errno));
}

int ks_connections_listen(struct ks_connections *connections)
{
	const char *path = connections->path;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path); /* of a daemon that is dead, because we hold the lock */
	mask = umask(connections->group ? KS_MASK_GROUP : KS_MASK_ROOT);
	err = bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, KS_BACKLOG) ? -errno : 0;
	umask(mask);
	if (!err)
		give_to_group(path, connections->group);
	if (!err && lstat(path, &connections->made))
		err = -errno;
	if (err)
		return err;
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

	/* Few at a time: clients can connect as fast as we accept, and who has sent a request is not idle once the server has run. */
	for (unsigned n = 0; n < KS_ACCEPTED_TOGETHER; n++) {
		int fd = accept4(connections->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (connections->count >= connections->max && !make_room(connections))
			close(fd);
		else /* closes it if it fails */
			MHD_add_connection(http, fd, (const struct sockaddr *)&address, sizeof(address.sun_family));
	}
}
