/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writer of pcapng files (draft-ietf-opsawg-pcapng): one section, its interfaces, and enhanced packet blocks with a comment, which
 * libpcap cannot write. In the byte order of this machine, as the format allows; times are in nanoseconds.
 */
#ifndef KS_CAPTURE_PCAPNG_WRITE_H
#define KS_CAPTURE_PCAPNG_WRITE_H

#include <linux/types.h>
#include <stdio.h>

struct ks_pcapng_packet {
	__u32 interface; /* the n-th that was written, from 0 */
	__u64 time; /* ns since the epoch */
	const __u8 *data;
	__u32 captured, length; /* bytes of data, and of the whole packet */
	const char *comment; /* UTF-8 of at most 65,535 bytes; NULL: none */
};

/* Each writes a block. Returns 0, or -EIO if the stream has failed. */
int ks_pcapng_write_section(FILE *out, const char *program);
int ks_pcapng_write_interface(FILE *out, __u16 link_type, __u32 snap_length);
int ks_pcapng_write_packet(FILE *out, const struct ks_pcapng_packet *packet);

#endif
