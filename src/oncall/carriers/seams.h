// What the carriers ask of the outside, so that tests can answer it: requests, time, chance.
#pragma once

#include <chrono>
#include <functional>

#include "runtime/http_client.h"

namespace minato::oncall {

struct Seams {
  using Steady = std::chrono::steady_clock::time_point;

  std::function<Result<runtime::HttpResponse>(const runtime::HttpRequest&)> http = runtime::http;
  std::function<Steady()> now = [] { return std::chrono::steady_clock::now(); };
  std::function<std::chrono::sys_seconds()> clock = [] {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  };
  std::function<void(std::chrono::milliseconds)> sleep;  // this_thread's, see default_seams()
  std::function<double()> random;                        // from 0, below 1
};

/// The real ones.
Seams default_seams();

}  // namespace minato::oncall
