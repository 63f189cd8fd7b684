#include "marts/graph.h"

#include <algorithm>
#include <deque>

#include "base/check.h"

namespace minato::marts {

std::string folded(const TableName& name) {
  std::string out = name.schema + '\0' + name.name;
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

Graph::Graph(std::vector<GraphMart> marts) {
  for (GraphMart& mart : marts) {
    const int place = static_cast<int>(nodes_.size());
    if (!index_.emplace(folded(mart.name), place).second) continue;
    nodes_.push_back(
        {std::move(mart.name), std::move(mart.file), std::move(mart.reads), {}, {}, -1});
  }
  link();
  // Tarjan's components come out upstream first, as edges lead from a mart to what it reads.
  const std::vector<std::vector<int>> found = components();
  std::vector<Node> ordered;
  ordered.reserve(nodes_.size());
  std::vector<std::string> explained;
  for (const std::vector<int>& component : found) {
    const int first = component.front();
    const bool itself = std::ranges::count(nodes_[first].upstream, first) > 0;
    const bool cyclic = component.size() > 1 || itself;
    if (cyclic) explained.push_back(explain(component));
    for (const int place : component) {
      nodes_[place].cycle = cyclic ? static_cast<int>(explained.size()) - 1 : -1;
      ordered.push_back(std::move(nodes_[place]));
    }
  }
  nodes_ = std::move(ordered);
  cycles_ = std::move(explained);
  index_.clear();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    index_.emplace(folded(nodes_[i].name), static_cast<int>(i));
    nodes_[i].upstream.clear();
    nodes_[i].downstream.clear();
  }
  link();
}

int Graph::find(const TableName& name) const {
  const auto found = index_.find(folded(name));
  return found == index_.end() ? -1 : found->second;
}

void Graph::link() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (const TableName& read : nodes_[i].reads) {
      const int up = find(read);
      if (up < 0 || std::ranges::count(nodes_[i].upstream, up) > 0) continue;
      nodes_[i].upstream.push_back(up);
      nodes_[up].downstream.push_back(static_cast<int>(i));
    }
  }
}

// Strongly connected components by Tarjan, without recursion: a chain of thousands of marts is no
// reason to fall off the stack.
std::vector<std::vector<int>> Graph::components() const {
  const int count = static_cast<int>(nodes_.size());
  std::vector<int> number(nodes_.size(), -1), low(nodes_.size(), 0);
  std::vector<char> open(nodes_.size(), 0);
  std::vector<int> stack;
  std::vector<std::vector<int>> out;
  struct Frame {
    int node;
    std::size_t edge;
  };
  std::vector<Frame> frames;
  int next = 0;
  for (int root = 0; root < count; ++root) {
    if (number[root] >= 0) continue;
    frames.push_back({root, 0});
    while (!frames.empty()) {
      const int node = frames.back().node;
      if (frames.back().edge == 0 && number[node] < 0) {
        number[node] = low[node] = next++;
        stack.push_back(node);
        open[node] = 1;
      }
      if (frames.back().edge < nodes_[node].upstream.size()) {
        const int up = nodes_[node].upstream[frames.back().edge++];
        if (number[up] < 0) {
          frames.push_back({up, 0});
        } else if (open[up] != 0) {
          low[node] = std::min(low[node], number[up]);
        }
        continue;
      }
      if (low[node] == number[node]) {
        std::vector<int>& component = out.emplace_back();
        int popped = -1;
        do {
          popped = stack.back();
          stack.pop_back();
          open[popped] = 0;
          component.push_back(popped);
        } while (popped != node);
      }
      frames.pop_back();
      if (!frames.empty()) low[frames.back().node] = std::min(low[frames.back().node], low[node]);
    }
  }
  return out;
}

// The shortest way from the first mart (by name) back to itself: short explanations are understood.
std::string Graph::explain(const std::vector<int>& component) const {
  const int start = *std::ranges::min_element(
      component, {}, [this](int place) -> const TableName& { return nodes_[place].name; });
  std::unordered_map<int, int> from;  // mart → the mart that reads it
  std::deque<int> queue = {start};
  int last = -1;
  while (last < 0) {
    CHECK(!queue.empty());  // a component has a way back
    const int node = queue.front();
    queue.pop_front();
    for (const int up : nodes_[node].upstream) {
      if (up == start) {
        last = node;
        break;
      }
      if (std::ranges::count(component, up) == 0 || !from.emplace(up, node).second) continue;
      queue.push_back(up);
    }
  }
  std::vector<int> path = {last};
  while (path.back() != start) path.push_back(from.at(path.back()));
  std::ranges::reverse(path);
  std::string chain, files;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Node& node = nodes_[path[i]];
    const Node& read = nodes_[path[(i + 1) % path.size()]];
    chain += display(node.name) + " → ";
    files += (i == 0 ? "" : ", ") + node.file + " reads " + display(read.name);
  }
  return chain + display(nodes_[start].name) + ": " + files;
}

std::string cycle_sentence(const Graph& graph, const Graph::Node& node) {
  CHECK(node.cycle >= 0);
  return "Marts read each other in a circle: " +
         graph.cycles()[static_cast<std::size_t>(node.cycle)] + ".";
}

}  // namespace minato::marts
