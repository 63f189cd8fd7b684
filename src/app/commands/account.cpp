// `minato account`: who may log in at the gate. Works with and without a running `minato serve`.
#include "state/accounts.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "access/accounts.h"
#include "app/catalogue.h"
#include "app/commands/commands.h"
#include "state/status.h"

namespace minato::app {

Result<int> account_add(const Platform& platform, const AccountAddOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  TRY(access::check_account_name(options.name));
  if (options.password_file.empty() && options.password_env.empty()) {
    return fail(
        Code::invalid,
        "Name the password's file with --password-file (or a variable with --password-env).");
  }
  const SecretRef ref{options.password_file, options.password_env};
  std::error_code error;
  TRY_ASSIGN(const std::string password,
             read_secret(ref, std::filesystem::current_path(error), "The password"));
  TRY_ASSIGN(auto session, CatalogueSession::open(platform, config));
  TRY(access::add_account(session.connection(), options.name, password));
  std::cout << "Account " << options.name << " can log in:  psql -h " << config.gate.listen
            << " -p " << config.gate.port << " -U " << options.name << " -d minato\n";
  return 0;
}

Result<int> account_list(const Platform& platform, bool json) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  TRY_ASSIGN(auto session, CatalogueSession::open(platform, config));
  TRY_ASSIGN(const auto accounts, state::accounts(session.connection()));
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const state::Account& account : accounts) {
    const std::string since = rfc3339(account.created_at);
    all.push_back({{"name", account.name}, {"created_at", since}, {"disabled", account.disabled}});
    if (json) continue;
    std::cout << account.name << "  since " << since << (account.disabled ? "  disabled" : "")
              << "\n";
  }
  if (json) std::cout << all.dump(2) << "\n";
  return 0;
}

Result<int> account_remove(const Platform& platform, const std::string& name) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  TRY_ASSIGN(auto session, CatalogueSession::open(platform, config));
  TRY(state::remove_account(session.connection(), name));
  std::cout << "Account " << name << " is gone.\n";
  return 0;
}

}  // namespace minato::app
