/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets from words: turns a struct ks_packet_spec (policy/scenario/scenario.h) into the
 * bytes of a frame, with right checksums, and spoils what the words ask to be wrong.
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

KS_SCOPED(ks_auto_crafter, struct ks_crafter *, ks_crafter_destroy)
#define ks_auto_crafter ks_scoped(ks_auto_crafter)

/* Forgets every conversation. */
void ks_crafter_reset(struct ks_crafter *crafter);

/*
 * Crafts a packet. The frame's data are the crafter's and good until the next
 * call; its zones are the packet's. Returns 0, or -EINVAL if it quotes a
 * packet and there was none, -EMSGSIZE if its parts do not fit a datagram,
 * -ENOMEM.
 */
int ks_crafter_craft(struct ks_crafter *crafter, const struct ks_packet_spec *spec, struct ks_frame *frame);

/* Says by which number the policy knows the control group of the packet's sender. */
void ks_frame_find_cgroup(const struct ks_policy *policy, const struct ks_packet_spec *spec, struct ks_frame *frame);

/*
 * The packet crafted last was let through and left as these bytes: its sender's
 * sequence numbers go on, and its receiver remembers what it saw and will answer
 * that. `to` is the zone that it left for, or KS_ZONE_UNKNOWN.
 */
void ks_crafter_delivered(struct ks_crafter *crafter, const __u8 *data, size_t length, __u8 to);

/* The sender of the packet crafted last was challenged by a SYN+ACK that acknowledges `ack`. */
void ks_crafter_challenged(struct ks_crafter *crafter, __u32 ack);

/*
 * Returns NULL if the receiver would take the packet for what its sender meant, else
 * a sentence that says why not. Only packets of named conversations, and errors that
 * quote one, are judged; to be called before ks_crafter_delivered().
 */
const char *ks_crafter_surprise(const struct ks_crafter *crafter, const __u8 *data, size_t length);

/* Sets in *ends the endpoints by which the flow of the packet's conversation is known, as far as its packets have shown them. */
void ks_crafter_ends(const struct ks_crafter *crafter, const struct ks_packet_spec *spec, struct ks_packet_spec *ends);

/* Makes the n-th of many flows like `spec`: the source port counts up, then the source address. */
void ks_craft_vary(const struct ks_packet_spec *spec, __u64 n, struct ks_packet_spec *varied);

/* Forgets the newest conversation, so that many flows cost no memory. */
void ks_crafter_forget(struct ks_crafter *crafter);

#endif
