// minato.toml as plain values. Everything has a default; secrets are never in it, only where to
// find them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/settings.h"
#include "oncall/settings.h"

namespace minato::app {

struct S3Config {
  std::string endpoint;
  std::string region = "us-east-1";
  SecretRef access_key;
  SecretRef secret_key;
  SecretRef reader_access_key;  // of gates, which only read; none: the same keys
  SecretRef reader_secret_key;
  std::string url_style = "path";
  bool use_ssl = true;
  bool operator==(const S3Config&) const = default;
};

struct LakeConfig {
  std::string data = "lake";         // directory (relative to the platform) or s3://bucket/prefix
  std::string catalog = "embedded";  // or postgres://user@host:port/database
  SecretRef catalog_password;
  S3Config s3;
  bool on_s3() const { return data.starts_with("s3://"); }
  bool embedded() const { return catalog == "embedded"; }
  bool operator==(const LakeConfig&) const = default;
};

struct ListenConfig {
  std::string listen = "127.0.0.1";
  int port = 0;
  bool operator==(const ListenConfig&) const = default;
};

struct GateConfig : ListenConfig {
  GateConfig() { port = 5439; }
  std::string tls_cert_file;  // PEM, relative to the platform's directory; empty: no TLS
  std::string tls_key_file;
  bool require_tls = false;
  int sessions_max = 200;
  int statement_timeout_seconds = 600;  // 0: none
  int idle_timeout_seconds = 28'800;    // 0: none
  bool operator==(const GateConfig&) const = default;
};

struct MartsConfig {
  int refresh_seconds = 60;
  int workers = 1;
};

struct LimitsConfig {  // memory of each role's engine or process
  int core_memory_mb = 512;
  int worker_memory_mb = 384;
  int gate_memory_mb = 512;
  int threads = 2;   // of a gate's and a worker's engine
  int spill_mb = 0;  // of disk, for each engine's data beyond its memory; 0: as spill_limit_mb()
  bool operator==(const LimitsConfig&) const = default;
};

struct MaintenanceConfig {
  int retention_minutes = 60;     // how long older snapshots can still be read
  int file_guard_seconds = 3600;  // files that nothing names are removed when they are this old
  int interval_seconds = 30;
  bool operator==(const MaintenanceConfig&) const = default;
};

struct LogConfig {
  std::string level = "info";
  std::string format = "text";  // or json
};

/// Files are PEM, relative to the platform's directory; see ingest::TlsOptions.
struct TlsConfig {
  std::string mode = "prefer";  // or disable, require, verify-full
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  bool operator==(const TlsConfig&) const = default;
};

struct SourceConfig {
  std::string name;
  std::string url;
  SecretRef password;
  std::vector<std::string> tables;
  TlsConfig tls;
  int line = 0;  // of its [[source]] in minato.toml
  bool operator==(const SourceConfig& other) const;
};

struct Config {
  LakeConfig lake;
  GateConfig gate;
  ListenConfig http{.port = 8750};
  int capture_interval_ms = 100;
  MartsConfig marts;
  LimitsConfig limits;
  MaintenanceConfig maintenance;
  LogConfig log;
  oncall::Settings oncall;
  std::vector<SourceConfig> sources;
};

/// Reads text of minato.toml; all problems are collected. `config` is of use only when there is
/// none.
std::vector<Problem> parse_config(std::string_view text, const std::string& file, Config& config);

/// The text of DIR/minato.toml. Error{not_found} when there is none.
Result<std::string> read_config(const std::filesystem::path& directory);

/// The same of a text that was read.
Result<Config> config_of(std::string_view text, const std::string& file);

/// minato.toml as far as it can be understood: for commands that look at a running platform.
Config load_config_leniently(const std::filesystem::path& directory);

/// Error{invalid} whose message holds all problems, one a line; Error{not_found} when there is no
/// minato.toml.
Result<Config> load_config(const std::filesystem::path& directory);

}  // namespace minato::app
