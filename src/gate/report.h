// Errors and notices as the client sees them: SQLSTATE, message, detail, hint.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace minato::gate {

/// Where an error comes from: it decides what of its text the client may see, and its SQLSTATE.
enum class Origin {
  engine,   // Error::detail is the engine's text: cleaned, it is the message
  fence,    // the check of people's SQL
  session,  // everything else
};

struct Report {
  std::string sqlstate = "XX000";
  std::string message;
  std::string detail;
  std::string hint;
};

Report report_of(const Error& error, Origin origin);

/// ErrorResponse with severity ERROR, or FATAL for the last words before a connection ends.
void append_error(std::string& out, const Report& report, bool fatal = false);
void append_notice(std::string& out, const Report& report);

}  // namespace minato::gate
