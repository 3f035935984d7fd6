#include "sim/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/assert.h"
#include "base/bytes.h"

namespace aether::sim {

namespace {

constexpr Inode kRoot{0};
/// Keeps a wild offset from taking the test's memory; far above what any test writes.
constexpr uint64_t kFileBytesMax = uint64_t{64} << 30;

/// The parts of `path` between its slashes. False: it has a "..".
bool split(const std::string& path, std::vector<std::string>& parts) {
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    std::string part = path.substr(begin, end - begin);
    if (part == "..") return false;
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    begin = end + 1;
  }
  return true;
}

void flip(Content& content, uint64_t bit) {
  if (bit / 8 >= content.size()) return;
  char byte = 0;
  content.read(bit / 8, &byte, 1);
  byte = static_cast<char>(byte ^ (1 << (bit % 8)));
  content.write(bit / 8, &byte, 1, Content::next_epoch());
}

}  // namespace

SimDisk::SimDisk() { nodes_[kRoot].directory = true; }

SimDisk::Node& SimDisk::node(Inode inode) {
  const auto found = nodes_.find(inode);
  AETHER_ASSERT(found != nodes_.end());
  return found->second;
}

const SimDisk::Node& SimDisk::node(Inode inode) const {
  return const_cast<SimDisk*>(this)->node(inode);
}

// --- Names

int SimDisk::find(const std::string& path, Inode& found) const {
  std::vector<std::string> parts;
  if (path.empty()) return ENOENT;
  if (!split(path, parts)) return EINVAL;
  Inode at = kRoot;
  for (const std::string& part : parts) {
    const Node& directory = node(at);
    if (!directory.directory) return ENOTDIR;
    const auto entry = directory.entries.find(part);
    if (entry == directory.entries.end()) return ENOENT;
    at = entry->second;
  }
  found = at;
  return 0;
}

int SimDisk::find_parent(const std::string& path, Inode& parent, std::string& name) const {
  std::vector<std::string> parts;
  if (!split(path, parts) || parts.empty()) return EINVAL;
  name = parts.back();
  parts.pop_back();
  std::string directory = "/";
  for (const std::string& part : parts) directory += part + "/";
  if (const int errnum = find(directory, parent)) return errnum;
  return node(parent).directory ? 0 : ENOTDIR;
}

int SimDisk::add_entry(const std::string& path, bool directory, Inode& made) {
  Inode parent{};
  std::string name;
  if (const int errnum = find_parent(path, parent, name)) return errnum;
  if (node(parent).entries.count(name) != 0) return EEXIST;
  made = Inode{next_inode_++};
  Node& fresh = nodes_[made];
  fresh.directory = directory;
  fresh.epoch = Content::next_epoch();
  change_names(node(parent), {0, false, "", name, made});
  return 0;
}

int SimDisk::create_file(const std::string& path, Inode& made) {
  return add_entry(path, false, made);
}

int SimDisk::create_directory(const std::string& path) {
  Inode made{};
  return add_entry(path, true, made);
}

void SimDisk::apply(const NameOp& op, Entries& entries) {
  if (!op.from.empty()) entries.erase(op.from);
  if (!op.to.empty()) entries[op.to] = op.inode;
}

void SimDisk::change_names(Node& directory, NameOp op) {
  op.sequence = next_sequence_++;
  apply(op, directory.entries);
  directory.name_ops.push_back(std::move(op));
}

int SimDisk::remove(const std::string& path) {
  Inode parent{}, victim{};
  std::string name;
  if (const int errnum = find_parent(path, parent, name)) return errnum;
  if (const int errnum = find(path, victim)) return errnum;
  if (!node(victim).entries.empty()) return ENOTEMPTY;
  node(victim).linked = false;
  change_names(node(parent), {0, false, name, "", victim});
  return 0;
}

int SimDisk::rename(const std::string& from, const std::string& to) {
  Inode parent{}, to_parent{}, moved{}, replaced{};
  std::string name, to_name;
  if (const int errnum = find_parent(from, parent, name)) return errnum;
  if (const int errnum = find(from, moved)) return errnum;
  if (const int errnum = find_parent(to, to_parent, to_name)) return errnum;
  if (parent != to_parent) return EXDEV;
  if (name == to_name) return 0;
  if (find(to, replaced) == 0) {
    if (node(replaced).directory != node(moved).directory) {
      return node(replaced).directory ? EISDIR : ENOTDIR;
    }
    if (!node(replaced).entries.empty()) return ENOTEMPTY;
    node(replaced).linked = false;
  }
  change_names(node(parent), {0, false, name, to_name, moved});
  return 0;
}

int SimDisk::list(const std::string& path, std::vector<std::string>& names) const {
  Inode inode{};
  if (const int errnum = find(path, inode)) return errnum;
  if (!node(inode).directory) return ENOTDIR;
  for (const auto& [name, child] : node(inode).entries) names.push_back(name);
  return 0;
}

int SimDisk::sync_directory(const std::string& path) {
  Inode inode{};
  if (const int errnum = find(path, inode)) return errnum;
  Node& directory = node(inode);
  if (!directory.directory) return ENOTDIR;
  std::vector<NameOp> left;  // The abandoned ones that nothing newer has overtaken.
  for (NameOp& op : directory.name_ops) {
    if (op.abandoned) {
      left.push_back(std::move(op));
      continue;
    }
    std::erase_if(left, [&](const NameOp& old) {
      return (!op.from.empty() && old.touches(op.from)) || (!op.to.empty() && old.touches(op.to));
    });
    apply(op, directory.durable_entries);
  }
  directory.name_ops = std::move(left);
  collect_garbage();
  return 0;
}

int SimDisk::abandon_directory(const std::string& path) {
  Inode inode{};
  if (const int errnum = find(path, inode)) return errnum;
  for (NameOp& op : node(inode).name_ops) op.abandoned = true;
  return 0;
}

bool SimDisk::is_directory(Inode inode) const { return node(inode).directory; }

void SimDisk::opened(Inode inode) { ++node(inode).open_count; }

void SimDisk::closed(Inode inode) {
  AETHER_ASSERT(node(inode).open_count > 0);
  --node(inode).open_count;
}

/// Drops files that no name, past or present, and no handle leads to.
void SimDisk::collect_garbage() {
  std::set<Inode> used{kRoot};
  for (const auto& [inode, each] : nodes_) {
    if (each.open_count > 0) used.insert(inode);
    for (const auto& [name, child] : each.entries) used.insert(child);
    for (const auto& [name, child] : each.durable_entries) used.insert(child);
    for (const NameOp& op : each.name_ops) used.insert(op.inode);
  }
  std::erase_if(nodes_, [&](const auto& entry) { return used.count(entry.first) == 0; });
}

// --- Contents

uint64_t SimDisk::read(Inode inode, uint64_t offset, void* data, uint64_t size) const {
  const Content& content = node(inode).current;
  if (offset >= content.size()) return 0;
  const uint64_t count = std::min(size, content.size() - offset);
  content.read(offset, data, count);
  return count;
}

bool SimDisk::has_room(uint64_t more_bytes) const {
  if (capacity_bytes_ == UINT64_MAX) return true;
  const uint64_t used = used_bytes();
  return used <= capacity_bytes_ && more_bytes <= capacity_bytes_ - used;
}

int SimDisk::write(Inode inode, uint64_t offset, const void* data, uint64_t size) {
  if (size == 0) return 0;
  if (offset > kFileBytesMax || size > kFileBytesMax - offset) return EFBIG;
  Node& file = node(inode);
  const uint64_t old_size = file.current.size();
  const uint64_t end = offset + size;
  if (end > old_size && !has_room(end - old_size)) return ENOSPC;
  file.current.write(offset, data, size, file.epoch);
  file.current.grow(end);

  FileOp op;
  op.sequence = next_sequence_++;
  op.is_write = true;
  op.offset = offset / kSectorBytes * kSectorBytes;
  op.size_before = old_size;
  op.size_after = file.current.size();
  std::string image(base::align_up(end, kSectorBytes) - op.offset, '\0');
  file.current.read(op.offset, image.data(), image.size());
  op.image = std::make_shared<const std::string>(std::move(image));
  file.ops.push_back(std::move(op));
  return 0;
}

int SimDisk::resize(Node& file, uint64_t size) {
  if (size > kFileBytesMax) return EFBIG;
  const uint64_t old_size = file.current.size();
  if (size == old_size) return 0;
  if (size > old_size && !has_room(size - old_size)) return ENOSPC;
  file.current.set_size(size, file.epoch);
  FileOp op;
  op.sequence = next_sequence_++;
  op.size_before = old_size;
  op.size_after = size;
  file.ops.push_back(std::move(op));
  return 0;
}

int SimDisk::truncate(Inode inode, uint64_t size) { return resize(node(inode), size); }

int SimDisk::allocate(Inode inode, uint64_t offset, uint64_t size) {
  if (offset > kFileBytesMax || size > kFileBytesMax - offset) return EFBIG;
  Node& file = node(inode);
  return resize(file, std::max(file.current.size(), offset + size));
}

uint64_t SimDisk::size(Inode inode) const { return node(inode).current.size(); }

/// `newer` has become durable: what `older` (abandoned) wrote into its sectors can no longer appear.
void SimDisk::supersede(std::vector<FileOp>& older, const FileOp& newer) {
  if (!newer.is_write) return;
  const uint64_t end = newer.offset + newer.image->size();
  for (FileOp& op : older) {
    if (!op.is_write) continue;
    const uint64_t sectors = op.image->size() / kSectorBytes;
    op.superseded.resize(sectors, false);
    for (uint64_t i = 0; i < sectors; ++i) {
      const uint64_t position = op.offset + i * kSectorBytes;
      if (position >= newer.offset && position < end) op.superseded[i] = true;
    }
  }
}

void SimDisk::sync(Inode inode) {
  Node& file = node(inode);
  const bool abandoned = std::any_of(file.ops.begin(), file.ops.end(),
                                     [](const FileOp& op) { return op.abandoned; });
  if (abandoned) {
    const uint64_t epoch = Content::next_epoch();
    std::vector<FileOp> left;
    for (FileOp& op : file.ops) {
      if (op.abandoned) {
        left.push_back(std::move(op));
        continue;
      }
      supersede(left, op);
      if (op.is_write) {
        file.durable.write(op.offset, op.image->data(), op.image->size(), epoch);
        file.durable.grow(op.size_after);
      } else {
        file.durable.set_size(op.size_after, epoch);
      }
    }
    file.ops = std::move(left);
    return;
  }
  const bool shrank = std::any_of(file.ops.begin(), file.ops.end(),
                                  [](const FileOp& op) { return op.size_after < op.size_before; });
  if (shrank) {
    file.durable = file.current;
  } else {
    for (const FileOp& op : file.ops) {
      file.durable.adopt(file.current, op.offset, op.is_write ? op.image->size() : 0);
    }
  }
  file.ops.clear();
  file.epoch = Content::next_epoch();
}

void SimDisk::abandon(Inode inode) {
  for (FileOp& op : node(inode).ops) op.abandoned = true;
}

// --- For tests

void SimDisk::flip_bit(Inode inode, uint64_t bit) {
  flip(node(inode).current, bit);
  flip(node(inode).durable, bit);
}

void SimDisk::sync_everything() {
  for (auto& [inode, each] : nodes_) {
    each.durable = each.current;
    each.ops.clear();
    each.epoch = Content::next_epoch();
    each.durable_entries = each.entries;
    each.name_ops.clear();
  }
  collect_garbage();
}

std::vector<std::string> SimDisk::files() const {
  std::vector<std::string> paths;
  std::vector<std::pair<std::string, Inode>> open{{"", kRoot}};
  while (!open.empty()) {
    const auto [path, inode] = open.back();
    open.pop_back();
    for (const auto& [name, child] : node(inode).entries) {
      if (node(child).directory) {
        open.emplace_back(path + "/" + name, child);
      } else {
        paths.push_back(path + "/" + name);
      }
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

uint64_t SimDisk::used_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [inode, each] : nodes_) {
    if (each.linked || each.open_count > 0) bytes += each.current.size();
  }
  return bytes;
}

uint64_t SimDisk::unsynced_operations() const {
  uint64_t count = 0;
  for (const auto& [inode, each] : nodes_) count += each.ops.size() + each.name_ops.size();
  return count;
}

}  // namespace aether::sim
