// Goal: compaction reads each row a logarithmic number of times, stays within its slice, and leaves
// good files alone. Method: a table that grows by small files for a long time, with every plan
// carried out on the list.
#include "lake/maintenance_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace minato::lake {
namespace {

LiveFile file(std::int64_t id, std::uint64_t bytes, std::uint64_t deleted = 0) {
  LiveFile out;
  out.data_file_id = id;
  out.file_size_bytes = bytes;
  out.record_count = bytes / 50 + 1;
  if (deleted != 0)
    out.deletes = LiveDeletes{.delete_file_id = id, .path = "d", .delete_count = deleted};
  return out;
}

TEST(CompactionPlan, GrowsLogarithmically) {
  MaintenanceOptions options;
  std::vector<LiveFile> files;
  std::uint64_t written = 0;
  std::uint64_t rewritten = 0;
  std::int64_t id = 0;
  for (int commit = 0; commit < 20'000; ++commit) {
    files.push_back(file(++id, 40'000));
    written += 40'000;
    for (;;) {
      const std::vector<LiveFile> plan = plan_compaction(files, options);
      if (plan.empty()) break;
      std::uint64_t bytes = 0;
      for (const LiveFile& member : plan) {
        bytes += member.file_size_bytes;
        std::erase_if(files, [&](const LiveFile& other) {
          return other.data_file_id == member.data_file_id;
        });
      }
      ASSERT_LE(bytes, options.slice_bytes + options.target_file_bytes);
      files.push_back(file(++id, bytes));
      rewritten += bytes;
    }
    ASSERT_LT(files.size(), 80U);
  }
  EXPECT_LT(static_cast<double>(rewritten) / static_cast<double>(written), 8.0);
}

TEST(CompactionPlan, LeavesGoodFilesAlone) {
  MaintenanceOptions options;
  EXPECT_TRUE(plan_compaction({}, options).empty());
  EXPECT_TRUE(plan_compaction({file(1, 300 << 20), file(2, 1000), file(3, 1000)}, options).empty());
}

TEST(CompactionPlan, RewritesWornFiles) {
  MaintenanceOptions options;
  const auto plan = plan_compaction({file(1, 50 << 20), file(2, 50 << 20, 500'000)}, options);
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].data_file_id, 2);
}

}  // namespace
}  // namespace minato::lake
