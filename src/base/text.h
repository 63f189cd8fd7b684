// Small helpers on text: nearest name and edit distance for messages, small letters.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace minato {

/// ASCII letters made small; all other bytes as they are.
std::string lower(std::string_view text);

/// Letters to insert, drop, replace or swap (neighbours) to turn one text into the other. Counts
/// code points of UTF-8, ignoring the case of ASCII letters; quadratic, for names.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `name` when it is near enough to be a slip of the hand (a third of its
/// letters, at least one); nullopt otherwise. Ties: the first candidate.
std::optional<std::string> suggest(std::string_view name, std::span<const std::string> candidates);

/// " Did you mean X?" or "", to append to a message.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

}  // namespace minato
