/// Reads that a store of any kind answers. `Rows` makes it: `store_`, a KvStore with the rows of rows.h, and `next_key()`, one of theirs.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "aether/aether.hpp"
#include "hotpaths/hot_path.h"
#include "hotpaths/rows.h"

namespace aether::hotpaths {

template <typename Rows>
class GetOf final : public Rows {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) must(this->store_->get(this->next_key(), value_));
  }
  std::string value_;
};

template <typename Rows>
class GetAbsentOf final : public Rows {
 public:
  GetAbsentOf() {
    for (uint64_t row = kRows; row < 2 * kRows; ++row) absent_.push_back(key_of(row));
  }

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      if (this->store_->get(absent_[i % kRows], value_).has_value()) std::abort();
    }
  }
  std::vector<std::string> absent_;
  std::string value_;
};

template <typename Rows, uint64_t kLength>
class ScanOf final : public Rows {
  void run(uint64_t count) override {
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t visited = 0;
      const Result<uint64_t> scanned = this->store_->scan({.begin = this->next_key(), .end = {}},
                                                          [&](Bytes /*key*/, Bytes value) {
                                                            bytes += value.size();
                                                            return ++visited < kLength;
                                                          });
      if (!scanned) stop(scanned.error());
    }
    keep(bytes);
  }
};

}  // namespace aether::hotpaths
