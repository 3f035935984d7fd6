// What the tests of the C++ API's contract share: an environment in a directory of its own, and answers that are
// checked with their message.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "aether/aether.hpp"
#include "unit/os/temp_directory.h"

namespace aether::contract {

template <typename T>
testing::AssertionResult ok(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << to_string(result.error().code()) << ": " << result.error().message();
}

/// It failed with `code`, and its message holds `says`.
template <typename T>
testing::AssertionResult fails(const Result<T>& result, Code code, std::string_view says = "") {
  if (result) return testing::AssertionFailure() << "it was no error";
  const Error& error = result.error();
  if (error.code() == code && error.message().find(says) != std::string_view::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << to_string(error.code()) << ": " << error.message()
                                     << "; expected " << to_string(code) << ": ..." << says;
}

/// True or false as `expected`, and no error.
inline testing::AssertionResult answers(const Result<bool>& result, bool expected) {
  if (!result) return ok(result);
  if (*result == expected) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "it was " << *result;
}

inline EnvOptions small_options(uint32_t page_bytes = 4096) {
  EnvOptions options;
  options.page_bytes = page_bytes;
  options.pool_bytes = 256 * page_bytes;
  options.log_streams = 2;
  options.log_segment_bytes = 1 * MiB;
  options.log_bytes_max = 8 * MiB;
  options.durability = Durability::none;
  return options;
}

/// A place for an environment on real files, and the environment if it was opened.
struct Place {
  testing_support::TempDirectory directory;
  std::string home = directory / "env";
  EnvOptions options = small_options();
  std::unique_ptr<DbEnv> env;

  Result<void> open() {
    env.reset();
    AETHER_TRY_ASSIGN(env, DbEnv::open(home, options));
    return {};
  }
  KvStore store(const std::string& name = "main") {
    Result<KvStore> opened = env->open_store(name);
    if (!opened) ADD_FAILURE() << opened.error().message();
    return *opened;
  }
  Transaction begin(const TxnOptions& how = {}) {
    Result<Transaction> begun = env->begin(how);
    if (!begun) ADD_FAILURE() << begun.error().message();
    return *std::move(begun);
  }
  /// Every page is well, and each is either reachable or free.
  testing::AssertionResult whole() {
    const Result<VerifyReport> report = env->verify();
    if (!report) return ok(report);
    if (report->ok()) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << "page " << report->problems[0].page_id << ": " << report->problems[0].message;
  }
};

inline std::string key_of(int i) { return "key" + std::to_string(100000 + i); }

}  // namespace aether::contract
