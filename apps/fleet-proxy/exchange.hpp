// One request and its answer: from the parsed head to the last byte, with whatever attempts that takes.
#pragma once

#include <optional>

#include "errors.hpp"
#include "http/chunked.hpp"
#include "proxy.hpp"
#include "retry.hpp"

namespace fleet::proxy {

class Exchange final : ClaimHolder {
 public:
  // `head` is the scratch head, and its bytes are pinned in client.in for as long as the exchange lives.
  Exchange(Proxy& proxy, ClientConnection& client, const http::RequestHead& head, const http::Framing& framing);
  ~Exchange();

  enum class After : std::uint8_t {
    keep,   // the connection takes the next request
    close,  // the answer is complete and was the last
    drop,   // the answer is not complete, and the client must see that
  };
  Task<After> run();

 private:
  // How an attempt stands.
  enum class Standing : std::uint8_t {
    going_on,
    complete,
    client_gone,
    client_silent,   // its inactivity limit passed
    client_faulty,   // its body is not framed as it should be
    attempt_failed,  // see attempt_end_
    cut,             // by the worker's own deadline
  };
  enum class Upload : std::uint8_t { running, done, abandoned };
  enum class Answer : std::uint8_t { head, body, complete };

  Task<bool> claim_target();
  Task<bool> wait_for_target(Clock::time_point until);
  Task<bool> connect();
  Task<Standing> attempt();
  Retry next_try() const;
  Task<After> give_up(Standing standing);
  Task<After> answer_own(const OwnAnswer& answer, bool may_keep);  // `answer` lives in the awaiting frame
  std::optional<OwnAnswer> redirect() const;

  // One pass over both directions; true when anything moved.
  bool step();
  bool read_client();
  bool encode_upload();
  bool write_upstream();
  bool read_upstream();
  bool decode_answer();
  bool decode_head();
  bool decode_body();
  bool write_client();
  void begin_answer(const http::ResponseHead& head, const http::Framing& framing);
  void end_answer();
  void fail_attempt(AttemptEnd end);

  Standing standing() const;
  void arm();
  void set_deadline();
  Standing on_time(Clock::time_point now);
  bool upload_blocked() const;  // bytes for the application are at hand, and it does not take them
  bool answer_blocked() const;  // likewise for the client
  bool waits_for_client() const;
  bool waits_for_upstream() const;

  void target_gone() override;
  void reset_attempt();
  void recycle_upstream();
  void log();

  Proxy& proxy_;
  ClientConnection& client_;

  // The request; views into the pinned head.
  const std::string_view method_text_, target_, authority_;
  const http::Method method_;
  const int minor_;
  const http::Framing framing_;
  const bool expects_continue_;
  bool keep_;  // the client connection goes on afterwards, as far as is known

  TablePtr table_;
  const CompiledRoute* route_ = nullptr;
  std::optional<Target::Claim> claim_;
  std::vector<TargetPtr> tried_;
  std::unique_ptr<Upstream> upstream_;

  // Towards the application. What was sent stays in up_out_, for a replay, until the window (one block) is full or an
  // answer begins.
  Buffer up_out_;
  std::size_t up_sent_ = 0;  // of up_out_
  bool request_kept_ = true;
  Upload upload_ = Upload::running;
  std::uint64_t upload_left_ = 0;  // kind length: not yet taken from the client
  http::ChunkedDecoder upload_decoder_;
  std::uint64_t upload_taken_ = 0, attempt_sent_ = 0;
  bool awaiting_continue_;

  // From the application.
  Buffer up_in_;
  http::HeadScanner scanner_;
  Answer answer_ = Answer::head;
  http::Framing answer_framing_;  // as it comes
  bool answer_chunked_ = false;   // as it goes out
  std::uint64_t answer_left_ = 0;
  http::ChunkedDecoder answer_decoder_;
  bool answer_begun_ = false;  // any byte came
  bool passed_on_ = false;     // any byte of it is on its way to the client
  bool upstream_keeps_ = false, upstream_ended_ = false, upstream_deaf_ = false;

  std::optional<AttemptEnd> attempt_end_;
  std::optional<http::Fault> client_fault_;
  bool client_gone_ = false, target_gone_ = false;

  unsigned attempts_ = 0, replays_ = 0, retries_ = 0;
  bool fresh_only_ = false, held_ = false;
  int status_ = 0;
  std::string_view error_;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  const Clock::time_point began_;
  Clock::time_point now_, client_active_, upstream_active_;
  std::optional<Clock::time_point> first_byte_;
};

}  // namespace fleet::proxy
