// How [samples, classes, ...] lie in memory: everything after the classes is one run of positions.
#pragma once

#include "fresh.h"
#include "layout.h"
#include "multi_head_loss.h"
#include "tensors.h"

namespace cotrain {

// [n, ...] beside [n, C, ...].
inline bool is_shape_without_classes(const Tensor& tensor, const Tensor& outputs) {
  if (tensor.dim() != outputs.dim() - 1 || tensor.size(0) != outputs.size(0)) return false;
  for (std::int64_t d = 1; d < tensor.dim(); ++d) {
    if (tensor.size(d) != outputs.size(d + 1)) return false;
  }
  return true;
}

// Whether neighbouring positions are equally far apart, also from one line to the next. Channels-last is. What a
// dimension of size 1 has for a stride means nothing.
inline bool has_joined_positions(const Tensor& tensor) {
  std::int64_t expected = -1;
  for (std::int64_t d = tensor.dim() - 1; d >= 2; --d) {
    if (tensor.size(d) == 1) continue;
    if (expected >= 0 && tensor.stride(d) != expected) return false;
    expected = tensor.stride(d) * tensor.size(d);
  }
  return true;
}

// The same tensor, or a copy in which it is so.
inline Tensor with_joined_positions(const Tensor& tensor) {
  if (has_joined_positions(tensor)) return tensor;
  Tensor copy = fresh_packed(tensor);
  torch::stable::copy_(copy, tensor);
  return copy;
}

inline Strides strides_of(const Tensor& tensor) {
  std::int64_t position = 0;
  for (std::int64_t d = 2; d < tensor.dim(); ++d) {
    if (tensor.size(d) != 1) position = tensor.stride(d);
  }
  return {tensor.stride(0), tensor.stride(1), position};
}

}  // namespace cotrain
