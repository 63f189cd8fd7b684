// PostgreSQL of a platform, private or own: who logs in how, the roles and schemas in it, and a
// connection for commands that works with and without a running `minato serve`.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "app/platform.h"
#include "runtime/pg.h"
#include "runtime/postgres_cluster.h"

namespace minato::app {

/// The gate's internal account for `minato sql`; its password is in .minato/secrets/admin.
inline constexpr const char* kAdminAccount = "minato_admin";

/// libpq connection texts of the three users of Minato.
struct Access {
  std::string owner;   // everything
  std::string gate;    // the gate's own records
  std::string reader;  // SELECT on schema ducklake
  std::string gate_user;
  std::string reader_user;
};

/// The socket directory of the private server: .minato/run/pg, or a short one in /tmp when that
/// path is too long for a socket (its name is kept in .minato/run/socket).
Result<std::filesystem::path> socket_directory(const Platform& platform);

Result<Access> catalogue_access(const Platform& platform, const Config& config);
Result<runtime::PostgresCluster> private_cluster(const Platform& platform);

/// Brings users, schemas, migrations and rights to what this version wants. Idempotent;
/// the server must accept connections.
Status prepare_catalogue(const Platform& platform, const Config& config);

/// Tries again until `limit`: PostgreSQL may be starting, or starting again after a crash.
Result<pg::Connection> connect_within(const std::string& conninfo, std::chrono::seconds limit);

/// What a command needs. When no serve runs, holds the lock and a server of its own until
/// destroyed.
class CatalogueSession {
 public:
  static Result<CatalogueSession> open(const Platform& platform, const Config& config);
  pg::Connection& connection() { return *connection_; }
  CatalogueSession(CatalogueSession&&) = default;
  ~CatalogueSession();

 private:
  CatalogueSession() = default;
  struct OwnServer {
    pid_t pid;
    ~OwnServer();
  };
  std::optional<PlatformLock> lock_;
  std::unique_ptr<OwnServer> server_;
  std::optional<pg::Connection> connection_;
};

}  // namespace minato::app
