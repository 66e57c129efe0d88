/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of pf, iptables, nftables, ipfw and ufw, which people write here by habit. A message says what they would write
 * instead, where the nearest word of our own would lead them astray: `pass` is near to `bypass`, and means `allow`.
 */
#include "policy/foreign.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "core/types.h"

#define NAT_TEXT "such as 'nat from lan to wan masquerade'"
#define FORWARD_TEXT "such as 'forward from wan tcp port 443 to 10.0.0.5'"
#define COMMENT_TEXT "'#' before a comment"

struct foreign {
	const char *words; /* with blanks between them */
	const char *instead; /* behind "expected" */
};

static const struct foreign statements[] = {
	{ "pass accept permit", "'allow'" },
	{ "block drop", "'deny', or 'reject', which sends an answer" },
	{ "policy default", "no such line, because what no rule allows is denied" },
	{ "ct conntrack state established related stateful",
	  "no such line, because every rule keeps state and answers pass by it" },
	{ "notrack", "'bypass', such as 'bypass from lan to wan udp port 53'" },
	{ "flush", "no such line, because a policy takes the place of the one before" },
	{ "masquerade masq snat nat-to", "'nat', " NAT_TEXT },
	{ "dnat rdr rdr-to port-forward portforward", "'forward', " FORWARD_TEXT },
	{ "table ipset define group list",
	  "'set' for a list of addresses, such as 'set admins { 10.0.0.5 }'; rules stand in no tables" },
	{ "chain hook jump goto return", "rules one below the other, of which the first that matches decides" },
	{ "interface interfaces iface network networks zones", "'zone', such as 'zone lan { eth1 }'" },
	{ "alias macro var let", "'$name = value', or 'set NAME { ... }' for addresses and ports" },
	{ "log", "a rule that says so, such as 'deny from wan log'" },
	{ "scrub", "an option, such as 'option mss 1452' or 'option scrub-df on'" },
	{ "antispoof", "no such line, because every zone has it that does not say 'antispoof off'" },
	{ "from to source destination port proto type family tcp udp icmp icmpv6 sctp",
	  "'allow', 'deny' or 'reject' before it" },
	{ "rule", "the word that a rule begins with, such as 'allow'" },
	{ "-A -I -P -N iptables ip6tables nft ufw add insert append",
	  "a rule, such as 'allow from lan to wan tcp port 443'" },
	{ "// /* ; -- rem", COMMENT_TEXT },
};

static const struct foreign clauses[] = {
	{ "in input incoming inbound ingress iif iifname", "'from' and the zone that packets come from" },
	{ "out output outgoing outbound egress oif oifname", "'to' and the zone that packets leave for" },
	{ "on via interface iface", "'from' or 'to' and the zone of the interface" },
	{ "quick", "nothing, because the first rule that matches decides" },
	{ "keep state stateful ct conntrack new established related",
	  "nothing, because every rule keeps state and answers pass by it" },
	{ "dport dports ports to-port", "'port'" },
	{ "icmp-type icmp_type icmpv6-type icmp6-type", "'type' behind the protocol, such as icmp type echo-request" },
	{ "sport sports", "'source port'" },
	{ "saddr src", "'source'" },
	{ "daddr dst dest", "'destination'" },
	{ "inet ip ip4 ipv4 v4", "'family ipv4'" },
	{ "inet6 ip6 v6", "'family ipv6'" },
	{ "icmp6 ipv6-icmp", "'icmpv6'" },
	{ "ping", "'icmp type echo-request', or icmpv6 with the same type" },
	{ "all any everything", "nothing, because a rule without conditions is about every packet" },
	{ "with", "nothing, because 'reject' answers by itself: TCP by a RST, others by ICMP" },
	{ "masquerade masq snat nat-to", "a rule of its own, " NAT_TEXT },
	{ "dnat rdr rdr-to", "a rule of its own, " FORWARD_TEXT },
	{ "staged", "it before the rule, such as 'staged deny'" },
	{ "comment label", "'log' and a label, such as 'log \"web\"', or " COMMENT_TEXT },
	{ "or and || &&", "a list in braces, such as { lan, dmz }" },
	{ "- ->", "'from' before the one zone and 'to' before the other" },
	{ "! not", "'not' behind 'source', 'destination' or 'port'" },
	{ "allow deny reject bypass pass accept block drop", "the end of the line before the next rule" },
	{ "// /* ; --", COMMENT_TEXT },
	{ "syn", "'flags S/SA', or nothing, because a connection begins with a SYN and the rest belongs to it" },
	{ "echo-request echo-reply destination-unreachable time-exceeded", "'type' before it" },
	{ "uid skuid uid-owner owner", "'user'" },
	{ "gid skgid group", "'user' or 'cgroup', because sockets are not asked for the groups of their users" },
	{ "cgroupv2 socket slice service",
	  "'cgroup' and a path in quotes, such as cgroup \"system.slice/nginx.service\"" },
	{ "mac-source ether lladdr", "'mac'" },
	{ "tos", "'dscp', whose code points are the upper six bits" },
	{ "fwmark meta tag tagged", "'mark'" },
	{ "hoplimit hop-limit hlim min-ttl", "'ttl'" },
	{ "time weekdays days hours schedule", "'during' and days and hours, such as during mon-fri 08:00-18:00" },
	{ "prefix log-prefix", "the label behind 'log', such as log \"web\"" },
	{ "counter counters", "nothing, because every rule has counters: keepstate rules" },
	{ "queue nfqueue divert", "nothing of that kind, because packets are not handed to programs" },
	{ "per", "'limit' and a rate before it, such as limit 10/second per source" },
	{ "notrack", "'bypass' in the place of 'allow'" },
	{ "nolog", "nothing, because only rules with 'log' are logged" },
	{ "monday tuesday wednesday thursday friday saturday sunday",
	  "days of three letters behind 'during', before the hours, such as during mon-fri 08:00-18:00" },
	{ "rate hashlimit", "'limit', such as limit 10/second per source" },
	{ "clamp-mss-to-pmtu max-mss maxseg", "'mss mtu', or a number behind 'mss'" },
};

static const struct foreign types[] = {
	{ "ping echo echoreq echo_request pings", "echo-request" },
	{ "pong echorep echo_reply", "echo-reply" },
	{ "unreach unreachable dest-unreachable", "destination-unreachable" },
	{ "timex ttl-exceeded ttl-zero-during-transit", "time-exceeded" },
	{ "toobig too-big", "packet-too-big" },
	{ "frag-needed needfrag", "fragmentation-needed" },
	{ "paramprob parameter", "parameter-problem" },
	{ "nd-neighbor-solicit neighbrsol neighbor-solicit neighbour-solicit", "neighbour-solicitation" },
	{ "nd-neighbor-advert neighbradv neighbor-advert neighbour-advert", "neighbour-advertisement" },
	{ "nd-router-solicit routersol router-solicit", "router-solicitation" },
	{ "nd-router-advert routeradv router-advert", "router-advertisement" },
	{ "nd-redirect redir", "redirect" },
	{ "mld-listener-query", "multicast-listener-query" },
	{ "mld-listener-report", "multicast-listener-report" },
	{ "mld-listener-done mld-listener-reduction", "multicast-listener-done" },
	{ "mld2-listener-report", "multicast-listener-report-v2" },
};

static const struct foreign periods[] = {
	{ "s sec secs seconds", "second" },
	{ "m min mins minutes", "minute" },
	{ "h hr hrs hours", "hour" },
	{ "d days", "day" },
};

static const struct foreign zones[] = {
	{ "all everything * anywhere", "any" },
	{ "localhost local host me firewall fw gateway this", "self" },
};

/* Returns true if the word stands in the list, whatever its capitals. */
static bool is_listed(const char *list, const char *word)
{
	size_t length = strlen(word);

	while (*list) {
		size_t next = strcspn(list, " ");

		if (next == length && strncasecmp(list, word, length) == 0)
			return true;
		list += next + (list[next] == ' ');
	}
	return false;
}

static const char *find_foreign(const struct foreign *table, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (is_listed(table[i].words, word))
			return table[i].instead;
	}
	return NULL;
}

const char *ks_foreign_statement(const char *word)
{
	return find_foreign(statements, KS_ARRAY_SIZE(statements), word);
}

const char *ks_foreign_clause(const char *word)
{
	return find_foreign(clauses, KS_ARRAY_SIZE(clauses), word);
}

const char *ks_foreign_type(const char *word)
{
	return find_foreign(types, KS_ARRAY_SIZE(types), word);
}

const char *ks_foreign_period(const char *word)
{
	return find_foreign(periods, KS_ARRAY_SIZE(periods), word);
}

const char *ks_foreign_zone(const char *word)
{
	return find_foreign(zones, KS_ARRAY_SIZE(zones), word);
}
