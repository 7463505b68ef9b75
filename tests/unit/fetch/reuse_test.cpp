#include "reuse.hpp"

#include <gtest/gtest.h>

namespace fleet::fetch {
namespace {

wire::FetchJob job_with(std::string format, std::string layout, bool unpack = false) {
  wire::FetchJob job;
  job.unpack_java = unpack;
  wire::KnownBuild other, known;
  other.sha256 = "b", other.format = "tar.gz", other.layout = kLayoutTree;
  known.sha256 = "a", known.format = std::move(format), known.layout = std::move(layout);
  job.known = {other, known};
  return job;
}

TEST(Reuse, TakesATreeUnderAnyName) {
  for (const char* format : {"tar", "tar.gz", "tar.zst", "tar.xz", "tar.bz2", "zip"}) {
    EXPECT_EQ(known_as(job_with(format, kLayoutTree), "a", "other-name.bin"), 2u) << format;
  }
  EXPECT_EQ(known_as(job_with("tar.gz", kLayoutTree), "b", "x"), 1u);
}

TEST(Reuse, TakesNothingOfAnotherDigestOrNone) {
  EXPECT_EQ(known_as(job_with("tar.gz", kLayoutTree), "c", "x"), 0u);
  EXPECT_EQ(known_as(job_with("tar.gz", kLayoutTree), "", "x"), 0u);
  EXPECT_EQ(known_as(job_with("tar.gz", ""), "a", "x"), 0u) << "of a former fleetd, which did not note how it is laid out";
  EXPECT_EQ(known_as(job_with("directory", kLayoutTree), "a", "x"), 0u);
}

TEST(Reuse, TakesAFileUnderItsOwnNameOnly) {
  EXPECT_EQ(known_as(job_with("executable", "file:server"), "a", "server"), 2u);
  EXPECT_EQ(known_as(job_with("executable", "file:server"), "a", "server-2"), 0u);
  EXPECT_EQ(known_as(job_with("war", "file:shop.war"), "a", "shop.war"), 2u);
}

TEST(Reuse, DependsOnWhetherJavaArchivesAreUnpacked) {
  EXPECT_EQ(known_as(job_with("war", "file:shop.war", true), "a", "shop.war"), 0u);
  EXPECT_EQ(known_as(job_with("war", kLayoutTree, true), "a", "shop.war"), 2u);
  EXPECT_EQ(known_as(job_with("war", kLayoutTree, false), "a", "shop.war"), 0u);
  EXPECT_EQ(known_as(job_with("zip", kLayoutTree, false), "a", "shop.war"), 0u) << "under that name it is one";
  EXPECT_EQ(known_as(job_with("zip", kLayoutTree, true), "a", "shop.war"), 2u);
}

}  // namespace
}  // namespace fleet::fetch
