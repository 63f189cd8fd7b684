#include "app/config/config.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

namespace minato::app {
namespace fs = std::filesystem;

bool SourceConfig::operator==(const SourceConfig& other) const {
  return name == other.name && url == other.url && password.file == other.password.file &&
         password.env == other.password.env && tables == other.tables;
}

std::string to_string(const Problem& problem) {
  std::string out = problem.file;
  if (problem.line > 0) out += ":" + std::to_string(problem.line);
  out += ": " + problem.text;
  if (!problem.hint.empty()) out += " " + problem.hint;
  return out;
}

Result<std::string> read_config(const fs::path& directory) {
  const fs::path path = directory / "minato.toml";
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return fail(Code::not_found, "There is no readable " + path.string() +
                                     ". Make a platform with `minato init " + directory.string() +
                                     "`, or name its directory with -C.");
  }
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Result<Config> load_config(const fs::path& directory) {
  TRY_ASSIGN(const std::string text, read_config(directory));
  return config_of(text, (directory / "minato.toml").string());
}

Result<Config> config_of(std::string_view text, const std::string& file) {
  Config config;
  const auto problems = parse_config(text, file, config);
  if (problems.empty()) return config;
  std::string all;
  for (const Problem& problem : problems) all += (all.empty() ? "" : "\n") + to_string(problem);
  return fail(Code::invalid, all);
}

Config load_config_leniently(const fs::path& directory) {
  Config config;
  if (const auto text = read_config(directory)) parse_config(*text, "", config);
  return config;
}

Result<std::string> read_secret(const SecretRef& ref, const fs::path& directory,
                                std::string_view what) {
  if (!ref.env.empty()) {
    const char* value = std::getenv(ref.env.c_str());
    if (value) return std::string(value);
    return fail(Code::not_found,
                std::string(what) + ": the environment variable " + ref.env + " is not set.");
  }
  if (ref.file.empty()) return std::string();
  const fs::path path =
      fs::path(ref.file).is_absolute() ? fs::path(ref.file) : directory / ref.file;
  std::ifstream in(path, std::ios::binary);
  if (!in || fs::is_directory(path)) {
    return fail(Code::not_found,
                std::string(what) + ": the file " + path.string() + " cannot be read.");
  }
  std::stringstream text;
  text << in.rdbuf();
  std::string secret = text.str();
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty())
    return fail(Code::invalid, std::string(what) + ": the file " + path.string() + " is empty.");
  return secret;
}

namespace {
// Letters inserted, left out, changed or swapped with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}
}  // namespace

std::string closest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t d = distance(word, candidate);
    if (d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace minato::app
