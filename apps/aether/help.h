/// Texts of help: what each verb does, with examples.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "apps/aether/options.h"

namespace aether::cli {

struct VerbHelp {
  Verb verb;
  const char* name;
  const char* summary;
  const char* examples;  ///< Lines, without "aether --home DIR".
};

/// All verbs, in the order in which help shows them.
std::span<const VerbHelp> verb_helps() noexcept;

/// What `aether` without a verb prints: usage and two examples.
std::string short_help();
/// The list of verbs with examples, in front of the options.
std::string full_help_head();
std::string verb_help_head(const VerbHelp& help);
std::string version_text();

}  // namespace aether::cli
