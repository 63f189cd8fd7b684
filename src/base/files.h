// Files as a whole.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace minato {

/// Replaces the file in one step (written beside it, synced, renamed); one that is there keeps its
/// permissions.
Status write_file(const std::filesystem::path& path, std::string_view text, int mode = 0644);

}  // namespace minato
