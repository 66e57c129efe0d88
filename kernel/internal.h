/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of kernel/: what its files share. Nobody else includes it. */
#ifndef KS_KERNEL_INTERNAL_H
#define KS_KERNEL_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "engine/set_store.h"
#include "engine/table_copy.h"
#include "kernel/kernel.h"
#include "text/scoped.h"

#define KS_SLOTS 2 /* generations of policy: one in use, one to fill */

KS_SCOPED(ks_auto_btf, struct btf *, btf__free)
#define ks_auto_btf ks_scoped(ks_auto_btf)

struct ks_kernel {
	int maps[KS_MAP_MAX];
	int programs[KS_PROGRAM_MAX];
	int rules[2]; /* the inner maps of rules that this process made, by slot; -1 without one */

	/* mappings of whole maps */
	const struct ks_bucket *table;
	const struct ks_table_shape *shape;
	const struct ks_table_counts *counts;
	struct ks_control *control;
	struct ks_config *configs; /* [KS_SLOTS] */

	unsigned cpus; /* possible CPUs: values of a per-CPU map */
	char *pin_dir; /* NULL: nothing is pinned */
	struct ks_growth *growth; /* during a takeover into a new table, else NULL */
	struct ks_set_store sets; /* the run-time sets of the policy in force (sets.c) */
	__u32 zones; /* ids below this have counted packets, or may (read.c) */
	ks_engine_tell_fn *tell; /* ks_kernel_tell_flows() */
	void *tell_arg;
	__u32 stages; /* while it is loaded: a bit for each stage that is loaded with it (stages.c) */
	bool sees_packets; /* its programs can look at the kernel's own packets (Linux 6.2) */
	int front_error; /* why the front cannot be loaded; 0: not tried, or it is */
	bool has_wall; /* tests have a wall clock of their own: */
	__s64 wall; /* to be added to the packet clock */
	bool sweeper_waits; /* after a takeover: it may sweep an old table until ks_kernel_begin_switch() */
};

#define KS_BUILD_TEXT 17

/* The folder of pin_dir in which a map is pinned. */
const char *ks_kernel_map_folder(enum ks_kernel_map map, const char *build);

/* Pins the programs, and the maps that are not those of `ids` (NULL: all maps), in the kernel's pin_dir. */
int ks_kernel_pin_all(const struct ks_kernel *kernel, const __u32 *ids);

/* Notes what programs of this build can use of the running kernel, be they loaded or taken over. */
void ks_kernel_find_features(struct ks_kernel *kernel);

/*
 * Sets size, layout number and hash key of a new table: that of `former`, whose place it takes, because other maps know
 * connections by their hash; a fresh one without (NULL).
 */
int ks_kernel_init_shape(const struct ks_kernel *kernel, __u32 buckets, const struct ks_table_shape *former);

/* Tells the programs what this process knows of the running kernel. */
int ks_kernel_init_control(struct ks_kernel *kernel);

/* Starts the sweeper, or makes a running one call the programs of this kernel. */
int ks_kernel_start_sweeper(const struct ks_kernel *kernel);

/* The packet clock: tests have one of their own. */
__u64 ks_kernel_packet_clock(const struct ks_kernel *kernel);

/* Tells the schedules of a policy that is in a slot (schedules.c). */
void ks_kernel_tell_slot(struct ks_kernel *kernel, const struct ks_policy *policy, __u32 slot);

/* The same of its control groups (cgroups.c). Returns a bit for each that exists. */
__u64 ks_kernel_tell_slot_cgroups(struct ks_kernel *kernel, const struct ks_policy *policy, __u32 slot);

/* Sets what ks_kernel_complaint() says. */
__attribute__((format(printf, 1, 2))) void ks_kernel_complain(const char *format, ...);

/* A ks_kernel with no descriptors. NULL without memory. */
struct ks_kernel *ks_kernel_alloc(void);

/* Counts anew what inner addresses and sources have of the table: programs of another build, or copies of entries, did not (nat.c). */
void ks_kernel_recount(const struct ks_kernel *kernel);

/* Maps the arrays that are read and written in place. All map descriptors must be set. */
int ks_kernel_map_memory(struct ks_kernel *kernel);

__u32 ks_kernel_map_id(int fd); /* 0 on failure */

/* Finds the zones from which packets were counted before, so that a count need not be read of all that there could be. */
int ks_kernel_find_zones(struct ks_kernel *kernel);

/* Maps an mmapable array into memory, and unmaps it. */
int ks_kernel_map_one(int fd, int protection, void *memory);
void ks_kernel_unmap_one(const void *memory, int fd);

/* Runs a program once over `size` bytes of data_in. Returns its return value, or -errno. */
long ks_kernel_run(const struct ks_kernel *kernel, enum ks_kernel_program program, const void *data, size_t size);

/*
 * Loads the programs of the skeleton. `reuse` (may be NULL) has the maps of another
 * build, of which those are used that outlive it; -EMEDIUMTYPE: its table does not
 * fit. Unless `buckets` is 0 a new table with so many is made. Sets the descriptors
 * of `kernel` and closes those it had.
 */
int ks_kernel_load_programs(struct ks_kernel *kernel, const struct ks_kernel_opts *opts, __u32 buckets,
			    const int *reuse);

#define KS_STAGES_ALL 0xffffffffU

/* The stages that packets of a policy may come to, a bit each (stages.c). */
__u32 ks_stages_of(const struct ks_policy *policy);

/* Loads those of the stages that are missing. Returns 0 or -errno, with a complaint. */
int ks_kernel_need_stages(const struct ks_kernel *kernel, __u32 stages);

/* Loads these stages, on the maps of `kernel` (load.c). */
int ks_kernel_load_stages(const struct ks_kernel *kernel, __u32 stages);

/* Loads the front alone, on the maps of `kernel` (front.c). Returns 0 or -errno. */
int ks_kernel_load_front(struct ks_kernel *kernel);

/* From ks_kernel_listen() on libbpf's warnings are kept instead of printed; ks_kernel_said() returns them. */
void ks_kernel_listen(void);
const char *ks_kernel_said(void);

/* Names the build of the programs in the skeleton: 16 hexadecimal digits. */
void ks_kernel_build(char text[KS_BUILD_TEXT]);

/* Returns true for maps that hold programs: each build has its own, which live as long as these programs. */
bool ks_kernel_map_is_of_programs(enum ks_kernel_map map);

/*
 * Describes a map to the kernel: its keys, and a structure of the size of its values. Kernels before 6.2 put a map that
 * is not described into no outer map whose model is. To ask for the description of the model would need CAP_SYS_ADMIN.
 * *types must live until the map is made.
 */
int ks_kernel_describe(const char *type, __u32 value_size, struct bpf_map_create_opts *opts, struct btf **types);

/* --- run-time sets (sets.c) --- */

extern const struct ks_set_memory_ops ks_set_memory_kernel;

/* Put the sets into a generation slot, and empty it. */
int ks_kernel_install_sets(const struct ks_kernel *kernel, const struct ks_set_store *store, __u32 slot);
void ks_kernel_empty_sets(const struct ks_kernel *kernel, __u32 slot);

/* Pin the sets, and remove the pins of those that are gone. */
int ks_kernel_pin_sets(const struct ks_kernel *kernel);
void ks_kernel_unpin_gone_sets(struct ks_kernel *kernel);

/* Opens the sets that are pinned. */
void ks_kernel_open_sets(struct ks_kernel *kernel);

/* Waits until all programs that run now have finished. */
int ks_kernel_wait(const struct ks_kernel *kernel);

/* --- takeovers into a new table (layout.c, grow.c) --- */

struct ks_takeover {
	struct ks_table_shape old;
	__u32 buckets; /* of a new table; 0: the old one is kept */
	ks_convert_fn *convert; /* of its entries; NULL: as they are */
};

/*
 * Reads the shape of a running firewall's table, and decides if a new table is needed. -EMEDIUMTYPE: its layout is not
 * known here. Without a policy (NULL) it does not grow.
 */
int ks_takeover_plan(int shape_fd, const struct ks_policy *policy, struct ks_takeover *takeover);

/* Copy the states into the kernel's new table: when it is made, before the first hook is switched, and after the last is. */
int ks_growth_begin(struct ks_kernel *kernel, const struct ks_takeover *takeover, int old_table, int old_counts);
void ks_growth_catch_up(struct ks_kernel *kernel);
int ks_growth_end(struct ks_kernel *kernel);
void ks_growth_abandon(struct ks_kernel *kernel);

/* Pins the old table under names of its own, and removes these pins. */
int ks_growth_pin_old(const char *pin_dir, const int old[KS_MAP_MAX]);
void ks_growth_unpin_old(const char *pin_dir);

/*
 * Looks for a takeover that was cut short; the maps of `kernel` are those that are pinned. If no hook was switched yet it
 * puts the old table back, there and in the pins, and sets *back. Returns 1 if some hook may have been: then
 * ks_growth_resume() goes on copying into the kernel's table. Returns 0 otherwise, or -errno.
 */
int ks_growth_recover(struct ks_kernel *kernel, bool *back);
int ks_growth_resume(struct ks_kernel *kernel);

/* To be called before a hook is switched; only the first call after a takeover does something: the sweeper is ours then. */
int ks_kernel_begin_switch(struct ks_kernel *kernel);

/* --- pins (pins.c): pin_dir/folder/name --- */

#define KS_PIN_MAPS "maps"
#define KS_PIN_LINKS "links"
#define KS_PIN_FRESH "+" /* ends the name of a pin that is about to replace another */

typedef void ks_pin_fn(const char *name, void *arg);

int ks_pin_make_folder(const char *pin_dir, const char *folder);
int ks_pin_put(int fd, const char *pin_dir, const char *folder, const char *name); /* in place of what is there */
int ks_pin_get(const char *pin_dir, const char *folder, const char *name); /* a descriptor, or -errno */
int ks_pin_put_aside(const char *pin_dir, const char *folder); /* under another name, if it is there */
bool ks_pin_is_there(const char *pin_dir, const char *folder, const char *name);
int ks_pin_remove(const char *pin_dir, const char *folder, const char *name);
int ks_pin_remove_link(const char *pin_dir, const char *name); /* detaches it before */
int ks_pin_each(const char *pin_dir, const char *folder, ks_pin_fn *fn, void *arg); /* folder NULL: the folders */
int ks_pin_remove_folders(const char *pin_dir, const char *keep); /* keep NULL: all; else not these, maps and links */

/* --- hooks (hooks.c; by tcx in tcx.c, by clsact in tc.c) --- */

enum { KS_AT_INGRESS, KS_AT_EGRESS, KS_AT_MAX };

/* The programs that a hook may run: ours, or one of those that keep it covered while ours is moved (bpf/hook.bpf.c). */
enum ks_hook_variant { KS_VARIANT_OWN, KS_VARIANT_FIRST, KS_VARIANT_LATER, KS_VARIANT_MAX };

int ks_hook_program(const struct ks_kernel *kernel, unsigned at, enum ks_hook_variant variant);

int ks_tcx_attach(const struct ks_kernel *kernel, unsigned ifindex, unsigned at);
int ks_tcx_detach(const char *pin_dir, unsigned ifindex, unsigned at);
bool ks_tcx_has_others(unsigned ifindex, unsigned at); /* programs beside ours */
void ks_tcx_state(const struct ks_kernel *kernel, unsigned ifindex, unsigned at, bool *present, bool *first);
void ks_tcx_prune(struct ks_kernel *kernel); /* links of interfaces that are gone or not guarded */

#define KS_FRONT_SUFFIX "-xdp"

bool ks_front_link_is_alive(const char *pin_dir, unsigned ifindex);

int ks_clsact_prepare(unsigned ifindex, bool *created);
int ks_clsact_attach(const struct ks_kernel *kernel, unsigned ifindex, unsigned at);
int ks_clsact_detach(unsigned ifindex, unsigned at);
void ks_clsact_state(const struct ks_kernel *kernel, unsigned ifindex, unsigned at, bool *present, bool *first);
int ks_clsact_step_back(const struct ks_kernel *kernel, unsigned ifindex, unsigned at); /* 1; 0: no filter of ours */
void ks_clsact_remove_if_empty(unsigned ifindex);

const char *ks_kernel_map_name(enum ks_kernel_map map);

#endif
