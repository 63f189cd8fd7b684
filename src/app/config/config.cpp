#include "app/config/config.h"

#include <fstream>
#include <sstream>

namespace minato::app {
namespace fs = std::filesystem;

bool SourceConfig::operator==(const SourceConfig& other) const {
  return name == other.name && url == other.url && password.file == other.password.file &&
         password.env == other.password.env && tables == other.tables && tls == other.tls;
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
  return fail(Code::invalid, to_string(problems));
}

Config load_config_leniently(const fs::path& directory) {
  Config config;
  if (const auto text = read_config(directory)) parse_config(*text, "", config);
  return config;
}

}  // namespace minato::app
