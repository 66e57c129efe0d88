/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists in braces, and what stands in them: names, addresses, ports; see list.c. */
#ifndef KS_POLICY_LIST_H
#define KS_POLICY_LIST_H

#include "policy/ast.h"
#include "policy/parse.h"

/* Called for each entry of "{ a, b, { c } }", or for the one that stands alone; ks_parser_last(p) is it. */
typedef int ks_list_fn(struct ks_parser *p, void *arg);

/* Reads a list. `what` says in a complaint what an entry is. Returns 0, -ENOMEM, or -EINVAL after complaints. */
int ks_parse_list(struct ks_parser *p, const char *what, ks_list_fn *one, void *arg);

/* The same of strings in quotes. */
int ks_parse_strings(struct ks_parser *p, const char *what, ks_list_fn *one, void *arg);

/* Appends addresses, or ports: a list of them from the text, or one word. Returns 0, -ENOMEM, or -EINVAL after complaints. */
int ks_parse_items(struct ks_parser *p, bool ports, struct ks_items *items);
int ks_read_item(struct ks_parser *p, const struct ks_token *token, bool ports, struct ks_items *items);

/* The same of a set, which may have host names. */
int ks_parse_set_items(struct ks_parser *p, struct ks_ast_set *set);

/* The same from a file with one on each line (policy/set_file.c); without an optional file nothing. */
int ks_read_items(struct ks_parser *p, const struct ks_token *path, bool optional, bool ports, struct ks_items *items);

int ks_add_name(struct ks_parser *p, struct ks_names *names, const struct ks_token *token);

/* Warns of bits behind a prefix, as in 10.0.0.1/24: it may be a mistake. */
void ks_warn_host_bits(struct ks_parser *p, const struct ks_token *token);

/* Returns true if the character may stand in a name, or begin one. */
bool ks_is_name_char(char c, bool first);

/* Complains about the token if `text`, a part of it, cannot name a zone, set or variable (`what`). Returns 0 or -EINVAL. */
int ks_check_name(struct ks_parser *p, const struct ks_token *token, const char *text, const char *what);

#endif
