/* SPDX-License-Identifier: BSD-2-Clause */
/* See opener.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/types.h"
#include "page/named.h"
#include "page/opener.h"
#include "text/scoped.h"

#define KS_DRAFT_MODE 0600
#define KS_RESOLVER "/etc/resolv.conf"

/* --- messages with a descriptor --- */

static int message_send(int fd, void *data, size_t size, int give)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { data, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (give >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &give, sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Returns the bytes of the message, 0 at the end, or -errno. *got is -1 if no descriptor came. */
static ssize_t message_receive(int fd, void *data, size_t size, int *got)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { data, size };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	const struct cmsghdr *head;
	ssize_t n;

	*got = -1;
	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(got, CMSG_DATA(head), sizeof(int));
	return n;
}

/* --- the page's side --- */

static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER; /* one question at a time: an answer has no name */

static int ask(int fd, unsigned char wish, int give, int *got, struct ks_opener_reply *reply)
{
	int err = message_send(fd, &wish, sizeof(wish), give);
	ssize_t n;

	if (err)
		return err;
	n = message_receive(fd, reply, sizeof(*reply), got);
	return n == (ssize_t)sizeof(*reply) ? reply->err : -EPIPE;
}

int ks_opener_ask(int fd, enum ks_opener_wish wish, int give, int *got, struct ks_opener_reply *reply)
{
	struct ks_opener_reply here = { 0 };
	ks_auto_fd int came = -1;
	int err;

	pthread_mutex_lock(&asking);
	err = ask(fd, (unsigned char)wish, give, &came, &here);
	pthread_mutex_unlock(&asking);
	if (reply)
		*reply = here;
	if (got)
		*got = err ? -1 : TAKE_FD(came);
	return err;
}

bool ks_opener_is_gone(int fd)
{
	struct pollfd poll_fd = { .fd = fd };

	return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & (POLLHUP | POLLERR);
}

/* --- the opener's side --- */

struct opener {
	const struct ks_page_opts *opts;
	const struct ks_instance *instance;
	bool may_act;
};

static int connect_to(const char *path, int *got)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	*got = TAKE_FD(fd);
	return 0;
}

static int open_journal(const struct opener *opener, int *got)
{
	char path[KS_INSTANCE_PATH];

	snprintf(path, sizeof(path), KS_JOURNAL_RUN_DIR "/%s.sock", opener->instance->name);
	return connect_to(path, got);
}

/* The policy's file, and the file where the page writes. */
struct named {
	char policy[PATH_MAX]; /* FILE */
	char draft[PATH_MAX + 8]; /* FILE.page */
	bool is_draft; /* the daemon names FILE.page: it is on trial, or was confirmed and has not taken FILE's place */
	bool on_trial;
};

static int find_named(const struct opener *opener, struct named *named)
{
	const size_t suffix = strlen(KS_DRAFT_SUFFIX);
	ks_auto_fd int fd = -1;
	int err = connect_to(opener->instance->socket, &fd) ?: ks_named_policy(fd, named->policy, &named->on_trial);
	size_t length;

	if (err)
		return err;
	length = strlen(named->policy);
	named->is_draft = length > suffix && !strcmp(named->policy + length - suffix, KS_DRAFT_SUFFIX);
	if (named->is_draft)
		named->policy[length - suffix] = '\0';
	snprintf(named->draft, sizeof(named->draft), "%s" KS_DRAFT_SUFFIX, named->policy);
	return 0;
}

static int open_source(const struct opener *opener, int *got, struct ks_opener_reply *reply)
{
	struct named named;
	int err = find_named(opener, &named);
	struct stat info;
	int fd;

	if (err)
		return err;
	snprintf(reply->path, sizeof(reply->path), "%s", named.policy);
	fd = open(reply->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &info))
		return -errno;
	*got = fd;
	return S_ISREG(info.st_mode) ? 0 : -EINVAL;
}

static int copy_text(int from, int to)
{
	char buf[65536];
	size_t left = KS_POLICY_TEXT_MAX;
	ssize_t n;

	if (lseek(from, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = read(from, buf, sizeof(buf))) > 0) {
		if ((size_t)n > left)
			return -EFBIG;
		left -= (size_t)n;
		if (write(to, buf, (size_t)n) != n)
			return errno ? -errno : -EIO;
	}
	return n < 0 ? -errno : 0;
}

static int create_draft(const struct named *named)
{
	struct stat info;
	int fd;

	unlink(named->draft); /* it may be a link that leads elsewhere */
	fd = open(named->draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, KS_DRAFT_MODE);
	if (fd < 0)
		return -errno;
	if (!stat(named->policy, &info)) /* its readers may read what takes its place */
		fchmod(fd, info.st_mode & 0666);
	return fd;
}

/* A draft that is in force stays as it is: `keep` puts into FILE's place what was on trial, and a start reads what is named. */
static int write_draft(const struct opener *opener, int text, struct ks_opener_reply *reply)
{
	struct named named;
	int err = find_named(opener, &named);
	ks_auto_fd int fd = -1;

	if (err)
		return err;
	if (text < 0)
		return -EBADF;
	snprintf(reply->path, sizeof(reply->path), "%.*s", PATH_MAX - 1, named.draft);
	if (named.is_draft)
		return named.on_trial ? -EBUSY : -EALREADY;
	fd = create_draft(&named);
	if (fd < 0)
		return fd;
	err = copy_text(text, fd);
	return !err && fsync(fd) ? -errno : err;
}

/* The time of a file's last change by the kernel's clock, which nobody can set, against that of the text that was written. */
static bool is_later(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec > other->tv_sec || (one->tv_sec == other->tv_sec && one->tv_nsec > other->tv_nsec);
}

/* Somebody may have edited FILE since the draft began from it. A file that is gone has nothing to lose. */
static int find_unchanged(const struct named *named)
{
	struct stat file, draft;

	if (stat(named->policy, &file))
		return errno == ENOENT ? 0 : -errno;
	if (stat(named->draft, &draft))
		return -errno;
	return is_later(&file.st_ctim, &draft.st_mtim) ? -ESTALE : 0;
}

static int check_unchanged(const struct opener *opener, struct ks_opener_reply *reply)
{
	struct named named;
	int err = find_named(opener, &named);

	if (err)
		return err;
	snprintf(reply->path, sizeof(reply->path), "%s", named.policy);
	return named.is_draft ? find_unchanged(&named) : -ENOENT;
}

/* The daemon says if FILE.page is in force: another file may have been on trial, and FILE.page be an old try. */
static int keep_draft(const struct opener *opener, struct ks_opener_reply *reply)
{
	struct named named;
	int err = find_named(opener, &named);

	if (err)
		return err;
	snprintf(reply->path, sizeof(reply->path), "%s", named.policy);
	if (!named.is_draft)
		return -ENOENT;
	if (named.on_trial)
		return -EBUSY;
	err = find_unchanged(&named);
	return !err && rename(named.draft, named.policy) ? -errno : err;
}

/* A file that others write: it may be anything by now, but nothing is waited for. */
static int open_text(const char *path, int *got)
{
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat info;

	if (fd < 0 || fstat(fd, &info))
		return -errno;
	if (!S_ISREG(info.st_mode))
		return -EINVAL;
	*got = TAKE_FD(fd);
	return 0;
}

static int open_leases(const struct ks_page_opts *opts, unsigned number, int *got)
{
	/* dnsmasq of Debian and of OpenWrt, ISC's server for both families, Kea for both. */
	static const char *const usual[] = {
		"/var/lib/misc/dnsmasq.leases", "/tmp/dhcp.leases",
		"/var/lib/dhcp/dhcpd.leases",	"/var/lib/dhcp/dhcpd6.leases",
		"/var/lib/kea/kea-leases4.csv", "/var/lib/kea/kea-leases6.csv",
	};
	const char *const *list = opts->lease_count ? opts->leases : usual;
	size_t count = opts->lease_count ? opts->lease_count : KS_ARRAY_SIZE(usual);

	return number < count ? open_text(list[number], got) : -ENOENT;
}

static int fulfil(const struct opener *opener, unsigned wish, int given, int *got, struct ks_opener_reply *reply)
{
	if (wish == KS_OPEN_READ)
		return connect_to(opener->instance->read_socket, got);
	if (wish == KS_OPEN_JOURNAL)
		return open_journal(opener, got);
	if (wish == KS_OPEN_RESOLVER)
		return open_text(KS_RESOLVER, got);
	if (wish >= KS_OPEN_LEASES)
		return open_leases(opener->opts, wish - KS_OPEN_LEASES, got);
	if (!opener->may_act)
		return -EPERM;
	switch (wish) {
	case KS_OPEN_CONTROL:
		return connect_to(opener->instance->socket, got);
	case KS_POLICY_SOURCE:
		return open_source(opener, got, reply);
	case KS_POLICY_DRAFT:
		return write_draft(opener, given, reply);
	case KS_POLICY_UNCHANGED:
		return check_unchanged(opener, reply);
	case KS_POLICY_KEEP:
		return keep_draft(opener, reply);
	default:
		return -EINVAL;
	}
}

/* Answers one question. Returns false at the end. */
static bool serve_one(const struct opener *opener, int fd)
{
	struct ks_opener_reply reply = { 0 };
	ks_auto_fd int given = -1;
	ks_auto_fd int got = -1;
	unsigned char wish;

	if (message_receive(fd, &wish, sizeof(wish), &given) != 1)
		return false;
	reply.err = fulfil(opener, wish, given, &got, &reply);
	return !message_send(fd, &reply, sizeof(reply), reply.err ? -1 : got);
}

void ks_opener_serve(int fd, const struct ks_page_opts *opts)
{
	const struct opener opener = { opts, &opts->instance, opts->may_act };

	while (serve_one(&opener, fd))
		continue;
}
