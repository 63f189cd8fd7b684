#include "app/catalogue_setup.h"

#include <fmt/format.h>

#include "model/names.h"
#include "state/migrations.h"

namespace minato::app {
namespace {

constexpr int kOldestServer = 140000;

Status check_version(pg::Connection& connection) {
  const int version = PQserverVersion(connection.handle());
  if (version >= kOldestServer) return {};
  return fail(Code::unsupported,
              fmt::format("The PostgreSQL server has version {}; Minato needs 14 or newer.",
                          version / 10000));
}

Status make_login(pg::Connection& connection, const std::string& name, const std::string& password,
                  const std::string& attributes) {
  TRY_ASSIGN(const pg::Rows found,
             connection.query("select 1 from pg_roles where rolname = $1", {name}));
  // The verifier is made here: the password itself never travels and never shows in a log.
  TRY_ASSIGN(const std::string verifier, scram_verifier(connection, name, password));
  return connection.script(fmt::format("{} role {} login {} password {}",
                                       found.size() ? "alter" : "create", quote_identifier(name),
                                       attributes, quote_literal(verifier)));
}

}  // namespace

Status make_database(const std::string& superuser, const std::string& database,
                     const std::string& owner, const std::string& owner_password) {
  TRY_ASSIGN(auto connection, pg::Connection::open(superuser));
  TRY(check_version(connection));
  TRY_ASSIGN(const pg::Rows found,
             connection.query("select 1 from pg_database where datname = $1", {database}));
  if (found.size()) return {};
  TRY(make_login(connection, owner, owner_password, "createrole"));
  TRY(connection.script(fmt::format("create database {} owner {}", quote_identifier(database),
                                    quote_identifier(owner))));
  return connection.script(
      fmt::format("revoke all on database {} from public", quote_identifier(database)));
}

Status make_users(pg::Connection& owner, const std::vector<ServerUser>& users) {
  TRY(check_version(owner));
  for (const ServerUser& user : users) {
    if (pg::Connection::open(user.conninfo)) continue;
    if (Status made = make_login(owner, user.name, user.password, "nosuperuser"); !made) {
      return fail(made.error().code,
                  "The catalogue's PostgreSQL has no usable user " + user.name +
                      ". Allow the user in `lake.catalog` to make it: alter role … createrole; "
                      "or make it yourself with the password in .minato/secrets.",
                  made.error().message + " " + made.error().detail);
    }
    TRY(owner.script(fmt::format("grant connect on database {} to {}",
                                 quote_identifier(PQdb(owner.handle())),
                                 quote_identifier(user.name))));
  }
  return {};
}

Status make_schemas(pg::Connection& owner, const std::string& gate_user,
                    const std::string& reader_user) {
  TRY(owner.script("create schema if not exists minato; create schema if not exists ducklake"));
  TRY(state::migrate(owner));
  const std::string gate = quote_identifier(gate_user);
  const std::string reader = quote_identifier(reader_user);
  return owner.script(fmt::format(
      "grant usage on schema ducklake to {0}; grant select on all tables in schema ducklake to {0};"
      "alter default privileges in schema ducklake grant select on tables to {0};"
      "grant usage on schema minato to {1}; grant select on all tables in schema minato to {1};"
      "alter default privileges in schema minato grant select on tables to {1}",
      reader, gate));
}

Result<std::string> scram_verifier(pg::Connection& connection, const std::string& account,
                                   const std::string& password) {
  char* text = PQencryptPasswordConn(connection.handle(), password.c_str(), account.c_str(),
                                     "scram-sha-256");
  if (!text) return fail(Code::internal, "The password could not be hashed.");
  std::string verifier = text;
  PQfreemem(text);
  return verifier;
}

}  // namespace minato::app
