/* SPDX-License-Identifier: BSD-2-Clause */
/* See host_query.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>

#include "core/address.h"
#include "core/types.h"
#include "daemon/host_confine.h"
#include "daemon/host_query.h"
#include "text/scoped.h"

#define TRY_SECONDS 2 /* that a server has for an answer */
#define TRIES 2 /* of each server */
#define DEADLINE (60 * KS_NSEC_PER_SEC)
#define ANSWER_FD 0 /* the pipe, in the process */

/* --- in the process --- */

/* Big enough for every message; the process has one thread. */
static unsigned char message[NS_MAXMSG];

static const char *why_of(int err)
{
	switch (-err) {
	case ENOENT:
		return "there is no such name";
	case EAGAIN:
		return "the name server failed or refused";
	case ELOOP:
		return "too many aliases";
	case EBADMSG:
		return "the answer is damaged";
	default:
		return "no answer from a name server";
	}
}

/* Asks for the addresses of one family. Returns 0 or -errno. */
static int ask(struct __res_state *resolver, const char *name, __u8 family, struct ks_host_addresses *addresses)
{
	unsigned char question[NS_PACKETSZ];
	int type = family == KS_IPV4 ? ns_t_a : ns_t_aaaa;
	int size = res_nmkquery(resolver, ns_o_query, name, ns_c_in, type, NULL, 0, NULL, question, sizeof(question));

	if (size > 0)
		size = res_nsend(resolver, question, size, message, sizeof(message));
	if (size <= 0)
		return -ETIMEDOUT;
	return ks_host_answer_read(message, KS_MIN((size_t)size, sizeof(message)), name, family, addresses);
}

static void ask_both(struct __res_state *resolver, const char *name, struct ks_host_answer *answer)
{
	for (unsigned i = 0; i < 2; i++) {
		int err = ask(resolver, name, i ? KS_IPV6 : KS_IPV4, &answer->of[i]);

		if (err)
			snprintf(answer->why, sizeof(answer->why), "%s", why_of(err));
		else
			answer->outcome[i] = answer->of[i].count ? KS_HOST_FOUND : KS_HOST_EMPTY;
	}
	if (answer->outcome[0] == KS_HOST_EMPTY && answer->outcome[1] == KS_HOST_EMPTY)
		snprintf(answer->why, sizeof(answer->why), "it has no usable address");
}

static void signals_reset(void)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Leaves no descriptor of the daemon but the pipe. */
static int descriptors_leave(int fd)
{
	if (dup2(fd, ANSWER_FD) < 0 || close_range(ANSWER_FD + 1, ~0U, 0))
		return -errno;
	return 0;
}

static void answer_make(const char *name, struct ks_host_answer *answer)
{
	struct __res_state resolver = { 0 };

	if (res_ninit(&resolver)) {
		snprintf(answer->why, sizeof(answer->why), "/etc/resolv.conf cannot be read");
		return;
	}
	resolver.retrans = TRY_SECONDS;
	resolver.retry = TRIES;
	if (ks_host_confine())
		snprintf(answer->why, sizeof(answer->why), "its process cannot give up its rights");
	else
		ask_both(&resolver, name, answer);
}

static void __attribute__((noreturn)) process_run(const char *name, int fd)
{
	static struct ks_host_answer answer;

	signals_reset();
	if (descriptors_leave(fd))
		_exit(1);
	answer_make(name, &answer);
	_exit(write(ANSWER_FD, &answer, sizeof(answer)) != sizeof(answer));
}

/* --- in the daemon --- */

int ks_host_query_begin(const char *name, __u64 now, struct ks_host_query *query)
{
	ks_auto_fd int mine = -1;
	ks_auto_fd int other = -1;
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	mine = fds[0];
	other = fds[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (!child)
		process_run(name, other);
	*query = (struct ks_host_query){ .pid = child, .fd = TAKE_FD(mine), .deadline = now + DEADLINE };
	return 0;
}

static bool addresses_are_right(const struct ks_host_addresses *addresses, __u32 outcome, __u8 family)
{
	if (outcome > KS_HOST_FOUND || addresses->count > KS_HOST_ADDRESSES_MAX ||
	    (outcome == KS_HOST_FOUND) != (addresses->count != 0))
		return false;
	for (__u32 i = 0; i < addresses->count; i++) {
		const struct ks_prefix *prefix = &addresses->list[i];

		if (prefix->family != family || prefix->length != (family == KS_IPV4 ? 32 : 128))
			return false;
	}
	return true;
}

/* An answer fits into a pipe, so it is there as a whole when the process has ended. */
static void answer_read(int fd, struct ks_host_answer *answer)
{
	bool right = read(fd, answer, sizeof(*answer)) == sizeof(*answer);

	right = right && addresses_are_right(&answer->of[0], answer->outcome[0], KS_IPV4) &&
		addresses_are_right(&answer->of[1], answer->outcome[1], KS_IPV6);
	if (!right) {
		memset(answer, 0, sizeof(*answer));
		snprintf(answer->why, sizeof(answer->why), "its process ended without an answer");
	}
	answer->why[sizeof(answer->why) - 1] = '\0';
}

static void query_close(struct ks_host_query *query)
{
	close(query->fd);
	*query = (struct ks_host_query){ .fd = -1 };
}

void ks_host_query_end(struct ks_host_query *query)
{
	if (!query->pid)
		return;
	kill(query->pid, SIGKILL);
	while (waitpid(query->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	query_close(query);
}

bool ks_host_query_poll(struct ks_host_query *query, __u64 now, struct ks_host_answer *answer)
{
	if (waitpid(query->pid, NULL, WNOHANG) == query->pid) {
		answer_read(query->fd, answer);
		query_close(query);
		return true;
	}
	if (now < query->deadline)
		return false;
	ks_host_query_end(query);
	memset(answer, 0, sizeof(*answer));
	snprintf(answer->why, sizeof(answer->why), "no answer in time");
	return true;
}
