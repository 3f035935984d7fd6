/// The live channel: an open environment answers other processes of the same user (docs/formats/live.md).
///
/// One thread, aether-live, serves one request at a time and sleeps between them. A request is a line, the answer a
/// line and a JSON document. A new verb is a function and a row in the table of live.cpp.
///
/// Threads   start and the destructor: the one that opens and closes.
/// Trust     Who may connect owns the directory, but may send anything and read as slowly as it likes: requests,
///           answers and times are bounded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "db/live_verify.h"
#include "os/os.h"

namespace aether::db {

class EnvImpl;

class Live {
 public:
  /// Makes the name in the environment's directory, whose LOCK is held. `env` and `os` must outlive it.
  static Result<std::unique_ptr<Live>> listen(EnvImpl& env, os::Os& os);
  /// Begins to serve. Errors: no_memory.
  Result<void> start();
  /// Breaks off what is being served. The name goes.
  ~Live();
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

 private:
  Live(EnvImpl& env, os::Os& os, std::unique_ptr<os::Listener> listener);
  void run();
  void serve(os::Connection& client);
  Result<std::string> read_request(os::Connection& client);
  Result<std::string> answer(std::string_view request);

  EnvImpl& env_;
  os::Os& os_;
  const uint64_t since_ns_;
  LiveVerify verify_;  ///< Goes after the thread that uses it.
  std::unique_ptr<os::Listener> listener_;
  std::unique_ptr<os::Thread> thread_;
};

}  // namespace aether::db
