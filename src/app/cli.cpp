#include "app/cli.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <iostream>

#include "app/commands/commands.h"
#include "app/roles/role.h"

namespace minato::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExitCodes =
    "Exit codes: 0 done; 1 it did not work, and why is on stderr; 2 wrong command line or "
    "configuration;\n"
    "3 minato serve does not run on this platform; 4 not finished within --timeout.";

int exit_code_of(const Error& error) {
  switch (error.code) {
    case Code::invalid: return kExitInvalid;
    case Code::deadline: return kExitDeadline;
    default: return kExitFailed;
  }
}

int report(const Result<int>& result) {
  if (result) return *result;
  std::cerr << "minato: " << result.error().message << "\n";
  if (!result.error().detail.empty()) std::cerr << "        " << result.error().detail << "\n";
  return exit_code_of(result.error());
}

// Builds the commands; the chosen one is left in `action`.
class CommandLine {
 public:
  CommandLine() : app_("Minato: a data platform in one program.", "minato") {
    app_.footer(std::string("Start with:  minato init shop && minato -C shop serve\n") +
                kExitCodes);
    app_.add_option("-C", directory_, "the platform's directory (default: the current one)")
        ->type_name("DIR");
    app_.require_subcommand(1);
    app_.fallthrough();
    make_init();
    make_source();
    make_account();
    make_check();
    make_serve();
    make_status();
    make_wait();
    make_sql();
    make_doctor();
    make_version();
    make_role();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
      return action_();
    } catch (const CLI::ParseError& error) {  // the library's only way to report; it ends here
      return app_.exit(error) == 0 ? kExitGood : kExitInvalid;
    }
  }

 private:
  CLI::App* command(CLI::App& parent, const char* name, const char* what,
                    const std::string& example) {
    CLI::App* added = parent.add_subcommand(name, what);
    added->footer("Example:\n  " + example);
    return added;
  }
  void does(CLI::App* command, std::function<Result<int>()> body) {
    command->callback(
        [this, body = std::move(body)] { action_ = [body] { return report(body()); }; });
  }
  Platform platform() const {
    std::error_code error;
    const fs::path absolute = fs::weakly_canonical(fs::absolute(directory_, error), error);
    return Platform{absolute.empty() ? fs::path(directory_) : absolute};
  }
  void add_json(CLI::App* command) { command->add_flag("--json", json_, "print JSON"); }

  void make_init() {
    CLI::App* init_command =
        command(app_, "init", "make a platform directory: minato.toml, a first mart, .gitignore",
                "minato init shop --gate-port 5439 --http-port 8750");
    init_command->add_option("DIR", init_.directory, "the directory to make")->required();
    init_command->add_option("--gate-port", init_.gate_port, "port of the gate (default 5439)")
        ->check(CLI::Range(1, 65535));
    init_command
        ->add_option("--http-port", init_.http_port, "port of the web page and API (default 8750)")
        ->check(CLI::Range(1, 65535));
    does(init_command, [this] { return init(init_); });
  }

  void make_source() {
    CLI::App* group = command(app_, "source", "databases whose changes are captured",
                              "minato -C shop source list");
    group->require_subcommand(1);
    CLI::App* add = command(*group, "add",
                            "capture from a database; the lake's schema is the source's database",
                            "minato -C shop source add shop mysql://minato@db.example:3306/ "
                            "--password-file db.password --tables 'shop.%'");
    add->add_option("NAME", source_.name, "a name of your choice")->required();
    add->add_option("URL", source_.url, "mysql://user@host:port/")->required();
    add->add_option("--password-file", source_.password_file, "file that holds the password");
    add->add_option("--password-env", source_.password_env,
                    "environment variable of `minato serve` that holds it");
    add->add_option("--tables", source_.tables,
                    "'database.pattern', % stands for anything; may be repeated")
        ->required()
        ->take_all();
    does(add, [this] { return source_add(platform(), source_); });
    CLI::App* list =
        command(*group, "list", "the configured sources", "minato -C shop source list --json");
    add_json(list);
    does(list, [this] { return source_list(platform(), json_); });
    CLI::App* remove =
        command(*group, "remove", "stop capturing from a source; its tables stay in the lake",
                "minato -C shop source remove shop");
    remove->add_option("NAME", source_.name, "as in `source list`")->required();
    does(remove, [this] { return source_remove(platform(), source_.name); });
  }

  void make_account() {
    CLI::App* group = command(app_, "account", "people and programs that may query",
                              "minato -C shop account list");
    group->require_subcommand(1);
    CLI::App* add =
        command(*group, "add", "make an account, or give it a new password; usable at once",
                "minato -C shop account add clerk --password-file clerk.password");
    add->add_option("NAME", account_.name, "the user name at the gate")->required();
    add->add_option("--password-file", account_.password_file, "file that holds the password");
    add->add_option("--password-env", account_.password_env,
                    "environment variable that holds the password");
    does(add, [this] { return account_add(platform(), account_); });
    CLI::App* list = command(*group, "list", "all accounts", "minato -C shop account list --json");
    add_json(list);
    does(list, [this] { return account_list(platform(), json_); });
    CLI::App* remove =
        command(*group, "remove", "take an account away", "minato -C shop account remove clerk");
    remove->add_option("NAME", account_.name, "as in `account list`")->required();
    does(remove, [this] { return account_remove(platform(), account_.name); });
  }

  void make_check() {
    CLI::App* added = command(
        app_, "check", "validate minato.toml and all marts, with line numbers and suggestions",
        "minato -C shop check");
    add_json(added);
    does(added, [this] { return check(platform(), json_); });
  }
  void make_serve() {
    CLI::App* added =
        command(app_, "serve", "run the platform until SIGTERM or Ctrl-C; logs to stderr",
                "minato -C shop serve");
    does(added, [this] { return serve(platform()); });
  }
  void make_status() {
    CLI::App* added =
        command(app_, "status", "sources, tables, marts and processes now",
                "minato -C shop status --json | jq '.sources[] | {name, state, lag_ms}'");
    add_json(added);
    does(added, [this] { return status(platform(), json_); });
  }
  void make_wait() {
    CLI::App* added = command(
        app_, "wait",
        "return when all that was committed at the sources until now can be read at the gate",
        "minato -C shop wait --source shop --timeout 30 && minato -C shop sql 'SELECT 1'");
    added->add_option("--source", wait_.source, "only this one (default: all)");
    added->add_option("--timeout", wait_.timeout_s, "seconds (default 60)")
        ->check(CLI::NonNegativeNumber);
    added->add_flag("--json", wait_.json, "print JSON");
    does(added, [this] { return wait(platform(), wait_); });
  }
  void make_sql() {
    CLI::App* added = command(app_, "sql", "run one statement at the gate",
                              "minato -C shop sql 'SELECT count(*) FROM shop.orders' --format csv");
    added->add_option("STATEMENT", sql_.statement, "the SQL text; - reads it from stdin")
        ->required();
    added->add_option("--format", sql_.format, "table, csv or json (default table)")
        ->check(CLI::IsMember({"table", "csv", "json"}));
    added->add_flag_callback(
        "--json", [this] { sql_.format = "json"; }, "the same as --format json");
    does(added, [this] { return sql(platform(), sql_); });
  }
  void make_doctor() {
    CLI::App* added =
        command(app_, "doctor", "look for what would hinder capture and serving; says each fix",
                "minato -C shop doctor");
    add_json(added);
    does(added, [this] { return doctor(platform(), json_); });
  }
  void make_version() {
    CLI::App* added = command(app_, "version", "the program's version", "minato version --json");
    add_json(added);
    does(added, [this] { return version(json_); });
    app_.add_flag_callback(
        "--version", [] { throw CLI::CallForVersion("minato " MINATO_VERSION, 0); },
        "the program's version");
  }
  void make_role() {
    CLI::App* added = app_.add_subcommand("role", "a process of minato serve")->group("");
    added->add_option("KIND", role_, "core, worker, gate, web")->required();
    added->add_option("--name", role_name_, "its name in logs");
    added->callback([this] {
      action_ = [this] {
        return run_role(platform(), role_, role_name_.empty() ? role_ : role_name_);
      };
    });
  }

  CLI::App app_;
  std::function<int()> action_ = [] { return kExitInvalid; };
  std::string directory_ = ".";
  InitOptions init_;
  SourceAddOptions source_;
  AccountAddOptions account_;
  WaitOptions wait_;
  SqlOptions sql_;
  bool json_ = false;
  std::string role_;
  std::string role_name_;
};

}  // namespace

int run(int argc, char** argv) { return CommandLine().run(argc, argv); }

}  // namespace minato::app
