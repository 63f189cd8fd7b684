#include "gate/gate.h"

namespace minato::gate {

Status run(const GateOptions&, std::stop_token) {
  return fail(Code::unsupported, "the gate is not built yet");
}

}  // namespace minato::gate
