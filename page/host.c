/* SPDX-License-Identifier: BSD-2-Clause */
/* See host.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/types.h"
#include "page/host.h"

#define KS_HOST_TEXT 256
#define KS_PORT_MAX 65535

/* A host and what follows its colon; brackets are taken off. */
struct parts {
	char name[KS_HOST_TEXT];
	const char *port; /* NULL: none */
	bool bracketed;
};

/* Cuts "[NAME]" and "[NAME]:PORT". */
static bool cut_bracketed(const char *text, struct parts *parts)
{
	const char *end = strchr(text, ']');

	if (!end || end - text > KS_HOST_TEXT - 1 || (end[1] && end[1] != ':'))
		return false;
	snprintf(parts->name, sizeof(parts->name), "%.*s", (int)(end - text - 1), text + 1);
	parts->port = end[1] ? end + 2 : NULL;
	parts->bracketed = true;
	return true;
}

static bool cut(const char *text, struct parts *parts)
{
	const char *colon = strchr(text, ':');
	size_t length = colon && !strchr(colon + 1, ':') ? (size_t)(colon - text) : strlen(text);

	memset(parts, 0, sizeof(*parts));
	if (*text == '[')
		return cut_bracketed(text, parts);
	if (!length || length >= KS_HOST_TEXT)
		return false;
	snprintf(parts->name, sizeof(parts->name), "%.*s", (int)length, text);
	parts->port = text[length] ? text + length + 1 : NULL;
	return true;
}

static bool parse_port(const char *text, unsigned short *port)
{
	char *end;
	long value;

	if (*text < '0' || *text > '9')
		return false;
	value = strtol(text, &end, 10);
	if (*end || value < 0 || value > KS_PORT_MAX)
		return false;
	*port = (unsigned short)value;
	return true;
}

int ks_host_parse(const char *text, unsigned short port, struct sockaddr_storage *address, socklen_t *size)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct parts parts;

	if (!cut(text, &parts) || (parts.port && !parse_port(parts.port, &port)))
		return -EINVAL;
	memset(address, 0, sizeof(*address));
	if (!parts.bracketed && inet_pton(AF_INET, parts.name, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*size = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, parts.name, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	*size = sizeof(*v6);
	return 0;
}

static bool is_address(const struct parts *parts)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(parts->bracketed ? AF_INET6 : AF_INET, parts->name, bytes) == 1;
}

bool ks_host_is_ours(const char *host, const char *const *names, size_t count)
{
	unsigned short port;
	struct parts parts;

	if (!host || !cut(host, &parts) || (parts.port && !parse_port(parts.port, &port)))
		return false;
	if (is_address(&parts) || !strcasecmp(parts.name, "localhost"))
		return true;
	for (size_t i = 0; i < count; i++) {
		if (!strcasecmp(parts.name, names[i]))
			return true;
	}
	return false;
}

bool ks_host_is_origin(const char *origin, const char *host)
{
	const char *name = strstr(origin, "://");

	return name && host && !strcasecmp(name + 3, host);
}
