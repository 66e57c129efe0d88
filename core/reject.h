/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers to rejected packets: a TCP RST (RFC 9293 3.10.7.1), or an ICMP or
 * ICMPv6 "administratively prohibited" (RFC 1812 5.2.7.1, RFC 4443 3.1). An
 * answer is never larger than the packet that provoked it, never provoked by
 * a RST, an ICMP error, a multicast or a broadcast; where it would be, the
 * packet is dropped silently.
 */
#ifndef KS_CORE_REJECT_H
#define KS_CORE_REJECT_H

#include "core/header/packet.h"
#include "core/types.h"

struct ks_env;
struct ks_inspection;

#define KS_REJECT_MAX 320U /* bytes of the largest answer, link header included */

/*
 * Builds the answer to `pkt`, whose first bytes are `head`, in `out` (KS_REJECT_MAX bytes), as a frame of the same link
 * type going back. An ICMP error comes from `self`, the box's own address; with NULL it has none there, and the error comes
 * from the address that was sent to. Returns its length in bytes, 0 if there must be no answer.
 */
__u32 ks_reject_build(const __u8 *head, const struct ks_packet *pkt, const struct ks_addr *self, __u8 *out);

/* Builds the challenge to the SYN of an inspection (core/challenge.h), likewise. */
__u32 ks_challenge_build(const __u8 *head, const struct ks_inspection *insp, __u8 *out);

/* Builds the answer that a packet with verdict KS_REJECT gets, likewise. */
__u32 ks_answer_build(struct ks_env *env, const struct ks_inspection *insp, const __u8 *head, __u8 *out);

/* Sets *self to the address of the interface by which an answer goes back. Returns false if there is none. */
bool ks_reject_source(struct ks_env *env, const struct ks_inspection *insp, struct ks_addr *self);

#endif
