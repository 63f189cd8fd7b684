#include "gate/account_book.h"

#include "gate/gate.h"

namespace minato::gate {

AccountBook::AccountBook(std::string conninfo, const std::string& admin_password)
    : conninfo_(std::move(conninfo)), secret_(access::random_bytes(32)) {
  if (!admin_password.empty())
    admin_ = access::make_verifier(admin_password, access::random_bytes(16));
}

Result<access::Credentials> AccountBook::find(const std::string& name) {
  if (name == admin_account) {
    if (admin_) return access::Credentials{*admin_, true};
    return access::Credentials{access::decoy_verifier(secret_, name), false};
  }
  for (int attempt = 0;; ++attempt) {
    const bool kept = connection_.has_value();
    if (!kept) {
      TRY_ASSIGN(auto connection, pg::Connection::open(conninfo_));
      connection_ = std::move(connection);
    }
    auto found = access::credentials(*connection_, name, secret_);
    if (found) return found;
    connection_.reset();
    // A connection from before a restart of PostgreSQL: once more with a new one.
    if (!kept || attempt > 0) return found;
  }
}

}  // namespace minato::gate
