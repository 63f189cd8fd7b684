// `minato doctor`: what would hinder capture and serving, each with its fix.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/catalogue.h"
#include "app/cli.h"
#include "app/commands/commands.h"
#include "app/commands/diagnosis.h"
#include "app/roles/engine.h"
#include "app/supervisor/ports.h"
#include "lake/object_store.h"

namespace minato::app {
namespace {

std::string one_line(const Status& failed) {
  std::string text = failed.error().detail;
  return text.substr(0, text.find('\n'));
}

constexpr double kGigabyte = 1024.0 * 1024 * 1024;

void check_program(const Config& config, Diagnosis& out) {
  const auto extensions = extension_directory();
  Status good = extensions ? Status() : fail(extensions.error());
  if (good) {
    lake::EngineOptions options;
    options.extension_dir = extensions->string();
    if (config.lake.on_s3()) options.extensions.push_back("httpfs");
    options.check_signatures = true;
    if (const auto engine = lake::Engine::open(options); !engine) good = fail(engine.error());
  }
  out.add("program", "DuckDB's extensions", good ? Verdict::good : Verdict::bad,
          good ? "found in " + extensions->string() + ", and their signatures are right"
               : good.error().message + (good.error().detail.empty() ? "" : " " + one_line(good)),
          "install the package again, or set MINATO_DUCKDB_ROOT");
}

void check_disk(const std::filesystem::path& path, const std::string& what, Diagnosis& out) {
  struct statvfs info {};
  std::filesystem::path there = path;
  while (!std::filesystem::exists(there) && there.has_parent_path()) there = there.parent_path();
  if (statvfs(there.c_str(), &info) != 0) return;
  const double free = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
  const double all = static_cast<double>(info.f_blocks) * static_cast<double>(info.f_frsize);
  const double share = all > 0 ? free / all : 1;
  const Verdict verdict = free < kGigabyte ? Verdict::bad
                          : share < 0.1    ? Verdict::warning
                                           : Verdict::good;
  out.add("disk", what, verdict,
          fmt::format("{:.1f} GB free of {:.1f} GB at {}", free / kGigabyte, all / kGigabyte,
                      there.string()),
          "free space, or put [lake] data on a larger disk or on S3");
  const bool inodes = info.f_files == 0 || info.f_favail * 20 > info.f_files;
  if (!inodes) {
    out.add("disk", what, Verdict::warning, "few inodes are left", "remove small files");
  }
}

void check_bucket(const Platform& platform, const Config& config, Diagnosis& out) {
  const auto extensions = extension_directory();
  const auto lake = lake_options(platform, config, "");
  const auto reader = lake_options(platform, config, "", true);
  Status tried = lake ? Status() : fail(lake.error());
  if (tried && !reader) tried = fail(reader.error());
  if (tried && extensions) {
    const bool own = config.lake.s3.reader_access_key != SecretRef();
    tried = lake::try_object_store(*lake, own ? reader->s3 : std::nullopt, extensions->string());
  }
  out.add(
      "disk", "the lake in " + config.lake.data, tried ? Verdict::good : Verdict::bad,
      tried ? "objects can be written, read, listed and removed" : tried.error().message,
      "see [lake] and [lake.s3] in minato.toml" +
          (tried || tried.error().detail.empty() ? "" : "; the store says: " + one_line(tried)));
}

void check_ports(const Platform& platform, const Config& config, Diagnosis& out) {
  const bool serving = require_serve(platform).has_value();
  using Section = std::pair<const char*, ListenConfig>;
  for (const auto& [section, listen] : {Section("gate", config.gate), {"http", config.http}}) {
    const std::string what = fmt::format("[{}] {}:{}", section, listen.listen, listen.port);
    const Status free = check_port(section, listen);
    if (serving) {
      out.add("ports", what, free ? Verdict::bad : Verdict::good,
              free ? "minato serve runs, but nothing listens there" : "minato serve listens",
              "look into the log of minato serve");
    } else {
      out.add("ports", what, free ? Verdict::good : Verdict::bad,
              free ? "free" : free.error().message, "choose another port in minato.toml");
    }
  }
}

void check_catalogue(const Platform& platform, const Config& config, Diagnosis& out) {
  if (config.lake.embedded()) {
    const auto cluster = private_cluster(platform);
    const Status found = cluster ? cluster->check_installed() : Status(fail(cluster.error()));
    out.add("catalogue", "PostgreSQL is installed", found ? Verdict::good : Verdict::bad,
            found ? "found" : found.error().message, "apt install postgresql-15");
    if (!require_serve(platform)) return;
  }
  const auto access = catalogue_access(platform, config);
  const auto connection =
      access ? pg::Connection::open(access->owner) : Result<pg::Connection>(fail(access.error()));
  out.add("catalogue", "PostgreSQL answers", connection ? Verdict::good : Verdict::bad,
          connection ? "yes" : connection.error().message + " " + connection.error().detail,
          "see [lake] catalog in minato.toml, and the server's log");
}

// A schema and a table become directories, and PostgreSQL's protocol ends names at 63 bytes.
void check_names(const Platform& platform, Diagnosis& out) {
  std::error_code error;
  std::string too_long;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(platform.marts(), error)) {
    const std::string name = entry.path().stem().string();
    if (name.size() > 63) too_long += (too_long.empty() ? "" : ", ") + name;
  }
  out.add("names", "names of marts", too_long.empty() ? Verdict::good : Verdict::bad,
          too_long.empty() ? "none is longer than 63 bytes" : "longer than 63 bytes: " + too_long,
          "rename the files: some tools cut names there");
}

std::string_view mark(Verdict verdict) {
  return verdict == Verdict::good ? "ok  " : verdict == Verdict::warning ? "warn" : "BAD ";
}

void print(const Diagnosis& diagnosis) {
  for (const auto& item : diagnosis.items()) {
    std::cout << fmt::format("{} {}: {}: {}\n", mark(item.verdict), item.area, item.what,
                             item.text);
    if (item.verdict != Verdict::good && !item.fix.empty()) {
      std::cout << "       fix: " << item.fix << "\n";
    }
  }
}

void print_json(const Diagnosis& diagnosis) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const auto& item : diagnosis.items()) {
    const char* verdict = item.verdict == Verdict::good      ? "ok"
                          : item.verdict == Verdict::warning ? "warning"
                                                             : "bad";
    all.push_back({{"area", item.area},
                   {"what", item.what},
                   {"verdict", verdict},
                   {"text", item.text},
                   {"fix", item.verdict == Verdict::good ? "" : item.fix}});
  }
  std::cout << all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace

Result<int> doctor(const Platform& platform, bool json) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  Diagnosis out;
  check_program(config, out);
  check_disk(platform.hidden(), "Minato's own records", out);
  if (config.lake.on_s3()) {
    check_bucket(platform, config, out);
  } else {
    check_disk(platform.lake_data(config), "the lake", out);
  }
  check_ports(platform, config, out);
  check_catalogue(platform, config, out);
  check_names(platform, out);
  for (const SourceConfig& source : config.sources) check_source(platform, source, out);
  if (json) {
    print_json(out);
  } else {
    print(out);
  }
  return out.worst() == Verdict::bad ? kExitFailed : kExitGood;
}

}  // namespace minato::app
