#include "oncall/carriers/seams.h"

#include <random>
#include <thread>

namespace minato::oncall {

Seams default_seams() {
  Seams seams;
  seams.sleep = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); };
  seams.random = [] {
    thread_local std::minstd_rand engine{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
  return seams;
}

}  // namespace minato::oncall
