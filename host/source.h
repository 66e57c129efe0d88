/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream of octets from a file, a pipe or a gzip file, read through a window
 * that grows as far as the reader asks: parsers look at contiguous octets and
 * copy nothing. Used by one thread.
 */
#ifndef KS_HOST_SOURCE_H
#define KS_HOST_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ks_source;

/* Opens a path ("-" for standard input). Returns 0 or -errno. */
int ks_source_open(const char *path, struct ks_source **source);

/* Reads from memory that outlives the source: tests and fuzzers. Returns 0 or -ENOMEM. */
int ks_source_open_memory(const void *data, size_t size, struct ks_source **source);

void ks_source_close(struct ks_source *source);

/*
 * Makes the next `want` octets visible at *data, good until the next call.
 * Returns how many there are: fewer than `want` only at the end of the stream;
 * -EIO when the stream is damaged (ks_source_error() tells), -ENOMEM.
 */
ssize_t ks_source_peek(struct ks_source *source, size_t want, const uint8_t **data);

/* Goes on by octets that a peek has shown. */
void ks_source_skip(struct ks_source *source, size_t count);

const char *ks_source_error(const struct ks_source *source);

/* Octets read from the file so far, compressed ones if it is compressed, and its size (0: unknown). */
uint64_t ks_source_offset(const struct ks_source *source);
uint64_t ks_source_size(const struct ks_source *source);

#endif
