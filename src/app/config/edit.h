// Changes of minato.toml by commands: text in, text out, so that comments and order stay as people
// left them.
#pragma once

#include <string>

#include "app/config/config.h"
#include "base/files.h"
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

}  // namespace minato::app
