// How an attempt's call is recognised after its answer was lost. (1) By its webhooks: their URL has
// the attempt, and "initiated" comes at once. (2) In the list of calls from our number to this one:
// the one that began after the attempt was planned and that belongs to no other attempt that we
// know. Twilio's list has neither our URL nor any field that we could set. The filter StartTime is
// not used: calls that are queued have none yet. The clocks are compared by the answer's Date.
#include "oncall/carriers/twilio.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "oncall/carriers/twilio_webhook.h"

namespace minato::oncall {
namespace {

using Json = nlohmann::json;
using runtime::Fields;
using runtime::HttpResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kCallsRemembered = 1'000;
constexpr seconds kSettle{3};          // a request in flight has arrived, its webhook come
constexpr seconds kTolerance{3};       // date_created has whole seconds
constexpr seconds kPlannedBefore{90};  // when nobody says when the attempt was planned
constexpr seconds kSipGrace{4};        // the callback that tells the SIP code comes after "failed"

Json parse(const HttpResponse& response) { return Json::parse(response.body, nullptr, false); }

std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int code_of(const HttpResponse& response) {
  const Json body = parse(response);
  if (!body.is_object()) return 0;
  const auto found = body.find("code");
  return found != body.end() && found->is_number_integer() ? found->get<int>() : 0;
}

/// Twilio's errors about the called number, with what to do.
const char* about_number(int code) {
  switch (code) {
    case 13223:
    case 13224:
    case 21211:
    case 21217: return "Twilio says that this is no telephone number. Correct it in the rota.";
    case 21214:
    case 13225: return "Twilio cannot reach this number.";
    case 21215:
    case 13227:
      return "Twilio may not call this country. Allow it: Voice, Settings, Geographic permissions.";
    case 21216: return "Twilio does not let this account call this number.";
    case 21219: return "A trial account calls verified numbers only. Verify it, or upgrade.";
    default: return nullptr;
  }
}

Error error_of(const HttpResponse& response, std::string_view what) {
  const int code = code_of(response);
  const std::string detail = "HTTP " + std::to_string(response.status) + ", code " +
                             std::to_string(code) + ": " +
                             text_of(parse(response), "message").substr(0, 300);
  const auto error = [&](Code kind, const std::string& message) {
    return Error{kind, std::string(what) + message, detail};
  };
  if (const char* words = about_number(code)) return error(Code::invalid, words);
  if (response.status == 401 || response.status == 403) {
    return error(Code::unauthenticated,
                 "Twilio does not accept the account or its token. Look at account_sid, "
                 "auth_token_env, and at api_key if there is one.");
  }
  if (code == 21210 || code == 21212 || code == 21213) {
    return error(Code::forbidden,
                 "Twilio does not let this account call from the number `from`. Buy or verify it.");
  }
  if (response.status == 429) {
    return error(Code::unavailable,
                 "Twilio admits no more calls now (429). When this stays, raise calls per second.");
  }
  if (response.status >= 500) {
    return error(Code::unavailable,
                 "Twilio failed (" + std::to_string(response.status) + "). See its status page.");
  }
  return error(Code::unsupported, "Twilio refuses the request (" + std::to_string(response.status) +
                                      ", code " + std::to_string(code) +
                                      "). Look at this carrier's options.");
}

class Twilio : public TwilioCarrier {
 public:
  Twilio(TwilioOptions options, Seams seams)
      : options_(std::move(options)), seams_(std::move(seams)) {
    while (options_.base_url.ends_with('/')) options_.base_url.pop_back();
    calls_path_ =
        "/2010-04-01/Accounts/" + runtime::percent_encode(options_.account_sid) + "/Calls";
  }

  Result<std::string> place(const Call& call, bool again) override;
  Result<CallReport> look(const std::string& call) override;
  Status end(const std::string& call) override;
  milliseconds patience() const override { return milliseconds(2'000); }
  CallReport tell(const std::string& attempt, const std::string& call,
                  const CallReport& report) override;

 private:
  struct Known {
    std::string attempt;
    CallReport told;                            // by webhooks
    std::optional<Seams::Steady> failed_since;  // "failed" without a cause
    std::optional<Seams::Steady> touched;
  };

  Result<HttpResponse> send(std::string_view method, const std::string& path, const Fields& form,
                            milliseconds deadline) const;
  Result<HttpResponse> create(const Call& call) const;
  /// "" when there is none.
  Result<std::string> find(const Call& call, std::chrono::sys_seconds since);
  std::string known_call_of(const std::string& attempt) const;
  void remember(const std::string& attempt, const std::string& call);
  Known& known(const std::string& call);  // with the lock held

  TwilioOptions options_;
  Seams seams_;
  std::string calls_path_;
  mutable std::mutex mutex_;
  std::map<std::string, Known> calls_;  // by Twilio's id; the oldest make room
};

Result<HttpResponse> Twilio::send(std::string_view method, const std::string& path,
                                  const Fields& form, milliseconds deadline) const {
  runtime::HttpRequest request;
  request.method = method;
  request.url = options_.base_url + path;
  const bool key = !options_.api_key_sid.empty();
  request.user = key ? options_.api_key_sid : options_.account_sid;
  request.password = key ? options_.api_key_secret : options_.auth_token;
  request.deadline = deadline;
  if (method == "POST") {
    request.body = runtime::form_encode(form);
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  }
  return seams_.http(request);
}

Result<HttpResponse> Twilio::create(const Call& call) const {
  Fields form{{"To", call.phone},
              {"From", options_.from},
              {"Url", twilio_voice_url(options_, call.attempt)},
              {"Method", "POST"},
              {"StatusCallback", twilio_status_url(options_, call.attempt)},
              {"StatusCallbackMethod", "POST"}};
  for (const char* event : {"initiated", "ringing", "answered", "completed"}) {
    form.emplace_back("StatusCallbackEvent", event);
  }
  form.emplace_back("Timeout", std::to_string(std::clamp<std::int64_t>(call.ring.count(), 5, 600)));
  // 429 is said before anything is done: only then is a request without a token asked again.
  for (int tries = 0;; ++tries) {
    auto response = send("POST", calls_path_ + ".json", form, milliseconds(4'000));
    if (!response || response->status != 429 || tries == 2) return response;
    seams_.sleep(milliseconds(static_cast<int>((300 << tries) * (0.5 + seams_.random()))));
  }
}

Result<std::string> Twilio::find(const Call& call, std::chrono::sys_seconds since) {
  const std::string query = "?To=" + runtime::percent_encode(call.phone) +
                            "&From=" + runtime::percent_encode(options_.from) + "&PageSize=50";
  TRY_ASSIGN(const HttpResponse response,
             send("GET", calls_path_ + ".json" + query, {}, milliseconds(3'000)));
  if (response.status != 200) return fail(error_of(response, "The calls could not be listed. "));
  seconds ahead{0};
  if (const auto date = response.headers.find("date"); date != response.headers.end()) {
    if (const auto theirs = runtime::http_date(date->second)) ahead = *theirs - seams_.clock();
  }
  const Json body = parse(response);
  const auto calls = body.is_object() ? body.find("calls") : body.end();
  if (calls == body.end() || !calls->is_array()) {
    return fail(Code::unavailable, "Twilio's list of calls cannot be read.");
  }
  const std::lock_guard lock(mutex_);
  std::string best;
  std::chrono::sys_seconds best_at{};
  for (const Json& each : *calls) {
    const std::string id = text_of(each, "sid");
    const auto created = runtime::http_date(text_of(each, "date_created"));
    if (id.empty() || !created || *created < since + ahead - kTolerance) continue;
    if (const auto other = calls_.find(id);
        other != calls_.end() && other->second.attempt != call.attempt) {
      continue;
    }
    // The first one that began then: later ones are of later attempts.
    if (best.empty() || *created < best_at) {
      best = id;
      best_at = *created;
    }
  }
  return best;
}

Result<std::string> Twilio::place(const Call& call, bool again) {
  if (!valid_phone(call.phone)) {
    return fail(Code::invalid,
                "The number is not E.164. Write \"+\", the country's code and the rest without "
                "its first 0, as in +819012345678.");
  }
  if (call.phone == options_.from) {
    return fail(Code::invalid,
                "The number to call is the calling number itself: it would always be busy. Give "
                "this person another number.");
  }
  const auto now = seams_.clock();
  auto since = now;
  if (again) {
    const bool said = call.planned_at != SystemTime{};
    since = said ? std::chrono::floor<seconds>(call.planned_at) : now - kPlannedBefore;
    seams_.sleep(kSettle);
    if (std::string id = known_call_of(call.attempt); !id.empty()) return id;
    // Not to know is no ground to call a second time.
    auto found = find(call, since);
    if (!found) {
      found.error().code = Code::in_doubt;
      return fail(std::move(found).error());
    }
    if (!found->empty()) {
      remember(call.attempt, *found);
      return *found;
    }
  }
  auto response = create(call);
  if (response && response->status == 201) {
    std::string id = text_of(parse(*response), "sid");
    if (!id.empty()) {
      remember(call.attempt, id);
      return id;
    }
  }
  if (response && response->status < 500 && response->status != 201) {
    return fail(error_of(*response, "The call was not placed. "));
  }
  if (!response && response.error().code != Code::in_doubt) return fail(response.error());
  // Placed or not? Look.
  seams_.sleep(kSettle);
  if (std::string id = known_call_of(call.attempt); !id.empty()) return id;
  if (const auto found = find(call, since); found && !found->empty()) {
    remember(call.attempt, *found);
    return *found;
  } else if (found && response && response->status >= 500) {
    return fail(error_of(*response, "The call was not placed. "));
  }
  return fail(Code::in_doubt, "Twilio's answer was lost: the call may have been placed.",
              response ? "" : response.error().detail);
}

Result<CallReport> Twilio::look(const std::string& call) {
  TRY_ASSIGN(const HttpResponse response,
             send("GET", calls_path_ + "/" + runtime::percent_encode(call) + ".json", {},
                  milliseconds(5'000)));
  if (response.status != 200) return fail(error_of(response, "The call's state: "));
  const std::string status = text_of(parse(response), "status");
  if (status.empty()) return fail(Code::unavailable, "Twilio's answer about a call has no status.");
  const std::lock_guard lock(mutex_);
  Known& known = this->known(call);
  CallReport report = merged(known.told, twilio_report(status, ""));
  // The resource does not tell why it failed; switched off (SIP 480) is not the carrier's fault.
  if (report.state == CallState::ended && report.outcome == Outcome::carrier_failed &&
      known.told.state != CallState::ended) {
    if (!known.failed_since) known.failed_since = seams_.now();
    if (seams_.now() - *known.failed_since < kSipGrace) {
      report.state = CallState::ringing;
      report.outcome = Outcome::none;
    }
  }
  return report;
}

Status Twilio::end(const std::string& call) {
  bool ringing = true;
  {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    if (found != calls_.end()) {
      if (found->second.told.state == CallState::ended) return {};
      ringing = found->second.told.state == CallState::ringing;
    }
  }
  const std::string path = calls_path_ + "/" + runtime::percent_encode(call) + ".json";
  // "canceled" leaves a call alone that was answered meanwhile, "completed" ends any.
  for (const char* status : {"canceled", "completed"}) {
    if (!ringing && std::string_view(status) == "canceled") continue;
    TRY_ASSIGN(const HttpResponse response,
               send("POST", path, {{"Status", status}}, milliseconds(5'000)));
    if (response.status == 404) return {};
    const bool over = code_of(response) == 21220;  // "not in a state to be changed"
    if (response.status >= 300 && !over) {
      return fail(error_of(response, "The call was not ended. "));
    }
    const std::string now = text_of(parse(response), "status");
    if (!over && now != "in-progress") return {};
  }
  return {};
}

CallReport Twilio::tell(const std::string& attempt, const std::string& call,
                        const CallReport& report) {
  if (call.empty()) return report;
  const std::lock_guard lock(mutex_);
  Known& known = this->known(call);
  known.attempt = attempt;
  const std::string keys = known.told.keys + report.keys;
  known.told = merged(known.told, report);
  known.told.keys = keys.substr(0, 64);
  known.told = merged(known.told, known.told);  // keys decide the outcome
  return known.told;
}

std::string Twilio::known_call_of(const std::string& attempt) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [call, known] : calls_) {
    if (known.attempt == attempt) return call;
  }
  return {};
}

void Twilio::remember(const std::string& attempt, const std::string& call) {
  const std::lock_guard lock(mutex_);
  known(call).attempt = attempt;
}

Twilio::Known& Twilio::known(const std::string& call) {
  if (!calls_.contains(call) && calls_.size() >= kCallsRemembered) {
    calls_.erase(std::ranges::min_element(calls_, {},
                                          [](const auto& entry) { return entry.second.touched; }));
  }
  Known& known = calls_[call];
  known.touched = seams_.now();
  return known;
}

std::string webhook(const TwilioOptions& options, const char* path, std::string_view attempt) {
  std::string base = options.public_url;
  while (base.ends_with('/')) base.pop_back();
  return base + path + runtime::percent_encode(attempt);
}

}  // namespace

std::string twilio_voice_url(const TwilioOptions& options, std::string_view attempt) {
  return webhook(options, "/twilio/voice?a=", attempt);
}
std::string twilio_status_url(const TwilioOptions& options, std::string_view attempt) {
  return webhook(options, "/twilio/status?a=", attempt);
}

Result<std::unique_ptr<TwilioCarrier>> twilio_carrier(const TwilioOptions& options, Seams seams) {
  const auto wrong = [](std::string_view name, std::string_view remedy) {
    return fail(Code::invalid,
                "The Twilio carrier needs `" + std::string(name) + "`. " + std::string(remedy));
  };
  if (options.account_sid.empty()) return wrong("account_sid", "It begins with AC.");
  if (options.auth_token.empty()) {
    return wrong("auth_token_env", "Webhooks are signed with it, also when there is an API key.");
  }
  if (!options.api_key_sid.empty() && options.api_key_secret.empty()) {
    return wrong("api_key_secret_env", "An API key has a secret.");
  }
  if (!valid_phone(options.from)) return wrong("from", "A number of the account: +815012345678.");
  if (!options.public_url.starts_with("https://") && !options.public_url.starts_with("http://")) {
    return wrong("public_url", "Twilio sends the pressed key to https://HOST/twilio/voice.");
  }
  return std::make_unique<Twilio>(options, std::move(seams));
}

}  // namespace minato::oncall
