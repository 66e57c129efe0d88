// SPDX-License-Identifier: BSD-2-Clause
/*
 * TFTP (RFC 1350): a request to read or write goes to the server's port 69, and
 * the server answers from a port of its own to where the request came from.
 */
#include "core/helper/scanner.h"

#define OPCODE_RRQ 1
#define OPCODE_WRQ 2

bool ks_tftp_is_request(const __u8 *bytes, __u32 len)
{
	return len >= KS_TFTP_REQUEST_MIN && bytes[0] == 0 && (bytes[1] == OPCODE_RRQ || bytes[1] == OPCODE_WRQ) &&
	       bytes[2];
}
