// Looks accounts up for logins: the internal account in memory, all others in PostgreSQL by one
// connection that is opened again when it was lost. Blocking; one thread at a time.
#pragma once

#include <optional>
#include <string>

#include "access/accounts.h"
#include "base/result.h"
#include "runtime/pg.h"

namespace minato::gate {

class AccountBook {
 public:
  AccountBook(std::string conninfo, const std::string& admin_password);
  Result<access::Credentials> find(const std::string& name);

 private:
  std::string conninfo_;
  std::string secret_;  // of the decoys; a new one at each start
  std::optional<access::Verifier> admin_;
  std::optional<pg::Connection> connection_;
};

}  // namespace minato::gate
