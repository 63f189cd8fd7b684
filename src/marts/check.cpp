#include "marts/check.h"

#include <algorithm>
#include <unordered_set>

#include "lake/engine.h"
#include "marts/graph.h"
#include "marts/lineage.h"

namespace minato::marts {
namespace {

struct Parsed {
  Definition definition;
  std::vector<Read> reads;
};

void check_tables(const CheckOptions& options, const std::vector<Parsed>& marts,
                  std::vector<Finding>& findings) {
  if (!options.tables) return;
  std::vector<TableName> known = *options.tables;
  for (const Parsed& mart : marts) known.push_back(mart.definition.name);
  std::unordered_set<std::string> names;
  for (const TableName& name : known) names.insert(folded(name));
  for (const Parsed& mart : marts) {
    for (const Read& read : mart.reads) {
      if (names.contains(folded(read.table))) continue;
      const bool to_come = std::ranges::any_of(options.patterns, [&](const std::string& pattern) {
        return matches_pattern(pattern, read.table);
      });
      if (!to_come) findings.push_back(unknown_table(mart.definition, read, known));
    }
  }
}

void check_names(const std::vector<Parsed>& marts, std::vector<Finding>& findings) {
  std::unordered_map<std::string, const Definition*> first;
  for (const Parsed& mart : marts) {
    const auto [found, added] = first.emplace(folded(mart.definition.name), &mart.definition);
    if (added) continue;
    findings.push_back(
        {mart.definition.file, 0,
         "The name differs from " + found->second->file + " in upper and lower case only.",
         "Rename one of them."});
  }
}

void check_cycles(const std::vector<Parsed>& marts, std::vector<Finding>& findings) {
  std::vector<GraphMart> nodes;
  for (const Parsed& mart : marts) {
    GraphMart& node = nodes.emplace_back();
    node.name = mart.definition.name;
    node.file = mart.definition.file;
    for (const Read& read : mart.reads) node.reads.push_back(read.table);
  }
  const Graph graph(std::move(nodes));
  std::vector<char> told(graph.cycles().size(), 0);
  for (const Graph::Node& node : graph.nodes()) {
    if (node.cycle < 0 || told[static_cast<std::size_t>(node.cycle)] != 0) continue;
    told[static_cast<std::size_t>(node.cycle)] = 1;
    findings.push_back({node.file, 0, cycle_sentence(graph, node), cycle_advice});
  }
}

}  // namespace

Result<std::vector<Finding>> check(const CheckOptions& options, const lake::Engine& engine) {
  Folder folder(options.platform);
  TRY_ASSIGN(Folder::Changes files, folder.poll());
  std::vector<Finding> findings = std::move(files.stray);
  for (auto& [name, finding] : files.broken) findings.push_back(std::move(finding));
  const Lineage lineage = engine_lineage(engine);
  std::vector<Parsed> marts;
  for (Definition& definition : files.changed) {
    Result<std::vector<Read>> reads = lineage(definition);
    if (!reads) {
      findings.push_back(finding_of(definition, reads.error()));
    } else {
      marts.push_back({std::move(definition), std::move(*reads)});
    }
  }
  check_names(marts, findings);
  check_tables(options, marts, findings);
  check_cycles(marts, findings);
  std::ranges::stable_sort(findings, {},
                           [](const Finding& f) { return std::pair(f.file, f.line); });
  return findings;
}

}  // namespace minato::marts
