// `minato init`: the files of a new platform. Never changes one that exists.
#include <fmt/format.h>

#include <iostream>

#include "app/commands/commands.h"
#include "app/config/edit.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

// {0} gate port, {1} http port.
constexpr const char* kConfig =
    R"toml(# A Minato platform. What is commented out shows the default.
# `minato check` validates this file; a running `minato serve` takes changes over by itself.
# Passwords never stand here: name a file (…_file) or an environment variable (…_env).

[lake]
# data = "lake"             # a directory beside this file, or "s3://bucket/prefix"
# catalog = "embedded"      # a private PostgreSQL, or "postgres://user@host:5432/minato"
# catalog_password_file = "catalog.password"

# [lake.s3]                 # only for data = "s3://…"
# endpoint = "s3.eu-central-1.amazonaws.com"
# region = "eu-central-1"
# access_key_file = "s3.access"
# secret_key_file = "s3.secret"
# reader_access_key_file = "s3.reader.access"   # of an account that can only read, for the gate
# reader_secret_key_file = "s3.reader.secret"
# url_style = "path"        # or "vhost"
# use_ssl = true

[gate]                      # people and their tools: psql -h 127.0.0.1 -p {0} -d minato
# listen = "127.0.0.1"      # "0.0.0.0" for all networks
port = {0}
# tls_cert_file = "gate.crt"       # PEM, with the whole chain; a new file is taken over by itself
# tls_key_file = "gate.key"
# require_tls = true               # nobody without TLS
# sessions_max = 200
# statement_timeout_seconds = 600  # 0: none
# idle_timeout_seconds = 28800

[http]                      # status page, /api/v1/status, /metrics, /healthz
# listen = "127.0.0.1"
port = {1}

[marts]                     # marts/<schema>/<name>.sql: one SELECT each; they refresh by themselves
# refresh_seconds = 60      # at most this often
# workers = 1               # processes that build marts

[limits]                    # memory of each process's engine
# core_memory_mb = 512
# worker_memory_mb = 384
# gate_memory_mb = 512
# threads = 2               # of one statement: a person's, a mart's
# spill_mb = 0              # disk for what memory cannot hold; 0: a quarter of what is free

[maintenance]
# retention_minutes = 60    # how long older states of the lake stay readable
# file_guard_seconds = 3600 # files that nothing names (left by a crash) go after this long
# interval_seconds = 30     # between clean-ups; small files are merged more often

[log]
# level = "info"            # debug, info, warn, error
# format = "text"           # or "json"

# On-call rings people until somebody presses a key; docs/oncall.md.
# [oncall]
# listen = "127.0.0.1:8751"
# tokens_file = "secrets/oncall-tokens"    # who may raise incidents
# carriers = ["connect"]                   # in order of preference; teams are in oncall/teams.toml
# [oncall.carrier.connect]
# kind = "amazon-connect"                  # amazon-connect, twilio, sip, drill

# A source: `minato source add` writes it for you.
# [[source]]
# name = "shop"
# url = "mysql://minato@db.example:3306/"
# password_file = "shop.password"
# tables = ["shop.%"]       # database.table; % stands for anything
# tls = "prefer"            # "require", "verify-full" (certificate and name are checked), "disable"
# tls_ca_file = "db-ca.crt" # for verify-full; without: the system's authorities
)toml";

constexpr const char* kFirstMart =
    R"sql(-- A mart: one SELECT. Its table is named after the file: example.hello.
-- What it reads is found by itself, and it is refreshed whenever that changes, e.g.
--   SELECT customer_id, count(*) AS orders FROM shop.orders GROUP BY customer_id
SELECT 'Welcome to Minato' AS greeting
)sql";

constexpr const char* kIgnore = R"(# What Minato makes by itself, and secrets.
/.minato/
/lake/
/secrets/
*.password
*.secret
)";

Status write_new(const fs::path& path, std::string_view text) {
  std::error_code error;
  if (fs::exists(path, error)) return {};
  return write_file(path, text);
}

}  // namespace

Result<int> init(const InitOptions& options) {
  const fs::path directory = options.directory;
  std::error_code error;
  if (fs::exists(directory / "minato.toml", error)) {
    return fail(Code::exists,
                (directory / "minato.toml").string() + " is already there; nothing was changed.");
  }
  fs::create_directories(directory / "marts" / "example", error);
  if (error)
    return fail(Code::unavailable, directory.string() + " cannot be made.", error.message());
  const std::string config =
      fmt::format(fmt::runtime(kConfig), options.gate_port ? options.gate_port : 5439,
                  options.http_port ? options.http_port : 8750);
  TRY(write_new(directory / "marts" / "example" / "hello.sql", kFirstMart));
  TRY(write_new(directory / ".gitignore", kIgnore));
  TRY(write_file(directory / "minato.toml", config));
  std::cout << "Made " << directory.string() << ".\n"
            << "Next:  minato -C " << directory.string() << " serve\n"
            << "then:  minato -C " << directory.string() << " sql 'SELECT * FROM example.hello'\n";
  return 0;
}

}  // namespace minato::app
