/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of the DNS (RFC 1035) that ask for the name of an address. An answer is of a stranger: every byte of it is checked. */
#ifndef KS_PAGE_REVERSE_H
#define KS_PAGE_REVERSE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define KS_DNS_MESSAGE 512 /* without extensions over UDP */
#define KS_DNS_NAME 256 /* of a name as text, with the end */

/* Writes the question for the name of an address. Returns its size. */
size_t ks_reverse_ask(const struct in6_addr *addr, uint16_t id, unsigned char message[KS_DNS_MESSAGE]);

/*
 * Reads an answer. Returns 0 with the name, in which all but letters, digits, hyphen, underscore and dot are written as \DDD; -ENOENT if there is
 * none; or -EBADMSG if it is no answer to this question, and another one may come.
 */
int ks_reverse_read(const unsigned char *message, size_t size, const struct in6_addr *addr, uint16_t id,
		    char name[KS_DNS_NAME]);

#endif
