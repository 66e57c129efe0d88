/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP errors. An error is about a flow, must quote a packet that the flow can have sent, and changes nothing of it. */
#ifndef KS_CORE_TRACK_ICMP_ERROR_H
#define KS_CORE_TRACK_ICMP_ERROR_H

#include "core/inspection.h"
#include "core/header/icmp.h"
#include "core/types.h"

/*
 * Judges an ICMP error: parses what it quotes, finds the flow, checks the
 * direction, the zone, and that the quoted packet could have been sent.
 * Changes no state. Returns KS_REASON_OK_RELATED or a reason.
 */
__u32 ks_icmp_error_judge(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

#endif
