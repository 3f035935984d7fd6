#include "apps/aether/parse.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <utility>

#include "apps/aether/help.h"
#include "apps/aether/suggest.h"
#include "apps/aether/text.h"
#include "apps/aether/verb_options.h"

namespace aether::cli {
namespace {

/// All names of options that `app` knows, as typed.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

void print(std::FILE* to, const std::string& text) { std::fwrite(text.data(), 1, text.size(), to); }

ExitCode usage_error(const std::string& message, const std::string& hint) {
  print(stderr, "aether: " + message + "\n" + (hint.empty() ? "" : "hint: " + hint + "\n"));
  return ExitCode::usage;
}

std::string option_line(const CLI::Option& option) {
  std::string left = "  " + option.get_name(false, true);
  if (option.get_positional()) left = "  " + option.get_type_name();
  if (!option.get_positional() && option.get_items_expected_max() > 0) {
    left += " " + option.get_type_name();
  }
  constexpr size_t kColumn = 34;
  left += left.size() + 2 > kColumn ? "\n" + std::string(kColumn, ' ')
                                    : std::string(kColumn - left.size(), ' ');
  return left + option.get_description() + "\n";
}

/// What was given of a store of kind lsm; empty: nothing.
std::string given_of_lsm(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() == kLsmGroup && option->count() > 0) return option->get_name();
  }
  return "";
}

/// The options of one level, a line each.
std::string options_text(const CLI::App& app, const std::string& heading) {
  std::string text = heading + ":\n";
  for (const CLI::Option* option : app.get_options()) text += option_line(*option);
  return text;
}

class Parser {
 public:
  Parser();
  std::variant<Options, ExitCode> parse(int argument_count, const char* const* arguments);

 private:
  ExitCode print_help(bool is_short);
  ExitCode complain(const CLI::ParseError& error);
  ExitCode complain_of_unknown(const std::string& word);
  CLI::App* chosen() const {
    const auto used = app_.get_subcommands();
    return used.empty() ? nullptr : used.front();
  }

  Options options_;
  CLI::App app_{"", "aether"};
  std::map<Verb, CLI::App*> verbs_;
};

Parser::Parser() {
  app_.set_help_flag("--help", "Examples and all options");
  app_.set_help_all_flag("-h", "Options only");
  app_.set_version_flag("--version", version_text(), "Versions of program and formats");
  app_.option_defaults()->take_last();  // An alias may hold --home; what is typed wins.
  for (const VerbHelp& help : verb_helps()) {
    CLI::App* verb = app_.add_subcommand(help.name, help.summary);
    verb->fallthrough();  // Global options may stand behind the verb as well.
    verbs_[help.verb] = verb;
  }
  add_verb_options(app_, verbs_, options_);
}

ExitCode Parser::print_help(bool is_short) {
  CLI::App* verb = chosen();
  if (verb == nullptr) {
    print(stdout,
          is_short ? short_help() : full_help_head() + "\n" + options_text(app_, "Options"));
    return ExitCode::ok;
  }
  std::string text = "Usage: aether --home DIR " + verb->get_name();
  for (const CLI::Option* option : verb->get_options()) {
    if (option->get_positional()) text += " " + option->get_type_name();
  }
  text += " [OPTION]...\n";
  for (const VerbHelp& help : verb_helps()) {
    if (!is_short && help.name == verb->get_name())
      text = verb_help_head(help).append("\n").append(text);
  }
  text += "\n" + options_text(*verb, "Options") + "\n" + options_text(app_, "Global options");
  print(stdout, text);
  return ExitCode::ok;
}

ExitCode Parser::complain_of_unknown(const std::string& word) {
  const CLI::App* verb = chosen();
  std::vector<std::string> known;
  const bool is_option = word.starts_with("-") && word != "-";
  if (is_option) {
    known = option_names(app_);
    if (verb != nullptr) {
      for (std::string& name : option_names(*verb)) known.push_back(std::move(name));
    }
  } else if (verb == nullptr) {
    for (const VerbHelp& help : verb_helps()) known.emplace_back(help.name);
  }
  const std::string typed = word.substr(0, word.find('='));
  const std::string meant = nearest(typed, known);
  const std::string what = is_option ? "option" : verb == nullptr ? "verb" : "argument";
  const std::string of = verb == nullptr ? "" : " of " + verb->get_name();
  const std::string help = verb == nullptr ? "see aether --help"
                                           : "see aether " + verb->get_name() + " --help";
  return usage_error("no " + what + " " + in_quotes(typed) + of,
                     meant.empty() ? help : "did you mean " + meant + "?");
}

ExitCode Parser::complain(const CLI::ParseError& error) {
  const std::vector<std::string> extras = app_.remaining(true);
  if (!extras.empty()) return complain_of_unknown(extras.front());
  const CLI::App* verb = chosen();
  const std::string help = verb == nullptr ? "see aether --help"
                                           : "see aether " + verb->get_name() + " --help";
  return usage_error(error.what(), help);
}

std::variant<Options, ExitCode> Parser::parse(int argument_count, const char* const* arguments) {
  if (argument_count <= 1) {
    print(stderr, short_help());
    return ExitCode::usage;
  }
  try {
    app_.parse(argument_count, arguments);
  } catch (const CLI::CallForAllHelp&) {
    return print_help(true);
  } catch (const CLI::CallForHelp&) {
    return print_help(false);
  } catch (const CLI::CallForVersion&) {
    print(stdout, version_text());
    return ExitCode::ok;
  } catch (const CLI::ParseError& error) {
    return complain(error);
  }
  if (chosen() == nullptr) return usage_error("a verb is missing", "see aether --help");
  for (const auto& [verb, app] : verbs_) {
    if (app == chosen()) options_.verb = verb;
  }
  const StoreOptions& made = options_.verb == Verb::load ? options_.load.creation
                                                         : options_.put.creation;
  const std::string of_lsm = given_of_lsm(*chosen());
  if (!of_lsm.empty() && made.index != IndexKind::lsm)
    return usage_error(of_lsm + " is an option of a store of kind lsm", "give --index lsm as well");
  const DelOptions& del = options_.del;
  if (options_.verb == Verb::del && !del.key && !del.from && !del.to && !del.prefix)
    return usage_error("del what?", "give a KEY, or a range by --from, --to or --prefix");
  if (options_.verb == Verb::inspect && !options_.inspect.page && !options_.inspect.store)
    return usage_error("inspect what?", "give a page's number, or --store NAME");
  const bool needs_home = !(options_.verb == Verb::backup &&
                            (options_.backup.verify || options_.backup.list)) &&
                          !(options_.verb == Verb::archive && !options_.archive.copy) &&
                          !(options_.verb == Verb::bench && !options_.bench.directory.empty());
  if (needs_home && options_.global.home.empty()) {
    return usage_error("which environment?", "give --home DIR, or set AETHER_HOME");
  }
  return options_;
}

}  // namespace

std::variant<Options, ExitCode> parse_command_line(int argument_count,
                                                   const char* const* arguments) {
  return Parser().parse(argument_count, arguments);
}

}  // namespace aether::cli
