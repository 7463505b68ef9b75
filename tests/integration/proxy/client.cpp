#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <csignal>

namespace fleet::test {

std::string Answer::field(const std::string& name) const {
  const auto at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const auto value = at + 2 + name.size() + 2;
  return head.substr(value, head.find("\r\n", value) - value);
}

int Answer::count(const std::string& text) const {
  int found = 0;
  for (auto at = head.find(text); at != std::string::npos; at = head.find(text, at + 1)) ++found;
  return found;
}

Client::Client(std::uint16_t port, std::optional<Tls> tls, const std::string& ip) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  const int family = ip.find(':') == std::string::npos ? AF_INET : AF_INET6;
  fd_.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{10, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET, v4.sin_port = htons(port), ::inet_pton(AF_INET, ip.c_str(), &v4.sin_addr);
  v6.sin6_family = AF_INET6, v6.sin6_port = htons(port), ::inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr);
  const auto* address = family == AF_INET ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  if (::connect(fd_.get(), address, family == AF_INET ? sizeof v4 : sizeof v6) != 0) return;
  if (tls) {
    context_ = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_.get());
    ::send(fd_.get(), tls->preamble.data(), tls->preamble.size(), MSG_NOSIGNAL);
    if (!tls->server_name.empty()) SSL_set_tlsext_host_name(ssl_, tls->server_name.c_str());
    const auto offer = static_cast<char>(tls->protocol.size()) + tls->protocol;
    if (offer.size() > 1) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(offer.data()), static_cast<unsigned>(offer.size()));
    }
    if (tls->signatures) SSL_set1_sigalgs_list(ssl_, tls->signatures);
    if (tls->session) SSL_set_session(ssl_, tls->session);
    if (SSL_connect(ssl_) != 1) return;
  }
  connected_ = true;
}

Client::~Client() {
  if (ssl_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // else its session cannot be resumed
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ssl_ ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                           : static_cast<int>(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string Client::read_some(std::size_t most) {
  if (!in_.empty()) return std::exchange(in_, {});
  std::string part(most, '\0');
  const auto got = ssl_ ? SSL_read(ssl_, part.data(), static_cast<int>(most))
                        : static_cast<int>(::recv(fd_.get(), part.data(), most, 0));
  part.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return part;
}

bool Client::fill() {
  std::string kept = std::exchange(in_, {});
  const auto part = read_some();
  in_ = std::move(kept) + part;
  return !part.empty();
}

Answer Client::read_answer(bool head_request) {
  Answer answer;
  std::size_t end = 0;
  for (;;) {
    while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return answer;
    }
    answer.head = in_.substr(0, end + 2);
    in_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9, 3));
    if (answer.status >= 200) break;
    interim += answer.head;
  }
  if (head_request || answer.status == 204 || answer.status == 304) {
    answer.whole = true;
  } else if (const auto length = answer.field("Content-Length"); !length.empty()) {
    const auto size = std::stoull(length);
    while (in_.size() < size && fill()) {
    }
    answer.body = in_.substr(0, size);
    in_.erase(0, size);
    answer.whole = answer.body.size() == size;
  } else if (answer.field("Transfer-Encoding") == "chunked") {
    for (;;) {
      while ((end = in_.find("\r\n")) == std::string::npos) {
        if (!fill()) return answer;
      }
      const auto size = std::stoull(in_.substr(0, end), nullptr, 16);
      while (in_.size() < end + 2 + size + 2) {
        if (!fill()) return answer;
      }
      answer.body += in_.substr(end + 2, size);
      in_.erase(0, end + 2 + size + 2);
      if (size == 0) break;
    }
    answer.whole = true;
  } else {
    while (fill()) {
    }
    answer.body = std::exchange(in_, {});
    answer.whole = true;
  }
  return answer;
}

Answer Client::get(const std::string& path, const std::string& host, const std::string& fields) {
  if (!send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n")) return {};
  return read_answer();
}

Answer Client::post(const std::string& path, const std::string& body, const std::string& fields) {
  if (!send("POST " + path + " HTTP/1.1\r\nHost: shop.test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
            fields + "\r\n" + body)) {
    return {};
  }
  return read_answer();
}

bool Client::at_end() {
  if (!in_.empty()) return false;
  char byte = 0;
  if (ssl_) return SSL_read(ssl_, &byte, 1) <= 0;
  const auto got = ::recv(fd_.get(), &byte, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

bool Client::quiet(int ms) {
  pollfd waiting{fd_.get(), POLLIN, 0};
  return in_.empty() && ::poll(&waiting, 1, ms) == 0;
}

void Client::end_output() { ::shutdown(fd_.get(), SHUT_WR); }

void Client::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd_.reset();
}

std::string Client::application_protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string Client::key_kind() const {
  X509* certificate = ssl_ ? SSL_get0_peer_certificate(ssl_) : nullptr;
  return certificate ? EVP_PKEY_get0_type_name(X509_get0_pubkey(certificate)) : "";
}

std::string Client::certificate_name() const {
  X509* leaf = SSL_get1_peer_certificate(ssl_);
  if (!leaf) return {};
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name, sizeof name);
  X509_free(leaf);
  return name;
}

}  // namespace fleet::test
