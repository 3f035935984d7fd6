/// A few threads of which one works at a time: calls come from different log streams, and yet in one order.
///
/// Threads   `run` from one thread at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace aether::oracle {

class Crew {
 public:
  static constexpr size_t kWorkers = 3;

  /// One crew in the process, so that a seed always meets the same worker ids, and so the same streams.
  static Crew& only();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew();

  /// Runs `work` on worker `index` and returns when it is done.
  void run(size_t index, const std::function<void()>& work);

 private:
  struct Worker;
  Crew();
  static void serve(Worker& worker);
  static void hand_over(Worker& worker, const std::function<void()>* work);

  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace aether::oracle
