/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows as they are sent: in windows of ids, from one end of the table towards the other, and then as they are added. */
#ifndef KS_JOURNAL_STREAM_H
#define KS_JOURNAL_STREAM_H

#include "journal/rows.h"
#include "journal/server.h"

struct ks_stream {
	struct ks_server *server;
	struct MHD_Connection *connection;
	struct ks_stream *next; /* of those that follow */
	bool asleep, beaten; /* nothing is to be sent; an empty line is due */
	bool flows; /* rows of flows, not entries */
	bool newest_first, follows, ended;
	sqlite3 *db;
	sqlite3_stmt *rows;
	struct ks_row_names names;
	struct ks_where where;
	struct ks_wish *texts; /* copies of the wishes, which `where` refers to */
	size_t text_count;
	int64_t first, last; /* ids; what is left lies between them, both included */
	int64_t left; /* rows that may still be sent */
	struct ks_row_times times; /* for the age and the duration of flows */
	uint64_t commits; /* of the server, when it looked last */
	char *buf;
	size_t used, at;
};

/* Answers a inquiry by a stream. `where` was made of its wishes. */
enum MHD_Result ks_stream_answer(struct ks_inquiry *inquiry, bool flows,
				 int (*more)(struct ks_inquiry *inquiry, struct ks_where *where));

#endif
