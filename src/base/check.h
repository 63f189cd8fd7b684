// CHECK: assertions that stay on in release. A failed one ends the role; the supervisor starts it
// again, and what was not committed is read again from the source.
#pragma once

#include <string_view>

namespace minato {
[[noreturn]] void check_failed(std::string_view expression, std::string_view file, int line);
}

#define CHECK(expression)                                      \
  do {                                                         \
    if (!(expression)) [[unlikely]]                            \
      ::minato::check_failed(#expression, __FILE__, __LINE__); \
  } while (false)
