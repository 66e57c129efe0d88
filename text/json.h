/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON made so that a failed allocation is never taken for a short answer: a
 * list or object that cannot be made whole becomes NULL, and so does every value
 * that contains it (json_pack() of a NULL is NULL).
 */
#ifndef KS_TEXT_JSON_H
#define KS_TEXT_JSON_H

#include <jansson.h>

/* Adds a value to *list or *object, and takes its reference. Without memory *list or *object becomes NULL. */
void ks_json_append(json_t **list, json_t *value);
void ks_json_set(json_t **object, const char *key, json_t *value);

/*
 * A JSON string of any text, such as the name of a file: JSON is UTF-8, so bytes
 * that are not become U+FFFD. NULL for a NULL text and without memory.
 */
json_t *ks_json_text(const char *text);

/*
 * The name of an interface for JSON and for people. The kernel takes any bytes: in a name that is
 * not UTF-8 bytes above 127 are written as \xff, and so are those of control characters. Returns `name` or `text`.
 */
#define KS_NAME_TEXT 64
const char *ks_name_text(const char *name, char text[KS_NAME_TEXT]);

#endif
