#include "oncall/carriers/connect_client.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace minato::oncall::connect {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

// Connect admits a burst of 5. One less here, because requests can reach it closer together than
// they left.
constexpr int kBurst = 4;
constexpr double kPerSecond = 2;
constexpr int kTries = 4;
constexpr milliseconds kTryMax{5'000};

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool about_clock(const Refusal& refused) {
  return refused.type == "RequestExpired" || refused.type == "RequestTimeTooSkewed" ||
         (refused.type == "InvalidSignatureException" &&
          (refused.message.find("expired") != std::string::npos ||
           refused.message.find("not yet current") != std::string::npos));
}

}  // namespace

Refusal refusal(const runtime::HttpResponse& response) {
  Refusal refused;
  const Json body = Json::parse(response.body, nullptr, false);
  if (const auto type = response.headers.find("x-amzn-errortype"); type != response.headers.end()) {
    refused.type = type->second;
  }
  if (body.is_object()) {
    if (refused.type.empty()) refused.type = text_of(body, "__type");
    refused.message = text_of(body, "Message");
    if (refused.message.empty()) refused.message = text_of(body, "message");
    if (const auto problems = body.find("problems");
        problems != body.end() && problems->is_array()) {
      for (const Json& problem : *problems) {
        if (problem.is_object()) refused.problems.push_back(text_of(problem, "message"));
      }
    }
  }
  // "prefix#Type:http://…"
  if (const std::size_t hash = refused.type.find('#'); hash != std::string::npos) {
    refused.type.erase(0, hash + 1);
  }
  refused.type = refused.type.substr(0, refused.type.find(':'));
  return refused;
}

Client::Client(ConnectOptions options, Seams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      base_(options_.endpoint),
      buckets_{{{kPerSecond, kBurst},
                {kPerSecond, kBurst},
                {kPerSecond, kBurst},
                {kPerSecond, kBurst},
                {kPerSecond, kBurst},
                {kPerSecond, kBurst},
                {kPerSecond, kBurst}}} {
  if (base_.empty()) base_ = "https://connect." + options_.region + ".amazonaws.com";
  while (base_.ends_with('/')) base_.pop_back();
}

std::string Client::instance_path(std::string_view before, std::string_view after) const {
  return std::string(before) + runtime::percent_encode(options_.instance_id) + std::string(after);
}

/// A clock here that is wrong by more than five minutes makes every signature invalid. The
/// service's own time is in each answer.
bool Client::adopt_clock(const runtime::HttpResponse& response) {
  if (response.status != 400 && response.status != 403) return false;
  if (!about_clock(refusal(response))) return false;
  const auto date = response.headers.find("date");
  if (date == response.headers.end()) return false;
  const auto theirs = runtime::http_date(date->second);
  if (!theirs) return false;
  clock_offset_s_ = (*theirs - seams_.clock()).count();
  return true;
}

/// Full jitter: callers that were refused together come back apart.
milliseconds Client::pause(int tries) const {
  const double most = std::min(300.0 * (1 << tries), 3'000.0);
  return milliseconds(static_cast<int>(most * (0.2 + 0.8 * seams_.random())));
}

Result<runtime::HttpResponse> Client::ask(const Ask& ask) {
  const auto until = seams_.now() + ask.within;
  const auto left = [&] { return std::chrono::duration_cast<milliseconds>(until - seams_.now()); };
  TokenBucket& bucket = buckets_[static_cast<std::size_t>(ask.api)];
  bool doubt = false;
  bool clock_adopted = false;
  Error last{Code::unavailable, "Amazon Connect was asked for more than 2 requests a second.", ""};
  for (int tries = 0; tries < kTries; ++tries) {
    const auto wait = bucket.reserve(seams_.now(), left());
    if (!wait) break;
    if (wait->count() > 0) seams_.sleep(*wait);
    if (left() <= milliseconds(0)) break;
    runtime::HttpRequest request;
    request.method = ask.method;
    request.url = base_ + ask.path;
    request.body = ask.body;
    if (!ask.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    request.aws =
        runtime::AwsSignature{options_.region,        "connect",
                              options_.access_key_id, options_.secret_access_key,
                              options_.session_token, std::chrono::seconds(clock_offset_s_)};
    request.deadline = std::min(left(), kTryMax);
    auto response = seams_.http(request);
    if (response) {
      if (!clock_adopted && adopt_clock(*response)) {
        clock_adopted = true;
        continue;
      }
      if (response->status == 429) bucket.drain(seams_.now());
      if (response->status < 500 && response->status != 429) return response;
      last = error_of(*response, "");
    } else {
      last = response.error();
      doubt = doubt || last.code == Code::in_doubt;
      if (last.code == Code::invalid) break;
    }
    if (const auto rest = pause(tries); tries + 1 < kTries && rest < left()) seams_.sleep(rest);
  }
  if (doubt) last.code = Code::in_doubt;
  return fail(std::move(last));
}

Error Client::error_of(const runtime::HttpResponse& response, std::string_view what) const {
  const Refusal refused = refusal(response);
  const std::string detail = "HTTP " + std::to_string(response.status) + " " + refused.type + ": " +
                             refused.message.substr(0, 500);
  const auto error = [&](Code code, std::string message) {
    return Error{code, std::string(what) + std::move(message), detail};
  };
  if (response.status == 429) {
    return error(
        Code::unavailable,
        "Amazon Connect admits no more requests or calls now (429). When this stays, raise "
        "its quotas (requests a second, concurrent active calls) in Service Quotas.");
  }
  if (response.status >= 500) {
    return error(Code::unavailable, "Amazon Connect failed (" + std::to_string(response.status) +
                                        ", its own error). See the AWS Health Dashboard.");
  }
  if (refused.type == "AccessDeniedException") {
    return error(Code::forbidden,
                 "Amazon Connect refuses this key: it lacks a permission. Allow "
                 "connect:StartOutboundVoiceContact, StopContact, DescribeContact, "
                 "GetContactAttributes, ListContactFlows, CreateContactFlow, "
                 "UpdateContactFlowContent on the instance.");
  }
  if (about_clock(refused)) {
    return error(Code::unauthenticated,
                 "Amazon Connect refuses the signature's time: set this machine's clock (NTP).");
  }
  if (response.status == 401 || response.status == 403) {
    return error(Code::unauthenticated,
                 "Amazon Connect does not accept the access key. Look at access_key_id_env, "
                 "secret_access_key_env and region.");
  }
  if (response.status == 404) {
    return error(Code::unavailable,
                 "Amazon Connect knows no such instance, flow or contact. Look at instance_id, "
                 "contact_flow_id (minato oncall install-flow) and region.");
  }
  return error(Code::unsupported, "Amazon Connect refuses the request (" +
                                      std::to_string(response.status) + " " + refused.type +
                                      "). Look at the options of this carrier.");
}

}  // namespace minato::oncall::connect
