/* SPDX-License-Identifier: BSD-2-Clause */
/* News of rtnetlink as the kernel writes them, read from a socket: kernel/netlink_link.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

#include "kernel/netlink.h"

/* A message about interface 7, "wlan0". */
struct message {
	struct nlmsghdr header;
	struct ifinfomsg info;
	char attributes[256];
};

static struct message link_message(void)
{
	return (struct message){
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK },
		.info = { .ifi_type = ARPHRD_ETHER, .ifi_index = 7, .ifi_flags = IFF_UP },
	};
}

static void add(struct message *message, unsigned short type, const void *data, size_t size)
{
	struct rtattr *attr = (struct rtattr *)((char *)message + NLMSG_ALIGN(message->header.nlmsg_len));

	attr->rta_type = type;
	attr->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attr), data, size);
	message->header.nlmsg_len = NLMSG_ALIGN(message->header.nlmsg_len) + RTA_ALIGN(attr->rta_len);
}

struct heard {
	unsigned count;
	struct ks_interface last;
};

static void hear(const struct ks_interface *interface, void *arg)
{
	struct heard *heard = arg;

	heard->count++;
	heard->last = *interface;
}

static struct heard read_one(const struct message *message)
{
	struct heard heard = { 0 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(write(fds[0], message, message->header.nlmsg_len), message->header.nlmsg_len);
	assert_int_equal(ks_netlink_read_news(fds[1], hear, &heard), 0);
	close(fds[0]);
	close(fds[1]);
	return heard;
}

static void test_a_link(void **state)
{
	static const __u8 mac[] = { 2, 0, 0, 0, 0, 1 };
	const unsigned master = 3;
	struct message message = link_message();
	struct heard heard;

	add(&message, IFLA_IFNAME, "wlan0", sizeof("wlan0"));
	add(&message, IFLA_MASTER, &master, sizeof(master));
	add(&message, IFLA_ADDRESS, mac, sizeof(mac));
	heard = read_one(&message);
	assert_int_equal(heard.count, 1);
	assert_string_equal(heard.last.name, "wlan0");
	assert_int_equal(heard.last.ifindex, 7);
	assert_int_equal(heard.last.master, 3);
	assert_memory_equal(heard.last.mac, mac, sizeof(mac));
	assert_true(heard.last.up);
}

/* A driver tells of a scan or of an access point: the message has the name only, and no word of the bridge. */
static void test_wireless_events_are_no_news(void **state)
{
	struct message message = link_message();

	add(&message, IFLA_IFNAME, "wlan0", sizeof("wlan0"));
	add(&message, IFLA_WIRELESS, "\x08\x00\x19\x8b\x00\x00\x00\x00", 8);
	assert_int_equal(read_one(&message).count, 0);
}

static void test_words_of_a_bridge_about_its_port_are_no_news(void **state)
{
	struct message message = link_message();

	message.info.ifi_family = AF_BRIDGE;
	add(&message, IFLA_IFNAME, "wlan0", sizeof("wlan0"));
	assert_int_equal(read_one(&message).count, 0);
}

static void test_a_message_that_is_too_short(void **state)
{
	struct message message = link_message();

	message.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)) - 4;
	assert_int_equal(read_one(&message).count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_link),
		cmocka_unit_test(test_wireless_events_are_no_news),
		cmocka_unit_test(test_words_of_a_bridge_about_its_port_are_no_news),
		cmocka_unit_test(test_a_message_that_is_too_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
