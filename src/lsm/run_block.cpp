#include "lsm/run_block.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/prefetch.h"
#include "index/concept/key_order.h"
#include "lsm/varint.h"

namespace aether::lsm {
namespace {

// The form of an entry: its kind in the lowest three bits, and what follows.
constexpr uint8_t kKindBits = 0x07;
constexpr uint8_t kHasWriter = 0x08;  ///< Else the writer is 0.
constexpr uint8_t kEvery = 0x10;      ///< The writer is kEveryWriter.
constexpr uint8_t kHasExpiry = 0x20;
constexpr uint8_t kUnknownBits = 0xc0;

bool has_value(EntryKind kind) noexcept { return kind != EntryKind::tombstone; }

size_t common_prefix(std::string_view left, std::string_view right) noexcept {
  const size_t most = std::min(left.size(), right.size());
  size_t at = 0;
  while (at + 8 <= most) {
    const uint64_t difference = base::load<uint64_t>(left.data() + at) ^
                                base::load<uint64_t>(right.data() + at);
    if (difference != 0) return at + static_cast<size_t>(std::countr_zero(difference)) / 8;
    at += 8;
  }
  while (at < most && left[at] == right[at]) ++at;
  return at;
}

}  // namespace

void BlockBuilder::add(const Entry& entry) {
  size_t shared = 0;
  if (entries_ % interval_ == 0) {
    const auto at = static_cast<uint32_t>(bytes_.size());
    restarts_.append(reinterpret_cast<const char*>(&at), sizeof at);
  } else {
    shared = common_prefix(last_key_, entry.key);
  }
  append_varint(bytes_, shared);
  append_varint(bytes_, entry.key.size() - shared);
  auto form = static_cast<uint8_t>(entry.kind);
  if (entry.writer == kEveryWriter) {
    form |= kEvery;
  } else if (entry.writer != 0) {
    form |= kHasWriter;
  }
  if (entry.expiry_ms != 0) form |= kHasExpiry;
  bytes_.push_back(static_cast<char>(form));
  if ((form & kHasWriter) != 0) append_varint(bytes_, entry.writer);
  if ((form & kHasExpiry) != 0) append_varint(bytes_, entry.expiry_ms);
  if (has_value(entry.kind)) append_varint(bytes_, entry.value.size());
  bytes_.append(entry.key.substr(shared));
  if (has_value(entry.kind)) bytes_.append(entry.value);
  last_key_.assign(entry.key);
  ++entries_;
}

std::string BlockBuilder::take() {
  const auto count = static_cast<uint32_t>(restarts_.size() / sizeof(uint32_t));
  std::string block = std::move(bytes_);
  block.append(restarts_);
  block.append(reinterpret_cast<const char*>(&count), sizeof count);
  bytes_ = {};
  restarts_.clear();
  last_key_.clear();
  entries_ = 0;
  return block;
}

bool BlockView::attach(std::string_view bytes) noexcept {
  *this = BlockView();
  if (bytes.size() < sizeof(uint32_t)) return false;
  const char* const end = bytes.data() + bytes.size() - sizeof(uint32_t);
  const auto count = base::load<uint32_t>(end);
  const uint64_t room = bytes.size() - sizeof(uint32_t);
  if (uint64_t{count} * sizeof(uint32_t) > room) return false;
  begin_ = bytes.data();
  end_ = end - uint64_t{count} * sizeof(uint32_t);
  offsets_ = end_;
  restarts_ = count;
  if (count == 0) return begin_ == end_;
  return begin_ != end_ && base::load<uint32_t>(end_) == 0;
}

void BlockView::attach_headed(std::string_view bytes) noexcept {
  restarts_ = base::load<uint32_t>(bytes.data());
  skip_ = base::load<uint32_t>(bytes.data() + sizeof(uint32_t));
  heads_ = bytes.data() + 2 * sizeof(uint32_t);
  offsets_ = heads_ + uint64_t{restarts_} * sizeof(uint64_t);
  begin_ = bytes.data() + head_bytes();
  end_ = bytes.data() + bytes.size() - (uint64_t{restarts_} + 1) * sizeof(uint32_t);
}

bool BlockView::write_head(char* to) const noexcept {
  Bytes first;
  Bytes last;
  for (const uint32_t each : {0u, restarts_ - 1}) {
    if (restarts_ == 0) break;
    RawEntry entry;
    const char* const at = restart(each);
    if (at == nullptr || read(at, entry) == nullptr || entry.shared != 0) return false;
    (each == 0 ? first : last) = entry.rest;
  }
  if (restarts_ == 1) last = first;
  // They are sorted, or the block is malformed, and whatever is found in it is an answer.
  const auto skip = static_cast<uint32_t>(common_prefix(first, last));
  base::store(to, restarts_);
  base::store(to + sizeof(uint32_t), skip);
  char* head = to + 2 * sizeof(uint32_t);
  for (uint32_t i = 0; i < restarts_; ++i, head += sizeof(uint64_t)) {
    RawEntry entry;
    const char* const at = restart(i);
    if (at == nullptr || read(at, entry) == nullptr || entry.shared != 0) return false;
    base::store(head,
                index::key_begin(entry.rest.substr(std::min<size_t>(skip, entry.rest.size()))));
  }
  std::memcpy(head, offsets_, uint64_t{restarts_} * sizeof(uint32_t));
  return true;
}

uint64_t BlockView::head(uint32_t restart) const noexcept {
  return base::load<uint64_t>(heads_ + uint64_t{restart} * sizeof(uint64_t));
}

/// The restart points below `low` come before `key`, those from `high` on do not. False: malformed.
bool BlockView::narrow(Bytes key, uint32_t& low, uint32_t& high) const noexcept {
  if (skip_ > 0) {
    RawEntry entry;
    if (read(begin_, entry) == nullptr || entry.rest.size() < skip_) return false;
    const int order = key.substr(0, skip_).compare(entry.rest.substr(0, skip_));
    if (order != 0) {
      (order < 0 ? high : low) = order < 0 ? 0 : restarts_;
      return true;
    }
    key.remove_prefix(skip_);
  }
  const uint64_t wanted = index::key_begin(key);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (head(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (high = low; high < restarts_ && head(high) == wanted;) ++high;
  return true;
}

const char* BlockView::restart(uint32_t index) const noexcept {
  const auto at = base::load<uint32_t>(offsets_ + uint64_t{index} * sizeof(uint32_t));
  return at < static_cast<uint64_t>(end_ - begin_) ? begin_ + at : nullptr;
}

/// What stands before an entry's bytes, by `varint`, which reads one. Null: it is malformed.
template <typename Varint>
const char* BlockView::read_head(const char* at, RawEntry& entry, Lengths& lengths,
                                 Varint varint) const noexcept {
  at = varint(at, entry.shared);
  if (at != nullptr) at = varint(at, lengths.rest);
  if (at == nullptr || at == end_) return nullptr;
  const auto form = static_cast<uint8_t>(*at++);
  const auto kind = static_cast<uint8_t>(form & kKindBits);
  if ((form & kUnknownBits) != 0 || kind == 0 ||
      kind > static_cast<uint8_t>(EntryKind::value_apart)) {
    return nullptr;
  }
  entry.kind = EntryKind{kind};
  entry.writer = (form & kEvery) != 0 ? kEveryWriter : 0;
  entry.expiry_ms = 0;
  lengths.value = 0;
  if ((form & kHasWriter) != 0) at = varint(at, entry.writer);
  if (at != nullptr && (form & kHasExpiry) != 0) at = varint(at, entry.expiry_ms);
  if (at != nullptr && has_value(entry.kind)) at = varint(at, lengths.value);
  return at;
}

const char* BlockView::read(const char* at, RawEntry& entry) const noexcept {
  constexpr ptrdiff_t kHeadRoom = 6 * kVarintRoom;
  Lengths lengths;
  if (end_ - at >= kHeadRoom) {
    at = read_head(at, entry, lengths,
                   [](const char* from, uint64_t& value) { return read_varint(from, value); });
  } else {
    at = read_head(at, entry, lengths, [end = end_](const char* from, uint64_t& value) {
      return read_varint(from, end, value);
    });
  }
  if (at == nullptr) return nullptr;
  const auto room = static_cast<uint64_t>(end_ - at);
  if (lengths.rest > room || lengths.value > room - lengths.rest) return nullptr;
  entry.rest = {at, lengths.rest};
  entry.value = {at + lengths.rest, lengths.value};
  return at + lengths.rest + lengths.value;
}

const char* BlockView::restart_before(Bytes key, TxnId writer) const noexcept {
  uint32_t low = 0;  // The restart point `low` comes before, or is the first.
  uint32_t high = restarts_;
  if (heads_ != nullptr) {
    if (!narrow(key, low, high)) return nullptr;
    if (low > 0) --low;
    if (high == 0) high = 1;
  }
  RawEntry entry;
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    const char* const at = restart(middle);
    if (at == nullptr || read(at, entry) == nullptr || entry.shared != 0) return nullptr;
    if (compare_places(entry.rest, entry.writer, key, writer) < 0) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const char* const at = restart(low);
  if (heads_ != nullptr && at != nullptr) prefetch(at);
  return at;
}

/// The entries behind a restart point are read one after another, each where the one before ends: the lines they lie in are to come at
/// the same time.
void BlockView::prefetch(const char* restart) const noexcept {
  constexpr ptrdiff_t kLine = 64;
  constexpr ptrdiff_t kLines = 16;
  const char* const end = restart + std::min<ptrdiff_t>(end_ - restart, kLines * kLine);
  for (const char* at = restart; at < end; at += kLine) base::prefetch(at);
}

bool BlockView::last_at_most(Bytes key, TxnId writer, RawEntry& found) const noexcept {
  uint32_t low = 0;  // All below are at most.
  uint32_t high = restarts_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const char* const at = restart(middle);
    if (at == nullptr || read(at, found) == nullptr || found.shared != 0) return false;
    if (compare_places(found.rest, found.writer, key, writer) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return false;
  const char* const at = restart(low - 1);
  return at != nullptr && read(at, found) != nullptr && found.shared == 0;
}

/// Without putting any key together: the key before is below `key` and has `matched` bytes in common with it, and what an
/// entry shares with the key before decides the rest (a trick that prefix B-trees have, too).
BlockView::Answer BlockView::find(Bytes key, FunctionRef<bool(TxnId)> sees,
                                  RawEntry& found) const noexcept {
  if (empty()) return Answer::absent;
  const char* at = restart_before(key, kEveryWriter);
  if (at == nullptr) return Answer::malformed;
  size_t matched = 0;
  bool is_of_key = false;  // The entry before is.
  while (at != end_) {
    at = read(at, found);
    if (at == nullptr) return Answer::malformed;
    if (found.shared > matched) {
      if (is_of_key) return Answer::malformed;  // It would share more than the key has.
      continue;
    }
    if (found.shared < matched) {
      // At a restart point the key stands whole; else it differs where the one before did not: it is above.
      if (found.shared != 0) return Answer::absent;
      matched = 0;
    }
    const size_t more = common_prefix(found.rest, key.substr(matched));
    matched += more;
    if (matched == key.size()) {
      if (more != found.rest.size()) return Answer::absent;
      is_of_key = true;
      if (sees(found.writer)) return Answer::found;
      continue;
    }
    if (more < found.rest.size() &&
        static_cast<uint8_t>(found.rest[more]) > static_cast<uint8_t>(key[matched])) {
      return Answer::absent;
    }
  }
  return is_of_key ? Answer::goes_on : Answer::absent;
}

/// As `find`, without putting any key together. Of versions of the key those come first that are newer than (key, writer).
BlockView::Place BlockView::first_at_least(const char* restart, Bytes key, TxnId writer,
                                           RawEntry& found) const noexcept {
  size_t matched = 0;
  bool is_of_key = false;  // The entry before is.
  for (const char* at = restart; at != end_;) {
    const char* const behind = read(at, found);
    const bool has_more = found.shared > matched;
    if (behind == nullptr || (has_more && (is_of_key || at == restart))) return {};
    if (!has_more) {
      if (found.shared < matched && found.shared != 0) return {at, behind};
      matched = found.shared;
      const Bytes left = key.substr(matched);
      const size_t more = common_prefix(found.rest, left);
      is_of_key = more == left.size() && more == found.rest.size();
      const bool is_above = is_of_key
                                ? found.writer <= writer
                                : more == left.size() || (more < found.rest.size() &&
                                                          static_cast<uint8_t>(found.rest[more]) >
                                                              static_cast<uint8_t>(left[more]));
      if (is_above) return {at, behind};
      matched += more;
    }
    at = behind;
  }
  return {end_, end_};
}

bool BlockCursor::attach(std::string_view bytes) noexcept {
  at_ = next_ = nullptr;
  return view_.attach(bytes);
}

void BlockCursor::attach_headed(std::string_view bytes) noexcept {
  at_ = next_ = nullptr;
  view_.attach_headed(bytes);
}

BlockCursor::At BlockCursor::step() {
  if (next_ == view_.end()) return At::nothing;
  RawEntry raw_entry;
  const char* const behind = view_.read(next_, raw_entry);
  if (behind == nullptr || raw_entry.shared > key_.size()) return At::malformed;
  key_.shorten(raw_entry.shared);
  key_.append(raw_entry.rest.data(), raw_entry.rest.size());
  at_ = std::exchange(next_, behind);
  show(raw_entry);
  return At::entry;
}

void BlockCursor::show(const RawEntry& raw_entry) noexcept {
  entry_ = {.key = {key_.data(), key_.size()},
            .writer = raw_entry.writer,
            .kind = raw_entry.kind,
            .expiry_ms = raw_entry.expiry_ms,
            .value = raw_entry.value};
}

BlockCursor::At BlockCursor::go_to(const char* restart) {
  if (restart == nullptr) return At::malformed;
  key_.clear();
  next_ = restart;
  return step();
}

BlockCursor::At BlockCursor::first() { return view_.empty() ? At::nothing : go_to(view_.begin()); }

BlockCursor::At BlockCursor::next() { return step(); }

BlockCursor::At BlockCursor::last_before(const char* restart, const char* limit) {
  At at = go_to(restart);
  while (at == At::entry && next_ < limit) at = step();
  return at;
}

BlockCursor::At BlockCursor::last() {
  if (view_.empty()) return At::nothing;
  return last_before(view_.restart(view_.restarts() - 1), view_.end());
}

BlockCursor::At BlockCursor::prev() {
  const char* const limit = at_;
  if (limit == view_.begin()) return At::nothing;
  uint32_t low = 0;  // The last restart point before `limit`.
  uint32_t high = view_.restarts();
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    const char* const place = view_.restart(middle);
    if (place == nullptr) return At::malformed;
    (place < limit ? low : high) = middle;
  }
  return last_before(view_.restart(low), limit);
}

void BlockCursor::approach(Bytes key, TxnId writer) noexcept {
  restart_ = view_.empty() ? nullptr : view_.restart_before(key, writer);
}

BlockCursor::At BlockCursor::arrive_at_least(Bytes key, TxnId writer) {
  if (view_.empty()) return At::nothing;
  if (restart_ == nullptr) return At::malformed;
  RawEntry raw_entry;
  const BlockView::Place place = view_.first_at_least(restart_, key, writer, raw_entry);
  if (place.behind == nullptr) return At::malformed;
  at_ = place.at;
  next_ = place.behind;
  if (at_ == view_.end()) return At::nothing;
  key_.assign(key.data(), raw_entry.shared);
  key_.append(raw_entry.rest.data(), raw_entry.rest.size());
  show(raw_entry);
  return At::entry;
}

BlockCursor::At BlockCursor::seek_at_most(Bytes key, TxnId writer) {
  const At at = seek_at_least(key, writer);
  if (at == At::malformed) return at;
  if (at == At::nothing) return last();
  if (compare_places(entry_.key, entry_.writer, key, writer) == 0) return at;
  return prev();
}

}  // namespace aether::lsm
