/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of a long listing, made without printf(3): a table may have a million flows, and formats cost more than the flows. What
 * is written is gathered and handed to the stream in large pieces; ks_line_flush() hands over the rest.
 */
#ifndef KS_TEXT_LINE_H
#define KS_TEXT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/address.h"
#include "core/types.h"

#define KS_LINE_TEXT 4096

struct ks_line {
	FILE *out;
	size_t used;
	char text[KS_LINE_TEXT];
};

void ks_line_begin(struct ks_line *line, FILE *out);
void ks_line_flush(struct ks_line *line);

void ks_line_bytes(struct ks_line *line, const char *bytes, size_t size);
void ks_line_text(struct ks_line *line, const char *text);
void ks_line_char(struct ks_line *line, char c);
void ks_line_number(struct ks_line *line, __u64 number);
/* Milliseconds as seconds: "86397.120" */
void ks_line_seconds(struct ks_line *line, __u64 ms);
void ks_line_addr(struct ks_line *line, const struct ks_addr *addr, unsigned family);

/* A text as JSON, with its quotes, as ks_json_text() makes it. Without memory one that is not ASCII is empty. */
void ks_line_json(struct ks_line *line, const char *text);
/* A field of a line of CSV (RFC 4180): in quotes if it needs them. */
void ks_line_csv(struct ks_line *line, const char *text);

#endif
