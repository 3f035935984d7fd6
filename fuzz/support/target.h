/// What a fuzz target is: one file fuzz_<name>.cpp that defines the two functions below, linked either with libFuzzer or
/// with replay_main.cpp, which runs seeds, regressions and a few thousand mutations of its own.
///
/// Threads   One.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Runs one input. A finding is a crash, a sanitizer's report, a time-out, or a FUZZ_REQUIRE that does not hold.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace aether::fuzz {

/// Inputs to begin with, made by the project's own writers; the same ones every time.
std::vector<std::string> seeds();

/// Prints what did not hold, and aborts: libFuzzer then keeps the input.
[[noreturn]] void broken(const char* what, const char* file, int line,
                         const std::string& more) noexcept;

}  // namespace aether::fuzz

/// A property of the target. `more` is a text for whoever reads the finding.
#define FUZZ_REQUIRE_SAYING(condition, more)           \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::aether::fuzz::broken(#condition, __FILE__, __LINE__, (more)))
#define FUZZ_REQUIRE(condition) FUZZ_REQUIRE_SAYING(condition, std::string())
