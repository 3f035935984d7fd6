// Verifying: the space maps first, then every tree from its root, then what the two do not agree on.
//
// Nothing read is believed: a page's bytes are used only after its checksum, its identity and its node check, and
// a page id only after it is known to lie in the file and not to have been visited. So a damaged file cannot
// lead the walk outside a page, outside the file, or in circles.
#include "db/verify.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/printable.h"
#include "lsm/manifest.h"
#include "lsm/run_summary.h"
#include "page/leaf_record.h"
#include "page/overflow_page.h"
#include "page/page_header.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"

namespace aether::db {
namespace {

constexpr uint64_t kProblemsMax = 1000;
constexpr uint64_t kListedMax = 100;  ///< Leaked pages, and reachable free ones.
constexpr uint64_t kProgressPages = 256;
constexpr uint64_t kBatchPages = 32;  ///< Pages that lie side by side are read with one call.

class PageBitmap {
 public:
  void resize(uint64_t pages) { words_.resize((pages + 63) / 64); }
  bool test(uint64_t page) const noexcept { return (words_[page / 64] >> (page % 64) & 1) != 0; }
  void set(uint64_t page) noexcept { words_[page / 64] |= uint64_t{1} << (page % 64); }
  /// The first page >= `from` that is in one of the two and not in both; `end` if there is none below it.
  static uint64_t find_difference(const PageBitmap& a, const PageBitmap& b, uint64_t from,
                                  uint64_t end) noexcept {
    while (from < end) {
      const uint64_t different = (a.words_[from / 64] ^ b.words_[from / 64]) >> (from % 64);
      if (different != 0)
        return std::min(end, from + static_cast<uint64_t>(std::countr_zero(different)));
      from = (from / 64 + 1) * 64;
    }
    return end;
  }

 private:
  std::vector<uint64_t> words_;
};

std::string number(uint64_t n) { return std::to_string(n); }

std::string text_of(const std::optional<std::string>& fence) {
  constexpr size_t kShown = 32;
  if (!fence) return "none";
  return "'" + base::printable(*fence, kShown) + "'";
}

std::optional<std::string> owned(const page::Fence& fence) {
  return fence ? std::optional<std::string>(*fence) : std::nullopt;
}

/// A node that the walk has yet to visit, and what its parent says about it.
struct PendingNode {
  uint64_t page = 0;
  uint64_t parent = 0;  ///< 0: a root.
  uint8_t level = 0;    ///< kRadixLevel: or a leaf.
  std::optional<std::string> lower = {};
  std::optional<std::string> upper = {};
};

/// What the pages of a value have said so far.
struct ValueSeen {
  uint64_t bytes = 0;
  page::ValueChecksum checksum;
};

class Verifier {
 public:
  Verifier(buffer::DataFile& data, FunctionRef<bool(uint64_t, uint64_t)> progress)
      : data_(data),
        progress_(progress),
        page_bytes_(data.page_bytes()),
        per_group_(page::pages_per_group(data.page_bytes())),
        nodes_(kBatchPages * data.page_bytes()),
        extent_(kBatchPages * data.page_bytes()) {}

  VerifyReport run(const VerifyTargets& targets);

 private:
  // Space maps.
  void read_maps();
  void read_map(uint64_t group, page::SpaceMapPage map);
  void compare_with_maps();
  void report_leaked(uint64_t page, const Result<void>& read);

  // Trees.
  void walk(const TreeRoot& root);
  size_t next_run() const;
  void visit_node(const PendingNode& node, page::SlottedPage page);
  bool check_place(const PendingNode& node, const page::SlottedPage& page);
  void push_children(const PendingNode& node, page::SlottedPage page);
  void visit_leaf(const PendingNode& leaf, const page::SlottedPage& page);

  bool read_value(Bytes payload, std::string& value);
  void follow_run(uint64_t leaf, const page::SlottedPage& page, uint32_t slot);

  // Overflow values.
  void follow_values(const TreeRoot& root);
  void follow_value(uint64_t leaf, const page::OverflowReference& reference);
  std::optional<uint64_t> visit_extent(uint64_t from, uint64_t first, ValueSeen& seen,
                                       bool& is_whole);
  bool check_extent_page(const std::byte* bytes, const page::OverflowHeader& head, uint32_t index,
                         ValueSeen& seen);

  // Pages.
  bool reach(uint64_t page, uint64_t from);
  Result<void> read_page(uint64_t page, std::byte* to);
  std::vector<Result<void>> read_run(uint64_t first, uint64_t count, std::byte* to);
  void count_page();
  void problem(uint64_t page, std::string message);

  buffer::DataFile& data_;
  FunctionRef<bool(uint64_t, uint64_t)> progress_;
  const uint32_t page_bytes_;
  const uint64_t per_group_;
  VerifyReport report_;
  uint64_t more_problems_ = 0;
  bool broken_off_ = false;
  uint64_t covered_ = 0;  ///< Pages that the groups cover, also behind the file's end.
  uint64_t total_ = 0;    ///< Of these, allocated.
  PageBitmap allocated_;
  PageBitmap reached_;
  std::vector<bool> map_ok_;  ///< By group.
  bool has_gaps_ = false;     ///< A page that could not be used may have led to others.
  const TreeRoot* tree_ = nullptr;
  std::vector<PendingNode> stack_;
  buffer::AlignedBuffer nodes_;
  buffer::AlignedBuffer extent_;
};

VerifyReport Verifier::run(const VerifyTargets& targets) {
  read_maps();
  reached_.resize(covered_);
  reached_.set(0);
  for (uint64_t group = 0; group < map_ok_.size(); ++group) reached_.set(group * per_group_ + 1);

  if (const Result<void> read = read_page(0, nodes_.data()); !read) {
    problem(0, std::string(read.error().message()));
  }
  for (const TreeRoot& root : targets.roots) {
    walk(root);
    if (root.values) follow_values(root);
  }
  tree_ = nullptr;
  for (const page::OverflowReference& value : targets.values) follow_value(0, value);
  compare_with_maps();
  if (more_problems_ > 0)
    report_.problems.push_back({0, "", "and " + number(more_problems_) + " more problems"});
  static_cast<void>(progress_(report_.pages_checked, report_.pages_checked));
  return std::move(report_);
}

// --- Space maps --------------------------------------------------------------------------------------

/// A group exists if its map was ever written; the first one always does.
void Verifier::read_maps() {
  for (uint64_t group = 0; group == 0 || group * per_group_ + 1 < data_.capacity_pages(); ++group) {
    const uint64_t id = group * per_group_ + 1;
    const Result<void> read = data_.read_raw(PageId{id}, nodes_.data());
    if (group > 0 && read && page::is_zero(nodes_.data(), page_bytes_)) {
      const Result<bool> lost = data_.was_written(PageId{id});
      if (lost && !*lost) break;
    }
    covered_ += per_group_;
    allocated_.resize(covered_);
    map_ok_.push_back(false);
    if (read) {
      read_map(group, page::SpaceMapPage(nodes_.data(), page_bytes_));
    } else {
      problem(id, "the space map cannot be read: " + std::string(read.error().message()));
    }
  }
}

void Verifier::read_map(uint64_t group, page::SpaceMapPage map) {
  const uint64_t id = group * per_group_ + 1;
  count_page();
  Result<void> checked = data_.check(PageId{id}, nodes_.data());
  if (checked) checked = map.check_map();
  if (!checked) {
    problem(id, std::string(checked.error().message()) + "; which of the pages " +
                    number(group * per_group_) + " to " + number((group + 1) * per_group_ - 1) +
                    " are allocated is unknown");
    return;
  }
  map_ok_[group] = true;
  const uint64_t first = group * per_group_;
  const uint64_t in_file = std::min(per_group_, data_.capacity_pages() - first);
  uint64_t in_use = 0;
  for (uint32_t bit = map.find_allocated(0); bit < per_group_; bit = map.find_allocated(bit + 1)) {
    allocated_.set(first + bit);
    ++total_;
    if (bit < in_file) ++in_use;
  }
  report_.pages_free += in_file - in_use;
}

/// Allocated and reachable pages must be the same set. What is allocated but was not reached is read, too.
void Verifier::compare_with_maps() {
  uint64_t leaked = 0;
  uint64_t used_but_free = 0;
  const auto next = [this](uint64_t from) {
    return PageBitmap::find_difference(allocated_, reached_, from, covered_);
  };
  for (uint64_t page = next(0); page < covered_ && !broken_off_; page = next(page + 1)) {
    if (!map_ok_[page / per_group_]) continue;
    if (allocated_.test(page)) {
      const Result<void> read = read_page(page, nodes_.data());
      if (++leaked <= kListedMax) {
        report_leaked(page, read);
      } else if (!read) {
        problem(page, std::string(read.error().message()));
      }
    } else {
      if (++used_but_free > kListedMax) continue;
      problem(page, "in use, but free in the space map: the next allocation would overwrite it");
    }
  }
  if (leaked > kListedMax) problem(0, "and " + number(leaked - kListedMax) + " more leaked pages");
  if (used_but_free > kListedMax) {
    problem(0, "and " + number(used_but_free - kListedMax) +
                   " more pages in use that are free in the space map");
  }
}

void Verifier::report_leaked(uint64_t page, const Result<void>& read) {
  std::string message = "leaked: allocated, but nothing leads to it";
  if (has_gaps_) message += " (perhaps one of the damaged pages did)";
  if (!read) message += "; and " + std::string(read.error().message());
  problem(page, std::move(message));
}

// --- Trees -------------------------------------------------------------------------------------------

/// Depth first, left to right, with a stack of our own: a damaged tree may be as deep as it likes.
void Verifier::walk(const TreeRoot& root) {
  tree_ = &root;
  stack_.clear();
  if (!reach(raw(root.root), 0)) return;
  stack_.push_back({.page = raw(root.root)});
  while (!stack_.empty() && !broken_off_) {
    std::vector<PendingNode> run;
    for (size_t left = next_run(); left > 0; --left) {
      run.push_back(std::move(stack_.back()));
      stack_.pop_back();
    }
    const std::vector<Result<void>> read = read_run(run.front().page, run.size(), nodes_.data());
    for (size_t i = 0; i < run.size(); ++i) {
      if (read[i]) {
        visit_node(run[i], page::SlottedPage(nodes_.data() + i * page_bytes_, page_bytes_));
      } else {
        problem(run[i].page, std::string(read[i].error().message()));
        has_gaps_ = true;
      }
    }
  }
}

/// How many of the next nodes can be read at once: leaves that lie one behind the other.
size_t Verifier::next_run() const {
  size_t count = 1;
  const PendingNode& first = stack_.back();
  if (first.parent == 0 || first.level > 0) return count;
  while (count < kBatchPages && count < stack_.size()) {
    const PendingNode& next = stack_[stack_.size() - 1 - count];
    if (next.level > 0 || next.page != first.page + count) break;
    ++count;
  }
  return count;
}

void Verifier::visit_node(const PendingNode& node, page::SlottedPage page) {
  if (!check_place(node, page)) {
    has_gaps_ = true;
    return;
  }
  if (page.is_leaf()) {
    visit_leaf(node, page);
  } else {
    push_children(node, page);
  }
}

/// Is the page a node, and the one that its parent means?
bool Verifier::check_place(const PendingNode& node, const page::SlottedPage& page) {
  const page::PageHeader& header = page.header().page;
  if (header.kind != page::PageKind::btree_inner && header.kind != page::PageKind::btree_leaf) {
    problem(node.page,
            "not a B+ tree node, but page " + number(node.parent) + " leads to it as one");
    return false;
  }
  if (header.store != tree_->store) {
    problem(node.page, "it belongs to store " + number(header.store) +
                           ", but is in the tree of store " + number(tree_->store));
    return false;
  }
  if (const Result<void> checked = page.check_node(); !checked) {
    problem(node.page, std::string(checked.error().message()));
    return false;
  }
  const uint8_t level = page.header().level;
  if (node.parent != 0 && level != node.level && (node.level != page::kRadixLevel || level != 0)) {
    problem(node.page, "its level is " + number(page.header().level) + ", but its parent, page " +
                           number(node.parent) + ", is at level " + number(node.level + 1u));
    return false;
  }
  const std::optional<std::string> lower = owned(page.lower_fence());
  const std::optional<std::string> upper = owned(page.upper_fence());
  // A store that is being dropped loses its leaves from the right.
  const bool is_going = tree_->name.starts_with('\0');
  if (level == page::kRadixLevel && page.count() == 0 && !is_going)
    problem(node.page, "an inner node of a radix tree, with a single child");
  if (lower != node.lower || (upper != node.upper && !is_going)) {
    problem(node.page, "its fences are " + text_of(lower) + " and " + text_of(upper) +
                           ", but its parent, page " + number(node.parent) + ", says " +
                           text_of(node.lower) + " and " + text_of(node.upper));
  }
  return true;  // Wrong fences: its keys are still worth a look.
}

void Verifier::push_children(const PendingNode& node, page::SlottedPage page) {
  const uint32_t count = page.count();
  std::optional<std::string> upper = owned(page.upper_fence());
  for (uint32_t i = count + 1; i-- > 0;) {  // Backwards: the leftmost child is visited first.
    std::optional<std::string> lower;
    if (i == 0) {
      lower = owned(page.lower_fence());
    } else {
      page.key(i - 1, lower.emplace());
    }
    const auto child = base::load<uint64_t>(page.child_word(i));
    if (reach(child, node.page)) {
      stack_.push_back({.page = child,
                        .parent = node.page,
                        .level = page.header().level == page::kRadixLevel
                                     ? page::kRadixLevel
                                     : static_cast<uint8_t>(page.header().level - 1),
                        .lower = lower,
                        .upper = std::move(upper)});
    }
    upper = std::move(lower);
  }
}

void Verifier::visit_leaf(const PendingNode& leaf, const page::SlottedPage& page) {
  for (uint32_t slot = 0; slot < page.count(); ++slot) {
    const RowLook row = look_at_row(page, slot,
                                    [&](std::string what) { problem(leaf.page, std::move(what)); });
    report_.keys += row.is_key ? 1 : 0;
    if (row.value) follow_value(leaf.page, *row.value);
    if (row.is_key && tree_->is_manifest) follow_run(leaf.page, page, slot);
  }
}

/// The value outside its leaf of a row that has been followed. False: it cannot be read, which has been told.
bool Verifier::read_value(Bytes payload, std::string& value) {
  const Bytes bytes = page::value_of(payload);
  if (bytes.size() != sizeof(page::OverflowReference)) return false;
  const auto reference = base::load<page::OverflowReference>(bytes.data());
  constexpr uint32_t kManifestRowBytesMax = 512 * KiB;  // Two keys and a reference, and more.
  if (reference.value_bytes > kManifestRowBytesMax) return false;
  uint64_t first = reference.first_page;
  for (uint32_t index = 0; value.size() < reference.value_bytes; ++index) {
    const size_t before = value.size();
    const bool is_read = data_.read(PageId{first + index}, extent_.data()) &&
                         page::take_payload(extent_.data(), page_bytes_, PageId{first}, index,
                                            value);
    if (!is_read || value.size() == before) return false;
    const auto header = base::load<page::OverflowHeader>(extent_.data());
    if (index + 1 < header.extent_pages) continue;
    first = header.next_extent;
    index = ~uint32_t{0};
  }
  return value.size() == reference.value_bytes;
}

/// The row of a manifest, if it is that of a run.
void Verifier::follow_run(uint64_t leaf, const page::SlottedPage& page, uint32_t slot) {
  std::string key;
  page.key(slot, key);
  if (!lsm::Manifest::is_run(key)) return;
  const Bytes payload = page.payload(slot);
  std::string outside;  // Long keys make a long row.
  if (page::meta_of(payload).overflow() && !read_value(payload, outside)) return;
  const Result<lsm::ManifestRun> run = lsm::ManifestRun::decode(
      page::meta_of(payload).overflow() ? Bytes(outside) : page::value_of(payload));
  const Result<lsm::RunReference> reference = run ? lsm::RunReference::decode(run->reference)
                                                  : Result<lsm::RunReference>(run.error().clone());
  if (!reference) {
    problem(leaf, std::string(reference.error().message()));
    has_gaps_ = true;
    return;
  }
  ValueSeen seen;
  bool is_whole = true;
  uint64_t from = leaf;
  uint64_t first = reference->first_page;
  do {
    const std::optional<uint64_t> next = visit_extent(from, first, seen, is_whole);
    if (!next) return;
    from = std::exchange(first, *next);
  } while (first != 0);
}

// --- Overflow values ---------------------------------------------------------------------------------

/// Runs that cannot be read are told of by who reads all of them (lsm::Upkeep::check).
void Verifier::follow_values(const TreeRoot& root) {
  const Result<void> followed = root.values([&](const page::OverflowReference& value) {
    follow_value(raw(root.root), value);
    return Result<void>();
  });
  has_gaps_ = has_gaps_ || !followed;
}

void Verifier::follow_value(uint64_t leaf, const page::OverflowReference& reference) {
  ValueSeen seen;
  bool is_whole = true;
  uint64_t from = leaf;
  uint64_t first = reference.first_page;
  do {
    const std::optional<uint64_t> next = visit_extent(from, first, seen, is_whole);
    if (!next) return;
    from = std::exchange(first, *next);
  } while (first != 0);
  if (is_whole && seen.bytes != reference.value_bytes) {
    problem(reference.first_page, "the value that begins here has " + number(seen.bytes) +
                                      " bytes, but its row in page " + number(leaf) + " says " +
                                      number(reference.value_bytes));
  } else if (is_whole && reference.checksum != 0 && seen.checksum.value() != reference.checksum) {
    problem(reference.first_page,
            "the value that begins here is not the one that its row in page " + number(leaf) +
                " was written with (a lost write?)");
  }
}

/// Visits all pages of an extent. Its next extent, or nothing if the chain cannot be followed from here.
std::optional<uint64_t> Verifier::visit_extent(uint64_t from, uint64_t first, ValueSeen& seen,
                                               bool& is_whole) {
  if (broken_off_ || !reach(first, from)) return std::nullopt;
  if (const Result<void> read = read_page(first, extent_.data()); !read) {
    problem(first, std::string(read.error().message()));
    has_gaps_ = true;
    return std::nullopt;
  }
  const auto head = base::load<page::OverflowHeader>(extent_.data());
  const bool is_head = head.page.kind == page::PageKind::overflow && head.index == 0 &&
                       head.extent_pages > 0 && head.extent_pages <= covered_ - first;
  if (!is_head) {
    problem(first,
            "not the head of an overflow extent, but page " + number(from) + " leads to it as one");
    return std::nullopt;
  }
  is_whole &= check_extent_page(extent_.data(), head, 0, seen);
  for (uint32_t done = 1; done < head.extent_pages;) {
    const auto count = static_cast<uint32_t>(
        std::min<uint64_t>(kBatchPages, head.extent_pages - done));
    for (uint32_t i = 0; i < count; ++i) {
      if (!reach(first + done + i, first)) return std::nullopt;
    }
    const std::vector<Result<void>> read = read_run(first + done, count, extent_.data());
    for (uint32_t i = 0; i < count; ++i) {
      if (read[i]) {
        is_whole &= check_extent_page(extent_.data() + uint64_t{i} * page_bytes_, head, done + i,
                                      seen);
      } else {
        problem(first + done + i, std::string(read[i].error().message()));
        is_whole = false;
      }
    }
    done += count;
  }
  return head.next_extent;
}

/// Page `index` of the extent that begins with `head`.
bool Verifier::check_extent_page(const std::byte* bytes, const page::OverflowHeader& head,
                                 uint32_t index, ValueSeen& seen) {
  const auto header = base::load<page::OverflowHeader>(bytes);
  const uint64_t first = raw(head.page.page_id);
  const auto wrong = [&](const std::string& what) {
    problem(first + index, what);
    return false;
  };
  if (header.page.kind != page::PageKind::overflow || header.index != index ||
      header.extent_pages != head.extent_pages || header.next_extent != head.next_extent) {
    return wrong("not page " + number(index) + " of the overflow extent at page " + number(first));
  }
  // The value of a prepared transaction may have been in any.
  if (tree_ != nullptr && header.page.store != tree_->store) {
    return wrong("it belongs to store " + number(header.page.store) + ", but a row of store " +
                 number(tree_->store) + " leads to it");
  }
  if (header.reserved != 0) return wrong("its reserved bytes are not zero");
  if (header.used_bytes > page::overflow_payload_bytes(page_bytes_)) {
    return wrong("it says to hold " + number(header.used_bytes) + " bytes, more than a page can");
  }
  seen.bytes += header.used_bytes;
  seen.checksum.add(bytes, page_bytes_);
  return true;
}

// --- Pages -------------------------------------------------------------------------------------------

/// Notes that `from` leads to `page`. False: it must not be visited.
bool Verifier::reach(uint64_t page, uint64_t from) {
  const std::string source = from != 0          ? "page " + number(from)
                             : tree_ != nullptr ? "the catalogue"
                                                : "a prepared transaction";
  if (page == 0 || page >= covered_ || page >= data_.capacity_pages()) {
    problem(from, source + " leads to page " + number(page) + ", which is not a page of the file");
    return false;
  }
  if (reached_.test(page)) {
    problem(page, source + " leads to it, but it is in use in another place");
    return false;
  }
  reached_.set(page);
  return true;
}

Result<void> Verifier::read_page(uint64_t page, std::byte* to) {
  count_page();
  return data_.read(PageId{page}, to);
}

/// Reads and checks pages that lie side by side; tells of each how it went.
std::vector<Result<void>> Verifier::read_run(uint64_t first, uint64_t count, std::byte* to) {
  std::vector<Result<void>> results(count);
  const Result<uint64_t> got = data_.file().read_at(first * page_bytes_, to, count * page_bytes_);
  for (uint64_t i = 0; i < count; ++i) {
    const PageId id{first + i};
    std::byte* page = to + i * page_bytes_;
    count_page();
    const bool is_there = got && *got >= (i + 1) * page_bytes_;
    results[i] = is_there ? data_.check(id, page) : data_.read(id, page);
  }
  return results;
}

void Verifier::count_page() {
  if (++report_.pages_checked % kProgressPages != 0) return;
  broken_off_ = broken_off_ ||
                !progress_(report_.pages_checked, std::max(total_, report_.pages_checked));
}

void Verifier::problem(uint64_t page, std::string message) {
  if (report_.problems.size() >= kProblemsMax) {
    ++more_problems_;
    return;
  }
  report_.problems.push_back({page, tree_ != nullptr ? tree_->name : "", std::move(message)});
}

}  // namespace

RowLook look_at_row(const page::SlottedPage& leaf, uint32_t slot,
                    FunctionRef<void(std::string what)> problem) {
  constexpr uint8_t kKnownFlags = page::RecordMeta::kRemoved | page::RecordMeta::kOverflow |
                                  page::RecordMeta::kExpires;
  const auto wrong = [&](const std::string& what) {
    problem("slot " + number(slot) + ": " + what);
    return RowLook{};
  };
  const page::Bytes payload = leaf.payload(slot);
  if (payload.size() < page::kMetaBytes)
    return wrong("its payload of " + number(payload.size()) + " bytes is too short");
  const page::RecordMeta meta = page::meta_of(payload);
  if ((meta.flags() & ~kKnownFlags) != 0)
    wrong("it has flags " + number(meta.flags()) + ", which mean nothing");
  if (meta.txn() > leaf.header().page.newest_txn) {
    wrong("transaction " + number(meta.txn()) + " wrote it, but the page's newest is " +
          number(leaf.header().page.newest_txn));
  }
  // A ghost: no key any more, and its overflow pages are given back.
  if (meta.removed()) return {};
  if (meta.expires() && page::expiry_of(payload) == 0)
    wrong("it is to expire, and does not say when");
  RowLook row{.is_key = true, .value = {}};
  if (!meta.overflow()) return row;
  const page::Bytes where = page::value_of(payload);
  if (where.size() == sizeof(page::OverflowReference)) {
    row.value = base::load<page::OverflowReference>(where.data());
  } else {
    wrong("the reference to its value has " + number(where.size()) + " bytes");
  }
  return row;
}

Result<VerifyReport> verify_file(buffer::DataFile& data, const VerifyTargets& targets,
                                 FunctionRef<bool(uint64_t done, uint64_t total)> progress) {
  Verifier verifier(data, progress);
  return verifier.run(targets);
}

}  // namespace aether::db
