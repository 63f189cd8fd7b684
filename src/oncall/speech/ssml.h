// Minato's SSML as a tree: a strict parser, a writer, and the length in spoken characters. Whatever
// parses is well-formed XML and uses only the tags, attributes and values of the table in ssml.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace minato::oncall {

struct SsmlNode {
  std::string tag;   // empty: a text
  std::string text;  // of a text, not escaped
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<SsmlNode> children;

  bool operator==(const SsmlNode&) const = default;
};

constexpr std::size_t ssml_bytes_max = 64 * 1024;

/// A document: one <speak>. Error{invalid} names the place ("SSML, character 17: …") and the
/// remedy.
Result<SsmlNode> parse_ssml(std::string_view ssml);
/// The inside of a <speak>, as templates are written; the tree is that of the <speak>.
Result<SsmlNode> parse_ssml_fragment(std::string_view ssml);

/// parse_ssml(write_ssml(x)) == x for every x that came from the parser.
std::string write_ssml(const SsmlNode& node);

/// nullptr when the tag has none of that name.
const std::string* attribute(const SsmlNode& node, std::string_view name);
/// Appends to the text at the end of `nodes` if there is one: two texts never stand side by side.
void append_text(std::vector<SsmlNode>& nodes, std::string_view text);

/// What a voice says, in code points: aliases instead of what they stand for, no tags.
std::size_t spoken_characters(const SsmlNode& node);

}  // namespace minato::oncall
