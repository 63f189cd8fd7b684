// Engine instances: options, extensions, the lake's attachment, the second layer of defence.
#include <dlfcn.h>
#include <libpq-fe.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "lake/engine_impl.h"
#include "lake/object_store.h"

namespace minato::lake {
namespace {

/// libpq keywords of a conninfo or URL, empty ones left out.
Result<std::map<std::string, std::string>> conninfo_words(const std::string& conninfo) {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), &message);
  if (options == nullptr) {
    PQfreemem(message);  // may repeat the password
    return fail(Code::invalid, "The address of the catalogue's PostgreSQL cannot be read.");
  }
  std::map<std::string, std::string> words;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') words[option->keyword] = option->val;
  }
  PQconninfoFree(options);
  return words;
}

/// 'word=value' with libpq's quoting.
std::string conninfo_word(const std::string& word, const std::string& value) {
  std::string out = word + "='";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "' ";
}

/// The PostgreSQL secret, and in `rest` the words that it cannot hold.
std::string postgres_secret(const std::map<std::string, std::string>& words, std::string& rest) {
  static const std::map<std::string, std::string> kParts{
      {"host", "HOST"},       {"hostaddr", "HOST"}, {"port", "PORT"},
      {"dbname", "DATABASE"}, {"user", "USER"},     {"password", "PASSWORD"}};
  std::string sql = "CREATE OR REPLACE SECRET minato_catalogue (TYPE postgres";
  for (const auto& [word, value] : words) {
    const auto part = kParts.find(word);
    if (part != kParts.end()) {
      sql += ", " + part->second + " " + quote_literal(value);
    } else {
      rest += conninfo_word(word, value);
    }
  }
  return sql + ")";
}

std::filesystem::path library_path() {
  Dl_info library{};
  CHECK(::dladdr(reinterpret_cast<void*>(&duckdb_library_version), &library) != 0);
  return std::filesystem::canonical(library.dli_fname);
}

std::string extension_path(const std::string& directory, const std::string& name) {
  return directory + "/" + name + ".duckdb_extension";
}

/// Whether nobody but root and the owner of the engine's library can change the file `path` or put
/// another one in its place.
bool is_guarded(const std::filesystem::path& path) {
  struct stat library {};
  if (::stat(library_path().c_str(), &library) != 0) return false;
  std::error_code error;
  const std::filesystem::path file = std::filesystem::canonical(path, error);
  const auto guarded = [&](const std::filesystem::path& part) {
    struct stat found {};
    return ::stat(part.c_str(), &found) == 0 && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           (found.st_uid == 0 || found.st_uid == library.st_uid);
  };
  return !error && guarded(file) && guarded(file.parent_path());
}

/// Hashing the extensions (80 MB) is most of what an engine's start costs, in each process. Files
/// that are kept as safe as the library, which nothing checks either, are spared it.
bool needs_signatures(const EngineOptions& options, const std::string& directory) {
  return options.check_signatures ||
         !std::ranges::all_of(options.extensions, [&](const std::string& name) {
           return is_guarded(extension_path(directory, name));
         });
}

struct Config {
  duckdb_config handle = nullptr;
  Config() { CHECK(duckdb_create_config(&handle) == DuckDBSuccess); }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
  ~Config() { duckdb_destroy_config(&handle); }
  Status set(const char* name, const std::string& value) const {
    if (duckdb_set_config(handle, name, value.c_str()) == DuckDBSuccess) return {};
    return fail(Code::internal, std::string("The engine does not know the option ") + name + ".");
  }
};

Status configure(const Config& config, const EngineOptions& options, bool signatures) {
  TRY(config.set("allow_unsigned_extensions", signatures ? "false" : "true"));
  TRY(config.set("allow_community_extensions", "false"));
  TRY(config.set("autoinstall_known_extensions", "false"));
  TRY(config.set("autoload_known_extensions", "false"));
  TRY(config.set("memory_limit", std::to_string(options.memory_limit_mb) + "MiB"));
  if (options.threads > 0) TRY(config.set("threads", std::to_string(options.threads)));
  // Without a directory the engine would spill into the current one.
  TRY(config.set("temp_directory", options.spill_dir));
  return config.set("custom_user_agent", "minato");
}

}  // namespace

std::string default_extension_dir() { return library_path().parent_path() / "extensions"; }

Engine::Engine(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::open(const EngineOptions& options) {
  const std::string extensions =
      options.extension_dir.empty() ? default_extension_dir() : options.extension_dir;
  const Config config;
  TRY(configure(config, options, needs_signatures(options, extensions)));
  auto impl = std::make_shared<Impl>();
  char* message = nullptr;
  if (duckdb_open_ext(nullptr, &impl->database, config.handle, &message) != DuckDBSuccess) {
    const std::string text = message != nullptr ? message : "";
    duckdb_free(message);
    return fail(Code::internal, "The engine does not start.", text);
  }
  Engine engine(std::move(impl));
  TRY_ASSIGN(Session session, engine.connect());
  if (options.spill_limit_mb > 0) {  // without effect in the configuration to start with
    TRY(session.run("SET GLOBAL max_temp_directory_size = '" +
                    std::to_string(options.spill_limit_mb) + "MiB'"));
  }
  for (const std::string& name : options.extensions) {
    const std::string path = extension_path(extensions, name);
    if (!std::filesystem::exists(path)) {
      return fail(Code::not_found, "The engine's extension " + name + " is missing: " + path + ".");
    }
    TRY(session.run("LOAD " + quote_literal(path)));
  }
  // For good: the engine refuses to be set back to true.
  TRY(session.run("SET GLOBAL allow_unsigned_extensions = false"));
  return engine;
}

Result<Session> Engine::connect() const {
  auto link = std::make_shared<Link>();
  link->engine = impl_;
  if (duckdb_connect(impl_->database, &link->connection) != DuckDBSuccess) {
    return fail(Code::exhausted, "The engine cannot open another session.");
  }
  return Session(std::make_unique<Session::Impl>(std::move(link)));
}

Status attach_lake(Engine& engine, const LakeOptions& options) {
  TRY_ASSIGN(Session session, engine.connect());
  TRY_ASSIGN(const auto words, conninfo_words(options.catalog_conninfo));
  std::string rest;
  TRY(session.run(postgres_secret(words, rest)));
  if (options.s3) TRY(session.run(s3_secret(*options.s3, options.data_path)));
  TRY(session.run("CREATE OR REPLACE SECRET minato_lake (TYPE ducklake, METADATA_PATH " +
                  quote_literal("postgres:" + rest) +
                  ", METADATA_PARAMETERS MAP {'SECRET': 'minato_catalogue'}, METADATA_SCHEMA "
                  "'ducklake', DATA_PATH " +
                  quote_literal(options.data_path) + ")"));
  // Measured: with the extension's own back-off two processes starve each other.
  TRY(session.run("SET GLOBAL ducklake_retry_wait_ms = 5"));
  TRY(session.run("SET GLOBAL ducklake_retry_backoff = 1.1"));
  TRY(session.run("SET GLOBAL ducklake_max_retry_count = 100"));
  // By pages, over several connections, each would see the catalogue of another moment, and no
  // index would be of use.
  TRY(session.run("SET GLOBAL pg_use_ctid_scan = false"));
  std::string sql = "ATTACH 'ducklake:minato_lake' AS minato (DATA_INLINING_ROW_LIMIT 0";
  if (options.read_only) sql += ", READ_ONLY";
  return session.run(sql + ")");
}

Status lock_down(Engine& engine, const std::vector<std::string>& directories) {
  TRY_ASSIGN(Session session, engine.connect());
  std::string list;
  for (const std::string& directory : directories) {
    list += (list.empty() ? "" : ", ") + quote_literal(directory);
  }
  TRY(session.run("SET GLOBAL allowed_directories = [" + list + "]"));
  TRY(session.run("SET GLOBAL enable_external_access = false"));
  return session.run("SET GLOBAL lock_configuration = true");
}

}  // namespace minato::lake
