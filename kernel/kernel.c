/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Life of a ks_kernel: load, pin, take over, close.
 *
 * Pins lie on a bpffs:
 *
 *   PIN_DIR/maps/NAME        maps, shared by all builds
 *   PIN_DIR/maps/NAME-old    the table that a larger one is about to replace (grow.c)
 *   PIN_DIR/BUILD/NAME       the programs of a build, and the maps of programs behind them
 *   PIN_DIR/links/NAME       what attaches them (tcx.c, backstop.c)
 *
 * A process of another build sees at once that the programs are not its own. It
 * loads its own on the same maps beside them; the old ones stay, with their
 * maps of programs, until the last hook runs the new ones. So every packet
 * finds a whole set of programs. Maps are pinned before programs, so that a load
 * cut short is recognised as incomplete.
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

/* Bytes of an mmapable array's mapping. */
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
	free(kernel->pin_dir);
	free(kernel);
}

static void kernel_cleanup(struct ks_kernel **kernel)
{
	ks_kernel_close(*kernel);
}

#define KS_KERNEL_SCOPED __attribute__((cleanup(kernel_cleanup))) struct ks_kernel *

/* Where a map is pinned. */
static const char *folder_of(unsigned map, const char *build)
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
			err = ks_pin_put(kernel->maps[i], kernel->pin_dir, folder_of(i, build), ks_kernel_map_name(i));
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

static int pin_all(struct ks_kernel *kernel, const char *pin_dir, const __u32 *ids)
{
	char build[KS_BUILD_TEXT];

	if (!kernel->pin_dir)
		kernel->pin_dir = strdup(pin_dir);
	if (!kernel->pin_dir)
		return -ENOMEM;
	ks_kernel_build(build);
	return pin_maps(kernel, build, ids) ?: pin_programs(kernel, build);
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
	struct ks_table_shape shape = { .buckets = buckets, .layout = KS_TABLE_LAYOUT };
	__u32 zero = 0;

	if (getrandom(shape.key, sizeof(shape.key), 0) != sizeof(shape.key))
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

/* What this process knows of the running kernel. */
static int init_control(struct ks_kernel *kernel)
{
	if (ks_bpf_has_fib_mark())
		__atomic_fetch_and(&kernel->control->flags, ~KS_CONTROL_NO_MARK, __ATOMIC_RELAXED);
	else
		__atomic_fetch_or(&kernel->control->flags, KS_CONTROL_NO_MARK, __ATOMIC_RELAXED);
	return kernel->control->seal ? 0 : init_seal(kernel);
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
		err = init_control(new);
	if (!err)
		err = ks_kernel_set_policy(new, policy);
	if (!err)
		err = start_sweeper(new);
	if (!err && opts->pin_dir)
		err = pin_all(new, opts->pin_dir, NULL);
	if (err)
		return err;
	*kernel = new;
	new = NULL;
	return 0;
}

/* Gets what is pinned of the maps; -1 for what is not. */
static int get_maps(const char *pin_dir, const char *build, int maps[KS_MAP_MAX])
{
	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		maps[i] = ks_pin_get(pin_dir, folder_of(i, build), ks_kernel_map_name(i));
		if (maps[i] < 0 && maps[i] != -ENOENT)
			return maps[i];
	}
	return 0;
}

static void get_programs(const char *pin_dir, const char *build, int programs[KS_PROGRAM_MAX])
{
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++)
		programs[i] = ks_pin_get(pin_dir, build, ks_kernel_program_name(i));
}

/* What a daemon leaves out. */
static bool may_lack(unsigned program)
{
	return program == KS_PROGRAM_XDP ||
	       ((program == KS_PROGRAM_BACKSTOP_INPUT || program == KS_PROGRAM_BACKSTOP_FORWARD) &&
		!ks_bpf_has_netfilter());
}

/* Returns true if all that this build pins is there. */
static bool is_complete(const struct ks_kernel *kernel)
{
	bool complete = true;

	for (unsigned i = 0; i < KS_MAP_MAX; i++)
		complete &= kernel->maps[i] >= 0 || i == KS_MAP_XDP_STAGES;
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++)
		complete &= kernel->programs[i] >= 0 || may_lack(i);
	return complete;
}

static void close_programs(struct ks_kernel *kernel)
{
	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++) {
		if (kernel->programs[i] >= 0)
			close(kernel->programs[i]);
		kernel->programs[i] = -1;
	}
}

/* The control block is made again. Its head, which never changes, goes over: packets on their way bear the seal. */
static int carry_control(int from, int to)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), zero = 0;
	struct ks_control control = { 0 };
	void *old;
	int err;

	if (bpf_obj_get_info_by_fd(from, &info, &length))
		return -errno;
	if (info.value_size < KS_CONTROL_HEAD)
		return -EMEDIUMTYPE;
	old = calloc(1, info.value_size);
	if (!old)
		return -ENOMEM;
	err = bpf_map_lookup_elem(from, &zero, old) ? -errno : 0;
	memcpy(&control, old, KS_CONTROL_HEAD);
	free(old);
	control.active = control.listeners = 0;
	return err ?: bpf_map_update_elem(to, &zero, &control, BPF_ANY) ? -errno : 0;
}

/*
 * The map of interfaces is made again, and filled before the first hook is switched. Its keys, which never change, go over, in
 * no zone: the daemon takes programs off where it finds an interface that should have none any more.
 */
static int carry_guards(int from, int to)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), ifindex, next;
	const __u32 *key = NULL;
	struct ks_guard guard = { .zone = KS_ZONE_NONE };
	int err = 0;

	if (from < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(from, &info, &length))
		return -errno;
	if (info.key_size != sizeof(next))
		return 0;
	while (!err && !bpf_map_get_next_key(from, key, &next)) {
		err = bpf_map_update_elem(to, &next, &guard, BPF_ANY) ? -errno : 0;
		ifindex = next;
		key = &ifindex;
	}
	return err;
}

static int load_beside(struct ks_kernel *kernel, const struct ks_takeover *takeover, const int old[KS_MAP_MAX])
{
	const struct ks_kernel_opts opts = { .tc_only = true };
	int err = ks_kernel_load_programs(kernel, &opts, takeover->buckets, old);

	if (!err)
		err = carry_control(old[KS_MAP_CONTROL], kernel->maps[KS_MAP_CONTROL])
			      ?: carry_guards(old[KS_MAP_GUARDS], kernel->maps[KS_MAP_GUARDS]);
	if (!err && takeover->buckets)
		err = init_shape(kernel, takeover->buckets)
			      ?: ks_growth_begin(kernel, takeover, old[KS_MAP_TABLE], old[KS_MAP_COUNTS]);
	return err;
}

/* The pinned programs are another build's, or not complete: ours are loaded beside them, on the same table. */
static int load_on_maps(struct ks_kernel *kernel, const struct ks_takeover *takeover)
{
	char build[KS_BUILD_TEXT];
	__u32 ids[KS_MAP_MAX];
	int old[KS_MAP_MAX];
	int err;

	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		old[i] = kernel->maps[i];
		kernel->maps[i] = -1;
		ids[i] = old[i] < 0 ? 0 : ks_kernel_map_id(old[i]);
	}
	close_programs(kernel);
	ks_kernel_build(build);
	err = load_beside(kernel, takeover, old);
	if (!err && takeover->buckets)
		err = ks_growth_pin_old(kernel->pin_dir, old);
	if (!err)
		err = ks_pin_put_aside(kernel->pin_dir, build);
	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		if (old[i] >= 0)
			close(old[i]);
	}
	return err ?: pin_all(kernel, kernel->pin_dir, ids);
}

static void note_build(const char *name, void *arg)
{
	bool *found = arg;

	*found |= strcmp(name, KS_PIN_MAPS) && strcmp(name, KS_PIN_LINKS);
}

/* Programs are pinned after all maps: if some are there, a map that is missing never was. */
static bool has_programs(const char *pin_dir)
{
	bool found = false;

	ks_pin_each(pin_dir, NULL, note_build, &found);
	return found;
}

static int refuse_other_version(void)
{
	ks_kernel_complain("the running firewall was started by another version of Keepstate with other maps: its "
			   "states cannot be taken over. Stop it (keepstate stop), then start again");
	return -EMEDIUMTYPE;
}

static int get_pinned(struct ks_kernel *kernel, const char *pin_dir)
{
	static const unsigned needed[] = { KS_MAP_TABLE, KS_MAP_SHAPE, KS_MAP_COUNTS, KS_MAP_CONTROL };
	char build[KS_BUILD_TEXT];
	int err;

	ks_kernel_build(build);
	err = get_maps(pin_dir, build, kernel->maps);
	if (err)
		return err;
	for (unsigned i = 0; i < KS_ARRAY_SIZE(needed); i++) {
		if (kernel->maps[needed[i]] < 0)
			return has_programs(pin_dir) ? refuse_other_version() : -ENOENT;
	}
	get_programs(pin_dir, build, kernel->programs);
	return 0;
}

/*
 * A growing takeover that was cut short is begun again from the old table if no hook was switched, else finished: the old
 * table, which other hooks may go on with, is copied once more until they are switched too.
 */
static int take_over(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	struct ks_takeover takeover;
	bool back;
	int rest = ks_growth_recover(kernel, &back), err = rest < 0 ? rest : 0;

	if (back)
		close_programs(kernel); /* they use the new table */
	if (!err)
		err = ks_takeover_plan(kernel->maps[KS_MAP_SHAPE], policy, &takeover);
	if (!err && rest > 0 && takeover.buckets) {
		err = ks_growth_resume(kernel);
		ks_growth_abandon(kernel);
		rest = 0;
	}
	if (!err && (takeover.buckets || !is_complete(kernel)))
		err = load_on_maps(kernel, &takeover);
	return err ?: rest > 0 ? ks_growth_resume(kernel) : 0;
}

/* A kept table of an older layout that needs no conversion is one of ours from now on. */
static int note_layout(const struct ks_kernel *kernel)
{
	struct ks_table_shape shape = *kernel->shape;
	__u32 zero = 0;

	if (shape.layout == KS_TABLE_LAYOUT)
		return 0;
	shape.layout = KS_TABLE_LAYOUT;
	return bpf_map_update_elem(kernel->maps[KS_MAP_SHAPE], &zero, &shape, BPF_ANY) ? -errno : 0;
}

int ks_kernel_reopen(const char *pin_dir, const struct ks_policy *policy, struct ks_kernel **kernel)
{
	KS_KERNEL_SCOPED new = ks_kernel_alloc();
	int err;

	ks_kernel_complain("%s", "");
	if (!new)
		return -ENOMEM;
	new->pin_dir = strdup(pin_dir);
	if (!new->pin_dir)
		return -ENOMEM;
	err = get_pinned(new, pin_dir) ?: take_over(new, policy);
	if (!err)
		err = ks_kernel_map_memory(new);
	if (!err)
		err = note_layout(new);
	if (!err)
		err = init_control(new);
	if (err)
		return err;
	new->sweeper_waits = true;
	*kernel = new;
	new = NULL;
	return 0;
}

int ks_kernel_begin_switch(struct ks_kernel *kernel)
{
	int err;

	if (!kernel->sweeper_waits)
		return 0;
	ks_growth_catch_up(kernel);
	err = start_sweeper(kernel);
	kernel->sweeper_waits = err != 0;
	return err;
}

int ks_kernel_forget_old(struct ks_kernel *kernel)
{
	char build[KS_BUILD_TEXT];
	int err, lost;

	if (!kernel->pin_dir)
		return 0;
	err = ks_kernel_begin_switch(kernel); /* had no hook to be switched */
	if (err)
		return err;
	ks_tcx_prune(kernel);
	ks_kernel_build(build);
	err = ks_kernel_wait(kernel); /* the old programs may be running still, and write their table */
	lost = ks_growth_end(kernel);
	ks_growth_unpin_old(kernel->pin_dir);
	if (!err)
		err = ks_pin_remove_folders(kernel->pin_dir, build);
	if (err)
		ks_kernel_complain("cannot end the programs of before: %s", strerror(-err));
	return err ?: lost;
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
