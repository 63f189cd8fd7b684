// On-call's journal as tables of the lake: minato.oncall_incidents and minato.oncall_attempts, kept
// up by the core. Telephone numbers are masked in them.
#pragma once

#include <filesystem>
#include <stop_token>

#include "lake/writer.h"

namespace minato::app {

/// Looks every few seconds whether the journal changed and writes both tables anew in one commit,
/// until `stop`. Nothing happens while there is no journal.
void keep_oncall_records(const std::filesystem::path& journal, lake::Lake& lake,
                         std::stop_token stop);

}  // namespace minato::app
