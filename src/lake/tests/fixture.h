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

inline Engine open_engine() {
  auto engine = Engine::open(engine_options());
  CHECK(engine.has_value());
  return std::move(*engine);
}

/// A lake of its own for one test.
class PrivateLake {
 public:
  PrivateLake() : engine(open_engine()) {
    options.lake.catalog_conninfo = postgres.conninfo();
    options.lake.data_path = postgres.directory() + "/lake";
    const Status attached = attach_lake(engine, options.lake);
    CHECK(attached.has_value());
    lake = std::move(Lake::open(engine, options).value());
  }
  Session session() { return engine.connect().value(); }

  minato::testing::PrivatePostgres postgres;
  Engine engine;
  WriterOptions options;
  std::unique_ptr<Lake> lake;
};

}  // namespace minato::lake::testing
