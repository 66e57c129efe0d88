/* SPDX-License-Identifier: BSD-2-Clause */
/* See persistent.h. Nothing here is called by two threads. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/persistent.h"
#include "text/scoped.h"

#define BYTES_MAX (4LL << 30) /* some twenty million flows */

KS_SCOPED(auto_dir, DIR *, closedir)

int ks_persistent_path(const struct ks_instance *instance, const char *name, char path[KS_INSTANCE_PATH])
{
	char made[KS_INSTANCE_PATH];

	if (snprintf(made, sizeof(made), "%s/%s", instance->state_dir, name) >= (int)sizeof(made))
		return -ENAMETOOLONG;
	memcpy(path, made, sizeof(made));
	return 0;
}

static void read_line(const char *path, char *text, int size)
{
	ks_auto_file FILE *file = fopen(path, "re");

	if (!file || !fgets(text, size, file))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

void ks_persistent_boot(char boot[KS_BOOT_TEXT])
{
	read_line("/proc/sys/kernel/random/boot_id", boot, KS_BOOT_TEXT);
}

void ks_persistent_name_owner(const struct ks_instance *instance, char owner[KS_OWNER_TEXT])
{
	char boot[KS_BOOT_TEXT];

	ks_persistent_boot(boot);
	snprintf(owner, KS_OWNER_TEXT, "%s %llu", boot, instance->cookie);
}

/* Makes the directory and the one above it, but not /var/lib. */
static int make_dirs(const char *path)
{
	char above[KS_INSTANCE_PATH];

	snprintf(above, sizeof(above), "%s", path);
	if (mkdir(dirname(above), 0700) && errno != EEXIST)
		return -errno;
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

static int remove_files(const char *path)
{
	ks_scoped(auto_dir) DIR *dir = opendir(path);
	int err = 0, fd = dir ? dirfd(dir) : -1;
	const struct dirent *entry;

	if (fd < 0)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(fd, entry->d_name, 0))
			err = -errno;
	}
	return err;
}

static int write_owner(FILE *out, void *owner)
{
	return fprintf(out, "%s\n", (const char *)owner) < 0 ? -EIO : 0;
}

void ks_persistent_owner(const struct ks_instance *instance, char owner[KS_OWNER_TEXT])
{
	char path[KS_INSTANCE_PATH];

	owner[0] = '\0';
	if (!ks_persistent_path(instance, "owner", path))
		read_line(path, owner, KS_OWNER_TEXT);
}

bool ks_persistent_is_ours(const struct ks_instance *instance)
{
	char owner[KS_OWNER_TEXT], named[KS_OWNER_TEXT];

	if (!strcmp(instance->name, KS_INSTANCE_HOST))
		return !access(instance->state_dir, F_OK);
	ks_persistent_name_owner(instance, owner);
	ks_persistent_owner(instance, named);
	return !strcmp(owner, named);
}

/* Only a directory whose owner file names the present namespace keeps its files. */
static int claim(const struct ks_instance *instance)
{
	char owner[KS_OWNER_TEXT];

	if (ks_persistent_is_ours(instance))
		return 0;
	ks_persistent_name_owner(instance, owner);
	return remove_files(instance->state_dir) ?: ks_persistent_replace(instance, "owner", write_owner, owner);
}

int ks_persistent_prepare(const struct ks_instance *instance)
{
	int err = make_dirs(instance->state_dir);

	if (!err && access(instance->state_dir, W_OK)) /* it is there, on a file system that is read-only */
		err = -errno;
	if (err)
		return err;
	return strcmp(instance->name, KS_INSTANCE_HOST) ? claim(instance) : 0;
}

/* Makes a rename in a directory last. */
static int sync_dir(const char *path)
{
	ks_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

/* Writes and syncs; the stream is closed in any case. */
static int fill_file(FILE *file, ks_persistent_fn *fill, void *arg)
{
	ks_auto_file FILE *out = file;
	int err = fill(out, arg);

	if (!err && (fflush(out) || fsync(fileno(out))))
		err = -errno;
	return err;
}

int ks_persistent_replace(const struct ks_instance *instance, const char *name, ks_persistent_fn *fill, void *arg)
{
	char path[KS_INSTANCE_PATH], beside[KS_INSTANCE_PATH + 4];
	int fd, err = ks_persistent_path(instance, name, path);
	FILE *file;

	if (err)
		return err;
	snprintf(beside, sizeof(beside), "%s.new", path);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = fill_file(file, fill, arg);
	if (!err && rename(beside, path))
		err = -errno;
	if (err)
		unlink(beside);
	return err ?: sync_dir(instance->state_dir);
}

int ks_persistent_rename(const struct ks_instance *instance, const char *from, const char *to)
{
	char old[KS_INSTANCE_PATH], new[KS_INSTANCE_PATH];
	int err = ks_persistent_path(instance, from, old) ?: ks_persistent_path(instance, to, new);

	if (err)
		return err;
	return rename(old, new) ? -errno : sync_dir(instance->state_dir);
}

int ks_persistent_remove(const struct ks_instance *instance, const char *name)
{
	char path[KS_INSTANCE_PATH];
	int err = ks_persistent_path(instance, name, path);

	if (err)
		return err;
	if (access(path, F_OK) && errno == ENOENT) /* a read-only file system says so before it looks */
		return 0;
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	return sync_dir(instance->state_dir);
}

int ks_persistent_read(const char *path, char **bytes, size_t *size)
{
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ks_auto_free char *made = NULL;
	struct stat status;
	size_t done = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size > BYTES_MAX)
		return -EFBIG;
	made = malloc((size_t)status.st_size + 1);
	if (!made)
		return -ENOMEM;
	while (done < (size_t)status.st_size && (n = read(fd, made + done, (size_t)status.st_size - done))) {
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	*bytes = TAKE(made);
	*size = done;
	return 0;
}
