/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that a table may take: what the machine has available, and what the control groups of this process leave to it.
 * A table is asked for in one piece, and a machine that has hardly any memory left afterwards is of no use as a gateway; so it
 * is held against these numbers before.
 */
#ifndef KS_KERNEL_MEMORY_H
#define KS_KERNEL_MEMORY_H

#include <stddef.h>

/* Which bound is the lowest, for people: "the machine has", "the control group /x leaves". */
#define KS_MEMORY_WHO 160

/* Returns how many bytes are available, by the files below `root` ("": the system's own). */
unsigned long long ks_memory_available(const char *root, char who[KS_MEMORY_WHO]);

/* Returns 0 if a table of so many bytes fits, or -ENOMEM, having said so (ks_kernel_complaint()). */
int ks_memory_check_table(unsigned long long bytes);

/* The same for a run-time set. */
int ks_memory_check_set(unsigned long long bytes);

#endif
