/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8 as RFC 3629 has it: no surrogates, nothing above U+10FFFF, the shortest form only. */
#ifndef KS_TEXT_UTF8_H
#define KS_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Returns how many bytes at the beginning of a text are whole characters of UTF-8: `length` if all are. */
size_t ks_utf8_length(const char *text, size_t length);

/* Returns true if a NUL-terminated text is UTF-8. */
bool ks_utf8_is_valid(const char *text);

/*
 * Returns how many bytes the character has that a NUL-terminated text begins with, if it moves a terminal or turns what it shows
 * around: C0, DEL, C1, and the controls of direction (UAX #9). Else 0.
 */
size_t ks_control_size(const char *text);

#endif
