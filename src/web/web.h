// The role web: status page, API and metrics over HTTP. Has no engine and no secret of a person: it
// reads schema minato in PostgreSQL and the supervisor's file, and only answers GET.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace minato::web {

struct WebOptions {
  std::string listen = "127.0.0.1";
  std::uint16_t port = 8750;
  std::string conninfo;              // PostgreSQL, as minato_owner
  std::filesystem::path roles_file;  // kept by the supervisor
  int connections_max = 200;
};

/// Serves until `stop` is requested. Error{unavailable} when it cannot listen.
Status run(const WebOptions& options, std::stop_token stop);

}  // namespace minato::web
