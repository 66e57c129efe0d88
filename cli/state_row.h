/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A state of the running firewall as a row of fields, each a text, "" where a state has none. It comes as a line of CSV, which is
 * quick, or as an object of JSON. The fields are named as the columns of CSV (docs/api.md).
 */
#ifndef KS_CLI_STATE_ROW_H
#define KS_CLI_STATE_ROW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(identifier, name, member of JSON, index in it: -1 for none) */
#define KS_STATE_FIELDS(X)                                                          \
	X(FAMILY, "family", "family", -1)                                           \
	X(PROTO, "proto", "proto", -1)                                              \
	X(SOURCE, "source", "source", -1)                                           \
	X(SOURCE_PORT, "source_port", "source_port", -1)                            \
	X(DESTINATION, "destination", "destination", -1)                            \
	X(DESTINATION_PORT, "destination_port", "destination_port", -1)             \
	X(ID, "id", "id", -1)                                                       \
	X(TYPE, "type", "type", -1)                                                 \
	X(KEY, "key", "key", -1)                                                    \
	X(CALL, "call", "call", -1)                                                 \
	X(NAT_SOURCE, "nat_source", "nat.source", -1)                               \
	X(NAT_SOURCE_PORT, "nat_source_port", "nat.source_port", -1)                \
	X(NAT_DESTINATION, "nat_destination", "nat.destination", -1)                \
	X(NAT_DESTINATION_PORT, "nat_destination_port", "nat.destination_port", -1) \
	X(STATE, "state", "state", -1)                                              \
	X(FROM, "from", "from", -1)                                                 \
	X(TO, "to", "to", -1)                                                       \
	X(PACKETS_OUT, "packets_out", "packets", 0)                                 \
	X(PACKETS_IN, "packets_in", "packets", 1)                                   \
	X(BYTES_OUT, "bytes_out", "bytes", 0)                                       \
	X(BYTES_IN, "bytes_in", "bytes", 1)                                         \
	X(AGE, "age", "age", -1)                                                    \
	X(LEFT, "left", "timeout", -1)                                              \
	X(RATE_OUT, "rate_out", "rate", 0)                                          \
	X(RATE_IN, "rate_in", "rate", 1)                                            \
	X(REPLIED, "replied", "replied", -1)                                        \
	X(ASSURED, "assured", "assured", -1)                                        \
	X(PICKUP, "pickup", "pickup", -1)                                           \
	X(RULE_ID, "rule_id", "rule.id", -1)                                        \
	X(FILE, "file", "rule.file", -1)                                            \
	X(LINE, "line", "rule.line", -1)                                            \
	X(LABEL, "label", "rule.label", -1)                                         \
	X(FLOWS, "flows", "flows", -1)                                              \
	X(HOST, "host", "host", -1)                                                 \
	X(PORT, "port", "port", -1)

#define X(id, name, member, index) KS_FIELD_##id,
enum ks_state_field { KS_STATE_FIELDS(X) KS_STATE_FIELD_MAX };
#undef X

extern const char *const ks_state_field_names[KS_STATE_FIELD_MAX];

#define KS_STATE_ROW_TEXT 8192

struct ks_state_row {
	const char *field[KS_STATE_FIELD_MAX];
	char text[KS_STATE_ROW_TEXT]; /* of the fields */
};

/* Fills the row from a line of CSV with these fields. Returns false if it is no such line. */
bool ks_state_row_from_csv(struct ks_state_row *row, const char *line, size_t length, const unsigned char *fields,
			   size_t count);

/* Fills the row from an object. */
void ks_state_row_from_json(struct ks_state_row *row, const json_t *object);

uint64_t ks_state_row_number(const struct ks_state_row *row, enum ks_state_field field);

#endif
