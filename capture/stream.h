/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream of bytes from a file, a pipe or a gzip file, read through a window
 * that grows as far as the reader asks: parsers look at contiguous bytes and
 * copy nothing. Used by one thread.
 */
#ifndef KS_CAPTURE_STREAM_H
#define KS_CAPTURE_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "text/scoped.h"

struct ks_stream;

/* Opens a path ("-" for standard input). Returns 0 or -errno. */
int ks_stream_open(const char *path, struct ks_stream **stream);

/* Reads from memory that outlives the stream: tests and fuzzers. Returns 0 or -ENOMEM. */
int ks_stream_open_memory(const void *data, size_t size, struct ks_stream **stream);

void ks_stream_close(struct ks_stream *stream);

KS_SCOPED(ks_auto_stream, struct ks_stream *, ks_stream_close)
#define ks_auto_stream ks_scoped(ks_auto_stream)

/*
 * Makes the next `want` bytes visible at *data, good until the next call.
 * Returns how many there are: fewer than `want` only at the end of the stream;
 * -EIO when the stream is damaged (ks_stream_error() says how), -ENOMEM.
 */
ssize_t ks_stream_peek(struct ks_stream *stream, size_t want, const uint8_t **data);

/* Consumes bytes that a peek has shown. */
void ks_stream_skip(struct ks_stream *stream, size_t count);

const char *ks_stream_error(const struct ks_stream *stream);

/* Bytes read from the file so far, compressed ones if it is compressed, and its size (0: unknown). */
uint64_t ks_stream_offset(const struct ks_stream *stream);
uint64_t ks_stream_size(const struct ks_stream *stream);

#endif
