/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reader of pcapng files (draft-ietf-opsawg-pcapng): section, interface,
 * enhanced, simple and obsolete packet blocks; all others are skipped. Both
 * byte orders, several sections, an interface list each. Blocks above 16 MiB
 * and more than 4096 interfaces in a section are refused, so that no file can
 * take more memory than that.
 */
#ifndef KS_CAPTURE_PCAPNG_H
#define KS_CAPTURE_PCAPNG_H

#include "capture/capture.h"
#include "capture/stream.h"

#define KS_PCAPNG_MAGIC 0x0a0d0d0aU /* the same in both byte orders */

struct ks_pcapng;

/* Starts reading at the front of a stream, which stays the caller's. Returns 0 or -ENOMEM. */
int ks_pcapng_create(struct ks_stream *stream, struct ks_pcapng **reader);
void ks_pcapng_destroy(struct ks_pcapng *reader);

/* As ks_capture_next(); on failure `error` says what is wrong. */
int ks_pcapng_next(struct ks_pcapng *reader, struct ks_capture_frame *frame, char error[KS_CAPTURE_ERROR]);

const char *ks_pcapng_interface(const struct ks_pcapng *reader, __u32 interface);

#endif
