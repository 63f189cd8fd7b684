// The variant of the shipped program: does nothing.
#include "base/failpoint.h"

namespace minato {
Status failpoint(std::string_view) { return {}; }
}  // namespace minato
