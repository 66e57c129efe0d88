/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captured traffic through all three homes, as it is and with bytes flipped:
 * strange packets that nobody here thought of. Usage: captures_agree
 * [DIRECTORY]; the variable KEEPSTATE_CAPTURES, if set, names the directory
 * instead. Skipped if it holds no captures. A frame of any link type is
 * given an Ethernet header; the side with the lower address is the inside.
 * Speaks TAP.
 */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/bpf/agree.h"
#include "capture/capture.h"
#include "scenario/layout.h"
#include "capture/link.h"
#include "tests/bpf/kernel_home.h"

#define FILES_MAX 4096
#define FRAMES_A_FILE 2000
#define MUTATIONS 3 /* of each frame */
#define FLIPS_MAX 3
#define FLIP_WITHIN 120U
#define FRAME_ROOM 3000U
#define ETHER_HEADER 14U
#define JUMP \
	(2 * 3600 * KS_NSEC_PER_SEC) /* more than most timeouts, and all jumps less than half a turn of the clock */

static const char *const policies[] = {
	"zone lan { eth1 }\nzone wan { eth0 }\noption log-drops off\n"
	"timeout udp.single 1h, udp.stream 1h, icmp.request 1h, icmp.replied 1h, other.single 1h, other.stream 1h\n"
	"timeout tcp.syn_sent 1h, tcp.syn_recv 1h, tcp.established 1h, tcp.fin_wait 1h, tcp.close_wait 1h, "
	"tcp.last_ack 1h\n"
	"timeout tcp.time_wait 1h, tcp.close 1h, fragments 1h, helper.expected 1h\n"
	"allow from any to any\n",
	"zone lan { eth1 }\nzone wan { eth0, address 203.0.113.1, address 2001:db8:f::1 }\noption log-drops off\n"
	"option pickup on, state-checksum off\n"
	"timeout udp.single 1h, udp.stream 1h, icmp.request 1h, icmp.replied 1h, other.single 1h, other.stream 1h\n"
	"timeout tcp.syn_sent 1h, tcp.syn_recv 1h, tcp.established 1h, tcp.fin_wait 1h, tcp.close_wait 1h, "
	"tcp.last_ack 1h\n"
	"timeout tcp.time_wait 1h, tcp.close 1h, fragments 1h, helper.expected 1h\n"
	"nat from lan to wan masquerade\n"
	"nat from lan to wan family ipv6 masquerade\n"
	"helper { ftp, tftp, sip, irc, pptp, rtsp } from any to any\n"
	"allow from any to any\n",
};

struct bench {
	struct agreement all;
	struct ks_link_scratch scratch;
	__u64 dice;
	__u8 frame[FRAME_ROOM];
	unsigned frames, skipped;
};

static char *files[FILES_MAX];
static size_t file_count;

/* xorshift64*: the same flips everywhere. */
static __u32 roll(struct bench *bench, __u32 sides)
{
	bench->dice ^= bench->dice >> 12;
	bench->dice ^= bench->dice << 25;
	bench->dice ^= bench->dice >> 27;
	return (__u32)((bench->dice * 0x2545f4914f6cdd1dULL) >> 32) % sides;
}

static int file_found(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *dot = strrchr(path, '.');

	if (type == FTW_F && dot && (strcmp(dot, ".pcap") == 0 || strcmp(dot, ".pcapng") == 0) &&
	    file_count < FILES_MAX) {
		files[file_count] = strdup(path);
		file_count += files[file_count] != NULL;
	}
	return 0;
}

static int path_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Copies the frame, with an Ethernet header if it has none. Returns false if it does not fit. */
static bool frame_copy(struct bench *bench, const struct ks_frame *insp, struct ks_frame *out)
{
	__u32 header = insp->link == KS_LINK_ETHERNET ? 0 : ETHER_HEADER;

	if (insp->captured != insp->length || !insp->captured || insp->captured + header > sizeof(bench->frame))
		return false;
	if (header) {
		memset(bench->frame, 2, header - 2);
		bench->frame[12] = insp->data[0] >> 4 == 6 ? 0x86 : 0x08;
		bench->frame[13] = insp->data[0] >> 4 == 6 ? 0xdd : 0x00;
	}
	memcpy(bench->frame + header, insp->data, insp->captured);
	*out = (struct ks_frame){ .data = bench->frame,
				  .captured = insp->captured + header,
				  .length = insp->captured + header,
				  .link = KS_LINK_ETHERNET };
	return true;
}

/* The same side for both directions of a conversation. */
static void zones_choose(struct ks_frame *frame)
{
	struct ks_layout layout;
	bool inside = true;

	if (ks_layout_read(frame->data, frame->length, KS_LINK_ETHERNET, &layout))
		inside = memcmp(&layout.src, &layout.dst, sizeof(layout.src)) <= 0;
	frame->from = inside ? KS_ZONE_FIRST : KS_ZONE_FIRST + 1;
	frame->to = inside ? KS_ZONE_FIRST + 1 : KS_ZONE_FIRST;
}

static void bytes_flip(struct bench *bench, const struct ks_frame *frame)
{
	for (__u32 n = 1 + roll(bench, FLIPS_MAX); n > 0; n--)
		bench->frame[roll(bench, KS_MIN(frame->length, FLIP_WITHIN))] = (__u8)roll(bench, 256);
	if (roll(bench, 10))
		frame_mend(bench->frame, frame->length);
}

static int frame_agree(struct bench *bench, const struct ks_frame *captured, const char *path, unsigned number)
{
	struct ks_frame frame;
	int differs;

	for (int i = 0; i <= MUTATIONS; i++) {
		if (!frame_copy(bench, captured, &frame)) {
			bench->skipped++;
			return 0;
		}
		zones_choose(&frame);
		if (i)
			bytes_flip(bench, &frame);
		differs = agreement_frame(&bench->all, &frame, path, number);
		if (differs && differs != -EAGAIN)
			return 1;
		bench->frames += !differs;
		bench->skipped += differs != 0;
	}
	return 0;
}

static int file_agree(struct bench *bench, const char *path)
{
	char error[KS_CAPTURE_ERROR];
	struct ks_capture_frame captured;
	struct ks_capture *capture;
	struct ks_link_info info;
	struct ks_frame frame;
	int differs = 0;

	if (ks_capture_open(path, &capture, error)) {
		bench->skipped++; /* damaged on purpose */
		return 0;
	}
	for (unsigned n = 1; !differs && n <= FRAMES_A_FILE && ks_capture_next(capture, &captured) == 1; n++) {
		if (ks_link_frame(&captured, &bench->scratch, &frame, &info))
			bench->skipped++;
		else
			differs = frame_agree(bench, &frame, path, n);
	}
	ks_capture_close(capture);
	if (!differs)
		differs = agreement_tables(&bench->all, path, 0);
	agreement_advance(&bench->all, JUMP);
	return differs;
}

static int policy_agree(struct bench *bench, unsigned number)
{
	int differs = 0;

	bench->dice = 1;
	bench->frames = bench->skipped = 0;
	if (agreement_begin(&bench->all, policies[number])) {
		printf("not ok %u - the homes take up the policy\n", number + 1);
		return 1;
	}
	for (size_t i = 0; !differs && i < file_count; i++)
		differs = file_agree(bench, files[i]);
	agreement_summary(&bench->all);
	printf("%sok %u - %u frames of %zu captures come to the same natively, in tc and in XDP (%u cannot be given to "
	       "all)\n",
	       differs ? "not " : "", number + 1, bench->frames, file_count, bench->skipped);
	return differs;
}

int main(int argc, char **argv)
{
	const char *folder = getenv("KEEPSTATE_CAPTURES");
	static struct bench bench;
	int err, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!folder)
		folder = argc > 1 ? argv[1] : "";
	nftw(folder, file_found, 16, FTW_PHYS);
	if (!file_count) {
		printf("1..0 # SKIP no captures: KEEPSTATE_CAPTURES can name a folder of them\n");
		return KERNEL_SKIP;
	}
	qsort(files, file_count, sizeof(*files), path_order);
	err = agreement_open(&bench.all);
	if (err)
		return err;
	printf("1..%zu\n", KS_ARRAY_SIZE(policies));
	for (unsigned i = 0; i < KS_ARRAY_SIZE(policies); i++)
		failed |= policy_agree(&bench, i);
	agreement_close(&bench.all);
	ks_link_scratch_fini(&bench.scratch);
	for (size_t i = 0; i < file_count; i++)
		free(files[i]);
	return failed;
}
