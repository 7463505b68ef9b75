#include "route_text.hpp"

#include <gtest/gtest.h>

namespace fleet::ctl {
namespace {

TEST(RouteText, TellsWhoseItIsWhatDecidedAndWhatIsSent) {
  api::RouteView route;
  route.url = "https://shop.example/old/x";
  route.method = "GET";
  route.app = "shop";
  route.host = "*.example";
  route.path = "/old";
  route.seen_path = "/old/x";
  route.because = "rewrite";
  route.rule = "#1 ^/old/(.*)$ -> /new/$1";
  route.target = "/new/x";
  route.targets = {{"shop-v42-7", 42, "ready"}};
  route.request_head = {"GET /new/x HTTP/1.1"};
  route.response_changes = {"remove Server"};
  route.max_body = 10u << 20;
  route.idle_timeout_ms = milliseconds(5000);
  EXPECT_EQ(route_text(route, {}),
            "GET https://shop.example/old/x\n"
            "  app       shop, by host *.example and path /old\n"
            "  path      /old/x\n"
            "  because   rewrite #1 ^/old/(.*)$ -> /new/$1\n"
            "  answer    the application's, asked for /new/x\n"
            "  target    shop-v42-7 of v42, ready\n"
            "  request   GET /new/x HTTP/1.1\n"
            "  response  remove Server\n"
            "  limits    bodies of 10MiB, idle for 5.0 s\n");
}

TEST(RouteText, TellsWhatTheRequestWouldWaitFor) {
  api::RouteView route;
  route.app = "shop";
  route.waits = "held";
  route.waits_ms = milliseconds(29'000);
  EXPECT_NE(route_text(route, {}).find("  waits     for the end of the hold, in 29 s at most\n"), std::string::npos);
  route.waits = "no-target";
  EXPECT_NE(route_text(route, {}).find("  waits     for an instance that takes it, 29 s at most\n"), std::string::npos);
}

TEST(RouteText, TakesFleetsOwnPathForNoFault) {
  api::RouteView route;
  EXPECT_FALSE(is_taken(route));
  route.because = "ready_path";
  route.status = 200;
  EXPECT_TRUE(is_taken(route));
  EXPECT_NE(route_text(route, {}).find("  app       none: it asks whether fleet is ready\n"), std::string::npos);
}

TEST(RouteText, TellsWhatFleetAnswersItself) {
  api::RouteView route;
  route.url = "http://x\x1b[2J/";
  route.method = "GET";
  route.because = "nothing";
  route.status = 404;
  route.reason = "no-route";
  EXPECT_EQ(route_text(route, {}), "GET http://x\\x1b[2J/\n  app       none takes it\n  answer    404 (no-route), by fleet\n");
  route.app = "shop";
  route.path = "/";
  route.status = 301;
  route.reason.clear();
  route.location = "https://x/";
  route.because = "https_redirect";
  EXPECT_NE(route_text(route, {}).find("  app       shop, by any host and path /\n  because   https_redirect\n"
                                       "  answer    301 to https://x/, by fleet\n"),
            std::string::npos);
}

}  // namespace
}  // namespace fleet::ctl
