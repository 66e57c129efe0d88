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

#define KS_BEACON_BACKLOG 4096 /* nobody accepts: who connects sees whose it is, and leaves */

/* In the abstract namespace. */
static const char *const names[] = {
	[KS_BEACON_DAEMON] = "keepstate/beacon",
	[KS_BEACON_WATCHER] = "keepstate/watcher",
};

static socklen_t beacon_address(enum ks_beacon beacon, struct sockaddr_un *address)
{
	size_t length = strlen(names[beacon]);

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, names[beacon], length);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static int beacon_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Finds who listens there. Returns 0 with *peer, or -errno: -ECONNREFUSED if nobody does. */
static int find_holder(enum ks_beacon beacon, struct ucred *peer)
{
	struct sockaddr_un address;
	socklen_t length = beacon_address(beacon, &address), size = sizeof(*peer);
	ks_auto_fd int fd = beacon_socket();

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address, length) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size))
		return -errno;
	return 0;
}

int ks_beacon_light(enum ks_beacon beacon, pid_t *pid)
{
	struct sockaddr_un address;
	socklen_t length = beacon_address(beacon, &address);
	ks_auto_fd int fd = beacon_socket();
	struct ucred peer = { 0 };

	if (fd < 0)
		return fd;
	if (!bind(fd, (const struct sockaddr *)&address, length) && !listen(fd, KS_BEACON_BACKLOG))
		return TAKE_FD(fd);
	if (errno != EADDRINUSE)
		return -errno;
	if (find_holder(beacon, &peer) || peer.uid != 0) {
		*pid = peer.pid;
		return -EPERM;
	}
	*pid = peer.pid;
	return -EADDRINUSE;
}

pid_t ks_beacon_see(enum ks_beacon beacon)
{
	struct ucred peer;

	return !find_holder(beacon, &peer) && peer.uid == 0 ? peer.pid : 0;
}
