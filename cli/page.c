/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate page: the web page (page/page.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/types.h"
#include "page/host.h"
#include "page/page.h"

static void words_copy(const struct ks_words *words, const char **list, size_t *count)
{
	for (size_t i = 0; i < words->count; i++)
		list[(*count)++] = words->word[i];
}

/* Sets the instance that is shown: that of this network namespace, or the one that was named. */
static int find_instance(const char *name, struct ks_instance *instance)
{
	int err = 0;

	if (name)
		ks_instance_named(name, instance);
	else
		err = ks_instance_find(instance);
	if (err)
		fprintf(stderr, "keepstate: cannot tell which network namespace this is: %s\n", strerror(-err));
	return err ? KS_EXIT_SYSTEM : KS_EXIT_OK;
}

/* Returns 0, or the exit status after a complaint. */
static int check_words(const struct ks_usage *usage, const struct ks_words *listen, const struct ks_words *names,
		       const struct ks_words *leases, const struct ks_words *dns)
{
	if (listen->count > KS_PAGE_LISTENS_MAX || names->count > KS_PAGE_NAMES_MAX)
		return ks_usage_error(usage, "give at most %d of --listen and %d of --host", KS_PAGE_LISTENS_MAX,
				      KS_PAGE_NAMES_MAX);
	if (leases->count > KS_PAGE_LEASES_MAX || dns->count > KS_PAGE_DNS_MAX)
		return ks_usage_error(usage, "give at most %d of --leases and %d of --dns", KS_PAGE_LEASES_MAX,
				      KS_PAGE_DNS_MAX);
	for (size_t i = 0; i < dns->count; i++) {
		struct sockaddr_storage address;
		socklen_t size;

		if (ks_host_parse(dns->word[i], 53, &address, &size))
			return ks_usage_error(usage, "--dns: '%s' is no address such as 192.0.2.53 or [2001:db8::53]",
					      dns->word[i]);
	}
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): most of it is the table of options */
int ks_cmd_page(int argc, char **argv)
{
	struct ks_words listen = { .count = 0 }, names = { .count = 0 }, leases = { .count = 0 }, dns = { .count = 0 };
	struct ks_page_opts opts = { .listen_count = 0 };
	const char *instance = NULL;
	const struct ks_option options[] = {
		{ .name = "listen",
		  .argument = "ADDRESS",
		  .help = "listen there, ADDRESS or ADDRESS:PORT; several may be given (127.0.0.1 and ::1, port 8674)",
		  .take = ks_take_words,
		  .target = &listen },
		{ .name = "host",
		  .argument = "NAME",
		  .help = "a name by which browsers may ask for the page, besides addresses and localhost",
		  .take = ks_take_words,
		  .target = &names },
		{ .name = "https",
		  .help = "a proxy in front speaks TLS: cookies are sent by TLS alone",
		  .take = ks_take_flag,
		  .target = &opts.https },
		{ .name = "tokens",
		  .argument = "DIR",
		  .help = "the directory of the tokens, made if it is not there; without, new ones are printed",
		  .take = ks_take_text,
		  .target = &opts.tokens },
		{ .name = "allow-actions",
		  .help = "make a second token, with which people may kill, reload, confirm and change sets",
		  .take = ks_take_flag,
		  .target = &opts.may_act },
		{ .name = "leases",
		  .argument = "FILE",
		  .help = "names of hosts are in this file of dnsmasq, dhcpd or Kea; several may be given (the usual "
			  "ones)",
		  .take = ks_take_words,
		  .target = &leases },
		{ .name = "dns",
		  .argument = "ADDRESS",
		  .help = "ask this server where somebody wants names by DNS; several may be given (those of "
			  "resolv.conf)",
		  .take = ks_take_words,
		  .target = &dns },
		{ .name = "no-dns",
		  .help = "never ask the DNS for names",
		  .take = ks_take_flag,
		  .target = &opts.no_dns },
		{ .name = "instance",
		  .argument = "NAME",
		  .help = "show the firewall with this directory below /run/keepstate, and listen here",
		  .take = ks_take_text,
		  .target = &instance },
	};
	const struct ks_usage usage = {
		"keepstate page [OPTION]...",
		"Serves a web page that shows the running firewall: its traffic, connections, log and rules, and why\n"
		"packets are decided as they are. It prints its address with a token that lets in, and listens to "
		"this\n"
		"machine alone unless --listen says otherwise; then a proxy with TLS belongs in front of it, and the\n"
		"policy must allow who comes. Its process has the user keepstate-page (else nobody) and no rights; it "
		"can\n"
		"only look, unless --allow-actions is given and somebody has the second token. Serves until a signal.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "page takes no operands");
	code = check_words(&usage, &listen, &names, &leases, &dns);
	if (code)
		return code;
	if (instance && (!*instance || strchr(instance, '/') || strlen(instance) >= sizeof(opts.instance.name)))
		return ks_usage_error(&usage, "--instance: '%s' is no name of a directory below /run/keepstate",
				      instance);
	words_copy(&listen, opts.listen, &opts.listen_count);
	words_copy(&names, opts.names, &opts.name_count);
	words_copy(&leases, opts.leases, &opts.lease_count);
	words_copy(&dns, opts.dns, &opts.dns_count);
	code = find_instance(instance, &opts.instance);
	return code ? code : ks_page_run(&opts);
}
