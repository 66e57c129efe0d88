/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses as people write them, and whom a browser thinks to speak with. A site whose name is made to point at the page's address
 * (DNS rebinding) asks by its own name: so only addresses, `localhost` and names that the administrator gave are answered.
 */
#ifndef KS_PAGE_HOST_H
#define KS_PAGE_HOST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* Parses "192.0.2.1", "192.0.2.1:8674", "2001:db8::1", "[2001:db8::1]:8674". Returns 0 or -EINVAL. */
int ks_host_parse(const char *text, unsigned short port, struct sockaddr_storage *address, socklen_t *size);

/* Returns true if the Host header of a request is an address, localhost, or one of the names; with any port. */
bool ks_host_is_ours(const char *host, const char *const *names, size_t count);

/* Returns true if an Origin header ("https://name:port") is of the same host and port as the Host header. */
bool ks_host_is_origin(const char *origin, const char *host);

#endif
