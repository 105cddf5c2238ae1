// One XML document as a flat tree (XML 1.0, Namespaces in XML 1.0): elements in the order of the
// text, each knowing where its descendants end. Comments and processing instructions are left out.
// Large (some 200 kB, nothing on the heap); the reader has it and uses it again.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

namespace fedge::xml {

inline constexpr size_t kLargest = 64 * 1024;  // octets of a document
inline constexpr size_t kMostElements = 1024;
inline constexpr size_t kMostAttributes = 1024;
inline constexpr size_t kDeepest = 32;
inline constexpr size_t kLongestName = 256;  // of a namespace's URI, of a name without prefix

struct Attribute {
  std::string_view space;  // the namespace's URI; empty without a prefix
  std::string_view name;   // without prefix
  std::string_view value;  // UTF-8, references resolved
};

struct Element {
  std::string_view space;  // empty when it is in none
  std::string_view name;   // without prefix
  // All character data directly in it, white space as it stands; around children it is one piece:
  // whoever reads a value asks has_children() first.
  std::string_view text;
  uint32_t at = 0;   // its place in elements()
  uint32_t end = 0;  // the place behind its last descendant
  uint32_t first_attribute = 0;
  uint32_t attribute_count = 0;

  bool has_children() const { return end != at + 1; }
  bool is(std::string_view in_space, std::string_view with_name) const {
    return name == with_name && space == in_space;
  }
};

// The children of an element, for a range-for.
class Children {
 public:
  class Iterator {
   public:
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const Element* all, uint32_t at) : all_(all), at_(at) {}
    const Element& operator*() const { return all_[at_]; }
    const Element* operator->() const { return &all_[at_]; }
    Iterator& operator++() {
      at_ = all_[at_].end;
      return *this;
    }
    Iterator operator++(int) {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    const Element* all_ = nullptr;
    uint32_t at_ = 0;
  };

  Children(const Element* all, const Element& parent)
      : begin_(all, parent.at + 1), end_(all, parent.end) {}
  Iterator begin() const { return begin_; }
  Iterator end() const { return end_; }

 private:
  Iterator begin_;
  Iterator end_;
};
static_assert(std::forward_iterator<Children::Iterator>);

class Document {
 public:
  Document() = default;
  // Views lead into it.
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  std::span<const Element> elements() const { return {elements_.data(), element_count_}; }
  const Element& root() const { return elements_[0]; }
  Children children(const Element& element) const { return {elements_.data(), element}; }
  std::span<const Attribute> attributes(const Element& element) const {
    return {attributes_.data() + element.first_attribute, element.attribute_count};
  }
  // One without a prefix; null when there is none.
  const Attribute* find_attribute(const Element& element, std::string_view name) const;
  // The first child of that name; null when there is none.
  const Element* find_child(const Element& element, std::string_view space,
                            std::string_view name) const;

 private:
  friend class Building;

  std::array<Element, kMostElements> elements_;        // [0, element_count_) is set
  std::array<Attribute, kMostAttributes> attributes_;  // [0, attribute_count_) is set
  std::array<char, kLargest> text_;                    // what the views see
  size_t element_count_ = 0;
  size_t attribute_count_ = 0;
  size_t text_size_ = 0;
};

// Without the white space of XML around it: space, tab, CR, LF.
std::string_view trim(std::string_view text);

}  // namespace fedge::xml
