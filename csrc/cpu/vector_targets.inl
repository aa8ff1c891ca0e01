// What is to be learnt at a position, where it is a vector over the classes. Compiled once per namespace by
// for_each_isa.h.

inline bool is_distillation(LossKind kind) {
  return kind == LossKind::distillation || kind == LossKind::distillation_from_probabilities;
}

// Whether the target is a vector: probabilities, a teacher's opinion, or a code whose share is spread over all classes.
inline bool has_vector_target(const LossHead& head) {
  return head.codes == nullptr || (head.kind == LossKind::cross_entropy && head.setting > 0);
}

template <bool is_row, typename Sum>
void times_class_weights(const LossHead& head, Sum* tile) {
  for (std::int64_t c = 0; c < head.n_classes; ++c) {
    const Sum weight = class_weight_of<Sum>(head, c);
    for (int lane = 0; lane < width<is_row>; ++lane) tile[is_row ? c : c * lanes + lane] *= weight;
  }
}

// log p of a teacher that gives probabilities; one too small for the logarithm counts as none.
template <typename Sum>
COTRAIN_INLINE Sum log_probability(Sum share) {
  const bool is_some = share >= Bits<Sum>::smallest_normal;
  const Sum log = log_of(is_some ? share : Sum(1));
  return is_some ? log : share == share ? -Bits<Sum>::infinity : share;
}

// A teacher's logits in the tile become temperature^2 times its probabilities; `constant` their negative entropy
// (Hinton, Vinyals, Dean 2015, arXiv 1503.02531, with the T^2 of section 2.1).
template <typename Stored, bool is_row, typename Sum>
void teach(const LossHead& head, const Ahead<typename Stored::Raw>& ahead, std::int64_t n_rows, Block<Sum, is_row>& block,
           Sum* tile) {
  const Sum temperature = static_cast<Sum>(head.setting), mass = temperature * temperature;
  Sum largest[width<is_row>], rest[width<is_row>], entropy[width<is_row>], share[width<is_row>], scale[lanes];
  largest_of<is_row>(tile, n_rows, largest);
  softmax_tile<is_row, Dot::with_itself, true>(ahead, tile, static_cast<const Sum*>(nullptr), n_rows, largest,
                                               Sum(1) / temperature, rest, entropy);
#pragma omp simd
  for (int lane = 0; lane < width<is_row>; ++lane) {
    share[lane] = mass / (Sum(1) + rest[lane]);
    block.mass[lane] = mass;
  }
  for (int lane = 0; lane < width<is_row>; ++lane) {
    // In double: at high temperatures it is almost what the student's part is, and temperature^2 times as large as both.
    block.constant[lane] = -(double(share[lane]) * double(entropy[lane]) + double(mass) * log1p_of(double(rest[lane])));
  }
  spread<is_row>(share, scale);
  for (std::int64_t k = 0; k < n_rows; ++k)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) tile[k * lanes + lane] *= scale[lane];
}

// Codes, each with a share that is spread evenly (Szegedy et al. 2016, arXiv 1512.00567, section 7).
template <bool is_row, typename Sum>
void smooth(const LossHead& head, std::int64_t n_rows, const Block<Sum, is_row>& block, Sum* tile) {
  const Sum even = static_cast<Sum>(head.setting) / static_cast<Sum>(head.n_classes);
  const Sum own = even + (Sum(1) - static_cast<Sum>(head.setting));
  Sum values[width<is_row>];
  for (int lane = 0; lane < width<is_row>; ++lane) values[lane] = own;
  for (std::int64_t i = 0; i < n_rows * lanes; ++i) tile[i] = is_row && i >= head.n_classes ? Sum(0) : even;
  put<is_row>(block, head.n_classes, values, tile);
}

// Fills the tile with the vectors to be learnt, and says what they sum to.
template <typename E, typename Stored, bool is_row>
void load_targets(const LossHead& head, std::int64_t n_rows, Block<typename E::Sum, is_row>& block, typename E::Sum* tile) {
  using Sum = typename E::Sum;
  const std::int64_t C = head.n_classes;
  if (head.codes != nullptr) {
    smooth<is_row>(head, n_rows, block, tile);
  } else {
    const bool by_teacher = is_distillation(head.kind);
    const auto* from = static_cast<const typename Stored::Raw*>(head.targets) + block.sample * head.targets_at.sample +
                       block.position * head.targets_at.position;
    const std::int64_t next = block.are_samples ? head.targets_at.sample : head.targets_at.position;
    load_tile<is_row, Stored>(from, head.targets_at.item,
                              block.are_samples ? head.targets_at.sample : head.targets_at.position, C, block.n,
                              by_teacher && is_row ? -Bits<Sum>::infinity : Sum(0), tile);
    if (head.kind == LossKind::distillation_from_probabilities) {
      for (std::int64_t i = 0; i < (is_row ? C : n_rows * lanes); ++i) tile[i] = log_probability(tile[i]);
    }
    silence<is_row>(block, n_rows, tile);  // of a teacher who is not heard: equal shares, which are finite
    if (by_teacher) {
      const Ahead<typename Stored::Raw> ahead{is_row ? from + next : nullptr, nullptr};
      return teach<Stored, is_row>(head, ahead, n_rows, block, tile);
    }
  }
  if (head.class_weights != nullptr) times_class_weights<is_row>(head, tile);
  Sum mass[lanes] = {};
  for (std::int64_t k = 0; k < n_rows; ++k)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) mass[lane] += tile[k * lanes + lane];
  if (is_row) mass[0] = sum_over(mass);
  for (int lane = 0; lane < width<is_row>; ++lane) block.mass[lane] = mass[lane];
}
