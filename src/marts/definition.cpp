#include "marts/definition.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include "base/text.h"
#include "sql/statement.h"

namespace minato::marts {
namespace {

constexpr std::size_t text_bytes_max = 1024 * 1024;
constexpr std::size_t name_bytes_max = 200;
constexpr int refresh_seconds_max = 366 * 24 * 3600;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t more = lead < 0x80              ? 0
                             : (lead >> 5) == 0b110   ? 1
                             : (lead >> 4) == 0b1110  ? 2
                             : (lead >> 3) == 0b11110 ? 3
                                                      : 4;
    if (more == 4 || i + more >= text.size() + (more == 0 ? 1 : 0)) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) >> 6) != 0b10) return false;
    }
    i += more + 1;
  }
  return true;
}

std::string hash_of(std::string_view sql) {
  const XXH128_hash_t hash = XXH3_128bits(sql.data(), sql.size());
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text.data();
}

struct Failure {
  int line = 0;
  std::string message;
  std::string suggestion;
};

/// One "-- key: value" line. Prose with a colon is prose, unless its first word is nearly an
/// option.
std::optional<Failure> option_line(std::string_view comment, Definition& out) {
  const std::size_t colon = comment.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view key = trimmed(comment.substr(0, colon));
  const std::string_view value = trimmed(comment.substr(colon + 1));
  static const std::array<std::string, 1> known = {"refresh"};
  if (key != known[0]) {
    if (const auto near = suggest(key, known)) {
      return Failure{0, "There is no option " + std::string(key) + ".",
                     "Write -- " + *near + ": " + std::string(value)};
    }
    return std::nullopt;
  }
  out.refresh_seconds = parse_duration(value);
  if (out.refresh_seconds) return std::nullopt;
  return Failure{0, "refresh needs a time, not '" + std::string(value) + "'.",
                 "Write for example -- refresh: 30s, 5min, 2h or 1d"};
}

std::optional<Failure> options(std::string_view text, Definition& out) {
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    if (!line.starts_with("--")) break;
    if (auto failure = option_line(line.substr(2), out)) {
      failure->line = number;
      return failure;
    }
  }
  return std::nullopt;
}

/// Where the statement's first word stands; comments before it are not part of what is hashed.
std::string_view without_head(std::string_view sql) {
  for (;;) {
    sql = trimmed(sql);
    if (sql.starts_with("--")) {
      const std::size_t end = sql.find('\n');
      if (end == std::string_view::npos) return {};
      sql.remove_prefix(end);
    } else if (sql.starts_with("/*")) {
      const std::size_t end = sql.find("*/");
      if (end == std::string_view::npos) return sql;
      sql.remove_prefix(end + 2);
    } else {
      return sql;
    }
  }
}

std::optional<Failure> statement(Definition& out) {
  Result<std::vector<std::string>> statements = sql::split_statements(out.text);
  if (!statements) return Failure{0, statements.error().message, ""};
  if (statements->empty()) {
    return Failure{1, "The file holds no statement.", "Write one SELECT."};
  }
  if (statements->size() > 1) {
    const std::size_t second = out.text.find((*statements)[1]);
    const auto begin = out.text.begin();
    const auto line =
        1 + std::count(begin,
                       begin + static_cast<std::ptrdiff_t>(std::min(second, out.text.size())),
                       '\n');
    return Failure{static_cast<int>(line), "A mart is one SELECT; here a second statement begins.",
                   "Put it into a file of its own, or use WITH."};
  }
  out.sql = without_head(statements->front());
  out.hash = hash_of(out.sql);
  return std::nullopt;
}

std::optional<Failure> name_of(const std::string& file, TableName& name) {
  const std::filesystem::path path(file);
  std::vector<std::string> parts;
  for (const auto& part : path) parts.push_back(part.string());
  if (parts.size() != 3) {
    return Failure{0, "A mart's file must lie in marts/<schema>/.",
                   "Move it to marts/<schema>/" + path.filename().string()};
  }
  name = {parts[1], path.stem().string()};
  if (name.schema == "information_schema" || name.schema == "pg_catalog" ||
      name.schema.starts_with("minato_")) {
    return Failure{0, "The schema " + name.schema + " belongs to the system.",
                   "Choose another folder name."};
  }
  if (name.schema.size() > name_bytes_max || name.name.size() > name_bytes_max) {
    return Failure{0, "The name is too long.", "At most 200 bytes."};
  }
  return std::nullopt;
}

}  // namespace

std::string display(const Finding& finding) {
  std::string out = finding.file;
  if (finding.line > 0) out += ":" + std::to_string(finding.line);
  out += ": " + finding.message;
  if (!finding.suggestion.empty()) out += " " + finding.suggestion;
  return out;
}

std::optional<int> parse_duration(std::string_view text) {
  text = trimmed(text);
  int number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || number <= 0) return std::nullopt;
  const std::string_view unit =
      trimmed(text.substr(static_cast<std::size_t>(parsed.ptr - text.data())));
  std::int64_t factor = 0;
  if (unit == "s" || unit == "sec" || unit == "second" || unit == "seconds") factor = 1;
  if (unit == "m" || unit == "min" || unit == "minute" || unit == "minutes") factor = 60;
  if (unit == "h" || unit == "hour" || unit == "hours") factor = 3600;
  if (unit == "d" || unit == "day" || unit == "days") factor = 86400;
  const std::int64_t seconds = number * factor;
  if (seconds < 1 || seconds > refresh_seconds_max) return std::nullopt;
  return static_cast<int>(seconds);
}

tl::expected<Definition, Finding> parse_definition(const std::string& file, std::string_view text) {
  Definition out;
  out.file = file;
  const auto broken = [&](const Failure& failure) {
    return tl::unexpected<Finding>(
        Finding{file, failure.line, failure.message, failure.suggestion});
  };
  if (const auto failure = name_of(file, out.name)) return broken(*failure);
  if (text.size() > text_bytes_max) {
    return broken({0, "The file is larger than 1 MB.", "Split it into several marts."});
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (!is_utf8(text)) return broken({0, "The file is not UTF-8.", "Save it as UTF-8."});
  out.text = text;
  if (const auto failure = options(text, out)) return broken(*failure);
  if (const auto failure = statement(out)) return broken(*failure);
  return out;
}

Status Folder::list(std::map<std::string, Stamp>& files) const {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path root = platform_ / "marts";
  fs::recursive_directory_iterator entry(root, fs::directory_options::skip_permission_denied,
                                         error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.')) {
      std::error_code ignored;
      if (entry->is_directory(ignored)) entry.disable_recursion_pending();
      continue;
    }
    if (entry->path().extension() != ".sql") continue;
    struct stat info {};
    // A file that vanishes between listing and stat is not there; a link that leads nowhere, or
    // something that is not a file, is: read() says what is wrong with it.
    if (::lstat(entry->path().c_str(), &info) != 0) continue;
    if (S_ISLNK(info.st_mode)) (void)::stat(entry->path().c_str(), &info);
    files[fs::path("marts") / entry->path().lexically_relative(root)] =
        Stamp{info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec,
              static_cast<std::uint64_t>(info.st_size), info.st_ino};
  }
  if (!error) return {};
  return fail(Code::unavailable, "The directory marts/ cannot be read: " + error.message() + ".",
              root.string());
}

void Folder::read(const std::string& file, Taken& taken, Changes& changes) const {
  // Only files: reading a pipe would wait for ever.
  std::error_code kind;
  const bool is_file = std::filesystem::is_regular_file(platform_ / file, kind);
  std::ifstream stream;
  std::string text;
  if (is_file) {
    stream.open(platform_ / file, std::ios::binary);
    if (stream) text.assign(std::istreambuf_iterator<char>(stream), {});
  }
  if (!is_file || (stream.fail() && !stream.eof())) {
    const int cause = is_file ? errno : (kind ? kind.value() : EISDIR);
    TableName name;
    const Finding finding{file, 0, "The file cannot be read: " + std::string(strerror(cause)) + ".",
                          "Minato's user needs to read it."};
    if (name_of(file, name)) {
      changes.stray.push_back(finding);
      return;
    }
    taken.name = name;
    taken.stamp = {};  // permissions change neither time nor size: look again
    changes.broken.emplace_back(name, finding);
    return;
  }
  TableName name;
  auto definition = parse_definition(file, text);
  if (definition) {
    taken.name = definition->name;
    changes.changed.push_back(std::move(*definition));
  } else if (!name_of(file, name)) {
    taken.name = name;
    changes.broken.emplace_back(name, std::move(definition.error()));
  } else {
    changes.stray.push_back(std::move(definition.error()));
  }
}

Result<Folder::Changes> Folder::poll() {
  std::map<std::string, Stamp> files;
  TRY(list(files));
  Changes changes;
  unsettled_ = false;
  const auto in = [](const std::map<std::string, Stamp>& where, const std::string& file) {
    const auto at = where.find(file);
    return at == where.end() ? std::nullopt : std::optional(at->second);
  };
  const auto settled = [&](const std::string& file) {
    const bool same = !found_ || in(*found_, file) == in(files, file);
    unsettled_ |= !same;
    return same;
  };
  for (auto taken = taken_.begin(); taken != taken_.end();) {
    if (files.contains(taken->first) || !settled(taken->first)) {
      ++taken;
      continue;
    }
    if (taken->second.name) changes.removed.push_back(*taken->second.name);
    taken = taken_.erase(taken);
  }
  for (const auto& [file, stamp] : files) {
    const auto known = taken_.find(file);
    if (known != taken_.end() && known->second.stamp == stamp) continue;
    if (!settled(file)) continue;
    Taken& taken = taken_[file];
    taken = {stamp, {}};
    read(file, taken, changes);
  }
  found_ = std::move(files);
  return changes;
}

}  // namespace minato::marts
