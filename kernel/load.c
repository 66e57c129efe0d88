/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only file that knows the skeleton (bpf/keepstate.skel.h), which has the
 * programs. It opens the skeleton, sizes the table, sets the constants, loads,
 * copies the descriptors, and destroys it. libbpf's messages are kept for
 * ks_kernel_complaint().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/bpf.h"
#include "kernel/internal.h"
#include "kernel/memory.h"
#include "bpf/keepstate.skel.h"

static _Thread_local char said[2048]; /* the last warnings of libbpf */

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
	static __u64 hash; /* of some megabytes: made once */
	size_t size;
	const __u8 *elf = keepstate_bpf__elf_bytes(&size);

	if (!hash) {
		hash = 0xcbf29ce484222325ULL; /* FNV-1a */
		for (size_t i = 0; i < size; i++)
			hash = (hash ^ elf[i]) * 0x100000001b3ULL;
	}
	snprintf(text, KS_BUILD_TEXT, "%016llx", hash);
}

static int complain_load(int err)
{
	ks_kernel_complain("the kernel refuses the programs: %s\n%s", strerror(-err), said);
	return err;
}

/* The fate of a map of another build when ours takes over. Size and type do not tell what an entry means. */
enum map_fate {
	FATE_KEPT, /* the table: used again, or there is no takeover */
	FATE_TAKEN, /* used again if it fits: counters, what the table's entries refer to, and which were ended */
	FATE_OWN, /* always made again: the policy, and maps that the daemon fills before the first hook is switched */
};

static enum map_fate fate_of(unsigned map)
{
	switch (map) {
	case KS_MAP_TABLE:
	case KS_MAP_SHAPE:
	case KS_MAP_COUNTS:
		return FATE_KEPT;
	case KS_MAP_BUDGETS: /* counted anew after the takeover (nat.c) */
	case KS_MAP_STACKED: /* devices of other namespaces are only learnt from packets */
	case KS_MAP_REASONS:
	case KS_MAP_ZONE_COUNTS:
	case KS_MAP_FLOW_COUNTS:
	case KS_MAP_RULE_COUNTS:
	case KS_MAP_EVENTS_LOST:
	case KS_MAP_FRONTS:
	case KS_MAP_FRONT_DROPS:
	case KS_MAP_ANSWERS:
	case KS_MAP_ENDED_SETS:
	case KS_MAP_HELD: /* entries of datagrams refer to the fragments in it */
	case KS_MAP_SWEEPER: /* one timer for the table */
		return FATE_TAKEN;
	default:
		return FATE_OWN;
	}
}

bool ks_kernel_map_is_of_programs(enum ks_kernel_map map)
{
	return map == KS_MAP_TC_STAGES || map == KS_MAP_TC_HOOKS || map == KS_MAP_XDP_STAGES ||
	       map == KS_MAP_FRONT_STAGES;
}

static struct bpf_map *find_map(const struct bpf_object *object, unsigned map)
{
	return bpf_object__find_map_by_name(object, ks_kernel_map_name(map));
}

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 length = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &length) ? -errno : 0;
}

/* The table is sized by the policy, so its number of entries may differ; nothing else may. */
static bool map_fits(const struct bpf_object *object, unsigned i, int fd)
{
	struct bpf_map *map = find_map(object, i);
	struct bpf_map_info info;

	if (!map || fd < 0 || map_info(fd, &info) || info.type != bpf_map__type(map) ||
	    info.key_size != bpf_map__key_size(map) || info.value_size != bpf_map__value_size(map))
		return false;
	return i == KS_MAP_TABLE || info.max_entries == bpf_map__max_entries(map);
}

static int refuse_table(unsigned map)
{
	ks_kernel_complain("the running firewall was started by another version of Keepstate whose map %s has another "
			   "shape: its states cannot be taken over as they are. Stop it by its own `keepstate stop "
			   "--save`, then start "
			   "again: they come along in a file",
			   ks_kernel_map_name(map));
	return -EMEDIUMTYPE;
}

static int reuse_maps(const struct bpf_object *object, const int *reuse, bool new_table)
{
	int err = 0;

	for (unsigned i = 0; !err && i < KS_MAP_MAX; i++) {
		enum map_fate fate = fate_of(i);
		bool taken = fate != FATE_OWN && map_fits(object, i, reuse[i]) && (fate != FATE_KEPT || !new_table);

		if (taken)
			err = bpf_map__reuse_fd(find_map(object, i), reuse[i]);
		else if (fate == FATE_KEPT && !new_table)
			err = refuse_table(i);
	}
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

/* A map that holds programs is not made, and not filled: libbpf 1.1 does that even if it makes none. */
static void leave_programs_out(struct bpf_map *map)
{
	bpf_map__set_autocreate(map, false);
	bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY);
}

/* Saves the time that the verifier takes for each program. */
static void leave_xdp_out(const struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		if (bpf_program__type(program) == BPF_PROG_TYPE_XDP)
			bpf_program__set_autoload(program, false);
	}
	leave_programs_out(find_map(object, KS_MAP_XDP_STAGES));
}

/* The program in a slot of ks_tc_stages, or NULL. */
static struct bpf_program *find_stage(const struct bpf_object *object, __u32 slot)
{
	static const char *const names[KS_SLOT_MAX] = {
#define X(id, name) [KS_STAGE_##id] = "ks_tc_" #name,
		KS_STAGES(X)
#undef X
			[KS_SLOT_END] = "ks_tc_end",
		[KS_SLOT_SOURCE] = "ks_tc_source",
	};

	return names[slot] ? bpf_object__find_program_by_name(object, names[slot]) : NULL;
}

/* Loads these stages, and no others. */
static void choose_stages(const struct bpf_object *object, __u32 stages)
{
	for (__u32 slot = 0; slot < KS_SLOT_MAX; slot++) {
		struct bpf_program *program = find_stage(object, slot);

		if (program)
			bpf_program__set_autoload(program, stages >> slot & 1);
	}
}

/* Puts the stages that were loaded into their slots. */
static int install_stages(const struct bpf_object *object, int fd)
{
	int err = 0;

	for (__u32 slot = 0; !err && slot < KS_SLOT_MAX; slot++) {
		const struct bpf_program *program = find_stage(object, slot);
		int stage = program ? bpf_program__fd(program) : -1;

		if (stage >= 0 && bpf_map_update_elem(fd, &slot, &stage, BPF_ANY))
			err = -errno;
	}
	return err;
}

/* Puts what lies behind the front into its slots, if it was loaded. */
static int install_front_stages(const struct keepstate_bpf *skeleton, int fd)
{
	const int stages[KS_FRONT_STAGES] = {
		[KS_FRONT_EXPRESS] = bpf_program__fd(skeleton->progs.ks_front_express),
		[KS_FRONT_PROTECT] = bpf_program__fd(skeleton->progs.ks_front_protect),
	};

	for (__u32 slot = 0; slot < KS_FRONT_STAGES; slot++) {
		if (stages[slot] >= 0 && bpf_map_update_elem(fd, &slot, &stages[slot], BPF_ANY))
			return -errno;
	}
	return 0;
}

/*
 * The type of the backstop's programs is unknown to libbpf 1.1, so it is set by number; the kernel knows it from 6.4 on.
 */
static void prepare_backstop(const struct bpf_object *object, bool test_mode)
{
	static const enum ks_kernel_program programs[] = { KS_PROGRAM_BACKSTOP_INPUT, KS_PROGRAM_BACKSTOP_FORWARD };
	bool wanted = !test_mode && ks_bpf_has_netfilter();

	for (unsigned i = 0; i < KS_ARRAY_SIZE(programs); i++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(object, ks_kernel_program_name(programs[i]));

		bpf_program__set_type(program, KS_BPF_PROG_TYPE_NETFILTER);
		bpf_program__set_expected_attach_type(program, KS_BPF_NETFILTER);
		bpf_program__set_autoload(program, wanted);
	}
}

KS_SCOPED(auto_skeleton, struct keepstate_bpf *, keepstate_bpf__destroy)

/* Returns true if the running kernel has a function that programs may call. */
static bool kernel_has(const char *function)
{
	ks_auto_btf struct btf *types = btf__load_vmlinux_btf();

	return types && btf__find_by_name_kind(types, function, BTF_KIND_FUNC) > 0;
}

void ks_kernel_find_features(struct ks_kernel *kernel)
{
	kernel->sees_packets = kernel_has("bpf_cast_to_kern_ctx");
}

bool ks_kernel_verifies_checksums(const struct ks_kernel *kernel)
{
	return kernel->sees_packets;
}

static int load_skeleton(const struct ks_kernel *kernel, struct keepstate_bpf *skeleton,
			 const struct ks_kernel_opts *opts, __u32 buckets, const int *reuse)
{
	int err;

	skeleton->rodata->ks_test_mode = opts->test_mode;
	skeleton->rodata->ks_has_kernel_skb = kernel->sees_packets;
	if (opts->tc_only)
		leave_xdp_out(skeleton->obj);
	choose_stages(skeleton->obj, kernel->stages);
	prepare_backstop(skeleton->obj, opts->test_mode);
	bpf_program__set_autoload(skeleton->progs.ks_ask_rules, opts->test_mode);
	err = reuse ? reuse_maps(skeleton->obj, reuse, buckets) : 0;
	if (!err && buckets)
		err = bpf_map__set_max_entries(skeleton->maps.ks_table, ks_table_length(buckets))
			      ?: ks_memory_check_table((__u64)ks_table_length(buckets) * sizeof(struct ks_bucket));
	if (err)
		return err;
	err = keepstate_bpf__load(skeleton) ?: install_stages(skeleton->obj, bpf_map__fd(skeleton->maps.ks_tc_stages))
						       ?: install_front_stages(skeleton, bpf_map__fd(skeleton->maps.ks_front_stages));
	return err ? complain_load(err) : 0;
}

int ks_kernel_load_programs(struct ks_kernel *kernel, const struct ks_kernel_opts *opts, __u32 buckets,
			    const int *reuse)
{
	ks_scoped(auto_skeleton) struct keepstate_bpf *skeleton = NULL;
	int err;

	ks_kernel_listen();
	skeleton = keepstate_bpf__open();
	if (!skeleton)
		return complain_load(-errno);
	ks_kernel_find_features(kernel);
	err = load_skeleton(kernel, skeleton, opts, buckets, reuse);
	return err ?: take_descriptors(kernel, skeleton->obj);
}

/*
 * Uses the maps of the running programs, and leaves out all programs: the caller chooses some. A map that is not in KS_KERNEL_MAPS
 * is made again, so what is loaded later must not share one with what was there before.
 */
static int take_running(const struct ks_kernel *kernel, const struct bpf_object *object)
{
	struct bpf_program *program;
	int err = 0;

	for (unsigned i = 0; !err && i < KS_MAP_MAX; i++) {
		if (ks_kernel_map_is_of_programs(i) && i != KS_MAP_TC_STAGES && i != KS_MAP_FRONT_STAGES)
			leave_programs_out(find_map(object, i));
		else
			err = bpf_map__reuse_fd(find_map(object, i), kernel->maps[i]);
	}
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, false);
	return err;
}

/* Opens the skeleton for programs that are loaded beside those that run. */
static int open_beside(const struct ks_kernel *kernel, struct keepstate_bpf **skeleton)
{
	ks_kernel_listen();
	*skeleton = keepstate_bpf__open();
	if (!*skeleton)
		return -errno;
	(*skeleton)->rodata->ks_has_kernel_skb = kernel->sees_packets;
	return take_running(kernel, (*skeleton)->obj);
}

static int choose_front(const struct keepstate_bpf *skeleton)
{
	return bpf_program__set_autoload(skeleton->progs.ks_front, true)
		       ?: bpf_program__set_autoload(skeleton->progs.ks_front_express, true)
		       ?: bpf_program__set_autoload(skeleton->progs.ks_front_protect, true);
}

int ks_kernel_load_front(struct ks_kernel *kernel)
{
	ks_scoped(auto_skeleton) struct keepstate_bpf *skeleton = NULL;
	int err = open_beside(kernel, &skeleton);

	if (!err)
		err = choose_front(skeleton) ?: keepstate_bpf__load(skeleton) ?: install_front_stages(skeleton, kernel->maps[KS_MAP_FRONT_STAGES]);
	if (err)
		return complain_load(err);
	return take_fd(bpf_program__fd(skeleton->progs.ks_front), &kernel->programs[KS_PROGRAM_FRONT]);
}

int ks_kernel_load_stages(const struct ks_kernel *kernel, __u32 stages)
{
	ks_scoped(auto_skeleton) struct keepstate_bpf *skeleton = NULL;
	int err = open_beside(kernel, &skeleton);

	if (!err) {
		choose_stages(skeleton->obj, stages);
		err = keepstate_bpf__load(skeleton) ?: install_stages(skeleton->obj, kernel->maps[KS_MAP_TC_STAGES]);
	}
	return err ? complain_load(err) : 0;
}
