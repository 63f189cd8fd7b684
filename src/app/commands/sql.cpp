// `minato sql`: a small client of the gate. What it sends passes the same checks as everybody's
// SQL.
#include <libpq-fe.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/catalogue.h"
#include "app/cli.h"
#include "app/commands/commands.h"

namespace minato::app {
namespace {

// A PostgreSQL type whose text is a number or boolean in JSON as well.
bool is_plain_json(Oid type) {
  switch (type) {
    case 16:  // bool
    case 20:  // int8
    case 21:  // int2
    case 23:  // int4
      return true;
    default: return false;
  }
}

void print_json(const pg::Rows& rows, PGresult* result) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (int row = 0; row < rows.size(); ++row) {
    nlohmann::ordered_json item = nlohmann::ordered_json::object();
    for (int column = 0; column < rows.columns(); ++column) {
      auto& value = item[PQfname(result, column)];
      const std::string text = rows.string(row, column);
      const Oid type = PQftype(result, column);
      if (rows.is_null(row, column)) {
        value = nullptr;
      } else if (type == 16) {
        value = text == "t";
      } else if (is_plain_json(type)) {
        value = std::stoll(text);
      } else if ((type == 700 || type == 701) && nlohmann::json::accept(text)) {
        value = nlohmann::json::parse(text);
      } else {
        value = text;
      }
    }
    all.push_back(std::move(item));
  }
  std::cout << all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

std::string csv_field(std::string_view text) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos)
    return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

// NULL is an empty field, an empty text is "".
void print_csv(const pg::Rows& rows, PGresult* result) {
  for (int column = 0; column < rows.columns(); ++column) {
    std::cout << (column ? "," : "") << csv_field(PQfname(result, column));
  }
  std::cout << "\n";
  for (int row = 0; row < rows.size(); ++row) {
    for (int column = 0; column < rows.columns(); ++column) {
      std::cout << (column ? "," : "")
                << (rows.is_null(row, column) ? "" : csv_field(rows.text(row, column)));
    }
    std::cout << "\n";
  }
}

// Characters, not bytes; wide ones (CJK) count double.
std::size_t width(std::string_view text) {
  std::size_t out = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;
    out += byte >= 0xe3 && byte <= 0xef ? 2 : 1;
  }
  return out;
}

void print_table(const pg::Rows& rows, PGresult* result) {
  std::vector<std::size_t> widths;
  for (int column = 0; column < rows.columns(); ++column) {
    std::size_t widest = width(PQfname(result, column));
    for (int row = 0; row < rows.size(); ++row)
      widest = std::max(widest, width(rows.text(row, column)));
    widths.push_back(widest);
  }
  const auto cell = [&](std::string_view text, int column) {
    const std::size_t fill = widths[static_cast<std::size_t>(column)] - width(text);
    const bool last = column + 1 == rows.columns();
    std::cout << (column ? " | " : "") << text << std::string(last ? 0 : fill, ' ');
  };
  for (int column = 0; column < rows.columns(); ++column) cell(PQfname(result, column), column);
  std::cout << "\n";
  for (int column = 0; column < rows.columns(); ++column) {
    std::cout << (column ? "-+-" : "")
              << std::string(widths[static_cast<std::size_t>(column)], '-');
  }
  std::cout << "\n";
  for (int row = 0; row < rows.size(); ++row) {
    for (int column = 0; column < rows.columns(); ++column) cell(rows.text(row, column), column);
    std::cout << "\n";
  }
  std::cout << "(" << rows.size() << (rows.size() == 1 ? " row)\n" : " rows)\n");
}

std::string gate_conninfo(const Config& config, const std::string& password) {
  const std::string host = config.gate.listen == "0.0.0.0" || config.gate.listen == "::"
                               ? "127.0.0.1"
                               : config.gate.listen;
  using runtime::conninfo_item;
  return conninfo_item("host", host) + conninfo_item("port", std::to_string(config.gate.port)) +
         conninfo_item("user", kAdminAccount) + conninfo_item("password", password) +
         "dbname='minato' connect_timeout='5' application_name='minato sql'";
}

}  // namespace

Result<int> sql(const Platform& platform, const SqlOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  if (Status running = require_serve(platform); !running) {
    std::cerr << "minato: " << running.error().message << "\n";
    return kExitNotRunning;
  }
  std::string statement = options.statement;
  if (statement == "-") statement.assign(std::istreambuf_iterator<char>(std::cin), {});
  TRY_ASSIGN(const std::string password, generated_secret(platform, "admin"));
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
      PQconnectdb(gate_conninfo(config, password).c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return fail(Code::unavailable, "The gate cannot be reached.", PQerrorMessage(connection.get()));
  }
  PGresult* result = PQexec(connection.get(), statement.c_str());
  const pg::Rows rows(result);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    std::cerr << PQresultErrorMessage(result);
    return kExitFailed;
  }
  if (status != PGRES_TUPLES_OK) {
    if (options.format == "table") std::cout << PQcmdStatus(result) << "\n";
  } else if (options.format == "json") {
    print_json(rows, result);
  } else if (options.format == "csv") {
    print_csv(rows, result);
  } else {
    print_table(rows, result);
  }
  return 0;
}

}  // namespace minato::app
