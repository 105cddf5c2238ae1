#include "firmware/wire/xml/reader.h"

#include <expat.h>

#include <cstring>

namespace fedge::xml {

namespace {

// Between a namespace and a name: no XML document can have it.
constexpr char kSeparator = '\x01';

// expat's functions for memory know no context. Null outside of Reader::read().
thread_local Heap* heap = nullptr;

void* on_allocate(size_t size) { return heap->allocate(size); }
void* on_resize(void* old, size_t size) { return heap->resize(old, size); }
void on_release(void* old) { heap->release(old); }
constexpr XML_Memory_Handling_Suite kMemory{on_allocate, on_resize, on_release};

Malformed reason_of(XML_Error error) {
  switch (error) {
    case XML_ERROR_NO_MEMORY:
      return Malformed::memory;
    case XML_ERROR_UNBOUND_PREFIX:
    case XML_ERROR_UNDECLARING_PREFIX:
    case XML_ERROR_RESERVED_PREFIX_XML:
    case XML_ERROR_RESERVED_PREFIX_XMLNS:
    case XML_ERROR_RESERVED_NAMESPACE_URI:
      return Malformed::name_space;
    default:
      return Malformed::syntax;
  }
}

}  // namespace

// One run: takes expat's events and fills the document.
class Building {
 public:
  Building(Document& document, std::array<char, kLargest>& pending)
      : document_(document), pending_(pending) {
    document_.element_count_ = document_.attribute_count_ = document_.text_size_ = 0;
  }
  Malformed run(std::string_view text, uint64_t salt);

 private:
  // Elements that are open, outermost first.
  struct Open {
    uint32_t element;
    uint32_t pending;  // where its text begins
  };
  static void on_start(void* self, const XML_Char* name, const XML_Char** attributes) {
    static_cast<Building*>(self)->open(name, attributes);
  }
  static void on_end(void* self, const XML_Char*) { static_cast<Building*>(self)->close(); }
  static void on_text(void* self, const XML_Char* text, int size) {
    static_cast<Building*>(self)->add_text({text, static_cast<size_t>(size)});
  }
  static void on_document_type(void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    static_cast<Building*>(self)->refuse(Malformed::document_type);
  }

  void open(std::string_view name, const XML_Char** attributes);
  void close();
  void add_text(std::string_view text);
  bool add_attribute(Element& element, std::string_view name, std::string_view value);
  // Splits expat's name. False, and refused, when a part of it is too long.
  bool keep_name(std::string_view joined, std::string_view& space, std::string_view& name);
  std::string_view keep_space(std::string_view space);
  std::string_view keep(std::string_view text);
  void refuse(Malformed reason);

  Document& document_;
  std::array<char, kLargest>& pending_;
  size_t pending_size_ = 0;
  std::array<Open, kDeepest> open_;
  size_t depth_ = 0;
  std::array<std::string_view, 16> spaces_;
  size_t space_count_ = 0;
  XML_Parser parser_ = nullptr;
  Malformed refused_ = Malformed::none;
};

Malformed Building::run(std::string_view text, uint64_t salt) {
  // Nothing of the parser outlives the heap: it is not freed.
  parser_ = XML_ParserCreate_MM("UTF-8", &kMemory, &kSeparator);
  if (parser_ == nullptr) return Malformed::memory;
  XML_SetHashSalt(parser_, salt);
  XML_SetUserData(parser_, this);
  XML_SetElementHandler(parser_, on_start, on_end);
  XML_SetCharacterDataHandler(parser_, on_text);
  XML_SetStartDoctypeDeclHandler(parser_, on_document_type);
  const XML_Status status =
      XML_Parse(parser_, text.data(), static_cast<int>(text.size()), XML_TRUE);
  if (refused_ != Malformed::none) return refused_;
  return status == XML_STATUS_OK ? Malformed::none : reason_of(XML_GetErrorCode(parser_));
}

// Events may still come behind it: every handler asks.
void Building::refuse(Malformed reason) {
  if (refused_ != Malformed::none) return;
  refused_ = reason;
  XML_StopParser(parser_, XML_FALSE);
}

// Everything kept stands in the document once at least, and references only shrink.
std::string_view Building::keep(std::string_view text) {
  if (text.size() > document_.text_.size() - document_.text_size_) {
    refuse(Malformed::memory);
    return {};
  }
  char* at = document_.text_.data() + document_.text_size_;
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  document_.text_size_ += text.size();
  return {at, text.size()};
}

// Many elements share a few: one that is known is not kept again.
std::string_view Building::keep_space(std::string_view space) {
  if (space.empty()) return {};
  for (const std::string_view known : std::span(spaces_).first(space_count_))
    if (known == space) return known;
  const std::string_view kept = keep(space);
  if (space_count_ < spaces_.size()) spaces_[space_count_++] = kept;
  return kept;
}

bool Building::keep_name(std::string_view joined, std::string_view& space, std::string_view& name) {
  const size_t end = joined.find(kSeparator);
  const bool is_alone = end == std::string_view::npos;
  const std::string_view uri = is_alone ? std::string_view() : joined.substr(0, end);
  const std::string_view local = is_alone ? joined : joined.substr(end + 1);
  if (uri.size() > kLongestName || local.size() > kLongestName) {
    refuse(Malformed::name_long);
    return false;
  }
  space = keep_space(uri);
  name = keep(local);
  return refused_ == Malformed::none;
}

void Building::open(std::string_view name, const XML_Char** attributes) {
  if (refused_ != Malformed::none) return;
  if (depth_ == kDeepest) return refuse(Malformed::depth);
  if (document_.element_count_ == kMostElements) return refuse(Malformed::elements_many);
  Element& element = document_.elements_[document_.element_count_];
  element = {};
  if (!keep_name(name, element.space, element.name)) return;
  element.at = static_cast<uint32_t>(document_.element_count_);
  element.first_attribute = static_cast<uint32_t>(document_.attribute_count_);
  ++document_.element_count_;
  open_[depth_++] = {element.at, static_cast<uint32_t>(pending_size_)};
  for (; *attributes != nullptr; attributes += 2)
    if (!add_attribute(element, attributes[0], attributes[1])) return;
}

bool Building::add_attribute(Element& element, std::string_view name, std::string_view value) {
  if (document_.attribute_count_ == kMostAttributes) {
    refuse(Malformed::attributes_many);
    return false;
  }
  Attribute& attribute = document_.attributes_[document_.attribute_count_];
  if (!keep_name(name, attribute.space, attribute.name)) return false;
  attribute.value = keep(value);
  ++document_.attribute_count_;
  ++element.attribute_count;
  return refused_ == Malformed::none;
}

void Building::add_text(std::string_view text) {
  if (refused_ != Malformed::none) return;
  if (text.size() > pending_.size() - pending_size_) return refuse(Malformed::memory);
  std::memcpy(pending_.data() + pending_size_, text.data(), text.size());
  pending_size_ += text.size();
}

void Building::close() {
  if (refused_ != Malformed::none) return;
  const Open& innermost = open_[--depth_];
  Element& element = document_.elements_[innermost.element];
  element.end = static_cast<uint32_t>(document_.element_count_);
  element.text = keep({pending_.data() + innermost.pending, pending_size_ - innermost.pending});
  pending_size_ = innermost.pending;
}

Malformed Reader::read(std::string_view text) {
  if (text.size() > kLargest) return Malformed::too_large;
  if (text.find('\0') != std::string_view::npos) return Malformed::encoding;
  heap_.clear();
  heap = &heap_;
  const Malformed reason = Building(document_, pending_).run(text, salt_);
  heap = nullptr;
  return reason;
}

}  // namespace fedge::xml
