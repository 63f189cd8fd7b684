// An engine, a private PostgreSQL and a lake directory for the tests of this room and of those
// above it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "lake/engine.h"
#include "lake/writer.h"
#include "runtime/testing/private_postgres.h"

namespace minato::lake::testing {

inline EngineOptions engine_options() {
  EngineOptions options;
  options.threads = 2;
  options.memory_limit_mb = 1024;
  return options;
}

inline Engine open_engine(const EngineOptions& options = engine_options()) {
  auto engine = Engine::open(options);
  CHECK(engine.has_value());
  return std::move(*engine);
}

/// Without extensions: no lake.
inline Engine open_plain_engine() {
  EngineOptions options = engine_options();
  options.extensions.clear();
  return open_engine(options);
}

/// One cluster for all tests of the program: starting one takes seconds.
inline minato::testing::PrivatePostgres& shared_postgres() {
  static minato::testing::PrivatePostgres instance;
  return instance;
}

/// A lake of its own for one test: a database and a directory.
class PrivateLake {
 public:
  PrivateLake() : engine(open_engine()) {
    static int number = 0;
    database_ = "lake" + std::to_string(++number);
    CHECK(postgres.connect().script("create database " + database_).has_value());
    options.lake.catalog_conninfo = postgres.conninfo(database_);
    options.lake.data_path = postgres.directory() + "/" + database_;
    const Status attached = attach_lake(engine, options.lake);
    CHECK(attached.has_value());
    lake = std::move(Lake::open(engine, options).value());
  }
  Session session() const { return engine.connect().value(); }
  pg::Connection connect() const {
    return pg::Connection::open(options.lake.catalog_conninfo).value();
  }

  minato::testing::PrivatePostgres& postgres = shared_postgres();
  Engine engine;
  WriterOptions options;
  std::unique_ptr<Lake> lake;

 private:
  std::string database_;
};

}  // namespace minato::lake::testing
