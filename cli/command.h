/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of the program. A command is a line here and a function
 * ks_cmd_NAME() in a file of its name in cli/; main.c makes the table and the help from it.
 */
#ifndef KS_CLI_COMMAND_H
#define KS_CLI_COMMAND_H

/* Exit codes. */
enum ks_exit {
	KS_EXIT_OK = 0,
	KS_EXIT_NO = 1, /* the answer is no: a test failed, an explained packet is dropped, no such state */
	KS_EXIT_USAGE = 2, /* wrong options, or a policy or capture that cannot be read as one */
	KS_EXIT_SYSTEM = 3, /* the system refused: permission, memory, no daemon, disk */
};

/* X(name, one line of help), in the order in which they are listed. */
#define KS_COMMANDS(X)                                            \
	X(check, "check a policy file")                           \
	X(show, "print a policy in its normal form")              \
	X(diff, "compare two policies by what they do")           \
	X(ask, "ask which packets a policy lets pass")            \
	X(import, "make a policy of another firewall's rules")    \
	X(suggest, "make a policy of captured or past traffic")   \
	X(test, "run the tests of policies")                      \
	X(replay, "run captured traffic through a policy")        \
	X(explain, "show how a packet is decided, step by step")  \
	X(run, "put a policy in force: the daemon")               \
	X(reload, "replace the policy, keep states and counters") \
	X(confirm, "keep the policy that waits for this word")    \
	X(stop, "take the firewall away")                         \
	X(status, "show what is in force, guarded and passing")   \
	X(states, "list or kill states")                          \
	X(top, "watch what passes and what is dropped")           \
	X(set, "list or change run-time sets")                    \
	X(log, "follow what the firewall tells of packets")       \
	X(counters, "show counters by reason and by rule")        \
	X(metrics, "print or serve figures for Prometheus")       \
	X(page, "serve a web page that shows the firewall")

/* argv[0] is the command's name. Returns an enum ks_exit. */
#define X(name, help) int ks_cmd_##name(int argc, char **argv);
KS_COMMANDS(X)
#undef X

#endif
