#include <poll.h>

#include <algorithm>
#include <list>

#include "support/http2_connection.hpp"
#include "support/load_account.hpp"

namespace fleet::test {
namespace {

struct UnderWay {
  Errand errand;
  const Http2Connection* on = nullptr;
  Via via;
};

class Http2Load {
 public:
  Http2Load(Run& run, Account& account, const Peer& peer) : run_(run), account_(account), peer_(peer) {}

  // As many requests at once as there are streams, each interval.
  void work(std::chrono::nanoseconds interval, LoadClock::time_point next) {
    while (!run_.over() || !under_way_.empty()) {
      if (!run_.over() && LoadClock::now() >= next) {
        for (auto busy = under_way_.size(); busy < run_.options.streams; ++busy) ask(account_.next());
        next = std::max(next + interval, LoadClock::now() - std::chrono::seconds(1));
      }
      wait(next);
      for (auto& connection : connections_) connection.turn();
      settle();
    }
  }

 private:
  void ask(const Errand& errand) {
    if (connections_.empty() || !connections_.back().streams().takes_more()) {
      auto opened = Http2Connection::open(peer_);
      if (!opened) return account_.done(errand, std::unexpected(opened.error()), false, {});
      account_.connected();
      via_ = Via::now(opened->own_port());
      connections_.push_back(std::move(*opened));
    }
    Http2Request request{errand.method(), peer_.authority(), errand.target};
    if (!errand.id.empty()) request.fields.emplace_back(kTransactionField, errand.id);
    request.body = errand.body;
    under_way_[++number_] = {errand, &connections_.back(), via_};
    connections_.back().streams().begin(number_, request);
    connections_.back().turn();
  }

  void wait(LoadClock::time_point next) const {
    std::vector<pollfd> all;
    for (const auto& connection : connections_) {
      all.push_back({connection.socket(), static_cast<short>(connection.has_to_send() ? POLLIN | POLLOUT : POLLIN), 0});
    }
    const auto left = std::chrono::ceil<milliseconds>(next - LoadClock::now());
    ::poll(all.data(), all.size(), static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(50)).count()));
  }

  // Takes what has ended, and forgets connections on which nothing more will come.
  void settle() {
    std::vector<Errand> again;
    for (auto& connection : connections_) {
      give_up_silent(connection);
      for (const auto& outcome : connection.streams().outcomes()) {
        const auto ended = under_way_.extract(outcome.number);
        const auto& [errand, on, via] = ended.mapped();
        if (outcome.unprocessed) again.push_back(errand);
        else account_.done(errand, outcome.answer, true, via);
      }
    }
    std::erase_if(connections_, [](auto& connection) {
      auto& streams = connection.streams();
      return streams.over() || (!streams.takes_more() && streams.under_way() == 0);
    });
    for (const auto& errand : again) {
      account_.sent_again();
      ask(errand);
    }
  }

  void give_up_silent(Http2Connection& connection) const {
    const auto late = [&](const auto& entry) {
      return entry.second.on == &connection && LoadClock::now() - entry.second.errand.begun > peer_.timeout;
    };
    if (std::ranges::any_of(under_way_, late)) connection.streams().end({Cause::timeout, "no whole answer in time"});
  }

  Run& run_;
  Account& account_;
  const Peer& peer_;
  std::list<Http2Connection> connections_;  // all but the last are being left
  Via via_;                                 // of the last
  std::map<std::uint64_t, UnderWay> under_way_;
  std::uint64_t number_ = 0;
};

}  // namespace

void run_http2(Run& run, Account& account, const Peer& peer, std::chrono::nanoseconds interval,
               LoadClock::time_point first) {
  Http2Load(run, account, peer).work(interval, first);
}

}  // namespace fleet::test
