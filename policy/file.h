/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the files of a policy; see file.c. */
#ifndef KS_POLICY_FILE_H
#define KS_POLICY_FILE_H

#include "policy/parse.h"

/* Adds a text, which stays the caller's, to the parser's sources. NULL without memory. `dir` lives as long as the arena. */
struct ks_source *ks_source_add(struct ks_parser *p, const char *name, const char *dir, const char *text,
				size_t length);

/* Reads a file; `main` also takes "-" and pipes. Returns 0 or -errno: -EFBIG, -EISDIR, -ENOTSUP (no ordinary file), ... */
int ks_source_load(struct ks_parser *p, const char *path, bool main, const struct ks_source **result);

/*
 * The same for a path that a policy names: seen from the file that names it, bounded, and complained about at its token.
 * Returns 0, -ENOMEM or -EINVAL.
 */
int ks_source_open(struct ks_parser *p, const struct ks_token *path, const struct ks_source **source);

/* The same for a file that may be missing: then there is a warning, and *source is NULL. */
int ks_source_open_optional(struct ks_parser *p, const struct ks_token *path, const struct ks_source **source);

/* Returns true if two sources are the same file. */
bool ks_source_same(const struct ks_source *a, const struct ks_source *b);

/* The directory of a path, "." if it names none; in the arena. */
const char *ks_path_dir(struct ks_parser *p, const char *path);

#endif
