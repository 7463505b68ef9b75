#include "http2_client.hpp"

namespace fleet::test {
namespace {

std::uint8_t* bytes_of(const std::string& text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

}  // namespace

std::uint32_t Frame::number(std::size_t at) const {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4 && i < payload.size(); ++i) value = value << 8 | static_cast<std::uint8_t>(payload[i]);
  return value;
}

std::string Http2Answer::field(const std::string& name) const {
  for (const auto& [known, value] : fields) {
    if (known == name) return value;
  }
  return {};
}

Http2Client::Http2Client(std::uint16_t port, std::uint32_t window, const std::string& server_name)
    : Http2Client(port, Silent(), server_name) {
  client_.send(NGHTTP2_CLIENT_MAGIC);
  settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}, {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}});
}

Http2Client::Http2Client(std::uint16_t port, Silent, const std::string& server_name)
    : client_(port, Client::Tls{.server_name = server_name, .protocol = "h2"}) {
  nghttp2_hd_deflater* packer = nullptr;
  nghttp2_hd_deflate_new(&packer, 4096);
  packer_.reset(packer);
  nghttp2_hd_inflater* unpacker = nullptr;
  nghttp2_hd_inflate_new(&unpacker);
  unpacker_.reset(unpacker);
}

std::string Http2Client::big_endian(std::uint64_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string Http2Client::frame(std::uint8_t type, std::uint8_t flags, std::int32_t stream, const std::string& payload) {
  return big_endian(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
         big_endian(static_cast<std::uint32_t>(stream), 4) + payload;
}

bool Http2Client::send(std::uint8_t type, std::uint8_t flags, std::int32_t stream, const std::string& payload) {
  return client_.send(frame(type, flags, stream, payload));
}

bool Http2Client::settings(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& all) {
  std::string payload;
  for (const auto& [id, value] : all) payload += big_endian(id, 2) + big_endian(value, 4);
  return send(NGHTTP2_SETTINGS, 0, 0, payload);
}

bool Http2Client::window_update(std::int32_t stream, std::uint32_t by) {
  return send(NGHTTP2_WINDOW_UPDATE, 0, stream, big_endian(by, 4));
}

bool Http2Client::reset(std::int32_t stream, std::uint32_t code) {
  return send(NGHTTP2_RST_STREAM, 0, stream, big_endian(code, 4));
}

std::string Http2Client::pack(const Fields& fields) {
  std::vector<nghttp2_nv> all;
  for (const auto& [name, value] : fields) {
    all.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  std::string out(nghttp2_hd_deflate_bound(packer_.get(), all.data(), all.size()), '\0');
  const auto size = nghttp2_hd_deflate_hd(packer_.get(), bytes_of(out), out.size(), all.data(), all.size());
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return out;
}

Fields Http2Client::get(const std::string& path, const std::string& host, Fields more) {
  Fields all{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", path}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Fields Http2Client::post(const std::string& path, Fields more, const std::string& host) {
  auto all = get(path, host, std::move(more));
  all.front().second = "POST";
  return all;
}

std::int32_t Http2Client::begin(const Fields& fields, bool ended_with_head) {
  const auto stream = std::exchange(next_stream, next_stream + 2);
  const auto packed = pack(fields);
  const int end = ended_with_head ? NGHTTP2_FLAG_END_STREAM : 0;
  constexpr std::size_t kFrame = 16384;
  for (std::size_t at = 0; at == 0 || at < packed.size(); at += kFrame) {
    const int last = at + kFrame >= packed.size() ? NGHTTP2_FLAG_END_HEADERS : 0;
    send(at == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, static_cast<std::uint8_t>(last | (at == 0 ? end : 0)), stream,
         packed.substr(at, kFrame));
  }
  return stream;
}

bool Http2Client::data(std::int32_t stream, const std::string& bytes, bool ended_with_it) {
  constexpr std::size_t kFrame = 16384;
  std::size_t at = 0;
  do {
    const bool last = at + kFrame >= bytes.size();
    if (!send(NGHTTP2_DATA, last && ended_with_it ? NGHTTP2_FLAG_END_STREAM : 0, stream, bytes.substr(at, kFrame))) {
      return false;
    }
    at += kFrame;
  } while (at < bytes.size());
  return true;
}

bool Http2Client::trailers(std::int32_t stream, const Fields& fields) {
  return send(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, stream, pack(fields));
}

std::optional<Frame> Http2Client::next() {
  constexpr std::size_t kHead = 9;
  const auto size = [this] {
    const auto at = [this](std::size_t i) { return static_cast<std::size_t>(static_cast<std::uint8_t>(in_[i])); };
    return kHead + (at(0) << 16 | at(1) << 8 | at(2));
  };
  while (in_.size() < kHead || in_.size() < size()) {
    const auto part = client_.read_some();
    if (part.empty()) {
      ended = true;
      return std::nullopt;
    }
    in_ += part;
  }
  Frame frame;
  frame.type = static_cast<std::uint8_t>(in_[3]);
  frame.flags = static_cast<std::uint8_t>(in_[4]);
  frame.payload = in_.substr(5, 4);
  frame.stream = static_cast<std::int32_t>(frame.number(0) & 0x7fffffff);
  const auto whole = size();
  frame.payload = in_.substr(kHead, whole - kHead);
  in_.erase(0, whole);
  take(frame);
  return frame;
}

bool Http2Client::until(const std::function<bool()>& condition) {
  while (!condition()) {
    if (!next()) return condition();
  }
  return true;
}

Http2Answer& Http2Client::answer(std::int32_t stream) {
  auto& found = answers_[stream];
  until([&] { return found.ended || found.reset; });
  return found;
}

void Http2Client::take(const Frame& frame) {
  const bool ack = (frame.flags & NGHTTP2_FLAG_ACK) != 0;
  const bool last = (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.type) {
    case NGHTTP2_SETTINGS:
      if (ack) {
        ++settings_acks;
        break;
      }
      for (std::size_t at = 0; at + 6 <= frame.payload.size(); at += 6) {
        server_settings[static_cast<std::uint16_t>(frame.number(at) >> 16)] = frame.number(at + 2);
      }
      if (acknowledges) send(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0);
      break;
    case NGHTTP2_PING:
      if (ack) ++pongs, last_pong = frame.payload;
      else if (acknowledges) send(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame.payload);
      break;
    case NGHTTP2_HEADERS: take_headers(frame); break;
    case NGHTTP2_DATA:
      answers_[frame.stream].body += frame.payload;
      answers_[frame.stream].ended |= last;
      if (gives_window && !frame.payload.empty()) {
        window_update(0, static_cast<std::uint32_t>(frame.payload.size()));
        if (!last) window_update(frame.stream, static_cast<std::uint32_t>(frame.payload.size()));
      }
      break;
    case NGHTTP2_RST_STREAM: answers_[frame.stream].reset = frame.number(0); break;
    case NGHTTP2_GOAWAY:
      goaways.emplace_back(static_cast<std::int32_t>(frame.number(0) & 0x7fffffff), frame.number(4));
      break;
    case NGHTTP2_WINDOW_UPDATE: windows[frame.stream] += frame.number(0); break;
    default: break;
  }
}

// One frame a block: what the proxy sends here is no longer.
void Http2Client::take_headers(const Frame& frame) {
  Fields fields;
  auto* at = bytes_of(frame.payload);
  auto left = frame.payload.size();
  for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
    nghttp2_nv field;
    const auto used = nghttp2_hd_inflate_hd2(unpacker_.get(), &field, &flags, at, left, 1);
    unpacks = unpacks && used >= 0;
    if (used < 0) break;
    at += used, left -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      fields.emplace_back(std::string(field.name, field.name + field.namelen),
                          std::string(field.value, field.value + field.valuelen));
    }
  }
  nghttp2_hd_inflate_end_headers(unpacker_.get());
  auto& into = answers_[frame.stream];
  const int status = fields.empty() || fields.front().first != ":status" ? 0 : std::stoi(fields.front().second);
  if (status == 0) {
    into.trailers = std::move(fields);
  } else if (status < 200) {
    into.interim.push_back(status);
    into.interim_fields = std::move(fields);
  } else {
    into.status = status;
    into.fields = std::move(fields);
  }
  into.ended |= (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

}  // namespace fleet::test
