/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only file that knows the skeleton. It opens it, sizes the table, sets
 * the constants, loads, and takes the descriptors over; the skeleton itself is
 * gone afterwards. libbpf's messages are kept for ks_kernel_complaint().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel_priv.h"
#include "keepstate.skel.h"

static char said[2048]; /* the last warnings of libbpf */

static int keep_message(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t used = strlen(said);

	if (level != LIBBPF_WARN)
		return 0;
	if (used > sizeof(said) / 2) {
		memmove(said, said + used / 2, used - used / 2 + 1);
		used = strlen(said);
	}
	vsnprintf(said + used, sizeof(said) - used, format, args);
	return 0;
}

void ks_kernel_listen(void)
{
	said[0] = '\0';
	libbpf_set_print(keep_message);
}

const char *ks_kernel_said(void)
{
	return said;
}

void ks_kernel_build(char text[KS_BUILD_TEXT])
{
	size_t size;
	const __u8 *elf = keepstate_bpf__elf_bytes(&size);
	__u64 hash = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ elf[i]) * 0x100000001b3ULL;
	snprintf(text, KS_BUILD_TEXT, "%016llx", hash);
}

static int complain_load(int err)
{
	ks_kernel_complain("the kernel refuses the programs: %s\n%s", strerror(-err), said);
	return err;
}

/* The table is sized by the policy, so its number of entries may differ; nothing else may. */
static bool has_shape(const struct bpf_map *map, int fd, bool sized)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &length) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
	       (sized || info.max_entries == bpf_map__max_entries(map));
}

/* Maps that may begin anew when another build's have another shape: counters and working memory. */
static bool is_renewable(unsigned map)
{
	return map == KS_MAP_REASONS || map == KS_MAP_RULE_COUNTS || map == KS_MAP_EVENTS ||
	       map == KS_MAP_EVENTS_LOST || map == KS_MAP_SCRATCH || map == KS_MAP_HELD;
}

/* Tables of programs: those of another build stay with its programs until these are gone. */
static bool is_of_programs(unsigned map)
{
	return map == KS_MAP_TC_STAGES || map == KS_MAP_XDP_STAGES;
}

static int reuse_one(const struct bpf_object *object, unsigned i, int fd)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ks_kernel_map_name(i));

	if (!map)
		return -ENOENT;
	if (is_of_programs(i))
		return 0;
	if (has_shape(map, fd, i == KS_MAP_TABLE))
		return bpf_map__reuse_fd(map, fd);
	if (is_renewable(i))
		return 0;
	ks_kernel_complain("the running firewall was started by another version of Keepstate whose map %s has another "
			   "shape: its states cannot be taken over. Stop it (keepstate stop), then start again",
			   bpf_map__name(map));
	return -EMEDIUMTYPE;
}

static int reuse_maps(const struct bpf_object *object, const int *reuse)
{
	int err = 0;

	for (unsigned i = 0; !err && i < KS_MAP_MAX; i++)
		err = reuse_one(object, i, reuse[i]);
	return err;
}

static int take_fd(int fd, int *to)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return -errno;
	if (*to >= 0)
		close(*to);
	*to = copy;
	return 0;
}

static int take_descriptors(struct ks_kernel *kernel, const struct bpf_object *object)
{
	int err = 0;

	for (unsigned i = 0; !err && i < KS_MAP_MAX; i++) {
		const struct bpf_map *map = bpf_object__find_map_by_name(object, ks_kernel_map_name(i));

		if (!map)
			err = -ENOENT;
		else if (bpf_map__autocreate(map))
			err = take_fd(bpf_map__fd(map), &kernel->maps[i]);
	}
	for (unsigned i = 0; !err && i < KS_PROGRAM_MAX; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(object, ks_kernel_program_name(i));

		if (!program)
			err = -ENOENT;
		else if (bpf_program__autoload(program))
			err = take_fd(bpf_program__fd(program), &kernel->programs[i]);
	}
	return err;
}

/* Every program takes the verifier a while. */
static void leave_xdp_out(const struct bpf_object *object)
{
	struct bpf_map *stages = bpf_object__find_map_by_name(object, ks_kernel_map_name(KS_MAP_XDP_STAGES));
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		if (bpf_program__type(program) == BPF_PROG_TYPE_XDP)
			bpf_program__set_autoload(program, false);
	}
	bpf_map__set_autocreate(stages, false);
	bpf_map__set_type(stages, BPF_MAP_TYPE_ARRAY); /* libbpf 1.1 fills tables of programs even if it makes none */
}

static int load_skeleton(struct keepstate_bpf *skeleton, const struct ks_kernel_opts *opts, __u32 buckets,
			 const int *reuse)
{
	int err;

	skeleton->rodata->ks_test_mode = opts->test_mode;
	if (opts->tc_only)
		leave_xdp_out(skeleton->obj);
	if (reuse)
		err = reuse_maps(skeleton->obj, reuse);
	else
		err = bpf_map__set_max_entries(skeleton->maps.ks_table, buckets);
	if (err)
		return err;
	err = keepstate_bpf__load(skeleton);
	return err ? complain_load(err) : 0;
}

int ks_kernel_load_programs(struct ks_kernel *kernel, const struct ks_kernel_opts *opts, __u32 buckets,
			    const int *reuse)
{
	struct keepstate_bpf *skeleton;
	int err;

	ks_kernel_listen();
	skeleton = keepstate_bpf__open();
	if (!skeleton) {
		err = complain_load(-errno);
	} else {
		err = load_skeleton(skeleton, opts, buckets, reuse);
		if (!err)
			err = take_descriptors(kernel, skeleton->obj);
		keepstate_bpf__destroy(skeleton);
	}
	return err;
}
