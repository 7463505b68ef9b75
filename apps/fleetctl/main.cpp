// fleetctl: asks fleetd over its public API, and tells what came of it.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "verbs.hpp"

namespace fleet::ctl {
namespace {

Result<Address> address_of(const Options& options) {
  Address address;
  address.socket = options.socket;
  if (options.url.empty()) return address;
  TRY(address, parse_url(options.url));
  address.ca_file = options.ca_file;
  if (options.token_file.empty()) return address;
  std::ifstream file(options.token_file);
  if (!(file >> address.token)) return fail(ErrorKind::usage, "cannot read a token: " + options.token_file);
  return address;
}

bool has_deadline(const Options& options) {
  const bool waits = options.verb == Verb::deploy || options.verb == Verb::rollback || options.verb == Verb::restart;
  return (waits && options.wait) || options.verb == Verb::follow || options.verb == Verb::shutdown || options.verb == Verb::plan ||
         options.verb == Verb::upgrade;
}

// The verb, until its end, Ctrl-C or the timeout, whichever comes first.
Exit run(net::asio::io_context& io, Session& session) {
  std::optional<Exit> ended;
  const auto end = [&](Exit exit) {
    if (!ended) ended = exit;
    io.stop();
  };
  net::asio::co_spawn(io, run_verb(session),
                      [&](std::exception_ptr bug, Exit exit) { end(bug ? Exit::internal : exit); });
  net::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code error, int) {
    if (!error) end(Exit::detached);
  });
  net::Timer deadline(io);
  if (has_deadline(session.options)) {
    deadline.expires_after(session.options.timeout);
    deadline.async_wait([&](boost::system::error_code error) {
      if (!error) end(Exit::timeout);
    });
  }
  io.run();
  return ended.value_or(Exit::internal);
}

void say_what_goes_on(Exit exit, Session& session) {
  if (exit != Exit::detached && exit != Exit::timeout) return;
  const std::string why = exit == Exit::detached ? "detached" : "timeout reached";
  if (session.waits_for) {
    session.terminal.say(how_to_follow(why, session.waits_for->app, session.waits_for->id));
  } else if (session.asked) {
    session.terminal.say(why + " before fleetd had answered: it may be under way all the same · look: fleetctl status");
  } else if (exit == Exit::timeout) {
    session.terminal.say(why);
  }
}

int main_of(int argc, const char* const* argv) {
  const auto around = surroundings();
  const auto options = parse(argc, argv, around);
  if (!options) {
    std::fputs(options.error().out.c_str(), stdout);
    std::fputs(options.error().err.c_str(), stderr);
    return options.error().code;
  }
  Terminal terminal;
  if (options->verb == Verb::config_check) {
    return static_cast<int>(check_config(options->file, options->json, terminal));
  }
  auto address = address_of(*options);
  if (!address) {
    terminal.say("fleetctl: " + address.error().text);
    return static_cast<int>(exit_for(address.error().kind));
  }
  std::signal(SIGPIPE, SIG_IGN);
  net::asio::io_context io;
  Session session{*options, Client(io, std::move(*address)), terminal, {}};
  const Exit exit = run(io, session);
  say_what_goes_on(exit, session);
  return static_cast<int>(exit);
}

}  // namespace
}  // namespace fleet::ctl

int main(int argc, char** argv) { return fleet::ctl::main_of(argc, argv); }
