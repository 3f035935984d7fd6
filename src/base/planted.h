/// Planted bugs: mistakes that the simulation has to find, or it proves nothing (sim/PLANTED.md).
///
///   if (!AETHER_PLANTED("wal.skip_sync")) AETHER_TRY(file->sync());
///
/// Compiled in with the build options AETHER_SIM and AETHER_TRACE only; else the condition is the constant false. At most one is alive in a
/// process: the one that the environment variable AETHER_PLANT names, or `plant` was given.
#pragma once

#if defined(AETHER_SIM) || defined(AETHER_TRACE)

#include <string>

namespace aether::base {

/// Empty: none. Before any thread is started.
void plant(const std::string& name);
bool is_planted(const char* name) noexcept;

}  // namespace aether::base

#define AETHER_PLANTED(name) __builtin_expect(::aether::base::is_planted(name), 0)
#else
#define AETHER_PLANTED(name) false
#endif
