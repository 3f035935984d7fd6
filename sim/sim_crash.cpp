// What a crash may leave: the half of SimDisk that makes one disk out of another.
#include <algorithm>
#include <cstring>
#include <set>

#include "base/assert.h"
#include "sim/sim_disk.h"

namespace aether::sim {

namespace {

constexpr uint64_t kNoCut = UINT64_MAX;

void write_garbage(Content& content, uint64_t offset, uint64_t epoch, Random& random) {
  uint64_t words[kSectorBytes / sizeof(uint64_t)];
  for (uint64_t& word : words) word = random.next();
  content.write(offset, words, sizeof words, epoch);
}

}  // namespace

/// One write, some of whose sectors have reached the disk.
void SimDisk::crash_sectors(const FileOp& op, Node& to, const Crash& how, Random& random) {
  enum Mode : uint64_t { none, all, front, coin, kModes };
  const uint64_t sectors = op.image->size() / kSectorBytes;
  // The last write before the moment of a `prefix` crash is always torn from the front.
  const uint64_t mode = how.policy == CrashPolicy::prefix ? front : random.below(kModes);
  const uint64_t front_count = random.below(sectors + 1);
  for (uint64_t i = 0; i < sectors; ++i) {
    if (!op.superseded.empty() && op.superseded[i]) continue;
    const uint64_t position = op.offset + i * kSectorBytes;
    const bool there = mode == all || (mode == front && i < front_count) ||
                       (mode == coin && random.percent(50));
    if (there) {
      to.durable.write(position, op.image->data() + i * kSectorBytes, kSectorBytes, to.epoch);
    } else if (how.policy == CrashPolicy::sectors && random.percent(how.garbage_percent)) {
      write_garbage(to.durable, position, to.epoch, random);
    }
  }
  if (op.size_after <= op.size_before) return;
  if (mode == front) {
    to.durable.grow(std::min(op.size_after, op.offset + front_count * kSectorBytes));
  } else if (mode == all || random.percent(50)) {
    to.durable.grow(op.size_after);
  }
}

void SimDisk::crash_file(const Node& from, Node& to, const Crash& how, uint64_t cut,
                         Random& random) {
  to.epoch = Content::next_epoch();
  to.durable = how.policy == CrashPolicy::kept ? from.current : from.durable;
  if (how.policy == CrashPolicy::sectors || how.policy == CrashPolicy::prefix) {
    for (const FileOp& op : from.ops) {
      if (op.sequence > cut) break;
      const bool whole = op.sequence < cut && how.policy == CrashPolicy::prefix;
      if (op.is_write && !(whole && op.superseded.empty())) {
        crash_sectors(op, to, how, random);
      } else if (op.is_write) {
        to.durable.write(op.offset, op.image->data(), op.image->size(), to.epoch);
        to.durable.grow(op.size_after);
      } else if (whole || random.percent(50)) {
        to.durable.set_size(op.size_after, to.epoch);
      }
    }
    to.durable.set_size(to.durable.size(), to.epoch);  // Sectors beyond the end are cut.
  }
  to.current = to.durable;
  to.epoch = Content::next_epoch();
}

void SimDisk::crash_names(const Node& from, Node& to, const Crash& how, uint64_t cut,
                          Random& random) {
  to.entries = how.policy == CrashPolicy::kept ? from.entries : from.durable_entries;
  if (how.policy == CrashPolicy::sectors || how.policy == CrashPolicy::prefix) {
    // Of the changes of one name an earlier one cannot be missing when a later one is there.
    std::set<std::string> missed;
    const uint32_t chance = static_cast<uint32_t>(25 + 25 * random.below(3));
    for (const NameOp& op : from.name_ops) {
      if (op.sequence > cut) break;
      const bool there = how.policy == CrashPolicy::prefix || random.percent(chance);
      if (there && missed.count(op.from) == 0 && missed.count(op.to) == 0) {
        apply(op, to.entries);
        continue;
      }
      if (!op.from.empty()) missed.insert(op.from);
      if (!op.to.empty()) missed.insert(op.to);
    }
  }
  to.durable_entries = to.entries;
}

// --- An explicit subset

bool SimDisk::Subset::take() {
  const uint64_t bits = std::min(units, kSubsetBits);
  const uint64_t unit = std::min(next++, units - 1);
  return (mask >> (unit * bits / units) & 1) != 0;
}

/// Whether it makes a difference if this sector of the write has reached the disk, as far as what is durable can tell.
bool SimDisk::changes(const FileOp& op, uint64_t sector, const Node& file) {
  if (!op.superseded.empty() && op.superseded[sector]) return false;
  char old[kSectorBytes];
  file.durable.read(op.offset + sector * kSectorBytes, old, kSectorBytes);
  return std::memcmp(old, op.image->data() + sector * kSectorBytes, kSectorBytes) != 0;
}

uint64_t SimDisk::unsynced_units() const {
  uint64_t units = 0;
  for (const auto& [inode, each] : nodes_) {
    units += each.name_ops.size();
    for (const FileOp& op : each.ops) {
      units += op.size_after != op.size_before ? 1 : 0;
      if (!op.is_write) continue;
      for (uint64_t i = 0; i < op.image->size() / kSectorBytes; ++i)
        units += changes(op, i, each) ? 1 : 0;
    }
  }
  return units;
}

void SimDisk::crash_file_subset(const Node& from, Node& to, Subset& subset) {
  to.epoch = Content::next_epoch();
  to.durable = from.durable;
  for (const FileOp& op : from.ops) {
    const uint64_t sectors = op.is_write ? op.image->size() / kSectorBytes : 0;
    for (uint64_t i = 0; i < sectors; ++i) {
      if (!changes(op, i, from) || !subset.take()) continue;
      to.durable.write(op.offset + i * kSectorBytes, op.image->data() + i * kSectorBytes,
                       kSectorBytes, to.epoch);
    }
    if (op.size_after == op.size_before || !subset.take()) continue;
    if (op.is_write) {
      to.durable.grow(op.size_after);
    } else {
      to.durable.set_size(op.size_after, to.epoch);
    }
  }
  to.durable.set_size(to.durable.size(), to.epoch);
  to.current = to.durable;
  to.epoch = Content::next_epoch();
}

void SimDisk::crash_names_subset(const Node& from, Node& to, Subset& subset) {
  to.entries = from.durable_entries;
  std::set<std::string> missed;
  for (const NameOp& op : from.name_ops) {
    if (subset.take() && missed.count(op.from) == 0 && missed.count(op.to) == 0) {
      apply(op, to.entries);
      continue;
    }
    if (!op.from.empty()) missed.insert(op.from);
    if (!op.to.empty()) missed.insert(op.to);
  }
  to.durable_entries = to.entries;
}

/// The sequence number up to which a `prefix` crash keeps what is unsynced.
uint64_t SimDisk::pick_cut(Random& random) const {
  std::vector<uint64_t> sequences{0, kNoCut};
  for (const auto& [inode, each] : nodes_) {
    for (const FileOp& op : each.ops) sequences.push_back(op.sequence);
    for (const NameOp& op : each.name_ops) sequences.push_back(op.sequence);
  }
  std::sort(sequences.begin(), sequences.end());
  return sequences[random.below(sequences.size())];
}

SimDisk SimDisk::crash(const Crash& how) {
  Random random(how.seed);
  const uint64_t cut = how.policy == CrashPolicy::prefix ? pick_cut(random) : kNoCut;
  const bool is_subset = how.policy == CrashPolicy::subset;
  Subset subset{how.mask, is_subset ? unsynced_units() : 0};
  SimDisk after;
  after.next_inode_ = next_inode_;
  after.next_sequence_ = next_sequence_;
  after.capacity_bytes_ = capacity_bytes_;
  // From the root down, for only what a surviving name leads to is there.
  std::vector<Inode> open{Inode{0}};
  while (!open.empty()) {
    const Inode inode = open.back();
    open.pop_back();
    Node& from = node(inode);
    Node& to = after.nodes_[inode];
    to.directory = from.directory;
    if (from.directory) {
      if (is_subset) {
        crash_names_subset(from, to, subset);
      } else {
        crash_names(from, to, how, cut, random);
      }
      for (const auto& [name, child] : to.entries) {
        if (after.nodes_.count(child) == 0) open.push_back(child);
      }
    } else {
      if (is_subset) {
        crash_file_subset(from, to, subset);
      } else {
        crash_file(from, to, how, cut, random);
      }
      from.epoch = Content::next_epoch();  // Its chunks are shared now.
    }
  }
  return after;
}

SimDisk SimDisk::copy() {
  for (auto& [inode, each] : nodes_) each.epoch = Content::next_epoch();
  SimDisk other(*this);
  for (auto& [inode, each] : other.nodes_) {
    each.epoch = Content::next_epoch();
    each.open_count = 0;
  }
  other.collect_garbage();
  return other;
}

}  // namespace aether::sim
