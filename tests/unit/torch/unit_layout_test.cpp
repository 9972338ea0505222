// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where elements lie: every element of every parameter on one rank of each replica, and
/// the way there and back.

#include <packkit/torch/parallel/unit_layout.hpp>

#include "expect.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(unit_layout_test)

namespace {
namespace lt = packkit::lt;
using packkit::tensor_cut;

const std::vector<lt::parameter_info> infos = {
    {"rows", {7, 3}, true, tensor_cut::rows},
    {"columns", {5, 6}, true, tensor_cut::columns},
    {"norm", {4}, false, tensor_cut::replicated},
    {"few", {2, 2}, true, tensor_cut::rows},
    {"experts", {3, 2, 4}, true, tensor_cut::rows},
};

/// Parameter i with elements that are all different, and different from other
/// parameters'.
at::Tensor numbered(std::size_t i) {
    std::int64_t count = 1;
    for (const auto extent : infos[i].shape)
        count *= extent;
    return at::arange(1, count + 1, at::kDouble).view(infos[i].shape) +
           1000.0 * static_cast<double>(i);
}

struct mesh {
    int shards, tensors;
};
constexpr mesh meshes[] = {{1, 1}, {2, 1}, {3, 1}, {8, 1}, {1, 2},
                           {1, 3}, {1, 8}, {2, 2}, {4, 3}, {3, 4}};

/// The flat buffer of a rank, loaded from full parameters.
at::Tensor loaded(const lt::unit_layout& layout) {
    auto flat = at::zeros({layout.elements()}, at::kDouble);
    for (std::size_t i = 0; i < layout.size(); ++i)
        layout.load_full(flat, i, numbered(i));
    return flat;
}

/// What tensor parallelism leaves of parameter i.
at::Tensor cut_of(const lt::unit_layout& layout, std::size_t i, int tensor) {
    const auto here = layout.cut(i, tensor);
    const auto full = numbered(i);
    return full.view({full.size(0), full.numel() / full.size(0)})
        .slice(0, here.rows.begin, here.rows.end)
        .slice(1, here.columns.begin, here.columns.end);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_element_lies_on_one_rank) {
    for (const auto& [shards, tensors] : meshes) {
        for (std::size_t i = 0; i < infos.size(); ++i) {
            auto seen = at::zeros_like(numbered(i));
            for (int tensor = 0; tensor < tensors; ++tensor) {
                // What is not cut lies on every rank of tp: counted once.
                if (infos[i].cut == tensor_cut::replicated && tensor > 0) continue;
                for (int shard = 0; shard < shards; ++shard) {
                    const lt::unit_layout layout(infos, {shards, shard, tensors, tensor});
                    const auto here = layout.slice(i);
                    BOOST_TEST((here == layout.slice_on(i, shard, tensor)));
                    const auto part =
                        seen.view({seen.size(0), seen.numel() / seen.size(0)})
                            .slice(0, here.rows.begin, here.rows.end)
                            .slice(1, here.columns.begin, here.columns.end);
                    part.add_(1);
                    const auto held = layout.part(loaded(layout), i);
                    BOOST_TEST(held.numel() == here.elements());
                    const auto full = numbered(i);
                    const auto expected =
                        full.view({full.size(0), full.numel() / full.size(0)})
                            .slice(0, here.rows.begin, here.rows.end)
                            .slice(1, here.columns.begin, here.columns.end);
                    BOOST_TEST(at::equal(held.reshape(expected.sizes()), expected));
                }
            }
            BOOST_TEST(at::equal(seen, at::ones_like(seen)), infos[i].name);
        }
    }
}

BOOST_AUTO_TEST_CASE(buffers_of_all_shards_are_the_whole_there_and_back) {
    for (const auto& [shards, tensors] : meshes) {
        for (int tensor = 0; tensor < tensors; ++tensor) {
            const lt::unit_layout first(infos, {shards, 0, tensors, tensor});
            std::vector<at::Tensor> whole;
            for (std::size_t i = 0; i < infos.size(); ++i)
                whole.push_back(cut_of(first, i, tensor).reshape(first.local_shape(i)));
            const auto flats = first.pack(whole, at::kDouble);
            BOOST_TEST((flats.sizes() == at::IntArrayRef{shards, first.elements()}));
            for (int shard = 0; shard < shards; ++shard) {
                const lt::unit_layout there(infos, {shards, shard, tensors, tensor});
                BOOST_TEST(at::equal(flats[shard], loaded(there)));
            }
            const auto back = first.unpack(flats);
            for (std::size_t i = 0; i < infos.size(); ++i)
                BOOST_TEST(at::equal(back[i], whole[i]), infos[i].name);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_gradient_that_is_not_there_is_zero) {
    const lt::unit_layout layout(infos, {3, 1, 1, 0});
    std::vector<at::Tensor> whole(infos.size());
    whole[2] = numbered(2);
    const auto back = layout.unpack(layout.pack(whole, at::kDouble));
    for (std::size_t i = 0; i < infos.size(); ++i) {
        const auto expected = i == 2 ? numbered(2) : at::zeros_like(numbered(i));
        BOOST_TEST(at::equal(back[i], expected), infos[i].name);
    }
}

BOOST_AUTO_TEST_CASE(cuts_of_all_ranks_are_the_full_parameter) {
    for (const int tensors : {1, 2, 3, 8}) {
        const lt::unit_layout layout(infos, {1, 0, tensors, 0});
        for (std::size_t i = 0; i < infos.size(); ++i) {
            if (infos[i].cut == tensor_cut::replicated) continue;
            auto cuts = at::zeros({tensors, layout.cut(i, 0).elements()}, at::kDouble);
            for (int tensor = 0; tensor < tensors; ++tensor) {
                const auto mine = cut_of(layout, i, tensor).reshape({-1});
                cuts[tensor].narrow(0, 0, mine.numel()).copy_(mine);
            }
            BOOST_TEST(at::equal(layout.join_cuts(i, cuts), numbered(i)), infos[i].name);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_laid_out_is_refused) {
    const auto refused = [](const lt::parameter_info& info, const std::string& text) {
        expect::message_of<packkit::invalid_argument>(
            [&] { lt::unit_layout({info}, {2, 0, 1, 0}); }, text);
    };
    refused({"scalar", {}}, "parameter scalar has no dimension to shard");
    refused({"cube", {2, 2, 2}, true, tensor_cut::columns},
            "parameter cube of 3 dimensions cannot be cut by columns");
}

BOOST_AUTO_TEST_SUITE_END()
