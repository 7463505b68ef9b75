#include "self_test.hpp"

#include "http1/http1_connection.hpp"
#include "os/unix_socket.hpp"

namespace fleet::proxy {

Task<Result<>> self_test(Proxy& proxy, Door& door) {
  auto pair = os::unix_pair();
  if (!pair) co_return std::unexpected(pair.error());
  PlainStream ours(SocketPtr(new Socket(proxy.loop, std::move(pair->first))));
  door.admit(std::make_unique<PlainStream>(SocketPtr(new Socket(proxy.loop, std::move(pair->second)))), "self", false,
             true);

  Wakeup wakeup;
  Deadline deadline(wakeup);
  proxy.loop.watchdog.watch(deadline);
  const auto until = Clock::now() + std::chrono::seconds(5);
  deadline.set(until);
  ours.socket().set_listener(&wakeup);
  ours.socket().send_at_once();
  const std::string request = "GET " + std::string(kSelfTestPath) + " HTTP/1.1\r\nHost: self\r\n\r\n";
  if (ours.write(request).bytes != request.size()) co_return fail("self test: request not taken");
  std::string answer;
  for (;;) {
    char part[1024];
    const auto got = ours.read(part, sizeof part);
    if (got.status == IoStatus::closed) break;
    if (got.status == IoStatus::failed) co_return fail("self test: connection broke");
    if (got.status == IoStatus::done) {
      answer.append(part, got.bytes);
      continue;
    }
    if (Clock::now() >= until) co_return fail("self test: no answer within 5 s");
    if (!wakeup.take_pending()) co_await wakeup.sleep();
  }
  const bool right = answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n200 OK\n");
  if (!right) co_return fail("self test: wrong answer");
  co_return Result<>();
}

}  // namespace fleet::proxy
