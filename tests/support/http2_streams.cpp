#include "support/http2_streams.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace fleet::test {
namespace {

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

nghttp2_nv field(const std::string& name, const std::string& value) {
  const auto bytes = [](const std::string& s) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(s.data())); };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Http2Streams::Callbacks {
  static Http2Streams& self(void* user) { return *static_cast<Http2Streams*>(user); }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    const auto found = self(user).streams_.find(frame->hd.stream_id);
    if (found == self(user).streams_.end()) return 0;
    auto& response = found->second.response;
    if (text(name, name_size) == ":status") {  // of a 1xx, or final
      response.headers.clear();
      const auto digits = text(value, value_size);
      std::from_chars(digits.data(), digits.data() + digits.size(), response.status);
    } else {
      response.headers.emplace_back(text(name, name_size), text(value, value_size));
    }
    return 0;
  }

  static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size,
                  void* user) {
    const auto found = self(user).streams_.find(id);
    if (found == self(user).streams_.end()) return 0;
    found->second.response.body.append(text(bytes, size));
    found->second.response.body_bytes += size;
    return 0;
  }

  static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& me = self(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      me.leaving_ = true;
      me.last_stream_ = frame->goaway.last_stream_id;
    }
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    const auto found = me.streams_.find(frame->hd.stream_id);
    if (may_end && found != me.streams_.end() && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      found->second.whole = true;
    }
    return 0;
  }

  static int closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    self(user).closed(id, code);
    return 0;
  }

  static ssize_t body(nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                      nghttp2_data_source*, void* user) {
    auto& left = self(user).streams_.at(id).to_send;
    const auto size = std::min(room, left.size());
    std::copy_n(left.begin(), size, to);
    left.erase(0, size);
    if (left.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }
};

void Http2Streams::Free::operator()(nghttp2_session* session) const { nghttp2_session_del(session); }

Http2Streams::Http2Streams() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::closed);
  nghttp2_session* session = nullptr;
  nghttp2_session_client_new(&session, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  session_.reset(session);
  const nghttp2_settings_entry no_push{NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &no_push, 1);
  collect();
}

Http2Streams::~Http2Streams() = default;

void Http2Streams::begin(std::uint64_t number, const Http2Request& request) {
  const std::string names[] = {":method", ":scheme", ":authority", ":path"}, https = "https";
  std::vector<nghttp2_nv> fields = {field(names[0], request.method), field(names[1], https),
                                    field(names[2], request.authority), field(names[3], request.path)};
  for (const auto& [name, value] : request.fields) fields.push_back(field(name, value));
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::body;
  const auto id = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                         request.body.empty() ? nullptr : &body, nullptr);
  if (id < 0) throw std::logic_error(std::string("a request in vain: ") + nghttp2_strerror(id));
  streams_[id] = {number, request.body, {}, false};
  collect();
}

void Http2Streams::receive(std::string_view bytes) {
  if (over_) return;
  const auto taken = nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                              bytes.size());
  if (taken < 0) return end({Cause::malformed, nghttp2_strerror(static_cast<int>(taken))});
  collect();
  const bool goes_on = nghttp2_session_want_read(session_.get()) != 0 || nghttp2_session_want_write(session_.get()) != 0;
  if (!goes_on) end({Cause::malformed, "the connection came to its end"});
}

void Http2Streams::end(const Failure& why) {
  over_ = true;
  for (auto& [id, stream] : std::exchange(streams_, {})) {
    const auto cause = stream.response.status != 0 && why.cause == Cause::no_answer ? Cause::cut : why.cause;
    outcomes_.push_back({stream.number, std::unexpected(Failure{cause, why.text}), false});
  }
}

void Http2Streams::collect() {
  const std::uint8_t* bytes = nullptr;
  for (ssize_t size; (size = nghttp2_session_mem_send(session_.get(), &bytes)) > 0;) {
    out_.append(text(bytes, static_cast<std::size_t>(size)));
  }
}

void Http2Streams::closed(std::int32_t id, std::uint32_t code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  auto stream = std::move(found->second);
  streams_.erase(found);
  if (stream.whole) return outcomes_.push_back({stream.number, std::move(stream.response), false});
  const auto cause = stream.response.status == 0 ? Cause::no_answer : Cause::cut;
  const bool unprocessed = leaving_ && id > last_stream_;
  Failure failure{cause, std::string("reset: ") + nghttp2_http2_strerror(code)};
  outcomes_.push_back({stream.number, std::unexpected(std::move(failure)), unprocessed});
}

}  // namespace fleet::test
