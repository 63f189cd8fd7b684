// What each path answers; no sockets, so that it is tested without any.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "web/status.h"
#include "web/web.h"

namespace minato::web {

struct Answer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

/// `method` "GET" or "HEAD", `target` as in the request line. Blocking: asks PostgreSQL.
Answer answer(const WebOptions& options, std::string_view method, std::string_view target);

/// /metrics: Prometheus's text format 0.0.4.
std::string metrics_text(const state::PlatformStatus& status,
                         const std::vector<ProcessView>& processes);

/// The page at /; it asks /api/v1/status for everything it shows.
std::string_view page_html();

}  // namespace minato::web
