/* SPDX-License-Identifier: BSD-2-Clause */
/* See interfaces.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>

#include "host/names.h"
#include "interfaces.h"
#include "report.h"

__u32 ks_interfaces_zone_of(const struct ks_policy *policy, const char *name)
{
	return ks_policy_interface_zone(policy, name, NULL);
}

static struct ks_guarded *find(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].ifindex == ifindex)
			return &interfaces->list[i];
	}
	return NULL;
}

/* --- addresses --- */

/* The best address of each family, and which of the former ones are still there. */
struct addresses {
	struct ks_addr best[2];
	unsigned rank[2];
	struct ks_addr former[2];
	bool kept[2];
};

static void take_address(const struct ks_interface_address *address, void *arg)
{
	struct addresses *addresses = arg;
	unsigned at = address->family == KS_IPV6;

	if (!memcmp(&address->addr, &addresses->former[at], sizeof(address->addr)))
		addresses->kept[at] = true;
	if (address->rank <= addresses->rank[at])
		return;
	addresses->rank[at] = address->rank;
	addresses->best[at] = address->addr;
}

static bool is_zero(const struct ks_addr *addr)
{
	return !(addr->d[0] | addr->d[1]);
}

/* What was translated to an address that is gone cannot be answered any more. */
static void end_flows(struct ks_interfaces *interfaces, const char *name, const struct ks_addr *addr, unsigned family)
{
	long ended = ks_kernel_kill_translated(interfaces->kernel, addr, family);
	char text[KS_ADDR_TEXT];

	ks_addr_text(addr, family, text);
	if (ended < 0)
		ks_report_error("%s: lost %s, and its flows cannot be ended: %s", name, text, strerror((int)-ended));
	else if (ended)
		ks_report("%s: lost %s: %ld translated flow%s ended", name, text, ended, ended == 1 ? "" : "s");
}

/* Reads the interface's addresses into guarded->port. `former` has those that the map had. Returns whether they differ. */
static bool read_addresses(struct ks_interfaces *interfaces, struct ks_guarded *guarded, const struct ks_addr former[2])
{
	struct addresses addresses = { .former = { former[0], former[1] } };
	int err = ks_netlink_each_address(guarded->ifindex, take_address, &addresses);

	if (err) {
		ks_report_error("%s: cannot read its addresses: %s", guarded->name, strerror(-err));
		memcpy(guarded->port.address, former, sizeof(guarded->port.address));
		return false;
	}
	memcpy(guarded->port.address, addresses.best, sizeof(addresses.best));
	for (unsigned i = 0; i < 2; i++) {
		if (!addresses.kept[i] && !is_zero(&former[i]))
			end_flows(interfaces, guarded->name, &former[i], i ? KS_IPV6 : KS_IPV4);
	}
	return memcmp(addresses.best, former, sizeof(addresses.best)) != 0;
}

/* At the start, and after a reload: the map may have what an earlier daemon knew. */
static void begin_addresses(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	struct ks_port port = { 0 };

	ks_kernel_port(interfaces->kernel, guarded->ifindex, &port);
	read_addresses(interfaces, guarded, port.address);
}

static void take_addresses(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	struct ks_addr former[2];
	int err;

	memcpy(former, guarded->port.address, sizeof(former));
	if (!read_addresses(interfaces, guarded, former))
		return;
	err = ks_kernel_set_port(interfaces->kernel, guarded->ifindex, &guarded->port);
	if (err)
		ks_report_error("%s: its new address cannot be used: %s", guarded->name, strerror(-err));
}

/* --- filters --- */

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
	guarded->port.flags = interface->bridged ? KS_PORT_BRIDGED : 0;
	snprintf(guarded->name, sizeof(guarded->name), "%s", interface->name);
	return guarded;
}

static void forget(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!is_zero(&guarded->port.address[i]))
			end_flows(interfaces, guarded->name, &guarded->port.address[i], i ? KS_IPV6 : KS_IPV4);
	}
	ks_kernel_forget_port(interfaces->kernel, guarded->ifindex);
	ks_record_drop_qdisc(interfaces->record, guarded->ifindex);
	*guarded = interfaces->list[--interfaces->count];
}

/* Takes the filters off an interface that belongs to no zone any more. */
static void release(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	int err = ks_kernel_detach(ks_kernel_pin_dir(interfaces->kernel), guarded->ifindex,
				   ks_record_has_qdisc(interfaces->record, guarded->ifindex));

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

/* --- zones --- */

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
		ks_kernel_detach(ks_kernel_pin_dir(interfaces->kernel), strays.list[i],
				 ks_record_has_qdisc(interfaces->record, strays.list[i]));
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
		begin_addresses(interfaces, &interfaces->list[i]);
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
	begin_addresses(interfaces, guarded);
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
	if (news->addresses) {
		if (guarded)
			take_addresses(interfaces, guarded);
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
		if (!(guarded->port.flags & KS_PORT_BRIDGED) == news->bridged) {
			guarded->port.flags ^= KS_PORT_BRIDGED;
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
