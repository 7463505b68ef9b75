#include "encryption/tls_stream.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace fleet::proxy {
namespace {

constexpr std::size_t kRecord = 16u << 10, kRecordExtra = 256;
constexpr std::size_t kFirstRecord = 4u << 10;  // fits the first flight of packets: the browser can begin
constexpr std::size_t kRecordsAtOnce = 4;
constexpr std::size_t kMaxUnsent = 256u << 10;

// Bytes on their way between the socket and OpenSSL, within one call.
template <std::size_t kSize>
struct Stretch {
  std::array<char, kSize> bytes;
  std::size_t begin = 0, end = 0;

  std::string_view data() const { return {bytes.data() + begin, end - begin}; }
  std::size_t room() const { return kSize - end; }
  bool empty() const { return begin == end; }
  void clear() { begin = end = 0; }
};
Stretch<kRecordsAtOnce * kRecord> incoming;
Stretch<kRecordsAtOnce*(kRecord + kRecordExtra)> outgoing;

}  // namespace

BIO_METHOD* TlsStream::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fleet");
    if (!made) throw std::bad_alloc();
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

TlsStream::TlsStream(SocketPtr socket, std::shared_ptr<const TlsContexts> contexts)
    : Stream(std::move(socket)), contexts_(std::move(contexts)), ssl_(SSL_new(contexts_->first())) {
  BIO* bio = ssl_ ? BIO_new(bio_method()) : nullptr;
  if (!bio) {
    SSL_free(ssl_);
    throw std::bad_alloc();
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_read_ahead(ssl_, 0);
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

// ---- OpenSSL's side

int TlsStream::bio_read(BIO* bio, char* to, int room) {
  auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (incoming.empty()) {
    const int filled = self.fill(self.window_);
    if (filled <= 0) {
      if (filled < 0) BIO_set_retry_read(bio);
      return filled;
    }
  }
  const auto n = std::min(static_cast<std::size_t>(room), incoming.data().size());
  std::memcpy(to, incoming.data().data(), n);
  incoming.begin += n;
  return static_cast<int>(n);
}

// At most `room` bytes from the socket: what is not asked for by the end of the call would have to be kept. 0: it has
// ended or broken; -1: nothing is there.
int TlsStream::fill(std::size_t room) {
  incoming.clear();
  if (!socket_->readable) return -1;
  room = std::min(room, incoming.room());
  const ssize_t got = socket_->receive(incoming.bytes.data(), room);
  if (got > 0) {
    incoming.end = static_cast<std::size_t>(got);
    return 1;
  }
  if (got < 0 && errno == EINTR) return fill(room);
  socket_->readable = false;
  if (got < 0 && errno == EAGAIN) return -1;
  (got == 0 ? peer_ended_ : broken_) = true;
  return 0;
}

// Takes all, always: what the socket does not take is kept.
int TlsStream::bio_write(BIO* bio, const char* from, int size) {
  auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto n = static_cast<std::size_t>(size);
  if (n > outgoing.room()) self.send_records();
  if (n > outgoing.room()) return -1;
  std::memcpy(outgoing.bytes.data() + outgoing.end, from, n);
  outgoing.end += n;
  return size;
}

long TlsStream::bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return static_cast<TlsStream*>(BIO_get_data(bio))->peer_ended_ ? 1 : 0;
  return 0;
}

// ---- the socket's side

bool TlsStream::send_unsent() {
  if (held_) return true;
  while (!unsent_.empty() && socket_->writable) {
    const ssize_t sent = socket_->send(unsent_);
    if (sent >= 0) {
      unsent_.erase(0, static_cast<std::size_t>(sent));
    } else if (errno != EINTR && errno != EAGAIN) {
      broken_ = true;
    }
  }
  if (!unsent_.empty()) return false;
  std::string().swap(unsent_);
  return true;
}

void TlsStream::take_held() {
  if (!std::exchange(held_, false)) return;
  std::memcpy(outgoing.bytes.data(), unsent_.data(), unsent_.size());
  outgoing.end = unsent_.size();
  std::string().swap(unsent_);
}

// All that is in `outgoing` leaves, or is kept.
void TlsStream::send_records() {
  if (outgoing.empty()) return;
  if (std::exchange(held_, false)) {
    unsent_.append(outgoing.data());
    outgoing.clear();
    send_unsent();
    return;
  }
  if (unsent_.empty() && socket_->writable) {
    const auto bytes = outgoing.data();
    ssize_t sent = 0;
    do {
      sent = socket_->send(bytes);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN) broken_ = true;
    if (sent > 0) outgoing.begin += static_cast<std::size_t>(sent);
  }
  unsent_.append(outgoing.data());
  if (unsent_.size() > kMaxUnsent) broken_ = true;  // answers to a peer that asks and never reads
  outgoing.clear();
}

// Why OpenSSL got no further.
IoResult TlsStream::trouble() {
  send_records();
  if (!broken_ && SSL_want_read(ssl_) && BIO_should_retry(SSL_get_rbio(ssl_))) return {IoStatus::again};
  const bool closed = !broken_ && (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
  if (!closed) broken_ = true;
  socket_->send_at_once();  // an alert, perhaps
  send_unsent();
  ERR_clear_error();
  return {closed ? IoStatus::closed : IoStatus::failed};
}

// What came and was not asked for in an earlier call is `incoming` again.
void TlsStream::begin_call(std::size_t window) {
  window_ = window;
  incoming.clear();
  if (ahead_.empty()) return;
  std::memcpy(incoming.bytes.data(), ahead_.data(), ahead_.size());
  incoming.end = ahead_.size();
}

void TlsStream::end_call() {
  if (!incoming.empty())
    ahead_.assign(incoming.data());
  else if (!ahead_.empty())
    std::string().swap(ahead_);
  send_records();
}

// ---- the session's side

IoResult TlsStream::handshake() {
  send_unsent();
  begin_call(incoming.bytes.size());
  const int result = SSL_do_handshake(ssl_);
  // The ticket goes with the first answer. Before TLS 1.3 the client waits for what comes with it.
  if (result == 1 && unsent_.empty() && outgoing.end < kRecordExtra * 2 && SSL_version(ssl_) == TLS1_3_VERSION) {
    unsent_.assign(outgoing.data());
    held_ = !unsent_.empty();
    outgoing.clear();
  }
  end_call();
  if (result != 1 || broken_) return trouble();
  SSL_free_buffers(ssl_);
  return {};
}

IoResult TlsStream::read(char* to, std::size_t room) {
  send_unsent();
  begin_call(room);
  std::size_t total = 0;
  IoResult end;
  more_ = true;
  while (total < room) {
    window_ = room - total;
    std::size_t got = 0;
    if (SSL_read_ex(ssl_, to + total, room - total, &got) != 1) {
      end = trouble();
      more_ = end.status != IoStatus::again && total > 0;  // to be said by the next call
      break;
    }
    total += got;
    if (total < room && incoming.empty() && !socket_->readable) {
      more_ = false;
      break;
    }
  }
  end_call();
  if (total == 0) return end;
  small_next_ = true;
  return {IoStatus::done, total};
}

IoResult TlsStream::write(std::string_view bytes) {
  if (!send_unsent()) return {broken_ ? IoStatus::failed : IoStatus::again};
  take_held();
  if (owed_ > 0) return {IoStatus::done, std::exchange(owed_, 0)};
  struct End {
    std::size_t given, sent;  // offsets in `bytes` and in `outgoing` where a record ends
  };
  std::array<End, kRecordsAtOnce> ends;
  std::size_t records = 0, given = 0;
  while (given < bytes.size() && records < kRecordsAtOnce) {
    const auto size = std::exchange(small_next_, false) && bytes.size() > kRecord ? kFirstRecord : kRecord;
    std::size_t taken = 0;
    if (SSL_write_ex(ssl_, bytes.data() + given, std::min(size, bytes.size() - given), &taken) != 1) {
      const auto end = trouble();
      return {end.status == IoStatus::again ? IoStatus::again : IoStatus::failed};
    }
    given += taken;
    ends[records++] = {given, outgoing.end};
  }
  const auto written = outgoing.end;
  send_records();
  if (broken_) return {IoStatus::failed};
  if (unsent_.empty()) return {IoStatus::done, given};
  // Records that left whole are done; the others are owed.
  const auto left = written - unsent_.size();
  std::size_t done = 0;
  for (std::size_t i = 0; i < records && ends[i].sent <= left; ++i) done = ends[i].given;
  owed_ = given - done;
  return done > 0 ? IoResult{IoStatus::done, done} : IoResult{IoStatus::again};
}

void TlsStream::end_output() {
  socket_->send_at_once();
  send_unsent();
  take_held();
  if (!broken_ && SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
  send_records();
  ERR_clear_error();
  socket_->end_output();
}

bool TlsStream::can_read() const {
  return socket_->readable || more_ || !ahead_.empty() || (!unsent_.empty() && !held_ && socket_->writable);
}

std::string_view TlsStream::tls_version() const { return SSL_get_version(ssl_); }

bool TlsStream::covers(std::string_view host) const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return contexts_->covers(name ? name : std::string_view(), host);
}

std::string_view TlsStream::protocol() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace fleet::proxy
