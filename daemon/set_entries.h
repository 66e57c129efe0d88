/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of run-time sets as text: a line each, `192.0.2.1`, `2001:db8::/32 for 1h`, with # comments; or JSON, an array of such
 * lines or an object { "entries": [...], "for": "1h" }. All of a text is read before anything of it counts.
 */
#ifndef KS_DAEMON_SET_ENTRIES_H
#define KS_DAEMON_SET_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/policy.h"
#include "text/scoped.h"

#define KS_SET_FOR_NOT_SAID (~0ULL)

struct ks_set_entry {
	struct ks_prefix prefix; /* without host bits */
	__u64 ms; /* how long it is to live, KS_SET_FOR_NOT_SAID if its line does not say */
};

struct ks_set_entries {
	struct ks_set_entry *list;
	size_t count, room;
};

void ks_set_entries_fini(struct ks_set_entries *entries);

KS_SCOPED_STRUCT(ks_auto_set_entries, struct ks_set_entries, ks_set_entries_fini)
#define ks_auto_set_entries ks_scoped(ks_auto_set_entries)

#define KS_SET_COMPLAINT 256

/*
 * Reads a text of `size` bytes. Returns 0, -ENOMEM, or -EINVAL with a sentence that names the line and the entry. Of entries
 * with one prefix the last one counts; they are sorted.
 */
int ks_set_entries_read(const char *text, size_t size, struct ks_set_entries *entries,
			char complaint[KS_SET_COMPLAINT]);

#endif
