// fleet-fetch: downloads, verifies and unpacks one artifact for fleetd, in a process that can do little else.
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <clocale>
#include <iostream>

#include "keeper.hpp"
#include "link.hpp"
#include "sandbox.hpp"

namespace {

using namespace fleet;

constexpr int kFailed = 1, kMisuse = 2;

bool is_stream_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

Result<> serve(fetch::Link& link) {
  TRYV(fetch::give_up_privileges());
  TRY(auto job, link.receive_job());
  fetch::Keeper keeper(link, std::move(job));
  auto done = keeper.run();
  if (done) return link.send(*done);
  static_cast<void>(link.send(wire::FetchFailed{keeper.phase(), done.error().text}));
  return std::unexpected(std::move(done).error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Downloads, verifies and unpacks one artifact. Started by fleetd, which gives it the job over a socket on\n"
      "descriptor 3; see fleet-fetch(8).",
      "fleet-fetch");
  app.set_version_flag("--version", "fleet-fetch " FLEET_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kMisuse;
  }
  if (!is_stream_socket(fetch::kLinkFd)) {
    std::cerr << "fleet-fetch: descriptor 3 is no socket (fleetd starts this program)\n";
    return kMisuse;
  }
  std::setlocale(LC_CTYPE, "C.UTF-8");  // libarchive converts names to the locale's characters
  fetch::take_signals();
  fetch::Link link(fetch::kLinkFd);
  const auto served = serve(link);
  if (served) return 0;
  std::cerr << "fleet-fetch: " << served.error().text << '\n';
  return kFailed;
}
