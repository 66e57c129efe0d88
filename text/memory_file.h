/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream that is written into memory. Unlike open_memstream() it tells when
 * memory ran out on the way: glibc then leaves out what does not fit, and
 * fclose() succeeds all the same.
 *
 *	ks_auto_memory_file struct ks_memory_file file = { 0 };
 *
 *	if (ks_memory_file_open(&file))
 *		return -ENOMEM;
 *	fprintf(file.out, ...);
 *	text = ks_memory_file_take(&file);
 */
#ifndef KS_TEXT_MEMORY_FILE_H
#define KS_TEXT_MEMORY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "text/scoped.h"

struct ks_memory_file {
	FILE *out;
	char *text;
	size_t length, room;
	bool failed;
};

/* Returns 0 or -ENOMEM. The struct stays where it is until the stream is closed. */
int ks_memory_file_open(struct ks_memory_file *file);

/* Closes the stream. Returns the text, which is the caller's to free, or NULL if any of it was lost. */
char *ks_memory_file_take(struct ks_memory_file *file);

void ks_memory_file_fini(struct ks_memory_file *file);

KS_SCOPED_STRUCT(ks_auto_memory_file, struct ks_memory_file, ks_memory_file_fini)
#define ks_auto_memory_file ks_scoped(ks_auto_memory_file)

#endif
