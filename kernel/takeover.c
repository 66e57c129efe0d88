/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new process takes over what an earlier one pinned.
 *
 * Overview. If the pinned programs are of this build and complete, their
 * descriptors are all that is needed. Otherwise the programs of this build are
 * loaded beside the old ones, on the same table.
 *
 * Life cycle.
 *   1. ks_kernel_reopen() gets the pins, loads the programs if need be, pins
 *      what is new. Maps of programs and of the policy are always made again.
 *   2. The caller sets its policy and attaches each hook. ks_kernel_begin_switch()
 *      runs before the first one: from then on the sweeper is ours.
 *   3. ks_kernel_forget_old() ends the old programs and unpins them.
 *
 * Writers. Between 1 and 3 the programs of both builds run, each hook
 * has one of them, and both write the same table by the same rules. So every
 * packet finds a whole set of programs, and no state is lost. A process that
 * dies at any moment leaves pins by which the next one sees how far it came.
 *
 * If a larger table is wanted, or entries of another layout are converted, the
 * two builds have two tables: see grow.c. A reload that needs a larger table is a
 * takeover by the process itself (ks_kernel_grow()).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "core/table/layout.h"
#include "kernel/bpf.h"
#include "kernel/internal.h"
#include "text/scoped.h"

/* The names by which earlier builds pinned maps. */
static const struct {
	enum ks_kernel_map map;
	const char *name;
} former_names[] = {
	{ KS_MAP_GUARDS, "ks_ports" },
	{ KS_MAP_NEAR_GUARDS, "ks_near_ports" },
};

static int get_by_former_name(const char *pin_dir, unsigned map)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(former_names); i++) {
		if (former_names[i].map == map)
			return ks_pin_get(pin_dir, KS_PIN_MAPS, former_names[i].name);
	}
	return -ENOENT;
}

/* Gets what is pinned of the maps; a negative number for what is not. */
static int get_maps(const char *pin_dir, const char *build, int maps[KS_MAP_MAX])
{
	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		maps[i] = ks_pin_get(pin_dir, ks_kernel_map_folder(i, build), ks_kernel_map_name(i));
		if (maps[i] == -ENOENT)
			maps[i] = get_by_former_name(pin_dir, i);
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

/* Returns true for a program that a daemon leaves out. */
static bool may_lack(unsigned program)
{
	return program == KS_PROGRAM_XDP || program == KS_PROGRAM_FRONT || program == KS_PROGRAM_ASK_RULES ||
	       ((program == KS_PROGRAM_BACKSTOP_INPUT || program == KS_PROGRAM_BACKSTOP_FORWARD) &&
		!ks_bpf_has_netfilter());
}

/* Returns true if all that this build pins is there. */
static bool has_all_pins(const struct ks_kernel *kernel)
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

/*
 * The control block is made again. Its head, which has the same form in every build,
 * is copied: packets on their way bear the seal.
 */
static int carry_control(int from, int to)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), zero = 0;
	struct ks_control control = { 0 };
	ks_auto_free void *old = NULL;

	if (bpf_obj_get_info_by_fd(from, &info, &length))
		return -errno;
	if (info.value_size < KS_CONTROL_HEAD)
		return -EMEDIUMTYPE;
	old = calloc(1, info.value_size);
	if (!old)
		return -ENOMEM;
	if (bpf_map_lookup_elem(from, &zero, old))
		return -errno;
	memcpy(&control, old, KS_CONTROL_HEAD);
	control.active = control.asked = 0;
	if (info.value_size == sizeof(control)) /* this build's own: the table grows */
		control.settling = ((const struct ks_control *)old)->settling;
	return bpf_map_update_elem(to, &zero, &control, BPF_ANY) ? -errno : 0;
}

/*
 * The map of guards is made again, and filled before the first hook is switched. Its keys, which have the same form in every
 * build, are copied, each in no zone: the daemon takes programs off where it finds an interface that should have none any more.
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

/* The maps of another build. */
struct old_maps {
	int fds[KS_MAP_MAX];
	__u32 ids[KS_MAP_MAX]; /* 0 where there is none */
};

static void old_maps_end(struct old_maps *old)
{
	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		if (old->fds[i] >= 0)
			close(old->fds[i]);
	}
}

/* Takes the maps out of the kernel, which gets others. */
static struct old_maps old_maps_of(struct ks_kernel *kernel)
{
	struct old_maps old;

	for (unsigned i = 0; i < KS_MAP_MAX; i++) {
		old.fds[i] = TAKE_FD(kernel->maps[i]);
		old.ids[i] = old.fds[i] < 0 ? 0 : ks_kernel_map_id(old.fds[i]);
	}
	return old;
}

static int load_beside(struct ks_kernel *kernel, const struct ks_takeover *takeover, const int old[KS_MAP_MAX])
{
	const struct ks_kernel_opts opts = { .tc_only = true };
	int err;

	kernel->stages = KS_STAGES_ALL; /* flows are there already */
	err = ks_kernel_load_programs(kernel, &opts, takeover->buckets, old);
	if (!err)
		err = carry_control(old[KS_MAP_CONTROL], kernel->maps[KS_MAP_CONTROL])
			      ?: carry_guards(old[KS_MAP_GUARDS], kernel->maps[KS_MAP_GUARDS]);
	if (!err && takeover->buckets)
		err = ks_kernel_init_shape(kernel, takeover->buckets, &takeover->old)
			      ?: ks_growth_begin(kernel, takeover, old[KS_MAP_TABLE], old[KS_MAP_COUNTS]);
	return err;
}

/* Loads our programs beside those that are pinned, which are another build's or not complete. */
static int load_on_maps(struct ks_kernel *kernel, const struct ks_takeover *takeover)
{
	ks_scoped(old_maps) struct old_maps old = old_maps_of(kernel);
	char build[KS_BUILD_TEXT];
	int err;

	close_programs(kernel);
	ks_kernel_build(build);
	err = load_beside(kernel, takeover, old.fds);
	if (!err && takeover->buckets)
		err = ks_growth_pin_old(kernel->pin_dir, old.fds);
	if (!err)
		err = ks_pin_put_aside(kernel->pin_dir, build);
	return err ?: ks_kernel_pin_all(kernel, old.ids);
}

static void note_build(const char *name, void *arg)
{
	bool *found = arg;

	*found |= strcmp(name, KS_PIN_MAPS) && strcmp(name, KS_PIN_LINKS);
}

/* Programs are pinned after all maps: if some are pinned and a map is not, their version has no such map. */
static bool has_programs(const char *pin_dir)
{
	bool found = false;

	ks_pin_each(pin_dir, NULL, note_build, &found);
	return found;
}

static int refuse_other_version(void)
{
	ks_kernel_complain(
		"the running firewall was started by another version of Keepstate with other maps: its "
		"states cannot be taken over as they are. Stop it by its own `keepstate stop --save`, then start "
		"again: they come along in a file");
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
 * Takes over, after finishing a takeover into a new table that was cut short. If no hook was switched, that begins again from
 * the old table. Else the new table stays, and the old one is copied once more, because hooks that were not switched still
 * use it.
 */
static int take_pinned(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	struct ks_takeover takeover;
	bool back = false;
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
	if (!err && (takeover.buckets || !has_all_pins(kernel)))
		err = load_on_maps(kernel, &takeover);
	return err ?: rest > 0 ? ks_growth_resume(kernel) : 0;
}

/* A table of an older layout that is kept without conversion gets our layout number. */
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
	ks_auto_kernel struct ks_kernel *new = ks_kernel_alloc();
	int err;

	ks_kernel_complain("%s", "");
	if (!new)
		return -ENOMEM;
	new->pin_dir = strdup(pin_dir);
	if (!new->pin_dir)
		return -ENOMEM;
	ks_kernel_find_features(new);
	err = get_pinned(new, pin_dir) ?: take_pinned(new, policy);
	if (!err)
		ks_kernel_open_sets(new);
	if (!err)
		err = ks_kernel_map_memory(new);
	if (!err)
		err = note_layout(new);
	if (!err)
		err = ks_kernel_init_control(new);
	if (err)
		return err;
	new->sweeper_waits = true;
	*kernel = TAKE(new);
	return 0;
}

int ks_kernel_open_table(const char *pin_dir, struct ks_kernel **kernel)
{
	static const enum ks_kernel_map maps[] = { KS_MAP_TABLE, KS_MAP_SHAPE, KS_MAP_COUNTS };
	ks_auto_kernel struct ks_kernel *new = ks_kernel_alloc();
	struct ks_takeover takeover;
	int err = new ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(maps); i++) {
		new->maps[maps[i]] = ks_pin_get(pin_dir, KS_PIN_MAPS, ks_kernel_map_name(maps[i]));
		err = KS_MIN(new->maps[maps[i]], 0);
	}
	if (!err)
		err = ks_takeover_plan(new->maps[KS_MAP_SHAPE], NULL, &takeover);
	if (!err && takeover.convert)
		err = -EMEDIUMTYPE;
	if (!err)
		err = ks_kernel_map_one(new->maps[KS_MAP_TABLE], PROT_READ, &new->table)
			      ?: ks_kernel_map_one(new->maps[KS_MAP_SHAPE], PROT_READ, &new->shape)
			      ?: ks_kernel_map_one(new->maps[KS_MAP_COUNTS], PROT_READ, &new->counts);
	if (err)
		return err;
	*kernel = TAKE(new);
	return 0;
}

/* Reloads are counted on: the policy that a larger kernel gets first is the one that is in force. */
static void carry_generation(const struct ks_kernel *old, struct ks_kernel *new)
{
	new->configs[new->control->active & 1].generation = ks_kernel_config(old)->generation - 1;
}

int ks_kernel_grow(const struct ks_kernel *old, const struct ks_policy *wanted, struct ks_kernel **kernel)
{
	int err = ks_kernel_reopen(old->pin_dir, wanted, kernel);

	if (!err)
		carry_generation(old, *kernel);
	return err;
}

/* Folders of the same build that were put aside go too. */
int ks_kernel_put_back(const struct ks_kernel *old)
{
	char build[KS_BUILD_TEXT];
	int err = ks_kernel_pin_all(old, NULL);

	ks_growth_unpin_old(old->pin_dir);
	ks_kernel_build(build);
	return err ?: ks_pin_remove_folders(old->pin_dir, build);
}

int ks_kernel_begin_switch(struct ks_kernel *kernel)
{
	int err;

	if (!kernel->sweeper_waits)
		return 0;
	ks_growth_catch_up(kernel);
	err = ks_kernel_start_sweeper(kernel);
	kernel->sweeper_waits = err != 0;
	return err;
}

int ks_kernel_forget_old(struct ks_kernel *kernel)
{
	char build[KS_BUILD_TEXT];
	int err, lost;

	if (!kernel->pin_dir)
		return 0;
	err = ks_kernel_begin_switch(kernel); /* if there was no hook to switch */
	if (err)
		return err;
	ks_tcx_prune(kernel);
	ks_kernel_build(build);
	err = ks_kernel_wait(kernel); /* the old programs may be running still, and write their table */
	lost = ks_growth_end(kernel);
	ks_kernel_recount(kernel);
	ks_growth_unpin_old(kernel->pin_dir);
	for (size_t i = 0; i < KS_ARRAY_SIZE(former_names); i++)
		ks_pin_remove(kernel->pin_dir, KS_PIN_MAPS, former_names[i].name);
	if (!err)
		err = ks_pin_remove_folders(kernel->pin_dir, build);
	if (err)
		ks_kernel_complain("cannot end the programs of another build: %s", strerror(-err));
	return err ?: lost;
}
