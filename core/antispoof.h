/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Antispoofing: the source of a packet that would open a flow must be at home in
 * the zone that it comes from (RFC 2827, RFC 3704 2.2), or one zone could block
 * another's connections by opening them first. No packet on a wire comes from
 * 127.0.0.0/8, ::1, 240.0.0.0/4 (RFC 1112 4), ::ffff:0:0/96 or the box's own
 * addresses, and none but one to a group from 0.0.0.0 or ::.
 *
 * The addresses of every link (0.0.0.0/8, link-local) are at home everywhere as
 * long as the packet stays there. What such a source of IPv4 sends further is
 * believed by route as any other; of IPv6 the kernel forwards none.
 */
#ifndef KS_CORE_ANTISPOOF_H
#define KS_CORE_ANTISPOOF_H

#include "core/inspection.h"
#include "core/rules.h"

struct ks_env;

/* Returns true if no such packet on a wire comes from its source. */
bool ks_source_is_nowhere(const struct ks_packet *pkt);

/* Returns true if the source belongs to every link, and the packet stays on its own. */
bool ks_source_is_of_link(const struct ks_inspection *insp);

/*
 * Returns true if the source of the packet is believed. Without `by_route`, or with `antispoof off` of its zone, every source
 * is, except those from which no packet comes.
 */
bool ks_source_is_believed(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp,
			   bool by_route);

#endif
