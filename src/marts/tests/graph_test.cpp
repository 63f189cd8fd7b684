// The graph of marts against a naive oracle on random graphs, and cycles as people see them.
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>

#include "marts/graph.h"

namespace minato::marts {
namespace {

TableName mart(int number) { return {"m", "m" + std::to_string(number)}; }

/// reach[a][b]: a reads b, directly or not (Warshall).
std::vector<std::vector<char>> closure(const std::vector<std::set<int>>& reads) {
  const std::size_t n = reads.size();
  std::vector<std::vector<char>> reach(n, std::vector<char>(n, 0));
  for (std::size_t a = 0; a < n; ++a) {
    for (const int b : reads[a]) reach[a][static_cast<std::size_t>(b)] = 1;
  }
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = 0; reach[a][k] != 0 && b < n; ++b) reach[a][b] |= reach[k][b];
    }
  }
  return reach;
}

TEST(Graph, OrderAndCyclesAgreeWithTheOracle) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const int count = 1 + static_cast<int>(random() % 14);
    std::vector<std::set<int>> reads(static_cast<std::size_t>(count));
    const unsigned edges = random() % static_cast<unsigned>(2 * count + 1);
    for (unsigned e = 0; e < edges; ++e) {
      const int a = static_cast<int>(random() % static_cast<unsigned>(count));
      const int b = static_cast<int>(random() % static_cast<unsigned>(count));
      // Half of the graphs are acyclic by construction.
      if (seed % 2 == 0 && a <= b) continue;
      reads[static_cast<std::size_t>(a)].insert(b);
    }
    std::vector<GraphMart> marts;
    for (int a = 0; a < count; ++a) {
      GraphMart node{mart(a), "marts/m/m" + std::to_string(a) + ".sql", {{"shop", "orders"}}};
      for (const int b : reads[static_cast<std::size_t>(a)]) node.reads.push_back(mart(b));
      marts.push_back(std::move(node));
    }
    std::shuffle(marts.begin(), marts.end(), random);
    const Graph graph(marts);
    const auto reach = closure(reads);
    ASSERT_EQ(graph.nodes().size(), static_cast<std::size_t>(count));
    std::set<int> distinct_cycles;
    for (std::size_t a = 0; a < reads.size(); ++a) {
      const int place = graph.find(mart(static_cast<int>(a)));
      const Graph::Node& node = graph.nodes()[static_cast<std::size_t>(place)];
      EXPECT_EQ(node.name, mart(static_cast<int>(a)));
      EXPECT_EQ(node.cycle >= 0, reach[a][a] != 0);
      if (node.cycle >= 0) distinct_cycles.insert(node.cycle);
      EXPECT_EQ(node.upstream.size(), reads[a].size());
      for (const int b : reads[a]) {
        const int up = graph.find(mart(b));
        EXPECT_EQ(std::count(node.upstream.begin(), node.upstream.end(), up), 1);
        if (reach[static_cast<std::size_t>(b)][a] == 0) {
          EXPECT_LT(up, place);
        } else {
          EXPECT_EQ(graph.nodes()[static_cast<std::size_t>(up)].cycle, node.cycle);
        }
      }
    }
    EXPECT_EQ(distinct_cycles.size(), graph.cycles().size());
  }
}

TEST(Graph, ACycleIsExplainedByItsFiles) {
  const Graph graph({{{"s", "a"}, "marts/s/a.sql", {{"s", "b"}}},
                     {{"s", "b"}, "marts/s/b.sql", {{"S", "C"}, {"shop", "orders"}}},
                     {{"s", "c"}, "marts/s/c.sql", {{"s", "a"}}},
                     {{"s", "d"}, "marts/s/d.sql", {{"s", "c"}}}});
  ASSERT_EQ(graph.cycles().size(), 1U);
  EXPECT_EQ(graph.cycles()[0],
            "s.a → s.b → s.c → s.a: marts/s/a.sql reads s.b, marts/s/b.sql reads s.c, "
            "marts/s/c.sql reads s.a");
  EXPECT_EQ(graph.nodes()[static_cast<std::size_t>(graph.find({"s", "d"}))].cycle, -1);
  const Graph alone({{{"s", "x"}, "marts/s/x.sql", {{"s", "x"}}}});
  EXPECT_EQ(alone.cycles().at(0), "s.x → s.x: marts/s/x.sql reads s.x");
}

TEST(Graph, ThousandsOfMartsTakeMilliseconds) {
  std::vector<GraphMart> marts;
  std::mt19937 random(1);
  for (int a = 0; a < 10'000; ++a) {
    GraphMart node{mart(a), "f", {}};
    if (a > 0) node.reads.push_back(mart(a - 1));  // one chain through all of them
    for (int k = 0; a > 0 && k < 3; ++k) {
      node.reads.push_back(mart(static_cast<int>(random() % static_cast<unsigned>(a))));
    }
    marts.push_back(std::move(node));
  }
  const auto begin = std::chrono::steady_clock::now();
  const Graph graph(marts);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_TRUE(graph.cycles().empty());
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    EXPECT_EQ(graph.nodes()[i].name, mart(static_cast<int>(i)));
  }
  // Generous, for sanitizers and busy machines: quadratic work would take seconds.
  EXPECT_LT(std::chrono::duration<double>(took).count(), 1.0);
}

}  // namespace
}  // namespace minato::marts
