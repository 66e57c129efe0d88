/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Complaints while a policy loads: each takes the place, the line of text and
 * what would be right. The numbers of stored errors and of warnings are
 * bounded; the errors beyond are still counted.
 */
#ifndef KS_POLICY_DIAG_H
#define KS_POLICY_DIAG_H

#include <stdarg.h>

#include "policy/lex.h"

#define KS_DIAG_ERRORS_MAX 200
#define KS_DIAG_WARNINGS_MAX 200

struct ks_complaints {
	struct ks_diags *diags;
	struct ks_source *sources; /* the newest first */
	size_t warnings;
	bool no_memory; /* something could not be kept: the load ends with -ENOMEM */
};

void ks_complain(struct ks_complaints *complaints, const struct ks_place *place, bool warning, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void ks_complain_v(struct ks_complaints *complaints, const struct ks_place *place, bool warning, const char *format,
		   va_list args);

/*
 * Adds a complaint that somebody else has made, whose message and excerpt (or NULL) are from malloc() and belong to it from then
 * on, whatever this returns. Its file is copied. Returns 0 or -ENOMEM.
 */
int ks_diags_add(struct ks_diags *diags, const struct ks_diag *diag);

/* Puts the complaints in the order of the text, the files in the order in which they were read. */
void ks_complaints_sort(struct ks_complaints *complaints);

/* Frees a list of sources and the texts they own. */
void ks_source_destroy_all(struct ks_source *sources);

/* The entry of names[count] nearest to `word`, or NULL when none is near enough to be what was meant. */
const char *ks_nearest(const char *word, const char *const *names, size_t count);

#endif
