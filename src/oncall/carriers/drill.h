// The drill: a carrier that calls nobody and writes down whom it would have called. For trying a
// rota out, and for tests.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

#include "oncall/carrier.h"

namespace minato::oncall {

struct DrillOptions {
  std::filesystem::path log;  // one JSON object a line, synced before place() returns
  std::string press;          // keys that "the person" presses a second after answering;
                              // empty: nobody answers
};

std::shared_ptr<Carrier> make_drill(DrillOptions options);

}  // namespace minato::oncall
