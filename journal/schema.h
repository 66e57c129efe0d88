/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of the journal.
 *
 *   word     names that come again and again (reasons, zones, protocols, ...), by number
 *   rule     rules as the daemon described them, by number
 *   entry    one line of the log each, in the order of arrival: a packet, or a moment in the life of a flow
 *   flow     a flow from its begin to its end; the entries of its moments say no more than their time
 *   figure   a point of a curve: a second, a minute, an hour
 *   policy   a policy that was in force, and when
 *
 * Times are milliseconds of the epoch. Addresses are blobs of 4 or 16 bytes. `rest` is JSON: the members of an event that have
 * no column. `history` is what the log shows: entries with the columns of their flows.
 *
 * Of a flow `last` is when its last packet came and `duration` (s) how long it had carried packets until then, both as its end told
 * them; `flags` are bits of enum ks_flow_told, as it was heard of last.
 */
#ifndef KS_JOURNAL_SCHEMA_H
#define KS_JOURNAL_SCHEMA_H

#define KS_SCHEMA_VERSION 2 /* PRAGMA user_version; a file of a version from which no way leads here is put aside */
#define KS_SCHEMA_FIRST 1 /* ks_schema_from_first is the way from it */

#define KS_SCHEMA_HISTORY                                                                                         \
	"CREATE VIEW history AS SELECT e.id, e.time, e.event, e.flow, e.verdict, e.reason, coalesce(e.proto, "    \
	"f.proto) "                                                                                               \
	"proto,"                                                                                                  \
	" coalesce(e.zone_from, f.zone_from) zone_from, coalesce(e.zone_to, f.zone_to) zone_to,"                  \
	" coalesce(e.source, f.source) source, coalesce(e.source_port, f.source_port) source_port,"               \
	" coalesce(e.destination, f.destination) destination,"                                                    \
	" coalesce(e.destination_port, f.destination_port) destination_port,"                                     \
	" coalesce(e.nat_source, f.nat_source) nat_source, coalesce(e.nat_source_port, f.nat_source_port) "       \
	"nat_source_port,"                                                                                        \
	" coalesce(e.nat_destination, f.nat_destination) nat_destination,"                                        \
	" coalesce(e.nat_destination_port, f.nat_destination_port) nat_destination_port,"                         \
	" coalesce(e.rule, f.rule) rule, coalesce(e.rest, f.rest) rest, f.begun, f.established, f.ended, f.why, " \
	"f.state,"                                                                                                \
	" f.packets_out, f.packets_in, f.bytes_out, f.bytes_in, f.name, f.last, f.duration, f.flags"              \
	" FROM entry e LEFT JOIN flow f ON f.id = e.flow WHERE e.flow IS NULL OR f.id IS NOT NULL;"

static const char ks_schema[] =
	"CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
	"CREATE TABLE rule(id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE);"
	"CREATE TABLE entry(id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, event INTEGER NOT NULL, flow "
	"INTEGER,"
	" verdict INTEGER, reason INTEGER, proto INTEGER, zone_from INTEGER, zone_to INTEGER, source BLOB, source_port "
	"INTEGER,"
	" destination BLOB, destination_port INTEGER, nat_source BLOB, nat_source_port INTEGER, nat_destination BLOB,"
	" nat_destination_port INTEGER, rule INTEGER, rest TEXT);"
	"CREATE INDEX entry_time ON entry(time);"
	"CREATE TABLE flow(id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, begun INTEGER NOT NULL, established "
	"INTEGER,"
	" ended INTEGER, why INTEGER, state INTEGER, proto INTEGER, zone_from INTEGER, zone_to INTEGER, source BLOB,"
	" source_port INTEGER, destination BLOB, destination_port INTEGER, nat_source BLOB, nat_source_port INTEGER,"
	" nat_destination BLOB, nat_destination_port INTEGER, rule INTEGER, packets_out INTEGER, packets_in INTEGER,"
	" bytes_out INTEGER, bytes_in INTEGER, rest TEXT, last INTEGER, duration INTEGER, flags INTEGER);"
	"CREATE INDEX flow_living ON flow(source, source_port, destination, destination_port, proto) WHERE ended IS "
	"NULL;"
	"CREATE INDEX flow_named ON flow(name) WHERE ended IS NULL;"
	"CREATE INDEX flow_outer ON flow(nat_source, nat_source_port) WHERE nat_source IS NOT NULL;"
	"CREATE TABLE figure(span INTEGER NOT NULL, time INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY(span, time))"
	" WITHOUT ROWID;"
	"CREATE TABLE policy(time INTEGER PRIMARY KEY, until INTEGER, path TEXT, generation INTEGER, text TEXT);"
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;" KS_SCHEMA_HISTORY;

/* From the first version. */
static const char ks_schema_from_first[] =
	"ALTER TABLE flow ADD COLUMN last INTEGER; ALTER TABLE flow ADD COLUMN duration INTEGER;"
	"ALTER TABLE flow ADD COLUMN flags INTEGER; DROP VIEW history;" KS_SCHEMA_HISTORY;

/* Bits of what is true of a flow. */
enum ks_flow_told { KS_FLOW_TOLD_REPLIED = 1, KS_FLOW_TOLD_ASSURED = 2, KS_FLOW_TOLD_PICKUP = 4 };

/* The kinds of entries: `event` of the daemon's lines. */
enum ks_entry_event {
	KS_ENTRY_DROP,
	KS_ENTRY_PASS,
	KS_ENTRY_BEGIN,
	KS_ENTRY_ESTABLISHED,
	KS_ENTRY_END,
	KS_ENTRY_LOST,
	KS_ENTRY_GAP,
	KS_ENTRY_STOP
};

#endif
