// The role `gate`: sessions of the PostgreSQL protocol over people's SQL, in a process of low
// privilege. Promise: the lake is read only, the configuration locked, nothing but the lake's
// tables in reach of a statement.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace minato::gate {

/// Everything the gate needs, read by the role's start before privileges are dropped. Secrets are
/// values here, never paths, since the process can no longer read them later.
struct GateOptions {
  std::string listen = "127.0.0.1";
  std::uint16_t port = 5439;
  std::filesystem::path certificate_file;  // PEM, with key_file: TLS is offered; both empty: it is
                                           // not
  std::filesystem::path key_file;
  bool require_tls = false;  // logins without TLS are refused

  // The lake: catalogue (libpq keywords of the SELECT-only role minato_reader, with password) and
  // data.
  std::string catalogue_conninfo;
  std::string metadata_schema = "ducklake";
  std::string lake_data;  // directory, or s3://bucket/prefix
  struct S3 {
    std::string endpoint, region, access_key, secret_key, url_style = "path";
    bool use_ssl = true;
  } s3;
  std::filesystem::path extension_directory;

  // Accounts: libpq keywords of the role minato_gate (SELECT on minato.account).
  std::string account_conninfo;
  std::string admin_password;  // of the internal account minato_admin; empty: no such account

  std::filesystem::path spill_directory;  // made, emptied and given to `user` at start
  std::uint32_t memory_limit_mb = 1024;   // the engine's
  std::uint32_t threads = 0;              // the engine's; 0: all cores
  std::uint64_t spill_limit_mb = 0;       // 0: the engine's default, 90 % of what the disk has
  std::uint32_t statements_at_once = 0;   // 0: twice the cores
  std::uint32_t sessions_max = 200;
  std::chrono::milliseconds statement_timeout = std::chrono::minutes(10);  // 0: none
  std::chrono::milliseconds idle_timeout = std::chrono::hours(8);
  std::chrono::milliseconds idle_in_transaction_timeout = std::chrono::minutes(10);
  std::chrono::milliseconds login_timeout = std::chrono::seconds(30);

  std::string user = "nobody";                       // whom to become when started as root
  std::function<void(std::uint16_t port)> on_ready;  // called once, when clients can connect;
                                                     // optional
  bool sandbox = true;  // Landlock, seccomp, rlimits; off only for debugging
};

/// Ends of the process that say why: an engine that did not obey, and memory that ran out.
inline constexpr int exit_not_obeyed = 70;
inline constexpr int exit_out_of_memory = 71;

/// Name of the internal account that `minato sql` uses (a superior of nobody: it too only reads the
/// lake).
inline constexpr const char* admin_account = "minato_admin";

/// Error{invalid} unless the two files are a certificate, valid now, and its key.
Status check_certificate(const std::filesystem::path& certificate,
                         const std::filesystem::path& key);

/// Serves until `stop` is requested. Returns an error when it cannot start (port in use, catalogue
/// out of reach).
Status run(const GateOptions& options, std::stop_token stop);

}  // namespace minato::gate
