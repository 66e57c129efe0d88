/* SPDX-License-Identifier: BSD-2-Clause */
/* See instance.h. Nothing here is called by two threads. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "daemon/beacon.h"
#include "daemon/bpffs.h"
#include "daemon/instance.h"
#include "daemon/persistent.h"
#include "kernel/kernel.h"
#include "kernel/netlink.h"
#include "text/json.h"
#include "text/scoped.h"

/* A directory that we make has this mode whatever the umask is, which the unit sets to 0077: a group may use sockets in it. */
static int make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode))
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) ? -errno : 0;
}

/* Returns true if the path still names the file: its holder before us may have removed it. */
static bool is_current(const char *path, int fd)
{
	struct stat named, locked;

	return !stat(path, &named) && !fstat(fd, &locked) && named.st_ino == locked.st_ino &&
	       named.st_dev == locked.st_dev;
}

/*
 * A lock on the common directory. Every process that uses it holds the lock
 * shared until it ends; one that gets it exclusively may remove the directory.
 */
static int common_lock = -1;

static bool bpf_is_private; /* nobody else sees our bpf file system, nor we that of others */

static int hold_common(void)
{
	if (common_lock >= 0 && !is_current(KS_RUN_DIR, common_lock))
		close(TAKE_FD(common_lock)); /* somebody removed the directory */
	while (common_lock < 0) {
		int err = make_dir(KS_RUN_DIR, 0755);
		ks_auto_fd int fd = err ? err : open(KS_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err ? err : -errno;
		if (!flock(fd, LOCK_SH) && is_current(KS_RUN_DIR, fd))
			common_lock = TAKE_FD(fd);
	}
	return 0;
}

int ks_instance_prepare(const struct ks_instance *instance)
{
	int err = hold_common();

	if (!err)
		err = make_dir(KS_BPF_DIR, 0700);
	if (!err)
		err = make_dir(instance->dir, 0755);
	if (err)
		return err;
	err = ks_bpffs_mount(KS_BPF_DIR);
	bpf_is_private |= err > 0;
	return err;
}

static void read_holder(int fd, struct ks_holder *holder)
{
	ks_auto_json json_t *root = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, NULL);
	const char *policy = json_string_value(json_object_get(root, "policy"));

	memset(holder, 0, sizeof(*holder));
	holder->pid = (pid_t)json_integer_value(json_object_get(root, "pid"));
	holder->since = json_integer_value(json_object_get(root, "since"));
	snprintf(holder->policy, sizeof(holder->policy), "%s", policy ? policy : "");
}

bool ks_instance_is_current(const struct ks_instance *instance, int lock_fd)
{
	return is_current(instance->lock, lock_fd);
}

void ks_instance_read_holder(const struct ks_instance *instance, struct ks_holder *holder)
{
	ks_auto_fd int fd = open(instance->lock, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		memset(holder, 0, sizeof(*holder));
	else
		read_holder(fd, holder);
}

int ks_instance_lock(const struct ks_instance *instance, struct ks_holder *holder)
{
	ks_auto_fd int fd = open(instance->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	int err;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = -errno;
		if (err == -EWOULDBLOCK)
			read_holder(fd, holder);
		return err;
	}
	if (is_current(instance->lock, fd))
		return TAKE_FD(fd);
	memset(holder, 0, sizeof(*holder)); /* the one that removed it ends just now */
	return -EWOULDBLOCK;
}

int ks_instance_sign(int lock_fd, const struct ks_holder *holder)
{
	ks_auto_json json_t *root = json_pack("{s:i, s:I, s:o}", "pid", (int)holder->pid, "since",
					      (json_int_t)holder->since, "policy", ks_json_text(holder->policy));

	if (!root)
		return -ENOMEM;
	return ftruncate(lock_fd, 0) || lseek(lock_fd, 0, SEEK_SET) < 0 || json_dumpfd(root, lock_fd, 0) ? -EIO : 0;
}

struct detach_ctx {
	const char *pins;
	const unsigned *qdiscs;
	unsigned count;
	int err;
};

static void detach_interface(const struct ks_interface *interface, void *arg)
{
	struct detach_ctx *ctx = arg;
	bool ours = false;
	int err;

	for (unsigned i = 0; i < ctx->count; i++)
		ours |= ctx->qdiscs[i] == interface->ifindex;
	err = ks_kernel_detach(ctx->pins, interface->ifindex, ours);
	if (err)
		ctx->err = err;
}

KS_SCOPED(auto_bpf_dir, DIR *, closedir)

/* Returns true if no pins of any instance are left. The kernel has files of its own there, but no folders. */
static bool is_bpf_empty(void)
{
	ks_scoped(auto_bpf_dir) DIR *dir = opendir(KS_BPF_DIR);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			return false;
	}
	return dir;
}

/* The last instance takes the common directory and the bpf file system with it. */
static void remove_common(void)
{
	if (flock(common_lock, LOCK_EX | LOCK_NB) || !is_bpf_empty())
		return;
	umount(KS_BPF_DIR);
	if (bpf_is_private) /* removing the directory would unmount what others have there */
		return;
	rmdir(KS_BPF_DIR);
	rmdir(KS_RUN_DIR);
}

int ks_instance_detach(const struct ks_instance *instance, const unsigned *qdiscs, unsigned count)
{
	struct detach_ctx ctx = { .pins = instance->pins, .qdiscs = qdiscs, .count = count };
	int err = ks_kernel_lower_backstop(instance->pins); /* it would drop packets of interfaces without programs */

	return err ?: ks_netlink_each_interface(detach_interface, &ctx) ?: ctx.err;
}

int ks_instance_clear(const struct ks_instance *instance)
{
	ks_persistent_remove(instance, KS_TRIAL_NOTE);
	ks_persistent_remove(instance, KS_TRIED_POLICY);
	ks_persistent_remove(instance, KS_SETS_TRIAL_FILE);
	return ks_instance_discard(instance);
}

int ks_instance_remove(const struct ks_instance *instance, const unsigned *qdiscs, unsigned count)
{
	int err = ks_instance_detach(instance, qdiscs, count);

	return err ?: ks_instance_clear(instance); /* the pins stay after an error: something is left to clean up */
}

int ks_instance_discard(const struct ks_instance *instance)
{
	/* Those of last_good.c, where nothing lasts longer. */
	static const char *const files[] = { "policy", KS_TRIAL_NOTE, KS_TRIED_POLICY, KS_SETS_TRIAL_FILE };
	char path[KS_INSTANCE_PATH + 16];
	int err = ks_kernel_unpin(instance->pins);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", instance->dir, files[i]);
		unlink(path);
	}
	unlink(instance->ledger);
	unlink(instance->socket);
	unlink(instance->read_socket);
	unlink(instance->lock);
	if (rmdir(instance->dir) && errno != ENOENT && !err)
		err = -errno;
	remove_common();
	return err;
}

void ks_instance_discard_empty(const struct ks_instance *instance)
{
	if (!ks_beacon_see(KS_BEACON_DAEMON) && access(instance->pins, F_OK) && errno == ENOENT)
		ks_instance_discard(instance);
}

void ks_instance_sweep(void)
{
	if (!access(KS_RUN_DIR, F_OK) && !hold_common())
		remove_common();
}
