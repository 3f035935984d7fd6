#include "db/documents.h"

namespace aether::db {

void append_problems(base::JsonWriter& json, const std::vector<VerifyProblem>& problems) {
  json.name("problems").begin_array();
  for (const VerifyProblem& problem : problems) {
    json.begin_object()
        .member("page_id", problem.page_id)
        .bytes("store", problem.store)
        .bytes("message", problem.message)
        .end_object();
  }
  json.end_array();
}

}  // namespace aether::db
