// Reads XML 1.0 in UTF-8 with expat, bounded in every way: octets, depth, elements, attributes,
// names, and the parser's memory. What could make a small document large or reach outside
// (DOCTYPE, entities but the five of XML) is refused.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/wire/xml/document.h"
#include "firmware/wire/xml/heap.h"
#include "firmware/wire/xml/malformed.h"

namespace fedge::xml {

// Some 650 kB: one a worker, used again for each document. Allocates nothing.
class Reader {
 public:
  // `salt` is drawn at random, once: with a known one a sender could choose names that make the
  // parser's tables slow. Never zero.
  explicit Reader(uint64_t salt) : salt_(salt) {}

  // Reads a whole document; an encoding that it declares is not looked at. With anything but
  // Malformed::none document() is not to be used.
  Malformed read(std::string_view text);
  // As of the last read(): it stays until the next.
  const Document& document() const { return document_; }
  // Octets of memory that the parser used in the last read().
  size_t used() const { return heap_.used(); }

 private:
  uint64_t salt_;
  Document document_;
  Heap heap_;
  std::array<char, kLargest> pending_;  // text of the elements that are open
};

}  // namespace fedge::xml
