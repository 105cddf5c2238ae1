// Any octets as XML: within the limits, and what was read is the same once it was written again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "firmware/wire/xml/reader.h"
#include "firmware/wire/xml/writer.h"

using namespace fedge;
using namespace fedge::xml;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_tree(const Document& d) {
  const auto elements = d.elements();
  require(!elements.empty() && elements.size() <= kMostElements);
  require(d.root().end == elements.size());
  size_t attributes = 0;
  for (const Element& e : elements) {
    require(&elements[e.at] == &e && e.end > e.at && e.end <= elements.size());
    require(!e.name.empty() && e.name.size() <= kLongestName && e.space.size() <= kLongestName);
    require(e.first_attribute == attributes);
    attributes += e.attribute_count;
    uint32_t next = e.at + 1;
    for (const Element& child : d.children(e)) {
      require(child.at == next && child.end <= e.end);
      next = child.end;
    }
    require(next == e.end);
  }
  require(attributes <= kMostAttributes);
}

// Its text in front of its children; every namespace declared where it is used.
void write_element(const Document& d, const Element& e, Writer& writer) {
  writer.open(e.name).attribute("xmlns", e.space);
  std::vector<std::string> names;  // the writer keeps no names of attributes
  for (const Attribute& a : d.attributes(e)) {
    if (a.space.empty()) {
      writer.attribute(a.name, a.value);
      continue;
    }
    const bool is_xml = a.space == "http://www.w3.org/XML/1998/namespace";
    const std::string prefix = is_xml ? "xml" : "p" + std::to_string(names.size());
    if (!is_xml) writer.attribute("xmlns:" + prefix, a.space);
    names.push_back(prefix + ":" + std::string(a.name));
    writer.attribute(names.back(), a.value);
  }
  writer.text(e.text);
  for (const Element& child : d.children(e)) write_element(d, child, writer);
  writer.close();
}

void check_same(const Document& a, const Document& b) {
  require(a.elements().size() == b.elements().size());
  for (size_t i = 0; i < a.elements().size(); ++i) {
    const Element& x = a.elements()[i];
    const Element& y = b.elements()[i];
    require(x.is(y.space, y.name) && x.text == y.text && x.end == y.end);
    require(x.attribute_count == y.attribute_count);
    for (size_t j = 0; j < x.attribute_count; ++j) {
      const Attribute& p = a.attributes(x)[j];
      const Attribute& q = b.attributes(y)[j];
      require(p.space == q.space && p.name == q.name && p.value == q.value);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Reader reader(0x5eed);
  static Reader again(0xfeed);
  const Malformed reason = reader.read({reinterpret_cast<const char*>(data), size});
  require(!text(reason).empty());
  if (reason != Malformed::none) return 0;
  check_tree(reader.document());
  std::vector<char> out(kLargest);
  Writer writer(out);
  write_element(reader.document(), reader.document().root(), writer);
  const auto written = writer.size();
  if (!written) return 0;  // longer than it was, or deeper than the writer goes
  const Malformed rewritten = again.read({out.data(), *written});
  if (rewritten == Malformed::memory) return 0;
  require(rewritten == Malformed::none);
  check_same(reader.document(), again.document());
  return 0;
}
