/* SPDX-License-Identifier: BSD-2-Clause */
/* Express, as the program of XDP takes it; see express.bpf.c. */
#ifndef KS_BPF_EXPRESS_BPF_H
#define KS_BPF_EXPRESS_BPF_H

#include "bpf/env.bpf.h"

#define EXPRESS_LEFT (-1) /* the packet is left to the inspection, for which nothing has changed */

/* Returns true if packets that come by the interface may be sent on now. */
bool express_is_open(const struct ks_guard *guard, const struct ks_control *control, __u64 now);

/*
 * Sends on a packet that is read (ks_inspect_begin()), with KS_TRANSLATE_BOTH halves. `express`: what is known of the interface
 * that it came by (KS_EXPRESS_*). Returns the verdict for XDP, or EXPRESS_LEFT.
 */
int express_send(struct xdp_md *xdp, struct ks_env *env, const struct ks_control *control, __u32 express);

#endif
