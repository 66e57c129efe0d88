/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of ICMP and ICMPv6 messages, as rules write them; see core/track/icmp_error.c. */
#ifndef KS_POLICY_ICMP_H
#define KS_POLICY_ICMP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/header/packet.h"

/* Type and code (-1: any) of a name in ICMP or ICMPv6. Returns 0 or -ENOENT. */
int ks_icmp_lookup(unsigned proto, const char *name, __s32 *type, __s32 *code);

/* All names of both families, some twice, for "did you mean". */
const char *const *ks_icmp_names(size_t *count);

#endif
