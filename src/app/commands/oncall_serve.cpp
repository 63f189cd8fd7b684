// `minato oncall serve`, and the commands that ask it to do something.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/commands/oncall.h"
#include "app/roles/oncall.h"
#include "app/roles/role.h"
#include "base/log.h"
#include "oncall/service.h"
#include "oncall/views.h"
#include "runtime/http_client.h"

namespace minato::app {
namespace {

/// Asks the on-call that runs on this platform.
Result<nlohmann::ordered_json> ask(const Platform& platform, const std::string& method,
                                   const std::string& path, const nlohmann::ordered_json& body) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  if (!config.oncall.given) return fail(Code::invalid, "minato.toml has no [oncall].");
  TRY_ASSIGN(const auto tokens, oncall::read_tokens(platform.dir / config.oncall.tokens_file));
  runtime::HttpRequest request;
  request.method = method;
  const std::string host = config.oncall.listen == "0.0.0.0" ? "127.0.0.1" : config.oncall.listen;
  request.url = "http://" + host + ":" + std::to_string(config.oncall.port) + path;
  request.headers = {{"Authorization", "Bearer " + tokens.front()},
                     {"Content-Type", "application/json"}};
  request.body = oncall::text_of(body);
  auto response = runtime::http(request);
  if (!response) {
    return fail(Code::unavailable,
                "On-call does not run on this platform. Start it:  minato -C " +
                    platform.dir.string() + " oncall serve",
                response.error().message);
  }
  const auto json = nlohmann::ordered_json::parse(response->body, nullptr, false);
  if (response->status < 300 && json.is_object()) return json;
  return fail(response->status == 404 ? Code::not_found : Code::invalid,
              json.is_object() ? json.value("error", response->body) : response->body);
}

}  // namespace

Result<int> oncall_serve(const Platform& platform, const OncallOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  if (!config.oncall.given) {
    return fail(Code::invalid,
                "minato.toml has no [oncall]; docs/oncall.md has one to start with.");
  }
  std::stop_source source;
  const std::jthread signals = signals_to(source);
  log::configure("oncall", log::Level::info, config.log.format == "json");
  const Status served = serve_oncall(platform, platform.dir, options.port, source.get_token());
  kill(getpid(), SIGUSR2);  // wakes the thread of signals
  TRY(served);
  return 0;
}

Result<int> oncall_drill(const Platform& platform, const OncallOptions& options) {
  nlohmann::ordered_json body = nlohmann::ordered_json::object();
  if (!options.team.empty()) body["team"] = options.team;
  TRY_ASSIGN(const auto answer, ask(platform, "POST", "/api/v1/drills", body));
  if (options.json) {
    std::cout << oncall::text_of(answer) << "\n";
  } else {
    std::cout << "The drill rings. See how it goes:  minato oncall incidents "
              << answer["incidents"][0].get<std::string>() << "\n";
  }
  return 0;
}

Result<int> oncall_change(const Platform& platform, const OncallOptions& options) {
  if (!options.id.empty()) {
    TRY_ASSIGN(const auto answer,
               ask(platform, "DELETE", "/api/v1/changes/" + options.id, nullptr));
    std::cout << "Taken back: " << answer["removed"] << "\n";
    return 0;
  }
  const nlohmann::ordered_json body = {
      {"team", options.team}, {"person", options.person}, {"instead_by", options.instead_by},
      {"from", options.from}, {"to", options.to},         {"note", options.note}};
  TRY_ASSIGN(const auto answer, ask(platform, "POST", "/api/v1/changes", body));
  if (options.json) {
    std::cout << oncall::text_of(answer) << "\n";
  } else {
    std::cout << "Change " << answer["id"] << ": " << options.person
              << (options.instead_by.empty() ? " is away" : " is covered by " + options.instead_by)
              << " from " << answer["from"].get<std::string>() << " to "
              << answer["to"].get<std::string>() << "\n";
  }
  return 0;
}

}  // namespace minato::app
