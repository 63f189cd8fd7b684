#include "lake/maintenance_plan.h"

#include <algorithm>
#include <bit>
#include <map>

namespace minato::lake {
namespace {

/// 0: up to 64 KiB, then one more per factor of four.
int size_class(std::uint64_t bytes) {
  return (static_cast<int>(std::bit_width(bytes >> 16)) + 1) / 2;
}

}  // namespace

bool worn(const LiveFile& file, double share_max) {
  if (!file.deletes) return false;
  return static_cast<double>(file.deletes->delete_count) >
         share_max * static_cast<double>(file.record_count);
}

std::vector<LiveFile> plan_compaction(const std::vector<LiveFile>& files,
                                      const MaintenanceOptions& options) {
  std::vector<LiveFile> chosen;
  std::uint64_t bytes = 0;
  const auto take = [&](const LiveFile& file) {
    if (!chosen.empty() && bytes + file.file_size_bytes > options.slice_bytes) return;
    chosen.push_back(file);
    bytes += file.file_size_bytes;
  };
  std::map<int, std::vector<const LiveFile*>> classes;
  for (const LiveFile& file : files) {
    // A worn small file is cheaper merged with its like; a worn large one is rewritten by itself.
    const int grade = size_class(file.file_size_bytes);
    if (grade > 2 && worn(file, options.deleted_share_max)) take(file);
    if (file.file_size_bytes < options.target_file_bytes) classes[grade].push_back(&file);
  }
  if (!chosen.empty()) return chosen;
  for (const auto& [grade, members] : classes) {
    if (members.size() < options.small_files_min) continue;
    for (const LiveFile* file : members) take(*file);
    if (chosen.size() >= 2) return chosen;
    chosen.clear();
    bytes = 0;
  }
  for (const LiveFile& file : files) {
    if (worn(file, options.deleted_share_max) && file.deletes->delete_count > 100) take(file);
  }
  return chosen;
}

}  // namespace minato::lake
