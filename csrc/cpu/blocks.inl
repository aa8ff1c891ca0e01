// Blocks of positions: what is known of them, and how they come into a tile and out of it.
// Compiled once per namespace by for_each_isa.h.
//
// A block is up to `lanes` positions of a head (its samples, where they have one position each), or one position of
// many classes (`is_row`), see softmax_tile.inl.

constexpr int compared =
    16;  // up to so many classes the right one is found by comparing, in vectors; else by its place

template <typename Sum, bool is_row>
struct Block {
  std::int64_t sample, position;
  int n;                             // how many positions
  bool are_samples;                  // each is a sample of its own
  int n_live;                        // how many of them count
  std::int64_t code[width<is_row>];  // 0 where there is none
  Sum label[width<is_row>];          // the same as a number of the tile's type
  Sum live[width<is_row>];           // 1 = counts, 0 = is not read
  Sum weight[width<is_row>];         // of the sample
  Sum mass[width<is_row>];           // what the target sums to
  double constant[width<is_row>];    // of a distillation: the part of the loss that the student does not move
};

// Which of the first n positions count, their codes and weights.
template <bool is_row, typename Sum>
COTRAIN_INLINE void survey_first(const LossHead& head, int n, Block<Sum, is_row>& block) {
  const std::int64_t first = block.sample * head.n_positions + block.position;
  const auto* weights = static_cast<const Sum*>(head.weights);
  const std::int64_t weight_step = block.are_samples ? 1 : 0;
  for (int lane = 0; lane < n; ++lane) {
    block.weight[lane] = weights == nullptr ? Sum(1) : weights[block.sample + lane * weight_step];
    block.live[lane] = block.weight[lane] > Sum(0) ? Sum(1) : Sum(0);
    block.code[lane] = 0;
  }
  if (head.codes != nullptr) {
    for (int lane = 0; lane < n; ++lane) {
      const std::int64_t code = head.codes[first + lane];
      block.live[lane] = code == head.ignored_code ? Sum(0) : block.live[lane];
      block.code[lane] = block.live[lane] == Sum(0) ? 0 : code;
    }
  }
  if (head.mask != nullptr) {
    for (int lane = 0; lane < n; ++lane) {
      const bool is_in =
          is_unmasked(head, block.sample + lane * weight_step, 0, block.position + (block.are_samples ? 0 : lane));
      block.live[lane] = is_in ? block.live[lane] : Sum(0);
      block.code[lane] = is_in ? block.code[lane] : 0;
    }
  }
}

// The same of the whole block. The lanes beyond n count for nothing.
template <bool is_row, typename Sum>
void survey(const LossHead& head, Block<Sum, is_row>& block) {
  constexpr int size = width<is_row>;
  if (block.n == size) {
    survey_first(head, size, block);  // loops of known length: most blocks are full
  } else {
    survey_first(head, block.n, block);
    for (int lane = block.n; lane < size; ++lane) {
      block.live[lane] = block.weight[lane] = Sum(0);
      block.code[lane] = 0;
    }
  }
  Sum n_live = 0;
#pragma omp simd reduction(+ : n_live)
  for (int lane = 0; lane < size; ++lane) n_live += block.live[lane];
  block.n_live = static_cast<int>(n_live);
  for (int lane = 0; lane < size; ++lane) {
    block.label[lane] = static_cast<Sum>(block.code[lane]);
    block.mass[lane] = Sum(1);
  }
  if (head.codes == nullptr || head.class_weights == nullptr) return;
  for (int lane = 0; lane < size; ++lane) block.mass[lane] = class_weight_of<Sum>(head, block.code[lane]);
}

// [C] of each of n positions into a tile; the rest of it is `filler`.
template <bool is_row, typename E>
void load_tile(const typename E::Raw* from, std::int64_t step, std::int64_t lane_step, std::int64_t C, int n,
               typename E::Sum filler, typename E::Sum* tile) {
  if (is_row) {
#pragma omp simd
    for (std::int64_t c = 0; c < C; ++c) tile[c] = E::load(from[c]);
    for (std::int64_t c = C; c % lanes != 0; ++c) tile[c] = filler;
  } else if (lane_step == 1 && n == lanes) {
    for (std::int64_t c = 0; c < C; ++c)
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) tile[c * lanes + lane] = E::load(from[c * step + lane]);
  } else {
    for (int lane = 0; lane < n; ++lane)
      for (std::int64_t c = 0; c < C; ++c) tile[c * lanes + lane] = E::load(from[c * step + lane * lane_step]);
    for (std::int64_t c = 0; c < C; ++c)
      for (int lane = n; lane < lanes; ++lane) tile[c * lanes + lane] = filler;
  }
}

template <bool is_row, typename E>
void store_tile(const typename E::Sum* tile, std::int64_t step, std::int64_t lane_step, std::int64_t C, int n,
                typename E::Raw* to) {
  if (is_row) {
#pragma omp simd
    for (std::int64_t c = 0; c < C; ++c) to[c] = E::store(tile[c]);
  } else if (lane_step == 1 && n == lanes) {
    for (std::int64_t c = 0; c < C; ++c)
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) to[c * step + lane] = E::store(tile[c * lanes + lane]);
  } else {
    for (int lane = 0; lane < n; ++lane)
      for (std::int64_t c = 0; c < C; ++c) to[c * step + lane * lane_step] = E::store(tile[c * lanes + lane]);
  }
}

// What is not to be read becomes 0, so that a NaN in it goes nowhere. (A row that does not count is not computed.)
template <bool is_row, typename Sum>
void silence(const Block<Sum, is_row>& block, std::int64_t n_rows, Sum* tile) {
  if (is_row || block.n_live == block.n) return;
  for (std::int64_t k = 0; k < n_rows; ++k)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum value = tile[k * lanes + lane];
      tile[k * lanes + lane] = block.live[lane] == Sum(0) ? Sum(0) : value;
    }
}

// What the tile holds at each position's own class. out : [width]
template <bool is_row, typename Sum>
void pick(const Block<Sum, is_row>& block, std::int64_t C, const Sum* tile, Sum* out) {
  if constexpr (is_row) {
    out[0] = tile[block.code[0]];
  } else if (C <= compared) {
    Sum found[lanes];  // nothing else points at it, so it stays in registers
    for (int lane = 0; lane < lanes; ++lane) found[lane] = tile[lane];
    for (std::int64_t c = 1; c < C; ++c)
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) {
        const Sum value = tile[c * lanes + lane];
        found[lane] = block.label[lane] == static_cast<Sum>(c) ? value : found[lane];
      }
    for (int lane = 0; lane < lanes; ++lane) out[lane] = found[lane];
  } else {
    for (int lane = 0; lane < lanes; ++lane) out[lane] = tile[block.code[lane] * lanes + lane];
  }
}

// Writes one value to each position's own class. values : [width]
template <bool is_row, typename Sum>
void put(const Block<Sum, is_row>& block, std::int64_t C, const Sum* values, Sum* tile) {
  if constexpr (is_row) {
    tile[block.code[0]] = values[0];
  } else if (C <= compared) {
    for (std::int64_t c = 0; c < C; ++c)
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) {
        const Sum value = tile[c * lanes + lane];
        tile[c * lanes + lane] = block.label[lane] == static_cast<Sum>(c) ? values[lane] : value;
      }
  } else {
    for (int lane = 0; lane < lanes; ++lane) tile[block.code[lane] * lanes + lane] = values[lane];
  }
}
