/* SPDX-License-Identifier: BSD-2-Clause */
/* See manager.h. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/manager.h"
#include "daemon/report.h"
#include "text/scoped.h"

#define KS_NOTIFY_MAX 1024

static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = path ? strlen(path) : 0;
	ks_auto_fd int fd = -1;

	if (length < 2 || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') /* the abstract namespace */
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		ks_report_error("cannot tell the service manager '%s': %s", state, strerror(errno));
}

static void notify_with_status(const char *state, const char *status)
{
	char text[KS_NOTIFY_MAX];

	snprintf(text, sizeof(text), "%s\nSTATUS=%s", state, status);
	notify(text);
}

void ks_manager_ready(const char *status)
{
	notify_with_status("READY=1", status);
}

/* A manager of systemd 253 or later wants to know when the reload began, by the clock that both have. */
void ks_manager_reloading(void)
{
	char state[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	notify_with_status(state, "loading a policy; the old one is in force");
}

void ks_manager_stopping(const char *status)
{
	notify_with_status("STOPPING=1", status);
}

bool ks_manager_has_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat err;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &err) &&
	       err.st_dev == device && err.st_ino == inode;
}
