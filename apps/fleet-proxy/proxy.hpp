// What every session of a worker shares: one thread, one loop, no locks.
#pragma once

#include <memory>

#include "access_log.hpp"
#include "buffer.hpp"
#include "limits.hpp"
#include "loop.hpp"
#include "router.hpp"
#include "tls_contexts.hpp"

namespace fleet::proxy {

// Requests that wait for a target, in order of arrival. All are woken by each new table.
class HoldQueue {
 public:
  class Place : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    Place(HoldQueue& queue, Wakeup& wakeup) : queue_(queue), wakeup_(wakeup) {
      ++queue_.size_;
      queue_.waiting_.push_back(*this);
    }
    ~Place() { --queue_.size_; }
    void wake() { wakeup_.wake(); }

   private:
    HoldQueue& queue_;
    Wakeup& wakeup_;
  };

  std::uint32_t size() const { return size_; }
  void wake_all() {
    List woken;  // who is still without a target takes a new place
    woken.swap(waiting_);
    while (!woken.empty()) {
      auto& place = woken.front();
      place.unlink();
      place.wake();
    }
  }

 private:
  using List = boost::intrusive::list<Place, boost::intrusive::constant_time_size<false>>;
  List waiting_;
  std::uint32_t size_ = 0;
};

struct Proxy {
  Proxy(Loop& its_loop, const Limits& given, Target::Observer& observer)
      : loop(its_loop), limits(given), router(observer) {}

  Loop& loop;
  const Limits limits;
  Router router;
  AccessLogs logs;
  HoldQueue held;
  std::shared_ptr<const TlsContexts> tls;  // null until keys came
  std::uint16_t https_port = 443;          // where redirects to https lead
  bool draining = false;                   // every answer from now on closes its connection (W1)

  std::uint64_t unrouted = 0, unavailable = 0;
  std::uint32_t active = 0, retrying = 0;  // exchanges now, and those of them on a further attempt

  http::RequestHead request_head;    // scratch: valid from a parse until the next suspension
  http::ResponseHead response_head;  // likewise
  http::FieldList trailers;          // likewise
};

// The client at the other end of one connection.
struct Peer {
  Peer(std::unique_ptr<Stream> connection, std::string peer_address, bool is_https)
      : stream(std::move(connection)), address(std::move(peer_address)), https(is_https) {
    stream->socket().set_listener(&wakeup);
  }

  std::unique_ptr<Stream> stream;
  const std::string address;  // textual
  const bool https;
  bool internal = false;  // the worker's own self test
  bool cut = false;       // the worker's drain is over: stop where you are
  std::uint32_t exchanges = 0;  // under way
  Wakeup wakeup;
  Deadline deadline{wakeup};
};

}  // namespace fleet::proxy
