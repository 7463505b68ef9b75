#include "signer.hpp"

#include <stdexcept>
#include <vector>

namespace fleet::test {
namespace {

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string base64(std::string_view text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
  out.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes(text),
                                                      static_cast<int>(text.size()))));
  return out;
}

std::string blake2b(std::string_view text) {
  std::string sum(64, '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(sum.data()), nullptr, EVP_blake2b512(), nullptr);
  return sum;
}

}  // namespace

Signer::Signer(std::string id) : id_(std::move(id)), key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free) {
  if (!key_) throw std::runtime_error("cannot make a key");
}

std::string Signer::public_key() const {
  std::string raw(32, '\0');
  std::size_t size = raw.size();
  EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
  return base64("Ed" + id_ + raw);
}

std::string Signer::seal(std::string_view message) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string out(64, '\0');
  std::size_t size = out.size();
  EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes(message), message.size());
  return out;
}

std::string Signer::sign(std::string_view build, bool prehashed, const std::string& comment) const {
  const auto of_build = seal(prehashed ? blake2b(build) : build);
  return "untrusted comment: for a test\n" + base64((prehashed ? "ED" : "Ed") + id_ + of_build) +
         "\ntrusted comment: " + comment + "\n" + base64(seal(of_build + comment)) + "\n";
}

}  // namespace fleet::test
