/* SPDX-License-Identifier: BSD-2-Clause */
/* See terminal.h. */
#include "cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

unsigned ks_terminal_lines(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return size.ws_row;
}

bool ks_terminal_has_keys(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static int key_read(int ms)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (poll(&fd, 1, ms) <= 0)
		return 0;
	return read(STDIN_FILENO, &key, 1) == 1 ? (unsigned char)key : -1;
}

/* Ctrl-C comes as a key, and nobody leaves a terminal behind that shows nothing. */
int ks_terminal_wait(uint64_t ms)
{
	struct termios before, raw;
	int key;

	if (!ks_terminal_has_keys() || tcgetattr(STDIN_FILENO, &before)) {
		poll(NULL, 0, (int)ms);
		return 0;
	}
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	key = key_read((int)ms);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	return key;
}
