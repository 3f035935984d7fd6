// A simulated machine whose disk says that a write is done and has not done it, or has done it elsewhere in the file.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "sim/forwarding_os.h"
#include "sim/random.h"

namespace aether::crash {

enum class Misplaced : uint8_t {
  lost,         ///< Nothing is written.
  misdirected,  ///< It goes to another place of the file, in units of 4 KiB.
};

class MisplacingOs final : public sim::ForwardingOs {
 public:
  struct Plan {
    Misplaced how = Misplaced::lost;
    std::string about;  ///< Files whose path contains it.
    uint64_t nth = 1;   ///< Of their writes from now on, from 1.
    uint64_t seed = 1;
    bool of_one_unit = false;  ///< Of a longer write, 4 KiB; the rest is done right.
  };

  explicit MisplacingOs(os::Os& os) : ForwardingOs(os) {}
  void plan(Plan plan) {
    plan_ = std::move(plan);
    left_ = plan_.nth;
    random_ = sim::Random(plan_.seed);
  }
  /// What has not struck yet never will.
  void disarm() noexcept { left_ = 0; }
  uint64_t fired() const noexcept { return fired_; }

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenFlags flags) override {
    AETHER_TRY_ASSIGN(std::unique_ptr<os::File> file, ForwardingOs::open(path, flags));
    return std::unique_ptr<os::File>(new File(std::move(file), *this));
  }

 private:
  static constexpr uint64_t kUnit = 4096;

  class File final : public sim::ForwardingFile {
   public:
    File(std::unique_ptr<os::File> file, MisplacingOs& owner)
        : ForwardingFile(std::move(file)), owner_(owner) {}
    Result<void> write_at(uint64_t offset, const void* data, uint64_t size) override {
      if (!owner_.strikes(path())) return ForwardingFile::write_at(offset, data, size);
      return owner_.misplace(behind(), offset, static_cast<const std::byte*>(data), size);
    }

   private:
    MisplacingOs& owner_;
  };

  bool strikes(const std::string& path) {
    if (left_ == 0 || path.find(plan_.about) == std::string::npos) return false;
    return --left_ == 0;
  }

  Result<void> misplace(os::File& file, uint64_t offset, const std::byte* data, uint64_t size) {
    ++fired_;
    uint64_t begin = 0;
    uint64_t end = size;
    if (plan_.of_one_unit && size > kUnit) {
      begin = random_.below(size / kUnit) * kUnit;
      end = begin + kUnit;
      if (begin > 0) AETHER_TRY(file.write_at(offset, data, begin));
      if (end < size) AETHER_TRY(file.write_at(offset + end, data + end, size - end));
    }
    if (plan_.how == Misplaced::lost) return {};
    AETHER_TRY_ASSIGN(const uint64_t bytes, file.size());
    // Most of a file lies before what is written to it: a hole behind it harms nobody.
    const uint64_t units = std::max<uint64_t>(2, std::min(bytes, 2 * (offset + size)) / kUnit);
    uint64_t to = random_.below(units) * kUnit;
    if (to == offset + begin) to = to == 0 ? kUnit : 0;
    return file.write_at(to, data + begin, end - begin);
  }

  Plan plan_;
  uint64_t left_ = 0;
  uint64_t fired_ = 0;
  sim::Random random_{1};
};

}  // namespace aether::crash
