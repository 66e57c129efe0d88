/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients of the control API: the listening socket, and who is connected. Clients that ask for nothing must not keep one
 * away that does: when all places are taken, the one that has been idle longest loses its connection. A client is idle until
 * its request has arrived whole, and again when it is answered.
 *
 * A socket may be for a group besides root: then whoever is in it may connect.
 *
 * libmicrohttpd is given each connection (MHD_add_connection()), so the socket may be made again where somebody removed it.
 */
#ifndef KS_DAEMON_API_CONNECTIONS_H
#define KS_DAEMON_API_CONNECTIONS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/stat.h>

struct ks_connection {
	struct ks_connection *next; /* the one that has been idle longer comes first */
	struct MHD_Connection *connection;
	bool busy;
};

struct ks_connections {
	const char *path; /* of the socket; the caller's */
	const char *group; /* that may connect, NULL: root alone */
	unsigned max; /* clients at a time */
	int fd; /* that listens */
	struct stat made; /* the socket's inode, by which it is known again */
	struct ks_connection *first;
	unsigned count;
};

/*
 * Makes the socket and listens; path, group and max are set. Where there is no such group, or it cannot be given the socket, root
 * alone may connect. Returns 0 or -errno.
 */
int ks_connections_listen(struct ks_connections *connections);
void ks_connections_close(struct ks_connections *connections);

/* Returns true if the path still leads to the socket. */
bool ks_connections_are_reachable(const struct ks_connections *connections);

/* Accepts all who wait, and hands them to the server. */
void ks_connections_accept(struct ks_connections *connections, struct MHD_Daemon *http);

/* For MHD_OPTION_NOTIFY_CONNECTION, with a struct ks_connections. */
void ks_connections_notify(void *arg, struct MHD_Connection *connection, void **context,
			   enum MHD_ConnectionNotificationCode code);

/* A request has arrived, or was answered. */
void ks_connections_mark(struct ks_connections *connections, struct MHD_Connection *connection, bool busy);

#endif
