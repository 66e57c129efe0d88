// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long a TCP connection takes to open: from the SYN to the SYN+ACK, as the client's connect() sees it. One connection at a
 * time, with a pause behind each, so that none waits for another's end. The server is that of connect.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "text/scoped.h"

#define PAUSE_US 300
#define PERCENT 100U
#define NSEC_PER_US 1e3

/* Opens a connection and closes it. Returns the ns that opening took, or -errno. */
static long open_once(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	__u64 start;
	long took;

	if (fd < 0)
		return -errno;
	start = bench_wall_time();
	took = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno
									       : (long)(bench_wall_time() - start);
	close(fd);
	return took;
}

static int long_compare(const void *a, const void *b)
{
	long left = *(const long *)a, right = *(const long *)b;

	return (left > right) - (left < right);
}

static double percentile_us(const long *sorted, __u32 count, __u32 percent)
{
	const __u64 at = (__u64)(count - 1) * percent / PERCENT;

	return (double)sorted[at] / NSEC_PER_US;
}

static int measure(const struct sockaddr_in *address, __u32 count, long *took)
{
	for (__u32 i = 0; i < count; i++) {
		took[i] = open_once(address);
		if (took[i] < 0)
			return (int)took[i];
		usleep(PAUSE_US);
	}
	qsort(took, count, sizeof(*took), long_compare);
	printf("{\"p50_us\": %.2f, \"p99_us\": %.2f}\n", percentile_us(took, count, 50),
	       percentile_us(took, count, 99));
	return 0;
}

int bench_handshake(const struct bench_opts *opts)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((__u16)opts->port) };
	ks_auto_free long *took = calloc(opts->count, sizeof(*took));
	int err = took ? 0 : -ENOMEM;

	if (!err && (!opts->address || inet_pton(AF_INET, opts->address, &address.sin_addr) != 1))
		err = -EINVAL;
	for (__u32 i = 0; !err && i < opts->runs; i++)
		err = measure(&address, opts->count, took);
	return err ? bench_fail(err, "handshake --address=%s --port=%u", opts->address, opts->port) : 0;
}
