/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See names.h. Threads: those that answer browsers look into the table and note what is wanted; one asks the DNS. The lock is held for
 * neither a file nor a packet.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/types.h"
#include "page/host.h"
#include "page/leases.h"
#include "page/names.h"
#include "page/reverse.h"
#include "page/web.h"
#include "text/json.h"
#include "text/scoped.h"

#define KS_NAMES_KNOWN 4096U /* a power of two */
#define KS_NAMES_WAYS 4U /* places that an address may have */
#define KS_NAMES_ASKED 1000U /* of one request */
#define KS_HOSTS_FOUND 32U /* by one name: as many conditions as a filter of the daemon may well have */
#define KS_LEASES_AGE 10 /* seconds until the files are read again */
#define KS_NAME_AGE 600
#define KS_NO_NAME_AGE 60
#define KS_DNS_BATCH 32U
#define KS_DNS_WAIT 1000 /* ms for the answers to a batch */
#define KS_DNS_TRIES 2U
#define KS_DNS_PAUSE 200 /* ms between batches */
#define KS_DNS_SERVERS 3U
#define KS_DNS_PORT 53
#define KS_DNS_STACK (256U << 10)
#define KS_RESOLVER_TEXT 8192

enum state { EMPTY, WANTED, KNOWN, NAMELESS };

struct known {
	struct in6_addr addr;
	enum state state;
	time_t since;
	char name[KS_DNS_NAME];
};

struct ks_names {
	const struct ks_page_opts *opts;
	int opener;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct ks_leases leases;
	time_t leases_read;
	unsigned seed;
	struct known known[KS_NAMES_KNOWN];
};

static time_t now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

struct ks_names *ks_names_create(const struct ks_page_opts *opts, int opener)
{
	struct ks_names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->opts = opts;
	names->opener = opener;
	names->leases_read = -KS_LEASES_AGE;
	pthread_mutex_init(&names->lock, NULL);
	pthread_cond_init(&names->wanted, NULL);
	if (getrandom(&names->seed, sizeof(names->seed), 0) < 0)
		names->seed = (unsigned)now_seconds();
	return names;
}

/* --- leases --- */

/* A whole text file, with a zero behind it; NULL if it is too long, or there is no memory. */
static char *read_text(int fd, size_t most)
{
	ks_auto_free char *text = malloc(most + 1);
	size_t size = 0;
	ssize_t n = 0;

	while (text && size < most && (n = read(fd, text + size, most - size)) > 0)
		size += (size_t)n;
	if (!text || n < 0 || size == most)
		return NULL;
	text[size] = '\0';
	return TAKE(text);
}

static void read_leases(const struct ks_names *names, struct ks_leases *leases)
{
	for (unsigned i = 0; i < KS_LEASE_FILES_MAX; i++) {
		ks_auto_free char *text = NULL;
		ks_auto_fd int fd = -1;

		if (ks_opener_ask(names->opener, (enum ks_opener_wish)(KS_OPEN_LEASES + i), -1, &fd, NULL))
			continue;
		text = read_text(fd, KS_LEASES_TEXT_MAX);
		if (text)
			ks_leases_add(leases, text, time(NULL));
	}
	ks_leases_sort(leases);
}

/* Of several threads that find the leases old one reads them. */
static void renew_leases(struct ks_names *names)
{
	struct ks_leases leases = { 0 }, old;
	time_t now = now_seconds();
	bool is_old;

	pthread_mutex_lock(&names->lock);
	is_old = now - names->leases_read >= KS_LEASES_AGE;
	if (is_old)
		names->leases_read = now;
	pthread_mutex_unlock(&names->lock);
	if (!is_old)
		return;
	read_leases(names, &leases);
	pthread_mutex_lock(&names->lock);
	old = names->leases;
	names->leases = leases;
	pthread_mutex_unlock(&names->lock);
	ks_leases_fini(&old);
}

/* --- the table, under the lock --- */

static struct known *first_way(struct ks_names *names, const struct in6_addr *addr)
{
	unsigned hash = names->seed;

	for (unsigned i = 0; i < sizeof(addr->s6_addr); i++)
		hash = (hash ^ addr->s6_addr[i]) * 16777619U;
	return &names->known[(hash ^ hash >> 15) % (KS_NAMES_KNOWN / KS_NAMES_WAYS) * KS_NAMES_WAYS];
}

static struct known *find_known(struct ks_names *names, const struct in6_addr *addr)
{
	struct known *way = first_way(names, addr);

	for (unsigned i = 0; i < KS_NAMES_WAYS; i++) {
		if (way[i].state != EMPTY && !memcmp(&way[i].addr, addr, sizeof(*addr)))
			return &way[i];
	}
	return NULL;
}

static bool is_stale(const struct known *known)
{
	time_t age = now_seconds() - known->since;

	return age > (known->state == KNOWN ? KS_NAME_AGE : KS_NO_NAME_AGE);
}

/* The oldest of its ways gives its place. */
static void want(struct ks_names *names, const struct in6_addr *addr)
{
	struct known *way = first_way(names, addr), *known = find_known(names, addr);

	if (known && !is_stale(known))
		return;
	for (unsigned i = 0; !known && i < KS_NAMES_WAYS; i++) {
		if (way[i].state == EMPTY)
			known = &way[i];
	}
	if (!known)
		known = way;
	for (unsigned i = 0; known->state != EMPTY && memcmp(&known->addr, addr, sizeof(*addr)) && i < KS_NAMES_WAYS;
	     i++) {
		if (way[i].since < known->since)
			known = &way[i];
	}
	*known = (struct known){ .addr = *addr, .state = WANTED, .since = now_seconds() };
	pthread_cond_signal(&names->wanted);
}

/* --- a request --- */

static json_t *name_json(const char *name, const char *from)
{
	return json_pack("{s:o, s:s}", "name", ks_json_text(name), "from", from);
}

static void add_name(struct ks_names *names, const char *text, bool dns, json_t **list)
{
	const struct known *known;
	struct in6_addr addr;
	const char *lease;

	if (ks_host_address(text, &addr))
		return;
	lease = ks_leases_find(&names->leases, &addr);
	if (lease) {
		ks_json_set(list, text, name_json(lease, "lease"));
		return;
	}
	if (!dns)
		return;
	known = find_known(names, &addr);
	if (known && known->state == KNOWN)
		ks_json_set(list, text, name_json(known->name, "dns"));
	want(names, &addr);
}

/* Hosts that are looked for by a name. */
struct search {
	const char *name;
	bool contains; /* any part of a name will do */
	bool more; /* than there is room for */
	json_t *found;
};

/* "laptop" is also the name of laptop.lan. */
static bool is_name(const struct search *search, const char *name)
{
	size_t length = strlen(search->name);

	if (search->contains)
		return strcasestr(name, search->name);
	return !strncasecmp(name, search->name, length) && (!name[length] || name[length] == '.');
}

static void search_take(const struct in6_addr *addr, const char *name, void *arg)
{
	struct search *search = arg;
	char text[INET6_ADDRSTRLEN];
	bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(addr);

	if (!is_name(search, name))
		return;
	search->more |= json_array_size(search->found) >= KS_HOSTS_FOUND;
	if (search->more ||
	    !inet_ntop(is_ipv4 ? AF_INET : AF_INET6, is_ipv4 ? &addr->s6_addr[12] : addr->s6_addr, text, sizeof(text)))
		return;
	json_array_append_new(search->found, json_string(text));
}

/* A name by DNS counts where no lease has another one, as it does where names are shown. */
static void search_known(const struct ks_names *names, struct search *search)
{
	for (unsigned i = 0; i < KS_NAMES_KNOWN; i++) {
		const struct known *known = &names->known[i];

		if (known->state == KNOWN && !ks_leases_find(&names->leases, &known->addr))
			search_take(&known->addr, known->name, search);
	}
}

/* {"host": "laptop", "contains": false, "dns": true} is answered with the addresses of hosts with such a name. */
static enum MHD_Result answer_hosts(struct ks_web_request *request, const json_t *body)
{
	struct ks_names *names = request->page->names;
	struct search search = { .name = json_string_value(json_object_get(body, "host")),
				 .contains = json_is_true(json_object_get(body, "contains")) };

	if (!search.name || !*search.name)
		return ks_web_refuse(request, MHD_HTTP_BAD_REQUEST, "host: give a name");
	search.found = json_array();
	renew_leases(names);
	pthread_mutex_lock(&names->lock);
	ks_leases_each(&names->leases, search_take, &search);
	if (json_is_true(json_object_get(body, "dns")) && !names->opts->no_dns)
		search_known(names, &search);
	pthread_mutex_unlock(&names->lock);
	return ks_web_answer(request, MHD_HTTP_OK,
			     json_pack("{s:o, s:b}", "addresses", search.found, "more", search.more));
}

/* {"addresses": [...], "dns": true} is answered with the names that are known now. */
enum MHD_Result ks_web_names(struct ks_web_request *request)
{
	struct ks_names *names = request->page->names;
	enum MHD_Result result;
	ks_auto_json json_t *body = ks_web_body(request, &result);
	const json_t *addresses = json_object_get(body, "addresses");
	bool dns = json_is_true(json_object_get(body, "dns")) && !names->opts->no_dns;
	json_t *list = json_object();

	if (json_object_get(body, "host")) {
		json_decref(list);
		return answer_hosts(request, body);
	}
	if (body && !json_is_array(addresses))
		result = ks_web_refuse(request, MHD_HTTP_BAD_REQUEST, "addresses: give a list of addresses");
	if (!json_is_array(addresses)) {
		json_decref(list);
		return result;
	}
	renew_leases(names);
	pthread_mutex_lock(&names->lock);
	for (size_t i = 0; i < json_array_size(addresses) && i < KS_NAMES_ASKED; i++) {
		const char *text = json_string_value(json_array_get(addresses, i));

		if (text)
			add_name(names, text, dns, &list);
	}
	pthread_mutex_unlock(&names->lock);
	return ks_web_answer(request, MHD_HTTP_OK, json_pack("{s:o, s:b}", "names", list, "dns", !names->opts->no_dns));
}

/* --- asking the DNS --- */

struct server {
	struct sockaddr_storage address;
	socklen_t size;
};

struct question {
	struct in6_addr addr;
	uint16_t id;
	bool answered;
	char name[KS_DNS_NAME]; /* empty: none */
};

struct batch {
	struct question list[KS_DNS_BATCH];
	size_t count, answered;
};

/* "nameserver 192.0.2.53" of resolv.conf(5); of a link-local address the zone is left out, and it is not asked. */
static unsigned read_servers(const struct ks_names *names, struct server servers[KS_DNS_SERVERS])
{
	ks_auto_free char *text = NULL;
	ks_auto_fd int fd = -1;
	unsigned count = 0;
	char address[128], *rest, *line;

	if (!ks_opener_ask(names->opener, KS_OPEN_RESOLVER, -1, &fd, NULL))
		text = read_text(fd, KS_RESOLVER_TEXT);
	for (rest = text; rest && count < KS_DNS_SERVERS && (line = strsep(&rest, "\n"));) {
		char host[64];

		if (sscanf(line, " nameserver %63s", host) != 1)
			continue;
		snprintf(address, sizeof(address), strchr(host, ':') ? "[%s]" : "%s", host);
		count += !ks_host_parse(address, KS_DNS_PORT, &servers[count].address, &servers[count].size);
	}
	return count;
}

/* The servers that were named at the start, else those of the system. */
static unsigned find_servers(const struct ks_names *names, struct server servers[KS_DNS_SERVERS])
{
	unsigned count = 0;

	for (size_t i = 0; i < names->opts->dns_count && count < KS_DNS_SERVERS; i++)
		count +=
			!ks_host_parse(names->opts->dns[i], KS_DNS_PORT, &servers[count].address, &servers[count].size);
	return names->opts->dns_count ? count : read_servers(names, servers);
}

static void take_batch(struct ks_names *names, struct batch *batch)
{
	batch->count = batch->answered = 0;
	pthread_mutex_lock(&names->lock);
	while (!batch->count) {
		for (unsigned i = 0; i < KS_NAMES_KNOWN && batch->count < KS_DNS_BATCH; i++) {
			if (names->known[i].state == WANTED)
				batch->list[batch->count++] = (struct question){ .addr = names->known[i].addr };
		}
		if (!batch->count)
			pthread_cond_wait(&names->wanted, &names->lock);
	}
	pthread_mutex_unlock(&names->lock);
}

static void send_batch(int fd, struct batch *batch)
{
	unsigned char message[KS_DNS_MESSAGE];

	for (size_t i = 0; i < batch->count; i++) {
		struct question *question = &batch->list[i];

		if (question->answered || getrandom(&question->id, sizeof(question->id), 0) < 0)
			continue;
		send(fd, message, ks_reverse_ask(&question->addr, question->id, message), MSG_NOSIGNAL);
	}
}

/* The kernel takes packets of the server alone: the socket is connected, from a port of its own. */
static void take_answer(int fd, struct batch *batch)
{
	unsigned char message[4096];
	ssize_t size = recv(fd, message, sizeof(message), MSG_DONTWAIT);

	for (size_t i = 0; size > 0 && i < batch->count; i++) {
		struct question *question = &batch->list[i];

		if (question->answered ||
		    ks_reverse_read(message, (size_t)size, &question->addr, question->id, question->name) == -EBADMSG)
			continue;
		question->answered = true;
		batch->answered++;
		return;
	}
}

static long ms_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Asks one server for what is not answered yet, and waits a while. */
static void ask_server(const struct server *server, struct batch *batch)
{
	ks_auto_fd int fd = socket(server->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	long end = ms_now() + KS_DNS_WAIT, left;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&server->address, server->size))
		return;
	send_batch(fd, batch);
	while (batch->answered < batch->count && (left = end - ms_now()) > 0) {
		if (poll(&poll_fd, 1, (int)left) > 0)
			take_answer(fd, batch);
	}
}

/* Whatever got no answer has no name for now. */
static void note_batch(struct ks_names *names, const struct batch *batch)
{
	pthread_mutex_lock(&names->lock);
	for (size_t i = 0; i < batch->count; i++) {
		struct known *known = find_known(names, &batch->list[i].addr);

		if (!known)
			continue;
		known->since = now_seconds();
		known->state = *batch->list[i].name ? KNOWN : NAMELESS;
		memcpy(known->name, batch->list[i].name, sizeof(known->name));
	}
	pthread_mutex_unlock(&names->lock);
}

static void *resolve(void *arg)
{
	struct ks_names *names = arg;
	struct server servers[KS_DNS_SERVERS];
	struct batch batch;

	for (;;) {
		unsigned count;

		take_batch(names, &batch);
		count = find_servers(names, servers);
		for (unsigned i = 0; count && i < KS_DNS_TRIES && batch.answered < batch.count; i++)
			ask_server(&servers[i % count], &batch);
		note_batch(names, &batch);
		poll(NULL, 0, KS_DNS_PAUSE);
	}
	return NULL;
}

int ks_names_start(struct ks_names *names)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int err;

	if (names->opts->no_dns)
		return 0;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, KS_DNS_STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attributes, resolve, names);
	pthread_attr_destroy(&attributes);
	return -err;
}
