#include "http_get.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iterator>

#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kLargestHead = 256u << 10;
constexpr auto kHeadTooLarge = "the server's answer has too large a head";
constexpr int kLookEvery = 100;  // ms: how soon a stop, a stall or the deadline is seen

// Of what we send: nothing. S3 wants it to be said.
constexpr std::string_view kNoBodySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

constexpr CURLcode kTransportFaults[] = {CURLE_COULDNT_RESOLVE_PROXY,
                                         CURLE_COULDNT_RESOLVE_HOST,
                                         CURLE_COULDNT_CONNECT,
                                         CURLE_PARTIAL_FILE,
                                         CURLE_OPERATION_TIMEDOUT,
                                         CURLE_SSL_CONNECT_ERROR,
                                         CURLE_GOT_NOTHING,
                                         CURLE_SEND_ERROR,
                                         CURLE_RECV_ERROR,
                                         CURLE_HTTP2,
                                         CURLE_HTTP2_STREAM};

}  // namespace

HttpGet::HttpGet(const Source& source, const wire::FetchJob& job, Scratch& scratch, Known& known, Progress& progress,
                 std::string_view unless)
    : source_(source), job_(job), scratch_(scratch), known_(known), progress_(progress), unless_(unless) {}

void HttpGet::set_options() {
  const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(curl_.get(), option, value); };
  set(CURLOPT_URL, source_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_USERAGENT, "fleet-fetch/" FLEET_VERSION);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a slow name server does not keep us after a stop
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(job_.connect_timeout.count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (const char* bundle = std::getenv("SSL_CERT_FILE")) set(CURLOPT_CAINFO, bundle);
  if (const char* folder = std::getenv("SSL_CERT_DIR")) set(CURLOPT_CAPATH, folder);
  set_credentials();
  set(CURLOPT_ERRORBUFFER, why_);
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &on_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  if (resuming_) set(CURLOPT_RANGE, (std::to_string(scratch_.size()) + "-").c_str());
  set_headers();
}

void HttpGet::set_credentials() {
  if (source_.user.empty() && source_.password.empty()) return;
  curl_easy_setopt(curl_.get(), CURLOPT_USERNAME, source_.user.c_str());
  curl_easy_setopt(curl_.get(), CURLOPT_PASSWORD, source_.password.c_str());
  if (source_.sigv4.empty()) {
    curl_easy_setopt(curl_.get(), CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
  } else {
    curl_easy_setopt(curl_.get(), CURLOPT_AWS_SIGV4, source_.sigv4.c_str());
  }
}

void HttpGet::set_headers() {
  const auto add = [this](const char* name, std::string_view value) {
    if (value.empty()) return;
    auto* longer = curl_slist_append(headers_.get(), (std::string(name) + ": " + std::string(value)).c_str());
    if (!longer) return;
    static_cast<void>(headers_.release());
    headers_.reset(longer);
  };
  if (resuming_) add("If-Range", known_.validator);
  add(is_etag(unless_) ? "If-None-Match" : "If-Modified-Since", unless_);
  add("Authorization", source_.authorization);
  add("x-amz-security-token", source_.session_token);
  if (!source_.sigv4.empty()) add("x-amz-content-sha256", kNoBodySha256);
  curl_easy_setopt(curl_.get(), CURLOPT_HTTPHEADER, headers_.get());
}

Outcome HttpGet::run() {
  if (!curl_ || !multi_) return {Outcome::Next::give_up, {}, {ErrorKind::internal, "cannot start libcurl"}};
  resuming_ = scratch_.size() > 0 && !known_.validator.empty();
  set_options();
  curl_multi_add_handle(multi_.get(), curl_.get());
  const CURLcode code = perform();
  Outcome out = judge(code);
  curl_multi_remove_handle(multi_.get(), curl_.get());
  return out;
}

// Until the transfer ends, or is refused (then the code does not matter).
CURLcode HttpGet::perform() {
  auto moved_at = Progress::Clock::now();
  std::uint64_t moved = 0;
  for (;;) {
    int running = 0, left = 0;
    curl_multi_perform(multi_.get(), &running);
    if (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) return message->data.result;
    if (auto go_on = progress_.reach(scratch_.size()); !go_on) {
      refuse(Outcome::Next::give_up, std::move(go_on).error());
      return CURLE_ABORTED_BY_CALLBACK;
    }
    const auto now = Progress::Clock::now();
    if (moved != scratch_.size() + head_bytes_) {
      moved = scratch_.size() + head_bytes_;
      moved_at = now;
    } else if (now - moved_at > job_.stall_timeout) {
      refuse(Outcome::Next::retry, {ErrorKind::fetch, "no data for " + spelled(job_.stall_timeout)});
      return CURLE_ABORTED_BY_CALLBACK;
    }
    curl_waitfd link{progress_.link().fd(), CURL_WAIT_POLLIN, 0};
    curl_multi_poll(multi_.get(), &link, 1, kLookEvery, nullptr);
  }
}

std::size_t HttpGet::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<HttpGet*>(self)->take_header({data, size * count}) ? size * count : 0;
}

std::size_t HttpGet::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<HttpGet*>(self)->take_body({data, size * count}) ? size * count : 0;
}

curl_socket_t HttpGet::on_socket(void* self, curlsocktype, curl_sockaddr* address) {
  if (is_refused_address(&address->addr)) {
    static_cast<HttpGet*>(self)->address_refused_ = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool HttpGet::refuse(Outcome::Next next, Error error) {
  if (!refusal_) refusal_ = Outcome{next, {}, std::move(error)};
  return false;
}

// False ends the transfer.
bool HttpGet::take_header(std::string_view line) {
  head_bytes_ += line.size();
  if (head_bytes_ > kLargestHead) {
    return refuse(Outcome::Next::give_up, {ErrorKind::fetch, kHeadTooLarge});
  }
  if (in_body_) return true;  // a trailer
  head_.take(line);
  const bool is_end = line == "\r\n" || line == "\n";
  return !is_end || head_.status < 200 || begin_body();
}

bool HttpGet::begin_body() {
  in_body_ = true;
  if (head_.status >= 300) return true;  // judged by its status; its body is not taken
  if (head_.status == 206) return begin_partial_body();
  if (auto begun = scratch_.restart(); !begun) return refuse(Outcome::Next::give_up, std::move(begun).error());
  curl_off_t length = -1;
  curl_easy_getinfo(curl_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  known_ = {validator_of(head_), std::nullopt, head_.etag.empty() ? head_.last_modified : head_.etag};
  if (length >= 0) known_.total = static_cast<std::uint64_t>(length);
  if (known_.total.value_or(0) > scratch_.limit()) {
    return refuse(Outcome::Next::give_up, scratch_.too_large().error());
  }
  if (auto room = scratch_.expect(known_.total.value_or(0)); !room) {
    return refuse(Outcome::Next::give_up, std::move(room).error());
  }
  progress_.set_total(known_.total.value_or(0));
  return true;
}

// A server may lie about what range it sends; then the artifact is fetched from its first byte.
bool HttpGet::begin_partial_body() {
  const auto range = parse_content_range(head_.content_range);
  const bool is_same = head_.etag.empty() || !is_etag(known_.validator) || head_.etag == known_.validator;
  const bool is_ours = resuming_ && is_same && range && range->first == scratch_.size() &&
                       (!range->total || !known_.total || range->total == known_.total);
  if (is_ours) {
    if (range->total) known_.total = range->total;
    return true;
  }
  known_ = {};
  return refuse(Outcome::Next::retry, {ErrorKind::fetch, "the server sent a range that was not asked for"});
}

bool HttpGet::take_body(std::string_view bytes) {
  if (head_.status >= 300) return false;
  if (auto taken = scratch_.append(bytes); !taken) {
    return refuse(Outcome::Next::give_up, std::move(taken).error());
  }
  return true;
}

Outcome HttpGet::judge(CURLcode code) {
  if (refusal_) return *refusal_;
  const auto gives_up = [](std::string text, ErrorKind kind = ErrorKind::fetch) {
    return Outcome{Outcome::Next::give_up, {}, {kind, std::move(text)}};
  };
  if (in_body_ && head_.status == 416 && resuming_) {
    known_ = {};
    return {Outcome::Next::retry, {}, {ErrorKind::fetch, "the server no longer has the rest of the artifact"}};
  }
  if (in_body_ && head_.status >= 300) {
    if (head_.status < 400 && !head_.location.empty()) return {Outcome::Next::redirect, head_.location, {}};
    if (head_.status == 304 && !unless_.empty()) return {Outcome::Next::unchanged, {}, {}};
    const bool is_absent = head_.status == 403 || head_.status == 404 || head_.status == 410;
    return gives_up("server answered " + status_text(head_.status), is_absent ? ErrorKind::not_found : ErrorKind::fetch);
  }
  if (!in_body_ && code == CURLE_OUT_OF_MEMORY) return gives_up(kHeadTooLarge);  // a line longer than libcurl takes
  if (!in_body_ && code == CURLE_OK) {
    return {Outcome::Next::retry, {}, {ErrorKind::fetch, "the server's answer ended in its head"}};
  }
  // A range may be shorter than what was asked for.
  const bool is_short = known_.total && scratch_.size() != *known_.total;
  if (code == CURLE_OK && !is_short) return {};
  if (code == CURLE_OK) return {Outcome::Next::retry, {}, {ErrorKind::fetch, "the server sent a part of it only"}};
  if (address_refused_ && code == CURLE_COULDNT_CONNECT) {
    return gives_up("its address is link-local, multicast or unspecified; refused");
  }
  std::string why = printable(*why_ ? why_ : curl_easy_strerror(code));
  why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  if (std::ranges::find(kTransportFaults, code) == std::end(kTransportFaults)) return gives_up(why);
  return {Outcome::Next::retry, {}, {ErrorKind::fetch, why}};
}

}  // namespace fleet::fetch
