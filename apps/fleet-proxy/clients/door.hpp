// The open connections: accepting them, counting them, ending them. Every session belongs to it.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "clients/session.hpp"

namespace fleet::proxy {

class Door {
 public:
  // `on_emptied` is called each time the last session has ended.
  Door(Proxy& proxy, std::function<void()> on_emptied);
  ~Door();

  // The descriptors that connections come from; takes effect at once when accepting.
  void set_listeners(const std::vector<wire::ListenerInfo>& infos, std::vector<os::Fd> fds);
  std::vector<int> listener_fds() const;
  const std::vector<wire::ListenerInfo>& listener_infos() const { return infos_; }
  void start_accepting();
  // Leaves the listeners to others: what is queued there is served by them.
  void stop_accepting();
  void on_tick();

  // A session on a connected socket.
  void admit(std::unique_ptr<Stream> stream, std::string address, bool https, bool internal = false,
             bool with_header = false);

  std::uint32_t open() const { return static_cast<std::uint32_t>(sessions_.size()); }
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t turned_away() const { return turned_away_; }
  std::uint32_t busy() const;  // connections with a request under way
  void wake_all();  // for those that have something to say to a change of the worker's state
  void cut_all();

 private:
  class Knocker;  // one listener's ReadinessListener

  void accept_from(Knocker& knocker);
  void admit_client(os::Fd fd, const sockaddr_storage& peer, const wire::ListenerInfo& info);
  bool make_room();
  void shed(int listener);
  void pause();
  void resume_if_paused();

  Proxy& proxy_;
  std::function<void()> on_emptied_;
  std::vector<wire::ListenerInfo> infos_;
  std::vector<std::unique_ptr<Knocker>> knockers_;
  std::list<std::unique_ptr<Session>> sessions_;
  os::Fd spare_;  // given up for a moment to turn away a connection when there are no descriptors left
  bool accepting_ = false, paused_ = false;
  std::uint64_t accepted_ = 0, turned_away_ = 0;
  Clock::time_point shed_logged_{};
};

}  // namespace fleet::proxy
