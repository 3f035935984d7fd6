// Moves money between two accounts: both rows change, or neither does.
//
//   example_transactions DIR

#include <cstdio>
#include <string>

#include "aether/aether.hpp"

namespace {

using aether::Code;
using aether::Error;
using aether::Result;

Result<int> balance_of(aether::KvStore& accounts, aether::Transaction& txn, const char* name) {
  AETHER_TRY_ASSIGN(const std::string text, accounts.get(txn, name));
  return std::stoi(text);
}

/// Whatever path leaves this function before the commit, the transaction's destructor takes all back.
Result<void> transfer(aether::DbEnv& env, aether::KvStore& accounts, const char* from,
                      const char* to, int amount) {
  AETHER_TRY_ASSIGN(aether::Transaction txn, env.begin());
  AETHER_TRY_ASSIGN(const int giver, balance_of(accounts, txn, from));
  AETHER_TRY(accounts.update(txn, from, std::to_string(giver - amount)));
  AETHER_TRY_ASSIGN(const int taker, balance_of(accounts, txn, to));
  AETHER_TRY(accounts.update(txn, to, std::to_string(taker + amount)));
  if (giver < amount) return Error(Code::invalid_argument, std::string(from) + " has too little");
  return txn.commit();
}

Result<int> run(const std::string& home) {
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(aether::KvStore accounts, env->open_store("accounts"));
  AETHER_TRY(accounts.put("ada", "100"));
  AETHER_TRY(accounts.put("bob", "20"));

  AETHER_TRY(transfer(*env, accounts, "ada", "bob", 30));
  const Result<void> refused = transfer(*env, accounts, "bob", "ada", 1000);
  std::printf("second transfer: %s\n",
              refused ? "done" : std::string(refused.error().message()).c_str());
  const Result<void> nobody = transfer(*env, accounts, "ada", "eve", 1);

  AETHER_TRY_ASSIGN(const std::string ada, accounts.get("ada"));
  AETHER_TRY_ASSIGN(const std::string bob, accounts.get("bob"));
  std::printf("ada %s, bob %s\n", ada.c_str(), bob.c_str());
  AETHER_TRY(env->close());

  const bool kept = ada == "70" && bob == "50";
  return kept && !refused && !nobody && nobody.error().code() == Code::not_found ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_transactions DIR\n");
    return 2;
  }
  const Result<int> outcome = run(arguments[1]);
  if (outcome) return *outcome;
  std::fprintf(stderr, "%s\n", std::string(outcome.error().message()).c_str());
  return 1;
}
