// The command line: words in, one function call out, exit code back.
#pragma once

namespace minato::app {

/// Exit codes: what scripts may rely on.
inline constexpr int kExitGood = 0;
inline constexpr int kExitFailed = 1;      // it did not work; the message says why
inline constexpr int kExitInvalid = 2;     // wrong command line or configuration
inline constexpr int kExitNotRunning = 3;  // `minato serve` does not run on this platform
inline constexpr int kExitDeadline = 4;    // not finished within --timeout

int run(int argc, char** argv);

}  // namespace minato::app
