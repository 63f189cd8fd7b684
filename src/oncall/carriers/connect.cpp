#include "oncall/carriers/connect.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "oncall/carriers/connect_client.h"
#include "oncall/carriers/spoken.h"

namespace minato::oncall {
namespace {

using Json = nlohmann::json;
using connect::Api;
using std::chrono::milliseconds;

// "There can be up to 32,768 UTF-8 bytes across all key-value pairs per contact"; the flow adds a
// few of its own.
constexpr std::size_t kAttributesMax = 32'768;
constexpr std::size_t kAttributesOfFlow = 256;
constexpr std::size_t kSsmlMax = 24'000;
constexpr std::size_t kTextMax = 3'000;
constexpr std::size_t kNameMax = 250;
constexpr std::size_t kTokenMax = 500;
constexpr std::size_t kCallsRemembered = 1'000;

bool valid_key(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

Ssml ssml_of(const ConnectOptions& options) {
  return options.engine == "standard" ? Ssml::polly_standard : Ssml::polly_neural;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool has(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && !found->is_null();
}

/// Does Connect refuse the number, or something of ours? Only then no other carrier is tried.
bool about_number(const connect::Refusal& refused) {
  if (refused.type == "DestinationNotAllowedException" ||
      refused.type == "OutboundContactNotPermittedException") {
    return true;
  }
  if (refused.type != "InvalidParameterException" && refused.type != "InvalidRequestException") {
    return false;
  }
  return refused.message.find("DestinationPhoneNumber") != std::string::npos ||
         refused.message.find("destination phone number") != std::string::npos;
}

class Connect : public Carrier {
 public:
  Connect(const ConnectOptions& options, Seams seams) : client_(options, std::move(seams)) {}

  // `again` is the same request: within 7 days the same token gives the same contact.
  Result<std::string> place(const Call& call, bool) override {
    TRY_ASSIGN(std::string body, connect::start_body(client_.options(), call));
    TRY_ASSIGN(const auto response, client_.ask({Api::start, "PUT", "/contact/outbound-voice",
                                                 std::move(body), milliseconds(13'000)}));
    if (response.status == 200) {
      const Json answer = Json::parse(response.body, nullptr, false);
      std::string id = answer.is_object() ? text_of(answer, "ContactId") : "";
      if (!id.empty()) return id;
      return fail(Code::in_doubt, "Amazon Connect's answer has no ContactId.");
    }
    if (about_number(connect::refusal(response))) {
      Error error = client_.error_of(response, "");
      error.code = Code::invalid;
      error.message =
          "Amazon Connect may not call this number. Is it right, is its country in the instance's "
          "list (Telephony options, service quota \"allowed countries\"), may the instance make "
          "outbound calls?";
      return fail(std::move(error));
    }
    return fail(client_.error_of(response, "The call was not placed. "));
  }

  Result<CallReport> look(const std::string& call) override {
    const std::string id = runtime::percent_encode(call);
    // The attributes second: a key that was pressed before the end is then never missed.
    TRY_ASSIGN(const auto contact,
               client_.ask({Api::describe, "GET", client_.instance_path("/contacts/", "/" + id), "",
                            milliseconds(6'000)}));
    if (contact.status != 200) return fail(client_.error_of(contact, "The call's state: "));
    TRY_ASSIGN(const auto attributes,
               client_.ask({Api::attributes, "GET",
                            client_.instance_path("/contact/attributes/", "/" + id), "",
                            milliseconds(6'000)}));
    if (attributes.status != 200) return fail(client_.error_of(attributes, "The pressed keys: "));
    TRY_ASSIGN(CallReport report,
               connect::report(contact.body, attributes.body, ended_by_us(call)));
    remember(call, report.state == CallState::ended);
    return report;
  }

  Status end(const std::string& call) override {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_.size() >= kCallsRemembered) stopped_.erase(stopped_.begin());
      stopped_.insert(call);
    }
    const Json body{{"ContactId", call}, {"InstanceId", client_.options().instance_id}};
    TRY_ASSIGN(const auto response,
               client_.ask({Api::stop, "POST", "/contact/stop", dump(body), milliseconds(8'000)}));
    // 410 ContactNotFound: it has ended already.
    if (response.status < 300 || response.status == 404 || response.status == 410) return {};
    return fail(client_.error_of(response, "The call was not ended. "));
  }

  /// Two requests a second per API for all living calls together.
  milliseconds patience() const override {
    const std::lock_guard lock(mutex_);
    const auto now = client_.seams().now();
    const auto living = std::ranges::count_if(
        looked_, [&](const auto& entry) { return now - entry.second < std::chrono::seconds(30); });
    return std::max(milliseconds(2'000), milliseconds(600) * living);
  }

 private:
  bool ended_by_us(const std::string& call) const {
    const std::lock_guard lock(mutex_);
    return stopped_.contains(call);
  }
  void remember(const std::string& call, bool ended) {
    const std::lock_guard lock(mutex_);
    if (ended) {
      looked_.erase(call);
      return;
    }
    if (looked_.size() >= kCallsRemembered) looked_.erase(looked_.begin());
    looked_[call] = client_.seams().now();
  }

  connect::Client client_;
  mutable std::mutex mutex_;
  std::set<std::string> stopped_;                // by us: how its end is to be read
  std::map<std::string, Seams::Steady> looked_;  // living calls
};

}  // namespace

namespace connect {

Result<std::string> start_body(const ConnectOptions& options, const Call& call) {
  if (!valid_phone(call.phone)) {
    return fail(Code::invalid,
                "The number is not E.164. Write \"+\", the country's code and the rest without "
                "its first 0, as in +819012345678.");
  }
  if (call.phone == options.source_phone_number) {
    return fail(Code::invalid,
                "The number to call is the calling number itself: it would always be busy. Give "
                "this person another number.");
  }
  if (call.attempt.empty() || call.attempt.size() > kTokenMax) {
    return fail(Code::internal, "An attempt's id must have 1 to 500 characters.");
  }
  const Json attributes{
      {"attempt", call.attempt},
      {"ssml", "<speak>" + spoken_ssml(call.speech, ssml_of(options), kSsmlMax) + "</speak>"},
      {"text", spoken_text(call.speech, kTextMax)}};
  std::size_t bytes = kAttributesOfFlow;
  for (const auto& [key, value] : attributes.items()) {
    if (!valid_key(key)) return fail(Code::internal, "An attribute's name cannot be " + key + ".");
    bytes += key.size() + value.get_ref<const std::string&>().size();
  }
  if (bytes > kAttributesMax) {
    return fail(Code::exhausted, "The message is longer than Amazon Connect's attributes.");
  }
  const auto ring = std::clamp<std::int64_t>(call.ring.count(), 15, 60);  // what Connect admits
  Json body{{"DestinationPhoneNumber", call.phone},
            {"ContactFlowId", options.contact_flow_id},
            {"InstanceId", options.instance_id},
            {"SourcePhoneNumber", options.source_phone_number},
            {"ClientToken", call.attempt},
            {"RingTimeoutInSeconds", ring},
            {"TrafficType", "GENERAL"},
            {"Attributes", attributes}};
  if (!call.title.empty()) body["Name"] = cut_utf8(call.title, kNameMax);
  return dump(body);
}

Outcome unanswered(std::string_view reason, bool ended_by_us) {
  static const std::map<std::string_view, Outcome> kReasons{
      {"TELECOM_BUSY", Outcome::busy},
      {"TELECOM_NUMBER_INVALID", Outcome::unknown_number},
      {"OUTBOUND_DESTINATION_ENDPOINT_ERROR", Outcome::unknown_number},
      {"CUSTOMER_DISCONNECT", Outcome::rejected},
      // The network, not the person: another carrier may come through.
      {"TELECOM_PROBLEM", Outcome::carrier_failed},
      {"TELECOM_POTENTIAL_BLOCKING", Outcome::carrier_failed},
      {"OUTBOUND_RESOURCE_ERROR", Outcome::carrier_failed},
      {"OUTBOUND_ATTEMPT_FAILED", Outcome::carrier_failed},
      {"THROTTLED", Outcome::carrier_failed}};
  if (ended_by_us) return Outcome::cancelled;
  const auto found = kReasons.find(reason);
  // TELECOM_UNANSWERED, TELECOM_TIMEOUT, TELECOM_ORIGINATOR_CANCEL (the ring time is over), OTHER,
  // EXPIRED, and reasons that are yet to be invented.
  return found == kReasons.end() ? Outcome::no_answer : found->second;
}

Result<CallReport> report(std::string_view contact, std::string_view attributes, bool ended_by_us) {
  const Json described = Json::parse(contact, nullptr, false);
  const Json polled = Json::parse(attributes, nullptr, false);
  const auto unreadable = [] {
    return fail(Code::unavailable, "Amazon Connect's answer about a call cannot be read.");
  };
  if (!described.is_object() || !polled.is_object()) return unreadable();
  const auto found = described.find("Contact");
  if (found == described.end() || !found->is_object()) return unreadable();
  CallReport report;
  if (const auto set = polled.find("Attributes"); set != polled.end() && set->is_object()) {
    report.keys = text_of(*set, "repeated") + text_of(*set, "keys");
    // A flow that somebody drew by hand says it so.
    if (const std::string ack = text_of(*set, "ack"); ack == "1" || ack == "2") {
      if (report.keys.find(ack) == std::string::npos) report.keys += ack;
    }
  }
  const bool answered = has(*found, "ConnectedToSystemTimestamp") || !report.keys.empty();
  report.state = answered ? CallState::answered : CallState::ringing;
  if (!has(*found, "DisconnectTimestamp")) return report;
  report.state = CallState::ended;
  report.detail = text_of(*found, "DisconnectReason");
  if (report.keys.find('1') != std::string::npos) {
    report.outcome = Outcome::acknowledged;
  } else if (report.keys.find('2') != std::string::npos) {
    report.outcome = Outcome::passed;
  } else if (!answered) {
    report.outcome = unanswered(report.detail, ended_by_us);
  } else {
    report.outcome = ended_by_us ? Outcome::cancelled : Outcome::no_key;
  }
  return report;
}

}  // namespace connect

Result<std::unique_ptr<Carrier>> connect_carrier(const ConnectOptions& options, Seams seams) {
  const auto missing = [](std::string_view name, std::string_view where) {
    return fail(Code::invalid, "The Amazon Connect carrier needs `" + std::string(name) + "`. " +
                                   std::string(where));
  };
  if (options.region.empty()) return missing("region", "For Tokyo: \"ap-northeast-1\".");
  if (options.instance_id.empty()) {
    return missing("instance_id", "It is the last part of the instance's ARN.");
  }
  if (options.contact_flow_id.empty()) {
    return missing("contact_flow_id",
                   "`minato oncall install-flow` installs the flow and says it.");
  }
  if (!valid_phone(options.source_phone_number)) {
    return missing("source_phone_number", "A number claimed in the instance, as +815012345678.");
  }
  if (options.access_key_id.empty() || options.secret_access_key.empty()) {
    return missing("access_key_id_env` and `secret_access_key_env",
                   "They name environment variables that hold the access key.");
  }
  return std::make_unique<Connect>(options, std::move(seams));
}

}  // namespace minato::oncall
