/// Which rare points (base/reached.h) were come by, and under which circumstances: a kind of fault that has struck, the
/// recovery from a crash, or none of these.
///
/// Threads   One at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/reached.h"

namespace aether::oracle {

class Coverage {
 public:
  Coverage();
  Coverage(const Coverage&) = delete;
  Coverage& operator=(const Coverage&) = delete;

  struct Point {
    std::string file;  ///< From "src/" on.
    uint64_t times = 0;
    std::map<std::string, uint64_t> under;  ///< By circumstance.
  };
  /// By name, those too that nobody has come by. Empty: the engine is compiled without them.
  std::map<std::string, Point> points();

  /// While it lives, what is come by counts for `circumstance`.
  class Under {
   public:
    Under(Coverage& coverage, const std::string& circumstance)
        : coverage_(coverage), before_(coverage.enter(circumstance)) {}
    ~Under() { coverage_.enter(before_); }
    Under(const Under&) = delete;
    Under& operator=(const Under&) = delete;

   private:
    Coverage& coverage_;
    const std::string before_;
  };
  /// From now on. The circumstance until now.
  std::string enter(const std::string& circumstance);
  const std::string& now() const { return now_; }

 private:
  void settle();

  const std::vector<const base::ReachedPoint*> all_;
  std::vector<uint64_t> seen_;  ///< As often as each was come by when this was last looked at.
  std::map<std::string, std::vector<uint64_t>> times_;
  std::string now_ = "none";
};

}  // namespace aether::oracle
