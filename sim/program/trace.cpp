#include "sim/program/trace.h"

#include <cstdio>
#include <string>

#include "base/checksum.h"

namespace aether::program {

void Trace::see(const sim::Step& step) {
  const uint64_t fields[] = {
      hash_,
      static_cast<uint64_t>(step.kind),
      base::checksum(step.path.data(), step.path.size()),
      base::checksum(step.to.data(), step.to.size()),
      step.offset,
      step.size,
      step.data == nullptr ? 0 : base::checksum(step.data, step.size),
  };
  hash_ = base::checksum(fields, sizeof fields);
  ++steps_;
  if (!prints_) return;
  std::printf("%llu %s %s offset %llu size %llu data %016llx\n",
              static_cast<unsigned long long>(steps_), sim::to_string(step.kind),
              std::string(step.path).c_str(), static_cast<unsigned long long>(step.offset),
              static_cast<unsigned long long>(step.size),
              static_cast<unsigned long long>(fields[6]));
}

}  // namespace aether::program
