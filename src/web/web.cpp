// The role web on the HTTP server.
#include "web/web.h"

#include "base/log.h"
#include "runtime/http_server.h"
#include "web/answers.h"

namespace minato::web {

Status run(const WebOptions& options, std::stop_token stop) {
  runtime::HttpServerOptions server;
  server.listen = options.listen;
  server.port = options.port;
  server.setting = "[http] port = …";
  server.connections_max = options.connections_max;
  TRY_ASSIGN(const auto listener, runtime::HttpListener::open(server));
  log::info("web works", {{"listen", options.listen}, {"port", static_cast<int>(options.port)}});
  const auto handler = [&options](const runtime::HttpCall& call) {
    Answer made = answer(options, call.method, call.target);
    runtime::HttpAnswer out{made.status, made.content_type, std::move(made.body), {}};
    out.headers.emplace_back("Content-Security-Policy",
                             "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
                             "style-src 'unsafe-inline'");
    return out;
  };
  runtime::serve_http(listener, server, handler, stop);
  return {};
}

}  // namespace minato::web
