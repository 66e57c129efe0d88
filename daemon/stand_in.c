/* SPDX-License-Identifier: BSD-2-Clause */
/* See stand_in.h. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/daemon.h"
#include "daemon/stand_in.h"

void ks_stand_in_fini(struct ks_stand_in *stand_in)
{
	free(stand_in->why);
	free(stand_in->name);
	free(stand_in->instead_of);
	*stand_in = (struct ks_stand_in){ 0 };
}

int ks_stand_in_set(struct ks_stand_in *stand_in, char *why, char *name, char *instead_of)
{
	ks_stand_in_fini(stand_in);
	*stand_in = (struct ks_stand_in){ .why = why, .name = name, .instead_of = instead_of };
	return why && name && instead_of ? 0 : -ENOMEM;
}

const char *ks_stand_in_name(const struct ks_daemon *daemon)
{
	return daemon->stand_in.name ? daemon->stand_in.name : daemon->policy_path;
}
