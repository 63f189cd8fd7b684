// A gate on a private lake and PostgreSQL, in this process (without the sandbox, which cannot be
// taken off again), and a libpq client.
#pragma once

#include <libpq-fe.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "access/accounts.h"
#include "base/check.h"
#include "gate/gate.h"
#include "lake/engine.h"
#include "runtime/pg.h"
#include "runtime/testing/private_postgres.h"
#include "state/migrations.h"

namespace minato::gate::testing {

inline constexpr const char* password = "correct horse";

/// The lake: shop.orders (100,000 rows), shop.kinds (a row of every type). Accounts: clerk;
/// disabled: ops.
class PrivatePlatform {
 public:
  PrivatePlatform() {
    lake::EngineOptions engine_options;
    engine_options.threads = 2;
    engine_ = std::make_unique<lake::Engine>(lake::Engine::open(engine_options).value());
    lake::LakeOptions lake_options;
    lake_options.catalog_conninfo = postgres.conninfo();
    lake_options.data_path = data();
    CHECK(lake::attach_lake(*engine_, lake_options).has_value());
    auto connection = postgres.connect();
    CHECK(state::migrate(connection).has_value());
    CHECK(state::grant(connection).has_value());
    CHECK(connection.script("alter role minato_gate login; alter role minato_reader login")
              .has_value());
    CHECK(access::add_account(connection, "clerk", password).has_value());
    CHECK(access::add_account(connection, "ops", password).has_value());
    CHECK(connection.script("update minato.account set disabled = true where name = 'ops'")
              .has_value());
    run("CREATE SCHEMA minato.shop");
    run("CREATE TABLE minato.shop.orders AS SELECT range AS id, range % 7 AS kind, 'order ' || "
        "range AS note, "
        "(range / 100)::DECIMAL(12,2) AS price FROM range(100000)");
  }
  void run(const std::string& sql) {
    const Status done = engine_->connect().value().run(sql);
    if (!done) std::fprintf(stderr, "%s: %s\n", sql.c_str(), describe(done.error()).c_str());
    CHECK(done.has_value());
  }
  std::string data() const { return postgres.directory() + "/lake"; }
  std::string conninfo(const std::string& role) const {
    return "host=" + postgres.directory() + " dbname=minato user=" + role;
  }

  minato::testing::PrivatePostgres postgres;

 private:
  std::unique_ptr<lake::Engine> engine_;
};

class PrivateGate {
 public:
  explicit PrivateGate(const PrivatePlatform& platform, GateOptions given = {})
      : options(std::move(given)) {
    options.port = 0;
    options.catalogue_conninfo = platform.conninfo("minato_reader");
    options.account_conninfo = platform.conninfo("minato_gate");
    options.admin_password = "keeper";
    options.lake_data = platform.data();
    options.spill_directory = platform.postgres.directory() + "/spill";
    options.threads = 2;
    options.sandbox = false;
    options.on_ready = [this](std::uint16_t bound) { port_ = bound; };
    thread_ = std::jthread([this](std::stop_token stop) {
      const Status status = gate::run(options, std::move(stop));
      if (!status) std::fprintf(stderr, "%s\n", describe(status.error()).c_str());
      CHECK(status.has_value());
    });
    while (port_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::uint16_t port() const { return port_; }

  GateOptions options;

 private:
  std::atomic<std::uint16_t> port_ = 0;
  std::jthread thread_;
};

/// A libpq connection; errors are read with error().
class Client {
 public:
  explicit Client(const PrivateGate& gate, const std::string& user = "clerk",
                  const std::string& secret = password, const std::string& more = "")
      : Client(gate.port(), user, secret, more) {}
  explicit Client(std::uint16_t port, const std::string& user = "clerk",
                  const std::string& secret = password, const std::string& more = "")
      : handle_(PQconnectdb(("host=127.0.0.1 dbname=minato user=" + user + " password='" + secret +
                             "' port=" + std::to_string(port) + " " + more)
                                .c_str()),
                &PQfinish) {}
  bool ok() const { return PQstatus(handle_.get()) == CONNECTION_OK; }
  std::string error() const { return PQerrorMessage(handle_.get()); }
  PGconn* handle() { return handle_.get(); }

  using ResultPtr = std::unique_ptr<PGresult, decltype(&PQclear)>;
  ResultPtr query(const std::string& sql) { return {PQexec(handle_.get(), sql.c_str()), &PQclear}; }
  /// First value of a simple query, or "ERROR <sqlstate>".
  std::string value(const std::string& sql) { return first(query(sql)); }
  /// The same by the extended protocol with text parameters of given types (0: open).
  std::string value(const std::string& sql, const std::vector<std::string>& values,
                    const std::vector<Oid>& types = {}) {
    std::vector<const char*> texts;
    for (const std::string& value : values) texts.push_back(value.c_str());
    return first(
        {PQexecParams(handle_.get(), sql.c_str(), static_cast<int>(values.size()),
                      types.empty() ? nullptr : types.data(), texts.data(), nullptr, nullptr, 0),
         &PQclear});
  }
  static std::string first(const ResultPtr& result) {
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK) return PQcmdStatus(result.get());
    if (status != PGRES_TUPLES_OK) {
      const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
      return std::string("ERROR ") + (state != nullptr ? state : "?");
    }
    if (PQntuples(result.get()) == 0) return "no rows";
    if (PQgetisnull(result.get(), 0, 0) != 0) return "NULL";
    return PQgetvalue(result.get(), 0, 0);
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> handle_;
};

}  // namespace minato::gate::testing
