/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers: protocols that announce further connections inside their control
 * connection. A helper does nothing until a rule assigns it.
 */
#ifndef KS_CORE_HELPER_H
#define KS_CORE_HELPER_H

#include "inspect.h"
#include "types.h"

/* ks_flow.helper */
enum ks_helper_id {
	KS_HELPER_NONE,
	KS_HELPER_FTP, /* RFC 959, RFC 2428 */
	KS_HELPER_TFTP, /* RFC 1350 */
	KS_HELPER_SIP, /* RFC 3261, RFC 4566 */
	KS_HELPER_IRC, /* DCC */
	KS_HELPER_PPTP, /* RFC 2637 */
	KS_HELPER_MAX
};

/*
 * The stage of a packet whose flow, in->flow.before, has a helper: judges it
 * by the flow, then lets the helper read its payload. Leaves in->stage as the
 * next thing to do.
 */
void ks_helper_inspect(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

#endif
