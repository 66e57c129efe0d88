/* SPDX-License-Identifier: BSD-2-Clause */
/* Listens to a scanner byte by byte, for the tests of each protocol: core/helper/scanner.h. */
#ifndef KS_TESTS_UNIT_CORE_HELPER_HEARD_H
#define KS_TESTS_UNIT_CORE_HELPER_HEARD_H

#include "tests/unit/core/test_home.h"

#include <stdio.h>

#include "core/helper/scanner.h"

/* The result of a scanner for a text. */
struct heard {
	unsigned announced, asked, greeted, over, marks;
	char last[64]; /* the last announcement */
	size_t mark, end; /* where it stood in the text */
};

static inline void note(struct heard *heard, const struct ks_scanner *p, size_t end)
{
	heard->announced++;
	heard->end = end;
	if (p->addr.w[0] || p->addr.w[1] || p->addr.w[2])
		snprintf(heard->last, sizeof(heard->last), "%08x%08x%08x%08x %u", ks_be32(p->addr.w[0]),
			 ks_be32(p->addr.w[1]), ks_be32(p->addr.w[2]), ks_be32(p->addr.w[3]), p->port);
	else
		snprintf(heard->last, sizeof(heard->last), "%u.%u.%u.%u %u", p->addr.b[12], p->addr.b[13],
			 p->addr.b[14], p->addr.b[15], p->port);
}

static inline void listen(enum ks_heard what, struct heard *heard, const struct ks_scanner *p, size_t at)
{
	switch (what) {
	case KS_HEARD_MARK:
		heard->marks++;
		heard->mark = at;
		break;
	case KS_HEARD_UNMARK:
		heard->mark = 0;
		break;
	case KS_HEARD_ANNOUNCED:
		note(heard, p, at);
		break;
	case KS_HEARD_ASKED:
		heard->asked++;
		break;
	case KS_HEARD_GREETED:
		heard->greeted++;
		break;
	case KS_HEARD_OVER:
		heard->over++;
		break;
	default:
		break;
	}
}

#endif
