// SPDX-License-Identifier: Apache-2.0
// Products of the factors of attention_factors.inl on Intel's matrix tiles (AMX): one
// instruction adds (16 x 32) (32 x 16) in bfloat16 to 16 x 16 in float32.

/// What _tile_loadconfig reads: eight tiles of 16 rows of 64 bytes. In static memory: GCC
/// takes only the first bytes for read and leaves the others of a local one out.
struct alignas(64) tile_configuration {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
inline constexpr tile_configuration whole_tiles{};

/// Keeps the tiles configured for as long as it lives.
class product_unit {
public:
    product_unit() { _tile_loadconfig(&whole_tiles); }
    product_unit(const product_unit&) = delete;
    product_unit& operator=(const product_unit&) = delete;
    ~product_unit() { _tile_release(); }
};

/// C (rows x columns) = A B, or += with Add; all sizes are multiples of 32. Rows of C are
/// `stride` apart.
template <int Parts, bool Add>
inline void product(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                    left_factor a, right_factor b, float* c, std::int64_t stride) {
    const auto a_bytes = static_cast<std::size_t>(a.stride * 2);
    const auto b_bytes = static_cast<std::size_t>(b.stride * 4);
    const auto c_bytes = static_cast<std::size_t>(stride * 4);
    // 2 x 2 tiles of C: 0 1 / 2 3; 4 5 of A; 6 7 of B.
    const auto load_left = [&](left_factor left, int part) {
        const bf16* const at = left.at + part * left.apart;
        _tile_loadd(4, at, a_bytes);
        _tile_loadd(5, at + 16 * left.stride, a_bytes);
    };
    const auto load_right = [&](right_factor right, int part) {
        const std::uint32_t* const at = right.at + part * right.apart;
        _tile_loadd(6, at, b_bytes);
        _tile_loadd(7, at + 16, b_bytes);
    };
    const auto multiply = [] {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    };
    for (std::int64_t j = 0; j < columns; j += 32) {
        for (std::int64_t i = 0; i < rows; i += 32) {
            float* const upper = c + i * stride + j;
            float* const lower = upper + 16 * stride;
            if constexpr (Add) {
                _tile_loadd(0, upper, c_bytes);
                _tile_loadd(1, upper + 16, c_bytes);
                _tile_loadd(2, lower, c_bytes);
                _tile_loadd(3, lower + 16, c_bytes);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (std::int64_t k = 0; k < depth; k += 32) {
                const left_factor left = a.from(i, k);
                const right_factor right = b.from(k, j);
                if constexpr (Parts == 1) {
                    load_left(left, 0);
                    load_right(right, 0);
                    multiply();
                } else {
                    // The small ones first: one times a number is that number.
                    load_left(left, 2);
                    load_right(right, 0);
                    multiply();
                    load_left(left, 1);
                    multiply();
                    load_right(right, 1);
                    multiply();
                    load_left(left, 0);
                    multiply();
                    load_right(right, 2);
                    multiply();
                    load_right(right, 0);
                    multiply();
                }
            }
            _tile_stored(0, upper, c_bytes);
            _tile_stored(1, upper + 16, c_bytes);
            _tile_stored(2, lower, c_bytes);
            _tile_stored(3, lower + 16, c_bytes);
        }
    }
}
