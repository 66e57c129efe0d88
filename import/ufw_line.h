/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of scripts that call ufw: only what one call says by itself is read. */
#ifndef KS_IMPORT_UFW_LINE_H
#define KS_IMPORT_UFW_LINE_H

#include "import/words.h"

/* Returns true if the word names the program, with its folder or without. */
bool ks_ufw_is_named(const char *word);

/* Returns true if the shell makes more of a line than one command: the words behind "comment" are what somebody wrote. */
bool ks_ufw_is_compound(const struct ks_words_line *words);

#endif
