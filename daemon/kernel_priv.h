/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the kernel loader: what kernel.c, kernel_load.c, kernel_policy.c, kernel_read.c and kernel_tc.c share. */
#ifndef KS_DAEMON_KERNEL_PRIV_H
#define KS_DAEMON_KERNEL_PRIV_H

#include "daemon/kernel.h"

#define KS_SLOTS 2 /* generations of policy: one in use, one to fill */

struct ks_kernel {
	int maps[KS_MAP_MAX];
	int programs[KS_PROGRAM_MAX];

	/* mappings of whole maps */
	const struct ks_bucket *table;
	const struct ks_table_shape *shape;
	const struct ks_table_counts *counts;
	struct ks_control *control;
	struct ks_config *configs; /* [KS_SLOTS] */

	unsigned cpus; /* possible processors: values of a per-CPU map */
};

#define KS_BUILD_TEXT 17

/* Sets what ks_kernel_complaint() says. */
__attribute__((format(printf, 1, 2))) void ks_kernel_complain(const char *format, ...);

/* A ks_kernel with no descriptors. NULL without memory. */
struct ks_kernel *ks_kernel_alloc(void);

/* Maps what is read and written in place; all map descriptors are set. */
int ks_kernel_map_memory(struct ks_kernel *kernel);

/* Runs a program once over `size` octets of data_in. Returns its return value, or -errno. */
long ks_kernel_run(const struct ks_kernel *kernel, enum ks_kernel_program program, const void *data, size_t size);

/*
 * Loads the programs of the skeleton. With `reuse` its maps are taken (their
 * shapes must be ours; counters may begin anew), else a table of `buckets` is
 * made. Sets the descriptors of `kernel` and closes those it had.
 */
int ks_kernel_load_programs(struct ks_kernel *kernel, const struct ks_kernel_opts *opts, __u32 buckets,
			    const int *reuse);

/* Keeps libbpf's warnings from here on instead of printing them; what it said since. */
void ks_kernel_listen(void);
const char *ks_kernel_said(void);

/* Names the build of the programs in the skeleton: 16 hexadecimal digits. */
void ks_kernel_build(char text[KS_BUILD_TEXT]);

/* Copies a slot of the table as it is at one moment (kernel_read.c). Returns false while somebody keeps writing. */
bool ks_kernel_copy_slot(const struct ks_slot *slot, struct ks_slot *copy);

const char *ks_kernel_map_name(enum ks_kernel_map map);
const char *ks_kernel_program_name(enum ks_kernel_program program);

#endif
