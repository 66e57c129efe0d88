/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer to GET /v1/states while it is made: a listing (states.c) or a view (states_view.c). */
#ifndef KS_DAEMON_API_STATES_H
#define KS_DAEMON_API_STATES_H

#include "daemon/api/api.h"
#include "daemon/api/flow_forms.h"
#include "daemon/api/text_stream.h"
#include "daemon/api/view.h"

enum ks_states_format { KS_STATES_JSON, KS_STATES_CONNTRACK, KS_STATES_CSV };

/* A row of a view: the flow as it was when the rows were put in order. */
struct ks_view_row {
	struct ks_rank rank;
	struct ks_slot slot;
};

struct ks_states_answer {
	struct ks_text_stream stream;
	struct ks_line line; /* into the stream */
	struct ks_daemon *daemon;
	struct ks_filter filter;
	enum ks_states_format format;
	bool details;
	struct ks_csv csv;
	const struct ks_kernel *kernel; /* whose table is looked through */
	__u32 cursor; /* next bucket */
	__u64 now;
	/* of a view */
	struct ks_places *places; /* of its socket, for groups: it has one of them; else NULL */
	struct ks_view_wish wish;
	struct ks_view view;
	struct ks_view_row *rows;
	size_t row_count, row; /* row: the next one to print */
	bool rates_missing; /* of a part of the table */
	bool fell_back; /* to the order of bytes, as no rates were known */
	__u64 spans, span_count; /* the times that rates are of */
};

/* Gets the translation of a flow if its filter has a use for it, and returns true if the flow fits. */
bool ks_states_fits(const struct ks_states_answer *answer, const struct ks_slot *slot);

/* Prints a flow in the answer's format, with its rate (NULL: not known). */
void ks_states_print(struct ks_states_answer *answer, const struct ks_slot *slot, const __u64 *rate);

/* The functions of the stream of a view: looks at the next flows, and prints at the end. */
int ks_states_view_walk(struct ks_text_stream *stream);

#endif
