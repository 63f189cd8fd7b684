#include "gate/report.h"

#include <array>

#include "wire/pgwire.h"

namespace minato::gate {
namespace {

struct EngineClass {
  std::string_view text;  // found in the engine's message
  std::string_view sqlstate;
};

// The first that fits counts.
constexpr std::array<EngineClass, 22> kEngineClasses{{
    {"INTERRUPT", "57014"},
    {"Out of Memory Error", "53200"},
    {"Parser Error", "42601"},
    {"Syntax Error", "42601"},
    {"Referenced column", "42703"},
    {"does not have a column named", "42703"},
    {"Referenced table", "42P01"},
    {"Table with name", "42P01"},
    {"Ambiguous reference", "42702"},
    {"Scalar Function with name", "42883"},
    {"Table Function with name", "42883"},
    {"No function matches", "42883"},
    {"must appear in the GROUP BY", "42803"},
    {"Schema with name", "3F000"},
    {"Divide by Zero", "22012"},
    {"Conversion Error", "22P02"},
    {"Out of Range Error", "22003"},
    {"Catalog Error", "42704"},
    {"Binder Error", "42804"},
    {"Invalid Input Error", "22023"},
    {"Not implemented Error", "0A000"},
    {"IO Error", "58030"},
}};

/// Engine's text without its class ("Binder Error: "), without the quoted line of SQL (it shows the
/// rewritten text), and with suggestions moved to the hint.
void clean(std::string_view text, Report& report) {
  if (const std::size_t line = text.find("\n\nLINE "); line != std::string_view::npos) {
    text = text.substr(0, line);
  }
  const std::size_t colon = text.find("Error: ");
  if (colon < 32) text.remove_prefix(colon + 7);
  for (const std::string_view mark : {"Did you mean", "Candidate", "You might need to add"}) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos || at == 0) continue;
    // The engine also suggests tables of its own catalogues.
    if (text.substr(at).find("__ducklake") == std::string_view::npos) report.hint = text.substr(at);
    text = text.substr(0, at);
    break;
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  report.message = text;
}

std::string_view fence_state(Code code) {
  switch (code) {
    case Code::invalid: return "42601";
    case Code::exhausted: return "54001";
    default: return properties(code).sqlstate;
  }
}

void append(std::string& out, const Report& report, std::string_view severity, bool notice) {
  wire::pgwire::Report message{notice, {{'S', severity}, {'V', severity}, {'C', report.sqlstate}}};
  message.fields.emplace_back('M', report.message);
  if (!report.detail.empty()) message.fields.emplace_back('D', report.detail);
  if (!report.hint.empty()) message.fields.emplace_back('H', report.hint);
  wire::pgwire::encode(message, out);
}

/// The protocol ends texts with NUL: none may be inside.
Report without_nul(Report report) {
  for (std::string* text : {&report.message, &report.detail, &report.hint}) {
    std::erase(*text, '\0');
  }
  return report;
}

}  // namespace

Report report_of(const Error& error, Origin origin) {
  Report report{std::string(properties(error.code).sqlstate), error.message, {}, {}};
  if (origin == Origin::fence) report.sqlstate = fence_state(error.code);
  if (error.code == Code::exhausted && error.detail.starts_with("Out of Memory")) {
    report.sqlstate = "53200";
  }
  if (origin != Origin::engine) return report;
  for (const EngineClass& known : kEngineClasses) {
    if (error.detail.find(known.text) == std::string::npos) continue;
    report.sqlstate = known.sqlstate;
    break;
  }
  switch (error.code) {
    case Code::invalid:
    case Code::not_found:
    case Code::unsupported:
      if (!error.detail.empty()) clean(error.detail, report);
      break;
    case Code::exhausted:
      report.hint = "Read fewer columns or rows, filter earlier, or aggregate in a mart.";
      if (error.detail.find("max_temp_directory_size") != std::string::npos) {
        report.hint += " The disk that a statement may use: [limits] spill_mb in minato.toml.";
      }
      break;
    default: break;  // addresses and paths are not for people: the message says enough
  }
  return report;
}

void append_error(std::string& out, const Report& report, bool fatal) {
  append(out, without_nul(report), fatal ? "FATAL" : "ERROR", false);
}

void append_notice(std::string& out, const Report& report) {
  append(out, without_nul(report), "NOTICE", true);
}

}  // namespace minato::gate
