// A request to the API of on-call, taken apart; shared by the two files of class Api.
#pragma once

#include <charconv>

#include "oncall/api.h"

namespace minato::oncall {

inline SystemTime api_now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

inline runtime::HttpAnswer json_answer(const OrderedJson& json, int status = 200) {
  return {status, "application/json", text_of(json) + "\n", {}};
}

inline Result<std::int64_t> number_of(const std::string& text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return fail(Code::invalid, "\"" + text + "\" is not a whole number.");
  }
  return out;
}

struct Api::Request {
  std::string method;
  std::string path;  // decoded
  std::map<std::string, std::string> query;
  const runtime::HttpCall* call = nullptr;

  std::string parameter(const std::string& name, const std::string& fallback = {}) const {
    const auto found = query.find(name);
    return found == query.end() ? fallback : found->second;
  }
  /// The rest of the path after `prefix`.
  std::optional<std::string> below(std::string_view prefix) const {
    if (!path.starts_with(prefix) || path.size() == prefix.size()) return std::nullopt;
    return path.substr(prefix.size());
  }
};

}  // namespace minato::oncall
