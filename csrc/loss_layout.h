// How [samples, classes, ...] lie in memory: everything after the classes is one run of positions.
#pragma once

#include "multi_head_loss.h"
#include "tensors.h"

namespace cotrain {

inline bool has_same_shape(const Tensor& a, const Tensor& b) {
  if (a.dim() != b.dim()) return false;
  for (std::int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) != b.size(d)) return false;
  }
  return true;
}

// [n, ...] beside [n, C, ...].
inline bool is_shape_without_classes(const Tensor& tensor, const Tensor& outputs) {
  if (tensor.dim() != outputs.dim() - 1 || tensor.size(0) != outputs.size(0)) return false;
  for (std::int64_t d = 1; d < tensor.dim(); ++d) {
    if (tensor.size(d) != outputs.size(d + 1)) return false;
  }
  return true;
}

// Whether neighbouring positions are equally far apart, also from one line to the next. Channels-last is.
inline bool has_joined_positions(const Tensor& tensor) {
  for (std::int64_t d = 2; d + 1 < tensor.dim(); ++d) {
    if (tensor.size(d) > 1 && tensor.stride(d) != tensor.stride(d + 1) * tensor.size(d + 1)) return false;
  }
  return true;
}

// The same tensor, or a copy in which it is so.
inline Tensor with_joined_positions(const Tensor& tensor) {
  return has_joined_positions(tensor) ? tensor : torch::stable::contiguous(tensor);
}

inline Strides strides_of(const Tensor& tensor) {
  return {tensor.stride(0), tensor.stride(1), tensor.dim() > 2 ? tensor.stride(tensor.dim() - 1) : 0};
}

}  // namespace cotrain
