/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded buffer that a packet grows in. Bytes that do not fit are left out and
 * set `overflow`, so that callers need not check each step.
 */
#ifndef KS_SCENARIO_CRAFT_BYTES_H
#define KS_SCENARIO_CRAFT_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"
#include "text/scoped.h"

#define KS_BYTES_MAX 70000U /* a datagram and its link header */

struct ks_bytes {
	__u8 *data;
	size_t length;
	bool overflow;
};

/* Returns 0 or -ENOMEM. */
int ks_bytes_init(struct ks_bytes *bytes);
void ks_bytes_fini(struct ks_bytes *bytes);

KS_SCOPED_STRUCT(ks_auto_bytes, struct ks_bytes, ks_bytes_fini)
#define ks_auto_bytes ks_scoped(ks_auto_bytes)

/* Each appends at the end; numbers go most significant byte first. */
void ks_bytes_add(struct ks_bytes *bytes, const void *data, size_t length);
void ks_bytes_zero(struct ks_bytes *bytes, size_t length);
void ks_bytes_add8(struct ks_bytes *bytes, __u8 value);
void ks_bytes_add16(struct ks_bytes *bytes, __u16 value);
void ks_bytes_add32(struct ks_bytes *bytes, __u32 value);

/* Keeps the first `length` bytes at most. */
void ks_bytes_cut(struct ks_bytes *bytes, size_t length);

#endif
