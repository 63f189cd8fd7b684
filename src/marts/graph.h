// Who reads whom: marts in dependency order, and the cycles that make an order impossible,
// explained. Pure; a few milliseconds for thousands of marts. Names are compared as the engine
// does: ASCII case is ignored.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "model/names.h"

namespace minato::marts {

/// The form in which two names are the same table.
std::string folded(const TableName& name);

struct GraphMart {
  TableName name;
  std::string file;
  std::vector<TableName> reads;
};

class Graph {
 public:
  struct Node {
    TableName name;
    std::string file;
    std::vector<TableName> reads;
    std::vector<int> upstream;  // marts that it reads: positions in nodes(), all before its own
                                // unless in a cycle
    std::vector<int> downstream;
    int cycle = -1;  // index into cycles()
  };

  Graph() = default;
  /// Two marts of one name: the first counts.
  explicit Graph(std::vector<GraphMart> marts);

  /// Upstream first; marts of a cycle stand together.
  const std::vector<Node>& nodes() const { return nodes_; }
  /// Position of a mart, or -1.
  int find(const TableName& name) const;
  /// One explanation per cycle: "sales.a → sales.b → sales.a: marts/sales/a.sql reads sales.b, …".
  const std::vector<std::string>& cycles() const { return cycles_; }

 private:
  void link();
  std::vector<std::vector<int>> components() const;
  std::string explain(const std::vector<int>& component) const;

  std::vector<Node> nodes_;
  std::vector<std::string> cycles_;
  std::unordered_map<std::string, int> index_;
};

/// "Marts read each other in a circle: sales.a → …", for a node of a cycle; and what to do.
std::string cycle_sentence(const Graph& graph, const Graph::Node& node);
inline constexpr const char* cycle_advice =
    "Take one of these reads out, or move what both need into a mart of its own.";

}  // namespace minato::marts
