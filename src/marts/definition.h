// A mart's file: marts/<schema>/<name>.sql holds one SELECT, and options in the comment lines at
// its top:
//   -- refresh: 30s     at most this often (s, min, h, d)
// Reads files and says what is wrong with them by line; never looks at the lake.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/names.h"

namespace minato::marts {

/// Something to put right in the platform directory.
struct Finding {
  std::string file;  // relative to the platform directory
  int line = 0;      // from 1; 0: the file as a whole
  std::string message;
  std::string suggestion;  // what to write or do instead; may be empty
  bool operator==(const Finding&) const = default;
};
/// "marts/sales/daily.sql:3: message suggestion".
std::string display(const Finding& finding);

struct Definition {
  TableName name;
  std::string file;  // relative to the platform directory
  std::string text;  // as in the file: places in messages are places in the file
  std::string sql;   // its one statement
  std::string hash;  // of the statement: a change of comments before it or of options rebuilds
                     // nothing
  std::optional<int> refresh_seconds;
};

/// `file` is the path below the platform directory ("marts/sales/daily.sql").
tl::expected<Definition, Finding> parse_definition(const std::string& file, std::string_view text);

/// "30s", "5 min", "2h", "1d" → seconds.
std::optional<int> parse_duration(std::string_view text);

/// The directory marts/ as last seen.
class Folder {
 public:
  explicit Folder(std::filesystem::path platform) : platform_(std::move(platform)) {}

  struct Changes {
    std::vector<Definition> changed;                    // new or other than before
    std::vector<std::pair<TableName, Finding>> broken;  // now unreadable: the mart stays as it was
    std::vector<TableName> removed;                     // the file is gone
    std::vector<Finding> stray;                         // files that are no marts
    bool empty() const {
      return changed.empty() && broken.empty() && removed.empty() && stray.empty();
    }
  };
  /// What differs from before. Files are read again only when time, size or inode changed, and only
  /// those that two calls found alike: one that is being written says something else, or is not
  /// there for a moment. The first call takes what it finds.
  /// Error{unavailable} when marts/ cannot be listed: nothing is taken to be removed then.
  Result<Changes> poll();
  /// Something differs that the next call may take.
  bool unsettled() const { return unsettled_; }

 private:
  struct Stamp {
    std::int64_t time = 0;
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Taken {
    Stamp stamp;
    std::optional<TableName> name;  // nothing: a stray file
  };
  Status list(std::map<std::string, Stamp>& files) const;
  void read(const std::string& file, Taken& taken, Changes& changes) const;

  std::filesystem::path platform_;
  std::map<std::string, Taken> taken_;
  std::optional<std::map<std::string, Stamp>> found_;  // by the last call
  bool unsettled_ = false;
};

}  // namespace minato::marts
