/* SPDX-License-Identifier: BSD-2-Clause */
/* page/opener.c: which text becomes the draft, and which takes the policy's place. The daemon is a socket that tells a status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/types.h"
#include "page/opener.h"

static struct ks_page_opts opts = { .may_act = true };
static char directory[] = "/tmp/ks-opener-XXXXXX", policy[128], draft[128], status[512];
static int daemon_fd, page_fd, opener_fd;
static pthread_t daemon_thread, opener_thread;

static void *tell_status(void *arg)
{
	char request[4096], answer[1024];
	int fd;

	while ((fd = accept(daemon_fd, NULL, NULL)) >= 0) {
		int length = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
				      strlen(status), status);

		if (recv(fd, request, sizeof(request), 0) > 0)
			send(fd, answer, (size_t)length, MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void *serve(void *arg)
{
	ks_opener_serve(opener_fd, &opts);
	return NULL;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Files tell when they were changed in ticks of the kernel. */
static void pass_a_tick(void)
{
	usleep(30000);
}

static void assert_file(const char *path, const char *text)
{
	char found[64] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	(void)!fread(found, 1, sizeof(found) - 1, file);
	fclose(file);
	assert_string_equal(found, text);
}

static int start(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fds[2];

	if (!mkdtemp(directory) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds))
		return -1;
	page_fd = fds[0];
	opener_fd = fds[1];
	snprintf(policy, sizeof(policy), "%s/policy", directory);
	snprintf(draft, sizeof(draft), "%s/policy.page", directory);
	snprintf(opts.instance.socket, sizeof(opts.instance.socket), "%s/socket", directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", opts.instance.socket);
	daemon_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(daemon_fd, (const struct sockaddr *)&address, sizeof(address)) || listen(daemon_fd, 8))
		return -1;
	return pthread_create(&daemon_thread, NULL, tell_status, NULL) ||
	       pthread_create(&opener_thread, NULL, serve, NULL);
}

static int stop(void **state)
{
	shutdown(daemon_fd, SHUT_RDWR);
	close(page_fd);
	pthread_join(daemon_thread, NULL);
	pthread_join(opener_thread, NULL);
	unlink(policy);
	unlink(draft);
	unlink(opts.instance.socket);
	return rmdir(directory);
}

/* Makes the daemon tell this from now on. */
static void in_force(const char *path, bool on_trial)
{
	snprintf(status, sizeof(status), "{\"policy\": \"%s\"%s}", path,
		 on_trial ? ", \"unconfirmed\": {\"seconds_left\": 9}" : "");
}

static int write_draft(const char *text)
{
	FILE *file = tmpfile();
	int err;

	assert_non_null(file);
	fputs(text, file);
	fflush(file);
	err = ks_opener_ask(page_fd, KS_POLICY_DRAFT, fileno(file), NULL, NULL);
	fclose(file);
	return err;
}

static int keep(void)
{
	return ks_opener_ask(page_fd, KS_POLICY_KEEP, -1, NULL, NULL);
}

static void test_a_draft_in_force_stays_as_it_is(void **state)
{
	write_file(policy, "before");
	in_force(policy, false);
	assert_int_equal(write_draft("first"), 0);
	assert_file(draft, "first");
	in_force(draft, true);
	assert_int_equal(write_draft("second"), -EBUSY);
	in_force(draft, false);
	assert_int_equal(write_draft("second"), -EALREADY);
	assert_file(draft, "first");
	assert_int_equal(keep(), 0);
	assert_file(policy, "first");
	in_force(policy, false);
	assert_int_equal(write_draft("second"), 0);
}

static void test_only_the_draft_that_was_confirmed_takes_the_place(void **state)
{
	write_file(policy, "of a terminal");
	pass_a_tick();
	write_file(draft, "an old try");
	in_force(policy, false);
	assert_int_equal(keep(), -ENOENT);
	in_force(policy, true);
	assert_int_equal(keep(), -ENOENT);
	in_force(draft, true);
	assert_int_equal(keep(), -EBUSY);
	assert_file(policy, "of a terminal");
	in_force(draft, false);
	assert_int_equal(keep(), 0);
	assert_file(policy, "an old try");
}

static int is_unchanged(void)
{
	return ks_opener_ask(page_fd, KS_POLICY_UNCHANGED, -1, NULL, NULL);
}

/* Somebody writes into the file, or puts another one in its place, while a draft that began from it is on trial. */
static void test_a_file_that_was_changed_meanwhile_stays(void **state)
{
	char other[sizeof(policy) + 8];

	snprintf(other, sizeof(other), "%s.other", policy);
	for (int way = 0; way < 2; way++) {
		write_file(policy, "before");
		pass_a_tick();
		in_force(policy, false);
		assert_int_equal(write_draft("draft"), 0);
		in_force(draft, true);
		assert_int_equal(is_unchanged(), 0);
		pass_a_tick();
		write_file(way ? other : policy, "an editor's");
		if (way)
			assert_int_equal(rename(other, policy), 0);
		assert_int_equal(is_unchanged(), -ESTALE);
		in_force(draft, false);
		assert_int_equal(keep(), -ESTALE);
		assert_file(policy, "an editor's");
	}
	unlink(policy);
	assert_int_equal(keep(), 0);
	assert_file(policy, "draft");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_draft_in_force_stays_as_it_is),
		cmocka_unit_test(test_only_the_draft_that_was_confirmed_takes_the_place),
		cmocka_unit_test(test_a_file_that_was_changed_meanwhile_stays),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
