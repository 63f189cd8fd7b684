// Templates: SSML with places for texts, "{title}". Used where they are loaded and where they are
// filled.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace minato::oncall {

constexpr std::size_t template_characters_max = 1000;  // as written, with tags

/// Good SSML, no other places than those named, and each of them where tags may stand (the texts
/// bring some along). Error{invalid} says what is wrong and where.
Status check_template(std::string_view text, std::span<const std::string> places);

/// How often "{place}" stands in a template.
std::size_t uses(std::string_view text, std::string_view place);

/// Puts the values in, once: what a value holds is never taken for a place.
std::string filled(std::string_view text, const std::map<std::string, std::string>& values);

}  // namespace minato::oncall
