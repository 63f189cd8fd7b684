// Which files of a table a compaction takes next: pure, so that it is tested without a lake.
#pragma once

#include <optional>
#include <vector>

#include "lake/maintenance.h"

namespace minato::lake {

/// So many of its rows are deleted that it is worth being written anew.
bool worn(const LiveFile& file, double share_max);

/// The files to merge into one (or a few) now, oldest first; empty: nothing is worth it. First
/// files with more than `deleted_share_max` deleted rows, then `small_files_min` or more files of
/// one size class (each class is four times the one below), smallest class first, so that a row is
/// rewritten a logarithmic number of times. Never more than about `slice_bytes`, never a file of at
/// least `target_file_bytes` without deletes.
std::vector<LiveFile> plan_compaction(const std::vector<LiveFile>& files,
                                      const MaintenanceOptions& options);

}  // namespace minato::lake
