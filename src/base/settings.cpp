#include "base/settings.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace minato {
namespace fs = std::filesystem;

std::string to_string(const Problem& problem) {
  std::string out = problem.file;
  if (problem.line > 0) out += ":" + std::to_string(problem.line);
  out += ": " + problem.text;
  if (!problem.hint.empty()) out += " " + problem.hint;
  return out;
}

std::string to_string(const std::vector<Problem>& problems) {
  std::string all;
  for (const Problem& problem : problems) all += (all.empty() ? "" : "\n") + to_string(problem);
  return all;
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

}  // namespace minato
