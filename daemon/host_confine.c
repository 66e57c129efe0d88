/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities go, and of the system calls those stay with which sockets of IP are made and used. So a process that a forged
 * answer has taken over can open no file, reach no other process, and no socket of this machine's services.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "core/types.h"
#include "daemon/host_confine.h"

/* Numbers of system calls are those of one architecture; on another one than these the numbers alone decide. */
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

static const unsigned
	allowed
		[] = {
			SYS_bind,	  SYS_brk,	   SYS_clock_gettime,
			SYS_close,	  SYS_connect,	   SYS_exit,
			SYS_exit_group,	  SYS_fcntl,	   SYS_futex,
			SYS_getpid,	  SYS_getpeername, SYS_getrandom,
			SYS_getsockname,  SYS_getsockopt,  SYS_gettimeofday,
			SYS_ioctl, /* how much waits in a socket; there is no other file */
			SYS_madvise,	  SYS_mmap,	   SYS_mremap,
			SYS_munmap,
#ifdef SYS_poll
			SYS_poll,
#endif
			SYS_ppoll,	  SYS_read,	   SYS_readv,
			SYS_recvfrom,	  SYS_recvmsg,	   SYS_restart_syscall,
			SYS_rt_sigreturn, SYS_sendmmsg,	   SYS_sendmsg,
			SYS_sendto,	  SYS_setsockopt,  SYS_write,
			SYS_writev,
		};

#define PART(field) offsetof(struct seccomp_data, field)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PART(field))
#define IF_NOT(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skipped))
#define IF(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skipped), 0)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE RETURN(SECCOMP_RET_ERRNO | EPERM)
#define FILTER_MAX (KS_ARRAY_SIZE(allowed) * 2 + 16)

/* Sockets of the two families of IP. */
static const struct sock_filter sockets[] = {
	IF_NOT(SYS_socket, 5), LOAD(args[0]), IF(AF_INET, 2), IF(AF_INET6, 1), REFUSE, RETURN(SECCOMP_RET_ALLOW),
};

static unsigned filter_make(struct sock_filter filter[FILTER_MAX])
{
	unsigned count = 0;

#ifdef ARCHITECTURE
	filter[count++] = (struct sock_filter)LOAD(arch);
	filter[count++] = (struct sock_filter)IF(ARCHITECTURE, 1);
	filter[count++] = (struct sock_filter)REFUSE;
#endif
	filter[count++] = (struct sock_filter)LOAD(nr);
	for (unsigned i = 0; i < KS_ARRAY_SIZE(sockets); i++)
		filter[count++] = sockets[i];
	for (unsigned i = 0; i < KS_ARRAY_SIZE(allowed); i++) {
		filter[count++] = (struct sock_filter)IF_NOT(allowed[i], 1);
		filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	filter[count++] = (struct sock_filter)REFUSE;
	return count;
}

static int calls_bound(void)
{
	struct sock_filter filter[FILTER_MAX];
	const struct sock_fprog program = { .len = (unsigned short)filter_make(filter), .filter = filter };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

int ks_host_confine(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &head, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return calls_bound();
}
