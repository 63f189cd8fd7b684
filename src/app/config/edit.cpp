#include "app/config/edit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = text.find('\n', begin);
    const auto stop = end == std::string::npos ? text.size() : end + 1;
    lines.push_back(text.substr(begin, stop - begin));
    begin = stop;
  }
  return lines;
}

std::string stripped(const std::string& line) {
  const auto begin = line.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r\n") - begin + 1);
}

bool is_comment(const std::string& line) { return stripped(line).starts_with("#"); }

}  // namespace

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string add_source(std::string text, const SourceConfig& source) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += "\n[[source]]\n";
  text += "name = " + toml_text(source.name) + "\n";
  text += "url = " + toml_text(source.url) + "\n";
  if (!source.password.file.empty())
    text += "password_file = " + toml_text(source.password.file) + "\n";
  if (!source.password.env.empty())
    text += "password_env = " + toml_text(source.password.env) + "\n";
  if (source.tls.mode != TlsConfig().mode) text += "tls = " + toml_text(source.tls.mode) + "\n";
  const auto file = [&](const char* key, const std::string& path) {
    if (!path.empty()) text += std::string(key) + " = " + toml_text(path) + "\n";
  };
  file("tls_ca_file", source.tls.ca_file);
  file("tls_cert_file", source.tls.cert_file);
  file("tls_key_file", source.tls.key_file);
  text += "tables = [";
  for (std::size_t i = 0; i < source.tables.size(); ++i)
    text += (i ? ", " : "") + toml_text(source.tables[i]);
  return text + "]\n";
}

Result<std::string> remove_source(const std::string& text, const Config& config,
                                  const std::string& name) {
  const SourceConfig* found = nullptr;
  std::string all;
  for (const SourceConfig& source : config.sources) {
    if (source.name == name) found = &source;
    all += (all.empty() ? "" : ", ") + source.name;
  }
  if (!found) {
    return fail(Code::not_found,
                "There is no source " + name + ". " +
                    (all.empty() ? "There is none at all." : "There are: " + all + "."));
  }
  auto lines = lines_of(text);
  CHECK(found->line >= 1 && static_cast<std::size_t>(found->line) <= lines.size());
  std::size_t begin = static_cast<std::size_t>(found->line) - 1;
  std::size_t end = begin + 1;
  while (end < lines.size() && !stripped(lines[end]).starts_with("[")) ++end;
  // Comments and blank lines directly above the next section belong to that section.
  while (end < lines.size() && end > begin + 1 &&
         (is_comment(lines[end - 1]) || stripped(lines[end - 1]).empty())) {
    --end;
  }
  while (begin > 0 && is_comment(lines[begin - 1])) --begin;
  while (begin > 0 && stripped(lines[begin - 1]).empty()) --begin;
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(begin),
              lines.begin() + static_cast<std::ptrdiff_t>(end));
  std::string out;
  for (const auto& line : lines) out += line;
  return out;
}

}  // namespace minato::app
