// Files as a whole.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace minato {

/// The beginning of a file, at most so many bytes; empty when it cannot be read.
std::string read_file(const std::filesystem::path& path, std::size_t bytes_max = 64 << 20);

/// Replaces the file in one step (written beside it, synced, renamed); one that is there keeps its
/// permissions.
Status write_file(const std::filesystem::path& path, std::string_view text, int mode = 0644);

}  // namespace minato
