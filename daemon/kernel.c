/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Life of a ks_kernel: load, pin, take over, close.
 *
 * Pins lie on a bpffs as PIN_DIR/maps/NAME and PIN_DIR/BUILD/NAME, where BUILD
 * names the build of the programs: a process of another build sees at once
 * that the programs are not its own, loads its own on the same maps, and pins
 * these instead. Maps are pinned before programs, so that a load cut short is
 * recognised as incomplete.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel_priv.h"

static char complaint[4096];

const char *ks_kernel_complaint(void)
{
	return complaint;
}

void ks_kernel_complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(complaint, sizeof(complaint), format, args);
	va_end(args);
}

const char *ks_kernel_map_name(enum ks_kernel_map map)
{
	static const char *const names[KS_MAP_MAX] = {
#define X(id, name) [KS_MAP_##id] = #name,
		KS_KERNEL_MAPS(X)
#undef X
	};

	return names[map];
}

const char *ks_kernel_program_name(enum ks_kernel_program program)
{
	static const char *const names[KS_PROGRAM_MAX] = {
#define X(id, name) [KS_PROGRAM_##id] = #name,
		KS_KERNEL_PROGRAMS(X)
#undef X
	};

	return names[program];
}

struct ks_kernel *ks_kernel_alloc(void)
{
	struct ks_kernel *kernel = calloc(1, sizeof(*kernel));
	int cpus = libbpf_num_possible_cpus();

	if (!kernel || cpus <= 0) {
		free(kernel);
		return NULL;
	}
	kernel->cpus = (unsigned)cpus;
	for (unsigned i = 0; i < KS_MAP_MAX; i++)
		kernel->maps[i] = -1;
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++)
		kernel->programs[i] = -1;
	return kernel;
}

/* Octets of an mmapable array's mapping. */
static size_t map_octets(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return 0;
	return (((size_t)info.value_size + 7) / 8 * 8 * info.max_entries + page - 1) / page * page;
}

static int map_one(int fd, int protection, void *memory)
{
	size_t size = map_octets(fd);
	void *p;

	if (!size)
		return -EINVAL;
	p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*(void **)memory = p;
	return 0;
}

int ks_kernel_map_memory(struct ks_kernel *kernel)
{
	int err = map_one(kernel->maps[KS_MAP_TABLE], PROT_READ, &kernel->table);

	if (!err)
		err = map_one(kernel->maps[KS_MAP_SHAPE], PROT_READ, &kernel->shape);
	if (!err)
		err = map_one(kernel->maps[KS_MAP_COUNTS], PROT_READ, &kernel->counts);
	if (!err)
		err = map_one(kernel->maps[KS_MAP_CONTROL], PROT_READ | PROT_WRITE, &kernel->control);
	if (!err)
		err = map_one(kernel->maps[KS_MAP_CONFIGS], PROT_READ | PROT_WRITE, &kernel->configs);
	if (err)
		ks_kernel_complain("cannot map the tables into memory: %s", strerror(-err));
	return err;
}

static void unmap_one(const void *memory, int fd)
{
	if (memory)
		munmap((void *)(uintptr_t)memory, map_octets(fd));
}

void ks_kernel_close(struct ks_kernel *kernel)
{
	if (!kernel)
		return;
	unmap_one(kernel->table, kernel->maps[KS_MAP_TABLE]);
	unmap_one(kernel->shape, kernel->maps[KS_MAP_SHAPE]);
	unmap_one(kernel->counts, kernel->maps[KS_MAP_COUNTS]);
	unmap_one(kernel->control, kernel->maps[KS_MAP_CONTROL]);
	unmap_one(kernel->configs, kernel->maps[KS_MAP_CONFIGS]);
	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		if (kernel->maps[i] >= 0)
			close(kernel->maps[i]);
	}
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++) {
		if (kernel->programs[i] >= 0)
			close(kernel->programs[i]);
	}
	free(kernel);
}

static void kernel_cleanup(struct ks_kernel **kernel)
{
	ks_kernel_close(*kernel);
}

#define KS_KERNEL_SCOPED __attribute__((cleanup(kernel_cleanup))) struct ks_kernel *

/* PIN_DIR/folder, or PIN_DIR/folder/name. */
static int pin_path(char path[PATH_MAX], const char *pin_dir, const char *folder, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s%s%s", pin_dir, folder, name ? "/" : "", name ? name : "");

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int pin_one(int fd, const char *pin_dir, const char *folder, const char *name)
{
	char path[PATH_MAX];
	int err = pin_path(path, pin_dir, folder, name);

	if (err)
		return err;
	unlink(path);
	if (bpf_obj_pin(fd, path)) {
		err = -errno;
		ks_kernel_complain("cannot pin %s: %s (is it on a bpf file system?)", path, strerror(-err));
	}
	return err;
}

static int make_folder(const char *pin_dir, const char *folder)
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

static int pin_maps(const struct ks_kernel *kernel, const char *pin_dir)
{
	int err = make_folder(pin_dir, "maps");

	for (unsigned i = 0; !err && i < KS_MAP_MAX; i++) {
		if (kernel->maps[i] >= 0)
			err = pin_one(kernel->maps[i], pin_dir, "maps", ks_kernel_map_name(i));
	}
	return err;
}

static int pin_programs(const struct ks_kernel *kernel, const char *pin_dir)
{
	char build[KS_BUILD_TEXT];
	int err;

	ks_kernel_build(build);
	err = make_folder(pin_dir, build);
	for (unsigned i = 0; !err && i < KS_PROGRAM_MAX; i++) {
		if (kernel->programs[i] >= 0)
			err = pin_one(kernel->programs[i], pin_dir, build, ks_kernel_program_name(i));
	}
	return err;
}

/* Empties and removes a folder of pins. */
static int remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return rmdir(path) ? -errno : 0;
}

/* Removes every folder of pin_dir but `keep` and "maps" (keep NULL: all of them). */
static int remove_folders(const char *pin_dir, const char *keep)
{
	DIR *dir = opendir(pin_dir);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.' ||
		    (keep && (!strcmp(entry->d_name, keep) || !strcmp(entry->d_name, "maps"))))
			continue;
		if (!pin_path(path, pin_dir, entry->d_name, NULL))
			err = remove_folder(path) ?: err;
	}
	closedir(dir);
	return err;
}

int ks_kernel_unpin(const char *pin_dir)
{
	int err = remove_folders(pin_dir, NULL);

	if (rmdir(pin_dir) && errno != ENOENT && !err)
		err = -errno;
	return err;
}

long ks_kernel_run(const struct ks_kernel *kernel, enum ks_kernel_program program, const void *data, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = (__u32)size, .repeat = 1);

	if (bpf_prog_test_run_opts(kernel->programs[program], &opts))
		return -errno;
	return opts.retval;
}

/* Starts the sweeper, or makes a running one call the programs of this kernel. */
static int start_sweeper(const struct ks_kernel *kernel)
{
	static const __u8 frame[64];
	long result = ks_kernel_run(kernel, KS_PROGRAM_START, frame, sizeof(frame));

	if (!result)
		return 0;
	ks_kernel_complain("cannot start the expiry timer: %ld", result);
	return result < 0 ? (int)result : -EIO;
}

static int init_shape(const struct ks_kernel *kernel, __u32 buckets)
{
	struct ks_table_shape shape = { .buckets = buckets };
	__u32 zero = 0;

	if (getrandom(shape.key, sizeof(shape.key), 0) != sizeof(shape.key))
		return -EIO;
	return bpf_map_update_elem(kernel->maps[KS_MAP_SHAPE], &zero, &shape, BPF_ANY) ? -errno : 0;
}

int ks_kernel_load(const struct ks_policy *policy, const struct ks_kernel_opts *opts, struct ks_kernel **kernel)
{
	KS_KERNEL_SCOPED new = ks_kernel_alloc();
	static const struct ks_kernel_opts defaults;
	__u32 buckets = ks_table_buckets(ks_table_entries(&policy->config));
	int err;

	ks_kernel_complain("%s", "");
	if (!new)
		return -ENOMEM;
	if (!opts)
		opts = &defaults;
	err = ks_kernel_load_programs(new, opts, buckets, NULL);
	if (!err)
		err = init_shape(new, buckets);
	if (!err)
		err = ks_kernel_map_memory(new);
	if (!err)
		err = ks_kernel_set_policy(new, policy);
	if (!err)
		err = start_sweeper(new);
	if (!err && opts->pin_dir)
		err = pin_maps(new, opts->pin_dir) ?: pin_programs(new, opts->pin_dir);
	if (err)
		return err;
	*kernel = new;
	new = NULL;
	return 0;
}

static int get_pin(const char *pin_dir, const char *folder, const char *name)
{
	char path[PATH_MAX];
	int err = pin_path(path, pin_dir, folder, name);
	int fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int get_maps(const char *pin_dir, int maps[KS_MAP_MAX])
{
	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		maps[i] = get_pin(pin_dir, "maps", ks_kernel_map_name(i));
		if (maps[i] < 0 && i != KS_MAP_XDP_STAGES)
			return maps[i];
	}
	return 0;
}

static int get_programs(const char *pin_dir, const char *build, int programs[KS_PROGRAM_MAX])
{
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++) {
		programs[i] = get_pin(pin_dir, build, ks_kernel_program_name(i));
		if (programs[i] < 0 && i != KS_PROGRAM_XDP)
			return programs[i];
	}
	return 0;
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) ? 0 : info.id;
}

/* Pins the maps that are not the ones that were there. */
static int pin_renewed(const struct ks_kernel *kernel, const char *pin_dir, const __u32 ids[KS_MAP_MAX])
{
	int err = 0;

	for (unsigned i = 0; !err && i < KS_MAP_MAX; i++) {
		if (kernel->maps[i] >= 0 && map_id(kernel->maps[i]) != ids[i])
			err = pin_one(kernel->maps[i], pin_dir, "maps", ks_kernel_map_name(i));
	}
	return err;
}

/* Another build's maps are there, its programs are not ours: ours go onto its maps. */
static int load_on_maps(struct ks_kernel *kernel, const char *pin_dir, const char *build)
{
	const struct ks_kernel_opts opts = { .tc_only = true };
	__u32 ids[KS_MAP_MAX];
	int reuse[KS_MAP_MAX];
	int err;

	memcpy(reuse, kernel->maps, sizeof(reuse));
	for (unsigned i = 0; i < KS_MAP_MAX; i++)
		ids[i] = map_id(reuse[i]);
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++) {
		if (kernel->programs[i] >= 0)
			close(kernel->programs[i]);
		kernel->programs[i] = -1;
	}
	err = ks_kernel_load_programs(kernel, &opts, 0, reuse);
	if (!err)
		err = start_sweeper(kernel);
	if (!err)
		err = pin_renewed(kernel, pin_dir, ids);
	if (!err)
		err = pin_programs(kernel, pin_dir);
	return err ?: remove_folders(pin_dir, build);
}

/* Programs are pinned after all maps: if some are there, a map that is missing never was. */
static bool has_programs(const char *pin_dir)
{
	DIR *dir = opendir(pin_dir);
	struct dirent *entry;
	bool found = false;

	while (dir && (entry = readdir(dir)))
		found |= entry->d_name[0] != '.' && strcmp(entry->d_name, "maps");
	if (dir)
		closedir(dir);
	return found;
}

static int refuse_other_version(void)
{
	ks_kernel_complain("the running firewall was started by another version of Keepstate with other maps: its "
			   "states cannot be taken over. Stop it (keepstate stop), then start again");
	return -EMEDIUMTYPE;
}

int ks_kernel_reopen(const char *pin_dir, struct ks_kernel **kernel)
{
	KS_KERNEL_SCOPED new = ks_kernel_alloc();
	char build[KS_BUILD_TEXT];
	int err;

	ks_kernel_complain("%s", "");
	if (!new)
		return -ENOMEM;
	ks_kernel_build(build);
	err = get_maps(pin_dir, new->maps);
	if (err)
		return err == -ENOENT && has_programs(pin_dir) ? refuse_other_version() : err;
	if (get_programs(pin_dir, build, new->programs))
		err = load_on_maps(new, pin_dir, build);
	if (!err)
		err = ks_kernel_map_memory(new);
	if (err)
		return err;
	*kernel = new;
	new = NULL;
	return 0;
}

int ks_kernel_map_fd(const struct ks_kernel *kernel, enum ks_kernel_map map)
{
	return kernel->maps[map];
}

int ks_kernel_program_fd(const struct ks_kernel *kernel, enum ks_kernel_program program)
{
	return kernel->programs[program];
}

struct ks_control *ks_kernel_control(struct ks_kernel *kernel)
{
	return kernel->control;
}

const struct ks_table_counts *ks_kernel_counts(const struct ks_kernel *kernel)
{
	return kernel->counts;
}

const struct ks_table_shape *ks_kernel_shape(const struct ks_kernel *kernel)
{
	return kernel->shape;
}

const struct ks_config *ks_kernel_config(const struct ks_kernel *kernel)
{
	return &kernel->configs[kernel->control->active & 1];
}

__u64 ks_kernel_now(const struct ks_kernel *kernel)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * KS_NSEC_PER_SEC + (__u64)now.tv_nsec + kernel->control->clock_offset;
}
