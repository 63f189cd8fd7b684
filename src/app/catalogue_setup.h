// The statements that bring a PostgreSQL server to what Minato needs. Each is idempotent.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/pg.h"

namespace minato::app {

struct ServerUser {
  std::string name;
  std::string conninfo;  // with which it must be able to log in
  std::string password;
};

/// The database and its owner on a private server; `superuser` is a conninfo for database postgres.
Status make_database(const std::string& superuser, const std::string& database,
                     const std::string& owner, const std::string& owner_password);

/// Users that cannot log in yet are made or get their password. The connection's user needs
/// CREATEROLE.
Status make_users(pg::Connection& owner, const std::vector<ServerUser>& users);

/// Schemas minato and ducklake, migrations, and what the two low users may read.
Status make_schemas(pg::Connection& owner, const std::string& gate_user,
                    const std::string& reader_user);

/// PostgreSQL's SCRAM-SHA-256$… text for a password.
Result<std::string> scram_verifier(pg::Connection& connection, const std::string& account,
                                   const std::string& password);

}  // namespace minato::app
