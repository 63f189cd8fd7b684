// What the sessions of a gate share. Belongs to the event loop's thread, but for what says
// otherwise.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "gate/account_book.h"
#include "gate/gate.h"
#include "gate/pool.h"
#include "lake/engine.h"

namespace minato::gate {

class Session;

struct Hub {
  Hub(const GateOptions& gate_options, lake::Engine& lake_engine, std::size_t statements)
      : options(gate_options),
        engine(lake_engine),
        accounts(gate_options.account_conninfo, gate_options.admin_password),
        pool("statement", statements),
        login_pool("login", 1) {}

  const GateOptions& options;
  lake::Engine& engine;
  boost::asio::io_context loop{1};
  std::optional<boost::asio::ssl::context> tls;
  AccountBook accounts;  // on login_pool only
  Pool pool;             // statements
  Pool login_pool;

  std::map<std::uint32_t, std::weak_ptr<Session>> sessions;  // by process id; logins included
  std::uint32_t last_process = 0;
  std::size_t logged_in = 0;
  bool stopping = false;
};

}  // namespace minato::gate
