/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets, zones and rules in a few words, for lines of output. */
#ifndef KS_CLI_WORDS_H
#define KS_CLI_WORDS_H

#include "engine/engine.h"
#include "policy/policy.h"

#define KS_PACKET_TEXT 192
#define KS_ZONES_TEXT 96
#define KS_PLACE_TEXT 256

/* "tcp 10.0.0.5:40000 > 192.0.2.1:80 SA len 0"; returns buf. */
const char *ks_packet_text(const struct ks_packet *pkt, char buf[KS_PACKET_TEXT]);

/* "10.0.0.5:40000 > 192.0.2.1:80" of a flow's originator, "10.0.0.5 > 192.0.2.1 id 7" of an ICMP query; returns buf. */
const char *ks_flow_text(const struct ks_tuple *tuple, char buf[KS_PACKET_TEXT]);

/* "lan>wan"; returns buf. */
const char *ks_zones_text(const struct ks_policy *policy, const struct ks_frame *frame, char buf[KS_ZONES_TEXT]);

/* "gateway.conf:12" of the rule that decided or made the flow, "" without one; returns buf. */
const char *ks_place_text(const struct ks_policy *policy, const struct ks_inspection *insp, char buf[KS_PLACE_TEXT]);

#endif
