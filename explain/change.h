/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The changes of a reload in words, from the JSON that the daemon makes of them (docs/api.md): the daemon tells them to
 * its log, `keepstate reload` to its user.
 */
#ifndef KS_EXPLAIN_CHANGE_H
#define KS_EXPLAIN_CHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef void ks_say_fn(bool warning, const char *line);

/* Says the parts of a change that are not empty, in a line each. */
void ks_change_tell(const json_t *change, ks_say_fn *say);

/* Writes the strings of an array as "a, b, c" into buf, cut off at its end; returns buf. */
const char *ks_names_join(const json_t *names, char *buf, size_t size);

#endif
