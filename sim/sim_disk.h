/// What a disk holds, and what a crash may leave of it. The rules, the harshest that POSIX allows:
///
///   data    Every file has durable and current contents, and between them its unsynced operations in
///           order. A write is kept as the images of its 512-byte sectors. `sync` makes all of it durable.
///   size    Changes with writes, truncate and allocate, and is durable with them.
///   names   A directory has durable and current entries, and its unsynced changes. `sync_directory` makes
///           them durable; syncing a file does nothing for its name. A rename is atomic.
///   crash   Of the unsynced operations any part may be there: each sector of each write is as before,
///           as written, or garbage; sizes come along or not. Changes of one name keep their order.
///
/// Threads   One at a time; SimOs holds its mutex. Disks that came from one another share bytes, and may
///           be used by different threads at the same time.
/// Errors    An errno; 0 is success.
/// Source    Pillai et al.: "All File Systems Are Not Created Equal", OSDI 2014 (what may be lost);
///           the clone of a running file system is the idea of Pebble's in-memory one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/content.h"
#include "sim/random.h"

namespace aether::sim {

/// What becomes of the unsynced operations in a crash.
enum class CrashPolicy : uint8_t {
  lost,     ///< None is there.
  kept,     ///< All are there.
  sectors,  ///< Any: by sector, by size, by name.
  prefix,   ///< Those up to a moment, over all files and names; the last write is torn.
  subset,   ///< Those that `mask` names: see SimDisk::unsynced_units.
};

/// As many groups of unsynced units a mask can choose among.
inline constexpr uint64_t kSubsetBits = 8;

struct Crash {
  CrashPolicy policy = CrashPolicy::sectors;
  uint64_t seed = 1;
  /// With `sectors`: of 100 sectors that did not make it, so many hold garbage.
  uint32_t garbage_percent = 5;
  /// With `subset`: of n units, unit i is there if bit i is set; of more than 8, if the bit of its group is.
  uint64_t mask = 0;
};

enum class Inode : uint64_t {};

class SimDisk {
 public:
  SimDisk();

  // Names. A path is absolute or relative to the root, which always exists; ".." is refused.
  int find(const std::string& path, Inode& found) const;
  /// Makes an empty file; EEXIST if the name is taken.
  int create_file(const std::string& path, Inode& made);
  int create_directory(const std::string& path);
  /// A file, or an empty directory.
  int remove(const std::string& path);
  /// Within one directory; EXDEV else (a limit of this simulator).
  int rename(const std::string& from, const std::string& to);
  int list(const std::string& path, std::vector<std::string>& names) const;
  int sync_directory(const std::string& path);
  /// A failed sync: what is unsynced stays visible, and later syncs do not make it durable.
  int abandon_directory(const std::string& path);
  bool is_directory(Inode inode) const;

  // Handles. An open file lives on when its name goes.
  void opened(Inode inode);
  void closed(Inode inode);

  // Contents.
  uint64_t read(Inode inode, uint64_t offset, void* data, uint64_t size) const;
  int write(Inode inode, uint64_t offset, const void* data, uint64_t size);
  int truncate(Inode inode, uint64_t size);
  int allocate(Inode inode, uint64_t offset, uint64_t size);
  uint64_t size(Inode inode) const;
  void sync(Inode inode);
  void abandon(Inode inode);

  // For tests.
  void flip_bit(Inode inode, uint64_t bit);
  void sync_everything();
  std::vector<std::string> files() const;  ///< Paths of all files, ascending.
  uint64_t used_bytes() const;             ///< Sizes of all files that have a name or are open.
  uint64_t unsynced_operations() const;
  /// What a `subset` crash chooses from: unsynced sectors that differ from the durable ones, changes of a size, of a name.
  uint64_t unsynced_units() const;
  uint64_t capacity_bytes() const noexcept { return capacity_bytes_; }
  void set_capacity(uint64_t bytes) noexcept { capacity_bytes_ = bytes; }

  /// What a crash now may leave. Costs a pointer per 16 KiB of the disk, and the unsynced operations.
  /// This disk goes on undisturbed (it only stops writing in place into what the other now shares).
  SimDisk crash(const Crash& how);
  /// The very same disk once more, unsynced operations included; nothing is open.
  SimDisk copy();

 private:
  struct FileOp {
    uint64_t sequence = 0;  ///< Order over all files and directories.
    bool is_write = false;  ///< Else a change of the size alone.
    bool abandoned = false;
    uint64_t offset = 0;  ///< Of the image: a multiple of kSectorBytes.
    uint64_t size_before = 0;
    uint64_t size_after = 0;
    /// The whole sectors as they were after the write, for a sector is written as a whole.
    std::shared_ptr<const std::string> image;
    /// Of an abandoned write: sectors that a later, synced write has made history. Empty: none.
    std::vector<bool> superseded;
  };

  struct NameOp {
    uint64_t sequence = 0;
    bool abandoned = false;
    std::string from;  ///< Loses its entry; empty if none does.
    std::string to;    ///< Gets the entry `inode`; empty if none does.
    Inode inode{};
    bool touches(const std::string& name) const { return name == from || name == to; }
  };

  using Entries = std::map<std::string, Inode>;

  struct Node {
    bool directory = false;
    bool linked = true;  ///< Has a current name.
    uint32_t open_count = 0;
    uint64_t epoch = 0;  ///< See content.h.
    Content durable, current;
    std::vector<FileOp> ops;
    Entries durable_entries, entries;
    std::vector<NameOp> name_ops;
  };

  Node& node(Inode inode);
  const Node& node(Inode inode) const;
  int find_parent(const std::string& path, Inode& parent, std::string& name) const;
  int add_entry(const std::string& path, bool directory, Inode& made);
  void change_names(Node& directory, NameOp op);
  int resize(Node& file, uint64_t size);
  bool has_room(uint64_t more_bytes) const;
  void collect_garbage();
  uint64_t pick_cut(Random& random) const;

  /// Hands out the bits of a mask, unit by unit.
  struct Subset {
    uint64_t mask = 0;
    uint64_t units = 0;
    uint64_t next = 0;
    bool take();
  };
  static bool changes(const FileOp& op, uint64_t sector, const Node& file);
  static void crash_file_subset(const Node& from, Node& to, Subset& subset);
  static void crash_names_subset(const Node& from, Node& to, Subset& subset);

  static void apply(const NameOp& op, Entries& entries);
  static void supersede(std::vector<FileOp>& older, const FileOp& newer);
  static void crash_file(const Node& from, Node& to, const Crash& how, uint64_t cut,
                         Random& random);
  static void crash_sectors(const FileOp& op, Node& to, const Crash& how, Random& random);
  static void crash_names(const Node& from, Node& to, const Crash& how, uint64_t cut,
                          Random& random);

  std::map<Inode, Node> nodes_;
  uint64_t next_inode_ = 1;
  uint64_t next_sequence_ = 1;
  uint64_t capacity_bytes_ = UINT64_MAX;
};

}  // namespace aether::sim
