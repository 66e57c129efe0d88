/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a rule does not match by one of its further conditions (core/match.h): what the packet is, in words. */
#include <stdio.h>

#include "explain/internal.h"
#include "policy/calendar.h"
#include "policy/condition.h"
#include "policy/protect.h"

/* "record-route, timestamp" of a packet that has some. */
static void options_text(__u8 options, char *buf, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < KS_IP_OPTION_MAX && used < size; i++) {
		if (options >> i & 1)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
						 ks_ip_option_name(i));
	}
}

static void option_miss(const struct ks_facts *facts, char buf[KS_MISS_TEXT])
{
	char options[KS_MISS_TEXT - 40];

	if (!facts->ip_options) {
		snprintf(buf, KS_MISS_TEXT, "the packet has no IP option");
		return;
	}
	options_text(facts->ip_options, options, sizeof(options));
	snprintf(buf, KS_MISS_TEXT, "the packet's IP options are %s", options);
}

static void mac_miss(const struct ks_facts *facts, char buf[KS_MISS_TEXT])
{
	char text[KS_MAC_TEXT];

	if (!(facts->known & KS_CONDITIONS_LINK))
		snprintf(buf, KS_MISS_TEXT, "the MAC address of its sender is not known where it leaves");
	else if (!facts->mac)
		snprintf(buf, KS_MISS_TEXT, "the link has no MAC addresses");
	else
		snprintf(buf, KS_MISS_TEXT, "source MAC %s is not its", ks_mac_text(facts->mac, text));
}

static void user_miss(const struct ks_facts *facts, char buf[KS_MISS_TEXT])
{
	if (facts->has_uid)
		snprintf(buf, KS_MISS_TEXT, "user %u is not its", facts->uid);
	else
		snprintf(buf, KS_MISS_TEXT, "no socket of a user sends the packet");
}

static void cgroup_miss(const struct ks_facts *facts, char buf[KS_MISS_TEXT])
{
	snprintf(buf, KS_MISS_TEXT, "%s",
		 facts->has_cgroup ? "the socket's control group is not its"
				   : "no socket of a control group sends the packet");
}

static void during_miss(const struct ks_explain *explain, char buf[KS_MISS_TEXT])
{
	__s64 now = (__s64)ks_engine_time(explain->engine) + ks_engine_wall(explain->engine);
	char text[KS_MOMENT_TEXT];

	snprintf(buf, KS_MISS_TEXT, "%s is not in its time",
		 ks_calendar_moment_text((time_t)(now / (__s64)KS_NSEC_PER_SEC), text));
}

void ks_explain_condition(const struct ks_explain *explain, unsigned condition, char buf[KS_MISS_TEXT])
{
	const struct ks_facts *facts = &explain->insp->facts;
	const size_t size = KS_MISS_TEXT;
	char text[KS_FLAGS_TEXT + KS_DSCP_TEXT];

	switch (condition) {
	case KS_CONDITION_FLAGS:
		snprintf(buf, size, "TCP flags '%s' are not its", ks_tcp_flags_letters(facts->tcp_flags, text));
		break;
	case KS_CONDITION_FRAGMENT:
		snprintf(buf, size, "the packet is %s fragment", facts->fragment ? "a" : "no");
		break;
	case KS_CONDITION_IP_OPTION:
		option_miss(facts, buf);
		break;
	case KS_CONDITION_TTL:
		snprintf(buf, size, "TTL %u is not its", facts->ttl);
		break;
	case KS_CONDITION_LENGTH:
		snprintf(buf, size, "a length of %u octets is not its", facts->length);
		break;
	case KS_CONDITION_DSCP:
		snprintf(buf, size, "code point %s is not its", ks_dscp_text(facts->dscp, text));
		break;
	case KS_CONDITION_USER:
		user_miss(facts, buf);
		break;
	case KS_CONDITION_CGROUP:
		cgroup_miss(facts, buf);
		break;
	case KS_CONDITION_DURING:
		during_miss(explain, buf);
		break;
	case KS_CONDITION_MAC:
		mac_miss(facts, buf);
		break;
	default:
		snprintf(buf, size, "mark 0x%x is not its", facts->mark);
	}
}
