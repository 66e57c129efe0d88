/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of services, in the place of ports; see service.c. */
#ifndef KS_POLICY_SERVICE_H
#define KS_POLICY_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"

struct ks_service {
	const char *name;
	__u16 low, high; /* its ports */
	__u8 protos; /* KS_SERVICE_* of each that it is spoken over */
};

#define KS_SERVICE_TCP 1U
#define KS_SERVICE_UDP 2U

/* The number of a service in the table, from 1; 0 if there is none of this name. */
unsigned ks_service_find(const char *name);

const struct ks_service *ks_service(unsigned number);

/* All names, for proposals. */
const char *const *ks_service_names(size_t *count);

/* Returns true if the service is spoken over a protocol of IP. */
bool ks_service_has_proto(const struct ks_service *service, unsigned proto);

/* "tcp", "udp" or "{ tcp, udp }". */
const char *ks_service_protos(const struct ks_service *service);

#endif
