// SPDX-License-Identifier: BSD-2-Clause
/* keepstate-bench: its commands and options; see bench.h. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "core/types.h"

static const struct {
	const char *name;
	int (*run)(const struct bench_opts *opts);
	const char *help;
} commands[] = {
	{ "native", bench_native, "packets through the native home" },
	{ "churn", bench_churn, "short connections through the native home, into a table of --flows" },
	{ "kernel", bench_kernel, "packets through the tc or XDP program, by test runs" },
	{ "front", bench_front, "packets that are refused by the front, and by tc, by test runs" },
	{ "processors", bench_processors,
	  "packets through the tc or XDP program, on one processor and on all at a time" },
	{ "memory", bench_memory, "kernel memory a flow" },
	{ "policy", bench_policy, "time to load a policy" },
	{ "rules", bench_rules, "time to find the rule of a packet in the policy --file, by trees and by the walk" },
	{ "policy-text", bench_policy_text, "print the policy of these sizes" },
	{ "capture", bench_capture, "write a capture of --count packets of --flows flows to --file" },
	{ "flood", bench_flood, "send --count frames of --flows flows by --device (live frames)" },
	{ "siege", bench_siege, "send --rate frames a second of an --attack to --address and --port for --seconds" },
	{ "echo", bench_echo, "send UDP datagrams to --port back until standard input ends" },
	{ "sink", bench_sink,
	  "count and drop such frames on --device until standard input ends; with --bare as the least that a filter "
	  "does" },
	{ "forward", bench_forward,
	  "route frames between the interfaces of --device by XDP until standard input ends" },
	{ "gro", bench_gro, "turn receive offload of --device on, so that a veth takes redirected frames" },
	{ "serve", bench_serve, "answer TCP connections to --address and --port until standard input ends" },
	{ "connect", bench_connect, "make --count TCP connections to --address and --port" },
	{ "handshake", bench_handshake, "time to open each of --count TCP connections to --address and --port" },
};

enum { OPT_BOOL, OPT_NUMBER, OPT_TEXT };

static const struct {
	const char *name;
	int kind;
	size_t offset;
	__u32 low, high;
} options[] = {
#define NUMBER(name, low, high) { #name, OPT_NUMBER, offsetof(struct bench_opts, name), low, high }
#define BOOL(name) { #name, OPT_BOOL, offsetof(struct bench_opts, name), 0, 0 }
#define TEXT(name) { #name, OPT_TEXT, offsetof(struct bench_opts, name), 0, 0 }
	NUMBER(runs, 1, 1000),
	NUMBER(flows, 1, 16000000),
	NUMBER(count, 1, 100000000),
	NUMBER(rules, 1, 60000),
	NUMBER(prefixes, 0, 1000000),
	NUMBER(seconds, 1, 60),
	NUMBER(port, 1, 65500),
	NUMBER(rate, 1, 2000000),
	NUMBER(sources, 0, 200),
	BOOL(tcp),
	BOOL(xdp),
	BOOL(fresh),
	BOOL(reply),
	BOOL(summed),
	BOOL(sustain),
	BOOL(bare),
	TEXT(device),
	TEXT(address),
	TEXT(from),
	TEXT(file),
	TEXT(macs),
	TEXT(attack),
#undef NUMBER
#undef BOOL
#undef TEXT
};

__u64 bench_cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (__u64)t.tv_sec * KS_NSEC_PER_SEC + (__u64)t.tv_nsec;
}

__u64 bench_wall_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * KS_NSEC_PER_SEC + (__u64)t.tv_nsec;
}

int bench_fail(int err, const char *format, ...)
{
	va_list args;

	fputs("keepstate-bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(-err));
	return err;
}

static int usage(void)
{
	fputs("usage: keepstate-bench COMMAND [--OPTION[=VALUE]]...\n\ncommands:\n", stderr);
	for (size_t i = 0; i < KS_ARRAY_SIZE(commands); i++)
		fprintf(stderr, "  %-12s %s\n", commands[i].name, commands[i].help);
	fputs("options:\n", stderr);
	for (size_t i = 0; i < KS_ARRAY_SIZE(options); i++) {
		if (options[i].kind == OPT_NUMBER)
			fprintf(stderr, "  --%s=%u..%u\n", options[i].name, options[i].low, options[i].high);
		else
			fprintf(stderr, "  --%s%s\n", options[i].name, options[i].kind == OPT_TEXT ? "=TEXT" : "");
	}
	return 2;
}

/* Puts an option's value in its place. Returns 0 or -EINVAL. */
static int take(size_t option, const char *value, struct bench_opts *opts)
{
	void *target = (char *)opts + options[option].offset;
	char *end;
	unsigned long number;

	switch (options[option].kind) {
	case OPT_BOOL:
		*(bool *)target = true;
		return 0;
	case OPT_TEXT:
		*(const char **)target = value;
		return 0;
	}
	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno || *end || end == value || number < options[option].low || number > options[option].high) {
		fprintf(stderr, "keepstate-bench: --%s wants a number from %u to %u, not '%s'\n", options[option].name,
			options[option].low, options[option].high, value);
		return -EINVAL;
	}
	*(__u32 *)target = (__u32)number;
	return 0;
}

static int parse(int argc, char **argv, struct bench_opts *opts)
{
	struct option known[KS_ARRAY_SIZE(options) + 1] = { 0 };
	int found, index;

	for (size_t i = 0; i < KS_ARRAY_SIZE(options); i++) {
		known[i].name = options[i].name;
		known[i].has_arg = options[i].kind == OPT_BOOL ? no_argument : required_argument;
	}
	while ((found = getopt_long(argc, argv, "", known, &index)) != -1) {
		if (found != 0 || take((size_t)index, optarg, opts))
			return -EINVAL;
	}
	return optind == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct bench_opts opts = {
		.runs = 1, .flows = 1000, .count = 1000000, .rules = 1, .seconds = 2, .port = 8000, .rate = 1000
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return usage();
	for (size_t i = 0; i < KS_ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return parse(argc - 1, argv + 1, &opts) ? usage() : !!commands[i].run(&opts);
	}
	return usage();
}
