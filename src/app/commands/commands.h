// What the commands do. Each prints its result on stdout, returns an Error for the command line to
// print, or an exit code when that alone says something.
#pragma once

#include <string>
#include <vector>

#include "app/config/config.h"
#include "app/platform.h"

namespace minato::app {

struct InitOptions {
  std::string directory;
  int gate_port = 0;  // 0: the default
  int http_port = 0;
};
Result<int> init(const InitOptions& options);

struct SourceAddOptions {
  std::string name;
  std::string url;
  std::string password_file;
  std::string password_env;
  std::vector<std::string> tables;
  TlsConfig tls;
};
Result<int> source_add(const Platform& platform, const SourceAddOptions& options);
Result<int> source_list(const Platform& platform, bool json);
Result<int> source_remove(const Platform& platform, const std::string& name);

struct AccountAddOptions {
  std::string name;
  std::string password_file;
  std::string password_env;
};
Result<int> account_add(const Platform& platform, const AccountAddOptions& options);
Result<int> account_list(const Platform& platform, bool json);
Result<int> account_remove(const Platform& platform, const std::string& name);

Result<int> check(const Platform& platform, bool json);
Result<int> serve(const Platform& platform);
Result<int> status(const Platform& platform, bool json);

struct WaitOptions {
  std::string source;  // empty: all
  double timeout_s = 60;
  bool json = false;
};
Result<int> wait(const Platform& platform, const WaitOptions& options);

struct SqlOptions {
  std::string statement;
  std::string format = "table";
};
Result<int> sql(const Platform& platform, const SqlOptions& options);

Result<int> doctor(const Platform& platform, bool json);
Result<int> version(bool json);

/// Error{not_found} of exit code kExitNotRunning when no `minato serve` runs.
Status require_serve(const Platform& platform);

}  // namespace minato::app
