// minato.toml → Config. One table of sections and keys below is all that the file may contain.
#include <map>
#include <regex>

#include "app/config/config.h"
#include "app/config/parse_oncall.h"
#include "base/toml_section.h"

namespace minato::app {
namespace {

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
    in(top, "oncall", [&](Section& s) {
      config_.oncall.given = true;
      read_oncall(s, file_, problems_, config_.oncall);
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
    s.one_of("tls", out.tls.mode, {"disable", "prefer", "require", "verify-full"});
    s.text("tls_ca_file", out.tls.ca_file);
    s.text("tls_cert_file", out.tls.cert_file);
    s.text("tls_key_file", out.tls.key_file);
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
    if (!out.tls.ca_file.empty() && out.tls.mode != "verify-full") {
      s.problem(s.line("tls_ca_file"), "tls_ca_file is of no use without tls = \"verify-full\".",
                "Write both, or neither.");
    }
    if (out.tls.cert_file.empty() != out.tls.key_file.empty()) {
      s.problem(out.line, "this [[source]] has one of tls_cert_file and tls_key_file only.",
                "Give both, or none.");
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
