#include "oncall/speech/templates.h"

#include "base/text.h"
#include "oncall/speech/ssml.h"
#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {

std::string list(std::span<const std::string> places) {
  std::string all;
  for (const std::string& place : places) all += (all.empty() ? "{" : ", {") + place + "}";
  return all.empty() ? "none" : all;
}

Status check_places(std::string_view text, std::span<const std::string> places) {
  for (std::size_t at = text.find('{'); at != text.npos; at = text.find('{', at + 1)) {
    const std::size_t end = text.find('}', at);
    const std::string name(text.substr(at + 1, end == text.npos ? end : end - at - 1));
    bool known = false;
    for (const std::string& place : places) known = known || place == name;
    if (known && end != text.npos) continue;
    if (end == text.npos || name.size() > 40) {
      return fail(Code::invalid, "{ begins a place that } does not end.");
    }
    return fail(Code::invalid, "there is no place {" + name + "}." + did_you_mean(name, places) +
                                   " There are: " + list(places) + ".");
  }
  return {};
}

Status check_node(const SsmlNode& node, std::span<const std::string> places) {
  if (node.tag.empty()) return check_places(node.text, places);
  for (const auto& [name, value] : node.attributes) {
    if (value.find('{') != value.npos) {
      return fail(Code::invalid, "a place may not stand in an attribute, as in " + name + "=\"" +
                                     value + "\". Write it between tags.");
    }
  }
  const bool words_only = node.tag == "sub" || node.tag == "say-as" || node.tag == "phoneme";
  for (const SsmlNode& child : node.children) {
    if (words_only && child.text.find('{') != std::string::npos) {
      return fail(Code::invalid, "a place may not stand in <" + node.tag +
                                     ">, which holds no tags. Write it outside.");
    }
    TRY(check_node(child, places));
  }
  return {};
}

}  // namespace

Status check_template(std::string_view text, std::span<const std::string> places) {
  if (count_code_points(text) > template_characters_max) {
    return fail(Code::invalid, "longer than " + std::to_string(template_characters_max) +
                                   " characters. Nobody listens that long: shorten it.");
  }
  TRY_ASSIGN(const SsmlNode root, parse_ssml_fragment(text));
  return check_node(root, places);
}

std::size_t uses(std::string_view text, std::string_view place) {
  const std::string wanted = "{" + std::string(place) + "}";
  std::size_t count = 0;
  for (std::size_t at = text.find(wanted); at != text.npos; at = text.find(wanted, at + 1)) ++count;
  return count;
}

std::string filled(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '{' ? text.find('}', at) : text.npos;
    if (end != text.npos) {
      const auto value = values.find(std::string(text.substr(at + 1, end - at - 1)));
      if (value != values.end()) {
        out += value->second;
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

}  // namespace minato::oncall
