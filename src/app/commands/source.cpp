// `minato source`: changes minato.toml, keeping comments; a running serve takes it over by itself.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands/commands.h"
#include "app/config/edit.h"
#include "ingest/source.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

// As written into minato.toml: relative inside the platform, absolute elsewhere, so that it means
// the same file wherever serve is started.
std::string stored_path(const Platform& platform, const std::string& given) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(fs::absolute(given, error), error);
  const fs::path relative = absolute.lexically_relative(platform.dir);
  const bool inside = !relative.empty() && *relative.begin() != "..";
  return inside ? relative.string() : absolute.string();
}

}  // namespace

Result<int> source_add(const Platform& platform, const SourceAddOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  for (const SourceConfig& source : config.sources) {
    if (source.name == options.name) {
      return fail(Code::exists, "There is a source " + options.name +
                                    " already (minato.toml, line " + std::to_string(source.line) +
                                    "). `minato source remove` takes it away.");
    }
  }
  SourceConfig source{.name = options.name, .url = options.url, .tables = options.tables};
  source.tls = options.tls;
  for (std::string* file : {&source.tls.ca_file, &source.tls.cert_file, &source.tls.key_file}) {
    if (!file->empty()) *file = stored_path(platform, *file);
  }
  source.password.env = options.password_env;
  if (!options.password_file.empty()) {
    source.password.file = stored_path(platform, options.password_file);
    TRY(read_secret(source.password, platform.dir, "The source's password"));
  }
  TRY_ASSIGN(const std::string before, read_config(platform.dir));
  const std::string after = add_source(before, source);
  Config changed;
  const auto problems = parse_config(after, platform.config_file().string(), changed);
  if (!problems.empty())
    return fail(Code::invalid, problems.front().text + " " + problems.front().hint);
  TRY(write_file(platform.config_file(), after));
  std::cout << "Added source " << options.name << " to " << platform.config_file().string()
            << ".\n";
  if (lock_holder(platform).command == "serve") {
    std::cout << "The running minato serve takes it over now; see `minato status`.\n";
  }
  return 0;
}

Result<int> source_list(const Platform& platform, bool json) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  nlohmann::json all = nlohmann::json::array();
  for (const SourceConfig& source : config.sources) {
    all.push_back({{"name", source.name},
                   {"url", source.url},
                   {"tables", source.tables},
                   {"tls", source.tls.mode}});
  }
  if (json) {
    std::cout << all.dump(2) << "\n";
    return 0;
  }
  if (config.sources.empty())
    std::cout << "No sources. `minato source add --help` shows how to add one.\n";
  for (const SourceConfig& source : config.sources) {
    std::cout << source.name << "  " << source.url << " ";
    for (const auto& pattern : source.tables) std::cout << " " << pattern;
    std::cout << "\n";
  }
  return 0;
}

Result<int> source_remove(const Platform& platform, const std::string& name) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  TRY_ASSIGN(const std::string before, read_config(platform.dir));
  TRY_ASSIGN(const std::string after, remove_source(before, config, name));
  TRY(write_file(platform.config_file(), after));
  std::cout << "Removed source " << name << ". Its tables stay in the lake.\n";
  return 0;
}

}  // namespace minato::app
