#include "api/public_url.hpp"

#include <gtest/gtest.h>

namespace fleet::api {
namespace {

TEST(PublicUrl, HasNoUserInformationAndNoQuery) {
  EXPECT_EQ(public_url("https://host/a/b.tgz"), "https://host/a/b.tgz");
  EXPECT_EQ(public_url("https://user:secret@host/a.tgz"), "https://host/a.tgz");
  EXPECT_EQ(public_url("https://user@host:8443/a.tgz"), "https://host:8443/a.tgz");
  EXPECT_EQ(public_url("https://host/a.tgz?X-Amz-Signature=secret"), "https://host/a.tgz");
  EXPECT_EQ(public_url("https://host/a.tgz#secret"), "https://host/a.tgz");
  EXPECT_EQ(public_url("https://u:p@host?token=secret"), "https://host");
}

TEST(PublicUrl, OddOnesGiveNothingAway) {
  EXPECT_EQ(public_url("https://user:se@cret@host/a"), "https://host/a");
  EXPECT_EQ(public_url("https://user:secret@host"), "https://host");
  EXPECT_EQ(public_url("https://@host/a"), "https://host/a");
  EXPECT_EQ(public_url("https://u:p@[::1]:80/a"), "https://[::1]:80/a");
  EXPECT_EQ(public_url("https://host/a?next=http://x/?k=secret"), "https://host/a");
  EXPECT_EQ(public_url("://"), "://");
  EXPECT_EQ(public_url(""), "");
}

TEST(PublicUrl, AnAtInThePathStays) {
  EXPECT_EQ(public_url("https://host/@scope/pkg@1.2.tgz"), "https://host/@scope/pkg@1.2.tgz");
}

TEST(PublicUrl, APathIsItself) {
  EXPECT_EQ(public_url("/srv/build #1?.tar.gz"), "/srv/build #1?.tar.gz");
  EXPECT_EQ(public_url("/srv/a@b://c@d"), "/srv/a@b://c@d");
  EXPECT_EQ(public_url("file:///srv/build.tar.gz"), "file:///srv/build.tar.gz");
}

}  // namespace
}  // namespace fleet::api
