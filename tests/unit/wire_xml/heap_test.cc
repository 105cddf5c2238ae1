#include "firmware/wire/xml/heap.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>

namespace fedge::xml {
namespace {

class M3_XmlHeap : public testing::Test {
 protected:
  std::unique_ptr<Heap> heap_ = std::make_unique<Heap>();
};

TEST_F(M3_XmlHeap, PiecesAreApartAndAligned) {
  auto* a = static_cast<char*>(heap_->allocate(1));
  auto* b = static_cast<char*>(heap_->allocate(33));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a) % 16, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b) % 16, 0u);
  EXPECT_GE(b - a, 16);
  std::memset(b, 'b', 33);
  *a = 'a';
  EXPECT_EQ(b[0], 'b');
}

TEST_F(M3_XmlHeap, TheLastPieceGrowsInPlaceAnotherMoves) {
  auto* a = static_cast<char*>(heap_->allocate(16));
  std::memcpy(a, "sixteen octets.", 16);
  EXPECT_EQ(heap_->resize(a, 4000), a);
  EXPECT_STREQ(a, "sixteen octets.");
  void* b = heap_->allocate(1);
  EXPECT_EQ(heap_->resize(a, 100), a);
  auto* moved = static_cast<char*>(heap_->resize(a, 5000));
  EXPECT_NE(moved, a);
  EXPECT_STREQ(moved, "sixteen octets.");
  EXPECT_EQ(heap_->resize(b, 16), b);
  EXPECT_NE(heap_->resize(nullptr, 1), nullptr);
}

TEST_F(M3_XmlHeap, EndsWhereItEnds) {
  void* a = heap_->allocate(1000);
  EXPECT_EQ(heap_->allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(heap_->allocate(SIZE_MAX - 16), nullptr);
  EXPECT_EQ(heap_->resize(a, SIZE_MAX), nullptr);
  const size_t used = heap_->used();
  size_t pieces = 0;
  while (heap_->allocate(4096 - 16) != nullptr) ++pieces;
  EXPECT_EQ(heap_->used(), used + pieces * 4096);
  size_t last = 0;
  while (heap_->allocate(1) != nullptr) ++last;
  EXPECT_LT(last, 128u);
  heap_->clear();
  EXPECT_EQ(heap_->allocate(1000), a);
}

TEST_F(M3_XmlHeap, WhatWasHandedOutLastIsFreeAgain) {
  void* a = heap_->allocate(100);
  void* b = heap_->allocate(100);
  heap_->release(nullptr);
  heap_->release(b);
  EXPECT_EQ(heap_->allocate(50), b);
  heap_->release(a);  // not the last: kept until clear()
  EXPECT_NE(heap_->allocate(50), a);
}

}  // namespace
}  // namespace fedge::xml
