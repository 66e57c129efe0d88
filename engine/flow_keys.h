/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of flows' keys that grows: those that a review (review.h) finds, and that are ended when it is over. */
#ifndef KS_ENGINE_FLOW_KEYS_H
#define KS_ENGINE_FLOW_KEYS_H

#include <stddef.h>

#include "core/table/flow.h"
#include "text/scoped.h"

struct ks_flow_keys {
	struct ks_flow_key *list;
	size_t count, room;
};

/* Returns 0 or -ENOMEM. */
int ks_flow_keys_add(struct ks_flow_keys *keys, const struct ks_flow_key *key);
void ks_flow_keys_fini(struct ks_flow_keys *keys);

KS_SCOPED_STRUCT(ks_auto_flow_keys, struct ks_flow_keys, ks_flow_keys_fini)
#define ks_auto_flow_keys ks_scoped(ks_auto_flow_keys)

#endif
