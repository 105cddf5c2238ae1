#include "firmware/wire/xml/document.h"

#include "firmware/wire/xml/malformed.h"

namespace fedge::xml {

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kMalformedCount> kTexts{{
    "none",
    "too_large",
    "encoding",
    "syntax",
    "name_space",
    "document_type",
    "name_long",
    "depth",
    "elements_many",
    "attributes_many",
    "memory",
}};
static_assert(!kTexts.back().empty());

}  // namespace

std::string_view text(Malformed reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

const Attribute* Document::find_attribute(const Element& element, std::string_view name) const {
  for (const Attribute& a : attributes(element))
    if (a.name == name && a.space.empty()) return &a;
  return nullptr;
}

const Element* Document::find_child(const Element& element, std::string_view space,
                                    std::string_view name) const {
  for (const Element& child : children(element))
    if (child.is(space, name)) return &child;
  return nullptr;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n";
  const size_t begin = text.find_first_not_of(kWhite);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

}  // namespace fedge::xml
