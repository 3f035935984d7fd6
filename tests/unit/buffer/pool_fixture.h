// A root with many leaves on a simulated disk, and the smallest pool over it: the rare paths run every time.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "buffer/buffer_pool.h"
#include "buffer/change.h"
#include "buffer/data_file.h"
#include "buffer/page_writer.h"
#include "buffer/space_manager.h"
#include "page/page_header.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"
#include "sim/sim_os.h"
#include "wal/log.h"

namespace aether::buffer {

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kEnvironment = 0x1122334455667788;
constexpr uint64_t kFrames = 64;  // The least there is.
constexpr uint64_t pool_bytes(uint64_t frames) { return frames * (kPageBytes + sizeof(Frame)); }
constexpr StoreId kStore = 2;
// Page 1 is the map, 2 the root, 3 to 2 + leaves its leaves.
constexpr PageId kRoot{2};

inline std::string word_bytes(uint64_t word) {
  return {reinterpret_cast<const char*>(&word), sizeof word};
}

/// Files and log; no pool.
struct DiskFixture {
  sim::SimOs os;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<DataFile> data;
  std::unique_ptr<PageWriter> writer;

  explicit DiskFixture(uint64_t leaves = 0) {
    EXPECT_TRUE(os.create_directory("/env").has_value());
    EXPECT_TRUE(os.create_directory("/env/log").has_value());
    data = *DataFile::create("/env/data", kPageBytes, kEnvironment, os);
    wal::LogOptions options;
    options.directory = "/env/log";
    options.environment_id = kEnvironment;
    options.streams = 2;
    options.segment_bytes = 256 * KiB;
    options.ring_bytes = 64 * KiB;
    options.block_bytes_max = 64 * KiB;
    options.background_thread = false;
    wal::LogStart start;
    for (Lsn& lsn : start.lsn.at) lsn = kFirstLsn;
    log = *wal::Log::create(options, start, os);
    writer = *PageWriter::open("/env/doublewrite", *data, *log, IoMode::automatic, os);
    write_pages(leaves);
    os.sync_everything();
  }

  void write_pages(uint64_t leaves) {
    AlignedBuffer bytes(kPageBytes);
    page::SpaceMapPage map(bytes.data(), kPageBytes);
    map.format(PageId{1});
    EXPECT_TRUE(map.set(2, static_cast<uint32_t>(1 + leaves)).has_value());
    write(PageId{1}, bytes.data());
    page::SlottedPage node(bytes.data(), kPageBytes);
    for (uint64_t i = 0; i < leaves; ++i) {
      const std::string key = key_of(i);
      const std::string next = key_of(i + 1);
      node.format(leaf_id(i), kStore, 0, i > 0 ? page::Fence(key) : std::nullopt,
                  i + 1 < leaves ? page::Fence(next) : std::nullopt);
      node.insert(0, key, word_bytes(0) + "leaf " + std::to_string(i));
      write(leaf_id(i), bytes.data());
    }
    node.format(kRoot, kStore, leaves == 0 ? 0 : 1, std::nullopt, std::nullopt);
    if (leaves > 0) node.header().leftmost = raw(leaf_id(0));
    for (uint64_t i = 1; i < leaves; ++i) {
      node.insert(static_cast<uint32_t>(i - 1), key_of(i), word_bytes(raw(leaf_id(i))));
    }
    write(kRoot, bytes.data());
  }
  void write(PageId id, std::byte* bytes) {
    EXPECT_TRUE(data->ensure_capacity(raw(id) + 1).has_value());
    page::seal(bytes, kPageBytes, kEnvironment);
    EXPECT_TRUE(data->file().write_at(raw(id) * kPageBytes, bytes, kPageBytes).has_value());
  }
  static PageId leaf_id(uint64_t leaf) { return PageId{3 + leaf}; }
  static std::string key_of(uint64_t leaf) { return "k" + std::to_string(1000 + leaf); }
};

struct PoolFixture : DiskFixture {
  std::unique_ptr<BufferPool> pool;
  Frame* root = nullptr;
  LogContext context;

  explicit PoolFixture(uint64_t leaves, uint64_t frames = kFrames) : DiskFixture(leaves) {
    pool = *BufferPool::open({.pool_bytes = pool_bytes(frames),
                              .page_bytes = kPageBytes,
                              .background_thread = false,
                              .io_mode = IoMode::automatic},
                             *data, *writer, os);
    root = *pool->load_pinned(kRoot);
    context.txn = 7;
  }

  /// The frame of a leaf, hot, read if need be. With `ring` as a scan does it.
  Result<Frame*> fix(uint64_t leaf, ScanRing* ring = nullptr) {
    for (;;) {
      OptimisticGuard guard = OptimisticGuard::enter(*root);
      uint64_t* place = pool->node(*root).child_word(static_cast<uint32_t>(leaf));
      const SwipWord word = SwipWord::load(place);
      if (word.is_hot() || (ring != nullptr && word.is_cool())) return word.frame();
      AETHER_TRY(pool->resolve(guard, place, ring));
    }
  }
  /// As a descent meets them: those of `leaves` that are not in memory.
  std::vector<Miss> misses(const std::vector<uint64_t>& leaves) {
    std::vector<Miss> all;
    for (const uint64_t leaf : leaves) {
      OptimisticGuard parent = OptimisticGuard::enter(*root);
      uint64_t* const place = pool->node(*root).child_word(static_cast<uint32_t>(leaf));
      const SwipWord word = SwipWord::load(place);
      if (!parent.validate() || !word.is_evicted()) continue;
      all.push_back({root, parent.leave(), place, word.page_id()});
    }
    return all;
  }
  bool in_memory(uint64_t leaf) {
    return SwipWord::load(pool->node(*root).child_word(static_cast<uint32_t>(leaf))).in_memory();
  }
  /// A logged change of one leaf: `stamp` becomes its row's first 8 bytes.
  void change(Frame& frame, uint64_t stamp) {
    const ExclusiveGuard guard = ExclusiveGuard::lock(frame);
    const PageRef page = pool->ref(frame);
    wal::PartSpec part;
    part.header.manager = wal::ResourceManager::btree;
    part.header.store = kStore;
    ASSERT_TRUE(log_change(*log, context, {}, {&page, 1}, {&part, 1}).has_value());
    const std::string bytes = word_bytes(stamp);
    std::copy(bytes.begin(), bytes.end(),
              reinterpret_cast<char*>(pool->node(frame).mutable_payload(0)));
  }
  uint64_t stamp_of(const Frame& frame) {
    uint64_t stamp = 0;
    const std::string_view payload = pool->node(frame).payload(0);
    std::copy_n(payload.begin(), sizeof stamp, reinterpret_cast<char*>(&stamp));
    return stamp;
  }
};

}  // namespace aether::buffer
