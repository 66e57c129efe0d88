/* SPDX-License-Identifier: BSD-2-Clause */
/* Files on a bpffs that keep maps, programs and links alive. kernel.c says which is where. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel/bpf.h"
#include "kernel/internal.h"

#define KS_ASIDE_MAX 100 /* takeovers that were cut short, one after the other */

/* PIN_DIR/folder, or PIN_DIR/folder/name. */
static int pin_path(char path[PATH_MAX], const char *pin_dir, const char *folder, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s%s%s", pin_dir, folder, name ? "/" : "", name ? name : "");

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int ks_pin_make_folder(const char *pin_dir, const char *folder)
{
	char path[PATH_MAX];
	int err = pin_path(path, pin_dir, folder, NULL);

	if (err)
		return err;
	if ((mkdir(pin_dir, 0700) && errno != EEXIST) || (mkdir(path, 0700) && errno != EEXIST)) {
		err = -errno;
		ks_kernel_complain("cannot make %s: %s", path, strerror(-err));
	}
	return err;
}

/* rename(2) replaces the old pin by the new one in one step, so that there is a pin of this name at every moment. */
int ks_pin_put(int fd, const char *pin_dir, const char *folder, const char *name)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int err = pin_path(path, pin_dir, folder, name);

	if (err || snprintf(fresh, sizeof(fresh), "%s" KS_PIN_FRESH, path) >= (int)sizeof(fresh))
		return err ?: -ENAMETOOLONG;
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh) || rename(fresh, path)) {
		err = -errno;
		unlink(fresh);
		ks_kernel_complain("cannot pin %s: %s (is it on a bpf file system?)", path, strerror(-err));
	}
	return err;
}

int ks_pin_put_aside(const char *pin_dir, const char *folder)
{
	char path[PATH_MAX], aside[PATH_MAX];
	int err = pin_path(path, pin_dir, folder, NULL);

	for (unsigned n = 1; !err && n < KS_ASIDE_MAX; n++) {
		if (snprintf(aside, sizeof(aside), "%s-%u", path, n) >= (int)sizeof(aside))
			return -ENAMETOOLONG;
		if (access(aside, F_OK))
			return rename(path, aside) && errno != ENOENT ? -errno : 0;
	}
	return err ?: -EEXIST;
}

int ks_pin_get(const char *pin_dir, const char *folder, const char *name)
{
	char path[PATH_MAX];
	int err = pin_path(path, pin_dir, folder, name);
	int fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

bool ks_pin_is_there(const char *pin_dir, const char *folder, const char *name)
{
	char path[PATH_MAX];

	return !pin_path(path, pin_dir, folder, name) && !access(path, F_OK);
}

int ks_pin_remove(const char *pin_dir, const char *folder, const char *name)
{
	char path[PATH_MAX];
	int err = pin_path(path, pin_dir, folder, name);

	return err ?: unlink(path) && errno != ENOENT ? -errno : 0;
}

int ks_pin_remove_link(const char *pin_dir, const char *name)
{
	ks_auto_fd int fd = ks_pin_get(pin_dir, KS_PIN_LINKS, name);

	if (fd >= 0)
		ks_bpf_link_detach(fd); /* fails if the interface is gone, and the link with it */
	return ks_pin_remove(pin_dir, KS_PIN_LINKS, name);
}

KS_SCOPED(auto_dir, DIR *, closedir)

int ks_pin_each(const char *pin_dir, const char *folder, ks_pin_fn *fn, void *arg)
{
	char path[PATH_MAX];
	int err = pin_path(path, pin_dir, folder ? folder : ".", NULL);
	ks_scoped(auto_dir) DIR *dir = NULL;
	const struct dirent *entry;

	if (err)
		return err;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			fn(entry->d_name, arg);
	}
	return 0;
}

struct pin_remove_ctx {
	const char *pin_dir;
	const char *folder;
	const char *keep; /* NULL: nothing is kept */
	int err;
};

static void remove_pin(const char *name, void *arg)
{
	struct pin_remove_ctx *ctx = arg;
	bool is_link = !strcmp(ctx->folder, KS_PIN_LINKS);
	int err = is_link ? ks_pin_remove_link(ctx->pin_dir, name) : ks_pin_remove(ctx->pin_dir, ctx->folder, name);

	if (err)
		ctx->err = err;
}

/* Empties and removes a folder. */
static void remove_folder(const char *name, void *arg)
{
	struct pin_remove_ctx *outer = arg;
	struct pin_remove_ctx ctx = { .pin_dir = outer->pin_dir, .folder = name };
	char path[PATH_MAX];

	if (outer->keep && (!strcmp(name, outer->keep) || !strcmp(name, KS_PIN_MAPS) || !strcmp(name, KS_PIN_LINKS)))
		return;
	ks_pin_each(ctx.pin_dir, name, remove_pin, &ctx);
	if (!ctx.err && !pin_path(path, ctx.pin_dir, name, NULL) && rmdir(path))
		ctx.err = -errno;
	if (ctx.err)
		outer->err = ctx.err;
}

int ks_pin_remove_folders(const char *pin_dir, const char *keep)
{
	struct pin_remove_ctx ctx = { .pin_dir = pin_dir, .keep = keep };

	return ks_pin_each(pin_dir, NULL, remove_folder, &ctx) ?: ctx.err;
}
