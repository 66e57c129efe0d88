/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The opener: the part of the page that has a right, and does nothing with it but a few small things that the page asks for. It parses
 * nothing of a browser's. A question is one byte and perhaps a descriptor, an answer a number and perhaps a descriptor.
 *
 *   KS_OPEN_READ, KS_OPEN_JOURNAL, KS_OPEN_CONTROL   a connection to the socket; the last one only where the page may act
 *   KS_OPEN_RESOLVER   the system's resolv.conf
 *   KS_OPEN_LEASES     the first file of leases; the next numbers are the others
 *   KS_POLICY_SOURCE   the text of the policy's file
 *   KS_POLICY_DRAFT    writes the text into FILE.page, beside the policy's FILE. While FILE.page itself is in force: -EBUSY on trial, else
 *                      -EALREADY
 *   KS_POLICY_UNCHANGED  0 if FILE is as it was when FILE.page, which is in force, was written; else -ESTALE. -ENOENT if another file is in force
 *   KS_POLICY_KEEP     renames FILE.page to FILE, if FILE.page is in force and confirmed. -ENOENT if another file is in force, -EBUSY on trial,
 *                      -ESTALE if FILE was changed meanwhile: it stays
 *
 * FILE is the policy that the daemon says was named, so the page cannot choose another one.
 */
#ifndef KS_PAGE_OPENER_H
#define KS_PAGE_OPENER_H

#include <limits.h>
#include <stdbool.h>

#include "page/page.h"

#define KS_POLICY_TEXT_MAX (1U << 20)
#define KS_DRAFT_SUFFIX ".page"

#define KS_LEASE_FILES_MAX KS_PAGE_LEASES_MAX

enum ks_opener_wish {
	KS_OPEN_READ,
	KS_OPEN_JOURNAL,
	KS_OPEN_CONTROL,
	KS_OPEN_RESOLVER,
	KS_POLICY_SOURCE,
	KS_POLICY_DRAFT,
	KS_POLICY_UNCHANGED,
	KS_POLICY_KEEP,
	KS_OPEN_LEASES, /* and KS_LEASE_FILES_MAX - 1 more */
};

struct ks_opener_reply {
	int err; /* 0 or -errno */
	char path[PATH_MAX]; /* of the policy or the draft, where it was about one */
};

/* The opener's side: answers until the other side ends. */
void ks_opener_serve(int fd, const struct ks_page_opts *opts);

/*
 * The page's side; may be called by several threads. `give` is sent with the wish (-1: nothing). Returns 0 or -errno; *got, which may
 * be NULL, is the descriptor that came, -1 if none did; reply may be NULL.
 */
int ks_opener_ask(int fd, enum ks_opener_wish wish, int give, int *got, struct ks_opener_reply *reply);

/* Returns true if the opener has ended: nothing can be asked any more. */
bool ks_opener_is_gone(int fd);

#endif
