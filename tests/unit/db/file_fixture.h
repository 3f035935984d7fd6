// A data file made page by page, so that every kind of damage can be put exactly where it is wanted.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "buffer/data_file.h"
#include "page/leaf_record.h"
#include "page/overflow_page.h"
#include "page/page_header.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"
#include "sim/sim_os.h"

namespace aether::db {

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kEnvironment = 0x1122334455667788;
constexpr StoreId kStore = 2;
constexpr const char* kHome = "/env";

//   1 map   2 catalogue: empty   3 root of store 2 ──► 4: "a" "b" | 5: "m" "n" (ghost) "o" ──► 6, 7 ──► 8
constexpr uint64_t kRoot = 3;
constexpr uint64_t kLeft = 4;
constexpr uint64_t kRight = 5;
constexpr uint64_t kExtent = 6;
constexpr uint64_t kLastExtent = 8;
constexpr uint64_t kPages = 9;

struct FileFixture {
  sim::SimOs os;
  std::unique_ptr<buffer::DataFile> data;

  FileFixture() {
    EXPECT_TRUE(os.create_directory(kHome).has_value());
    data = *buffer::DataFile::create(std::string(kHome) + "/data", kPageBytes, kEnvironment, os);
    change_map([](page::SpaceMapPage map) {
      map.format(PageId{1});
      EXPECT_TRUE(map.set(2, kPages - 2).has_value());
    });
    format(2, 1, 0, std::nullopt, std::nullopt, [](page::SlottedPage) {});
    make_tree();
  }

  void make_tree() {
    const uint32_t payload = page::overflow_payload_bytes(kPageBytes);
    const std::string value(2 * payload + 10, 'v');
    format(kRoot, kStore, 1, std::nullopt, std::nullopt, [](page::SlottedPage node) {
      node.header().leftmost = kLeft;
      put(node, "m", word(kRight));
    });
    format(kLeft, kStore, 0, std::nullopt, "m", [](page::SlottedPage node) {
      put(node, "a", row(1, 0, "first"));
      put(node, "b", row(2, 0, std::string("\0\xff\\", 3)));
    });
    format(kRight, kStore, 0, "m", std::nullopt, [&](page::SlottedPage node) {
      put(node, "m", row(3, 0, ""));
      put(node, "n",
          row(4, page::RecordMeta::kRemoved | page::RecordMeta::kOverflow, reference(9, kLeft)));
      put(node, "o", row(5, page::RecordMeta::kOverflow, reference(value.size(), kExtent)));
    });
    std::string extent(uint64_t{3} * kPageBytes, '\0');
    auto* bytes = reinterpret_cast<std::byte*>(extent.data());
    const uint64_t taken = page::fill_extent({bytes, 2 * kPageBytes}, kPageBytes, kEnvironment,
                                             PageId{kExtent}, kStore, 7, PageId{kLastExtent},
                                             value);
    page::fill_extent({bytes + 2 * kPageBytes, kPageBytes}, kPageBytes, kEnvironment,
                      PageId{kLastExtent}, kStore, 7, kNoPage,
                      std::string_view(value).substr(taken));
    buffer::AlignedBuffer pages(extent.size());
    std::memcpy(pages.data(), extent.data(), extent.size());
    EXPECT_TRUE(data->write(PageId{kExtent}, pages.data(), 3).has_value());
  }

  static std::string word(uint64_t value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  static std::string row(TxnId txn, uint8_t flags, std::string_view value) {
    return word(page::RecordMeta(txn, flags).word()).append(value);
  }
  static std::string reference(uint64_t bytes, uint64_t page) { return word(bytes) + word(page); }
  static void put(page::SlottedPage node, std::string_view key, std::string_view payload) {
    node.insert(node.lower_bound(key).slot, key, payload);
  }

  template <typename Fill>
  void format(uint64_t id, StoreId store, uint8_t level, page::Fence lower, page::Fence upper,
              Fill fill) {
    buffer::AlignedBuffer bytes(kPageBytes);
    page::SlottedPage node(bytes.data(), kPageBytes);
    node.format(PageId{id}, store, level, lower, upper);
    node.header().page.newest_txn = 5;
    node.header().page.gsn = 40 + id;
    fill(node);
    write(id, bytes.data());
  }
  /// Reads a page, lets `edit` change it, and writes it with the right checksum.
  template <typename Edit>
  void change(uint64_t id, Edit edit) {
    buffer::AlignedBuffer bytes(kPageBytes);
    EXPECT_TRUE(data->read_raw(PageId{id}, bytes.data()).has_value());
    edit(bytes.data());
    write(id, bytes.data());
  }
  template <typename Edit>
  void change_node(uint64_t id, Edit edit) {
    change(id, [&](std::byte* bytes) { edit(page::SlottedPage(bytes, kPageBytes)); });
  }
  template <typename Edit>
  void change_map(Edit edit) {
    change(1, [&](std::byte* bytes) { edit(page::SpaceMapPage(bytes, kPageBytes)); });
  }
  void write(uint64_t id, std::byte* bytes) {
    page::seal(bytes, kPageBytes, kEnvironment);
    EXPECT_TRUE(data->file().write_at(id * kPageBytes, bytes, kPageBytes).has_value());
  }
  void flip_bit(uint64_t page, uint64_t bit) {
    EXPECT_TRUE(os.flip_bit(std::string(kHome) + "/data", page * kPageBytes * 8 + bit).has_value());
  }
};

}  // namespace aether::db
