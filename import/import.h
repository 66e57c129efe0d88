/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Policies from what other firewalls are configured by. Whatever the result lets pass the original lets pass, too; see
 * docs/design/import.md.
 */
#ifndef KS_IMPORT_IMPORT_H
#define KS_IMPORT_IMPORT_H

#include <stddef.h>
#include <stdio.h>

#define KS_IMPORT_SIZE_MAX (64U << 20)
#define KS_IMPORT_ERROR 256

enum ks_import_form {
	KS_IMPORT_IPTABLES,
	KS_IMPORT_IP6TABLES,
	KS_IMPORT_NFT,
	KS_IMPORT_PF,
	KS_IMPORT_UCI,
	KS_IMPORT_UFW,
	KS_IMPORT_FORMS
};

/* How many rules of the policy say exactly what the text does, and how many do not. */
struct ks_import_outcome {
	unsigned exact, broader, left_out, notes;
};

/* The form of a name such as "iptables-save", or -1. */
int ks_import_form(const char *name);

/* The name of the form of a number; NULL behind the last. */
const char *ks_import_form_name(unsigned form);

/*
 * Reads a file that a text names, for the entries of a set. `text` is the caller's to free. Returns 0 or -errno; outputs are untouched
 * then.
 */
typedef int ks_import_reader(const char *path, char **text, size_t *length);

/*
 * Reads a text and writes the policy. `origin` stands in the first line of it. Files that it names are read by `files`, if it is not
 * NULL. Returns 0, or -EINVAL (it is no such text, see
 * error), -E2BIG (its jumps make too many rules of it) or -ENOMEM, with a message in error; then nothing is written.
 */
int ks_import(enum ks_import_form form, const char *text, size_t length, ks_import_reader *files, const char *origin,
	      FILE *out, struct ks_import_outcome *outcome, char error[KS_IMPORT_ERROR]);

#endif
