/// What the command line of each verb consists of: names, words, numbers and their bounds, and where they go.
///
/// Threads   One thread.
#pragma once

#include <CLI/CLI.hpp>
#include <map>

#include "apps/aether/options.h"

namespace aether::cli {

/// Options that only a store of kind lsm has.
constexpr const char* kLsmGroup = "lsm";

/// Adds the global options to `app` and those of each verb to its own; what is parsed goes to `options`, which must outlive them.
void add_verb_options(CLI::App& app, const std::map<Verb, CLI::App*>& verbs, Options& options);

}  // namespace aether::cli
