/* SPDX-License-Identifier: BSD-2-Clause */
/* See interfaces.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/names.h"
#include "daemon/interfaces/interfaces.h"
#include "daemon/report.h"
#include "daemon/interfaces/zone_facts.h"

#define FIGHT_PAUSE_NS (3 * KS_NSEC_PER_SEC) /* what comes again sooner is the same fight */
#define TELL_AGAIN_NS (60 * KS_NSEC_PER_SEC)

static struct ks_guarded *find(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].ifindex == ifindex)
			return &interfaces->list[i];
	}
	return NULL;
}

size_t ks_interfaces_guarded(const struct ks_interfaces *interfaces)
{
	size_t guarded = 0;

	for (size_t i = 0; i < interfaces->count; i++)
		guarded += ks_role_has_programs(interfaces->list[i].role) && !interfaces->list[i].error;
	return guarded;
}

bool ks_interfaces_are_attached(const struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (ks_role_has_programs(guarded->role) && guarded->error && guarded->error != -ENODEV)
			return false;
	}
	return true;
}

static bool is_zero(const struct ks_addr *addr)
{
	return !(addr->d[0] | addr->d[1]);
}

/* Puts the entry into the map. Says once if it fails. */
static int store_guard(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	int err = ks_kernel_set_guard(interfaces->kernel, guarded->ifindex, &guarded->guard);

	if (err && err != guarded->store_error)
		ks_report_error("%s: %s", guarded->name, ks_kernel_complaint());
	guarded->store_error = err;
	return err;
}

/* --- addresses --- */

/* The best address of each family of one entry, and which of the former ones are still there. */
struct addresses {
	struct ks_addr best[2];
	unsigned rank[2];
	bool kept[2];
};

struct address_reader {
	const struct ks_interfaces *interfaces;
	struct addresses *found; /* of each entry */
	struct addresses any; /* of the whole box */
};

static void take_better(struct addresses *addresses, const struct ks_interface_address *address)
{
	unsigned at = address->family == KS_IPV6;

	if (address->rank <= addresses->rank[at])
		return;
	addresses->rank[at] = address->rank;
	addresses->best[at] = address->addr;
}

static void take_address(const struct ks_interface_address *address, void *arg)
{
	struct address_reader *reader = arg;
	unsigned at = address->family == KS_IPV6;

	take_better(&reader->any, address);
	for (size_t i = 0; i < reader->interfaces->count; i++) {
		const struct ks_guarded *guarded = &reader->interfaces->list[i];
		struct addresses *addresses = &reader->found[i];

		if (!memcmp(&address->addr, &guarded->guard.address[at], sizeof(address->addr)))
			addresses->kept[at] = true;
		if (guarded->bearer == address->ifindex)
			take_better(addresses, address);
	}
}

/* An interface without an address speaks with another one of the box (unnumbered: RFC 1812 2.2.7), as the kernel does. */
static void borrow_addresses(struct addresses *addresses, const struct addresses *any)
{
	for (unsigned at = 0; at < 2; at++) {
		if (!addresses->rank[at])
			addresses->best[at] = any->best[at];
	}
}

static bool has_address(const struct ks_interfaces *interfaces, const struct ks_addr *addr, unsigned family)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (!memcmp(&interfaces->list[i].guard.address[family == KS_IPV6], addr, sizeof(*addr)))
			return true;
	}
	return false;
}

/* What was translated to an address that is gone cannot be answered any more. */
static void end_flows(struct ks_interfaces *interfaces, const char *name, const struct ks_addr *addr, unsigned family)
{
	char text[KS_ADDR_TEXT];
	long ended;

	if (is_zero(addr) || has_address(interfaces, addr, family))
		return;
	ended = ks_kernel_kill_translated(interfaces->kernel, addr, family);
	ks_addr_text(addr, family, text);
	if (ended < 0)
		ks_report_error("%s: lost %s, and its flows cannot be ended: %s", name, text, strerror((int)-ended));
	else if (ended)
		ks_report("%s: lost %s: %ld translated flow%s ended", name, text, ended, ended == 1 ? "" : "s");
}

static void change_addresses(struct ks_interfaces *interfaces, struct ks_guarded *guarded,
			     const struct addresses *addresses)
{
	struct ks_addr former[2];

	if (!memcmp(guarded->guard.address, addresses->best, sizeof(addresses->best)))
		return;
	memcpy(former, guarded->guard.address, sizeof(former));
	memcpy(guarded->guard.address, addresses->best, sizeof(addresses->best));
	store_guard(interfaces, guarded);
	for (unsigned i = 0; i < 2; i++) {
		if (!addresses->kept[i])
			end_flows(interfaces, guarded->name, &former[i], i ? KS_IPV6 : KS_IPV4);
	}
}

/* Reads the addresses of an interface (0: of all) and puts those that are others now into the map. */
static void refresh_addresses(struct ks_interfaces *interfaces, unsigned ifindex)
{
	struct address_reader reader = { .interfaces = interfaces };
	int err;

	reader.found = calloc(interfaces->count + 1, sizeof(*reader.found));
	err = reader.found ? ks_netlink_each_address(0, take_address, &reader) : -ENOMEM;
	if (err)
		ks_report_error("cannot read the interfaces' addresses: %s", strerror(-err));
	for (size_t i = 0; !err && i < interfaces->count; i++) {
		borrow_addresses(&reader.found[i], &reader.any);
		change_addresses(interfaces, &interfaces->list[i], &reader.found[i]);
	}
	free(reader.found);
}

/* --- programs --- */

static void take_programs_off(struct ks_interfaces *interfaces, unsigned ifindex, const char *name)
{
	int err = ks_kernel_detach(ks_kernel_pin_dir(interfaces->kernel), ifindex,
				   ks_ledger_has_qdisc(interfaces->ledger, ifindex));

	if (err && err != -ENODEV)
		ks_report_error("%s: cannot take the filters off: %s", name, strerror(-err));
	ks_ledger_drop_qdisc(interfaces->ledger, ifindex);
}

static void complain(struct ks_guarded *guarded, int err)
{
	if (err && err != -ENODEV && err != guarded->error) /* one that has just gone: its news are on the way */
		ks_report_error("%s%s: not guarded: %s", guarded->guard.zone == KS_ZONE_NONE ? "WARNING: " : "",
				guarded->name, ks_kernel_complaint());
	guarded->error = err;
}

/* Tells the backstop whether others' filters clear our seals on an interface. */
static void note_shared(struct ks_interfaces *interfaces, struct ks_guarded *guarded, const struct ks_hook_state *state)
{
	if (state->shared == !!(guarded->guard.flags & KS_GUARD_SHARED))
		return;
	guarded->guard.flags ^= KS_GUARD_SHARED;
	store_guard(interfaces, guarded);
}

/* Puts the missing ones of `hooks` on an interface. Without an entry in the map programs would let everything pass. */
static void attach(struct ks_interfaces *interfaces, struct ks_guarded *guarded, unsigned hooks)
{
	struct ks_hook_state state;
	bool created = false;
	int err = guarded->store_error ? store_guard(interfaces, guarded) : 0;

	guarded->programs = true;
	ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state);
	if (!err && (ks_hooks_present(&state) & hooks) != hooks)
		err = ks_kernel_attach(interfaces->kernel, guarded->ifindex, hooks, &created)
			      ?: ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state);
	if (created && ks_ledger_add_qdisc(interfaces->ledger, guarded->ifindex))
		ks_report_error("%s: out of memory: its clsact qdisc will stay when Keepstate stops", guarded->name);
	guarded->checked = !err && hooks == KS_HOOK_BOTH;
	complain(guarded, err);
	if (!err)
		note_shared(interfaces, guarded, &state);
}

static void attach_missing(struct ks_interfaces *interfaces)
{
	static const unsigned order[] = { KS_HOOK_INGRESS, KS_HOOK_BOTH };

	for (size_t turn = 0; turn < KS_ARRAY_SIZE(order); turn++) {
		for (size_t i = 0; i < interfaces->count; i++) {
			struct ks_guarded *guarded = &interfaces->list[i];

			if (ks_role_has_programs(guarded->role) && !guarded->checked)
				attach(interfaces, guarded, order[turn]);
		}
	}
}

/* --- entries of the map --- */

/* An entry for the link, as the map has it: an earlier daemon may have left one. */
static struct ks_guarded *add(struct ks_interfaces *interfaces, const struct ks_interface *link)
{
	struct ks_guarded *list = reallocarray(interfaces->list, interfaces->count + 1, sizeof(*list));
	struct ks_guarded *guarded;

	if (!list)
		return NULL;
	interfaces->list = list;
	guarded = &list[interfaces->count];
	*guarded = (struct ks_guarded){ .ifindex = link->ifindex };
	guarded->programs = ks_kernel_guard(interfaces->kernel, link->ifindex, &guarded->guard) &&
			    !(guarded->guard.flags & KS_GUARD_IGNORED);
	interfaces->count++;
	return guarded;
}

/* Drops the entry; the last one of the list takes its place. */
static void forget(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	const struct ks_guarded gone = *guarded;

	ks_kernel_forget_guard(interfaces->kernel, gone.ifindex);
	*guarded = interfaces->list[--interfaces->count];
	for (unsigned i = 0; i < 2; i++)
		end_flows(interfaces, gone.name, &gone.guard.address[i], i ? KS_IPV6 : KS_IPV4);
}

/* The flags of its role, and KS_GUARD_SHARED as it is: that is found out from the hooks (note_shared). */
static __u8 wanted_flags(const struct ks_guarded *guarded, enum ks_role_kind role)
{
	return ks_role_flags(role) | (guarded->guard.flags & KS_GUARD_SHARED);
}

/* The guard as link and role want it, with the addresses that it has. */
static struct ks_guard wanted_guard(const struct ks_guarded *guarded, const struct ks_interface *link,
				    const struct ks_role *role)
{
	struct ks_guard guard = guarded->guard;

	guard.zone = (__u8)role->zone;
	guard.link = link->layer3 ? KS_LINK_IP : KS_LINK_ETHERNET;
	guard.flags = wanted_flags(guarded, role->kind);
	memcpy(guard.mac, link->mac, sizeof(guard.mac));
	return guard;
}

/* Says what becomes of an entry, before it does. */
static void tell_change(const struct ks_guarded *guarded, const struct ks_interface *link, const struct ks_role *role,
			const struct ks_policy *policy)
{
	const char *zone = ks_policy_zone_name(policy, role->zone);

	if (strcmp(guarded->name, link->name))
		ks_report("%s: is now called %s", guarded->name, link->name);
	if (guarded->role != role->kind)
		ks_report("%s: %s now, zone %s", link->name, ks_role_name(role->kind), zone);
	else if (guarded->guard.zone != role->zone)
		ks_report("%s: in zone %s now", link->name, zone);
}

/* Takes over the name, kind and part of a link; its guard follows by itself. */
static void take_link(struct ks_guarded *guarded, const struct ks_interface *link, const struct ks_role *role)
{
	snprintf(guarded->name, sizeof(guarded->name), "%s", link->name);
	snprintf(guarded->kind, sizeof(guarded->kind), "%s", link->kind);
	guarded->up = link->up;
	guarded->role = role->kind;
	guarded->bearer = role->bearer;
}

/* --- bringing everything in line with roles --- */

struct settling {
	struct ks_interfaces *interfaces;
	const struct ks_policy *policy;
	bool is_first; /* everything is looked at: nothing of it is news */
	bool bearers; /* some entry has another bearer, or is new: addresses are to be read */
	int err;
};

/*
 * Makes or changes the entry of one link. A bridge becomes a carrier only when its ports have their programs
 * (later); until then it goes on judging by itself.
 */
static void settle_link(struct settling *settling, const struct ks_interface *link, const struct ks_role *role)
{
	struct ks_interfaces *interfaces = settling->interfaces;
	struct ks_guarded *guarded = find(interfaces, link->ifindex);
	bool is_new = !guarded, waits;
	struct ks_guard guard;

	if (is_new)
		guarded = add(interfaces, link);
	if (!guarded) {
		ks_report_error("%s: not guarded: out of memory", link->name);
		settling->err = -ENOMEM;
		return;
	}
	if (!is_new && !settling->is_first)
		tell_change(guarded, link, role, settling->policy);
	waits = !is_new && guarded->programs && role->kind == KS_ROLE_CARRIER && guarded->role != role->kind;
	settling->bearers |= is_new || guarded->bearer != role->bearer;
	take_link(guarded, link, role);
	guard = wanted_guard(guarded, link, role);
	if (waits)
		guard.flags = guarded->guard.flags;
	if (is_new || memcmp(&guard, &guarded->guard, sizeof(guard))) {
		guarded->guard = guard;
		settling->err = store_guard(interfaces, guarded) ?: settling->err;
	}
	if (is_new && !settling->is_first && ks_role_has_programs(role->kind))
		ks_report("%s: appeared, in zone %s", guarded->name, ks_policy_zone_name(settling->policy, role->zone));
}

/* Ports have their programs: bridges that waited for them become carriers. */
static void settle_carriers(struct settling *settling)
{
	for (size_t i = 0; i < settling->interfaces->count; i++) {
		struct ks_guarded *guarded = &settling->interfaces->list[i];
		__u8 flags = wanted_flags(guarded, guarded->role);

		if (guarded->guard.flags == flags)
			continue;
		guarded->guard.flags = flags;
		settling->err = store_guard(settling->interfaces, guarded) ?: settling->err;
	}
}

/* Takes programs off where there should be none any more, and forgets what is gone or is guarded through its master. */
static void settle_rest(struct settling *settling)
{
	struct ks_interfaces *interfaces = settling->interfaces;

	for (size_t i = interfaces->count; i-- > 0;) {
		struct ks_guarded *guarded = &interfaces->list[i];
		long at = ks_links_find(&interfaces->links, guarded->ifindex);
		bool is_entry = at >= 0 && interfaces->roles[at].kind != KS_ROLE_MEMBER;

		if (guarded->programs && !(is_entry && ks_role_has_programs(guarded->role))) {
			take_programs_off(interfaces, guarded->ifindex, guarded->name);
			guarded->programs = guarded->checked = guarded->overtaken = false;
			guarded->error = 0;
		}
		if (is_entry)
			continue;
		if (at < 0)
			ks_report("%s: vanished, forgotten", guarded->name);
		else
			ks_report("%s: belongs to another interface now, and is guarded through it", guarded->name);
		forget(interfaces, guarded);
	}
}

/* --- stacked devices --- */

static bool is_stacked_key(const struct ks_interfaces *interfaces, const struct ks_interface *link,
			   struct ks_stacked_key *key)
{
	static const __u8 none[sizeof(link->mac)];
	long lower = link->lower ? ks_links_find(&interfaces->links, link->lower) : -1;

	if (lower < 0 || !ks_link_is_stacked(link) || interfaces->roles[lower].kind == KS_ROLE_MEMBER ||
	    !memcmp(link->mac, none, sizeof(none)) ||
	    !memcmp(link->mac, interfaces->links.list[lower].mac, sizeof(link->mac)))
		return false;
	*key = (struct ks_stacked_key){ .ifindex = link->lower };
	memcpy(key->mac, link->mac, sizeof(key->mac));
	return true;
}

struct stray_stacked {
	const struct ks_interfaces *interfaces;
	struct ks_stacked_key list[64];
	size_t count;
};

static void collect_stray_stacked(const struct ks_stacked_key *key, __u32 kind, void *arg)
{
	struct stray_stacked *strays = arg;
	const struct ks_interfaces *interfaces = strays->interfaces;
	struct ks_stacked_key wanted;

	if (kind != KS_STACKED_OURS || strays->count == KS_ARRAY_SIZE(strays->list))
		return;
	for (size_t i = 0; i < interfaces->links.count; i++) {
		if (is_stacked_key(interfaces, &interfaces->links.list[i], &wanted) &&
		    !memcmp(&wanted, key, sizeof(*key)))
			return;
	}
	strays->list[strays->count++] = *key;
}

/* The map forgets what was not used for long when others fill it, so this is repeated every second. */
static void note_stacked(struct ks_interfaces *interfaces)
{
	struct stray_stacked strays = { .interfaces = interfaces };
	struct ks_stacked_key key;
	int err = 0;

	for (size_t i = 0; i < interfaces->links.count; i++) {
		if (is_stacked_key(interfaces, &interfaces->links.list[i], &key))
			err = ks_kernel_set_stacked(interfaces->kernel, &key, KS_STACKED_OURS) ?: err;
	}
	ks_kernel_each_stacked(interfaces->kernel, collect_stray_stacked, &strays);
	for (size_t i = 0; i < strays.count; i++)
		ks_kernel_forget_stacked(interfaces->kernel, &strays.list[i]);
	if (err)
		ks_report_error("stacked interfaces are not noted: %s", strerror(-err));
}

/* --- the whole --- */

/* The routers behind each interface: by them answers leave that must not go by the best route. */
static void store_gateways(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		struct ks_guarded *guarded = &interfaces->list[i];
		struct ks_addr found[2] = { 0 };

		ks_routes_gateway(&interfaces->routes, guarded->ifindex, KS_IPV4, &found[0]);
		ks_routes_gateway(&interfaces->routes, guarded->ifindex, KS_IPV6, &found[1]);
		if (!memcmp(found, guarded->guard.gateway, sizeof(found)))
			continue;
		memcpy(guarded->guard.gateway, found, sizeof(found));
		store_guard(interfaces, guarded);
	}
}

static void store_facts(struct ks_interfaces *interfaces)
{
	struct ks_control *control = ks_kernel_control(interfaces->kernel);
	bool differed = control->flags & KS_CONTROL_ROUTES_DIFFER;
	struct ks_zone_facts facts;
	char why[256];

	ks_zone_facts_find(interfaces, &facts);
	ks_zone_facts_store(&facts, control);
	store_gateways(interfaces);
	if (facts.routes_differ && !differed)
		ks_report("routes may lead elsewhere than a lookup tells (%s): egress decides",
			  ks_routes_why(&interfaces->routes, why, sizeof(why)));
}

static int decide(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	struct ks_role *roles = calloc(interfaces->links.count + 1, sizeof(*roles));

	if (!roles) {
		ks_report_error("out of memory: interfaces are guarded as they were");
		return -ENOMEM;
	}
	ks_roles_decide(policy, &interfaces->links, roles);
	free(interfaces->roles);
	interfaces->roles = roles;
	return 0;
}

static int first_error(const struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		int err = interfaces->list[i].error;

		if (err && err != -ENODEV && interfaces->list[i].guard.zone != KS_ZONE_NONE)
			return err;
	}
	return 0;
}

/* Brings the map of guards, and then the programs, in line with the links. */
static int settle(struct ks_interfaces *interfaces, const struct ks_policy *policy, bool is_first)
{
	struct settling settling = { .interfaces = interfaces, .policy = policy, .is_first = is_first };
	int err = decide(interfaces, policy);

	if (err)
		return err;
	for (size_t i = 0; i < interfaces->links.count; i++) {
		if (interfaces->roles[i].kind != KS_ROLE_MEMBER)
			settle_link(&settling, &interfaces->links.list[i], &interfaces->roles[i]);
	}
	if (is_first && interfaces->routes.read_at)
		settling.err = ks_routes_apply(&interfaces->routes, interfaces->kernel) ?: settling.err;
	if (settling.bearers || is_first)
		refresh_addresses(interfaces, 0);
	note_stacked(interfaces);
	store_facts(interfaces);
	attach_missing(interfaces);
	settle_carriers(&settling);
	settle_rest(&settling);
	store_facts(interfaces);
	return settling.err ?: first_error(interfaces);
}

/* --- what the daemon calls --- */

/* Puts an interface in no zone if its zone will be another. */
static void shut_if_other(struct ks_interfaces *interfaces, unsigned ifindex, const struct ks_role *role, int *err)
{
	struct ks_guarded *guarded = find(interfaces, ifindex);
	struct ks_guard guard;
	int failed;

	if (!ks_kernel_guard(interfaces->kernel, ifindex, &guard) || guard.zone == role->zone)
		return;
	guard.zone = KS_ZONE_NONE;
	failed = ks_kernel_set_guard(interfaces->kernel, ifindex, &guard);
	if (failed)
		*err = failed;
	else if (guarded)
		guarded->guard.zone = KS_ZONE_NONE;
}

int ks_interfaces_prepare(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	int err = ks_links_read(&interfaces->links) ?: decide(interfaces, policy);

	for (size_t i = 0; !err && i < interfaces->links.count; i++)
		shut_if_other(interfaces, interfaces->links.list[i].ifindex, &interfaces->roles[i], &err);
	return err;
}

struct strays {
	const struct ks_interfaces *interfaces;
	unsigned list[256];
	size_t count;
};

static void collect_stray(unsigned ifindex, const struct ks_guard *guard, void *arg)
{
	struct strays *strays = arg;

	if (!find(strays->interfaces, ifindex) && strays->count < KS_ARRAY_SIZE(strays->list))
		strays->list[strays->count++] = ifindex;
}

static int release_stray(struct ks_interfaces *interfaces, unsigned ifindex)
{
	long at = ks_links_find(&interfaces->links, ifindex);
	const char *name = at >= 0 ? interfaces->links.list[at].name : "an interface that is gone";

	ks_report("no longer guarded: %s", name);
	take_programs_off(interfaces, ifindex, name);
	return ks_kernel_forget_guard(interfaces->kernel, ifindex);
}

/* Entries of the map that an earlier daemon left and that nobody wants. */
static void release_strays(struct ks_interfaces *interfaces)
{
	struct strays strays = { .interfaces = interfaces };
	int err = 0;

	do {
		strays.count = 0;
		ks_kernel_each_guard(interfaces->kernel, collect_stray, &strays);
		for (size_t i = 0; i < strays.count; i++)
			err = release_stray(interfaces, strays.list[i]) ?: err;
	} while (!err && strays.count == KS_ARRAY_SIZE(strays.list));
	if (err)
		ks_report_error("interfaces that are not guarded any more are not forgotten: %s", strerror(-err));
}

int ks_interfaces_apply(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	int err = ks_links_read(&interfaces->links), routes_err;

	if (err) /* the old list goes on: better than to forget what cannot be seen */
		return err;
	routes_err = ks_routes_read(&interfaces->routes);
	for (size_t i = 0; i < interfaces->count; i++)
		interfaces->list[i].checked = false;
	err = settle(interfaces, policy, true);
	release_strays(interfaces);
	return err ?: routes_err;
}

/* Returns true if the news change what settle() reads. */
static bool is_settled_by(const struct ks_interface *old, const struct ks_interface *news)
{
	return !strcmp(old->name, news->name) && !strcmp(old->kind, news->kind) && old->master == news->master &&
	       old->lower == news->lower && old->layer3 == news->layer3 && old->loopback == news->loopback &&
	       !memcmp(old->mac, news->mac, sizeof(old->mac));
}

/* Puts the news into the list of links. Returns false if nothing but its being up or down can have changed. */
static bool take_link_news(struct ks_interfaces *interfaces, const struct ks_interface *news)
{
	long at = ks_links_find(&interfaces->links, news->ifindex);
	bool settled;

	if (at < 0 && !news->gone && ks_links_insert(&interfaces->links, news))
		ks_report_error("%s: not guarded: out of memory", news->name);
	if (at < 0)
		return !news->gone;
	settled = !news->gone && is_settled_by(&interfaces->links.list[at], news);
	if (news->gone)
		ks_links_remove(&interfaces->links, at);
	else
		interfaces->links.list[at] = *news;
	return !settled;
}

/* Two programs that put themselves before each other do so every second: that is said once a minute. */
static bool may_tell(const struct ks_interfaces *interfaces, struct ks_told *told)
{
	__u64 now = ks_kernel_now(interfaces->kernel);
	bool goes_on = told->noticed && now - told->noticed < FIGHT_PAUSE_NS;

	told->noticed = now;
	if (goes_on && now - told->said < TELL_AGAIN_NS)
		return false;
	told->said = now;
	return true;
}

/* Said once, however often it must be tried. */
static void mend(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	if (!guarded->lost && may_tell(interfaces, &guarded->told_lost))
		ks_report_error("%s: somebody took our filters off; putting them back", guarded->name);
	guarded->lost = true;
	attach(interfaces, guarded, KS_HOOK_BOTH);
}

static void look_at_filters(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	struct ks_hook_state state;

	guarded->filters_changed = false;
	if (!ks_role_has_programs(guarded->role) || guarded->error)
		return;
	ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state);
	if (ks_hooks_present(&state) != KS_HOOK_BOTH)
		mend(interfaces, guarded);
	else
		note_shared(interfaces, guarded, &state);
}

/* One reading brings a piece of news for each filter. */
static void note_filter_news(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	struct ks_guarded *guarded = find(interfaces, ifindex);

	if (guarded)
		guarded->filters_changed = true;
}

void ks_interfaces_end_news(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].filters_changed)
			look_at_filters(interfaces, &interfaces->list[i]);
	}
}

void ks_interfaces_take_news(struct ks_interfaces *interfaces, const struct ks_policy *policy,
			     const struct ks_interface *news)
{
	struct ks_guarded *guarded;

	if (news->filters) {
		note_filter_news(interfaces, news->ifindex);
		return;
	}
	ks_routes_doubt(&interfaces->routes); /* a link that goes down takes routes along without a word */
	if (news->addresses) {
		refresh_addresses(interfaces, news->ifindex);
		return;
	}
	if (take_link_news(interfaces, news)) {
		settle(interfaces, policy, false);
		return;
	}
	guarded = find(interfaces, news->ifindex);
	if (!guarded || guarded->up == news->up)
		return;
	guarded->up = news->up;
	store_facts(interfaces);
}

struct route_news {
	struct ks_interfaces *interfaces;
	bool changed;
};

static void take_route(const struct ks_route *route, void *arg)
{
	struct route_news *news = arg;

	news->changed |= ks_routes_take_news(&news->interfaces->routes, route);
}

static void follow_routes(struct ks_interfaces *interfaces, bool changed)
{
	changed |= ks_routes_refresh(&interfaces->routes);
	if (!changed && interfaces->routes.is_known)
		return;
	ks_routes_apply(&interfaces->routes, interfaces->kernel);
	store_facts(interfaces);
}

void ks_interfaces_take_routes(struct ks_interfaces *interfaces, int fd)
{
	struct route_news news = { .interfaces = interfaces };
	bool others;
	int err = ks_netlink_read_routes(fd, take_route, &news, &others);

	if (err && err != -ENOBUFS)
		ks_report_error("routes: %s", strerror(-err));
	if (err || others)
		ks_routes_doubt(&interfaces->routes);
	if (news.changed || interfaces->routes.stale) /* most news of a large table change nothing here */
		follow_routes(interfaces, news.changed);
}

/* Puts ours back in front, and says so when it begins and when it does not help. */
static void watch_one(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	struct ks_hook_state state;
	bool first;

	if (ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state))
		return;
	if (!state.present[0] || !state.present[1]) {
		mend(interfaces, guarded);
		return;
	}
	guarded->lost = false;
	note_shared(interfaces, guarded, &state);
	first = state.first[0] && state.first[1];
	if (!first) { /* every second: a race that was lost once is not lost for good */
		bool tells = may_tell(interfaces, &guarded->told_overtaken);

		if (tells)
			ks_report_error("%s: somebody else's program sees packets before ours; going before it",
					guarded->name);
		ks_kernel_attach(interfaces->kernel, guarded->ifindex, KS_HOOK_BOTH, NULL);
		first = !ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state) && state.first[0] &&
			state.first[1];
		if (!first && tells)
			ks_report_error("WARNING: %s: it stays before ours, and may let pass what the rules deny",
					guarded->name);
	}
	guarded->overtaken = !first;
}

void ks_interfaces_watch(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		struct ks_guarded *guarded = &interfaces->list[i];

		if (guarded->store_error)
			store_guard(interfaces, guarded);
		if (!ks_role_has_programs(guarded->role))
			continue;
		if (guarded->error)
			attach(interfaces, guarded, KS_HOOK_BOTH);
		else
			watch_one(interfaces, guarded);
	}
	note_stacked(interfaces);
	follow_routes(interfaces, false);
}

void ks_interfaces_fini(struct ks_interfaces *interfaces)
{
	ks_routes_fini(&interfaces->routes);
	ks_links_fini(&interfaces->links);
	free(interfaces->roles);
	free(interfaces->list);
	interfaces->roles = NULL;
	interfaces->list = NULL;
	interfaces->count = 0;
}
