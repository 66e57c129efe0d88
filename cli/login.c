/* SPDX-License-Identifier: BSD-2-Clause */
/* See login.h. */
#include "cli/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/scoped.h"

#define VARIABLE "SSH_CONNECTION"
#define PARENTS_MAX 64

/* Reads the variable from the environment with which a process was started. */
static const char *environment_read(pid_t pid, char buf[KS_LOGIN_TEXT])
{
	ks_auto_free char *entry = NULL;
	ks_auto_file FILE *file = NULL;
	const char *found = NULL;
	size_t room = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	while (file && !found && getdelim(&entry, &room, '\0', file) > 0) {
		if (strncmp(entry, VARIABLE "=", sizeof(VARIABLE)) || strlen(entry + sizeof(VARIABLE)) >= KS_LOGIN_TEXT)
			continue;
		snprintf(buf, KS_LOGIN_TEXT, "%s", entry + sizeof(VARIABLE));
		found = buf;
	}
	return found;
}

/* The parent of a process, 0 if it is not known. */
static pid_t parent_of(pid_t pid)
{
	ks_auto_file FILE *file = NULL;
	char path[64], line[128];
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "PPid: %d", &parent) != 1)
		continue;
	return parent;
}

const char *ks_login_find(char buf[KS_LOGIN_TEXT])
{
	const char *found = getenv(VARIABLE);
	pid_t pid = getppid();

	if (found && strlen(found) < KS_LOGIN_TEXT) {
		snprintf(buf, KS_LOGIN_TEXT, "%s", found);
		return buf;
	}
	for (int i = 0; i < PARENTS_MAX && pid > 1; i++) {
		found = environment_read(pid, buf);
		if (found)
			return found;
		pid = parent_of(pid);
	}
	return NULL;
}
