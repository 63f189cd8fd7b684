// `minato oncall …`: what the command line calls.
#pragma once

#include <cstdint>
#include <string>

#include "app/platform.h"

namespace minato::app {

struct OncallOptions {
  int port = 0;  // serve: instead of that of [oncall] listen
  bool json = false;
  std::string team;
  std::string severity = "critical";
  std::string state;  // incidents
  std::string at;     // who: when
  std::string month;  // cost, attempts
  std::int64_t limit = 50;
  std::string id;       // incidents: one of them, by id or key
  std::string text;     // say
  std::string file;     // say: the WAV; rota: a file to take over
  std::string voice;    // say
  std::string carrier;  // install-flow
  std::string person;   // away, cover
  std::string instead_by;
  std::string from;
  std::string to;
  std::string note;
};

Result<int> oncall_serve(const Platform& platform, const OncallOptions& options);
Result<int> oncall_incidents(const Platform& platform, const OncallOptions& options);
Result<int> oncall_attempts(const Platform& platform, const OncallOptions& options);
Result<int> oncall_rota(const Platform& platform, const OncallOptions& options);
Result<int> oncall_who(const Platform& platform, const OncallOptions& options);
Result<int> oncall_change(const Platform& platform, const OncallOptions& options);
Result<int> oncall_say(const Platform& platform, const OncallOptions& options);
Result<int> oncall_drill(const Platform& platform, const OncallOptions& options);
Result<int> oncall_cost(const Platform& platform, const OncallOptions& options);
Result<int> oncall_install_flow(const Platform& platform, const OncallOptions& options);

}  // namespace minato::app
