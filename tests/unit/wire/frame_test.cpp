#include "wire/frame.hpp"

#include <gtest/gtest.h>

#include <random>

namespace fleet::wire {
namespace {

std::string header(std::uint32_t length, std::uint16_t type, std::uint16_t fds) {
  std::string out;
  Encoder encoder(out);
  encoder.put(length), encoder.put(type), encoder.put(fds);
  return out;
}

const Stop kStop{9, milliseconds(1500)};
const KeysAck kKeysAck{std::string(300, 'x')};

std::string three_frames() { return frame(kStop, 1) + frame(Dismiss{}) + frame(kKeysAck, kMaxFds); }

void expect_the_three(const std::vector<Frame>& frames) {
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].type, Stop::kType);
  EXPECT_EQ(frames[0].fd_count, 1);
  EXPECT_EQ(decode<Stop>(frames[0].payload), kStop);
  EXPECT_EQ(frames[1].type, Dismiss::kType);
  EXPECT_EQ(frames[1].fd_count, 0);
  EXPECT_EQ(frames[1].payload, "");
  EXPECT_EQ(frames[2].fd_count, kMaxFds);
  EXPECT_EQ(decode<KeysAck>(frames[2].payload), kKeysAck);
}

// Reads what is there; fails the test on an error.
void drain(FrameReader& reader, std::vector<Frame>& frames) {
  while (true) {
    auto next = reader.next();
    ASSERT_TRUE(next) << next.error().text;
    if (!*next) return;
    frames.push_back(std::move(**next));
  }
}

TEST(FrameReader, CutsAStreamThatComesAtOnce) {
  FrameReader reader;
  std::vector<Frame> frames;
  reader.append(three_frames());
  drain(reader, frames);
  expect_the_three(frames);
}

TEST(FrameReader, CutsAStreamThatComesByteByByte) {
  FrameReader reader;
  std::vector<Frame> frames;
  for (const char byte : three_frames()) {
    reader.append(std::string_view(&byte, 1));
    drain(reader, frames);
  }
  expect_the_three(frames);
}

TEST(FrameReader, CutsAStreamThatComesInAnyPieces) {
  const auto stream = three_frames();
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (std::size_t at = 0; at < stream.size();) {
      const auto size = 1 + random() % 40;
      reader.append(std::string_view(stream).substr(at, size));
      at += size;
      drain(reader, frames);
    }
    expect_the_three(frames);
  }
}

TEST(FrameReader, RefusesALengthBeyondTheLimitBeforeThePayloadComes) {
  FrameReader reader;
  reader.append(header(kMaxFrame + 1, Stop::kType, 0));
  EXPECT_FALSE(reader.next());
}

TEST(FrameReader, WaitsForALengthAtTheLimit) {
  FrameReader reader;
  reader.append(header(kMaxFrame, Stop::kType, 0));
  const auto next = reader.next();
  ASSERT_TRUE(next);
  EXPECT_FALSE(*next);
}

TEST(FrameReader, RefusesMoreDescriptorsThanAllowed) {
  FrameReader reader;
  reader.append(header(0, Listeners::kType, kMaxFds + 1));
  EXPECT_FALSE(reader.next());
}

TEST(FrameReader, LeavesUnknownTypesToItsCaller) {
  FrameReader reader;
  reader.append(header(0, 65535, 0));
  const auto next = reader.next();
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->type, 65535);
}

}  // namespace
}  // namespace fleet::wire
