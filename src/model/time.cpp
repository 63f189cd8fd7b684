#include "model/time.h"

#include <ctime>

namespace minato {

std::string rfc3339(SystemTime value) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(value);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(value - whole).count();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(whole);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char tail[8];
  std::snprintf(tail, sizeof tail, ".%03dZ", static_cast<int>(millis));
  return std::string(text, size) + tail;
}

}  // namespace minato
