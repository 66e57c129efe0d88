/* SPDX-License-Identifier: BSD-2-Clause */
/* See farewell.h. */
#include "journal/farewell.h"

#include <errno.h>
#include <string.h>

#include "journal/entries.h"
#include "journal/flows.h"
#include "journal/rows.h"
#include "journal/schema.h"
#include "text/json.h"

KS_SCOPED_STRUCT(ks_auto_row_names, struct ks_row_names, ks_row_names_fini)

/* As the entries of their ends will be, which nobody writes one by one. */
static const char living[] =
	"SELECT " KS_ROW_COMMON ", max(?1, begun), ?2, id, NULL, NULL FROM flow WHERE ended IS NULL";

static bool has_sinks(const struct ks_exports *exports)
{
	return exports->journald || exports->syslog || exports->lines_fd >= 0 || exports->ipfix.fd >= 0;
}

static int send_end(struct ks_exports *exports, struct ks_row_names *names, sqlite3_stmt *row)
{
	ks_auto_json json_t *end = ks_row_entry(names, row);
	ks_auto_free char *text = NULL;

	json_object_del(end, "cursor"); /* there is no such entry */
	ks_json_set(&end, "why", json_string(KS_WHY_STOPPED));
	text = end ? json_dumps(end, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	ks_exports_send(exports, end, text, strlen(text));
	return 0;
}

int ks_farewell_send(struct ks_store *store, struct ks_exports *exports, const json_t *event, int64_t came)
{
	ks_scoped(ks_auto_row_names) struct ks_row_names names = { 0 };
	ks_auto_stmt sqlite3_stmt *row = NULL;
	int code, err = 0;

	if (!ks_entry_is_stop(event) || json_is_true(json_object_get(event, "saved")) || !has_sinks(exports))
		return 0;
	err = ks_row_names_init(store->db, &names)
		      ?: ks_store_error(store->db, sqlite3_prepare_v2(store->db, living, -1, &row, NULL));
	if (err)
		return err;
	sqlite3_bind_int64(row, 1, ks_entry_time(event, came));
	sqlite3_bind_int(row, 2, KS_ENTRY_END);
	while ((code = sqlite3_step(row)) == SQLITE_ROW && !err)
		err = send_end(exports, &names, row);
	return err ?: ks_store_error(store->db, code == SQLITE_DONE ? SQLITE_OK : code);
}
