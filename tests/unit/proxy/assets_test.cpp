#include <gmock/gmock.h>

#include "assets/answer.hpp"
#include "assets/find.hpp"

namespace fleet::proxy::assets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(AssetPath, IsDecodedAndPlain) {
  EXPECT_EQ(plain_path("/assets/app-3f2a.js"), "/assets/app-3f2a.js");
  EXPECT_EQ(plain_path("/assets/a%20b.js?x=%zz"), "/assets/a b.js");
  EXPECT_EQ(plain_path("/assets/%E4%BD%A0.png"), "/assets/\xE4\xBD\xA0.png");
  EXPECT_EQ(plain_path("/a..b/c."), "/a..b/c.");
  for (const auto* bad : {"", "*", "assets/x", "/", "/assets/", "//assets/x", "/assets//x", "/assets/./x", "/assets/../x",
                          "/assets/..", "/assets/.x", "/.x/y", "/assets/%2e%2e/x", "/assets/%2Ex", "/assets%2fx", "/assets/a%2Fb",
                          "/assets/a%5Cb", "/assets/a\\b", "/assets/a%00", "/assets/a%0a", "/assets/a%7f", "/assets/a%",
                          "/assets/a%2", "/assets/a%zz"}) {
    EXPECT_EQ(plain_path(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(plain_path("/" + std::string(kMaxPath + 1, 'x')), std::nullopt);
}

TEST(AssetPath, LeadsIntoEachReleaseAsItsOwnFoldersSayTheLongestPrefixFirst) {
  const std::vector<ReleaseAssets> releases{
      {3, "/r/3", {{"/assets/", "public/assets"}}},
      {2, "/r/2", {{"/a/", "x"}, {"/assets/", "static"}, {"/assets/vendor/", "vendor/dist"}}}};
  EXPECT_THAT(places_of(releases, "/assets/vendor/a.js?1"),
              ElementsAre(Place{"/r/3", "public/assets/vendor/a.js"}, Place{"/r/2", "vendor/dist/a.js"},
                          Place{"/r/2", "static/vendor/a.js"}));
  EXPECT_THAT(places_of(releases, "/a/b"), ElementsAre(Place{"/r/2", "x/b"}));
  EXPECT_THAT(places_of(releases, "/asset/b"), IsEmpty());
  EXPECT_THAT(places_of(releases, "/assets/../b"), IsEmpty());
  EXPECT_THAT(places_of({}, "/assets/b"), IsEmpty());
}

std::string ranged(std::string_view field, std::uint64_t size) {
  Range range;
  switch (parse_range(field, size, range)) {
    case Asked::whole: return "whole";
    case Asked::unsatisfiable: return "unsatisfiable";
    case Asked::part: return std::to_string(range.first) + "-" + std::to_string(range.last);
  }
  return "";
}

TEST(AssetRange, IsOneOfBytesWithinTheFile) {
  EXPECT_EQ(ranged("bytes=0-0", 10), "0-0");
  EXPECT_EQ(ranged("bytes=2-", 10), "2-9");
  EXPECT_EQ(ranged("Bytes= 2 - 5 ", 10), "2-5");
  EXPECT_EQ(ranged("bytes=2-99", 10), "2-9");
  EXPECT_EQ(ranged("bytes=-3", 10), "7-9");
  EXPECT_EQ(ranged("bytes=-30", 10), "0-9");
  EXPECT_EQ(ranged("bytes=10-", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=-0", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=0-", 0), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=-1", 0), "unsatisfiable");
  for (const auto* odd : {"", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=1-2,4-5", "items=1-2", "bytes=a-b", "bytes=+1-2",
                          "bytes=99999999999999999999-", "bytes=--1"}) {
    EXPECT_EQ(ranged(odd, 10), "whole") << odd;
  }
}

TEST(AssetType, IsByTheExtension) {
  EXPECT_EQ(content_type_of("a/b.JS"), "text/javascript; charset=utf-8");
  EXPECT_EQ(content_type_of("app.3f2a.css"), "text/css; charset=utf-8");
  EXPECT_EQ(content_type_of("x.woff2"), "font/woff2");
  EXPECT_EQ(content_type_of("js"), "application/octet-stream");
  EXPECT_EQ(content_type_of("a.js/b"), "application/octet-stream");
  EXPECT_EQ(content_type_of("a.exe"), "application/octet-stream");
}

constexpr FileFacts kFile{100, 7, 784111777, 5};

Reply to(const std::string& fields, const std::string& method = "GET", const FileFacts& file = kFile) {
  const auto text = method + " /assets/a.js HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
  http::RequestHead head;
  EXPECT_TRUE(http::parse_request(text, head));
  return reply(head, file, "assets/a.js", 784111800);
}

TEST(AssetReply, IsTheWholeFileWithItsValidators) {
  const auto whole = to("");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.first, 0u);
  EXPECT_EQ(whole.length, 100u);
  EXPECT_EQ(whole.head,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:50:00 GMT\r\nContent-Length: 100\r\nETag: \"2ebc98a1-5-64-7\"\r\n"
            "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: public, max-age=3600\r\nAccept-Ranges: bytes\r\n"
            "Content-Type: text/javascript; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
  const auto head = to("Range: bytes=0-1\r\n", "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.length, 0u);
  EXPECT_THAT(head.head, HasSubstr("Content-Length: 100\r\n"));
  EXPECT_THAT(to("Authorization: Basic eDp5\r\n").head, HasSubstr("Cache-Control: private, max-age=3600\r\n"));
}

TEST(AssetReply, IsAPartOnlyOfTheFileThatTheClientHas) {
  const auto part = to("Range: bytes=10-19\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.first, 10u);
  EXPECT_EQ(part.length, 10u);
  EXPECT_THAT(part.head, HasSubstr("Content-Range: bytes 10-19/100\r\nContent-Length: 10\r\n"));
  EXPECT_EQ(to("Range: bytes=10-19\r\nIf-Range: " + etag_of(kFile) + "\r\n").status, 206);
  EXPECT_EQ(to("Range: bytes=10-19\r\nIf-Range: \"x\"\r\n").status, 200);
  EXPECT_EQ(to("Range: bytes=10-19\r\nIf-Range: W/" + etag_of(kFile) + "\r\n").status, 200);
  EXPECT_EQ(to("Range: bytes=10-19\r\nIf-Range: " + http_date(kFile.modified) + "\r\n").status, 200);
  const auto beyond = to("Range: bytes=100-\r\n");
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.length, 0u);
  EXPECT_THAT(beyond.head, HasSubstr("Content-Range: bytes */100\r\nContent-Length: 0\r\n"));
}

TEST(AssetReply, IsNothingWhenTheClientHasIt) {
  const auto tag = etag_of(kFile), date = http_date(kFile.modified);
  for (const auto& fields : {"If-None-Match: " + tag, "If-None-Match: \"a\", W/" + tag, std::string("If-None-Match: *"),
                             "If-Modified-Since: " + date, "If-None-Match: " + tag + "\r\nRange: bytes=1-2"}) {
    const auto unchanged = to(fields + "\r\n");
    EXPECT_EQ(unchanged.status, 304) << fields;
    EXPECT_EQ(unchanged.length, 0u);
    EXPECT_THAT(unchanged.head, Not(HasSubstr("Content-Length")));
    EXPECT_THAT(unchanged.head, HasSubstr("ETag: " + tag));
  }
  EXPECT_EQ(to("If-None-Match: \"a\"\r\nIf-Modified-Since: " + date + "\r\n").status, 200);
  EXPECT_EQ(to("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n").status, 200);
}

// Reproducible builds: all files have one time, and two of one size are not told apart by it.
TEST(AssetReply, TellsFilesOfOneTimeAndSizeApart) {
  auto other = kFile;
  other.inode = 8;
  EXPECT_NE(etag_of(kFile), etag_of(other));
}

TEST(AssetReply, HasDatesOfAnyTime) {
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(http_date(std::int64_t{1} << 62), "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace fleet::proxy::assets
