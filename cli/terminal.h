/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal of commands that print again and again: its size, and single keys without a newline. */
#ifndef KS_CLI_TERMINAL_H
#define KS_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#define KS_TERMINAL_CLEAR "\033[H\033[2J"
#define KS_KEY_INTERRUPT 3 /* Ctrl-C */

/* Lines of the terminal on standard output, 0 if it is none. */
unsigned ks_terminal_lines(void);

/* Returns true if keys can be read: standard input and output are one. */
bool ks_terminal_has_keys(void);

/*
 * Waits for a key, at most so many milliseconds. Returns it, 0 if there was none, or -1 if the input has ended. Without a terminal it
 * waits only.
 */
int ks_terminal_wait(uint64_t ms);

#endif
