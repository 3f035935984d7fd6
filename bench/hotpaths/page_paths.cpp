// Latches, pages in memory and on disk, search in a page, checksum.
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "buffer/buffer_pool.h"
#include "buffer/data_file.h"
#include "buffer/page_writer.h"
#include "hotpaths/hot_path.h"
#include "page/page_header.h"
#include "page/slotted_page.h"
#include "wal/log.h"

namespace aether::hotpaths {
namespace {

using buffer::BufferPool;
using buffer::ExclusiveGuard;
using buffer::Frame;
using buffer::OptimisticGuard;
using buffer::SharedGuard;
using buffer::SwipWord;
using page::SlottedPage;

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kEnvironment = 7;
constexpr StoreId kStore = 2;

class LatchOptimistic final : public HotPath {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const OptimisticGuard guard = OptimisticGuard::enter(frame_);
      const bool valid = guard.validate();
      keep(valid);
    }
  }
  Frame frame_;
};

class LatchShared final : public HotPath {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const SharedGuard guard = SharedGuard::lock(frame_);
      keep(guard);
    }
  }
  Frame frame_;
};

class LatchExclusive final : public HotPath {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const ExclusiveGuard guard = ExclusiveGuard::lock(frame_);
      keep(guard);
    }
  }
  Frame frame_;
};

// --- A root with leaves in a file, and the smallest pool over it --------------------------------------------

class Pages : public HotPath {
 protected:
  explicit Pages(uint32_t leaves) : leaves_(leaves) {
    os::Os& os = os::production();
    must(os.create_directory(place_.path("log")));
    wal::LogOptions options;
    options.directory = place_.path("log");
    options.environment_id = kEnvironment;
    options.segment_bytes = 256 * KiB;
    options.ring_bytes = 64 * KiB;
    options.block_bytes_max = 64 * KiB;
    options.background_thread = false;
    wal::LogStart start;
    for (Lsn& lsn : start.lsn.at) lsn = kFirstLsn;
    log_ = must(wal::Log::create(options, start, os));
    data_ = must(buffer::DataFile::create(place_.path("data"), kPageBytes, kEnvironment, os));
    writer_ = must(
        buffer::PageWriter::open(place_.path("doublewrite"), *data_, *log_, IoMode::threads, os));
    write_tree();
    constexpr uint64_t kFrames = 64;
    pool_ = must(BufferPool::open({.pool_bytes = kFrames * (kPageBytes + sizeof(Frame)),
                                   .page_bytes = kPageBytes,
                                   .background_thread = false},
                                  *data_, *writer_, os));
    root_ = must(pool_->load_pinned(PageId{1}));
  }

  /// One step of a descent, as BTree::find_leaf takes it. False: the leaf was not hot, and may be now.
  bool step(uint32_t leaf) {
    OptimisticGuard guard = OptimisticGuard::enter(*root_);
    uint64_t* place = pool_->node(*root_).child_word(leaf);
    const SwipWord word = SwipWord::load(place);
    if (!word.is_hot()) {
      must(pool_->resolve(guard, place));
      return false;
    }
    if (!guard.validate()) return false;
    const OptimisticGuard child = OptimisticGuard::enter(*word.frame());
    return guard.validate() && child.validate();
  }
  void access(uint32_t leaf) {
    while (!step(leaf)) continue;
  }
  uint32_t next_leaf() {
    next_ = next_ + 1 == leaves_ ? 0 : next_ + 1;
    return next_;
  }
  uint64_t* place_of(uint32_t leaf) { return pool_->node(*root_).child_word(leaf); }

 private:
  static std::string key_of(uint64_t leaf) { return "k" + std::to_string(1000 + leaf); }

  // Page 1 is the root, 2 to leaves + 1 its leaves.
  void write_tree() {
    must(data_->ensure_capacity(leaves_ + 2));
    SlottedPage node(bytes_.data(), kPageBytes);
    for (uint64_t i = 0; i < leaves_; ++i) {
      const std::string lower = key_of(i), upper = key_of(i + 1);
      node.format(PageId{2 + i}, kStore, 0, i > 0 ? page::Fence(lower) : std::nullopt,
                  i + 1 < leaves_ ? page::Fence(upper) : std::nullopt);
      node.insert(0, lower, "01234567payload");
      write(PageId{2 + i});
    }
    node.format(PageId{1}, kStore, 1, std::nullopt, std::nullopt);
    node.header().leftmost = 2;
    for (uint64_t i = 1; i < leaves_; ++i) {
      const uint64_t word = 2 + i;
      node.insert(static_cast<uint32_t>(i - 1), key_of(i),
                  {reinterpret_cast<const char*>(&word), sizeof word});
    }
    write(PageId{1});
  }
  void write(PageId id) {
    page::seal(bytes_.data(), kPageBytes, kEnvironment);
    must(data_->file().write_at(raw(id) * kPageBytes, bytes_.data(), kPageBytes));
  }

  Place place_;
  const uint32_t leaves_;
  uint32_t next_ = 0;
  alignas(kPageBytes) std::array<std::byte, kPageBytes> bytes_;
  std::unique_ptr<wal::Log> log_;
  std::unique_ptr<buffer::DataFile> data_;
  std::unique_ptr<buffer::PageWriter> writer_;

 protected:
  std::unique_ptr<BufferPool> pool_;
  Frame* root_ = nullptr;
};

class PageHot final : public Pages {
 public:
  PageHot() : Pages(32) {}

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) access(next_leaf());
  }
};

// Making the page cool again, two stores, is counted with it.
class PageCool final : public Pages {
 public:
  PageCool() : Pages(32) {
    for (uint32_t leaf = 0; leaf < 32; ++leaf) access(leaf);
  }

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t leaf = next_leaf();
      Frame* const frame = SwipWord::load(place_of(leaf)).frame();
      frame->state.store(buffer::FrameState::cool, std::memory_order_relaxed);
      SwipWord::cool(frame).store(place_of(leaf));
      access(leaf);
    }
  }
};

// More leaves than frames, in a circle: each has gone when its turn comes.
class PageEvicted final : public Pages {
 public:
  PageEvicted() : Pages(130) {}

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) access(next_leaf());
  }
};

// --- One page in memory ---------------------------------------------------------------------------------

/// Keys of 16 random digits in a node, and the same in another order to search for.
class Search : public HotPath {
 protected:
  Search(uint8_t level, uint32_t records, size_t payload_bytes) : node_(bytes_.data(), kPageBytes) {
    node_.format(PageId{9}, kStore, level, std::nullopt, std::nullopt);
    uint64_t random = 1;
    for (uint32_t i = 0; i < records; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      std::string key = std::to_string(random >> 8);
      key.insert(0, 17, '0');
      keys_.push_back(key.substr(key.size() - 16));
      node_.insert(node_.lower_bound(keys_.back()).slot, keys_.back(),
                   std::string(payload_bytes, 'p'));
    }
  }
  const std::string& next_key() {
    next_ = next_ + 1 == keys_.size() ? 0 : next_ + 1;
    return keys_[next_];
  }

 private:
  alignas(kPageBytes) std::array<std::byte, kPageBytes> bytes_;
  std::vector<std::string> keys_;
  size_t next_ = 0;

 protected:
  SlottedPage node_;
};

class SearchLeaf final : public Search {
 public:
  SearchLeaf() : Search(0, 29, 92) {}

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const SlottedPage::Position at = node_.lower_bound(next_key());
      keep(at);
    }
  }
};

class SearchInner final : public Search {
 public:
  SearchInner() : Search(1, 110, sizeof(uint64_t)) {}

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t child = node_.child_index(next_key());
      keep(child);
    }
  }
};

class ChecksumPage final : public HotPath {
 public:
  ChecksumPage() { bytes_.fill(std::byte{0x5a}); }

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t sum = base::checksum(bytes_.data(), bytes_.size(), i);
      keep(sum);
    }
  }
  alignas(kPageBytes) std::array<std::byte, kPageBytes> bytes_;
};

constexpr HotPathKind kPaths[] = {
    {"latch_optimistic", "a latch entered optimistically and validated", 20'000,
     make_path<LatchOptimistic>},
    {"latch_shared", "a latch taken shared and released", 20'000, make_path<LatchShared>},
    {"latch_exclusive", "a latch taken exclusively and released", 20'000,
     make_path<LatchExclusive>},
    {"page_hot", "a step of a descent to a hot page", 20'000, make_path<PageHot>},
    {"page_cool", "the same to a cool page, which becomes hot", 10'000, make_path<PageCool>},
    {"page_evicted", "the same to a page on disk, and the eviction of another", 1'000,
     make_path<PageEvicted>},
    {"search_leaf", "a search in a leaf of 29 records", 10'000, make_path<SearchLeaf>},
    {"search_inner", "a search in an inner node of 110 separators", 10'000, make_path<SearchInner>},
    {"checksum_page", "the checksum of 4 KiB", 2'000, make_path<ChecksumPage>},
};

}  // namespace

std::span<const HotPathKind> page_paths() { return kPaths; }

}  // namespace aether::hotpaths
