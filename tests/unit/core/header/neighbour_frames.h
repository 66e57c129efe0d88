/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the tests of messages that stay on their link: neighbour discovery, MLD and IGMP. */
#ifndef KS_TESTS_UNIT_CORE_HEADER_NEIGHBOUR_FRAMES_H
#define KS_TESTS_UNIT_CORE_HEADER_NEIGHBOUR_FRAMES_H

#include "tests/unit/core/test_home.h"

#include "core/verdict.h"

#define IP 14 /* where the network header begins */
#define SRC (IP + 8)
#define DST (IP + 24)
#define ND (IP + 40)

static inline __u32 parse(const struct frame *f)
{
	struct ks_packet pkt;
	__u32 reason = test_parse(f, f->len, &pkt);

	/* Whatever is wrong with it: it is never a flow's. */
	assert_true(reason != KS_REASON_OK_NEW || pkt.flags & KS_PKT_NEIGHBOUR);
	return reason;
}

#define assert_sane(f) assert_int_equal(parse(f), KS_REASON_OK_NEW)
#define assert_refused(f) assert_int_equal(parse(f), KS_REASON_NEIGHBOUR)

static inline void address(struct frame *f, __u32 off, __u16 first, __u8 last)
{
	memset(f->data + off, 0, 16);
	f->data[off] = (__u8)(first >> 8);
	f->data[off + 1] = (__u8)(first & 0xff);
	f->data[off + 15] = last;
}

#endif
