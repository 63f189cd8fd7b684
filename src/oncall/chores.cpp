#include "oncall/chores.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/log.h"
#include "runtime/child.h"
#include "runtime/http_client.h"

namespace minato::oncall {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using std::chrono::seconds;

constexpr std::size_t kReadMax = 16'000;
constexpr int kNotifyTimeout = 10;

bool alive(int pid, const std::string& word) {
  if (pid <= 0 || kill(pid, 0) != 0) return false;
  // Another program may have got the number.
  return read_file("/proc/" + std::to_string(pid) + "/cmdline", kReadMax).find(word) !=
         std::string::npos;
}

Status expect_2xx(const Result<runtime::HttpResponse>& response, const std::string& what) {
  if (!response) return fail(response.error());
  if (response->status >= 200 && response->status < 300) return {};
  return fail(Code::unavailable,
              what + " answered with status " + std::to_string(response->status));
}

Status notify(const Note& note, const Team& team) {
  for (const std::string& url : team.notify_urls) {
    runtime::HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.headers = {{"Content-Type", "application/json"}};
    request.body = note.payload;
    TRY(expect_2xx(runtime::http(request), "a hook of team " + team.name));
  }
  if (team.notify_command.empty()) return {};
  runtime::ChildOptions command;
  command.argv = team.notify_command;
  command.input = note.payload + "\n";
  TRY_ASSIGN(const auto finished, runtime::run(command, seconds(kNotifyTimeout)));
  if (finished.exit_code == 0) return {};
  return fail(Code::unavailable,
              "notify_command of team " + team.name + " ended with exit code " +
                  std::to_string(finished.exit_code),
              finished.output);
}

Status acknowledge_in_zabbix(const Note& note, const Settings& settings,
                             const fs::path& directory) {
  if (settings.zabbix_url.empty()) return {};
  const Json what = Json::parse(note.payload, nullptr, false);
  TRY_ASSIGN(const std::string token,
             read_secret(settings.zabbix_token, directory, "[oncall.zabbix] token"));
  const Json body = {{"jsonrpc", "2.0"},
                     {"method", "event.acknowledge"},
                     {"id", 1},
                     {"auth", token},
                     {"params",
                      {{"eventids", what.value("event", "")},
                       {"action", 6},  // acknowledge (2) with a message (4)
                       {"message", "Minato: acknowledged by " + what.value("by", "")}}}};
  runtime::HttpRequest request;
  request.method = "POST";
  request.url = settings.zabbix_url + "/api_jsonrpc.php";
  request.headers = {{"Content-Type", "application/json-rpc"}};
  request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  TRY_ASSIGN(const auto response, runtime::http(request));
  TRY(expect_2xx(response, "Zabbix"));
  const Json answer = Json::parse(response.body, nullptr, false);
  if (answer.is_object() && answer.contains("result")) return {};
  const std::string why = answer.is_object() && answer.contains("error")
                              ? answer["error"].value("data", std::string())
                              : std::string();
  return fail(Code::unavailable, "Zabbix did not take the acknowledgement: " + why);
}

}  // namespace

std::string RolesWatch::trouble() const {
  const std::string text = read_file(roles_, kReadMax);
  if (text.empty()) return {};
  const Json roles = Json::parse(text, nullptr, false);
  if (!roles.is_object()) return {};
  if (!alive(roles.value("supervisor", 0), "minato")) return "minato serve died";
  for (const Json& process : roles.value("processes", Json::array())) {
    const std::string name = process.value("name", "");
    if (process.value("failing", false)) return name + " keeps dying";
    if (process.value("pid", 0) == 0) return name + " does not run";
  }
  runtime::HttpRequest request;
  request.url = web_url_ + "/healthz";
  request.deadline = std::chrono::seconds(5);
  const auto response = runtime::http(request);
  if (!response) return "the status page does not answer";
  return response->status == 200 ? "" : "the health check fails";
}

Status RolesWatch::look(Switchboard& board) {
  constexpr const char* key = "minato/roles";
  const std::string why = trouble();
  if (why.empty()) {
    bad_since_.reset();
    TRY(board.run([&](Desk& desk) -> Status {
      if (!desk.keys_of("minato").contains(key)) return {};
      TRY(desk.resolve(key, "minato"));
      return {};
    }));
    std::error_code error;
    return fs::exists(roles_, error) ? follow_incidents(board) : Status{};
  }
  const auto now = std::chrono::steady_clock::now();
  if (!bad_since_) bad_since_ = now;
  if (now - *bad_since_ < silence_) return {};
  return board.run([&](Desk& desk) -> Status {
    if (desk.keys_of("minato").contains(key)) return {};
    Alarm alarm;
    alarm.key = key;
    alarm.team = team_;
    alarm.source = "minato";
    alarm.title = "Minato: " + why;
    alarm.labels = {{"host", "Minato"}};
    TRY(desk.raise(std::move(alarm)));
    return {};
  });
}

/// Minato's own incidents: those that are open there are open here, and the other way round.
Status RolesWatch::follow_incidents(Switchboard& board) const {
  runtime::HttpRequest request;
  request.url = web_url_ + "/api/v1/incidents";
  request.deadline = std::chrono::seconds(5);
  TRY_ASSIGN(const auto response, runtime::http(request));
  const Json json = Json::parse(response.body, nullptr, false);
  if (response.status != 200 || !json.is_array()) return {};
  std::vector<Alarm> open;
  std::set<std::string> keys;
  for (const Json& incident : json) {
    Alarm alarm;
    alarm.key = "minato/" + incident.value("key", "");
    alarm.team = team_;
    alarm.source = "minato";
    alarm.severity = severity_of(incident.value("severity", "")).value_or(Severity::error);
    // A mart that fails and a source that stopped are warnings there: at night they are errors.
    if (alarm.severity == Severity::warning) alarm.severity = Severity::error;
    alarm.title = incident.value("title", "");
    alarm.text = incident.value("text", "");
    alarm.labels = {{"host", "Minato"}};
    keys.insert(alarm.key);
    open.push_back(std::move(alarm));
  }
  return board.run([&](Desk& desk) -> Status {
    const std::set<std::string> known = desk.keys_of("minato");
    for (const Alarm& alarm : open) {
      if (!known.contains(alarm.key)) TRY(desk.raise(alarm));
    }
    for (const std::string& key : known) {
      if (!keys.contains(key)) TRY(desk.resolve(key, "minato"));
    }
    return {};
  });
}

Status tell_notes(Switchboard& board, const Teams& teams, const Settings& settings,
                  const fs::path& directory) {
  std::vector<Note> due;
  TRY(board.run([&due](Desk& desk) -> Status {
    TRY_ASSIGN(due, desk.notes_due());
    return {};
  }));
  for (const Note& note : due) {
    Status how;
    if (note.kind == "zabbix") {
      how = acknowledge_in_zabbix(note, settings, directory);
    } else if (const Team* team = teams.find(note.target)) {
      how = notify(note, *team);
    }
    if (!how) log::warn("oncall.not_told", {{"kind", note.kind}, {"error", how.error()}});
    TRY(board.run([&](Desk& desk) { return desk.told(note, how); }));
  }
  return {};
}

}  // namespace minato::oncall
