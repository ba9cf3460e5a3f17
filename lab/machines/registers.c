/* Lets a User-Mode Linux kernel run on a processor with more registers than it knows of; see lab/machines/registers.py.
 *
 * Such a kernel gives a process its registers back with the first 2696 bytes of the processor's state (AVX-512 and PKRU included).
 * Where the processor has more (AMX: 11008 bytes), Linux takes all of them or nothing: EFAULT. What follows those bytes are registers
 * that no process of the node can have used, since Linux gives AMX only to those that ask for it, and their kernel does not pass that
 * question on. So this gives back what the kernel has, and the rest as it is in a process that has never used it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { GETREGSET = 0x4204, SETREGSET = 0x4205 }; /* of sys/ptrace.h, whose declaration of ptrace() is another one */
enum { USED = 512 };                             /* where the state says which of its parts are used (XSTATE_BV) */

static long (*real)(long, pid_t, void *, void *);
static unsigned char state[65536] __attribute__((aligned(64))); /* what the kernel does not know of stays zero */
static size_t whole; /* bytes; 0 until a set has been refused */

static __attribute__((constructor)) void find(void)
{
	real = (long (*)(long, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(long request, pid_t pid, void *address, void *data)
{
	struct iovec *given = data, all = {state, sizeof state};
	uint64_t used;
	long answer;

	if (request != SETREGSET || address != (void *)NT_X86_XSTATE || given->iov_len < USED + sizeof used)
		return real(request, pid, address, data);
	if (!whole) {
		answer = real(request, pid, address, data);
		if (answer == 0 || errno != EFAULT || real(GETREGSET, pid, address, &all) != 0 || all.iov_len <= given->iov_len)
			return answer;
		whole = all.iov_len;
		memset(state, 0, sizeof state);
	}
	memcpy(state, given->iov_base, given->iov_len);
	memcpy(&used, state + USED, sizeof used);
	used &= (1 << 17) - 1; /* 17 and 18 are AMX */
	memcpy(state + USED, &used, sizeof used);
	all.iov_len = whole;
	return real(request, pid, address, &all);
}
