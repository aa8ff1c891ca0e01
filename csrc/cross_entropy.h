// Weighted cross-entropy of many heads in one call: what the kernels of every device are given, and what they find.
//
// Shapes: n = rows of a head, C = its classes. `Sum` is the type that sums are kept in (float, or double for double).
#pragma once

#include <cstdint>
#include <vector>

#include "element.h"

namespace cotrain {

constexpr std::int64_t ignored_code = -100;  // as torch.nn.functional.cross_entropy

// One head. Class codes XOR probabilities; no weights = 1 for every row.
struct CrossEntropyHead {
  std::int64_t n_rows = 0;
  std::int64_t n_classes = 0;
  const void* logits = nullptr;            // [n, C] Element, classes adjacent
  std::int64_t logits_row_stride = 0;
  const std::int64_t* codes = nullptr;     // [n]
  const void* probabilities = nullptr;     // [n, C] Sum, classes adjacent
  std::int64_t probabilities_row_stride = 0;
  const void* weights = nullptr;           // [n] Sum
  double gradient_scale = 1;               // multiplies the gradient of the head's loss
  void* per_sample = nullptr;              // [n] Sum, out: bare loss of each row, 0 where the row is left out
  void* gradient = nullptr;                // [n, C] Sum, out, contiguous; null = not wanted
};

// The first fault in the inputs, if any, by head, then row, a row's weight before its code; nothing is written then.
// A row of weight 0 is not read, so its code is no fault.
struct CrossEntropyFault {
  enum class Kind { none, code, weight } kind = Kind::none;
  std::size_t head = 0;
  std::int64_t row = 0;
};

// Writes per_sample and gradient of every head and its weighted mean loss [H]; 0 where no row counts.
// The same bits for any number of threads.
CrossEntropyFault cross_entropy_cpu(Element element, const std::vector<CrossEntropyHead>& heads, double* head_losses);

}  // namespace cotrain
