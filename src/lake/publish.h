// A table that was filled under another name takes its place at once, in the snapshot of a commit.
#pragma once

#include "lake/writer.h"

namespace minato::lake {

/// For CommitRequest::with: in the snapshot being committed, `built` gets the name `to` (of the
/// same schema), and the table that has it ends together with its files. Readers see the old table
/// with the old rows or the new one with the new rows.
Status publish_table(pg::Connection& connection, std::int64_t snapshot, const LakeTable& built,
                     const TableName& to);

}  // namespace minato::lake
