// What the bindings share: tensors of the stable ABI as plain pointers.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <stdexcept>
#include <string>

#include "element.h"

namespace cotrain {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline Element element_of(const Tensor& tensor, const char* name) {
  switch (tensor.scalar_type()) {
    case ScalarType::Float: return Element::float32;
    case ScalarType::Double: return Element::float64;
    case ScalarType::BFloat16: return Element::bfloat16;
    case ScalarType::Half: return Element::float16;
    default:
      throw std::invalid_argument(std::string("`") + name + "` must be float32, float64, bfloat16 or float16.");
  }
}

// The type that sums are kept in.
inline ScalarType sum_type(Element element) {
  return element == Element::float64 ? ScalarType::Double : ScalarType::Float;
}

// The message is built only where the condition fails.
#define COTRAIN_REQUIRE(condition, message) \
  if (!(condition)) throw std::invalid_argument(message)

inline void require_type(const Tensor& tensor, ScalarType type, const char* name) {
  COTRAIN_REQUIRE(tensor.scalar_type() == type, std::string("`") + name + "` has the wrong dtype for this operator.");
}

}  // namespace cotrain
