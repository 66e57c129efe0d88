/* SPDX-License-Identifier: BSD-2-Clause */
/* Capture files; see capture.h. libpcap reads pcap files from the byte stream through a stdio stream. */
#include "capture/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "capture/pcapng.h"
#include "capture/stream.h"

#define PCAP_MAGIC_NANO 0xa1b23c4dU

struct ks_capture {
	struct ks_stream *stream;
	struct ks_pcapng *ng; /* this or `pcap`, by the format of the file */
	pcap_t *pcap;
	__u32 unit; /* ns that a fraction of a pcap file counts */
	__u16 link_type; /* of a pcap file */
	char error[KS_CAPTURE_ERROR];
};

/* Reads for stdio: at least one byte, 0 at the end. */
static ssize_t cookie_read(void *cookie, char *buf, size_t size)
{
	struct ks_capture *capture = cookie;
	const uint8_t *data;
	ssize_t got = ks_stream_peek(capture->stream, size, &data);

	if (got < 0) {
		snprintf(capture->error, sizeof(capture->error), "%s", ks_stream_error(capture->stream));
		errno = EIO;
		return -1;
	}
	memcpy(buf, data, (size_t)got);
	ks_stream_skip(capture->stream, (size_t)got);
	return got;
}

/* libpcap before 1.10.5 takes reserved bits of the link type's field for a part of it; later ones refuse the file. */
static int link_type_read(struct ks_capture *capture, char *error)
{
	int type = pcap_datalink(capture->pcap);

	if (type < 0 || type > 0xffff) {
		snprintf(error, KS_CAPTURE_ERROR, "link type 0x%08x: the reserved bits must be 0", type);
		return -EINVAL;
	}
	capture->link_type = (__u16)type;
	return 0;
}

/* The file's own precision is asked for, so that libpcap hands out the fractions as they are in the file. */
static int pcap_start(struct ks_capture *capture, __u32 magic, char *error)
{
	const cookie_io_functions_t functions = { .read = cookie_read };
	bool nano = magic == PCAP_MAGIC_NANO || magic == __builtin_bswap32(PCAP_MAGIC_NANO);
	char text[PCAP_ERRBUF_SIZE];
	ks_auto_file FILE *stream = fopencookie(capture, "rb", functions);

	if (!stream)
		return -ENOMEM;
	setvbuf(stream, NULL, _IOFBF, 1 << 16);
	__fsetlocking(stream, FSETLOCKING_BYCALLER); /* one thread reads it */
	capture->unit = nano ? 1 : 1000;
	capture->pcap = pcap_fopen_offline_with_tstamp_precision(
		stream, nano ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO, text);
	if (!capture->pcap) {
		snprintf(error, KS_CAPTURE_ERROR, "%.200s", text);
		return -EINVAL;
	}
	stream = NULL; /* pcap_close() closes it */
	return link_type_read(capture, error);
}

/* Starts the reader of the format that the first bytes show. */
static int reader_start(struct ks_capture *capture, char *error)
{
	const uint8_t *data;
	ssize_t got = ks_stream_peek(capture->stream, 4, &data);
	__u32 magic;

	if (got < 0) {
		snprintf(error, KS_CAPTURE_ERROR, "%s", ks_stream_error(capture->stream));
		return got == -ENOMEM ? -ENOMEM : -EINVAL;
	}
	if (got < 4) {
		snprintf(error, KS_CAPTURE_ERROR, "%s", got ? "too short for a capture" : "the file is empty");
		return -EINVAL;
	}
	memcpy(&magic, data, sizeof(magic));
	if (magic == KS_PCAPNG_MAGIC)
		return ks_pcapng_create(capture->stream, &capture->ng);
	return pcap_start(capture, magic, error);
}

/* Makes a capture of the stream that was opened, or, with `err`, says why there is none. Takes over the stream. */
static int capture_create(int err, struct ks_stream *stream, struct ks_capture **capture, char *error)
{
	ks_auto_stream struct ks_stream *taken = stream;
	ks_auto_capture struct ks_capture *made = err ? NULL : calloc(1, sizeof(*made));

	/* A reader that fails for another reason than memory writes over this. */
	snprintf(error, KS_CAPTURE_ERROR, "%s", strerror(err ? -err : ENOMEM));
	if (!made)
		return err ? err : -ENOMEM;
	made->stream = TAKE(taken);
	err = reader_start(made, error);
	if (err)
		return err;
	*capture = TAKE(made);
	return 0;
}

int ks_capture_open(const char *path, struct ks_capture **capture, char error[KS_CAPTURE_ERROR])
{
	struct ks_stream *stream = NULL;
	int err = ks_stream_open(path, &stream);

	return capture_create(err, stream, capture, error);
}

int ks_capture_open_memory(const void *data, size_t size, struct ks_capture **capture, char error[KS_CAPTURE_ERROR])
{
	struct ks_stream *stream = NULL;
	int err = ks_stream_open_memory(data, size, &stream);

	return capture_create(err, stream, capture, error);
}

void ks_capture_close(struct ks_capture *capture)
{
	if (!capture)
		return;
	if (capture->pcap)
		pcap_close(capture->pcap); /* closes the stream */
	ks_pcapng_destroy(capture->ng);
	ks_stream_close(capture->stream);
	free(capture);
}

/*
 * Seconds and fraction are unsigned 32-bit fields (draft-ietf-opsawg-pcap 5), which libpcap before 1.10.5 takes for
 * signed. A fraction of a second or more carries over, as it does in pcapng, where a timestamp is one count of units.
 */
static __u64 timeval_ns(const struct ks_capture *capture, const struct timeval *ts)
{
	return (__u64)(__u32)ts->tv_sec * KS_NSEC_PER_SEC + (__u64)(__u32)ts->tv_usec * capture->unit;
}

static int pcap_read(struct ks_capture *capture, struct ks_capture_frame *frame)
{
	struct pcap_pkthdr *head;
	const u_char *data;
	int err = pcap_next_ex(capture->pcap, &head, &data);

	if (err == PCAP_ERROR_BREAK)
		return 0;
	if (err != 1) {
		if (!capture->error[0])
			snprintf(capture->error, sizeof(capture->error), "%.200s", pcap_geterr(capture->pcap));
		return -EINVAL;
	}
	frame->data = data;
	frame->captured = head->caplen;
	frame->length = KS_MAX(head->len, head->caplen);
	frame->time = timeval_ns(capture, &head->ts);
	frame->interface = KS_CAPTURE_NO_INTERFACE;
	frame->link_type = capture->link_type;
	frame->way = KS_WAY_UNKNOWN;
	return 1;
}

int ks_capture_next(struct ks_capture *capture, struct ks_capture_frame *frame)
{
	return capture->ng ? ks_pcapng_next(capture->ng, frame, capture->error) : pcap_read(capture, frame);
}

const char *ks_capture_error(const struct ks_capture *capture)
{
	return capture->error;
}

const char *ks_capture_interface(const struct ks_capture *capture, __u32 interface)
{
	return capture->ng ? ks_pcapng_interface(capture->ng, interface) : "";
}

void ks_capture_progress(const struct ks_capture *capture, __u64 *offset, __u64 *size)
{
	*offset = ks_stream_offset(capture->stream);
	*size = ks_stream_size(capture->stream);
}
