#include "oncall/api.h"

#include <openssl/crypto.h>

#include <fstream>

#include "base/files.h"
#include "base/log.h"
#include "oncall/api_request.h"
#include "runtime/http_client.h"

namespace minato::oncall {
namespace {

using runtime::HttpAnswer;
using runtime::HttpCall;

bool same_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

HttpAnswer error_answer(const Error& error) {
  HttpAnswer out = json_answer({{"error", error.message}}, properties(error.code).http_status);
  if (error.code == Code::unauthenticated) out.headers.emplace_back("WWW-Authenticate", "Bearer");
  return out;
}

}  // namespace

void Api::set(ApiFacts facts) {
  const std::lock_guard lock(mutex_);
  facts_ = std::make_shared<const ApiFacts>(std::move(facts));
}

std::shared_ptr<const ApiFacts> Api::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

HttpAnswer Api::answer(const HttpCall& call) {
  Request request;
  request.method = call.method == "HEAD" ? "GET" : call.method;
  request.call = &call;
  const std::size_t mark = call.target.find('?');
  request.path = runtime::percent_decode(call.target.substr(0, mark));
  std::string rest = mark == std::string::npos ? "" : call.target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string pair = rest.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    request.query[runtime::percent_decode(pair.substr(0, equals))] =
        equals < pair.size() ? runtime::percent_decode(pair.substr(equals + 1)) : "";
    rest.erase(0, end + 1);
  }
  if (request.path.starts_with("/twilio/") && webhook_) return webhook_(call);
  auto made = route(request);
  return made ? std::move(*made) : error_answer(made.error());
}

Api::Reply Api::route(const Request& request) {
  if (request.method == "POST" && request.path == "/v2/enqueue") return enqueue(request);
  const auto header = request.call->headers.find("authorization");
  const std::string given = header == request.call->headers.end() ? "" : header->second;
  bool allowed = false;
  for (const std::string& token : facts()->tokens) {
    if (same_in_constant_time(given, "Bearer " + token)) allowed = true;
  }
  if (!allowed) {
    return fail(Code::unauthenticated,
                "This needs the header `Authorization: Bearer TOKEN` with a token of the file that "
                "[oncall] tokens_file names.");
  }
  if (request.method == "GET") return get(request);
  if (request.method == "POST") return post(request);
  if (request.method == "PUT" && request.path == "/api/v1/teams.toml") return put_teams(request);
  if (request.method == "DELETE") {
    if (const auto id = request.below("/api/v1/changes/")) {
      TRY_ASSIGN(const std::int64_t number, number_of(*id));
      TRY(board_.run([number](Desk& desk) { return desk.remove_change(number); }));
      return json_answer({{"removed", number}});
    }
  }
  return fail(Code::not_found, "There is no " + request.method + " " + request.path + ".");
}

Api::Reply Api::post(const Request& request) {
  const std::string& body = request.call->body;
  if (request.path == "/api/v1/incidents") return raise(request);
  if (request.path.starts_with("/api/v1/incidents/")) return change_incident(request);
  if (request.path == "/webhooks/zabbix") {
    TRY_ASSIGN(Input input, zabbix_input(body));
    return take({std::move(input)}, 202);
  }
  if (request.path == "/webhooks/alertmanager") {
    TRY_ASSIGN(const auto inputs, alertmanager_input(body, request.parameter("team")));
    return take(inputs, 202);
  }
  if (request.path == "/api/v1/changes") return add_change(request);
  if (request.path == "/api/v1/drills") return start_drill(request);
  if (const auto name = request.below("/api/v1/heartbeats/")) {
    TRY(board_.run([&](Desk& desk) { return desk.beat(*name); }));
    return json_answer({{"heartbeat", *name}});
  }
  return fail(Code::not_found, "There is no POST " + request.path + ".");
}

Api::Reply Api::get(const Request& request) {
  const std::string& path = request.path;
  if (path == "/healthz") {
    const std::string trouble = board_.trouble();
    if (trouble.empty()) return json_answer({{"ok", true}});
    return json_answer({{"ok", false}, {"error", trouble}}, 503);
  }
  if (path == "/metrics") return metrics();
  if (path == "/api/v1/incidents") return incidents(request);
  if (const auto id = request.below("/api/v1/incidents/")) return incident(*id);
  if (path == "/api/v1/attempts") return attempts(request);
  if (path == "/api/v1/teams") return teams();
  if (path == "/api/v1/who") return who(request);
  if (path == "/api/v1/cost") return cost(request);
  if (path == "/api/v1/changes") {
    const std::lock_guard lock(reading_);
    TRY_ASSIGN(Journal* const journal, reader());
    TRY_ASSIGN(const auto changes, journal->changes(api_now()));
    OrderedJson all = OrderedJson::array();
    for (const Change& change : changes) all.push_back(view(change));
    return json_answer({{"changes", all}});
  }
  if (path == "/api/v1/teams.toml") {
    std::ifstream in(directory_ / "oncall" / "teams.toml", std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return HttpAnswer{200, "application/toml; charset=utf-8", text.str(), {}};
  }
  return fail(Code::not_found, "There is no GET " + path + ".");
}

/// All of one message together; recoveries and acknowledgements of unknown keys are fine, or their
/// sources would send them again and again.
Api::Reply Api::take(const std::vector<Input>& inputs, int status) {
  OrderedJson ids = OrderedJson::array();
  TRY(board_.run([&inputs, &ids](Desk& desk) -> Status {
    for (const Input& input : inputs) {
      Result<Incident> done = input.kind == Input::Kind::trigger ? desk.raise(input.alarm)
                              : input.kind == Input::Kind::resolve
                                  ? desk.resolve(input.alarm.key, input.alarm.source)
                                  : desk.acknowledge(input.alarm.key, input.alarm.source);
      if (done) {
        ids.push_back(done->id);
      } else if (done.error().code != Code::not_found) {
        return fail(done.error());
      }
    }
    return {};
  }));
  return json_answer({{"incidents", ids}}, status);
}

Api::Reply Api::raise(const Request& request) {
  TRY_ASSIGN(const Input input, plain_input(request.call->body));
  std::string id;
  TRY(board_.run([&](Desk& desk) -> Status {
    TRY_ASSIGN(const Incident incident, desk.raise(input.alarm));
    id = incident.id;
    return {};
  }));
  return json_answer({{"incident", id}}, 202);
}

Api::Reply Api::change_incident(const Request& request) {
  // Keys hold slashes: "load/orders/acknowledge".
  std::string key = *request.below("/api/v1/incidents/");
  const std::size_t slash = key.rfind('/');
  const std::string verb = slash == std::string::npos ? "" : key.substr(slash + 1);
  key.resize(std::min(slash, key.size()));
  if (verb != "acknowledge" && verb != "resolve") {
    return fail(Code::not_found, "Write /api/v1/incidents/KEY/acknowledge or …/resolve.");
  }
  std::string who = "api";
  const auto body = OrderedJson::parse(request.call->body, nullptr, false);
  if (body.is_object() && body.contains("by") && body["by"].is_string()) {
    who = body["by"].get<std::string>();
  }
  OrderedJson out;
  TRY(board_.run([&](Desk& desk) -> Status {
    TRY_ASSIGN(const Incident incident,
               verb == "resolve" ? desk.resolve(key, who) : desk.acknowledge(key, who));
    out = {{"incident", incident.id}, {"state", name_of(incident.state)}};
    return {};
  }));
  return json_answer(out);
}

Api::Reply Api::enqueue(const Request& request) {
  auto parsed = pagerduty_input(request.call->body);
  if (!parsed) {
    return json_answer({{"status", "invalid event"},
                        {"message", "Event object is invalid"},
                        {"errors", OrderedJson::array({parsed.error().message})}},
                       400);
  }
  std::string team;
  bool known = false;
  for (const auto& [key, owner] : facts()->routing_keys) {
    if (!same_in_constant_time(parsed->routing_key, key)) continue;
    known = true;
    team = owner;
  }
  if (!known) {
    return json_answer({{"status", "invalid event"},
                        {"message", "Invalid routing key"},
                        {"errors", OrderedJson::array({"routing_key is not known"})}},
                       400);
  }
  parsed->input.alarm.team = team;
  TRY(take({parsed->input}, 202));
  return json_answer(
      {{"status", "success"}, {"message", "Event processed"}, {"dedup_key", parsed->dedup_key}},
      202);
}

/// The file is replaced in one step, after it was found good; it is taken over within a second.
Api::Reply Api::put_teams(const Request& request) {
  const std::filesystem::path path = directory_ / "oncall" / "teams.toml";
  const TeamsFile parsed = parse_teams(request.call->body, "teams.toml");
  const auto texts = [](const std::vector<Problem>& problems) {
    OrderedJson out = OrderedJson::array();
    for (const Problem& problem : problems) out.push_back(to_string(problem));
    return out;
  };
  if (!parsed.problems.empty()) {
    return json_answer(
        {{"error", "The rota is not taken over."}, {"problems", texts(parsed.problems)}}, 400);
  }
  TRY(write_file(path, request.call->body));
  return json_answer({{"teams", parsed.teams.teams.size()}, {"warnings", texts(parsed.warnings)}});
}

Api::Reply Api::add_change(const Request& request) {
  const auto json = OrderedJson::parse(request.call->body, nullptr, false);
  if (!json.is_object()) return fail(Code::invalid, "The body must be a JSON object.");
  const auto text = [&](const char* key) {
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>()
                                                       : std::string();
  };
  Change change;
  change.team = text("team").empty() ? facts()->default_team : text("team");
  const Team* team = facts()->teams ? facts()->teams->teams.find(change.team) : nullptr;
  if (!team) return fail(Code::not_found, "There is no team \"" + change.team + "\".");
  change.person = text("person");
  change.instead_by = text("instead_by");
  change.note = text("note");
  TRY_ASSIGN(change.from, parse_time(text("from"), team->time_zone));
  TRY_ASSIGN(change.to, parse_time(text("to"), team->time_zone));
  TRY(board_.run([&](Desk& desk) { return desk.add(change); }));
  return json_answer(view(change), 201);
}

Api::Reply Api::start_drill(const Request& request) {
  const auto json = OrderedJson::parse(request.call->body, nullptr, false);
  Alarm alarm;
  alarm.source = "drill";
  alarm.team = json.is_object() && json.contains("team") && json["team"].is_string()
                   ? json["team"].get<std::string>()
                   : facts()->default_team;
  if (!facts()->teams || !facts()->teams->teams.find(alarm.team)) {
    return fail(Code::not_found, "There is no team \"" + alarm.team + "\".");
  }
  alarm.key = "drill/" + alarm.team + "/" + rfc3339(api_now());
  alarm.title = "訓練です。障害は起きていません。 Drill: nothing is broken";
  return take({Input{Input::Kind::trigger, alarm}}, 202);
}

}  // namespace minato::oncall
