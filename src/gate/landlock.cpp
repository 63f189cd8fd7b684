#include "gate/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace minato::gate {
namespace {

// Newer than the headers of Debian 12.
constexpr std::uint64_t kFsTruncate = 1ULL << 14;     // version 3
constexpr std::uint64_t kFsIoctlDevice = 1ULL << 15;  // version 5
constexpr std::uint64_t kNetBind = 1ULL << 0;         // version 4
constexpr std::uint64_t kNetConnect = 1ULL << 1;
constexpr std::uint64_t kScopeAbstractSocket = 1ULL << 0;  // version 6
constexpr std::uint64_t kScopeSignal = 1ULL << 1;
constexpr int kRuleNetPort = 2;

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kFileOnly =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kFsTruncate;
constexpr std::uint64_t kAllVersion1 = (1ULL << 13) - 1;

struct RulesetAttributes {
  std::uint64_t fs;
  std::uint64_t net;
  std::uint64_t scoped;
};
struct NetAttributes {
  std::uint64_t access;
  std::uint64_t port;
};

/// What this version can forbid.
RulesetAttributes handled(int version) {
  RulesetAttributes all{kAllVersion1, 0, 0};
  if (version >= 2) all.fs |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) all.fs |= kFsTruncate;
  if (version >= 5) all.fs |= kFsIoctlDevice;
  if (version >= 4) all.net = kNetBind | kNetConnect;
  if (version >= 6) all.scoped = kScopeAbstractSocket | kScopeSignal;
  return all;
}

std::size_t attributes_size(int version) { return version >= 6 ? 24 : (version >= 4 ? 16 : 8); }

tl::unexpected<Error> refused(const char* what) {
  return fail(Code::internal, "Landlock refuses a rule of the gate's sandbox.",
              std::string(what) + ": " + strerror(errno));
}

Status allow_path(int ruleset, const std::filesystem::path& path, std::uint64_t access) {
  const int parent = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (parent < 0) return {};  // what does not exist needs no rule
  struct stat about {};
  if (::fstat(parent, &about) == 0 && !S_ISDIR(about.st_mode)) access &= kFileOnly;
  landlock_path_beneath_attr rule{access, parent};
  const long done = ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  ::close(parent);
  if (done != 0) return refused(path.c_str());
  return {};
}

Status add_rules(int ruleset, const LandlockRules& rules, const RulesetAttributes& all) {
  for (const auto& path : rules.readable) TRY(allow_path(ruleset, path, kRead));
  const std::uint64_t write = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE |
                              LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                              LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                              (all.fs & kFsTruncate);
  for (const auto& path : rules.writable) TRY(allow_path(ruleset, path, write));
  for (const std::uint16_t port : rules.tcp_ports) {
    if (all.net == 0) break;
    NetAttributes rule{kNetConnect, port};
    if (::syscall(SYS_landlock_add_rule, ruleset, kRuleNetPort, &rule, 0) != 0)
      return refused("port");
  }
  return {};
}

}  // namespace

int landlock_version() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

Status landlock_restrict(const LandlockRules& rules) {
  const int version = landlock_version();
  const RulesetAttributes all = handled(version);
  const long ruleset = ::syscall(SYS_landlock_create_ruleset, &all, attributes_size(version), 0);
  if (ruleset < 0) return refused("ruleset");
  Status status = add_rules(static_cast<int>(ruleset), rules, all);
  if (status && ::syscall(SYS_landlock_restrict_self, static_cast<int>(ruleset), 0) != 0) {
    status = refused("restrict");
  }
  ::close(static_cast<int>(ruleset));
  return status;
}

}  // namespace minato::gate
