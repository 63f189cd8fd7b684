// [oncall] of minato.toml. For parse.cpp only.
#pragma once

#include <string>
#include <vector>

#include "base/toml_section.h"
#include "oncall/settings.h"

namespace minato::app {
void read_oncall(Section& section, const std::string& file, std::vector<Problem>& problems,
                 oncall::Settings& out);
}  // namespace minato::app
