#include "api/routes.hpp"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>

#include "fake_backend.hpp"
#include "support/openapi/openapi.hpp"

namespace fleet::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Transport = Peer::Transport;

const std::string kSha = "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789";

class RoutesTest : public ::testing::Test {
 protected:
  net::asio::io_context io;
  FakeBackend backend{io};
  Policy policy;
  test::OpenApi described;

  Request request(std::string method, std::string target, std::string body = "") {
    Request made;
    made.method = std::move(method);
    made.target = std::move(target);
    made.host = "localhost";
    made.has_body = !body.empty();
    made.content_type = made.has_body ? "application/json" : "";
    made.body = std::move(body);
    made.peer.operator_rights = true;
    made.peer.who = "uid 1000";
    return made;
  }

  // From admission to the whole answer; streams are read to their end. Holds the answer to openapi.json.
  Response ask(Request asked) {
    Admission admission = admit(asked, policy);
    const std::string method = asked.method, target = asked.target;
    Response response;
    if (admission.route) {
      run(answer(backend, *admission.route, std::move(asked)), response);
    } else {
      response = std::move(*admission.refusal);
    }
    if (response.source) response.body = read_all(*response.source);
    if (admission.route) {
      EXPECT_THAT(described.check_answer(method, target, static_cast<int>(response.status), response.content_type,
                                         response.body),
                  IsEmpty());
    }
    if (response.afterwards) response.afterwards();
    return response;
  }

  template <class T>
  void run(net::Task<T> task, T& result) {
    net::asio::co_spawn(io, std::move(task), [&](std::exception_ptr, T value) { result = std::move(value); });
    io.restart();
    io.run();
  }

  std::string read_all(Source& source) {
    std::string all;
    for (;;) {
      std::optional<std::string> piece;
      run(source.next(), piece);
      if (!piece) return all;
      all += *piece;
    }
  }

  EventView event(EventType type, DeploymentId deployment) {
    EventView view;
    view.type = type;
    view.deployment = deployment;
    view.app = "shop";
    return view;
  }
};

TEST_F(RoutesTest, DeploysWhatTheBodySays) {
  const auto response =
      ask(request("POST", "/v1/apps/shop/deployments", R"({"url":"https://b/s.zip","sha256":")" + kSha + "\"}"));
  EXPECT_EQ(response.status, 202u);
  EXPECT_EQ(response.body, "{\"id\":17}\n");
  EXPECT_THAT(backend.asked,
              ElementsAre("deploy shop https://b/s.zip "
                          "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789 by uid 1000"));
}

TEST_F(RoutesTest, RefusesADeployOfNothingOrWithAWrongDigest) {
  for (const char* body : {"", "{}", R"({"url":""})", R"({"url":"a\nb"})", R"({"url":"x","sha256":"12"})",
                           R"({"url":"x","forced":true})", R"({"url":1})"}) {
    EXPECT_EQ(ask(request("POST", "/v1/apps/shop/deployments", body)).status, 400u) << body;
  }
  EXPECT_THAT(backend.asked, IsEmpty());
}

TEST_F(RoutesTest, NamesTheRunningDeploymentWhenBusy) {
  AppView app;
  app.name = "shop";
  app.deployment.emplace().id = 16;
  app.deployment->started_at = "2026-11-22T23:31:10.123Z";
  app.deployment->requested_by = "uid 1000";
  backend.status_view.apps = {app};
  backend.error = Error{ErrorKind::busy, "shop: deployment 16 is under way"};
  const auto response = ask(request("POST", "/v1/apps/shop/restart"));
  EXPECT_EQ(response.status, 409u);
  EXPECT_THAT(response.body, HasSubstr(R"("kind":"busy","deployment":16)"));
  EXPECT_THAT(response.body, HasSubstr(R"("requested_by":"uid 1000","since":"2026-11-22T23:31:10.123Z")"));
}

TEST_F(RoutesTest, PassesOnEveryOtherWish) {
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/rollback")).status, 202u);
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/rollback", R"({"release":41})")).status, 202u);
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/restart")).status, 202u);
  EXPECT_EQ(ask(request("POST", "/v1/deployments/17/abort")).status, 202u);
  EXPECT_EQ(ask(request("POST", "/v1/reload")).status, 200u);
  EXPECT_THAT(ask(request("POST", "/v1/proxy/upgrade")).body, HasSubstr("2 new proxy workers accept"));
  EXPECT_EQ(ask(request("POST", "/v1/upgrade", R"({"program":"/new/fleetd"})")).status, 202u);
  EXPECT_EQ(ask(request("POST", "/v1/shutdown")).status, 202u);
  EXPECT_EQ(ask(request("POST", "/v1/shutdown", R"({"apps":true})")).status, 202u);
  EXPECT_THAT(backend.asked, ElementsAre("rollback shop to the former by uid 1000", "rollback shop to 41 by uid 1000",
                                         "restart shop by uid 1000", "abort 17 by uid 1000", "reload", "upgrade proxy",
                                         "upgrade to /new/fleetd by uid 1000", "take over", "shutdown", "shutdown with apps"));
}

TEST_F(RoutesTest, PinsReleasesAndCollectsOthers) {
  EXPECT_THAT(ask(request("POST", "/v1/apps/shop/releases/41/pin")).body, HasSubstr(R"("pinned":true)"));
  EXPECT_THAT(ask(request("POST", "/v1/apps/shop/releases/41/unpin")).body, HasSubstr(R"("pinned":false)"));
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/releases/one/pin")).status, 404u);
  EXPECT_THAT(ask(request("POST", "/v1/gc")).body, HasSubstr(R"("bytes":1024)"));
  EXPECT_THAT(ask(request("POST", "/v1/gc", R"({"app":"shop","dry_run":true})")).body, HasSubstr(R"("dry_run":true)"));
  EXPECT_EQ(ask(request("POST", "/v1/gc", R"({"dry":true})")).status, 400u);
  EXPECT_THAT(backend.asked, ElementsAre("pin shop 41 by uid 1000", "unpin shop 41 by uid 1000",
                                         "remove what need not be kept of all", "gc of shop"));
  backend.error = Error{ErrorKind::not_found, "shop has no release v41"};
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/releases/41/pin")).status, 404u);
}

TEST_F(RoutesTest, HoldsAndLetsGo) {
  const auto held = ask(request("POST", "/v1/apps/shop/hold", R"({"max_ms":90000})"));
  EXPECT_EQ(held.status, 200u);
  EXPECT_THAT(held.body, HasSubstr(R"("held_until":"2026-11-23T00:00:30.000Z","in_flight":3)"));
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/hold")).status, 200u);
  const auto released = ask(request("POST", "/v1/apps/shop/unhold"));
  EXPECT_THAT(released.body, HasSubstr(R"("held_until":null)"));
  EXPECT_THAT(backend.asked, ElementsAre("hold shop for 90000 by uid 1000", "hold shop for 30000 by uid 1000",
                                         "unhold shop by uid 1000"));
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/hold", R"({"max_ms":999})")).status, 400u);
  EXPECT_EQ(ask(request("POST", "/v1/apps/shop/hold", R"({"max_ms":3600001})")).status, 400u);
}

TEST_F(RoutesTest, SaysAfterAReloadWhichCertificatesWereRefused) {
  EXPECT_THAT(ask(request("POST", "/v1/reload")).body, HasSubstr(R"("message":"configuration reloaded")"));
  CertificateView good, bad;
  bad.state = CertificateState::former;
  bad.problem = "/a.pem: has expired";
  backend.status_view.certificates = {good, bad};
  EXPECT_THAT(ask(request("POST", "/v1/reload")).body,
              HasSubstr(R"("message":"configuration reloaded; certificate former: /a.pem: has expired")"));
}

TEST_F(RoutesTest, ShowsUrlsWithoutTheirSecrets) {
  AppView app;
  app.release_url = "https://me:pw@b/s.zip?sig=1";
  app.deployment.emplace().url = "https://me:pw@b/t.zip?sig=2";
  app.deployment->started_at = "2026-11-22T23:31:10.123Z";
  backend.status_view.apps = {app};
  backend.status_view.started_at = app.deployment->started_at;
  const auto response = ask(request("GET", "/v1/status"));
  EXPECT_THAT(response.body, HasSubstr("https://b/s.zip"));
  EXPECT_THAT(response.body, HasSubstr("https://b/t.zip"));
  EXPECT_THAT(response.body, ::testing::Not(HasSubstr("pw")));
  EXPECT_THAT(response.body, ::testing::Not(HasSubstr("sig=")));
}

TEST_F(RoutesTest, KnowsNoOtherPathsAndSaysWhichMethodsThereAre) {
  for (const char* target :
       {"/", "/v1", "/v1/apps/shop", "/v1/apps//logs", "/v1/status/", "/metrics/", "/v1/apps/a/b/logs"}) {
    EXPECT_EQ(ask(request("GET", target)).status, 404u) << target;
  }
  const auto response = ask(request("DELETE", "/v1/status"));
  EXPECT_EQ(response.status, 405u);
  EXPECT_EQ(response.allow, "GET");
  EXPECT_EQ(ask(request("GET", "/v1/reload")).status, 405u);
  EXPECT_EQ(ask(request("GET", "/v1/deployments/seventeen")).status, 404u);
  EXPECT_EQ(ask(request("GET", "http://elsewhere/v1/status")).status, 400u);
  EXPECT_EQ(ask(request("GET", "/v1/events?app=a&app=b")).status, 400u);
}

TEST_F(RoutesTest, OpensOnlyStatusMetricsAndHealthToStrangersOnTcp) {
  policy.token_digest = sha256("0123456789abcdef");
  for (const auto& route : routes()) {
    Request asked = request(std::string(route.method), "");
    for (const char c : route.path) {
      if (c != '{' && c != '}') asked.target += c;
    }
    asked.peer = Peer{Transport::tcp, false, "anonymous"};
    const bool open = route.path == "/healthz" || route.path == "/metrics" || route.path == "/v1/status";
    Request with_token = asked, with_wrong_token = asked;
    with_token.authorization = "Bearer 0123456789abcdef";
    with_wrong_token.authorization = "Bearer 0123456789abcdeg";
    EXPECT_EQ(admit(asked, policy).route != nullptr, open) << route.path;
    EXPECT_NE(admit(with_token, policy).route, nullptr) << route.path;
    EXPECT_EQ(with_token.peer.who, "token");
    EXPECT_EQ(admit(with_wrong_token, policy).refusal->status, 401u) << route.path;
  }
}

TEST_F(RoutesTest, AnswersMetricsInTheFormatThatIsAccepted) {
  Request asked = request("GET", "/metrics");
  const auto plain = ask(asked);
  EXPECT_EQ(plain.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(plain.body, "up 1\n");
  asked.accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  const auto open = ask(asked);
  EXPECT_EQ(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(open.body, "# EOF\n");
}

TEST_F(RoutesTest, RefusesALocalUserWhoIsNoOperator) {
  Request asked = request("POST", "/v1/reload");
  asked.peer.operator_rights = false;
  EXPECT_EQ(ask(asked).status, 403u);
}

TEST_F(RoutesTest, IgnoresATokenWhereThereIsNone) {
  Request asked = request("GET", "/v1/events");
  asked.peer = Peer{Transport::tcp, false, "anonymous"};
  asked.authorization = "Bearer ";
  EXPECT_EQ(ask(asked).status, 401u);
}

TEST_F(RoutesTest, ReplaysADeploymentsEventsToItsEnd) {
  backend.deployments[17].id = 17;
  backend.events().publish(event(EventType::deployment_started, 17));
  backend.events().publish(event(EventType::deployment_started, 18));
  auto warm = event(EventType::deployment_phase, 17);
  warm.data.phase = Phase::warm;
  backend.events().publish(warm);
  backend.events().publish(event(EventType::deployment_finished, 17));
  const auto all = ask(request("GET", "/v1/deployments/17/events"));
  EXPECT_EQ(all.content_type, "application/x-ndjson");
  EXPECT_EQ(
      all.body,
      R"({"seq":1,"time":"","app":"shop","deployment":17,"type":"deployment.started","message":"","data":{}})"
      "\n"
      R"({"seq":3,"time":"","app":"shop","deployment":17,"type":"deployment.phase","message":"","data":{"phase":"warm"}})"
      "\n"
      R"({"seq":4,"time":"","app":"shop","deployment":17,"type":"deployment.finished","message":"","data":{}})"
      "\n");
  Request as_sse = request("GET", "/v1/deployments/17/events");
  as_sse.accept = "text/event-stream";
  as_sse.last_event_id = "3";
  const auto rest = ask(as_sse);
  EXPECT_EQ(rest.content_type, "text/event-stream");
  EXPECT_EQ(rest.body,
            "id: 4\nevent: deployment.finished\ndata: "
            R"({"seq":4,"time":"","app":"shop","deployment":17,"type":"deployment.finished","message":"","data":{}})"
            "\n\n");
}

TEST_F(RoutesTest, EndsTheStreamOfADeploymentWhoseEventsAreGone) {
  backend.deployments[3].state = DeploymentState::succeeded;
  EXPECT_EQ(ask(request("GET", "/v1/deployments/3/events")).body, "");
  EXPECT_EQ(ask(request("GET", "/v1/deployments/4/events")).status, 404u);
}

TEST_F(RoutesTest, ListsTheEventsOfAnApp) {
  backend.events().publish(event(EventType::app_state, 1));
  auto other = event(EventType::app_state, 1);
  other.app = "blog";
  backend.events().publish(other);
  EXPECT_EQ(ask(request("GET", "/v1/events?app=blog")).body,
            R"({"events":[{"seq":2,"time":"","app":"blog","deployment":1,"type":"app.state","message":"","data":{}}]})"
            "\n");
  EXPECT_EQ(ask(request("GET", "/v1/events?since=2")).body, "{\"events\":[]}\n");
}

TEST_F(RoutesTest, FollowsLogsFromWhereTheFirstPageEnded) {
  backend.next_logs = LogsView{{{"shop-v1-1", 1, "hello \xff"}}, "c1"};
  Request asked = request("GET", "/v1/apps/shop/logs?lines=5&follow");
  auto admission = admit(asked, policy);
  Response response;
  run(answer(backend, *admission.route, asked), response);
  std::optional<std::string> piece;
  run(response.source->next(), piece);
  EXPECT_EQ(piece, "{\"instance\":\"shop-v1-1\",\"release\":1,\"text\":\"hello \xEF\xBF\xBD\"}\n");
  backend.next_logs = LogsView{{{"shop-v1-1", 1, "more"}}, "c2"};
  run(response.source->next(), piece);
  EXPECT_EQ(piece, "{\"instance\":\"shop-v1-1\",\"release\":1,\"text\":\"more\"}\n");
  response.source->stop();
  run(response.source->next(), piece);
  EXPECT_EQ(piece, std::nullopt);
  EXPECT_THAT(backend.asked, ElementsAre("logs shop 5 ", "logs shop 5 c1"));
}

TEST_F(RoutesTest, GoesOnInLogsFromACursor) {
  ask(request("GET", "/v1/apps/shop/logs?cursor=1%3D2:3"));
  ask(request("GET", "/v1/apps/shop/logs?access&cursor=-"));
  EXPECT_THAT(backend.asked, ElementsAre("logs shop 100 1=2:3", "access log shop 100 -"));
}

TEST_F(RoutesTest, FollowsAnAccessLogToo) {
  backend.next_logs = LogsView{{{"", 0, "{\"status\":200}"}}, "c1"};
  Request asked = request("GET", "/v1/apps/shop/logs?lines=5&follow&access");
  auto admission = admit(asked, policy);
  Response response;
  run(answer(backend, *admission.route, asked), response);
  std::optional<std::string> piece;
  run(response.source->next(), piece);
  EXPECT_EQ(piece, "{\"instance\":\"\",\"release\":0,\"text\":\"{\\\"status\\\":200}\"}\n");
  backend.next_logs = LogsView{{{"", 0, "more"}}, "c2"};
  run(response.source->next(), piece);
  EXPECT_THAT(backend.asked, ElementsAre("access log shop 5 ", "access log shop 5 c1"));
  EXPECT_EQ(ask(request("GET", "/v1/apps/shop/logs?access=perhaps")).status, 400u);
  EXPECT_EQ(ask(request("GET", "/v1/apps/shop/logs?access&release=1")).status, 400u);
}

}  // namespace
}  // namespace fleet::api
