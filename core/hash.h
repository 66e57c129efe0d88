/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyed hash of flows; see hash.c. */
#ifndef KS_CORE_HASH_H
#define KS_CORE_HASH_H

#include "flow.h"
#include "types.h"

/* 64 bits that nobody can predict without the two words of `secret`. */
__u64 ks_flow_key_hash(const struct ks_flow_key *key, const __u64 *secret);

#endif
