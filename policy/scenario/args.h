/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments of the words of the packet language; see args.c. */
#ifndef KS_POLICY_SCENARIO_ARGS_H
#define KS_POLICY_SCENARIO_ARGS_H

#include "policy/scenario/reader.h"
#include "policy/scenario/words.h"

/* Reads the argument of a word. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_mod_argument_parse(struct ks_reader *reader, const struct ks_mod_info *info, struct ks_mod *mod);

/* The value of a TCP number: 101, -5, next, next+5. Returns 0 or -EINVAL. */
int ks_seq_value(const char *text, struct ks_mod *mod);

#endif
