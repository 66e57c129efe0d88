/* SPDX-License-Identifier: BSD-2-Clause */
/* The numbers of the helpers (core/helper/helper.h), for the policy language too. */
#ifndef KS_CORE_HELPER_ID_H
#define KS_CORE_HELPER_ID_H

/* ks_flow.helper */
enum ks_helper_id {
	KS_HELPER_NONE,
	KS_HELPER_FTP, /* RFC 959, RFC 2428 */
	KS_HELPER_TFTP, /* RFC 1350 */
	KS_HELPER_SIP, /* RFC 3261, RFC 4566 */
	KS_HELPER_IRC, /* DCC */
	KS_HELPER_PPTP, /* RFC 2637 */
	KS_HELPER_RTSP, /* RFC 2326 */
	KS_HELPER_MAX
};

#endif
