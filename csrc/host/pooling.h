// What several members say together, for several listeners at once.
//
// Shapes: m = members, s = listeners, n = rows, C = classes.
#pragma once

#include <cstdint>

#include "element.h"

namespace cotrain {

struct Opinion {
  Element element;  // float32 or float64
  const void* data;
  std::int64_t row_stride, class_stride;  // in bytes, of any sign and alignment
  double temperature;                     // > 0
};

struct Heard {
  std::int64_t* codes;    // [n]; -1 where nobody speaks
  double* confidence;     // [n]; NaN there
  double* margin;         // [n]; NaN there
  double* agreement;      // [n]; 0 there
  double* probabilities;  // [n, C], NaN there; null = not wanted
};

struct Pooling {
  std::int64_t n_members, n_listeners, n_rows, n_classes;
  const Opinion* opinions;  // [m], each [n, C]; a row that holds a NaN abstains
  const double* loudness;   // [s, m] >= 0; with 0 a listener does not hear that member
  const Heard* heard;       // [s]
  const double* log_prior;  // [C]
  double voices, faintest, tie;
};

// Shards of `shard_rows` rows over at most `n_threads` threads. Rows know nothing of one another, so results are the
// same bits for any number of either. A thread's memory is m * C * 144 bytes and some, whatever n.
void pool_opinions(const Pooling& pooling, std::int64_t shard_rows, int n_threads);

}  // namespace cotrain
