/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in words; see packet.c. */
#ifndef KS_POLICY_SCENARIO_PACKET_H
#define KS_POLICY_SCENARIO_PACKET_H

#include "policy/scenario/reader.h"

/* Reads a packet up to `=>` or the end of the line. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_packet_spec_parse(struct ks_reader *reader, struct ks_packet_spec *spec);

/* Reads the words behind the ends and the protocol. */
int ks_packet_spec_parse_words(struct ks_reader *reader, struct ks_packet_spec *spec);

/* Swaps the ends: the other one sends. */
void ks_packet_spec_reverse(struct ks_packet_spec *spec);

/* Adds a word. Returns it, or NULL without memory. */
struct ks_mod *ks_packet_spec_add(struct ks_reader *reader, struct ks_packet_spec *spec, enum ks_mod_kind kind);

#endif
