// Changes of minato.toml by commands: text in, text out, so that comments and order stay as people
// left them.
#pragma once

#include <string>

#include "app/config/config.h"
#include "base/result.h"

namespace minato::app {

/// A TOML basic string with quotes.
std::string toml_text(std::string_view text);

/// The text with a [[source]] added at its end.
std::string add_source(std::string text, const SourceConfig& source);

/// The text without the [[source]] that has this name, and without the comment lines directly above
/// it. Error{not_found} names the sources that exist.
Result<std::string> remove_source(const std::string& text, const Config& config,
                                  const std::string& name);

/// Replaces the file in one step (written beside it, synced, renamed).
Status write_file(const std::filesystem::path& path, std::string_view text, int mode = 0644);

}  // namespace minato::app
