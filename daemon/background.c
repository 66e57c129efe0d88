/* SPDX-License-Identifier: BSD-2-Clause */
/* See background.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/report.h"
#include "text/scoped.h"

#define EXIT_SYSTEM 3 /* of the starting process, when the daemon died without a word */

int ks_background_go(int *ready_fd)
{
	unsigned char code = EXIT_SYSTEM;
	ks_auto_fd int from_child = -1;
	ks_auto_fd int to_parent = -1;
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	from_child = fds[0];
	to_parent = fds[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (!child) {
		setsid();
		*ready_fd = TAKE_FD(to_parent);
		return 0;
	}
	close(TAKE_FD(to_parent)); /* so that the child's death ends the pipe */
	if (read(from_child, &code, 1) != 1)
		code = EXIT_SYSTEM;
	_exit(code);
}

void ks_background_leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ks_report_to_syslog();
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2) /* else it is one of them */
		close(null);
}

void ks_background_tell(int ready_fd, int code)
{
	ks_auto_fd int fd = ready_fd;
	unsigned char byte = (unsigned char)code;

	if (fd < 0)
		return;
	if (write(fd, &byte, 1) != 1)
		ks_report_error("the starting process is gone");
	if (!code)
		ks_background_leave_terminal();
}
