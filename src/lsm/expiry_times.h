/// When the entries of a run expire: how many, and how many bytes of keys and values, those outside with them, by time. In few numbers, so it is about so.
///
/// Times are counted in steps of 2^k milliseconds, each where something expires: 64 at most; where there would be more, steps become twice as long. So
/// times that are near each other are told apart as well as 1 in 32 of what lies between them, and one far away costs a step and no more.
///
/// Threads   Values.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "aether/error.h"
#include "aether/options.h"

namespace aether::lsm {

class ExpiryTimes {
 public:
  struct Amount {
    uint64_t entries = 0;
    uint64_t bytes = 0;
  };

  /// `expiry_ms` since 1970, above 0.
  void add(uint64_t expiry_ms, uint64_t bytes);
  bool empty() const noexcept { return steps_.empty(); }
  Amount all() const noexcept;
  /// What has expired at that time; of a step that it is in, the share that is over.
  Amount expired(uint64_t now_ms) const noexcept;
  /// When at least `bytes` will have expired, for certain. ~0: there are fewer, or as good as never.
  uint64_t time_of(uint64_t bytes) const noexcept;

  /// A section of a run: docs/formats/run.md.
  std::string encode() const;
  /// Errors: corruption, unsupported (a newer format).
  static Result<ExpiryTimes> decode(Bytes bytes);

 private:
  static constexpr uint32_t kStepsMax = 64;
  static constexpr uint8_t kShiftMax = 58;  ///< Then there are 64 steps in all.

  void make_steps_longer();

  uint8_t shift_ = 0;                 ///< k.
  std::map<uint64_t, Amount> steps_;  ///< By expiry_ms >> shift_.
};

}  // namespace aether::lsm
