/* SPDX-License-Identifier: BSD-2-Clause */
/* See leases.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page/leases.h"

#define KS_LEASE_FIELDS 20

void ks_leases_fini(struct ks_leases *leases)
{
	free(leases->list);
	*leases = (struct ks_leases){ 0 };
}

int ks_host_address(const char *text, struct in6_addr *addr)
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, addr) == 1)
		return 0;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return -EINVAL;
	memset(addr, 0, sizeof(*addr));
	memset(&addr->s6_addr[10], 0xff, 2);
	memcpy(&addr->s6_addr[12], &v4, sizeof(v4));
	return 0;
}

/* The name may be empty: then the address has none from here on. */
static int add(struct ks_leases *leases, const char *address, const char *name)
{
	struct in6_addr addr;
	struct ks_lease *lease;

	if (ks_host_address(address, &addr) || leases->count == KS_LEASES_MAX)
		return 0;
	if (leases->count == leases->room) {
		size_t room = leases->room ? leases->room * 2 : 64;
		struct ks_lease *list = realloc(leases->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		leases->list = list;
		leases->room = room;
	}
	lease = &leases->list[leases->count];
	lease->addr = addr;
	lease->order = (unsigned)leases->count++;
	snprintf(lease->name, sizeof(lease->name), "%.*s", KS_LEASE_NAME - 1, name);
	return 0;
}

/* 0 is for ever. */
static int is_over(const char *expiry, time_t now)
{
	long long end = strtoll(expiry, NULL, 10);

	return end > 0 && end < now;
}

static int add_dnsmasq(struct ks_leases *leases, char *line, time_t now)
{
	char *rest, *end = strtok_r(line, " ", &rest), *mac = strtok_r(NULL, " ", &rest);
	const char *address = strtok_r(NULL, " ", &rest), *name = strtok_r(NULL, " ", &rest);

	if (!mac || !address || !name || is_over(end, now) || !strcmp(name, "*"))
		return 0;
	return add(leases, address, name);
}

/* --- Kea --- */

struct columns {
	int address, name, expire, state;
};

static size_t split(char *line, char *fields[KS_LEASE_FIELDS])
{
	size_t count = 0;

	for (char *rest = line; rest && count < KS_LEASE_FIELDS; count++)
		fields[count] = strsep(&rest, ",");
	return count;
}

static void read_titles(char *line, struct columns *columns)
{
	char *fields[KS_LEASE_FIELDS];
	size_t count = split(line, fields);

	*columns = (struct columns){ -1, -1, -1, -1 };
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(fields[i], "address"))
			columns->address = (int)i;
		else if (!strcmp(fields[i], "hostname"))
			columns->name = (int)i;
		else if (!strcmp(fields[i], "expire"))
			columns->expire = (int)i;
		else if (!strcmp(fields[i], "state"))
			columns->state = (int)i;
	}
}

static const char *field_of(char *const fields[KS_LEASE_FIELDS], size_t count, int column)
{
	return column >= 0 && (size_t)column < count ? fields[column] : "";
}

/* A lease in another state than 0 is declined or taken back. Names of Kea are whole, with a dot behind them. */
static int add_kea(struct ks_leases *leases, char *line, const struct columns *columns, time_t now)
{
	char *fields[KS_LEASE_FIELDS], name[KS_LEASE_NAME];
	size_t count = split(line, fields), length;
	const char *state = field_of(fields, count, columns->state);
	int over = is_over(field_of(fields, count, columns->expire), now) || (*state && strcmp(state, "0"));

	snprintf(name, sizeof(name), "%.*s", KS_LEASE_NAME - 1, over ? "" : field_of(fields, count, columns->name));
	length = strlen(name);
	if (length && name[length - 1] == '.')
		name[length - 1] = '\0';
	return add(leases, field_of(fields, count, columns->address), name);
}

/* --- dhcpd --- */

struct block {
	char address[INET6_ADDRSTRLEN], name[KS_LEASE_NAME];
	int active;
};

static void take_statement(struct block *block, char *line)
{
	char *quote = strchr(line, '"'), *end = quote ? strrchr(quote + 1, '"') : NULL;

	if (!strncmp(line, "lease ", 6)) {
		*block = (struct block){ 0 };
		snprintf(block->address, sizeof(block->address), "%.*s", (int)strcspn(line + 6, " {"), line + 6);
	} else if (!strncmp(line, "binding state ", 14)) {
		block->active = !strncmp(line + 14, "active", 6);
	} else if (!strncmp(line, "client-hostname ", 16) && end) {
		*end = '\0';
		snprintf(block->name, sizeof(block->name), "%.*s", KS_LEASE_NAME - 1, quote + 1);
	}
}

static int add_dhcpd(struct ks_leases *leases, struct block *block, char *line)
{
	line += strspn(line, " \t");
	if (*line != '}') {
		take_statement(block, line);
		return 0;
	}
	return add(leases, block->address, block->active ? block->name : "");
}

/* --- all --- */

int ks_leases_add(struct ks_leases *leases, char *text, time_t now)
{
	int is_kea = !strncmp(text, "address,", 8), is_dhcpd = !is_kea && strstr(text, "lease ") != NULL, err = 0;
	struct columns columns = { -1, -1, -1, -1 };
	struct block block = { .active = 0 };
	char *rest = text, *line;

	if (is_kea)
		read_titles(strsep(&rest, "\n"), &columns);
	while (!err && (line = strsep(&rest, "\n"))) {
		if (is_kea)
			err = add_kea(leases, line, &columns, now);
		else if (is_dhcpd)
			err = add_dhcpd(leases, &block, line);
		else
			err = add_dnsmasq(leases, line, now);
	}
	return err;
}

static int order(const void *a, const void *b)
{
	const struct ks_lease *one = a, *other = b;
	int way = memcmp(&one->addr, &other->addr, sizeof(one->addr));

	return way ? way : (one->order > other->order) - (one->order < other->order);
}

void ks_leases_sort(struct ks_leases *leases)
{
	if (leases->count)
		qsort(leases->list, leases->count, sizeof(*leases->list), order);
}

/* The last one of its address. */
const char *ks_leases_find(const struct ks_leases *leases, const struct in6_addr *addr)
{
	size_t low = 0, high = leases->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(&leases->list[middle].addr, addr, sizeof(*addr)) > 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (!low || memcmp(&leases->list[low - 1].addr, addr, sizeof(*addr)) || !*leases->list[low - 1].name)
		return NULL;
	return leases->list[low - 1].name;
}

/* The last one of each address. */
void ks_leases_each(const struct ks_leases *leases,
		    void (*fn)(const struct in6_addr *addr, const char *name, void *arg), void *arg)
{
	for (size_t i = 0; i < leases->count; i++) {
		const struct ks_lease *lease = &leases->list[i];
		bool is_last = i + 1 == leases->count || memcmp(&lease->addr, &lease[1].addr, sizeof(lease->addr)) != 0;

		if (is_last && *lease->name)
			fn(&lease->addr, lease->name, arg);
	}
}
