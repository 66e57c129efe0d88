// SPDX-License-Identifier: BSD-2-Clause
/* See xdp_features.h. The kernel is asked by its family `netdev` of generic netlink, which Debian 12's headers do not have. */
#include "kernel/xdp_features.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <linux/genetlink.h>

#include "kernel/netlink_internal.h"

#define FAMILY "netdev"
#define COMMAND_DEVICE_GET 1 /* NETDEV_CMD_DEV_GET */
#define ATTRIBUTE_IFINDEX 1 /* NETDEV_A_DEV_IFINDEX */
#define ATTRIBUTE_FEATURES 3 /* NETDEV_A_DEV_XDP_FEATURES: 64 bits */
#define VERSION 1

#define ATTRIBUTE_ROOM 8

/* A question with one attribute of at most eight bytes. */
struct question {
	struct nlmsghdr header;
	struct genlmsghdr general;
	struct rtattr attribute;
	char value[ATTRIBUTE_ROOM];
};

static void question_make(struct question *question, unsigned short family, unsigned char command,
			  unsigned short attribute, const void *value, size_t size)
{
	*question = (struct question){
		.header = { .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST },
		.general = { .cmd = command, .version = VERSION },
		.attribute = { .rta_type = attribute, .rta_len = (unsigned short)RTA_LENGTH(size) },
	};
	memcpy(question->value, value, size);
	question->header.nlmsg_len =
		(__u32)(NLMSG_LENGTH(sizeof(question->general)) + RTA_ALIGN(question->attribute.rta_len));
}

/* An attribute that is looked for. */
struct answer_ctx {
	unsigned short attribute;
	void *value;
	size_t size;
	bool found;
};

static int read_answer(const struct nlmsghdr *message, void *arg)
{
	const struct rtattr *attr =
		(const struct rtattr *)((const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct genlmsghdr)));
	int length = (int)NLMSG_PAYLOAD(message, sizeof(struct genlmsghdr));
	struct answer_ctx *ctx = arg;

	for (; RTA_OK(attr, length); attr = RTA_NEXT(attr, length)) {
		if (attr->rta_type != ctx->attribute || RTA_PAYLOAD(attr) != ctx->size)
			continue;
		memcpy(ctx->value, RTA_DATA(attr), ctx->size);
		ctx->found = true;
	}
	return 1; /* there is one message */
}

static int ask(const struct question *question, struct answer_ctx *ctx)
{
	int err = ks_netlink_ask(NETLINK_GENERIC, question, question->header.nlmsg_len, read_answer, ctx);

	return err ?: ctx->found ? 0 : -EOPNOTSUPP;
}

/* The number of the family, which stays the same as long as the kernel runs: 0 if there is none. */
static unsigned short family_get(void)
{
	static unsigned short family;
	struct answer_ctx ctx = { .attribute = CTRL_ATTR_FAMILY_ID, .value = &family, .size = sizeof(family) };
	struct question question;

	if (family)
		return family;
	question_make(&question, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, FAMILY, sizeof(FAMILY));
	return ask(&question, &ctx) ? 0 : family;
}

int ks_xdp_features(unsigned ifindex)
{
	unsigned short family = family_get();
	__u64 features = 0;
	struct answer_ctx ctx = { .attribute = ATTRIBUTE_FEATURES, .value = &features, .size = sizeof(features) };
	struct question question;
	__u32 number = ifindex;

	if (!family)
		return -EOPNOTSUPP;
	question_make(&question, family, COMMAND_DEVICE_GET, ATTRIBUTE_IFINDEX, &number, sizeof(number));
	return ask(&question, &ctx) ?: (int)(features & INT_MAX);
}
