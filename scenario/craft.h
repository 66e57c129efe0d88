/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets from words: turns a struct ks_packet_spec (policy/scenario/scenario.h) into the
 * bytes of a frame, right checksums included, and spoils what the words say.
 * A crafter remembers the TCP sequence numbers of every conversation, as the
 * two ends would, and the packet before, for ICMP errors that quote it. One
 * crafter serves one test and one thread.
 */
#ifndef KS_SCENARIO_CRAFT_H
#define KS_SCENARIO_CRAFT_H

#include "engine/engine.h"
#include "policy/scenario/scenario.h"

/* Initial sequence numbers of the side that speaks first and of the other. */
#define KS_CRAFT_ISN_FIRST 1000U
#define KS_CRAFT_ISN_OTHER 5000U

struct ks_crafter;

/* Returns 0 or -ENOMEM. */
int ks_crafter_create(struct ks_crafter **crafter);
void ks_crafter_destroy(struct ks_crafter *crafter);

/* Forgets every conversation. */
void ks_crafter_reset(struct ks_crafter *crafter);

/*
 * Crafts a packet. The frame's data are the crafter's and good until the next
 * call; its zones are the packet's. Returns 0, or -EINVAL if it quotes a
 * packet and there was none, -EMSGSIZE if its parts do not fit a datagram,
 * -ENOMEM.
 */
int ks_crafter_craft(struct ks_crafter *crafter, const struct ks_packet_spec *spec, struct ks_frame *frame);

/* The packet crafted last was let through as it is: its sender's sequence numbers go on. */
void ks_crafter_passed(struct ks_crafter *crafter);

/*
 * The same when it left as these bytes: its receiver remembers what it saw,
 * and will answer that. `to` is the zone that it left for, or KS_ZONE_UNKNOWN.
 */
void ks_crafter_delivered(struct ks_crafter *crafter, const __u8 *data, size_t length, __u8 to);

/*
 * Whether its receiver would take it for what it is: returns NULL, or a
 * sentence. Only packets of named conversations, and errors that quote one,
 * are judged; to be asked before ks_crafter_delivered().
 */
const char *ks_crafter_surprise(const struct ks_crafter *crafter, const __u8 *data, size_t length);

/* The true endpoints of a conversation, as far as its packets have told: what its flow is known by. */
void ks_crafter_ends(const struct ks_crafter *crafter, const struct ks_packet_spec *spec, struct ks_packet_spec *ends);

/* The n-th of many flows like `spec`: its source port, then its source address counts up. */
void ks_craft_vary(const struct ks_packet_spec *spec, __u64 n, struct ks_packet_spec *varied);

/* Forgets the newest conversation, so that many flows cost no memory. */
void ks_crafter_forget(struct ks_crafter *crafter);

#endif
