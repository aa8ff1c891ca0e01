// The weighted loss of many heads in one call: what the kernels of every device are given, and what they find.
//
// Shapes: n = samples of a head, C = its classes or values, P = positions of a sample (pixels; 1 for flat outputs).
// `Sum` is the type that sums are kept in (float, or double for double).
#pragma once

#include <cstdint>
#include <vector>

#include "element.h"
#include "host_device.h"

namespace cotrain {

// In the order of the schema's `kinds`, see cotrain/ops/kinds.py.
enum class LossKind : std::int64_t {
  cross_entropy,             // codes or probabilities; setting = label smoothing
  distillation,              // the teacher's logits; setting = temperature
  distillation_from_probabilities,  // the teacher's probabilities; setting = temperature
  focal,                     // codes; setting = gamma
  binary_cross_entropy,      // [n, C, P] targets from 0 to 1
  squared_error,             // [n, C, P] values
  huber,                     // [n, C, P] values; setting = delta
};

// Whether a loss is one of all classes at a position, not one of each element.
COTRAIN_HD bool is_over_classes(LossKind kind) { return kind <= LossKind::focal; }

// How many elements lie between neighbours.
struct Strides {
  std::int64_t sample = 0, item = 0, position = 0;
};

struct LossHead {
  LossKind kind = LossKind::cross_entropy;
  double setting = 0;
  std::int64_t n_samples = 0, n_classes = 0, n_positions = 1;
  const void* outputs = nullptr;  // [n, C, P] Element
  Strides outputs_at;
  const std::int64_t* codes = nullptr;  // [n, P]; XOR targets
  std::int64_t ignored_code = -100;
  const void* targets = nullptr;  // [n, C, P] Sum, or Element; a NaN among elements' targets = missing
  bool targets_are_elements = false;
  Strides targets_at;
  const bool* mask = nullptr;  // [n, C, P], or without classes; stride 0 where it is the same; null = all count
  Strides mask_at;
  const void* weights = nullptr;        // [n] Sum; null = 1
  const void* class_weights = nullptr;  // [C] Sum; null = 1
  double gradient_scale = 1;            // multiplies the gradient of the head's loss
  void* per_sample = nullptr;           // [n] Sum, out: mean over the sample's parts that count, 0 where none does
  void* gradient = nullptr;             // [n, C, P] Element, out; null = not wanted
  Strides gradient_at;
};

// Gradients that came in, where they are read on the device: a head's own is multiplied with
// gradient_scale * of_total + of_heads[h]. Null: with gradient_scale alone.
struct Incoming {
  const void* of_total = nullptr;  // [] Sum
  const void* of_heads = nullptr;  // [H] Sum; null = 0
};

// The first fault in the inputs, if any: class weights, then by head and sample, a sample's weight before its codes;
// nothing is written then. A sample of weight 0 and what is masked are not read, so their codes are no fault.
struct LossFault {
  enum class Kind { none, code, weight, class_weight } kind = Kind::none;
  std::size_t head = 0;
  std::int64_t sample = 0, position = 0;  // of a class weight: its class, 0
};

// Writes per_sample and gradient of every head and its weighted mean loss [H]; 0 where nothing counts.
// The same bits for any number of threads.
LossFault multi_head_loss_cpu(Element element, const std::vector<LossHead>& heads, double* head_losses);

}  // namespace cotrain
