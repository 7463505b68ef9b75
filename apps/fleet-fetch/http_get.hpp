// One GET into the scratch file: no redirect is followed, nothing is retried; the outcome says what may be done next.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/result.hpp"
#include "link.hpp"
#include "resume.hpp"
#include "scratch.hpp"
#include "source.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

// What is known of the artifact from one attempt to the next.
struct Known {
  std::string validator;               // for If-Range; empty: the next attempt begins anew
  std::optional<std::uint64_t> total;  // bytes
  std::string etag;                    // or the date of the last change, by which to ask whether it is still the same
};

struct Outcome {
  enum class Next : std::uint8_t { done, unchanged, redirect, retry, give_up };
  Next next = Next::done;
  std::string location;  // redirect
  Error error;           // retry, give_up
};

class HttpGet {
 public:
  // `unless`: a Known::etag; while it has that, nothing is sent but that it has (`unchanged`).
  HttpGet(const Source& source, const wire::FetchJob& job, Scratch& scratch, Known& known, Progress& progress,
          std::string_view unless = {});

  Outcome run();

 private:
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address);

  void set_options();
  void set_credentials();
  void set_headers();
  CURLcode perform();
  bool take_header(std::string_view line);
  bool take_body(std::string_view bytes);
  bool begin_body();
  bool begin_partial_body();
  bool refuse(Outcome::Next next, Error error);
  Outcome judge(CURLcode code);

  const Source& source_;
  const wire::FetchJob& job_;
  Scratch& scratch_;
  Known& known_;
  Progress& progress_;
  std::string_view unless_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl_{curl_easy_init(), curl_easy_cleanup};
  std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi_{curl_multi_init(), curl_multi_cleanup};
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_{nullptr, curl_slist_free_all};
  char why_[CURL_ERROR_SIZE] = "";
  Head head_;
  std::size_t head_bytes_ = 0;
  bool in_body_ = false, resuming_ = false, address_refused_ = false;
  std::optional<Outcome> refusal_;
};

}  // namespace fleet::fetch
