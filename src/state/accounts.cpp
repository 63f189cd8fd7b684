#include "state/accounts.h"

#include "state/sql.h"

namespace minato::state {
namespace {

constexpr const char* columns =
    "select name, verifier, minato.to_us(created_at), disabled from minato.account ";
constexpr const char* unknown = "There is no account of this name.";

Account read(const pg::Rows& rows, int row) {
  return {rows.string(row, 0), rows.string(row, 1), *time_at(rows, row, 2), rows.boolean(row, 3)};
}

}  // namespace

Status put_account(pg::Connection& connection, const std::string& name,
                   const std::string& verifier) {
  TRY(
      connection.query("insert into minato.account(name, verifier) values ($1, $2) "
                       "on conflict (name) do update set verifier = excluded.verifier, "
                       "disabled = false",
                       {name, verifier}));
  return {};
}

Result<std::optional<Account>> account(pg::Connection& connection, const std::string& name) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(std::string(columns) + "where name = $1", {name}));
  if (rows.size() == 0) return std::nullopt;
  return read(rows, 0);
}

Result<std::vector<Account>> accounts(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows rows, connection.query(std::string(columns) + "order by name"));
  std::vector<Account> out;
  for (int row = 0; row < rows.size(); ++row) out.push_back(read(rows, row));
  return out;
}

Status set_account_disabled(pg::Connection& connection, const std::string& name, bool disabled) {
  return expect_affected(
      connection.query("update minato.account set disabled = $2::boolean where name = $1",
                       {name, disabled ? "t" : "f"}),
      1, Code::not_found, unknown);
}

Status remove_account(pg::Connection& connection, const std::string& name) {
  return expect_affected(connection.query("delete from minato.account where name = $1", {name}), 1,
                         Code::not_found, unknown);
}

}  // namespace minato::state
