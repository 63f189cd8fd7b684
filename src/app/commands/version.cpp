// `minato version`.
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands/commands.h"

namespace minato::app {

Result<int> version(bool json) {
  if (json) {
    std::cout << nlohmann::json{{"version", MINATO_VERSION},
                                {"duckdb", "1.5.5"},
                                {"ducklake", "1.0"}}
                     .dump()
              << "\n";
  } else {
    std::cout << "minato " MINATO_VERSION " (DuckDB 1.5.5, DuckLake 1.0)\n";
  }
  return 0;
}

}  // namespace minato::app
