// Conversations without sockets: messages in, messages out, over an engine without a lake.
#include "gate/conversation.h"

#include <gtest/gtest.h>

namespace minato::gate {
namespace {

using namespace wire::pgwire;

std::string told(const ReadyForQuery& ready) { return std::string("(") + ready.state + ")"; }
std::string told(const CommandComplete& complete) { return "(" + std::string(complete.tag) + ")"; }
std::string told(const DataRow& row) {
  return "(" + std::string(row.values.at(0).value_or("NULL")) + ")";
}
std::string told(const wire::pgwire::Report& report) {
  for (const auto& [code, value] : report.fields) {
    if (code == 'C') return "(" + std::string(value) + ")";
  }
  return {};
}
template <class Other>
std::string told(const Other&) {
  return {};
}

class Talk : public ::testing::Test {
 protected:
  void SetUp() override {
    lake::EngineOptions engine_options;
    engine_options.threads = 2;
    engine_options.extensions.clear();
    engine_ = std::make_unique<lake::Engine>(lake::Engine::open(engine_options).value());
    Conversation::Client client{{"clerk", 7}, "abcd", false, {{"application_name", "test"}}};
    conversation_ = Conversation::open(*engine_, options_, client, out_).value();
    EXPECT_EQ(taken().substr(0, 1), "R");
  }
  void send(const FrontendMessage& message) { encode(message, in_); }
  /// Types of the answers, and in parentheses what matters of them.
  std::string answers() {
    for (bool on_pool = false;;) {
      std::string_view input = in_;
      const Step step = conversation_->advance(input, out_, on_pool);
      in_.erase(0, in_.size() - input.size());
      on_pool = step == Step::engine;
      sent_ += out_;
      out_.clear();
      if (step == Step::read || step == Step::close) break;
    }
    return taken();
  }
  std::string taken() {
    sent_ += out_;
    out_.clear();
    std::string text;
    std::size_t at = 0;
    while (const auto frame =
               next_frame(std::string_view(sent_).substr(at), false, 1 << 30).value()) {
      text += frame->type;
      std::visit([&text](const auto& message) { text += told(message); },
                 parse_backend(*frame).value());
      at += frame->size;
    }
    EXPECT_EQ(at, sent_.size());
    sent_.clear();
    return text;
  }

  GateOptions options_;
  std::unique_ptr<lake::Engine> engine_;
  std::unique_ptr<Conversation> conversation_;
  std::string in_;
  std::string out_;
  std::string sent_;
};

TEST_F(Talk, SimpleQueries) {
  send(Query{"select 1; select 2"});
  EXPECT_EQ(answers(), "TD(1)C(SELECT 1)TD(2)C(SELECT 1)Z(I)");
  send(Query{" -- nothing"});
  EXPECT_EQ(answers(), "IZ(I)");
  send(Query{"select 1; select nothing; select 2"});
  EXPECT_EQ(answers(), "TD(1)C(SELECT 1)E(42703)Z(I)");
  send(Query{"begin; select 1; commit; show application_name"});
  EXPECT_EQ(answers(), "C(BEGIN)TD(1)C(SELECT 1)C(COMMIT)TD(test)C(SHOW)Z(I)");
  send(Query{"set application_name = 'other'"});
  EXPECT_EQ(answers(), "SC(SET)Z(I)") << "a change that drivers follow";
}

TEST_F(Talk, ExtendedQuery) {
  send(Parse{"", "select $1::int + 1", {}});
  send(Describe{'S', ""});
  send(Bind{"", "", {}, {"41"}, {}});
  send(Describe{'P', ""});
  send(Execute{"", 0});
  send(Sync{});
  EXPECT_EQ(answers(), "1tT2TD(42)C(SELECT 1)Z(I)");
  send(Parse{"", "set statement_timeout = 5", {}});
  send(Bind{});
  send(Describe{'P', ""});
  send(Execute{});
  send(Sync{});
  EXPECT_EQ(answers(), "12nC(SET)Z(I)");
}

TEST_F(Talk, ErrorsSkipToSync) {
  send(Parse{"a", "select 1", {}});
  send(Bind{"", "missing", {}, {}, {}});
  send(Execute{});
  send(Parse{"b", "select 1", {}});
  send(Sync{});
  EXPECT_EQ(answers(), "1E(26000)Z(I)");
  send(Parse{"a", "select 1", {}});
  send(Sync{});
  EXPECT_EQ(answers(), "E(42P05)Z(I)") << "named statements outlive an error";
  send(Bind{"", "b", {}, {}, {}});
  send(Sync{});
  EXPECT_EQ(answers(), "E(26000)Z(I)") << "what was skipped was not done";
  send(Parse{"", "select 1; select 2", {}});
  send(Sync{});
  EXPECT_EQ(answers(), "E(42601)Z(I)");
  send(Parse{"", "select $1", {}});
  send(Bind{"", "", {}, {}, {}});
  send(Sync{});
  EXPECT_EQ(answers(), "1E(08P01)Z(I)");
}

TEST_F(Talk, PortalsWithRowLimits) {
  send(Query{"begin"});
  send(Parse{"s", "select range from range(5)", {}});
  send(Bind{"p", "s", {}, {}, {}});
  send(Execute{"p", 2});
  send(Sync{});
  EXPECT_EQ(answers(), "C(BEGIN)Z(T)12D(0)D(1)sZ(T)");
  send(Query{"select 7"});
  EXPECT_EQ(answers(), "TD(7)C(SELECT 1)Z(T)") << "another statement while the portal is suspended";
  send(Execute{"p", 2});
  send(Execute{"p", 2});
  send(Execute{"p", 2});
  send(Sync{});
  EXPECT_EQ(answers(), "D(2)D(3)sD(4)C(SELECT 1)C(SELECT 0)Z(T)");
  send(Query{"commit"});
  send(Execute{"p", 0});
  send(Sync{});
  EXPECT_EQ(answers(), "C(COMMIT)Z(I)E(34000)Z(I)") << "a portal ends with its transaction";
}

TEST_F(Talk, APortalThatWouldFillMemoryIsAnError) {
  send(Query{"begin"});
  send(Parse{"", "select repeat('x', 1000) from range(200000)", {}});
  send(Bind{"p", "", {}, {}, {}});
  send(Execute{"p", 1});
  send(Sync{});
  answers();
  send(Query{"select 7"});
  EXPECT_EQ(answers(), "E(53000)Z(E)");
  send(Query{"rollback"});
  EXPECT_EQ(answers(), "C(ROLLBACK)Z(I)");
}

TEST_F(Talk, FailedBlocks) {
  send(Query{"begin"});
  send(Query{"select 1/"});
  send(Query{"select 1"});
  send(Parse{"", "select 1", {}});
  send(Sync{});
  send(Parse{"", "rollback", {}});
  send(Bind{});
  send(Execute{});
  send(Sync{});
  EXPECT_EQ(answers(), "C(BEGIN)Z(T)E(42601)Z(E)E(25P02)Z(E)E(25P02)Z(E)12C(ROLLBACK)Z(I)");
}

TEST_F(Talk, OutputComesInSteps) {
  send(Query{"select repeat('x', 1000) from range(100000)"});
  std::string_view input = in_;
  Step step = conversation_->advance(input, out_, false);
  std::size_t total = 0;
  while (step != Step::read) {
    step = conversation_->advance(input, out_, true);
    EXPECT_LT(out_.size(), 300UL << 10) << "bounded";
    total += out_.size();
    out_.clear();
  }
  EXPECT_GT(total, 100'000'000U);
}

TEST_F(Talk, AnInterruptEndsTheStatementOnly) {
  send(Query{"select repeat('x', 1000) from range(100000)"});
  std::string_view input = in_;
  ASSERT_EQ(conversation_->advance(input, out_, false), Step::engine);
  ASSERT_EQ(conversation_->advance(input, out_, true), Step::write);
  out_.clear();
  conversation_->interrupt(Interruption::client);
  in_.erase(0, in_.size() - input.size());
  EXPECT_EQ(answers(), "E(57014)Z(I)");
  send(Query{"select 1"});
  EXPECT_EQ(answers(), "TD(1)C(SELECT 1)Z(I)");
}

TEST_F(Talk, GarbageEndsTheConversation) {
  in_ = std::string("Q\0\0\0\1", 5);
  EXPECT_EQ(answers(), "E(08P01)");
}

}  // namespace
}  // namespace minato::gate
