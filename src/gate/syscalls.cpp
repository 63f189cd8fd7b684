#include "gate/syscalls.h"

#include <sched.h>
#include <seccomp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace minato::gate {
namespace {

// New programs, other processes' memory, mounts, namespaces, kernel modules, keys, clocks, and
// interfaces with a history of kernel bugs. Unknown names are left out: they are then unknown to
// the machine, too.
constexpr const char* kDenied[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    "kcmp",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "setns",
    "unshare",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "request_key",
    "keyctl",
    "acct",
    "quotactl",
    "quotactl_fd",
    "swapon",
    "swapoff",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "syslog",
    "vhangup",
    "personality",
    "iopl",
    "ioperm",
    "modify_ldt",
    "name_to_handle_at",
    "open_by_handle_at",
    "lookup_dcookie",
    "mknod",
    "mknodat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "memfd_secret",
    "fanotify_init",
    "migrate_pages",
    "move_pages",
    "mbind",
};

}  // namespace

Status deny_system_calls() {
  const auto refused = [](const char* what, int error) {
    return fail(Code::internal, "The gate's seccomp filter cannot be loaded.",
                std::string(what) + ": " + strerror(-error));
  };
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                                 &seccomp_release);
  if (!filter) return refused("init", -ENOMEM);
  if (const int error = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1))
    return refused("tsync", error);
  const std::uint32_t deny = SCMP_ACT_ERRNO(EPERM);
  for (const char* name : kDenied) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR) continue;
    const int error = seccomp_rule_add(filter.get(), deny, call, 0);
    if (error != 0 && error != -EDOM && error != -EINVAL) return refused(name, error);
  }
  // Threads yes, processes no. clone3 hides its flags in memory: with ENOSYS the C library takes
  // clone.
  if (const int error =
          seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0)) {
    return refused("clone3", error);
  }
  if (const int error = seccomp_rule_add(filter.get(), deny, SCMP_SYS(clone), 1,
                                         SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0))) {
    return refused("clone", error);
  }
  // Signals to itself only (abort() needs those).
  const auto self = static_cast<scmp_datum_t>(::getpid());
  for (const int call : {SCMP_SYS(kill), SCMP_SYS(tgkill)}) {
    if (const int error =
            seccomp_rule_add(filter.get(), deny, call, 1, SCMP_A0(SCMP_CMP_NE, self))) {
      return refused("kill", error);
    }
  }
  if (const int error = seccomp_load(filter.get())) return refused("load", error);
  return {};
}

}  // namespace minato::gate
