/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classes of UDP flows, by the protocol that UDP carries. The class is told by the port or by the first bytes of the
 * packet that opens the flow, and only chooses timeouts: enum ks_udp_class in core/state.h, ks_config.class_timeout.
 *
 * - DNS: port 53 and a query. N queries take N answers, told by their identifiers; when none is open the flow lives for a
 * few seconds more, since queries are repeated.
 * - QUIC: port 443 and a long header (RFC 8999 5.1, RFC 9000 17.2).
 * - WireGuard: a message with its exact length, on any port.
 * - STUN: the magic cookie (RFC 8489 5), on any port.
 * - SIP: port 5060 and a method.
 */
#ifndef KS_CORE_TRACK_UDP_CLASS_H
#define KS_CORE_TRACK_UDP_CLASS_H

#include "core/inspection.h"
#include "core/header/packet.h"
#include "core/types.h"

struct ks_env;

/* Sets the class of insp->flow.after from the datagram that opens it. */
void ks_udp_open(struct ks_env *env, struct ks_inspection *insp);

/* Counts queries and answers of a flow that carries DNS. */
void ks_udp_update(struct ks_env *env, struct ks_inspection *insp);

/* Returns true if the flow has got an answer; of DNS, as many as it has queries. */
bool ks_udp_is_answered(const struct ks_flow *flow);

#endif
