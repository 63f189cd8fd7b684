// Accounts of the gate. The verifier is PostgreSQL's text SCRAM-SHA-256$…; a password is never
// stored.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/change.h"
#include "runtime/pg.h"

namespace minato::state {

struct Account {
  std::string name;
  std::string verifier;
  SystemTime created_at{};
  bool disabled = false;
};

/// Creates the account or gives it a new password; a disabled one is enabled again.
Status put_account(pg::Connection& connection, const std::string& name,
                   const std::string& verifier);
/// Also by the role minato_gate.
Result<std::optional<Account>> account(pg::Connection& connection, const std::string& name);
Result<std::vector<Account>> accounts(pg::Connection& connection);
/// Error{not_found} when there is none of this name; so does remove_account.
Status set_account_disabled(pg::Connection& connection, const std::string& name, bool disabled);
Status remove_account(pg::Connection& connection, const std::string& name);

}  // namespace minato::state
