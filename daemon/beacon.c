/* SPDX-License-Identifier: BSD-2-Clause */
/* See beacon.h. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/beacon.h"
#include "text/scoped.h"

#define KS_BEACON_NAME "keepstate/beacon" /* in the abstract namespace */
#define KS_BEACON_BACKLOG 4096 /* nobody accepts: who connects sees whose it is, and leaves */

static socklen_t beacon_address(struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, KS_BEACON_NAME, sizeof(KS_BEACON_NAME) - 1);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(KS_BEACON_NAME));
}

static int beacon_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Finds who listens there. Returns 0 with *peer, or -errno: -ECONNREFUSED if nobody does. */
static int find_holder(struct ucred *peer)
{
	struct sockaddr_un address;
	socklen_t length = beacon_address(&address), size = sizeof(*peer);
	ks_auto_fd int fd = beacon_socket();

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address, length) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size))
		return -errno;
	return 0;
}

int ks_beacon_light(pid_t *pid)
{
	struct sockaddr_un address;
	socklen_t length = beacon_address(&address);
	ks_auto_fd int fd = beacon_socket();
	struct ucred peer = { 0 };

	if (fd < 0)
		return fd;
	if (!bind(fd, (const struct sockaddr *)&address, length) && !listen(fd, KS_BEACON_BACKLOG))
		return TAKE_FD(fd);
	if (errno != EADDRINUSE)
		return -errno;
	if (find_holder(&peer) || peer.uid != 0) {
		*pid = peer.pid;
		return -EPERM;
	}
	*pid = peer.pid;
	return -EADDRINUSE;
}

pid_t ks_beacon_see(void)
{
	struct ucred peer;

	return !find_holder(&peer) && peer.uid == 0 ? peer.pid : 0;
}
