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

#endif
