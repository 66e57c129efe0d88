/* SPDX-License-Identifier: BSD-2-Clause */
/* See sysctl.h. */
#include <stdio.h>

#include "kernel/sysctl.h"
#include "text/scoped.h"

bool ks_sysctl_is_on(const char *path)
{
	ks_auto_file FILE *in = fopen(path, "re");
	int value;

	return in && fscanf(in, "%d", &value) == 1 && value != 0;
}
