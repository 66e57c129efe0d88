/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The offsets of the headers of a whole datagram, and the endpoints that it names.
 * They are read by other code than the inspector's, so that tests can compare a
 * packet that leaves with the one that arrived. RFC 791, 8200, 768, 3828, 9293,
 * 4340, 9260, 792, 4443. Pure functions of the bytes.
 */
#ifndef KS_SCENARIO_LAYOUT_H
#define KS_SCENARIO_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/table/flow.h"
#include "core/header/packet.h"

struct ks_layout {
	size_t l3, l4; /* offsets */
	size_t end; /* behind the datagram, by the length in its header */
	size_t have; /* behind the bytes that are there: less than `end` in a quotation */
	__u8 family, proto;
	__u32 fragment; /* offset in bytes */
	bool more; /* fragments follow */
	bool has_ports, has_id;
	struct ks_addr src, dst;
	__u16 sport, dport; /* host order */
	__u16 id; /* of an ICMP query */
};

/* Reads a frame. Returns false if it is no IP datagram or its headers are not there. */
bool ks_layout_read(const __u8 *data, size_t length, enum ks_link link, struct ks_layout *layout);

/* The same for a datagram without a link header, at an offset; its end may be missing. */
bool ks_layout_read_at(const __u8 *data, size_t length, size_t offset, struct ks_layout *layout);

/* Returns true if it is an ICMP error; ks_layout_read_quote() reads the packet that it quotes. */
bool ks_layout_is_error(const __u8 *data, const struct ks_layout *layout);
bool ks_layout_read_quote(const __u8 *data, const struct ks_layout *layout, struct ks_layout *quote);

/* Returns the offset where the payload of TCP, UDP or any other protocol begins; layout->have if it is not there. */
size_t ks_layout_payload(const __u8 *data, const struct ks_layout *layout);

#endif
