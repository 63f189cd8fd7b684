#include "oncall/inputs.h"

#include <openssl/evp.h>

#include <array>
#include <nlohmann/json.hpp>

namespace minato::oncall {
namespace {

using Json = nlohmann::json;

constexpr int kDepthMax = 64;

/// Writing a value of a million brackets would use up the stack, and anybody may send one.
bool too_deep(std::string_view body) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDepthMax) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

Result<Json> object_of(std::string_view body) {
  if (too_deep(body)) {
    return fail(Code::invalid,
                "The body is nested more than " + std::to_string(kDepthMax) + " deep.");
  }
  Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) return fail(Code::invalid, "The body is not JSON.");
  if (!json.is_object()) return fail(Code::invalid, "The body must be a JSON object.");
  return json;
}

/// Texts as they are; numbers and flags as their text; anything else as JSON; missing: empty.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (found->is_string()) return found->get<std::string>();
  return found->dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json& part(const Json& object, const char* key) {
  static const Json none = Json::object();
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : none;
}

std::map<std::string, std::string> labels_of(const Json& object) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : object.items()) out[name] = text_of(object, name.c_str());
  return out;
}

Result<std::string> required(const Json& object, const char* key) {
  std::string text = text_of(object, key);
  if (text.empty()) {
    return fail(Code::invalid, std::string("`") + key + "` is missing.");
  }
  return text;
}

std::string digest(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned i = 0; i < 16; ++i) {
    constexpr char digits[] = "0123456789abcdef";
    out += digits[hash[i] >> 4];
    out += digits[hash[i] & 15];
  }
  return out;
}

}  // namespace

Result<Input> plain_input(std::string_view body) {
  TRY_ASSIGN(const Json json, object_of(body));
  for (const auto& [name, value] : json.items()) {
    static const std::vector<std::string> known{"key",  "severity", "title",
                                                "text", "team",     "labels"};
    if (std::ranges::find(known, name) == known.end()) {
      return fail(Code::invalid, "An incident has no member `" + name +
                                     "`. It has: key, severity, title, text, team, labels.");
    }
    if (name != "labels" && !value.is_string() && !value.is_null()) {
      return fail(Code::invalid, "`" + name + "` must be a text.");
    }
  }
  Input out;
  TRY_ASSIGN(out.alarm.key, required(json, "key"));
  const std::string severity = text_of(json, "severity");
  const auto known = severity_of(severity.empty() ? "critical" : severity);
  if (!known) {
    return fail(Code::invalid,
                "`severity` is \"" + severity + "\". Write info, warning, error or critical.");
  }
  out.alarm.severity = *known;
  TRY_ASSIGN(out.alarm.title, required(json, "title"));
  out.alarm.text = text_of(json, "text");
  out.alarm.team = text_of(json, "team");
  if (json.contains("labels") && !json["labels"].is_object()) {
    return fail(Code::invalid, "`labels` must be an object of texts.");
  }
  out.alarm.labels = labels_of(part(json, "labels"));
  return out;
}

Result<Input> zabbix_input(std::string_view body) {
  TRY_ASSIGN(const Json json, object_of(body));
  Input out;
  TRY_ASSIGN(const std::string event, required(json, "event_id"));
  out.alarm.source = "zabbix";
  out.alarm.key = "zabbix/" + event;
  const std::string value = text_of(json, "event_value");
  const bool update = text_of(json, "event_update_status") == "1";
  if (value == "0") {
    out.kind = Input::Kind::resolve;
    return out;
  }
  if (value != "1") {
    return fail(Code::invalid, "`event_value` is \"" + value +
                                   "\": it must be 1 (problem) or 0 (recovery), as the macro "
                                   "{EVENT.VALUE} gives it.");
  }
  const bool acknowledged = text_of(json, "event_ack_status") == "Yes";
  if (update && acknowledged) {
    out.kind = Input::Kind::acknowledge;
    return out;
  }
  // 0 not classified, 1 information, 2 warning, 3 average, 4 high, 5 disaster.
  const std::string number = text_of(json, "event_nseverity");
  out.alarm.severity = number == "0" || number == "1" ? Severity::info
                       : number == "2"                ? Severity::warning
                       : number == "3"                ? Severity::error
                                                      : Severity::critical;
  out.alarm.team = text_of(json, "team");
  out.alarm.title = text_of(json, "event_name");
  out.alarm.text = text_of(json, "event_opdata");
  out.alarm.labels = {{"host", text_of(json, "host_name")},
                      {"zabbix_event", event},
                      {"trigger", text_of(json, "trigger_id")},
                      {"tags", text_of(json, "event_tags")}};
  return out;
}

Result<std::vector<Input>> alertmanager_input(std::string_view body, const std::string& team) {
  TRY_ASSIGN(const Json json, object_of(body));
  const auto alerts = json.find("alerts");
  if (alerts == json.end() || !alerts->is_array()) {
    return fail(Code::invalid,
                "`alerts` is missing: this must be Alertmanager's webhook (version 4).");
  }
  std::vector<Input> out;
  for (const Json& alert : *alerts) {
    if (!alert.is_object()) return fail(Code::invalid, "`alerts` must hold objects.");
    Input input;
    input.alarm.source = "alertmanager";
    input.alarm.labels = labels_of(part(alert, "labels"));
    const Json& notes = part(alert, "annotations");
    std::string print = text_of(alert, "fingerprint");
    if (print.empty())
      print = digest(part(alert, "labels").dump(-1, ' ', false, Json::error_handler_t::replace));
    input.alarm.key = "alertmanager/" + print;
    if (text_of(alert, "status") == "resolved") {
      input.kind = Input::Kind::resolve;
      out.push_back(std::move(input));
      continue;
    }
    auto& labels = input.alarm.labels;
    input.alarm.severity =
        severity_of(labels.contains("severity") ? labels["severity"] : "critical")
            .value_or(Severity::critical);
    input.alarm.team = team.empty() && labels.contains("team") ? labels["team"] : team;
    input.alarm.title = text_of(notes, "summary");
    if (input.alarm.title.empty()) input.alarm.title = labels["alertname"];
    input.alarm.text = text_of(notes, "description");
    if (!labels.contains("host") && labels.contains("instance"))
      labels["host"] = labels["instance"];
    out.push_back(std::move(input));
  }
  return out;
}

Result<PagerdutyInput> pagerduty_input(std::string_view body) {
  TRY_ASSIGN(const Json json, object_of(body));
  PagerdutyInput out;
  TRY_ASSIGN(out.routing_key, required(json, "routing_key"));
  TRY_ASSIGN(const std::string action, required(json, "event_action"));
  out.dedup_key = text_of(json, "dedup_key");
  Alarm& alarm = out.input.alarm;
  alarm.source = "pagerduty";
  if (action == "acknowledge" || action == "resolve") {
    if (out.dedup_key.empty()) {
      return fail(Code::invalid, "`dedup_key` is missing: it says what to " + action + ".");
    }
    out.input.kind = action == "resolve" ? Input::Kind::resolve : Input::Kind::acknowledge;
    alarm.key = "pagerduty/" + out.dedup_key;
    return out;
  }
  if (action != "trigger") {
    return fail(Code::invalid, "`event_action` must be trigger, acknowledge or resolve.");
  }
  const Json& payload = part(json, "payload");
  TRY_ASSIGN(alarm.title, required(payload, "summary"));
  TRY_ASSIGN(const std::string source, required(payload, "source"));
  TRY_ASSIGN(const std::string severity, required(payload, "severity"));
  const auto known = severity_of(severity);
  if (!known) {
    return fail(Code::invalid, "`payload.severity` must be critical, error, warning or info.");
  }
  alarm.severity = *known;
  alarm.labels = labels_of(part(payload, "custom_details"));
  for (const char* name : {"component", "group", "class"}) {
    if (const std::string text = text_of(payload, name); !text.empty()) alarm.labels[name] = text;
  }
  alarm.labels["host"] = source;
  if (out.dedup_key.empty()) out.dedup_key = digest(std::string(body));
  alarm.key = "pagerduty/" + out.dedup_key;
  return out;
}

Alarm log_alarm(const std::string& drop, const std::string& team, Severity severity,
                const std::string& name, std::string_view content) {
  Alarm alarm;
  alarm.key = "log/" + drop + "/" + digest(name);
  alarm.team = team;
  alarm.source = "log";
  alarm.severity = severity;
  alarm.title = name;
  alarm.text = std::string(content);
  alarm.labels = {{"object", name}, {"host", drop}};
  return alarm;
}

}  // namespace minato::oncall
