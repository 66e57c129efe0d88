/* SPDX-License-Identifier: BSD-2-Clause */
/* Switches of the kernel under /proc/sys. */
#ifndef KS_KERNEL_SYSCTL_H
#define KS_KERNEL_SYSCTL_H

#include <stdbool.h>

/* Returns true if the file at `path` has a number other than 0; false if it cannot be read. */
bool ks_sysctl_is_on(const char *path);

#endif
