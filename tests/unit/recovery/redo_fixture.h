/// Pages that are one number, a log that changes them, and what redo makes of both.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "buffer/change.h"
#include "buffer/space_manager.h"
#include "page/page_header.h"
#include "recovery/redo.h"
#include "sim/sim_os.h"
#include "wal/log.h"

namespace aether::recovery {

inline constexpr uint32_t kPageBytes = 4096;
inline constexpr uint64_t kEnvironment = 42;
inline constexpr uint64_t kSegmentBytes = 256 * KiB;
inline constexpr uint64_t kPages = 8;

enum Op : uint8_t { format = 1, add = 2 };

/// A page is one number; `add` is the operation that shows it when it is applied twice, or not.
class CounterManager final : public ResourceManager {
 public:
  Result<void> check(std::byte*, uint32_t) const override { return {}; }
  Result<void> redo(std::byte* page, uint32_t, const wal::PartView& part) const override {
    if (part.data.empty()) return {};  // Of `raise`.
    auto* header = reinterpret_cast<page::PageHeader*>(page);
    if (part.header.op == format) header->kind = page::PageKind::btree_leaf;
    const uint64_t old = part.header.op == format ? 0 : base::load<uint64_t>(page + 64);
    base::store(page + 64, old + base::load<uint64_t>(part.data.data()));
    return {};
  }
  Result<txn::UndoEntry> undo_entry(const wal::RecordView&, const wal::PartView&) const override {
    return txn::UndoEntry{};
  }
  Result<void> undo(txn::TransactionContext&, const txn::UndoEntry&) override { return {}; }
  std::string describe(const wal::PartView&) const override { return "add"; }
};

struct RedoFixture {
  sim::SimOs os;
  wal::LogOptions log_options;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<buffer::DataFile> data;
  std::unique_ptr<buffer::PageWriter> writer;
  CounterManager manager;
  // The pages as they are in memory.
  std::vector<std::unique_ptr<buffer::Frame>> frames;
  std::vector<buffer::AlignedBuffer> bytes;
  buffer::LogContext context;
  uint64_t pool_pages = 64;
  uint64_t rooms_made = 0;

  RedoFixture() {
    EXPECT_TRUE(os.create_directory("/env").has_value());
    EXPECT_TRUE(os.create_directory("/env/log").has_value());
    data = *buffer::DataFile::create("/env/data", kPageBytes, kEnvironment, os);
    log_options.directory = "/env/log";
    log_options.environment_id = kEnvironment;
    log_options.streams = 2;
    log_options.segment_bytes = kSegmentBytes;
    log_options.ring_bytes = 64 * KiB;
    log_options.block_bytes_max = 64 * KiB;
    log_options.background_thread = false;
    wal::LogStart start;
    for (Lsn& lsn : start.lsn.at) lsn = kFirstLsn;
    log = *wal::Log::create(log_options, start, os);
    writer = *buffer::PageWriter::open("/env/doublewrite", *data, *log, IoMode::automatic, os);
    for (uint64_t i = 0; i < kPages; ++i) {
      frames.push_back(std::make_unique<buffer::Frame>());
      bytes.emplace_back(kPageBytes);
      auto* header = reinterpret_cast<page::PageHeader*>(bytes[i].data());
      header->page_id = page_id(i);
      header->kind = page::PageKind::btree_leaf;
    }
  }
  static PageId page_id(uint64_t page) { return PageId{1 + page}; }
  uint64_t value(uint64_t page) const { return base::load<uint64_t>(bytes[page].data() + 64); }

  /// One record that changes all of `pages`, on `stream`.
  void change(std::vector<uint64_t> pages, Op op, uint64_t delta, uint32_t stream) {
    const std::string_view word(reinterpret_cast<const char*>(&delta), sizeof delta);
    std::vector<buffer::PageRef> refs;
    std::vector<wal::PartSpec> parts(pages.size());
    for (size_t i = 0; i < pages.size(); ++i) {
      frames[pages[i]]->latch.lock();
      refs.push_back({frames[pages[i]].get(), bytes[pages[i]].data()});
      if (op == format) parts[i].header.gsn_before = wal::kFormatGsn;
      parts[i].header.manager = wal::ResourceManager::btree;
      parts[i].header.op = op;
      parts[i].data = {&word, 1};
    }
    context.stream = stream;
    ASSERT_TRUE(buffer::log_change(*log, context, {}, refs, parts).has_value());
    for (const uint64_t page : pages) {
      base::store(bytes[page].data() + 64, (op == format ? 0 : value(page)) + delta);
      frames[page]->latch.unlock();
    }
  }
  /// A record that gives the map of the pages' group, which is page_id(0), a new GSN, and changes nothing.
  Gsn raise() {
    frames[0]->latch.lock();
    const buffer::PageRef map{frames[0].get(), bytes[0].data()};
    wal::PartSpec part;
    part.header.manager = wal::ResourceManager::space;
    part.header.op = static_cast<uint8_t>(buffer::SpaceOp::allocate);
    context.stream = 1;
    EXPECT_TRUE(buffer::log_change(*log, context, {}, {&map, 1}, {&part, 1}).has_value());
    frames[0]->latch.unlock();
    return context.gsn;
  }
  /// Puts the page into the data file with `gsn`.
  void write_at(uint64_t page, Gsn gsn) {
    reinterpret_cast<page::PageHeader*>(bytes[page].data())->gsn = gsn;
    write(page);
  }
  /// Puts the page as it is in memory now into the data file.
  void write(uint64_t page) {
    page::seal(bytes[page].data(), kPageBytes, kEnvironment);
    ASSERT_TRUE(data->write(page_id(page), bytes[page].data(), 1).has_value());
  }

  RedoOptions redo_options(uint64_t window_bytes = 64 * MiB, LogPosition from = 0) {
    RedoOptions options;
    options.reader = {.directory = log_options.directory,
                      .environment_id = kEnvironment,
                      .streams = 2,
                      .segment_bytes = kSegmentBytes,
                      .block_bytes_max = log_options.block_bytes_max,
                      .known_durable = 0};
    options.extents = {
        {.epoch = 1, .begin = kSegmentBytes, .end = log->append_position(), .cut = log->durable()}};
    options.redo_position = from;
    options.window_bytes = window_bytes;
    return options;
  }
  ResourceManagers managers() {
    ResourceManagers managers{};
    managers[static_cast<size_t>(wal::ResourceManager::btree)] = &manager;
    managers[static_cast<size_t>(wal::ResourceManager::space)] = &manager;
    return managers;
  }
  std::unique_ptr<buffer::BufferPool> make_pool() {
    return *buffer::BufferPool::open(
        {.pool_bytes = pool_pages * (kPageBytes + sizeof(buffer::Frame)),
         .page_bytes = kPageBytes,
         .background_thread = false},
        *data, os);
  }
  Result<RedoResult> redo(RecoveryReport& report, uint64_t window_bytes = 64 * MiB,
                          LogPosition from = 0) {
    RedoOptions options = redo_options(window_bytes, from);
    // Redo leaves its pages in the pool; here they are looked at in the file.
    const auto pool = make_pool();
    options.make_room = [&] {
      ++rooms_made;
      return pool->flush_redone(*writer);
    };
    AETHER_TRY_ASSIGN(RedoResult result,
                      analyze_and_redo(options, managers(), *data, *pool, os, report));
    AETHER_TRY(pool->flush_redone(*writer));
    return result;
  }
  void expect_file_as_memory() {
    buffer::AlignedBuffer page(kPageBytes);
    for (uint64_t i = 0; i < kPages; ++i) {
      ASSERT_TRUE(data->read(page_id(i), page.data()).has_value()) << i;
      EXPECT_EQ(base::load<uint64_t>(page.data() + 64), value(i)) << i;
      EXPECT_EQ(reinterpret_cast<page::PageHeader*>(page.data())->gsn,
                reinterpret_cast<page::PageHeader*>(bytes[i].data())->gsn);
    }
  }
  /// Pages formatted, then changed from both streams, alone and together.
  void run_load() {
    for (uint64_t page = 0; page < kPages; ++page) change({page}, format, 1, page % 2);
    for (uint64_t i = 0; i < 100; ++i) {
      change({i % kPages, (i + 3) % kPages}, add, i, static_cast<uint32_t>(i / 3 % 2));
      if (i % 10 != 0) continue;
      ASSERT_TRUE(log->flush().has_value());
    }
    ASSERT_TRUE(log->flush().has_value());
  }
};

}  // namespace aether::recovery
