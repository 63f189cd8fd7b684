// What `minato doctor` found.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "app/platform.h"

namespace minato::app {

enum class Verdict { good, warning, bad };

class Diagnosis {
 public:
  struct Item {
    std::string area, what, text, fix;
    Verdict verdict;
  };
  void add(std::string area, std::string what, Verdict verdict, std::string text, std::string fix) {
    items_.push_back({std::move(area), std::move(what), std::move(text), std::move(fix), verdict});
  }
  const std::vector<Item>& items() const { return items_; }
  Verdict worst() const {
    Verdict out = Verdict::good;
    for (const Item& item : items_) out = std::max(out, item.verdict);
    return out;
  }

 private:
  std::vector<Item> items_;
};

/// Connects to the source: settings, privileges, clock, tables.
void check_source(const Platform& platform, const SourceConfig& source, Diagnosis& out);

}  // namespace minato::app
