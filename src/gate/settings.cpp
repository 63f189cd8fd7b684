#include "gate/settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace minato::gate {
namespace {

enum class Rule {
  any,      // kept and shown; it changes nothing here
  fixed,    // cannot be set
  utf8,     // client_encoding
  iso,      // datestyle
  on,       // only "on" (or the default) is so
  utc,      // timezone: times are UTC
  timeout,  // statement_timeout
  path,     // search_path
};

struct Known {
  std::string_view name;  // as PostgreSQL writes it
  std::string_view initial;
  Rule rule;
  bool reported;
};

constexpr std::array<Known, 40> kKnown{{
    {"application_name", "", Rule::any, true},
    {"bytea_output", "hex", Rule::any, false},
    {"client_encoding", "UTF8", Rule::utf8, true},
    {"client_min_messages", "notice", Rule::any, false},
    {"cursor_tuple_fraction", "0.1", Rule::any, false},
    {"DateStyle", "ISO, MDY", Rule::iso, true},
    {"default_transaction_isolation", "repeatable read", Rule::any, false},
    {"default_transaction_read_only", "on", Rule::any, true},
    {"extra_float_digits", "1", Rule::any, false},
    {"geqo", "on", Rule::any, false},
    {"idle_in_transaction_session_timeout", "0", Rule::any, false},
    {"idle_session_timeout", "0", Rule::any, false},
    {"in_hot_standby", "off", Rule::fixed, true},
    {"integer_datetimes", "on", Rule::fixed, true},
    {"IntervalStyle", "postgres", Rule::any, true},
    {"is_superuser", "off", Rule::fixed, true},
    {"jit", "off", Rule::any, false},
    {"lc_collate", "C", Rule::fixed, false},
    {"lc_ctype", "C", Rule::fixed, false},
    {"lc_messages", "C", Rule::any, false},
    {"lc_monetary", "C", Rule::any, false},
    {"lc_numeric", "C", Rule::any, false},
    {"lc_time", "C", Rule::any, false},
    {"lock_timeout", "0", Rule::any, false},
    {"max_identifier_length", "63", Rule::fixed, false},
    {"max_parallel_workers_per_gather", "0", Rule::any, false},
    {"quote_all_identifiers", "off", Rule::any, false},
    {"row_security", "on", Rule::any, false},
    {"search_path", "main", Rule::path, false},
    {"server_encoding", "UTF8", Rule::fixed, true},
    {"server_version", server_version, Rule::fixed, true},
    {"server_version_num", "150000", Rule::fixed, false},
    {"session_authorization", "", Rule::fixed, true},
    {"standard_conforming_strings", "on", Rule::on, true},
    {"statement_timeout", "0", Rule::timeout, false},
    {"synchronous_commit", "on", Rule::any, false},
    {"TimeZone", "UTC", Rule::utc, true},
    {"transaction_isolation", "repeatable read", Rule::any, false},
    {"transaction_read_only", "on", Rule::any, false},
    {"work_mem", "4MB", Rule::any, false},
}};

const Known* find(const std::string& name) {
  for (const Known& known : kKnown) {
    if (lower(known.name) == name) return &known;
  }
  return nullptr;
}

tl::unexpected<Error> refused(const Known& known, const std::string& value, std::string_view so) {
  return fail(Code::invalid, "The setting " + std::string(known.name) + " cannot be \"" + value +
                                 "\": " + std::string(so));
}

/// "1500", "2s", "5min" → milliseconds.
Result<std::chrono::milliseconds> duration(const std::string& value) {
  std::int64_t number = 0;
  const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
  std::string unit(end.ptr, value.data() + value.size());
  std::erase(unit, ' ');
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits{
      {{"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  for (const auto& [name, factor] : kUnits) {
    if (end.ec != std::errc() || number < 0 || unit != name) continue;
    if (number > 2'147'483'647 / factor) break;
    return std::chrono::milliseconds(number * factor);
  }
  return fail(Code::invalid, "statement_timeout is a time like 30s or a number of milliseconds.");
}

std::vector<std::string> names(const std::string& list) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string name = list.substr(begin, end - begin);
    name.erase(0, std::min(name.find_first_not_of(" \""), name.size()));
    name.erase(name.find_last_not_of(" \"") + 1);
    // "$user" and PostgreSQL's own schemas hold none of our tables; public is the default schema
    // here.
    if (name == "public") name = "main";
    if (!name.empty() && name[0] != '$' && name != "pg_catalog") out.push_back(name);
    begin = end + 1;
  }
  if (std::find(out.begin(), out.end(), "main") == out.end()) out.emplace_back("main");
  return out;
}

}  // namespace

Settings::Settings(const std::string& account) : search_path_({"main"}) {
  for (const Known& known : kKnown) defaults_[lower(known.name)] = known.initial;
  defaults_["session_authorization"] = account;
  values_ = defaults_;
}

Status Settings::set(std::string name, const std::string& value) {
  name = lower(name);
  // BEGIN-like options and the SQL words for the encoding.
  if (name == "transaction" || name == "characteristics") return {};
  if (name == "names") name = "client_encoding";
  const Known* known = find(name);
  if (known == nullptr) {
    if (name.find('.') == std::string::npos) {
      return fail(Code::not_found, "unrecognized configuration parameter \"" + name + "\"");
    }
    values_[name] = value;  // an application's own
    return {};
  }
  std::string text = lower(value) == "default" ? defaults_[name] : value;
  switch (known->rule) {
    case Rule::any: break;
    case Rule::fixed: return refused(*known, value, "it is fixed.");
    case Rule::utf8: {
      const std::string encoding = lower(text);
      if (encoding != "utf8" && encoding != "utf-8" && encoding != "unicode" &&
          encoding != "auto") {
        return refused(*known, value, "texts are UTF8 here.");
      }
      text = "UTF8";
      break;
    }
    case Rule::iso:
      if (lower(text).find("iso") == std::string::npos) {
        return refused(*known, value, "dates are written in the style ISO.");
      }
      text = "ISO, MDY";
      break;
    case Rule::on:
      if (lower(text) != "on" && lower(text) != "true" && text != "1") {
        return refused(*known, value, "it is always on.");
      }
      text = "on";
      break;
    case Rule::utc:
      text = "UTC";  // drivers send their machine's zone: the values are right in any, and say +00
      break;
    case Rule::timeout: {
      TRY_ASSIGN(statement_timeout_, duration(text));
      break;
    }
    case Rule::path: search_path_ = names(text); break;
  }
  if (values_[name] != text && known->reported) changed_.emplace_back(known->name);
  values_[name] = text;
  return {};
}

Status Settings::reset(const std::string& name) {
  if (lower(name) != "all") return set(name, "default");
  for (const Known& known : kKnown) {
    if (known.rule != Rule::fixed) TRY(set(std::string(known.name), "default"));
  }
  return {};
}

Result<std::string> Settings::show(const std::string& name) const {
  const auto found = values_.find(lower(name));
  if (found == values_.end()) {
    return fail(Code::not_found, "unrecognized configuration parameter \"" + name + "\"");
  }
  return found->second;
}

std::vector<std::pair<std::string, std::string>> Settings::all() const {
  return {values_.begin(), values_.end()};
}

std::vector<std::pair<std::string, std::string>> Settings::reported() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Known& known : kKnown) {
    if (known.reported) out.emplace_back(known.name, values_.at(lower(known.name)));
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> Settings::take_changes() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& name : changed_) out.emplace_back(name, values_.at(lower(name)));
  changed_.clear();
  return out;
}

}  // namespace minato::gate
