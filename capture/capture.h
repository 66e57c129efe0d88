/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capture files: pcap (through libpcap), pcapng (capture/pcapng.c, because libpcap
 * loses the interface of a packet and refuses mixed link types), either of
 * them gzipped, from a file or standard input. Files come from strangers, so every
 * number in them is checked. Used by one thread.
 */
#ifndef KS_CAPTURE_CAPTURE_H
#define KS_CAPTURE_CAPTURE_H

#include <stddef.h>

#include "core/types.h"
#include "text/scoped.h"

struct ks_capture;

/* The direction of a frame at the interface that saw it, if the capture states it. */
enum ks_way { KS_WAY_UNKNOWN, KS_WAY_IN, KS_WAY_OUT };

#define KS_CAPTURE_NO_INTERFACE 0xffffffffU
#define KS_CAPTURE_NAME_MAX 64

struct ks_capture_frame {
	const __u8 *data; /* good until the next frame is read */
	__u32 captured; /* bytes at data */
	__u32 length; /* bytes on the wire, never below `captured` */
	__u64 time; /* ns since 1970; 0 if the file does not say */
	__u32 interface; /* for ks_capture_interface(); KS_CAPTURE_NO_INTERFACE in a pcap file */
	__u16 link_type; /* a DLT_ value of libpcap */
	__u8 way; /* enum ks_way */
};

#define KS_CAPTURE_ERROR 768 /* the longest names all link types that can be judged */

/*
 * Opens a capture ("-" for standard input). Returns 0; -EINVAL if it is no
 * capture; another -errno. On failure `error` says what is wrong.
 */
int ks_capture_open(const char *path, struct ks_capture **capture, char error[KS_CAPTURE_ERROR]);

/* The same from memory that outlives the capture: for tests and fuzzers. */
int ks_capture_open_memory(const void *data, size_t size, struct ks_capture **capture, char error[KS_CAPTURE_ERROR]);

void ks_capture_close(struct ks_capture *capture);

KS_SCOPED(ks_auto_capture, struct ks_capture *, ks_capture_close)
#define ks_auto_capture ks_scoped(ks_auto_capture)

/*
 * Reads the next frame. Returns 1, 0 at the end, or -EINVAL when the file is
 * damaged from here on, -EIO when reading fails; ks_capture_error() says how.
 */
int ks_capture_next(struct ks_capture *capture, struct ks_capture_frame *frame);

const char *ks_capture_error(const struct ks_capture *capture);

/* Name of an interface of a pcapng file, "" if it has none. Good until the next frame is read. */
const char *ks_capture_interface(const struct ks_capture *capture, __u32 interface);

/* Bytes of the file read so far and in all; a size of 0 is unknown. For progress. */
void ks_capture_progress(const struct ks_capture *capture, __u64 *offset, __u64 *size);

#endif
