// Reading settings files in TOML: a section knows which keys may be in it. Include in .cpp files
// only: the TOML library is large.
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 asserts of "[!x]" what it then reports as a mistake: a file must not end the program.
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/settings.h"
#include "base/text.h"

namespace minato {

// Reads one TOML table, remembers which keys were asked for, and reports the rest with a
// suggestion.
class Section {
 public:
  Section(const toml::table& table, std::string name, const std::string& file,
          std::vector<Problem>& problems)
      : table_(table), name_(std::move(name)), file_(file), problems_(problems) {}

  const std::string& name() const { return name_; }

  void text(const char* key, std::string& out) {
    if (const auto* node = known(key)) {
      if (const auto* value = node->as_string()) {
        out = value->get();
      } else {
        wrong(*node, key, "must be a text in quotes.");
      }
    }
  }
  void number(const char* key, int& out, int low, int high) {
    const auto* node = known(key);
    if (!node) return;
    const auto* value = node->as_integer();
    if (value && value->get() >= low && value->get() <= high) {
      out = static_cast<int>(value->get());
    } else {
      wrong(*node, key,
            "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high) +
                ".");
    }
  }
  void decimal(const char* key, double& out) {
    if (const auto* node = known(key)) {
      if (const auto value = node->value<double>()) {
        out = *value;
      } else {
        wrong(*node, key, "must be a number.");
      }
    }
  }
  void flag(const char* key, bool& out) {
    if (const auto* node = known(key)) {
      if (const auto* value = node->as_boolean()) {
        out = value->get();
      } else {
        wrong(*node, key, "must be true or false.");
      }
    }
  }
  void one_of(const char* key, std::string& out, const std::vector<std::string>& choices) {
    const auto* node = known(key);
    if (!node) return;
    text(key, out);
    if (std::find(choices.begin(), choices.end(), out) != choices.end()) return;
    std::string all;
    for (const auto& choice : choices) all += (all.empty() ? "\"" : ", \"") + choice + "\"";
    wrong(*node, key, "must be one of " + all + ".");
  }
  void texts(const char* key, std::vector<std::string>& out) {
    const auto* node = known(key);
    if (!node) return;
    const auto* array = node->as_array();
    bool good = array != nullptr;
    if (array) {
      for (const auto& item : *array) {
        good = good && item.is_string();
        if (item.is_string()) out.push_back(item.as_string()->get());
      }
    }
    if (!good) wrong(*node, key, "must be a list of texts, as in [\"shop.%\"].");
  }
  /// KEY_file or KEY_env; KEY itself is refused, because the file is under version control.
  void secret(const std::string& key, SecretRef& out) {
    text((key + "_file").c_str(), out.file);
    text((key + "_env").c_str(), out.env);
    if (const auto* node = known(key.c_str(), false)) {
      wrong(*node, key.c_str(),
            "may not stand in this file. Put it into a file of its own and write " + key +
                "_file = \"…\", or name an environment variable with " + key + "_env = \"…\".");
    }
    if (!out.file.empty() && !out.env.empty()) {
      wrong(*table_.get(key + "_env"), key.c_str(),
            "is given twice: by file and by environment. Keep one.");
    }
  }
  const toml::table* table(const char* key) {
    const auto* node = known(key);
    if (node && !node->as_table())
      wrong(*node, key, "must be a section, as in [" + path(key) + "].");
    return node ? node->as_table() : nullptr;
  }
  /// KEY = [ {…}, … ] or [[KEY]]: each as a table.
  std::vector<const toml::table*> inline_tables(const char* key) {
    std::vector<const toml::table*> out;
    const auto* node = known(key);
    if (!node) return out;
    const auto* array = node->as_array();
    bool good = array != nullptr;
    if (array) {
      for (const auto& item : *array) {
        good = good && item.is_table();
        if (item.is_table()) out.push_back(item.as_table());
      }
    }
    if (!good) wrong(*node, key, "must be a list of { … }.");
    return out;
  }
  const toml::array* tables(const char* key) {
    const auto* node = known(key);
    if (node && !node->is_array_of_tables() && !(node->is_array() && node->as_array()->empty())) {
      wrong(*node, key, "must be written as [[" + path(key) + "]], once for each.");
      return nullptr;
    }
    return node ? node->as_array() : nullptr;
  }
  void problem(int line, std::string text, std::string hint = {}) {
    problems_.push_back({file_, line, std::move(text), std::move(hint)});
  }
  int line(const char* key) const {
    const auto* node = table_.get(key);
    return static_cast<int>(node ? node->source().begin.line : table_.source().begin.line);
  }
  void refuse_unknown() {
    const std::vector<std::string> all(known_.begin(), known_.end());
    for (const auto& [key, node] : table_) {
      const std::string word(key.str());
      if (known_.contains(word) || silent_.contains(word)) continue;
      const auto best = suggest(word, all);
      std::string list;
      for (const auto& name : all) list += (list.empty() ? "" : ", ") + name;
      problem(static_cast<int>(key.source().begin.line),
              "unknown key `" + word + "`" + (name_.empty() ? "" : " in [" + name_ + "]") + ".",
              best ? "Did you mean `" + *best + "`?" : "There are: " + list + ".");
    }
  }

 private:
  const toml::node* known(const char* key, bool listed = true) {
    (listed ? known_ : silent_).insert(key);
    return table_.get(key);
  }
  std::string path(const char* key) const { return name_.empty() ? key : name_ + "." + key; }
  void wrong(const toml::node& node, const char* key, const std::string& what) {
    problem(static_cast<int>(node.source().begin.line), "`" + path(key) + "` " + what);
  }

  const toml::table& table_;
  std::string name_;
  const std::string& file_;
  std::vector<Problem>& problems_;
  std::set<std::string> known_;
  std::set<std::string> silent_;
};

}  // namespace minato
