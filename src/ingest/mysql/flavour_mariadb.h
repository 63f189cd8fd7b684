// Capture from MariaDB: GTIDs by domain, views of InnoDB that know their place in the log.
#pragma once

#include "ingest/mysql/flavour.h"

namespace minato::ingest::mysql {

class FlavourMariadb : public Flavour {
 public:
  Status check_version(const Connection& connection) const override;
  Status lift_limits(Connection& connection) const override;
  std::span<const Setting> settings() const override;
  std::span<const Privilege> privileges() const override;
  Result<LogPosition> current(Connection& connection) const override;
  Result<LogPosition> log_end(Connection& connection) const override;
  Result<LogPosition> open_view(Connection& connection, Connection& helper,
                                const std::vector<TableName>& tables) const override;
  Status begin_stream(Connection& connection, const LogPosition& from, std::uint32_t server_id,
                      std::chrono::seconds heartbeat) const override;
  Result<std::string> collation_charset(Connection& connection, unsigned collation) const override;
  bool json_is_text() const override { return true; }
};

}  // namespace minato::ingest::mysql
