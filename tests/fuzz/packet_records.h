/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The input of fuzz_packet: a sequence of records, each a head and a frame.
 * packet_seeds writes them from scenarios.
 */
#ifndef KS_TESTS_FUZZ_PACKET_RECORDS_H
#define KS_TESTS_FUZZ_PACKET_RECORDS_H

#include <stdint.h>

struct packet_record {
	uint8_t zones; /* low half: from, high half: to */
	uint8_t flags; /* RECORD_* */
	uint8_t wait; /* seconds before it, squared */
	uint8_t length[2]; /* bytes that follow, big-endian; cut to what is left */
};

#define RECORD_LAYER3 0x01 /* no Ethernet header */
#define RECORD_MEND 0x02 /* make the IPv4 header checksum right first */
#define RECORD_SNAPPED 0x04 /* the wire had 1000 bytes more */

#define RECORD_ZONES 5 /* zone ids 0 to 4 */
#define RECORD_LENGTH_MAX 2048

#endif
