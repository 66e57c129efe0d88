/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of hosts: of the leases of a DHCP server on this machine, and by reverse DNS where a person has asked for it. Nobody waits for a name:
 * an answer has what is known, and what is not is looked for by a thread of its own, for the next time.
 *
 * Bounds: a table of KS_NAMES_KNOWN addresses, the oldest of which give way; so many questions to the DNS at a time, and pauses between them.
 * A name is kept ten minutes, that there is none one.
 */
#ifndef KS_PAGE_NAMES_H
#define KS_PAGE_NAMES_H

#include "page/opener.h"
#include "page/page.h"

struct ks_names;

/* NULL without memory. */
struct ks_names *ks_names_create(const struct ks_page_opts *opts, int opener);

/* Begins to look for names. Returns 0 or -errno. */
int ks_names_start(struct ks_names *names);

#endif
