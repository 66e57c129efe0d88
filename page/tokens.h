/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets: the two tokens that let people in, and the numbers of sessions. 160 bits of the kernel's random numbers each. */
#ifndef KS_PAGE_TOKENS_H
#define KS_PAGE_TOKENS_H

#include <stdbool.h>

#define KS_TOKEN_BYTES 20
#define KS_TOKEN_LENGTH 32 /* letters, five bits each */

struct ks_token {
	char text[KS_TOKEN_LENGTH + 1];
};

struct ks_tokens {
	struct ks_token view, act; /* `act` is empty unless the page may act */
};

int ks_token_make(struct ks_token *token);

/* Compares in a time that does not depend on where they differ. No text is equal to an empty token. */
bool ks_token_is(const struct ks_token *token, const char *text);

/*
 * Reads the tokens `view` and, if wished, `act` of a directory; makes what is not there, with mode 0600. Returns 0 or -errno: -EINVAL
 * for a file that holds no token.
 */
int ks_tokens_read(const char *directory, bool may_act, struct ks_tokens *tokens);

#endif
