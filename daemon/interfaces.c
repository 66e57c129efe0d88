/* SPDX-License-Identifier: BSD-2-Clause */
/* See interfaces.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>

#include "interfaces.h"
#include "report.h"

static bool match_name(const char *pattern, const char *name)
{
	size_t length = strlen(pattern);

	if (length && pattern[length - 1] == '*')
		return !strncmp(pattern, name, length - 1);
	return !strcmp(pattern, name);
}

__u32 ks_interfaces_zone_of(const struct ks_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->zone_count; i++) {
		for (size_t j = 0; j < policy->zones[i].interface_count; j++) {
			if (match_name(policy->zones[i].interfaces[j], name))
				return policy->zones[i].id;
		}
	}
	return KS_ZONE_NONE;
}

static struct ks_guarded *find(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].ifindex == ifindex)
			return &interfaces->list[i];
	}
	return NULL;
}

static struct ks_guarded *add(struct ks_interfaces *interfaces, const struct ks_interface *interface, __u32 zone)
{
	struct ks_guarded *list = reallocarray(interfaces->list, interfaces->count + 1, sizeof(*list));
	struct ks_guarded *guarded;

	if (!list)
		return NULL;
	interfaces->list = list;
	guarded = &list[interfaces->count++];
	*guarded = (struct ks_guarded){ .ifindex = interface->ifindex, .up = interface->up };
	guarded->port.zone = (__u8)zone;
	guarded->port.link = interface->layer3 ? KS_LINK_IP : KS_LINK_ETHERNET;
	guarded->port.bridged = interface->bridged;
	snprintf(guarded->name, sizeof(guarded->name), "%s", interface->name);
	return guarded;
}

static void forget(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	ks_kernel_forget_port(interfaces->kernel, guarded->ifindex);
	ks_record_drop_qdisc(interfaces->record, guarded->ifindex);
	*guarded = interfaces->list[--interfaces->count];
}

/* Takes the filters off an interface that belongs to no zone any more. */
static void release(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	int err = ks_kernel_detach(guarded->ifindex, ks_record_has_qdisc(interfaces->record, guarded->ifindex));

	if (err && err != -ENODEV)
		ks_report_error("%s: cannot take the filters off: %s", guarded->name, strerror(-err));
	forget(interfaces, guarded);
}

/* Puts what is missing of `hooks` on an interface. */
static int attach(struct ks_interfaces *interfaces, struct ks_guarded *guarded, unsigned hooks)
{
	bool created = false;
	int err = ks_kernel_set_port(interfaces->kernel, guarded->ifindex, &guarded->port);

	if (!err && (ks_kernel_attached(interfaces->kernel, guarded->ifindex) & hooks) != hooks)
		err = ks_kernel_attach(interfaces->kernel, guarded->ifindex, hooks, &created);
	if (created && ks_record_add_qdisc(interfaces->record, guarded->ifindex))
		ks_report_error("%s: out of memory: its clsact qdisc will stay when Keepstate stops", guarded->name);
	if (err && err != guarded->error)
		ks_report_error("%s: not guarded: %s", guarded->name, ks_kernel_complaint());
	guarded->error = err;
	return err;
}

struct reader {
	struct ks_interfaces *interfaces;
	const struct ks_policy *policy;
	int err;
};

static void prepare_one(const struct ks_interface *interface, void *arg)
{
	struct reader *reader = arg;
	struct ks_port port;
	int err;

	if (!ks_kernel_port(reader->interfaces->kernel, interface->ifindex, &port) ||
	    port.zone == ks_interfaces_zone_of(reader->policy, interface->name))
		return;
	port.zone = KS_ZONE_NONE;
	err = ks_kernel_set_port(reader->interfaces->kernel, interface->ifindex, &port);
	if (err)
		reader->err = err;
}

int ks_interfaces_prepare(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	struct reader reader = { .interfaces = interfaces, .policy = policy };
	int err = ks_netlink_each_interface(prepare_one, &reader);

	return err ?: reader.err;
}

static void collect_one(const struct ks_interface *interface, void *arg)
{
	struct reader *reader = arg;
	__u32 zone = ks_interfaces_zone_of(reader->policy, interface->name);

	if (zone != KS_ZONE_NONE && !add(reader->interfaces, interface, zone))
		reader->err = -ENOMEM;
}

/* Interfaces of the old list or of the map (a dead daemon's) that are not in the new list. */
static void release_others(struct ks_interfaces *interfaces, struct ks_interfaces *old)
{
	for (size_t i = old->count; i-- > 0;) {
		if (!find(interfaces, old->list[i].ifindex))
			release(old, &old->list[i]);
	}
}

struct strays {
	const struct ks_interfaces *interfaces;
	unsigned list[256];
	size_t count;
};

static void collect_stray(unsigned ifindex, const struct ks_port *port, void *arg)
{
	struct strays *strays = arg;

	if (!find(strays->interfaces, ifindex) && strays->count < KS_ARRAY_SIZE(strays->list))
		strays->list[strays->count++] = ifindex;
}

static void release_strays(struct ks_interfaces *interfaces)
{
	struct strays strays = { .interfaces = interfaces };

	ks_kernel_each_port(interfaces->kernel, collect_stray, &strays);
	for (size_t i = 0; i < strays.count; i++) {
		char name[IF_NAMESIZE];

		if (if_indextoname(strays.list[i], name))
			ks_report("no longer guarded: %s", name);
		ks_kernel_detach(strays.list[i], ks_record_has_qdisc(interfaces->record, strays.list[i]));
		ks_kernel_forget_port(interfaces->kernel, strays.list[i]);
		ks_record_drop_qdisc(interfaces->record, strays.list[i]);
	}
}

static int attach_all(struct ks_interfaces *interfaces, unsigned hooks)
{
	int err = 0;

	for (size_t i = 0; i < interfaces->count; i++)
		err = attach(interfaces, &interfaces->list[i], hooks) ?: err;
	return err;
}

int ks_interfaces_apply(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	struct ks_interfaces old = *interfaces;
	struct reader reader = { .interfaces = interfaces, .policy = policy };
	int err;

	interfaces->list = NULL;
	interfaces->count = 0;
	err = ks_netlink_each_interface(collect_one, &reader) ?: reader.err;
	if (err) { /* better guard by the old list than forget what cannot be seen now */
		free(interfaces->list);
		*interfaces = old;
		return err;
	}
	for (size_t i = 0; i < interfaces->count; i++)
		err = ks_kernel_set_port(interfaces->kernel, interfaces->list[i].ifindex, &interfaces->list[i].port)
			      ?: err;
	err = attach_all(interfaces, KS_HOOK_INGRESS) ?: err;
	err = attach_all(interfaces, KS_HOOK_BOTH) ?: err;
	release_others(interfaces, &old);
	release_strays(interfaces);
	free(old.list);
	return err;
}

static void take_appeared(struct ks_interfaces *interfaces, const struct ks_interface *news, __u32 zone)
{
	struct ks_guarded *guarded = add(interfaces, news, zone);

	if (!guarded) {
		ks_report_error("%s: not guarded: out of memory", news->name);
		return;
	}
	if (!attach(interfaces, guarded, KS_HOOK_BOTH))
		ks_report("%s: appeared, now guarded", news->name);
}

void ks_interfaces_take_news(struct ks_interfaces *interfaces, const struct ks_policy *policy,
			     const struct ks_interface *news)
{
	struct ks_guarded *guarded = find(interfaces, news->ifindex);
	__u32 zone;

	if (news->filters) {
		if (guarded && ks_kernel_attached(interfaces->kernel, news->ifindex) != KS_HOOK_BOTH) {
			ks_report_error("%s: somebody took our filters off; putting them back", guarded->name);
			attach(interfaces, guarded, KS_HOOK_BOTH);
		}
		return;
	}
	zone = news->gone ? KS_ZONE_NONE : ks_interfaces_zone_of(policy, news->name);
	if (guarded && news->gone) {
		ks_report("%s: vanished, forgotten", guarded->name);
		forget(interfaces, guarded);
		return;
	}
	if (guarded && zone == guarded->port.zone) {
		guarded->up = news->up;
		if (guarded->port.bridged != news->bridged) {
			guarded->port.bridged = news->bridged;
			ks_kernel_set_port(interfaces->kernel, guarded->ifindex, &guarded->port);
		}
		snprintf(guarded->name, sizeof(guarded->name), "%s", news->name);
		return;
	}
	if (guarded) {
		ks_report("%s: is now called %s", guarded->name, news->name);
		release(interfaces, guarded);
	}
	if (zone != KS_ZONE_NONE)
		take_appeared(interfaces, news, zone);
}

void ks_interfaces_retry(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].error)
			attach(interfaces, &interfaces->list[i], KS_HOOK_BOTH);
	}
}

void ks_interfaces_fini(struct ks_interfaces *interfaces)
{
	free(interfaces->list);
	interfaces->list = NULL;
	interfaces->count = 0;
}
