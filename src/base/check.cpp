#include "base/check.h"

#include <cstdlib>

#include "base/log.h"

namespace minato {
void check_failed(std::string_view expression, std::string_view file, int line) {
  log::error("assertion failed", {{"expression", expression}, {"file", file}, {"line", line}});
  std::abort();
}
}  // namespace minato
