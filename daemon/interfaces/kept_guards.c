/* SPDX-License-Identifier: BSD-2-Clause */
/* See kept_guards.h. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/interfaces/kept_guards.h"

static void guard_keep(unsigned ifindex, const struct ks_guard *guard, void *arg)
{
	struct ks_kept_guards *kept = arg;

	if (kept->count == kept->room) {
		size_t room = kept->room ? kept->room * 2 : 16;
		struct ks_kept_guard *list = realloc(kept->list, room * sizeof(*list));

		kept->no_memory |= !list;
		if (!list)
			return;
		kept->list = list;
		kept->room = room;
	}
	kept->list[kept->count++] = (struct ks_kept_guard){ .ifindex = ifindex, .guard = *guard };
}

int ks_kept_guards_take(const struct ks_kernel *kernel, struct ks_kept_guards *kept)
{
	ks_kernel_each_guard(kernel, guard_keep, kept);
	return kept->no_memory ? -ENOMEM : 0;
}

int ks_kept_guards_restore(struct ks_kernel *kernel, const struct ks_kept_guards *kept)
{
	int first = 0;

	for (size_t i = 0; i < kept->count; i++) {
		int err = ks_kernel_set_guard(kernel, kept->list[i].ifindex, &kept->list[i].guard);

		first = first ?: err;
	}
	return first;
}

void ks_kept_guards_fini(struct ks_kept_guards *kept)
{
	free(kept->list);
	*kept = (struct ks_kept_guards){ 0 };
}
