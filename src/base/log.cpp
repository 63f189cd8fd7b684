#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>

namespace minato::log {
namespace {

struct Settings {
  std::string role = "minato";
  std::atomic<Level> threshold = Level::info;
  bool json = false;
};
Settings& settings() {
  static Settings instance;
  return instance;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

bool plain(std::string_view text) {
  return !text.empty() && text.find_first_of(" \"=\\\n\t") == std::string_view::npos;
}

std::string_view name(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "?";
}

}  // namespace

Value::Value(double value) : text(fmt::format("{:.6g}", value)), number(true) {}

void configure(std::string_view role, Level threshold, bool json) {
  settings().role = role;
  settings().threshold = threshold;
  settings().json = json;
}

void write(Level level, std::string_view event, Fields fields) {
  const Settings& set = settings();
  if (level < set.threshold) return;
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(now);
  const std::string time =
      fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                  (now - seconds).count());
  std::string line;
  if (set.json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","role":"{}","event":)", time, name(level),
                       set.role);
    append_quoted(line, event);
    for (const Field& field : fields) {
      line += ',';
      append_quoted(line, field.key);
      line += ':';
      if (field.value.number) {
        line += field.value.text;
      } else {
        append_quoted(line, field.value.text);
      }
    }
    line += "}\n";
  } else {
    line = fmt::format("{} {:5} {:6} {}", time, name(level), set.role, event);
    for (const Field& field : fields) {
      line += fmt::format(" {}=", field.key);
      if (plain(field.value.text)) {
        line += field.value.text;
      } else {
        append_quoted(line, field.value.text);
      }
    }
    line += '\n';
  }
  // One write(2): lines of several roles on the same pipe do not mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace minato::log
