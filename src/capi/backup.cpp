// Backups, and environments made of them.
#include "aether/backup.h"

#include <string>
#include <vector>

#include "capi/answer.h"
#include "capi/given_options.h"
#include "capi/handles_private.h"

using namespace aether;
using namespace aether::capi;

extern "C" {

int aether_backup(aether_env* env, const char* directory, const aether_backup_options* options) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(directory, "directory"));
    AETHER_TRY_ASSIGN(const BackupOptions given, backup_options(directory, options));
    AETHER_TRY(env->env->backup(given));
    return {};
  });
}

int aether_verify_backup(const char* const* directories, size_t count) {
  return answer([&]() -> Result<void> {
    AETHER_TRY_ASSIGN(const std::vector<std::string> given,
                      texts_of(directories, count, "directories"));
    AETHER_TRY(verify_backup(given));
    return {};
  });
}

int aether_restore(const char* home, const aether_restore_options* options) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(home, "home"));
    AETHER_TRY(check_given(options, "options"));
    AETHER_TRY_ASSIGN(const RestoreOptions given, restore_options(home, options));
    AETHER_TRY(restore(given));
    return {};
  });
}

}  // extern "C"
