/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services and their ports. The table is ours and not /etc/services, which differs from system to system and is anybody's to
 * edit: a policy means the same on the box, in its tests and on the desk of who reviews it. Names are those of IANA, and
 * those that people say.
 */
#include "policy/service.h"

#include <string.h>

#include "core/header/packet.h"

/* X(name, lowest port, highest port, protocols) */
#define SERVICES(X)                          \
	X("amqp", 5672, 5672, TCP)           \
	X("amqps", 5671, 5671, TCP)          \
	X("bfd", 3784, 3784, UDP)            \
	X("bgp", 179, 179, TCP)              \
	X("bootpc", 68, 68, UDP)             \
	X("bootps", 67, 67, UDP)             \
	X("chargen", 19, 19, BOTH)           \
	X("coap", 5683, 5683, UDP)           \
	X("coaps", 5684, 5684, UDP)          \
	X("daytime", 13, 13, BOTH)           \
	X("dhcp", 67, 67, UDP)               \
	X("dhcpv6-client", 546, 546, UDP)    \
	X("dhcpv6-server", 547, 547, UDP)    \
	X("discard", 9, 9, BOTH)             \
	X("dns", 53, 53, BOTH)               \
	X("dns-over-tls", 853, 853, BOTH)    \
	X("domain", 53, 53, BOTH)            \
	X("echo", 7, 7, BOTH)                \
	X("elasticsearch", 9200, 9200, TCP)  \
	X("finger", 79, 79, TCP)             \
	X("ftp", 21, 21, TCP)                \
	X("ftp-data", 20, 20, TCP)           \
	X("ftps", 990, 990, TCP)             \
	X("geneve", 6081, 6081, UDP)         \
	X("git", 9418, 9418, TCP)            \
	X("http", 80, 80, BOTH)              \
	X("http-alt", 8080, 8080, TCP)       \
	X("https", 443, 443, BOTH)           \
	X("https-alt", 8443, 8443, BOTH)     \
	X("ident", 113, 113, TCP)            \
	X("imap", 143, 143, TCP)             \
	X("imaps", 993, 993, TCP)            \
	X("ipfix", 4739, 4739, BOTH)         \
	X("ipp", 631, 631, BOTH)             \
	X("ipsec-nat-t", 4500, 4500, UDP)    \
	X("irc", 6667, 6667, TCP)            \
	X("ircs", 6697, 6697, TCP)           \
	X("isakmp", 500, 500, UDP)           \
	X("iscsi", 3260, 3260, TCP)          \
	X("kerberos", 88, 88, BOTH)          \
	X("kpasswd", 464, 464, BOTH)         \
	X("l2tp", 1701, 1701, UDP)           \
	X("ldap", 389, 389, BOTH)            \
	X("ldaps", 636, 636, TCP)            \
	X("llmnr", 5355, 5355, BOTH)         \
	X("lpd", 515, 515, TCP)              \
	X("mdns", 5353, 5353, UDP)           \
	X("memcached", 11211, 11211, BOTH)   \
	X("mongodb", 27017, 27017, TCP)      \
	X("mqtt", 1883, 1883, TCP)           \
	X("mqtts", 8883, 8883, TCP)          \
	X("ms-sql", 1433, 1433, TCP)         \
	X("mysql", 3306, 3306, TCP)          \
	X("netbios-dgm", 138, 138, UDP)      \
	X("netbios-ns", 137, 137, UDP)       \
	X("netbios-ssn", 139, 139, TCP)      \
	X("nfs", 2049, 2049, BOTH)           \
	X("nntp", 119, 119, TCP)             \
	X("ntp", 123, 123, UDP)              \
	X("nut", 3493, 3493, TCP)            \
	X("openvpn", 1194, 1194, BOTH)       \
	X("oracle", 1521, 1521, TCP)         \
	X("pop3", 110, 110, TCP)             \
	X("pop3s", 995, 995, TCP)            \
	X("postgresql", 5432, 5432, TCP)     \
	X("pptp", 1723, 1723, TCP)           \
	X("quic", 443, 443, UDP)             \
	X("radius", 1812, 1812, BOTH)        \
	X("radius-acct", 1813, 1813, BOTH)   \
	X("rdp", 3389, 3389, BOTH)           \
	X("redis", 6379, 6379, TCP)          \
	X("rip", 520, 520, UDP)              \
	X("ripng", 521, 521, UDP)            \
	X("rsync", 873, 873, TCP)            \
	X("rtmp", 1935, 1935, TCP)           \
	X("rtsp", 554, 554, BOTH)            \
	X("sflow", 6343, 6343, UDP)          \
	X("sip", 5060, 5060, BOTH)           \
	X("sips", 5061, 5061, TCP)           \
	X("smb", 445, 445, TCP)              \
	X("smtp", 25, 25, TCP)               \
	X("smtps", 465, 465, TCP)            \
	X("snmp", 161, 161, UDP)             \
	X("snmptrap", 162, 162, UDP)         \
	X("ssdp", 1900, 1900, UDP)           \
	X("ssh", 22, 22, TCP)                \
	X("stun", 3478, 3478, BOTH)          \
	X("stuns", 5349, 5349, BOTH)         \
	X("submission", 587, 587, TCP)       \
	X("sunrpc", 111, 111, BOTH)          \
	X("svn", 3690, 3690, TCP)            \
	X("syslog", 514, 514, UDP)           \
	X("syslog-tls", 6514, 6514, TCP)     \
	X("tacacs", 49, 49, TCP)             \
	X("telnet", 23, 23, TCP)             \
	X("tftp", 69, 69, UDP)               \
	X("traceroute", 33434, 33534, UDP)   \
	X("vnc", 5900, 5900, TCP)            \
	X("vxlan", 4789, 4789, UDP)          \
	X("whois", 43, 43, TCP)              \
	X("winrm", 5985, 5986, TCP)          \
	X("wireguard", 51820, 51820, UDP)    \
	X("www", 80, 80, BOTH)               \
	X("xmpp-client", 5222, 5222, TCP)    \
	X("xmpp-server", 5269, 5269, TCP)    \
	X("zabbix-agent", 10050, 10050, TCP) \
	X("zabbix-trapper", 10051, 10051, TCP)

#define TCP KS_SERVICE_TCP
#define UDP KS_SERVICE_UDP
#define BOTH (KS_SERVICE_TCP | KS_SERVICE_UDP)

static const struct ks_service services[] = {
#define X(name, low, high, protos) { name, low, high, protos },
	SERVICES(X)
#undef X
};

static const char *const names[] = {
#define X(name, low, high, protos) name,
	SERVICES(X)
#undef X
};

unsigned ks_service_find(const char *name)
{
	for (unsigned i = 0; i < KS_ARRAY_SIZE(services); i++) {
		if (strcmp(services[i].name, name) == 0)
			return i + 1;
	}
	return 0;
}

const struct ks_service *ks_service(unsigned number)
{
	return &services[number - 1];
}

const char *const *ks_service_names(size_t *count)
{
	*count = KS_ARRAY_SIZE(names);
	return names;
}

bool ks_service_has_proto(const struct ks_service *service, unsigned proto)
{
	return (proto == KS_PROTO_TCP && service->protos & KS_SERVICE_TCP) ||
	       (proto == KS_PROTO_UDP && service->protos & KS_SERVICE_UDP);
}

const char *ks_service_protos(const struct ks_service *service)
{
	if (service->protos == BOTH)
		return "{ tcp, udp }";
	return service->protos & KS_SERVICE_TCP ? "tcp" : "udp";
}
