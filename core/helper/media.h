/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Media ports under address translation: what SIP and RTSP announce of a speaker
 * whose address is translated.
 *
 * Overview: an announced port gets an outer one, by a mapping (core/nat/mapping.h),
 * because either side may send first, and from addresses that are only known later.
 * A stream and its control get two adjacent ports, the first even if the speaker's
 * is (RFC 3550 11). Who may send to them is said by permits: of a media port itself,
 * whom the speaker has sent to; and of the outer endpoint of the control connection,
 * which the mapping names (ks_mapping.control), who speaks there and whom he has
 * named for his own media.
 *
 * Life cycle: as any mapping. Announcing a port again finds the mapping that it has.
 *
 * Source: RFC 3550 11, RFC 4787 4.2, RFC 4566 5.7 and 5.14, RFC 3605.
 */
#ifndef KS_CORE_HELPER_MEDIA_H
#define KS_CORE_HELPER_MEDIA_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/stages.h"

#endif
