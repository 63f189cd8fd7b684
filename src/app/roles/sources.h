// A source of minato.toml as capture wants it, with its password read.
#pragma once

#include "app/platform.h"
#include "ingest/source.h"

namespace minato::app {
/// Error{invalid|not_found}: the URL, or the password's file or variable.
Result<ingest::SourceOptions> source_options(const Platform& platform, const SourceConfig& source);
}  // namespace minato::app
