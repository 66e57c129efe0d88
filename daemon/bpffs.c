/* SPDX-License-Identifier: BSD-2-Clause */
/* See bpffs.h. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/types.h>

#include "daemon/bpffs.h"
#include "text/scoped.h"

#define KS_NAMESPACE_OF_FIRST "/proc/1/ns/mnt"

static bool is_mounted(const char *dir)
{
	struct statfs fs;

	return !statfs(dir, &fs) && (__u32)fs.f_type == (__u32)BPF_FS_MAGIC;
}

static int mount_here(const char *dir)
{
	return mount("bpf", dir, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") ? -errno : 0;
}

/* Returns true if process 1 has our mount namespace, or none that can be seen. */
static bool is_outside(void)
{
	struct stat mine, first;

	return stat("/proc/self/ns/mnt", &mine) || stat(KS_NAMESPACE_OF_FIRST, &first) || mine.st_ino == first.st_ino;
}

/* Makes the directory and the one above it, which may be missing outside. */
static int make_dirs(const char *dir)
{
	char above[PATH_MAX];

	snprintf(above, sizeof(above), "%s", dir);
	if ((mkdir(dirname(above), 0755) && errno != EEXIST) || (mkdir(dir, 0700) && errno != EEXIST))
		return -errno;
	return 0;
}

/* Mounts it in the namespace of process 1 if need be. Returns a descriptor of a copy of that mount, or -errno. */
static int copy_from_outside(const char *dir)
{
	ks_auto_fd int namespace = open(KS_NAMESPACE_OF_FIRST, O_RDONLY | O_CLOEXEC);
	int err, fd;

	if (namespace < 0 || setns(namespace, CLONE_NEWNS))
		return -errno;
	err = make_dirs(dir);
	if (!err && !is_mounted(dir))
		err = mount_here(dir);
	if (err)
		return err;
	fd = open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool send_descriptor(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1;
}

/* Returns the descriptor that was sent, -EPERM if the sender ended without. */
static int receive_descriptor(int socket)
{
	int fd = -EPERM;
	char byte, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	const struct cmsghdr *head;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return fd;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* A child does it, because setns(2) moves the process that calls it. Returns the copy, or -errno. */
static int fetch_from_outside(const char *dir)
{
	ks_auto_fd int mine = -1;
	ks_auto_fd int other = -1;
	int fds[2], status, fd;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	mine = fds[0];
	other = fds[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (!child) {
		fd = copy_from_outside(dir);
		_exit(fd >= 0 && send_descriptor(other, fd) ? 0 : 1);
	}
	close(TAKE_FD(other)); /* so that the child's death ends the wait */
	fd = receive_descriptor(mine);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return fd;
}

/* Shows the mount of process 1's namespace in ours, unless it came by itself (a shared mount). */
static int show_outside(const char *dir)
{
	ks_auto_fd int fd = fetch_from_outside(dir);

	if (fd < 0)
		return fd;
	if (is_mounted(dir))
		return 0;
	return move_mount(fd, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH) ? -errno : 0;
}

int ks_bpffs_mount(const char *dir)
{
	int err;

	if (is_mounted(dir))
		return 0;
	if (is_outside())
		return mount_here(dir);
	if (!show_outside(dir))
		return 0;
	err = mount_here(dir);
	return err ? err : 1;
}
