// Named places where tests make the program die or fail. The program `minato` links the variant
// that does nothing; `minato-failpoints` and the unit tests link the one that reads the
// environment:
//   MINATO_FAILPOINTS="lake.before_commit=kill@3,lake.file_write=error" (kill at the third hit;
//   error at each)
//   MINATO_FAILPOINTS_FILE=PATH: the same text in a file, read again whenever it is replaced, so
//   that a test can aim at one place after the other while the program runs. `wait` there stops
//   whoever comes to the place until the file says something else.
#pragma once

#include <string_view>

#include "base/result.h"

namespace minato {
/// Returns at once in the shipped program. In test builds it may not return (kill) or return an
/// error of code `unavailable` (error).
Status failpoint(std::string_view name);
/// Test builds only (absent from the shipped program): takes the place of MINATO_FAILPOINTS.
void set_failpoints(std::string_view text);
}  // namespace minato
