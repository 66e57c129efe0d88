/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of the list of interfaces, for tests. */
#ifndef KS_TEST_INTERFACES_ENTRY_H
#define KS_TEST_INTERFACES_ENTRY_H

#include <stdio.h>

#include "daemon/interfaces/interfaces.h"

static inline struct ks_guarded entry(const char *name, unsigned ifindex, enum ks_role_kind role, unsigned zone)
{
	struct ks_guarded guarded = { .ifindex = ifindex, .bearer = ifindex, .role = role, .up = true };

	guarded.guard.zone = (__u8)zone;
	snprintf(guarded.name, sizeof(guarded.name), "%s", name);
	return guarded;
}

#endif
