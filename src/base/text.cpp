#include "base/text.h"

#include <algorithm>
#include <vector>

namespace minato {
namespace {

/// Names longer than this are compared by their beginning only.
constexpr std::size_t compared_letters_max = 128;

std::vector<std::string> letters(std::string_view text) {
  std::vector<std::string> out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80 && !out.empty()) {
      out.back() += c;
      continue;
    }
    if (out.size() == compared_letters_max) break;
    out.emplace_back(1, c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return out;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto left = letters(a);
  const auto right = letters(b);
  // Three rows of the table of optimal string alignment: a swap looks two rows back.
  std::vector<std::size_t> before(right.size() + 1);
  std::vector<std::size_t> above(right.size() + 1);
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[right.size()];
}

std::optional<std::string> suggest(std::string_view name, std::span<const std::string> candidates) {
  const std::size_t near = std::max<std::size_t>(1, letters(name).size() / 3);
  std::optional<std::string> best;
  std::size_t best_distance = near + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  const auto nearest = suggest(name, candidates);
  return nearest ? " Did you mean " + *nearest + "?" : std::string();
}

}  // namespace minato
