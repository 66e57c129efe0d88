/* SPDX-License-Identifier: BSD-2-Clause */
/* See owner.h. */
#include "journal/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/types.h"
#include "daemon/persistent.h"
#include "daemon/report.h"
#include "journal/start.h"
#include "text/scoped.h"

#define OWNER_FILE KS_JOURNAL_FILE ".owner"

/* "" if nobody has noted it. The directory is another user's: a link is not followed. */
static void read_owner(int directory_fd, char owner[KS_OWNER_TEXT])
{
	ks_auto_fd int fd = openat(directory_fd, OWNER_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, owner, KS_OWNER_TEXT - 1);

	owner[size > 0 ? size : 0] = '\0';
}

static int write_owner(int directory_fd, const char *owner)
{
	ssize_t size = (ssize_t)strlen(owner);
	ks_auto_fd int fd = -1;

	if (unlinkat(directory_fd, OWNER_FILE, 0) && errno != ENOENT)
		return -errno;
	fd = openat(directory_fd, OWNER_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return write(fd, owner, (size_t)size) == size ? 0 : -EIO;
}

/* The log of SQLite, whose pages are not yet in the file, goes with it. */
static int put_aside(int directory_fd)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char from[32], to[32];

	for (size_t i = 0; i < KS_ARRAY_SIZE(ends); i++) {
		snprintf(from, sizeof(from), KS_JOURNAL_FILE "%s", ends[i]);
		snprintf(to, sizeof(to), KS_JOURNAL_FILE ".old%s", ends[i]);
		if (unlinkat(directory_fd, to, 0) && errno != ENOENT)
			return -errno;
		if (renameat(directory_fd, from, directory_fd, to) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int ks_owner_settle(const struct ks_instance *instance, int directory_fd)
{
	char owner[KS_OWNER_TEXT], present[KS_OWNER_TEXT];
	int err = 0;

	if (!strcmp(instance->name, KS_INSTANCE_HOST) || !instance->cookie)
		return 0;
	ks_persistent_name_owner(instance, present);
	read_owner(directory_fd, owner);
	if (!strcmp(owner, present))
		return 0;
	if (*owner) {
		ks_report("journal: the file is of another network namespace, which had this number (%s): it is put "
			  "aside as " KS_JOURNAL_FILE ".old",
			  instance->name);
		err = put_aside(directory_fd);
	}
	return err ?: write_owner(directory_fd, present);
}
