#include "gate/sandbox.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "gate/landlock.h"
#include "gate/syscalls.h"

namespace minato::gate {
namespace {

namespace fs = std::filesystem;

// What the C library, OpenSSL and the engine read at run time: names, certificates, time zones,
// limits.
constexpr const char* kSystemFiles[] = {"/usr/lib",
                                        "/usr/lib64",
                                        "/lib",
                                        "/lib64",
                                        "/usr/share/zoneinfo",
                                        "/usr/share/ca-certificates",
                                        "/usr/lib/ssl",
                                        "/usr/local/share/ca-certificates",
                                        "/etc/ssl",
                                        "/etc/pki",
                                        "/etc/ld.so.cache",
                                        "/etc/resolv.conf",
                                        "/run/systemd/resolve",
                                        "/etc/hosts",
                                        "/etc/host.conf",
                                        "/etc/gai.conf",
                                        "/etc/nsswitch.conf",
                                        "/etc/services",
                                        "/etc/localtime",
                                        "/dev/null",
                                        "/dev/urandom",
                                        "/proc/meminfo",
                                        "/proc/self/cgroup",
                                        "/proc/self/mountinfo",
                                        "/proc/sys/vm/overcommit_memory",
                                        "/proc/cpuinfo",
                                        "/sys/fs/cgroup",
                                        "/sys/devices/system/cpu"};

tl::unexpected<Error> system_error(const std::string& what) {
  return fail(Code::internal, "The gate cannot give up its privileges.",
              what + ": " + strerror(errno));
}

/// An empty directory, whose contents a predecessor may have left behind.
Status make_writable(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    std::error_code ignored;
    fs::remove_all(entry.path(), ignored);
  }
  if (::chmod(directory.c_str(), 0700) != 0) {
    return fail(Code::unavailable,
                "The gate's directory for spilled data cannot be made: " + directory.string(),
                strerror(errno));
  }
  return {};
}

/// Whether all directories on the way may be entered, and `path` itself read, by everybody.
bool open_to_all(const fs::path& path, bool read) {
  struct stat about {};
  for (fs::path part = path; part.has_relative_path(); part = part.parent_path()) {
    if (::stat(part.c_str(), &about) != 0) continue;  // not there yet
    const bool last = part == path;
    const mode_t needed = S_IXOTH | (last && read ? S_IROTH : 0);
    if ((about.st_mode & needed) != needed) return false;
  }
  return true;
}

/// Keeps of all capabilities the one to read and enter what a directory's mode would forbid, or
/// none.
Status keep_capabilities(bool read_search) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (read_search) data[0].effective = data[0].permitted = 1U << CAP_DAC_READ_SEARCH;
  if (::syscall(SYS_capset, &header, data) != 0) return system_error("capset");
  return {};
}

Status become(const SandboxOptions& options) {
  if (::geteuid() != 0) return {};
  const passwd* user = ::getpwnam(options.user.c_str());
  if (user == nullptr || user->pw_uid == 0) {
    return fail(Code::invalid, "The gate cannot run as the user \"" + options.user +
                                   "\": there is no such user, or it is root.");
  }
  const uid_t uid = user->pw_uid;
  const gid_t gid = user->pw_gid;
  if (::chown(options.writable.c_str(), uid, gid) != 0) return system_error("chown");
  bool open = true;
  for (const fs::path& path : options.readable) open = open && open_to_all(path, true);
  for (const fs::path& path : options.reachable) open = open && open_to_all(path, false);
  open = open && open_to_all(options.writable.parent_path(), false);
  if (!open) {
    log::warn("gate.directory_not_open",
              {{"user", options.user},
               {"hint",
                "the platform's directory is closed to this user: the gate keeps the right to read "
                "(CAP_DAC_READ_SEARCH) within its sandbox; chmod o+x on the way avoids it"}});
  }
  int death_signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &death_signal);
  if (::prctl(PR_SET_KEEPCAPS, open ? 0 : 1) != 0) return system_error("keepcaps");
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 ||
      ::setresuid(uid, uid, uid) != 0) {
    return system_error("setuid");
  }
  TRY(keep_capabilities(!open));
  if (death_signal != 0) ::prctl(PR_SET_PDEATHSIG, death_signal);  // setuid() cleared it
  if (::setuid(0) == 0) return fail(Code::internal, "The gate could become root again.");
  return {};
}

Status limit_resources(const SandboxOptions& options) {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return system_error("RLIMIT_CORE");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they reserve terabytes
  if (options.address_space_bytes != 0) {
    const rlimit space{options.address_space_bytes, options.address_space_bytes};
    if (::setrlimit(RLIMIT_AS, &space) != 0) return system_error("RLIMIT_AS");
  }
#else
  (void)options;
#endif
  return {};
}

}  // namespace

Status enter_sandbox(const SandboxOptions& options) {
  TRY(make_writable(options.writable));
  TRY(limit_resources(options));
  TRY(become(options));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("no_new_privs");
  const int version = landlock_version();
  if (version == 0) {
    log::warn("gate.no_landlock",
              {{"hint",
                "this kernel has no Landlock: file permissions and the SELECT-only "
                "catalogue role remain"}});
  } else {
    LandlockRules rules{options.readable, {options.writable}, options.tcp_ports};
    rules.readable.insert(rules.readable.end(), std::begin(kSystemFiles), std::end(kSystemFiles));
    TRY(landlock_restrict(rules));
  }
  TRY(deny_system_calls());
  log::info("gate.sandboxed", {{"uid", ::getuid()}, {"landlock", version}});
  return {};
}

}  // namespace minato::gate
