// What of a head counts, and how much. Compiled once per namespace by for_each_isa.h.

template <typename Sum>
COTRAIN_INLINE Sum weight_of(const LossHead& head, std::int64_t sample) {
  return head.weights == nullptr ? Sum(1) : static_cast<const Sum*>(head.weights)[sample];
}

template <typename Sum>
COTRAIN_INLINE Sum class_weight_of(const LossHead& head, std::int64_t c) {
  return head.class_weights == nullptr ? Sum(1) : static_cast<const Sum*>(head.class_weights)[c];
}

// A head's loss is a mean in which a class weight counts like a sample weight, as in PyTorch: where there are codes.
template <typename Sum>
COTRAIN_INLINE double share_of(const LossHead& head, Sum weight, std::int64_t code) {
  const bool by_class = head.codes != nullptr && head.kind == LossKind::cross_entropy;
  return double(weight) * (by_class ? double(class_weight_of<Sum>(head, code)) : 1.0);
}

template <typename E>
COTRAIN_INLINE typename E::Sum target_of(const LossHead& head, std::int64_t sample, std::int64_t item,
                                         std::int64_t position) {
  const Strides& at = head.targets_at;
  const std::int64_t offset = sample * at.sample + item * at.item + position * at.position;
  return head.targets_are_elements ? E::load(static_cast<const typename E::Raw*>(head.targets)[offset])
                                   : static_cast<const typename E::Sum*>(head.targets)[offset];
}

COTRAIN_INLINE bool is_unmasked(const LossHead& head, std::int64_t sample, std::int64_t item, std::int64_t position) {
  return head.mask == nullptr ||
         head.mask[sample * head.mask_at.sample + item * head.mask_at.item + position * head.mask_at.position];
}

// The first of n codes that is neither in range nor the ignored one, or -1; `count` = how many are not ignored.
inline std::int64_t scan_codes(const std::int64_t* codes, std::int64_t n, std::int64_t n_classes, std::int64_t ignored,
                               std::int64_t& count) {
  std::int64_t found = 0, wrong = 0;
#pragma omp simd reduction(+ : found, wrong)
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t is_counted = codes[i] != ignored;
    const std::int64_t is_wrong = (codes[i] < 0) | (codes[i] >= n_classes);
    found += is_counted;
    wrong += is_counted & is_wrong;
  }
  count = found;
  if (wrong == 0) return -1;
  for (std::int64_t i = 0;; ++i) {
    if (codes[i] != ignored && (codes[i] < 0 || codes[i] >= n_classes)) return i;
  }
}

// The summed shares of positions [begin, end) of one sample of weight > 0; `fault` is the first wrong code's, or -1.
template <typename Sum>
double weigh_positions(const LossHead& head, std::int64_t sample, std::int64_t begin, std::int64_t end, Sum weight,
                       std::int64_t& fault) {
  fault = -1;
  const std::int64_t* codes = head.codes == nullptr ? nullptr : head.codes + sample * head.n_positions;
  if (head.mask == nullptr && codes == nullptr) return double(weight) * double(end - begin);
  if (head.mask == nullptr && head.class_weights == nullptr) {
    std::int64_t count = 0;
    const std::int64_t wrong = scan_codes(codes + begin, end - begin, head.n_classes, head.ignored_code, count);
    if (wrong >= 0) fault = begin + wrong;
    return double(weight) * double(count);
  }
  double total = 0;
  for (std::int64_t position = begin; position < end; ++position) {
    if (!is_unmasked(head, sample, 0, position)) continue;
    const std::int64_t code = codes == nullptr ? 0 : codes[position];
    if (codes != nullptr && code == head.ignored_code) continue;
    if (codes != nullptr && (code < 0 || code >= head.n_classes)) {
      fault = position;
      return total;
    }
    total += share_of<Sum>(head, weight, code);
  }
  return total;
}

// The same for elements [begin, end) of one sample, in the order [C, P]: a target of NaN is missing.
template <typename E>
double weigh_elements(const LossHead& head, std::int64_t sample, std::int64_t begin, std::int64_t end,
                      typename E::Sum weight) {
  std::int64_t count = 0;
  if (begin >= end) return 0.0;  // no positions
  for (std::int64_t c = begin / head.n_positions; c * head.n_positions < end; ++c) {
    const std::int64_t first = c * head.n_positions;
    const std::int64_t from = begin > first ? begin - first : 0;
    const std::int64_t to = end - first < head.n_positions ? end - first : head.n_positions;
    for (std::int64_t position = from; position < to; ++position) {
      const auto target = target_of<E>(head, sample, c, position);
      count += is_unmasked(head, sample, c, position) && target == target;
    }
  }
  return double(weight) * double(count);
}
