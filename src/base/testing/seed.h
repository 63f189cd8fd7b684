// Tests only: the seed of a random test. It is printed, and MINATO_SEED repeats a run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace minato {

inline std::uint32_t test_seed() {
  const char* given = std::getenv("MINATO_SEED");
  const std::uint32_t seed = given != nullptr
                                 ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10))
                                 : std::random_device{}();
  std::printf("MINATO_SEED=%u\n", seed);
  return seed;
}

}  // namespace minato
