// One request and its answer: from the parsed head to the last byte, with whatever attempts that takes.
#pragma once

#include <optional>

#include "exchange/client_side.hpp"
#include "exchange/pace.hpp"
#include "exchange/retry.hpp"
#include "http/body.hpp"
#include "http/websocket.hpp"

namespace fleet::proxy {

class Exchange final : ClaimHolder {
 public:
  // `head` is read until run() first suspends; what it views must stay for as long as the exchange lives.
  Exchange(Proxy& proxy, ClientSide& client, const http::RequestHead& head, const http::Framing& framing);
  ~Exchange();

  enum class Outcome : std::uint8_t {
    complete,  // the request was read and answered
    unread,    // it was answered, and not read to its end
    broken,    // the answer is not complete, and the client must see that
  };
  Task<Outcome> run();

 private:
  // How an attempt stands.
  enum class Standing : std::uint8_t {
    going_on,
    complete,
    client_gone,
    client_silent,   // its inactivity limit passed
    client_faulty,   // its body is not framed as it should be
    tunnel_idle,     // its limit passed
    tunnel_closed,   // by us, with a Close frame
    attempt_failed,  // see attempt_end_
    cut,             // by the worker's own deadline
  };
  enum class Upload : std::uint8_t { running, done, abandoned };
  enum class Answer : std::uint8_t { head, body, complete };

  Task<bool> claim_target();
  Task<Hold::Standing> wait_for_target(Clock::time_point until);
  Task<bool> connect();
  Task<Standing> attempt();
  Retry next_try() const;
  void count_as_retry(bool counts);
  bool undelivered() const;
  Task<void> pause(Clock::duration how_long);
  Task<Retry> wait_for_budget();
  Task<Outcome> give_up(Standing standing);
  Task<Outcome> answer_own(const OwnAnswer& answer, bool may_keep);  // `answer` lives in the awaiting frame
  std::optional<OwnAnswer> apply_rules(Router::Match& match);
  bool write_head();
  void note_agent();
  bool client_too_slow();
  bool client_reads_on();

  // One pass over both directions; true when anything moved.
  bool step();
  bool receive();
  bool take_upload();
  void end_upload();
  bool make_room_for(std::size_t bytes);
  bool uploads_directly() const;  // what the client sends goes to the application without a stop in up_out_
  bool write_upstream();
  bool read_upstream();
  bool take_answer();
  bool take_head();
  bool take_body();
  bool flush_client();
  bool may_begin_tunnel() const;
  bool ask_for_asset(const http::ResponseHead& head, const http::Framing& framing, std::size_t head_length);
  void take_asset();
  void keep_own_answer();
  void begin_answer(const http::ResponseHead& head, const http::Framing& framing);
  void answer_for_app(const http::ResponseHead& head);
  void begin_tunnel(const http::ResponseHead& head);
  bool end_answer();
  void abandon_upload();
  void fail_attempt(AttemptEnd end);

  Standing standing();
  Limits::Ms upstream_idle() const;
  Limits::Ms tunnel_idle() const;
  void set_deadline();
  Standing on_time(Clock::time_point now);
  bool upload_blocked() const;  // bytes for the application are at hand, and it does not take them
  bool answer_blocked() const;  // likewise for the client
  bool waits_for_client() const;
  bool waits_for_upstream() const;

  void target_gone() override;
  void target_draining() override { client_.deadline.set(Clock::now()); }
  bool is_stream() const { return tunnel_ || event_stream_; }
  Standing close_websocket();
  void reset_attempt();
  void recycle_upstream();
  void note_failure(bool was_reused);
  void note_outcome(bool failed);  // of the target's answering
  void log();

  Proxy& proxy_;
  ClientSide& client_;

  // The request
  const http::RequestHead& head_;  // scratch: until run() first suspends
  const std::string_view method_text_, target_, authority_;
  const http::Method method_;
  const http::Framing framing_;
  const bool asks_upgrade_;
  // Who asks, by the word of the trusted proxies before us where there are any (P8).
  const http::Provenance* const told_;  // scratch, like head_
  const std::string told_address_;      // empty: the peer's own
  const IpAddress client_ip_;
  const bool client_https_;

  TablePtr table_;
  const CompiledRoute* route_ = nullptr;
  std::unique_ptr<Ruled> ruled_;  // null: there is nothing to do but to pass the request on
  std::optional<Target::Claim> claim_;
  std::vector<TargetPtr> tried_;
  std::unique_ptr<Upstream> upstream_;

  // Towards the application. What was sent stays in up_out_, for a replay, until the window (one block) is full or an
  // answer begins.
  Buffer up_out_;
  std::size_t up_sent_ = 0;  // of up_out_
  bool request_kept_ = true;
  Upload upload_ = Upload::running;
  std::uint64_t upload_taken_ = 0, attempt_sent_ = 0;
  bool awaiting_continue_;

  // From the application.
  Buffer up_in_;
  http::HeadScanner scanner_;
  Answer answer_ = Answer::head;
  http::BodyReader answer_body_;
  bool answer_begun_ = false;  // any byte came
  bool passed_on_ = false;     // any byte of it is on its way to the client
  bool upstream_keeps_ = false, upstream_ended_ = false, upstream_deaf_ = false;
  bool tunnel_ = false;  // both bodies are the two directions of one
  bool event_stream_ = false;
  std::optional<http::WebSocketFrames> frames_;  // of the answer, where the tunnel is a WebSocket
  std::optional<Clock::time_point> closing_until_;  // the WebSocket's next boundary is awaited for our Close

  // The application's own 404, while the asset server is asked, and upstream_ leads there.
  struct Aside {
    std::unique_ptr<Upstream> upstream;
    Buffer answer;
    bool ended = false;
    bool whole = false;  // nothing of the answer is still to come, and the connection may be used again
  };
  std::unique_ptr<Aside> aside_;
  bool asked_for_asset_ = false, is_asset_ = false;

  std::optional<AttemptEnd> attempt_end_;
  std::optional<http::Fault> client_fault_;
  bool target_gone_ = false;

  unsigned attempts_ = 0, replays_ = 0, retries_ = 0;
  bool fresh_only_ = false, held_ = false;
  bool counts_as_retry_ = false;  // in proxy_.retrying
  bool refused_ = false;          // as often as R1 has it: waits for its turn to try again
  std::optional<std::uint64_t> hash_key_;
  Pace pace_;
  bool too_slow_ = false;
  std::uint64_t acknowledged_ = 0;
  int status_ = 0;
  std::string_view error_, referer_, user_agent_;
  Clock::duration waited_{0};  // for a target
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  const Clock::time_point began_;
  Clock::time_point now_, client_active_, upstream_active_;
  std::optional<Clock::time_point> first_byte_;
};

}  // namespace fleet::proxy
