#include "app/lake_location.h"

#include <fmt/format.h>

#include "app/roles/engine.h"
#include "base/log.h"
#include "lake/object_store.h"

namespace minato::app {
namespace {

// Enough to tell this lake from another one, or from an empty directory.
constexpr const char* kSomeFiles = R"(
select s.path || t.path || f.path
from ducklake.ducklake_data_file f
join ducklake.ducklake_table t on t.table_id = f.table_id and t.end_snapshot is null
join ducklake.ducklake_schema s on s.schema_id = t.schema_id and s.end_snapshot is null
where f.end_snapshot is null and f.path_is_relative and t.path_is_relative and s.path_is_relative
order by md5(f.data_file_id::text) limit $1::int)";
constexpr int kFilesOnDisk = 1000;
constexpr int kFilesOnS3 = 20;

Status check_files(const Platform& platform, const Config& config, const Access& access,
                   pg::Connection& connection, const std::string& was, const std::string& place) {
  TRY_ASSIGN(const lake::LakeOptions options, lake_options(platform, config, access.owner));
  TRY_ASSIGN(const auto extensions, extension_directory());
  TRY_ASSIGN(
      const pg::Rows rows,
      connection.query(kSomeFiles, {std::to_string(options.s3 ? kFilesOnS3 : kFilesOnDisk)}));
  std::vector<std::string> paths;
  for (int row = 0; row < rows.size(); ++row) paths.push_back(place + rows.string(row, 0));
  TRY_ASSIGN(const std::size_t missing, lake::count_missing(options, paths, extensions.string()));
  if (missing == 0) return {};
  return fail(Code::invalid,
              fmt::format("The lake is not in {}: of {} files that the catalogue names, {} are not "
                          "there. It was in {}. Move its files, or set `data` in [lake] to where "
                          "they are.",
                          place, paths.size(), missing, was));
}

}  // namespace

std::string catalogue_place(const Platform& platform, const Config& config) {
  std::string place = platform.lake_data(config);
  if (!place.ends_with('/')) place += '/';
  return place;
}

Status follow_moved_lake(const Platform& platform, const Config& config) {
  TRY_ASSIGN(const Access access, catalogue_access(platform, config));
  TRY_ASSIGN(auto connection, pg::Connection::open(access.owner));
  TRY_ASSIGN(const pg::Rows made,
             connection.query("select to_regclass('ducklake.ducklake_metadata') is not null"));
  if (!made.boolean(0, 0)) return {};
  TRY_ASSIGN(const pg::Rows stored, connection.query("select value from ducklake.ducklake_metadata "
                                                     "where key = 'data_path'"));
  if (stored.size() == 0) return {};
  const std::string was = stored.string(0, 0);
  const std::string place = catalogue_place(platform, config);
  if (was == place) return {};
  TRY(check_files(platform, config, access, connection, was, place));
  TRY(pg::transaction(connection, [&](pg::Connection& c) -> Status {
    // The core's lease: nobody writes while the place changes.
    TRY_ASSIGN(const pg::Rows free, c.query("select pg_try_advisory_xact_lock(7236833, 1)"));
    if (!free.boolean(0, 0)) {
      return fail(Code::conflict,
                  "Another minato serve works on this catalogue, with the lake in " + was +
                      ". Stop it first.");
    }
    TRY(
        c.query("update ducklake.ducklake_metadata set value = $1::text where key = 'data_path' "
                "and value = $2::text",
                {place, was}));
    return {};
  }));
  log::info("the lake has moved", {{"from", was}, {"to", place}});
  return {};
}

}  // namespace minato::app
