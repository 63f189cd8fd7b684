#include "oncall/log_drop.h"

#include "base/files.h"
#include "oncall/inputs.h"
#include "runtime/http_client.h"

namespace minato::oncall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadMax = 16'000;
constexpr int kPagesMax = 1000;

/// The object is remembered and its incident opened in one transaction.
Status raise_once(Switchboard& board, const LogDrop& drop, const std::string& name,
                  const std::string& stamp, const std::string& content) {
  return board.run([&](Desk& desk) -> Status {
    TRY_ASSIGN(const bool fresh, desk.see_object(drop, name, stamp));
    if (!fresh) return {};
    TRY(desk.raise(log_alarm(drop.name, drop.team, drop.severity, name, content)));
    return {};
  });
}

class DirectoryWatch : public LogDropWatch {
 public:
  DirectoryWatch(LogDrop drop, fs::path directory)
      : drop_(std::move(drop)), directory_(std::move(directory)) {}
  Status look(Switchboard& board) override;

 private:
  LogDrop drop_;
  fs::path directory_;
  std::map<std::string, std::string> before_;  // name → stamp
  std::map<std::string, std::string> raised_;  // the journal knows them
};

Status DirectoryWatch::look(Switchboard& board) {
  std::error_code error;
  std::map<std::string, std::string> now;
  for (fs::recursive_directory_iterator at(directory_, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone) || at->path().filename().string().starts_with(".")) continue;
    const auto size = at->file_size(gone);
    const auto time = at->last_write_time(gone);
    if (gone) continue;
    const std::string name = at->path().lexically_relative(directory_).string();
    now[name] = std::to_string(time.time_since_epoch().count()) + "/" + std::to_string(size);
  }
  if (error) {
    return fail(Code::unavailable, "The log drop " + drop_.name + " cannot be read.",
                directory_.string() + ": " + error.message());
  }
  for (const auto& [name, stamp] : now) {
    const auto before = before_.find(name);
    if (before == before_.end() || before->second != stamp) continue;  // still being written
    if (const auto known = raised_.find(name); known != raised_.end() && known->second == stamp) {
      continue;
    }
    const std::string content = read_file(directory_ / name, kReadMax);
    TRY(raise_once(board, drop_, name, stamp, content));
    raised_[name] = stamp;
  }
  before_ = std::move(now);
  return {};
}

/// The text between <TAG> and </TAG> from `at` on; `at` moves behind it.
std::optional<std::string_view> element(std::string_view xml, std::string_view tag,
                                        std::size_t& at) {
  const std::string open = "<" + std::string(tag) + ">";
  const std::string close = "</" + std::string(tag) + ">";
  const std::size_t begin = xml.find(open, at);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t end = xml.find(close, begin);
  if (end == std::string_view::npos) return std::nullopt;
  at = end + close.size();
  return xml.substr(begin + open.size(), end - begin - open.size());
}

std::string plain(std::string_view text) {
  std::string out(text);
  for (const auto& [entity, character] : {std::pair<std::string, std::string>{"&quot;", "\""},
                                          {"&lt;", "<"},
                                          {"&gt;", ">"},
                                          {"&#34;", "\""},
                                          {"&amp;", "&"}}) {
    for (std::size_t at = 0; (at = out.find(entity, at)) != std::string::npos;) {
      out.replace(at, entity.size(), character);
      at += character.size();
    }
  }
  return out;
}

class BucketWatch : public LogDropWatch {
 public:
  BucketWatch(LogDrop drop, fs::path platform)
      : drop_(std::move(drop)), platform_(std::move(platform)) {
    const std::string rest = drop_.place.substr(5);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    bucket_ = rest.substr(0, slash);
    prefix_ = slash < rest.size() ? rest.substr(slash + 1) : "";
    if (drop_.endpoint.empty()) {
      drop_.endpoint = "https://s3." + drop_.region + ".amazonaws.com";
    }
  }

  Status look(Switchboard& board) override {
    TRY(read_keys());
    std::string next;
    for (int page = 0; page < kPagesMax; ++page) {
      std::string query = "list-type=2&prefix=" + runtime::percent_encode(prefix_);
      if (!next.empty()) {
        query = "continuation-token=" + runtime::percent_encode(next) + "&" + query;
      }
      TRY_ASSIGN(const std::string xml, get("/" + bucket_ + "?" + query, ""));
      const ObjectPage found = parse_object_page(xml);
      for (const auto& [key, tag] : found.objects) TRY(take(board, key, tag));
      next = found.next;
      if (next.empty()) return {};
    }
    return fail(Code::exhausted,
                "The log drop " + drop_.name + " holds more than a million objects.");
  }

 private:
  Status read_keys() {
    TRY_ASSIGN(signature_.access_key_id, read_secret(drop_.access_key, platform_, "access_key"));
    TRY_ASSIGN(signature_.secret_access_key,
               read_secret(drop_.secret_key, platform_, "secret_key"));
    signature_.region = drop_.region;
    signature_.service = "s3";
    return {};
  }

  Status take(Switchboard& board, const std::string& key, const std::string& tag) {
    if (key.ends_with('/')) return {};
    if (const auto known = raised_.find(key); known != raised_.end() && known->second == tag) {
      return {};
    }
    std::string path = "/" + bucket_;
    for (std::size_t at = 0; at <= key.size();) {
      const std::size_t slash = std::min(key.find('/', at), key.size());
      path += "/" + runtime::percent_encode(key.substr(at, slash - at));
      at = slash + 1;
    }
    TRY_ASSIGN(const std::string content, get(path, "bytes=0-" + std::to_string(kReadMax - 1)));
    TRY(raise_once(board, drop_, key, tag, content));
    raised_[key] = tag;
    return {};
  }

  Result<std::string> get(const std::string& target, const std::string& range) const {
    runtime::HttpRequest request;
    request.url = drop_.endpoint + target;
    if (!range.empty()) request.headers.emplace_back("Range", range);
    request.aws = signature_;
    TRY_ASSIGN(auto response, runtime::http(request));
    if (response.status == 200 || response.status == 206) return std::move(response.body);
    if (response.status == 416) return std::string();  // an empty object
    return fail(Code::unavailable, "The log drop " + drop_.name + " cannot be read: status " +
                                       std::to_string(response.status));
  }

  LogDrop drop_;
  fs::path platform_;
  std::string bucket_;
  std::string prefix_;
  runtime::AwsSignature signature_;
  std::map<std::string, std::string> raised_;  // key → ETag; the journal knows them
};

}  // namespace

std::shared_ptr<LogDropWatch> watch_directory(LogDrop drop, fs::path directory) {
  return std::make_shared<DirectoryWatch>(std::move(drop), std::move(directory));
}
std::shared_ptr<LogDropWatch> watch_bucket(LogDrop drop, fs::path platform) {
  return std::make_shared<BucketWatch>(std::move(drop), std::move(platform));
}

ObjectPage parse_object_page(std::string_view xml) {
  ObjectPage out;
  std::size_t at = 0;
  if (const auto next = element(xml, "NextContinuationToken", at)) out.next = plain(*next);
  at = 0;
  while (const auto object = element(xml, "Contents", at)) {
    std::size_t inside = 0;
    const auto key = element(*object, "Key", inside);
    inside = 0;
    const auto tag = element(*object, "ETag", inside);
    if (!key || !tag) continue;
    out.objects.emplace_back(plain(*key), plain(*tag));
  }
  return out;
}

}  // namespace minato::oncall
