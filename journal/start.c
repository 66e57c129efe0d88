/* SPDX-License-Identifier: BSD-2-Clause */
/* See start.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/capability.h>

#include "core/types.h"
#include "daemon/report.h"
#include "journal/opener.h"
#include "journal/owner.h"
#include "journal/start.h"
#include "text/scoped.h"

#define BACKLOG 64
#define NOBODY "nobody"

static int find_user(struct ks_start *start)
{
	const struct passwd *user = getpwnam(start->user ? start->user : KS_JOURNAL_USER);

	if (!user && start->user) {
		ks_report_error("journal: there is no user '%s'", start->user);
		return -EINVAL;
	}
	if (!user)
		user = getpwnam(NOBODY);
	if (!user || !user->pw_uid) {
		ks_report_error("journal: it needs a user without rights: " KS_JOURNAL_USER " or " NOBODY);
		return -EINVAL;
	}
	start->uid = user->pw_uid;
	start->gid = user->pw_gid;
	return 0;
}

/* A directory that we make has this mode whatever the umask is, which the unit sets to 0077: a group may use sockets in it. */
static int make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode))
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) ? -errno : 0;
}

/* Its files may be those of another user: of nobody, before there was one for it. Links are left alone. */
static int own_files(const struct ks_start *start)
{
	static const char *const names[] = { KS_JOURNAL_FILE, KS_JOURNAL_FILE "-wal", KS_JOURNAL_FILE "-shm" };
	struct stat status;

	if (fchown(start->directory_fd, start->uid, start->gid) || fchmod(start->directory_fd, 0700))
		return -errno;
	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (fstatat(start->directory_fd, names[i], &status, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid != start->uid &&
		    fchownat(start->directory_fd, names[i], start->uid, start->gid, AT_SYMLINK_NOFOLLOW))
			return -errno;
	}
	return 0;
}

static bool is_ours(const char *name)
{
	static const char *const others[] = { ".", "..", "lost+found" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(others); i++) {
		if (!strcmp(name, others[i]))
			return true;
	}
	return !strncmp(name, KS_JOURNAL_FILE, strlen(KS_JOURNAL_FILE));
}

/* It becomes the other user's, and the root of what it sees: so it is not one in which somebody else has something. */
static int check_directory(const struct ks_start *start)
{
	struct stat status;
	const struct dirent *entry;
	DIR *dir;
	int fd, err = 0;

	if (fstat(start->directory_fd, &status))
		return -errno;
	if (status.st_uid == start->uid)
		return 0;
	fd = openat(start->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (entry = readdir(dir)))
		err = is_ours(entry->d_name) ? 0 : -ENOTEMPTY;
	closedir(dir);
	return err;
}

static int take_lock(int fd)
{
	return !flock(fd, LOCK_EX | LOCK_NB) ? 0 : errno == EWOULDBLOCK ? -EBUSY : -errno;
}

/* Whatever its directory, there is one journal for a network namespace, because there is one socket. */
static int lock_instance(struct ks_start *start)
{
	char path[KS_INSTANCE_PATH];
	int err = make_dir(KS_JOURNAL_RUN_DIR, 0755);

	if (err)
		return err;
	snprintf(path, sizeof(path), KS_JOURNAL_RUN_DIR "/%s.lock", start->instance.name);
	start->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return start->lock_fd < 0 ? -errno : take_lock(start->lock_fd);
}

static int open_directory(struct ks_start *start)
{
	int err = 0;

	if (start->directory) {
		snprintf(start->path, sizeof(start->path), "%s", start->directory);
	} else {
		snprintf(start->path, sizeof(start->path), KS_JOURNAL_DIR "/%s", start->instance.name);
		err = make_dir(KS_STATE_DIR, 0700) ?: make_dir(KS_JOURNAL_DIR, 0700);
	}
	err = err ?: make_dir(start->path, 0700);
	if (err)
		return err;
	start->directory_fd = open(start->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (start->directory_fd < 0)
		return -errno;
	err = take_lock(start->directory_fd) ?: check_directory(start);
	if (!err && !start->directory) /* one that was named belongs to whoever names it */
		err = ks_owner_settle(&start->instance, start->directory_fd);
	return err ?: own_files(start);
}

/* Members of the group may ask. */
static int give_to_group(const char *path)
{
	const struct group *group = getgrnam(KS_JOURNAL_GROUP);

	return group && (chown(path, 0, group->gr_gid) || chmod(path, 0660)) ? -errno : 0;
}

static int open_socket(struct ks_start *start)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int err;

	snprintf(start->socket, sizeof(start->socket), KS_JOURNAL_RUN_DIR "/%s.sock", start->instance.name);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", start->socket);
	start->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (start->listen_fd < 0 || (unlink(start->socket) && errno != ENOENT))
		return -errno;
	mask = umask(0177);
	err = bind(start->listen_fd, (const struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	err = err ?: give_to_group(start->socket);
	return err || !listen(start->listen_fd, BACKLOG) ? err : -errno;
}

int ks_start_prepare(struct ks_start *start)
{
	int err = ks_instance_find(&start->instance) ?: find_user(start);

	if (err == -EINVAL)
		return err;
	err = err ?: lock_instance(start) ?: open_directory(start);
	if (err == -ENOTEMPTY)
		ks_report_error("journal: %s: other things are in it, and it would become the journal's own: give it "
				"an empty directory",
				start->path);
	else if (err == -EBUSY)
		ks_report_error("journal: one runs already for this network namespace (%s)", start->instance.name);
	else if (err)
		ks_report_error("journal: %s: %s", *start->path ? start->path : KS_JOURNAL_DIR, strerror(-err));
	if (err)
		return err;
	err = open_socket(start);
	if (err)
		ks_report_error("journal: %s: %s", start->socket, strerror(-err));
	return err;
}

/* Takes every capability away, also from what would be executed. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap);
	if (syscall(SYS_capset, &head, sets) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}

/* The root is the directory of the file, which has nothing else in it; the user changes last, because it cannot change back. */
static int confine_keeper(struct ks_start *start)
{
	if (fchdir(start->directory_fd) || chroot(".") || chdir("/"))
		return -errno;
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap);
	if (setgroups(0, NULL) || setresgid(start->gid, start->gid, start->gid) ||
	    setresuid(start->uid, start->uid, start->uid))
		return -errno;
	umask(077);
	return drop_capabilities();
}

/* The lock is the keeper's: it lasts as long as it. */
static void serve_as_opener(struct ks_start *start, int fd, pid_t child, int *code)
{
	int err = drop_capabilities();

	close(TAKE_FD(start->directory_fd));
	close(TAKE_FD(start->listen_fd));
	if (err)
		shutdown(fd, SHUT_RDWR); /* the other half ends, too */
	*code = ks_opener_serve(fd, &start->instance, child);
	unlink(start->socket);
}

int ks_start_split(struct ks_start *start, bool *is_opener, int *code)
{
	ks_auto_fd int mine = -1;
	ks_auto_fd int other = -1;
	int fds[2], err;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	mine = fds[0];
	other = fds[1];
	child = fork();
	if (child < 0)
		return -errno;
	*is_opener = child != 0;
	if (child) {
		close(TAKE_FD(other)); /* so that the child's end ends the connection */
		serve_as_opener(start, mine, child, code);
		return 0;
	}
	err = confine_keeper(start);
	if (!err)
		start->opener_fd = TAKE_FD(other);
	return err;
}
