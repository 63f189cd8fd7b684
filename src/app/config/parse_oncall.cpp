#include "app/config/parse_oncall.h"

#include <algorithm>
#include <charconv>

namespace minato::app {
namespace {

using oncall::CarrierSettings;
using oncall::LogDrop;
using oncall::Price;
using oncall::Settings;

const std::vector<std::string> kKinds{"amazon-connect", "twilio", "sip", "drill"};

void listen(Section& s, Settings& out) {
  std::string text = out.listen + ":" + std::to_string(out.port);
  s.text("listen", text);
  const std::size_t colon = text.rfind(':');
  int port = 0;
  const char* end = text.data() + text.size();
  const bool good = colon != std::string::npos && colon > 0 &&
                    std::from_chars(text.data() + colon + 1, end, port).ptr == end && port > 0 &&
                    port < 65'536;
  if (!good) {
    s.problem(s.line("listen"), "`oncall.listen` = \"" + text + "\" is not an address.",
              "Write \"127.0.0.1:8751\".");
    return;
  }
  out.listen = text.substr(0, colon);
  out.port = port;
}

/// Paths are put behind it: "https://host/" would make "https://host//twilio/voice", which is not
/// what Twilio signs.
void base_url(Section& s, const char* key, std::string& out) {
  s.text(key, out);
  while (out.ends_with('/')) out.pop_back();
}

/// What a kind needs, so that a gap is found before the night.
void check(Section& s, const CarrierSettings& c) {
  const auto need = [&](bool given, const char* key) {
    if (!given) {
      s.problem(c.line, "carrier \"" + c.name + "\" (" + c.kind + ") needs `" + key + "`.");
    }
  };
  const auto known = [](const SecretRef& ref) { return !ref.file.empty() || !ref.env.empty(); };
  const auto phone = [&](const char* key) {
    if (!c.source_phone_number.empty() && !oncall::valid_phone(c.source_phone_number)) {
      s.problem(s.line(key), "`" + std::string(key) + "` is not in E.164 form.",
                "Write \"+815012345678\".");
    }
  };
  phone("source_phone_number");
  if (c.kind == "amazon-connect") {
    need(!c.region.empty(), "region");
    need(!c.instance_id.empty(), "instance_id");
    need(known(c.access_key_id), "access_key_id_env");
    need(known(c.secret_access_key), "secret_access_key_env");
    need(!c.source_phone_number.empty(), "source_phone_number");
  } else if (c.kind == "twilio") {
    need(!c.account_sid.empty(), "account_sid");
    need(known(c.auth_token), "auth_token_file");
    need(!c.source_phone_number.empty(), "source_phone_number");
    need(!c.public_url.empty(), "public_url");
  } else if (c.kind == "sip") {
    need(!c.sip_account.empty(), "account");
    need(!c.sip_target.empty(), "target");
  }
}

void carrier(const std::string& name, const toml::table& table, const std::string& file,
             std::vector<Problem>& problems, Settings& out) {
  CarrierSettings c;
  c.name = name;
  c.line = static_cast<int>(table.source().begin.line);
  Section s(table, "oncall.carrier." + name, file, problems);
  s.one_of("kind", c.kind, kKinds);
  if (c.kind.empty()) {
    s.problem(c.line, "carrier \"" + name + "\" has no kind.",
              "Write kind = \"amazon-connect\", \"twilio\", \"sip\" or \"drill\".");
  }
  base_url(s, "endpoint", c.endpoint);
  s.text("voice", c.voice);
  s.text("region", c.region);
  s.text("instance_id", c.instance_id);
  s.text("contact_flow_id", c.contact_flow_id);
  s.text("source_phone_number", c.source_phone_number);
  s.secret("access_key_id", c.access_key_id);
  s.secret("secret_access_key", c.secret_access_key);
  s.secret("session_token", c.session_token);
  s.text("account_sid", c.account_sid);
  s.secret("auth_token", c.auth_token);
  s.secret("auth_token_before", c.auth_token_before);
  base_url(s, "public_url", c.public_url);
  s.text("account", c.sip_account);
  s.text("target", c.sip_target);
  s.secret("password", c.sip_password);
  s.text("sip_listen", c.sip_listen);
  s.text("press", c.press);
  Price price;
  bool priced = false;
  for (const auto& [key, value] : {std::pair{"yen_per_minute_voice", &price.voice_per_minute},
                                   std::pair{"yen_per_minute_line", &price.telephony_per_minute}}) {
    priced = priced || table.contains(key);
    s.decimal(key, *value);
    if (*value < 0) s.problem(s.line(key), "`" + std::string(key) + "` must not be negative.");
  }
  if (priced) out.prices[name] = price;
  s.refuse_unknown();
  check(s, c);
  out.carrier.emplace(name, std::move(c));
}

void log_drop(const toml::table& table, const std::string& file, std::vector<Problem>& problems,
              Settings& out) {
  Section s(table, "oncall.log_drop", file, problems);
  LogDrop drop;
  std::string severity = "critical";
  s.text("name", drop.name);
  s.text("place", drop.place);
  s.text("team", drop.team);
  s.one_of("severity", severity, {"info", "warning", "error", "critical"});
  s.text("endpoint", drop.endpoint);
  s.text("region", drop.region);
  s.secret("access_key", drop.access_key);
  s.secret("secret_key", drop.secret_key);
  drop.severity = oncall::severity_of(severity).value_or(oncall::Severity::critical);
  s.refuse_unknown();
  const int line = static_cast<int>(table.source().begin.line);
  if (drop.place.empty()) {
    s.problem(line, "this [[oncall.log_drop]] has no place.", "Write place = \"error-logs\".");
  }
  const SecretRef none;
  if (drop.place.starts_with("s3://") && (drop.access_key == none || drop.secret_key == none)) {
    s.problem(line, "the log drop \"" + drop.place + "\" needs the keys of an account.",
              "Write access_key_file and secret_key_file (or …_env).");
  }
  if (drop.name.empty()) drop.name = drop.place;
  for (const LogDrop& other : out.log_drops) {
    if (other.name == drop.name) {
      s.problem(line, "two log drops are named \"" + drop.name + "\".", "Give each a name.");
    }
  }
  out.log_drops.push_back(std::move(drop));
}

}  // namespace

void read_oncall(Section& s, const std::string& file, std::vector<Problem>& problems,
                 Settings& out) {
  listen(s, out);
  s.text("tokens_file", out.tokens_file);
  s.text("default_team", out.default_team);
  s.texts("carriers", out.carriers);
  s.number("silence_seconds", out.silence_seconds, 0, 86'400);
  s.text("platform_team", out.platform_team);
  if (const auto* table = s.table("zabbix")) {
    Section zabbix(*table, "oncall.zabbix", file, problems);
    base_url(zabbix, "url", out.zabbix_url);
    zabbix.secret("token", out.zabbix_token);
    if (!out.zabbix_url.empty() && out.zabbix_token == SecretRef{}) {
      zabbix.problem(zabbix.line("url"), "Zabbix takes no acknowledgement without a token.",
                     "Write token_file = \"secrets/zabbix-token\".");
    }
    zabbix.refuse_unknown();
  }
  if (const auto* carriers = s.table("carrier")) {
    for (const auto& [name, node] : *carriers) {
      if (const auto* table = node.as_table()) {
        carrier(std::string(name.str()), *table, file, problems, out);
      }
    }
  }
  if (const auto* drops = s.tables("log_drop")) {
    for (const auto& item : *drops) log_drop(*item.as_table(), file, problems, out);
  }
  std::vector<std::string> known;
  for (const auto& [name, settings] : out.carrier) known.push_back(name);
  for (const std::string& name : out.carriers) {
    if (out.carrier.contains(name)) continue;
    const auto best = suggest(name, known);
    s.problem(
        s.line("carriers"), "there is no [oncall.carrier." + name + "].",
        best ? "Did you mean \"" + *best + "\"?" : "Write one, or take it out of `carriers`.");
  }
  if (out.carriers.empty()) {
    s.problem(s.line("carriers"), "`oncall.carriers` names no carrier: nobody could be rung.",
              "Write carriers = [\"connect\"] and [oncall.carrier.connect].");
  }
}

}  // namespace minato::app
