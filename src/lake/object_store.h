// The lake's files in an object store (S3): the keys as a secret of the engine, the store's errors
// as sentences that say what to do, and a try of everything that the lake does with a bucket.
#pragma once

#include <string>
#include <string_view>

#include "lake/engine.h"

namespace minato::lake {

/// CREATE SECRET for all paths below `scope`. Holds the keys: never to be logged.
std::string s3_secret(const S3Options& s3, const std::string& scope);

/// What an error of the engine means when it is one of the object store; else empty.
std::string_view object_store_problem(std::string_view engine_text);

/// Writes, reads, lists and removes an object below `lake.data_path` with `lake.s3`; `reader`,
/// where given, must be able to read it. Error{unavailable}: which of these failed, and what to do.
Status try_object_store(const LakeOptions& lake, const std::optional<S3Options>& reader,
                        const std::string& extension_dir);

/// How many of `paths` (absolute, on disk or in the object store) do not exist.
Result<std::size_t> count_missing(const LakeOptions& lake, const std::vector<std::string>& paths,
                                  const std::string& extension_dir);

}  // namespace minato::lake
