// minato.toml → Config. One table of sections and keys below is all that the file may contain.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <functional>
#include <map>
#include <regex>
#include <set>

#include "app/config/config.h"

namespace minato::app {
namespace {

// Reads one TOML table, remembers which keys were asked for, and reports the rest with a
// suggestion.
class Section {
 public:
  Section(const toml::table& table, std::string name, const std::string& file,
          std::vector<Problem>& problems)
      : table_(table), name_(std::move(name)), file_(file), problems_(problems) {}

  void text(const char* key, std::string& out) {
    if (const auto* node = known(key)) {
      if (const auto* value = node->as_string()) {
        out = value->get();
      } else {
        wrong(*node, key, "must be a text in quotes.");
      }
    }
  }
  void number(const char* key, int& out, int low, int high) {
    const auto* node = known(key);
    if (!node) return;
    const auto* value = node->as_integer();
    if (value && value->get() >= low && value->get() <= high) {
      out = static_cast<int>(value->get());
    } else {
      wrong(*node, key,
            "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high) +
                ".");
    }
  }
  void flag(const char* key, bool& out) {
    if (const auto* node = known(key)) {
      if (const auto* value = node->as_boolean()) {
        out = value->get();
      } else {
        wrong(*node, key, "must be true or false.");
      }
    }
  }
  void one_of(const char* key, std::string& out, const std::vector<std::string>& choices) {
    const auto* node = known(key);
    if (!node) return;
    text(key, out);
    if (std::find(choices.begin(), choices.end(), out) != choices.end()) return;
    std::string all;
    for (const auto& choice : choices) all += (all.empty() ? "\"" : ", \"") + choice + "\"";
    wrong(*node, key, "must be one of " + all + ".");
  }
  void texts(const char* key, std::vector<std::string>& out) {
    const auto* node = known(key);
    if (!node) return;
    const auto* array = node->as_array();
    bool good = array != nullptr;
    if (array) {
      for (const auto& item : *array) {
        good = good && item.is_string();
        if (item.is_string()) out.push_back(item.as_string()->get());
      }
    }
    if (!good) wrong(*node, key, "must be a list of texts, as in [\"shop.%\"].");
  }
  /// KEY_file or KEY_env; KEY itself is refused, because the file is under version control.
  void secret(const std::string& key, SecretRef& out) {
    text((key + "_file").c_str(), out.file);
    text((key + "_env").c_str(), out.env);
    if (const auto* node = known(key.c_str(), false)) {
      wrong(*node, key.c_str(),
            "may not stand in this file. Put it into a file of its own and write " + key +
                "_file = \"…\", or name an environment variable with " + key + "_env = \"…\".");
    }
    if (!out.file.empty() && !out.env.empty()) {
      wrong(*table_.get(key + "_env"), key.c_str(),
            "is given twice: by file and by environment. Keep one.");
    }
  }
  const toml::table* table(const char* key) {
    const auto* node = known(key);
    if (node && !node->as_table())
      wrong(*node, key, "must be a section, as in [" + path(key) + "].");
    return node ? node->as_table() : nullptr;
  }
  const toml::array* tables(const char* key) {
    const auto* node = known(key);
    if (node && !node->is_array_of_tables() && !(node->is_array() && node->as_array()->empty())) {
      wrong(*node, key, "must be written as [[" + path(key) + "]], once for each.");
      return nullptr;
    }
    return node ? node->as_array() : nullptr;
  }
  void problem(int line, std::string text, std::string hint = {}) {
    problems_.push_back({file_, line, std::move(text), std::move(hint)});
  }
  int line(const char* key) const {
    const auto* node = table_.get(key);
    return static_cast<int>(node ? node->source().begin.line : table_.source().begin.line);
  }
  void refuse_unknown() {
    const std::vector<std::string> all(known_.begin(), known_.end());
    for (const auto& [key, node] : table_) {
      const std::string word(key.str());
      if (known_.contains(word) || silent_.contains(word)) continue;
      const std::string best = closest(word, all);
      std::string list;
      for (const auto& name : all) list += (list.empty() ? "" : ", ") + name;
      problem(static_cast<int>(key.source().begin.line),
              "unknown key `" + word + "`" + (name_.empty() ? "" : " in [" + name_ + "]") + ".",
              best.empty() ? "There are: " + list + "." : "Did you mean `" + best + "`?");
    }
  }

 private:
  const toml::node* known(const char* key, bool listed = true) {
    (listed ? known_ : silent_).insert(key);
    return table_.get(key);
  }
  std::string path(const char* key) const { return name_.empty() ? key : name_ + "." + key; }
  void wrong(const toml::node& node, const char* key, const std::string& what) {
    problem(static_cast<int>(node.source().begin.line), "`" + path(key) + "` " + what);
  }

  const toml::table& table_;
  std::string name_;
  const std::string& file_;
  std::vector<Problem>& problems_;
  std::set<std::string> known_;
  std::set<std::string> silent_;
};

class Reader {
 public:
  Reader(const std::string& file, std::vector<Problem>& problems, Config& config)
      : file_(file), problems_(problems), config_(config) {}

  void read(const toml::table& root) {
    Section top(root, "", file_, problems_);
    in(top, "lake", [&](Section& s) { lake(s); });
    in(top, "gate", [&](Section& s) { gate(s, config_.gate); });
    in(top, "http", [&](Section& s) { listener(s, config_.http); });
    in(top, "capture",
       [&](Section& s) { s.number("interval_ms", config_.capture_interval_ms, 10, 60'000); });
    in(top, "marts", [&](Section& s) {
      s.number("refresh_seconds", config_.marts.refresh_seconds, 0, 86'400);
      s.number("workers", config_.marts.workers, 0, 64);
    });
    in(top, "limits", [&](Section& s) {
      s.number("core_memory_mb", config_.limits.core_memory_mb, 128, 1'000'000);
      s.number("worker_memory_mb", config_.limits.worker_memory_mb, 128, 1'000'000);
      s.number("gate_memory_mb", config_.limits.gate_memory_mb, 128, 1'000'000);
      s.number("threads", config_.limits.threads, 1, 256);
      s.number("spill_mb", config_.limits.spill_mb, 0, 1'000'000'000);
    });
    in(top, "maintenance", [&](Section& s) {
      s.number("retention_minutes", config_.maintenance.retention_minutes, 1, 5'256'000);
      s.number("file_guard_seconds", config_.maintenance.file_guard_seconds, 10, 31'536'000);
      s.number("interval_seconds", config_.maintenance.interval_seconds, 1, 86'400);
    });
    in(top, "log", [&](Section& s) {
      s.one_of("level", config_.log.level, {"debug", "info", "warn", "error"});
      s.one_of("format", config_.log.format, {"text", "json"});
    });
    if (const auto* sources = top.tables("source")) {
      for (const auto& item : *sources) source(*item.as_table());
    }
    top.refuse_unknown();
    check_sources();
  }

 private:
  template <class Body>
  void in(Section& parent, const char* key, Body body) {
    const auto* table = parent.table(key);
    if (!table) return;
    Section section(*table, key, file_, problems_);
    body(section);
    section.refuse_unknown();
  }

  void lake(Section& s) {
    LakeConfig& lake = config_.lake;
    s.text("data", lake.data);
    s.text("catalog", lake.catalog);
    s.secret("catalog_password", lake.catalog_password);
    if (const auto* table = s.table("s3")) {
      Section s3(*table, "lake.s3", file_, problems_);
      s3.text("endpoint", lake.s3.endpoint);
      s3.text("region", lake.s3.region);
      s3.secret("access_key", lake.s3.access_key);
      s3.secret("secret_key", lake.s3.secret_key);
      s3.secret("reader_access_key", lake.s3.reader_access_key);
      s3.secret("reader_secret_key", lake.s3.reader_secret_key);
      s3.one_of("url_style", lake.s3.url_style, {"path", "vhost"});
      s3.flag("use_ssl", lake.s3.use_ssl);
      s3.refuse_unknown();
    }
    const bool postgres =
        lake.catalog.starts_with("postgres://") || lake.catalog.starts_with("postgresql://");
    if (!lake.embedded() && !postgres) {
      s.problem(s.line("catalog"),
                "`lake.catalog` must be \"embedded\" or \"postgres://user@host:port/database\".");
    }
    static const std::regex with_password("^[a-z]+://[^/@]*:[^/@]+@.*");
    if (postgres && std::regex_match(lake.catalog, with_password)) {
      s.problem(s.line("catalog"), "`lake.catalog` holds a password.",
                "Put it into a file of its own and write catalog_password_file = \"…\".");
    }
    if (lake.data.empty()) s.problem(s.line("data"), "`lake.data` is empty.", "Default: \"lake\".");
    check_bucket(s);
  }

  void check_bucket(Section& s) {
    const LakeConfig& lake = config_.lake;
    const S3Config& s3 = lake.s3;
    if (lake.data.find("://") != std::string::npos && !lake.on_s3()) {
      s.problem(s.line("data"), "`lake.data` = \"" + lake.data + "\" is of no known kind.",
                "Write a directory, or \"s3://bucket/prefix\".");
    }
    if (!lake.on_s3()) return;
    const SecretRef none;
    if (s3.access_key == none || s3.secret_key == none) {
      s.problem(s.line("data"), "a lake on S3 needs the keys of an account.",
                "Write access_key_file and secret_key_file (or …_env) in [lake.s3].");
    }
    if ((s3.reader_access_key == none) != (s3.reader_secret_key == none)) {
      s.problem(s.line("s3"), "of the reader's two keys one is missing in [lake.s3].",
                "Write both reader_access_key_file and reader_secret_key_file, or neither.");
    }
  }

  void listener(Section& s, ListenConfig& out) {
    s.text("listen", out.listen);
    s.number("port", out.port, 1, 65'535);
  }

  void gate(Section& s, GateConfig& out) {
    listener(s, out);
    s.text("tls_cert_file", out.tls_cert_file);
    s.text("tls_key_file", out.tls_key_file);
    s.flag("require_tls", out.require_tls);
    s.number("sessions_max", out.sessions_max, 1, 10'000);
    s.number("statement_timeout_seconds", out.statement_timeout_seconds, 0, 86'400);
    s.number("idle_timeout_seconds", out.idle_timeout_seconds, 0, 86'400);
  }

  void source(const toml::table& table) {
    SourceConfig out;
    out.line = static_cast<int>(table.source().begin.line);
    Section s(table, "source", file_, problems_);
    s.text("name", out.name);
    s.text("url", out.url);
    s.secret("password", out.password);
    s.texts("tables", out.tables);
    s.refuse_unknown();
    static const std::regex good_name("[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}");
    if (out.name.empty()) {
      s.problem(out.line, "this [[source]] has no name.", "Write name = \"shop\".");
    } else if (!std::regex_match(out.name, good_name)) {
      s.problem(s.line("name"),
                "the source name \"" + out.name + "\" may hold letters, digits, _ - . only.");
    }
    if (out.url.empty()) {
      s.problem(out.line, "this [[source]] has no url.",
                "Write url = \"mysql://user@host:3306/\".");
    }
    if (out.tables.empty()) {
      s.problem(out.line, "this [[source]] names no tables.",
                "Write tables = [\"shop.%\"] for all of database shop.");
    }
    for (const auto& pattern : out.tables) {
      if (pattern.find('.') != std::string::npos) continue;
      s.problem(s.line("tables"),
                "the pattern \"" + pattern + "\" has no dot between database and table.",
                "Did you mean \"" + pattern + ".%\"?");
    }
    config_.sources.push_back(std::move(out));
  }

  void check_sources() {
    std::map<std::string, int> first;
    for (const SourceConfig& source : config_.sources) {
      const auto [where, fresh] = first.emplace(source.name, source.line);
      if (fresh || source.name.empty()) continue;
      problems_.push_back({file_, source.line, "a second source is named \"" + source.name + "\".",
                           "The first one is in line " + std::to_string(where->second) + "."});
    }
  }

  const std::string& file_;
  std::vector<Problem>& problems_;
  Config& config_;
};

}  // namespace

std::vector<Problem> parse_config(std::string_view text, const std::string& file, Config& config) {
  std::vector<Problem> problems;
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    problems.push_back({file, static_cast<int>(parsed.error().source().begin.line),
                        "not TOML: " + std::string(parsed.error().description()), ""});
    return problems;
  }
  Reader(file, problems, config).read(parsed.table());
  if (config.gate.tls_cert_file.empty() != config.gate.tls_key_file.empty()) {
    problems.push_back(
        {file, 0, "[gate] has one of tls_cert_file and tls_key_file only.", "Give both, or none."});
  } else if (config.gate.require_tls && config.gate.tls_cert_file.empty()) {
    problems.push_back({file, 0, "[gate] require_tls needs a certificate.",
                        "Give tls_cert_file and tls_key_file."});
  }
  if (config.gate.port == config.http.port && config.gate.listen == config.http.listen) {
    problems.push_back(
        {file, 0, "[gate] and [http] have the same port " + std::to_string(config.gate.port) + ".",
         "Give each its own."});
  }
  return problems;
}

}  // namespace minato::app
