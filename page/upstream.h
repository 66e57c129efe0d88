/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of the daemon's control API, and of the journal's, by connections that the opener makes. */
#ifndef KS_PAGE_UPSTREAM_H
#define KS_PAGE_UPSTREAM_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/http.h"
#include "page/opener.h"

struct ks_upstream_call {
	enum ks_opener_wish socket; /* KS_OPEN_READ, _JOURNAL, _CONTROL */
	const char *method;
	const char *target; /* with the query */
	const char *body; /* NULL: none */
	bool stays; /* it sends for ever, an empty line every five seconds */
};

struct ks_upstream {
	struct ks_http http;
	int status; /* of its answer */
	unsigned waited, patience; /* seconds without a byte */
};

/* Calls and reads the head of the answer. Returns 0 with *upstream, to be closed; or -errno. */
int ks_upstream_open(int opener, const struct ks_upstream_call *call, struct ks_upstream **upstream);
void ks_upstream_close(struct ks_upstream *upstream);

/* A part of the body. Returns its size, 0 at the end, or -errno. */
ssize_t ks_upstream_read(struct ks_upstream *upstream, char *buf, size_t size);

/* Calls and reads a whole answer. Returns 0 with *answer (NULL if it is no JSON) and *status, or -errno. */
int ks_upstream_json(int opener, const struct ks_upstream_call *call, int *status, json_t **answer);

/* A sentence for people why a call failed. */
const char *ks_upstream_complaint(enum ks_opener_wish socket, int err);

#endif
