// Maps behind one interface, to measure them alike. Each has: kName, kManyWriters (threads may insert at once; else one),
// insert(key, value), get(key): the first byte of the value, or -1; scan(key, count): how many were there from `key` on.
#pragma once

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "index/rax/rax.h"
#include "index/skiplist/skiplist.h"

#if defined(AETHER_MICRO_HAVE_ROCKSDB)
#include <rocksdb/memtablerep.h>
#include <rocksdb/slice.h>
#endif
#if defined(AETHER_MICRO_HAVE_CDS)
#include <cds/container/skip_list_map_hp.h>
#include <cds/gc/hp.h>
#include <cds/init.h>
#endif

namespace aether::bench {

inline int first_byte(std::string_view value) {
  return value.empty() ? 0 : static_cast<uint8_t>(value[0]);
}

template <typename Index>
class OursAs {
 public:
  static constexpr bool kManyWriters = true;
  void insert(Bytes key, Bytes value) { static_cast<void>(index_.insert(key, value)); }
  void put(Bytes key, Bytes value) { static_cast<void>(index_.put(key, value)); }
  int get(Bytes key) const {
    int byte = -1;
    static_cast<void>(index_.visit(key, [&](Bytes value) { byte = first_byte(value); }));
    return byte;
  }
  int scan(Bytes key, int count) const {
    auto cursor = index_.cursor();
    int seen = 0;
    for (bool there = *cursor.seek(key); there && seen < count; there = *cursor.next()) {
      seen += first_byte(*cursor.value()) >= 0 ? 1 : 0;
    }
    return seen;
  }
  int scan_back(Bytes key, int count) const {
    auto cursor = index_.cursor();
    int seen = 0;
    for (bool there = *cursor.seek_for_prev(key); there && seen < count; there = *cursor.prev()) {
      seen += first_byte(*cursor.value()) >= 0 ? 1 : 0;
    }
    return seen;
  }
  Index& index() { return index_; }

 private:
  Index index_{{.memory_bytes_max = 64 * GiB}};
};
struct OurSkiplist : OursAs<index::Skiplist> {
  static constexpr const char* kName = "Skiplist";
};
struct OurRax : OursAs<index::Rax> {
  static constexpr const char* kName = "Rax";
};

class StdMap {
 public:
  static constexpr const char* kName = "std::map";
  static constexpr bool kManyWriters = false;
  void insert(Bytes key, Bytes value) { map_.emplace(key, value); }
  int get(Bytes key) const {
    const auto found = map_.find(key);
    return found == map_.end() ? -1 : first_byte(found->second);
  }
  int scan(Bytes key, int count) const {
    int seen = 0;
    for (auto at = map_.lower_bound(key); at != map_.end() && seen < count; ++at) {
      seen += first_byte(at->second) >= 0 ? 1 : 0;
    }
    return seen;
  }

 private:
  std::map<std::string, std::string, std::less<>> map_;
};

class StdUnorderedMap {
 public:
  static constexpr const char* kName = "std::unordered_map";
  static constexpr bool kManyWriters = false;
  void insert(Bytes key, Bytes value) { map_.emplace(key, value); }
  int get(Bytes key) const {
    const auto found = map_.find(key);
    return found == map_.end() ? -1 : first_byte(found->second);
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
  };
  std::unordered_map<std::string, std::string, Hash, std::equal_to<>> map_;
};

#if defined(AETHER_MICRO_HAVE_ROCKSDB)
}  // namespace aether::bench

namespace rocksdb {
// The public header only names it: this is what a memtable asks of one in RocksDB 7.
class Allocator {
 public:
  virtual ~Allocator() = default;
  virtual char* Allocate(size_t bytes) = 0;
  virtual char* AllocateAligned(size_t bytes, size_t huge_page_size = 0,
                                Logger* logger = nullptr) = 0;
  virtual size_t BlockSize() const = 0;
};
}  // namespace rocksdb

namespace aether::bench {

/// RocksDB's memtable as it is inside a database: the skiplist alone, keys with a sequence number behind them.
class RocksMemtable {
 public:
  static constexpr const char* kName = "RocksDB";
  static constexpr bool kManyWriters = true;
  RocksMemtable() : rep_(factory_.CreateMemTableRep(order_, &arena_, nullptr, nullptr)) {}

  void insert(Bytes key, Bytes value) {
    char* at = nullptr;
    const size_t length = varint_bytes(key.size() + 8) + key.size() + 8 +
                          varint_bytes(value.size()) + value.size();
    rocksdb::KeyHandle const handle = rep_->Allocate(length, &at);
    at = put_entry(at, key);
    at = put_varint(at, value.size());
    std::memcpy(at, value.data(), value.size());
    rep_->InsertKeyConcurrently(handle);
  }
  int get(Bytes key) {
    const std::unique_ptr<rocksdb::MemTableRep::Iterator> at = seek(key);
    return at->Valid() && user_key(at->key()) == key ? first_byte(value_of(at->key())) : -1;
  }
  int scan(Bytes key, int count) {
    int seen = 0;
    for (const auto at = seek(key); at->Valid() && seen < count; at->Next()) {
      seen += first_byte(value_of(at->key())) >= 0 ? 1 : 0;
    }
    return seen;
  }

 private:
  static size_t varint_bytes(size_t number) {
    return number < 128 ? 1 : 1 + varint_bytes(number >> 7);
  }
  static char* put_varint(char* at, size_t number) {
    for (; number >= 128; number >>= 7) *at++ = static_cast<char>(number | 128);
    *at++ = static_cast<char>(number);
    return at;
  }
  static const char* get_varint(const char* at, size_t& number) {
    number = 0;
    for (unsigned shift = 0;; shift += 7) {
      const size_t byte = static_cast<uint8_t>(*at++);
      number |= (byte & 127) << shift;
      if (byte < 128) return at;
    }
  }
  static char* put_entry(char* at, Bytes key) {
    at = put_varint(at, key.size() + 8);
    std::memcpy(at, key.data(), key.size());
    std::memset(at + key.size(), 1, 8);
    return at + key.size() + 8;
  }
  static Bytes internal_key(const char* entry) {
    size_t length = 0;
    const char* const key = get_varint(entry, length);
    return {key, length};
  }
  static Bytes user_key(const char* entry) {
    Bytes key = internal_key(entry);
    key.remove_suffix(8);
    return key;
  }
  static Bytes value_of(const char* entry) {
    const Bytes key = internal_key(entry);
    size_t length = 0;
    const char* const value = get_varint(key.data() + key.size(), length);
    return {value, length};
  }
  std::unique_ptr<rocksdb::MemTableRep::Iterator> seek(Bytes key) {
    std::unique_ptr<rocksdb::MemTableRep::Iterator> iterator(rep_->GetIterator());
    thread_local std::string entry;
    entry.resize(key.size() + 16);
    put_entry(entry.data(), key);
    const Bytes internal = internal_key(entry.data());
    iterator->Seek({internal.data(), internal.size()}, entry.data());
    return iterator;
  }

  struct Order : rocksdb::MemTableRep::KeyComparator {
    rocksdb::Slice decode_key(const char* entry) const override {
      const Bytes key = internal_key(entry);
      return {key.data(), key.size()};
    }
    int operator()(const char* a, const char* b) const override {
      return (*this)(a, decode_key(b));
    }
    int operator()(const char* a, const rocksdb::Slice& b) const override {
      const rocksdb::Slice key = decode_key(a);
      const int order = rocksdb::Slice(key.data(), key.size() - 8)
                            .compare({b.data(), b.size() - 8});
      return order != 0 ? order
                        : std::memcmp(b.data() + b.size() - 8, key.data() + key.size() - 8, 8);
    }
  };
  /// Blocks of a thread's own, as RocksDB's own arena has one for each core.
  class Arena final : public rocksdb::Allocator {
   public:
    char* Allocate(size_t bytes) override { return AllocateAligned(bytes, 0, nullptr); }
    char* AllocateAligned(size_t bytes, size_t, rocksdb::Logger*) override {
      thread_local uint64_t owner = 0;  // Not its address: another one may come to lie there.
      thread_local char* next = nullptr;
      thread_local size_t left = 0;
      bytes = (bytes + 7) & ~size_t{7};
      if (owner != id_ || left < bytes) {
        const size_t block = std::max<size_t>(bytes, 256 << 10);
        const std::lock_guard guard(mutex_);
        blocks_.push_back(std::make_unique<char[]>(block));
        owner = id_;
        next = blocks_.back().get();
        left = block;
      }
      left -= bytes;
      return std::exchange(next, next + bytes);
    }
    size_t BlockSize() const override { return 256 << 10; }

   private:
    static uint64_t next_id() {
      static std::atomic<uint64_t> last{0};
      return ++last;
    }
    const uint64_t id_ = next_id();
    std::mutex mutex_;
    std::vector<std::unique_ptr<char[]>> blocks_;
  };

  Order order_;
  Arena arena_;
  rocksdb::SkipListFactory factory_;
  std::unique_ptr<rocksdb::MemTableRep> rep_;
};
#endif

#if defined(AETHER_MICRO_HAVE_CDS)
/// libcds' skiplist with hazard pointers.
class CdsSkiplist {
 public:
  static constexpr const char* kName = "libcds";
  static constexpr bool kManyWriters = true;
  CdsSkiplist() : map_(std::make_unique<Map>()) {}
  void insert(Bytes key, Bytes value) {
    attach();
    map_->insert(std::string(key), std::string(value));
  }
  int get(Bytes key) {
    attach();
    int byte = -1;
    thread_local std::string wanted;
    wanted.assign(key);
    map_->find(wanted, [&](const std::pair<const std::string, std::string>& found) {
      byte = first_byte(found.second);
    });
    return byte;
  }

 private:
  struct Library {
    Library() {
      cds::Initialize();
      gc = std::make_unique<cds::gc::HP>(Map::c_nHazardPtrCount + 2);
    }
    std::unique_ptr<cds::gc::HP> gc;
  };
  static void attach() {
    static Library* const library = new Library;  // Lives as long as its threads.
    static_cast<void>(library);
    thread_local const bool is_attached = [] {
      cds::threading::Manager::attachThread();
      return true;
    }();
    static_cast<void>(is_attached);
  }
  struct Attached {
    Attached() { attach(); }
  };
  using Map = cds::container::SkipListMap<
      cds::gc::HP, std::string, std::string,
      cds::container::skip_list::make_traits<cds::opt::less<std::less<std::string>>>::type>;
  Attached attached_;
  std::unique_ptr<Map> map_;
};
#endif

}  // namespace aether::bench
