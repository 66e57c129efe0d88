/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy's options that change every passing packet: a random IPv4
 * identification (RFC 6864 2), no "don't fragment", a least TTL, a greatest MSS
 * (RFC 6691 1 says what that option means). Checksums are changed accordingly.
 */
#ifndef KS_CORE_SCRUB_H
#define KS_CORE_SCRUB_H

#include "core/rules.h"
#include "core/types.h"

struct ks_env;
struct ks_inspection;

/* Changes what config->scrub asks for. Returns 0 or KS_REASON_TRANSLATE; the packet must be dropped then. */
__u32 ks_scrub(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, const __u8 *head);

/* Lowers the MSS of a SYN to this one. Returns false if the packet could not be changed. */
bool ks_mss_lower(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, __u32 max_mss);

#endif
