#include "app/cli.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <iostream>

#include "app/commands/commands.h"
#include "app/commands/oncall.h"
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
    make_oncall();
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
    add->add_option("--tls", source_.tls.mode,
                    "prefer (default: encrypted where the server can), require, verify-full (with "
                    "its certificate and name checked), disable");
    add->add_option("--tls-ca-file", source_.tls.ca_file,
                    "authorities for verify-full, PEM (default: the system's)");
    add->add_option("--tls-cert-file", source_.tls.cert_file,
                    "own certificate, for an account that needs one");
    add->add_option("--tls-key-file", source_.tls.key_file, "its key");
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
  void make_oncall() {
    CLI::App* group = command(app_, "oncall", "ring people until somebody presses a key",
                              "minato -C shop oncall who --team data");
    group->require_subcommand(1);
    const auto add = [&](const char* name, const char* what, const std::string& example,
                         auto body) {
      CLI::App* added = command(*group, name, what, "minato -C shop oncall " + example);
      added->add_flag("--json", oncall_.json, "print JSON");
      does(added, [this, body] { return body(platform(), oncall_); });
      return added;
    };
    CLI::App* serve =
        add("serve", "run on-call alone; needs nothing but the directory", "serve", oncall_serve);
    serve->add_option("--port", oncall_.port, "instead of that of [oncall] listen")
        ->check(CLI::Range(1, 65535));
    CLI::App* incidents = add("incidents", "incidents, or one with its history and calls",
                              "incidents --state open", oncall_incidents);
    incidents->add_option("ID", oncall_.id, "one of them, by id or key");
    incidents->add_option("--state", oncall_.state, "open, acknowledged or resolved")
        ->check(CLI::IsMember({"open", "acknowledged", "resolved"}));
    incidents->add_option("--team", oncall_.team, "of this team only");
    incidents->add_option("--limit", oncall_.limit, "so many, newest first (default 50)");
    CLI::App* attempts =
        add("attempts", "calls, newest first", "attempts --month 2026-11", oncall_attempts);
    attempts->add_option("--month", oncall_.month, "as in 2026-11");
    attempts->add_option("--limit", oncall_.limit, "so many (default 50)");
    CLI::App* rota = add("rota", "teams and changes; --set takes a file over once it is good",
                         "rota --set teams.toml", oncall_rota);
    rota->add_option("--set", oncall_.file, "a file as oncall/teams.toml");
    CLI::App* who = add("who", "who would be rung, in order",
                        "who --team data --at '2026-12-31 03:00'", oncall_who);
    who->add_option("--team", oncall_.team, "default: the default team");
    who->add_option("--severity", oncall_.severity, "info, warning, error, critical (default)");
    who->add_option("--at", oncall_.at, "when (default: now)");
    CLI::App* change =
        add("change", "somebody is away, or is covered by another: \"take my Friday\"",
            "change --person first --by second --from 2026-11-27 --to 2026-11-28", oncall_change);
    change->add_option("--team", oncall_.team, "default: the default team");
    change->add_option("--person", oncall_.person, "who is away or covered");
    change->add_option("--by", oncall_.instead_by, "who stands in; none: an absence");
    change->add_option("--from", oncall_.from, "2026-11-27 or '2026-11-27 18:00'");
    change->add_option("--to", oncall_.to, "until then, which is not included");
    change->add_option("--note", oncall_.note, "why");
    change->add_option("--remove", oncall_.id, "take this change back");
    CLI::App* say = add("say", "hear what would be said: writes a WAV file",
                        "say 'db01 は応答しません' --out say.wav", oncall_say);
    say->add_option("TEXT", oncall_.text, "a title, or SSML that begins with <speak>")->required();
    say->add_option("--out", oncall_.file, "the WAV file (default say.wav)");
    say->add_option("--severity", oncall_.severity, "whose template (default critical)");
    say->add_option("--voice", oncall_.voice, "a voice file for Open JTalk (.htsvoice)");
    CLI::App* drill =
        add("drill", "ring a team to see that it works", "drill --team data", oncall_drill);
    drill->add_option("--team", oncall_.team, "default: the default team");
    CLI::App* cost = add("cost", "yen by month and carrier", "cost --month 2026-11", oncall_cost);
    cost->add_option("--month", oncall_.month, "as in 2026-11");
    CLI::App* flow = add("install-flow", "make or update the contact flow in Amazon Connect",
                         "install-flow", oncall_install_flow);
    flow->add_option("--carrier", oncall_.carrier, "where there are several");
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
    added->add_option("KIND", role_, "core, worker, gate, web, oncall")->required();
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
  OncallOptions oncall_;
  bool json_ = false;
  std::string role_;
  std::string role_name_;
};

}  // namespace

int run(int argc, char** argv) { return CommandLine().run(argc, argv); }

}  // namespace minato::app
