#include <gmock/gmock.h>
#include <openssl/evp.h>

#include "trust/base64.hpp"
#include "trust/minisign.hpp"
#include "trust/pointer.hpp"
#include "trust/version.hpp"

namespace fleet::fetch {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

// Made by minisign itself, of a file that holds "test": prehashed, and in its former way.
const std::string kKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const std::string kPrehashed =
    "untrusted comment: signature from minisign secret key\n"
    "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n"
    "trusted comment: timestamp:1556193335\tfile:test\n"
    "y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n";
const std::string kLegacy =
    "untrusted comment: signature from minisign secret key\n"
    "RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n"
    "trusted comment: timestamp:1555779966\tfile:test\n"
    "QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n";

std::string blake2b(std::string_view text) {
  std::string sum(64, '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(sum.data()), nullptr, EVP_blake2b512(), nullptr);
  return sum;
}

std::string verdict(const std::string& file, std::string_view signed_bytes, const std::string& key = kKey) {
  const auto signature = parse_signature(file);
  if (!signature) return signature.error().text;
  const auto by = verify(*signature, {*parse_public_key(key)}, signed_bytes);
  return by ? *by : by.error().text;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  EXPECT_NE(text.find(what), text.npos);
  return text.replace(text.find(what), what.size(), with);
}

TEST(Minisign, VerifiesWhatMinisignSigned) {
  EXPECT_EQ(verdict(kPrehashed, blake2b("test")), "E7620F1842B4E81F (timestamp:1556193335 file:test)");
  EXPECT_EQ(verdict(kLegacy, "test"), "E7620F1842B4E81F (timestamp:1555779966 file:test)");
  EXPECT_TRUE(parse_signature(kPrehashed)->prehashed);
  EXPECT_FALSE(parse_signature(kLegacy)->prehashed);
}

TEST(Minisign, RefusesAnotherBuild) {
  EXPECT_THAT(verdict(kPrehashed, blake2b("Test")), HasSubstr("it is not of this build"));
  EXPECT_THAT(verdict(kLegacy, "tes"), HasSubstr("it is not of this build"));
  EXPECT_THAT(verdict(kLegacy, blake2b("test")), HasSubstr("it is not of this build"));
}

TEST(Minisign, RefusesAChangedTrustedComment) {
  EXPECT_THAT(verdict(replaced(kLegacy, "file:test", "file:best"), "test"), HasSubstr("its trusted comment was changed"));
  EXPECT_THAT(verdict(replaced(kPrehashed, "1556193335", "1656193335"), blake2b("test")),
              HasSubstr("its trusted comment was changed"));
  EXPECT_EQ(verdict(replaced(kLegacy, "minisign secret", "any other"), "test").substr(0, 16), "E7620F1842B4E81F")
      << "the untrusted comment is just that";
}

TEST(Minisign, RefusesAKeyThatIsNotTrusted) {
  const auto other = replaced(kKey, "RWQf6L", "RWQf6M");
  EXPECT_THAT(verdict(kLegacy, "test", other), HasSubstr("by the key E7620F1842B4E81F, which is not in trusted_keys"));
  const auto same_id = replaced(kKey, "3mlY", "3mlZ");
  EXPECT_THAT(verdict(kLegacy, "test", same_id), HasSubstr("it is not of this build"));
}

TEST(Minisign, RefusesEveryFlippedBitOfASignature) {
  const auto line = kLegacy.find('\n') + 1;
  for (std::size_t at = line; kLegacy[at] != '\n'; ++at) {
    auto changed = kLegacy;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_THAT(verdict(changed, "test"), HasSubstr("refused")) << at;
  }
}

TEST(Minisign, TakesLinesThatEndAsOnWindows) {
  std::string file;
  for (const char c : kLegacy) file += c == '\n' ? "\r\n"s : std::string(1, c);
  EXPECT_THAT(verdict(file, "test"), HasSubstr("E7620F1842B4E81F"));
}

TEST(Minisign, RefusesWhatIsNoSignature) {
  for (const auto& file : {""s, "<html></html>"s, kLegacy.substr(0, kLegacy.size() / 2), kLegacy + "more\n", "\n" + kLegacy,
                           replaced(kLegacy, "trusted comment: t", "trusted comment t"), replaced(kLegacy, "RWQf", "RXQf"),
                           replaced(kLegacy, "==\n", "=\n"), std::string(9000, '\n')}) {
    EXPECT_FALSE(parse_signature(file)) << file;
  }
}

TEST(Minisign, RefusesWhatIsNoKey) {
  for (const auto& key : {""s, "RWQ"s, kKey + "AAAA", replaced(kKey, "RWQ", "RUQ"), replaced(kKey, "3ml", "3 l")}) {
    EXPECT_FALSE(parse_public_key(key)) << key;
  }
}

TEST(Base64, IsStrict) {
  EXPECT_EQ(decode_base64("aGk="), "hi");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("AP8Q"), "\0\xff\x10"s);
  for (const char* text : {"aGk", "aGl=", "aG=k", "a===", "aGk=\n", "aG k", "aGk*"}) EXPECT_FALSE(decode_base64(text)) << text;
}

std::string order(std::string_view a, std::string_view b) {
  const auto found = compare_versions(a, b);
  return !found ? "?" : *found < 0 ? "<" : *found > 0 ? ">" : "=";
}

TEST(Versions, AreOrderedAsBySemVer) {
  const std::vector<std::string> rising = {"0.9",        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2",
                                           "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",       "1.0.1",            "v1.2",
                                           "1.10",       "2.0.0",       "20261123.4",    "99999999999999999999999999"};
  for (std::size_t i = 0; i < rising.size(); ++i) {
    for (std::size_t j = 0; j < rising.size(); ++j) {
      EXPECT_EQ(order(rising[i], rising[j]), i < j ? "<" : i > j ? ">" : "=") << rising[i] << ' ' << rising[j];
    }
  }
}

TEST(Versions, AreEqualButForZerosAndBuilds) {
  EXPECT_EQ(order("1.2", "1.2.0"), "=");
  EXPECT_EQ(order("1.2.0+abc", "v1.02+def"), "=");
  EXPECT_EQ(order("1.2.0-rc.1", "1.2"), "<");
}

TEST(Versions, HaveNoOrderIfTheyAreNoNumbers) {
  EXPECT_EQ(order("", "1.0"), "?");
  EXPECT_EQ(order("1.0", ""), "?");
  EXPECT_EQ(order("a94a8fe", "1.0"), "?");
  EXPECT_EQ(order("9a4a8fe", "a94a8fe"), "?");
}

const std::string kDigest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

TEST(Pointers, AreManifestsOfFourFields) {
  const auto found = parse_pointer(" {\"url\": \"app-2.tgz\", \"sha256\": \"" + kDigest +
                                   "\", \"version\": \"2.0\", \"signature\": \"app-2.minisig\", \"build\": {\"n\": [1]}}\n");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->url, "app-2.tgz");
  EXPECT_EQ((*found)->sha256, kDigest);
  EXPECT_EQ((*found)->version, "2.0");
  EXPECT_EQ((*found)->signature, "app-2.minisig");
}

TEST(Pointers, AreTextsOfAUrl) {
  EXPECT_EQ((*parse_pointer("https://ci.test/app-2.tgz\r\n"))->url, "https://ci.test/app-2.tgz");
  EXPECT_EQ((*parse_pointer("\xef\xbb\xbf s3://bucket/key"))->url, "s3://bucket/key");
}

TEST(Pointers, AreNotBuilds) {
  for (const auto& build : {"\x1f\x8b\x08"s, "#!/bin/sh\n"s, "PK\3\4"s, ""s, "app-2.tgz\n"s, "<html>"s,
                            "{\"url\": \"x\"}" + std::string(kLargestPointer, ' ')}) {
    const auto found = parse_pointer(build);
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found) << build;
  }
}

TEST(Pointers, AreRefusedWithTheReason) {
  const auto why = [](const std::string& text) {
    const auto found = parse_pointer(text);
    return found ? "taken" : found.error().text;
  };
  EXPECT_EQ(why("{}"), "manifest refused: it has no \"url\"");
  EXPECT_EQ(why("{\"url\": 1}"), "manifest refused: \"url\" is a number, not a string");
  EXPECT_EQ(why("{\"url\": {\"x\": 1}}"), "manifest refused: \"url\" is an object, not a string");
  EXPECT_EQ(why("{\"url\": \"a\", \"url\": \"b\"}"), "manifest refused: \"url\" comes twice");
  EXPECT_EQ(why("{\"url\": \"a\", \"sha256\": \"\"}"), "manifest refused: \"sha256\" is empty");
  EXPECT_EQ(why("{\"url\": \"a\", \"sha256\": \"beef\"}"), "manifest refused: \"sha256\" is not 64 hex digits");
  EXPECT_EQ(why("{\"url\": \"a b\"}"), "manifest refused: \"url\" is no URL");
  EXPECT_THAT(why("{\"url\": \"a\", \"version\": \"1\\n2\"}"), HasSubstr("\"version\" is longer than 128 bytes, or"));
  EXPECT_THAT(why("{\"url\": \"a\""), HasSubstr("not JSON, at byte 12"));
  EXPECT_THAT(why("{\"url\": \"a\"} {}"), HasSubstr("not JSON"));
  EXPECT_THAT(why("{\"url\": \"\xff\"}"), HasSubstr("not JSON"));
  EXPECT_EQ(why("{\"x\": " + std::string(17, '[') + std::string(17, ']') + "}"), "manifest refused: nested too deeply");
  EXPECT_THAT(why("https://a\nhttps://b"), HasSubstr("it begins like a URL, but is more than that"));
}

TEST(DigestFiles, AreOneLineOfSha256sum) {
  EXPECT_EQ(parse_digest_file(kDigest + "\n"), kDigest);
  EXPECT_EQ(parse_digest_file(kDigest + "  app.tgz\n"), kDigest);
  EXPECT_EQ(parse_digest_file(kDigest + " *app.tgz\r\n"), kDigest);
  for (const auto& text : {""s, kDigest.substr(1), "x" + kDigest, kDigest + "  a\n" + kDigest + "  b\n", "<html>"s}) {
    EXPECT_FALSE(parse_digest_file(text)) << text;
  }
}

}  // namespace
}  // namespace fleet::fetch
