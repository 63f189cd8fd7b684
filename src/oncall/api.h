// The HTTP API of on-call: what each path answers. Sockets are runtime's.
// Everything wants a bearer token but /v2/enqueue (routing key) and signed webhooks of carriers.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "oncall/cost.h"
#include "oncall/inputs.h"
#include "oncall/switchboard.h"
#include "oncall/views.h"
#include "runtime/http_server.h"

namespace minato::oncall {

/// What the API reads; replaced as a whole when files change.
struct ApiFacts {
  std::shared_ptr<const TeamsFile> teams;
  std::string default_team;
  std::vector<std::string> tokens;
  std::map<std::string, std::string> routing_keys;  // key → team
  PriceTable prices;
};

class Api {
 public:
  Api(Switchboard& board, std::filesystem::path directory, std::filesystem::path journal)
      : board_(board), directory_(std::move(directory)), journal_(std::move(journal)) {}

  void set(ApiFacts facts);
  /// Answers of carriers' webhooks below "/twilio/"; without one they are 404.
  void set_webhook(runtime::HttpHandler handler) { webhook_ = std::move(handler); }

  runtime::HttpAnswer answer(const runtime::HttpCall& call);

 private:
  struct Request;
  using Reply = Result<runtime::HttpAnswer>;

  std::shared_ptr<const ApiFacts> facts() const;
  Reply route(const Request& request);
  Reply post(const Request& request);
  Reply get(const Request& request);
  Reply change_incident(const Request& request);
  Reply take(const std::vector<Input>& inputs, int status);
  Reply raise(const Request& request);
  Reply enqueue(const Request& request);
  Reply put_teams(const Request& request);
  Reply add_change(const Request& request);
  Reply start_drill(const Request& request);
  Reply incident(const std::string& id);
  Reply incidents(const Request& request);
  Reply attempts(const Request& request);
  Reply teams();
  Reply who(const Request& request);
  Reply cost(const Request& request);
  Reply metrics();
  Result<Journal*> reader();

  Switchboard& board_;
  std::filesystem::path directory_;
  std::filesystem::path journal_;
  runtime::HttpHandler webhook_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ApiFacts> facts_ = std::make_shared<ApiFacts>();
  std::mutex reading_;
  std::optional<Journal> read_;
};

}  // namespace minato::oncall
