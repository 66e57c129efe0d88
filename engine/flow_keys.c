/* SPDX-License-Identifier: BSD-2-Clause */
/* See flow_keys.h. */
#include "engine/flow_keys.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_FIRST 64U

int ks_flow_keys_add(struct ks_flow_keys *keys, const struct ks_flow_key *key)
{
	if (keys->count == keys->room) {
		size_t room = keys->room ? keys->room * 2 : ROOM_FIRST;
		struct ks_flow_key *list = realloc(keys->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		keys->list = list;
		keys->room = room;
	}
	keys->list[keys->count++] = *key;
	return 0;
}

void ks_flow_keys_fini(struct ks_flow_keys *keys)
{
	free(keys->list);
	*keys = (struct ks_flow_keys){ 0 };
}
