#include "firmware/topology/diff.h"

#include <set>
#include <unordered_map>

#include "firmware/topology/encoder.h"

namespace fedge::topology {
namespace {

class Differ {
 public:
  Differ(std::vector<Change>& changes, size_t most) : changes_(changes), most_(most) {}
  size_t all() const { return all_; }

  template <Described T>
  void compare(const std::string& path, const T& a, const T& b) {
    if (a == b) return;
    Fields<T>::each([&](const Field& field, auto member) {
      compare(json::join_path(path, field.name), a.*member, b.*member);
    });
  }

 private:
  template <class T>
  void compare(const std::string& path, const std::optional<T>& a, const std::optional<T>& b) {
    if (a && b) return compare(path, *a, *b);
    if (a) removed(path, *a);
    if (b) added(path, *b);
  }
  template <Described T>
  void compare(const std::string& path, const std::vector<T>& a, const std::vector<T>& b) {
    if (a == b) return;
    const auto old_items = named(a);
    const auto new_items = named(b);
    for (size_t i = 0; i < a.size(); ++i) {
      if (!new_items.by_name.contains(old_items.names[i])) {
        removed(json::join_path(path, old_items.names[i]), a[i]);
      }
    }
    for (size_t i = 0; i < b.size(); ++i) {
      const std::string place = json::join_path(path, new_items.names[i]);
      const auto old = old_items.by_name.find(new_items.names[i]);
      if (old == old_items.by_name.end()) {
        added(place, b[i]);
      } else {
        compare(place, a[old->second], b[i]);
      }
    }
  }
  // Plain values: what came and what went; only their order, when that is all.
  template <class T>
  void compare(const std::string& path, const std::vector<T>& a, const std::vector<T>& b) {
    if (a == b) return;
    const size_t before = all_;
    const std::set<T> old_items(a.begin(), a.end());
    const std::set<T> new_items(b.begin(), b.end());
    for (const T& item : a) {
      if (!new_items.contains(item)) removed(path, item);
    }
    for (const T& item : b) {
      if (!old_items.contains(item)) added(path, item);
    }
    if (all_ == before) changed(path, a, b);
  }
  template <class T>
    requires(!Described<T>)
  void compare(const std::string& path, const T& a, const T& b) {
    if (a != b) changed(path, a, b);
  }

  // Items under their keys; the second of one key is "key (2)".
  struct Named {
    std::vector<std::string> names;
    std::unordered_map<std::string, size_t> by_name;
  };
  template <class T>
  static Named named(const std::vector<T>& list) {
    Named out;
    std::unordered_map<std::string, size_t> count;
    for (size_t i = 0; i < list.size(); ++i) {
      std::string name = Fields<T>::key(list[i]);
      const size_t n = ++count[name];
      if (n > 1) name += " (" + std::to_string(n) + ")";
      out.by_name.emplace(name, i);
      out.names.push_back(std::move(name));
    }
    return out;
  }

  template <class T>
  void added(const std::string& path, const T& value) {
    if (all_++ < most_) changes_.push_back({Change::Kind::added, path, "", to_json(value)});
  }
  template <class T>
  void removed(const std::string& path, const T& value) {
    if (all_++ < most_) changes_.push_back({Change::Kind::removed, path, to_json(value), ""});
  }
  template <class T>
  void changed(const std::string& path, const T& a, const T& b) {
    if (all_++ < most_) changes_.push_back({Change::Kind::changed, path, to_json(a), to_json(b)});
  }
  std::vector<Change>& changes_;
  size_t most_;
  size_t all_ = 0;
};

}  // namespace

std::vector<Change> diff(const Topology& before, const Topology& after) {
  size_t all = 0;
  return diff(before, after, SIZE_MAX, all);
}

std::vector<Change> diff(const Topology& before, const Topology& after, size_t most, size_t& all) {
  std::vector<Change> changes;
  Differ differ(changes, most);
  differ.compare("", before, after);
  all = differ.all();
  return changes;
}

}  // namespace fedge::topology
