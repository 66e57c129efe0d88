/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An instance of the firewall: one for each network namespace, with a directory
 * under /run/keepstate and pins on a bpf file system that is mounted beside it.
 *
 *   /run/keepstate/NAME/lock          flock(2)ed by the daemon; says which daemon it is
 *   /run/keepstate/NAME/control.sock  the control API
 *   /run/keepstate/NAME/read.sock     what of it only reads, for the group keepstate
 *   /run/keepstate/NAME/rules.json    ids and more for the next daemon (ledger.h)
 *   /run/keepstate/bpf/NAME/          pins (kernel/kernel.h)
 *
 * What outlives a reboot is below /var/lib/keepstate/NAME/ (persistent.h).
 *
 * NAME is "host" in the network namespace of process 1, else "net-INODE". The
 * number of an inode may be used again when a namespace is gone; a cookie never is.
 */
#ifndef KS_DAEMON_INSTANCE_H
#define KS_DAEMON_INSTANCE_H

#include <stdbool.h>
#include <sys/types.h>

#define KS_RUN_DIR "/run/keepstate"
#define KS_BPF_DIR KS_RUN_DIR "/bpf"
#define KS_STATE_DIR "/var/lib/keepstate"
#define KS_JOURNAL_DIR KS_STATE_DIR "/journal" /* a folder for each instance (journal/) */
#define KS_JOURNAL_RUN_DIR "/run/keepstate-journal" /* NAME.sock: the journal outlives the firewall, and its folder */
#define KS_INSTANCE_PATH 100
#define KS_INSTANCE_HOST "host" /* the name of the instance in the network namespace of process 1 */

struct ks_instance {
	char name[32];
	unsigned long long cookie; /* of the network namespace (SO_NETNS_COOKIE), 0 if the kernel has none */
	char dir[KS_INSTANCE_PATH];
	char lock[KS_INSTANCE_PATH];
	char socket[KS_INSTANCE_PATH]; /* fits sockaddr_un: the names are short */
	char read_socket[KS_INSTANCE_PATH];
	char ledger[KS_INSTANCE_PATH];
	char pins[KS_INSTANCE_PATH];
	char state_dir[KS_INSTANCE_PATH]; /* made on need by ks_persistent_prepare() */
};

/* The daemon that holds the lock. */
struct ks_holder {
	pid_t pid;
	long long since; /* seconds of the epoch */
	char policy[4096];
};

/* Names the instance of the present network namespace. Touches nothing. */
int ks_instance_find(struct ks_instance *instance);

/* The instance of this name, which may be that of another network namespace; its cookie is not set. */
void ks_instance_named(const char *name, struct ks_instance *instance);

/* Makes the directory and, if needed, mounts the bpf file system. Returns as ks_bpffs_mount(). */
int ks_instance_prepare(const struct ks_instance *instance);

/*
 * Takes the lock. Returns its descriptor, to be kept open while the instance
 * runs; -EWOULDBLOCK with *holder filled if a daemon has it (holder->pid is 0 if
 * it has not signed yet); or another -errno.
 */
int ks_instance_lock(const struct ks_instance *instance, struct ks_holder *holder);

/* Returns true if the lock file is still the one that is locked: somebody may have removed it. */
bool ks_instance_is_current(const struct ks_instance *instance, int lock_fd);

/* Reads which daemon has the lock, or had it last; zeroes if nobody says. */
void ks_instance_read_holder(const struct ks_instance *instance, struct ks_holder *holder);

/* Writes into the lock file which daemon holds it. */
int ks_instance_sign(int lock_fd, const struct ks_holder *holder);

/*
 * Takes off the filters of every interface of this network namespace, the
 * pins, and the directory; the last instance of the machine also removes what is
 * common to all. Only for the holder of the lock, after ks_instance_prepare().
 * qdiscs: indices of the interfaces whose clsact qdisc was ours.
 */
int ks_instance_remove(const struct ks_instance *instance, const unsigned *qdiscs, unsigned count);

/* The first half: takes off the filters and the backstop. Pins and directory stay. */
int ks_instance_detach(const struct ks_instance *instance, const unsigned *qdiscs, unsigned count);

/* The second half, without touching any filter. */
int ks_instance_clear(const struct ks_instance *instance);

/* The same for a start that failed before it attached any filter. */
int ks_instance_discard(const struct ks_instance *instance);

/* The same for one that failed still earlier, if nothing of an earlier daemon is there. */
void ks_instance_discard_empty(const struct ks_instance *instance);

/* Removes what is common to all instances if none is left: a daemon that has dropped its privileges cannot unmount. */
void ks_instance_sweep(void);

#endif
