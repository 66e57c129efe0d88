/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ks_kernel from its making to its end: load, pin, close. takeover.c has the
 * other way to one, from what an earlier process pinned.
 *
 * Pins are files on a bpffs:
 *
 *   PIN_DIR/maps/NAME        maps, shared by all builds
 *   PIN_DIR/maps/NAME-old    the table that another one is about to replace (grow.c)
 *   PIN_DIR/BUILD/NAME       the programs of a build, and the maps of programs behind them
 *   PIN_DIR/links/NAME       what attaches them (tcx.c, backstop.c)
 *
 * Each build pins its programs in a folder of its own, so that two builds can
 * run side by side during a takeover. Maps are pinned before programs, so that
 * a load that was cut short is recognised as incomplete.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/table/layout.h"
#include "kernel/bpf.h"
#include "kernel/internal.h"

static _Thread_local char complaint[4096]; /* a table grows in a thread of its own */

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
	int cpus = libbpf_num_possible_cpus();
	struct ks_kernel *kernel = cpus > 0 ? calloc(1, sizeof(*kernel)) : NULL;

	if (!kernel)
		return NULL;
	kernel->cpus = (unsigned)cpus;
	for (unsigned i = 0; i < KS_MAP_MAX; i++)
		kernel->maps[i] = -1;
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++)
		kernel->programs[i] = -1;
	kernel->rules[0] = kernel->rules[1] = -1;
	ks_set_store_init(&kernel->sets, &ks_set_memory_kernel);
	return kernel;
}

/* Returns how many bytes the mapping of an mmapable array has, 0 on failure. */
static size_t map_bytes(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return 0;
	return (((size_t)info.value_size + 7) / 8 * 8 * info.max_entries + page - 1) / page * page;
}

int ks_kernel_map_one(int fd, int protection, void *memory)
{
	size_t size = map_bytes(fd);
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
	int err = ks_kernel_map_one(kernel->maps[KS_MAP_TABLE], PROT_READ, &kernel->table);

	if (!err)
		err = ks_kernel_map_one(kernel->maps[KS_MAP_SHAPE], PROT_READ, &kernel->shape);
	if (!err)
		err = ks_kernel_map_one(kernel->maps[KS_MAP_COUNTS], PROT_READ, &kernel->counts);
	if (!err)
		err = ks_kernel_map_one(kernel->maps[KS_MAP_CONTROL], PROT_READ | PROT_WRITE, &kernel->control);
	if (!err)
		err = ks_kernel_map_one(kernel->maps[KS_MAP_CONFIGS], PROT_READ | PROT_WRITE, &kernel->configs);
	if (!err)
		err = ks_kernel_find_zones(kernel);
	if (err)
		ks_kernel_complain("cannot map the tables into memory: %s", strerror(-err));
	return err;
}

void ks_kernel_unmap_one(const void *memory, int fd)
{
	if (memory)
		munmap((void *)(uintptr_t)memory, map_bytes(fd));
}

void ks_kernel_close(struct ks_kernel *kernel)
{
	if (!kernel)
		return;
	ks_growth_abandon(kernel);
	ks_kernel_unmap_one(kernel->table, kernel->maps[KS_MAP_TABLE]);
	ks_kernel_unmap_one(kernel->shape, kernel->maps[KS_MAP_SHAPE]);
	ks_kernel_unmap_one(kernel->counts, kernel->maps[KS_MAP_COUNTS]);
	ks_kernel_unmap_one(kernel->control, kernel->maps[KS_MAP_CONTROL]);
	ks_kernel_unmap_one(kernel->configs, kernel->maps[KS_MAP_CONFIGS]);
	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		if (kernel->maps[i] >= 0)
			close(kernel->maps[i]);
	}
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++) {
		if (kernel->programs[i] >= 0)
			close(kernel->programs[i]);
	}
	for (unsigned i = 0; i < KS_ARRAY_SIZE(kernel->rules); i++) {
		if (kernel->rules[i] >= 0)
			close(kernel->rules[i]);
	}
	ks_set_store_fini(&kernel->sets);
	free(kernel->pin_dir);
	free(kernel);
}

const char *ks_kernel_map_folder(enum ks_kernel_map map, const char *build)
{
	return ks_kernel_map_is_of_programs(map) ? build : KS_PIN_MAPS;
}

__u32 ks_kernel_map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) ? 0 : info.id;
}

/* Pins the maps that are not those of `ids` (NULL: all). */
static int pin_maps(const struct ks_kernel *kernel, const char *build, const __u32 *ids)
{
	int err = ks_pin_make_folder(kernel->pin_dir, KS_PIN_MAPS) ?: ks_pin_make_folder(kernel->pin_dir, build);

	for (unsigned i = 0; !err && i < KS_MAP_MAX; i++) {
		if (kernel->maps[i] >= 0 && (!ids || ks_kernel_map_id(kernel->maps[i]) != ids[i]))
			err = ks_pin_put(kernel->maps[i], kernel->pin_dir, ks_kernel_map_folder(i, build),
					 ks_kernel_map_name(i));
	}
	return err;
}

static int pin_programs(const struct ks_kernel *kernel, const char *build)
{
	int err = 0;

	for (unsigned i = 0; !err && i < KS_PROGRAM_MAX; i++) {
		if (kernel->programs[i] >= 0)
			err = ks_pin_put(kernel->programs[i], kernel->pin_dir, build, ks_kernel_program_name(i));
	}
	return err;
}

int ks_kernel_pin_all(const struct ks_kernel *kernel, const __u32 *ids)
{
	char build[KS_BUILD_TEXT];

	ks_kernel_build(build);
	return pin_maps(kernel, build, ids) ?: ks_kernel_pin_sets(kernel) ?: pin_programs(kernel, build);
}

/* Returns true if a pin is missing. */
static bool is_unpinned(const struct ks_kernel *kernel, int fd, const char *folder, const char *name)
{
	return fd >= 0 && !ks_pin_is_there(kernel->pin_dir, folder, name);
}

bool ks_kernel_is_pinned(const struct ks_kernel *kernel)
{
	char build[KS_BUILD_TEXT];
	bool missing = false;

	ks_kernel_build(build);
	for (unsigned i = 0; i < KS_MAP_MAX; i++)
		missing |= is_unpinned(kernel, kernel->maps[i], ks_kernel_map_folder(i, build), ks_kernel_map_name(i));
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++)
		missing |= is_unpinned(kernel, kernel->programs[i], build, ks_kernel_program_name(i));
	return !missing;
}

int ks_kernel_pin_again(const struct ks_kernel *kernel)
{
	return ks_kernel_pin_all(kernel, NULL);
}

int ks_kernel_unpin(const char *pin_dir)
{
	int err = ks_kernel_lower_backstop(pin_dir);

	err = ks_pin_remove_folders(pin_dir, NULL) ?: err;
	if (rmdir(pin_dir) && errno != ENOENT && !err)
		err = -errno;
	return err;
}

const char *ks_kernel_pin_dir(const struct ks_kernel *kernel)
{
	return kernel->pin_dir;
}

long ks_kernel_run(const struct ks_kernel *kernel, enum ks_kernel_program program, const void *data, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = (__u32)size, .repeat = 1);

	if (bpf_prog_test_run_opts(kernel->programs[program], &opts))
		return -errno;
	return opts.retval;
}

int ks_kernel_start_sweeper(const struct ks_kernel *kernel)
{
	static const __u8 frame[64];
	long result = ks_kernel_run(kernel, KS_PROGRAM_START, frame, sizeof(frame));

	if (!result)
		return 0;
	ks_kernel_complain("cannot start the expiry timer: %ld", result);
	return result < 0 ? (int)result : -EIO;
}

int ks_kernel_init_shape(const struct ks_kernel *kernel, __u32 buckets, const struct ks_table_shape *former)
{
	struct ks_table_shape shape = { .buckets = buckets, .layout = KS_TABLE_LAYOUT };
	__u32 zero = 0;

	if (former)
		memcpy(shape.key, former->key, sizeof(shape.key));
	else if (getrandom(shape.key, sizeof(shape.key), 0) != sizeof(shape.key))
		return -EIO;
	return bpf_map_update_elem(kernel->maps[KS_MAP_SHAPE], &zero, &shape, BPF_ANY) ? -errno : 0;
}

static int init_seal(struct ks_kernel *kernel)
{
	__u8 seal = 0;

	while (!seal) {
		if (getrandom(&seal, sizeof(seal), 0) != sizeof(seal))
			return -EIO;
	}
	kernel->control->seal = seal;
	return 0;
}

int ks_kernel_init_control(struct ks_kernel *kernel)
{
	if (ks_bpf_has_fib_mark())
		__atomic_fetch_and(&kernel->control->flags, ~(__u32)KS_CONTROL_NO_MARK, __ATOMIC_RELAXED);
	else
		__atomic_fetch_or(&kernel->control->flags, KS_CONTROL_NO_MARK, __ATOMIC_RELAXED);
	return kernel->control->seal ? 0 : init_seal(kernel);
}

static int pin_fresh(struct ks_kernel *kernel, const char *pin_dir)
{
	kernel->pin_dir = strdup(pin_dir);
	return kernel->pin_dir ? ks_kernel_pin_all(kernel, NULL) : -ENOMEM;
}

int ks_kernel_load(const struct ks_policy *policy, const struct ks_kernel_opts *opts, struct ks_kernel **kernel)
{
	ks_auto_kernel struct ks_kernel *new = ks_kernel_alloc();
	static const struct ks_kernel_opts defaults;
	__u32 buckets = ks_table_buckets(ks_table_entries(&policy->config));
	int err;

	ks_kernel_complain("%s", "");
	if (!new)
		return -ENOMEM;
	if (!opts)
		opts = &defaults;
	new->stages = opts->tc_only ? ks_stages_of(policy) : KS_STAGES_ALL;
	err = ks_kernel_load_programs(new, opts, buckets, NULL);
	if (!err)
		err = ks_kernel_init_shape(new, buckets, NULL);
	if (!err)
		err = ks_kernel_map_memory(new);
	if (!err)
		err = ks_kernel_init_control(new);
	if (!err)
		err = ks_kernel_set_policy(new, policy);
	if (!err)
		err = ks_kernel_start_sweeper(new);
	if (!err && opts->pin_dir)
		err = pin_fresh(new, opts->pin_dir);
	if (err)
		return err;
	*kernel = TAKE(new);
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

const struct ks_bucket *ks_kernel_table(const struct ks_kernel *kernel)
{
	return kernel->table;
}

const struct ks_table_shape *ks_kernel_shape(const struct ks_kernel *kernel)
{
	return kernel->shape;
}

const struct ks_config *ks_kernel_config(const struct ks_kernel *kernel)
{
	return &kernel->configs[kernel->control->active & 1];
}

__u64 ks_kernel_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * KS_NSEC_PER_SEC + (__u64)now.tv_nsec;
}

__u64 ks_kernel_now(const struct ks_kernel *kernel)
{
	return ks_kernel_clock() + (kernel->control ? kernel->control->clock_offset : 0);
}
