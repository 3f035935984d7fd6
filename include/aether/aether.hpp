/// Everything a C++ program needs to use Aether.
#pragma once

#include "aether/batch.h"
#include "aether/env.h"
#include "aether/error.h"
#include "aether/generic_kv_store.h"
#include "aether/options.h"
#include "aether/retry.h"
#include "aether/stats.h"
#include "aether/store.h"
#include "aether/transaction.h"
#include "aether/version.h"
