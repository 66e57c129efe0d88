/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the running kernel's verifier about every program of a BPF object and
 * prints its statistics: one line a program, and the whole log of
 * one that is refused. Into a second file it writes which source lines are
 * left in each program: the verifier cuts off what it takes for dead, and old
 * ones are sometimes wrong (V7, V14). Compiled and used by tools/old-kernel.
 *
 *   verifier-check keepstate.bpf.o [LINES]
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_STATS 4 /* BPF_LOG_STATS: the counts only */
#define LOG_SIZE (1U << 20)
#define PROGRAMS_MAX 64
#define TYPE_NETFILTER 32 /* Linux 6.4; libbpf 1.1 knows neither of these */
#define ATTACH_NETFILTER 45

/* Warnings hold the reasons of a failed load; the rest is left out. */
static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

/* Leaves out programs of a type that this kernel does not have, as the loader does. */
static void prepare_netfilter(struct bpf_object *object)
{
	static const struct bpf_insn accept[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = ATTACH_NETFILTER);
	int fd = bpf_prog_load(TYPE_NETFILTER, "probe", "GPL", accept, 2, &opts);
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		if (strcmp(bpf_program__section_name(program), "netfilter"))
			continue;
		bpf_program__set_type(program, TYPE_NETFILTER);
		bpf_program__set_expected_attach_type(program, ATTACH_NETFILTER);
		bpf_program__set_autoload(program, fd >= 0);
	}
	if (fd >= 0)
		close(fd);
}

/* Gives every program a log of its own. Returns how many there are, or -ENOMEM. */
static int logs_attach(struct bpf_object *object, char *logs[PROGRAMS_MAX])
{
	struct bpf_program *program;
	int count = 0;

	bpf_object__for_each_program(program, object) {
		if (count == PROGRAMS_MAX)
			return -ENOMEM;
		logs[count] = calloc(1, LOG_SIZE);
		if (!logs[count])
			return -ENOMEM;
		bpf_program__set_log_level(program, LOG_STATS);
		bpf_program__set_log_buf(program, logs[count++], LOG_SIZE);
	}
	return count;
}

/* The line "processed N insns ..." of a log, or its last line. */
static const char *log_summary(char *log)
{
	char *line = strstr(log, "processed ");

	if (!line)
		return "no statistics";
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void logs_print(struct bpf_object *object, char *logs[PROGRAMS_MAX], int loaded)
{
	struct bpf_program *program;
	int i = 0;

	bpf_object__for_each_program(program, object) {
		bool accepted = bpf_program__fd(program) >= 0;

		if (!accepted && loaded)
			printf("%s", logs[i]);
		printf("  %-20s %-8s %s\n", bpf_program__name(program),
		       accepted				? "accepted"
		       : bpf_program__autoload(program) ? "refused"
							: "left out",
		       log_summary(logs[i]));
		i++;
	}
}

/* Which line of which file an instruction of a loaded program comes from. The caller frees the records; NULL if there are none. */
static struct bpf_line_info *lines_of(int fd, __u32 *count)
{
	struct bpf_prog_info info = { 0 };
	struct bpf_line_info *lines;
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) || info.line_info_rec_size != sizeof(*lines))
		return NULL;
	*count = info.nr_line_info;
	lines = calloc(*count, sizeof(*lines));
	info = (struct bpf_prog_info){ .nr_line_info = *count, .line_info_rec_size = sizeof(*lines) };
	info.line_info = (uintptr_t)lines;
	if (lines && !bpf_obj_get_info_by_fd(fd, &info, &length))
		return lines;
	free(lines);
	return NULL;
}

/* One line for each instruction of which the source is known: the program, the place. */
static void lines_write(FILE *to, const struct bpf_object *object)
{
	const struct btf *names = bpf_object__btf(object);
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		__u32 count = 0;
		struct bpf_line_info *lines = lines_of(bpf_program__fd(program), &count);

		for (__u32 i = 0; lines && i < count; i++)
			fprintf(to, "%s %s:%u\n", bpf_program__name(program),
				btf__name_by_offset(names, lines[i].file_name_off),
				BPF_LINE_INFO_LINE_NUM(lines[i].line_col));
		free(lines);
	}
}

/* Returns 0, or 1 if the file cannot be written. */
static int lines_save(const char *path, const struct bpf_object *object)
{
	FILE *to = fopen(path, "w");

	if (!to) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	lines_write(to, object);
	return fclose(to) ? 1 : 0;
}

int main(int argc, char **argv)
{
	char *logs[PROGRAMS_MAX] = { 0 };
	struct bpf_object *object;
	int err;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: verifier-check FILE.bpf.o [LINES]\n");
		return 2;
	}
	libbpf_set_print(print_warnings);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	prepare_netfilter(object);
	if (logs_attach(object, logs) < 0) {
		fprintf(stderr, "not enough memory for the logs\n");
		return 2;
	}
	err = bpf_object__load(object);
	logs_print(object, logs, err);
	if (err)
		fprintf(stderr, "%s: not loaded: %s\n", argv[1], strerror(-err));
	else if (argc == 3)
		err = lines_save(argv[2], object);
	bpf_object__close(object);
	for (int i = 0; i < PROGRAMS_MAX; i++)
		free(logs[i]);
	return err ? 1 : 0;
}
