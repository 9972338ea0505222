// SPDX-License-Identifier: Apache-2.0
// packkit-plan mfu: published rows to their printed digits, impossible claims by name.
#include "plan_program.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/tools/floating_point_comparison.hpp>

#include <cmath>
#include <ostream>

BOOST_AUTO_TEST_SUITE(mfu_test)

using namespace plan_test;

namespace {

struct published {
    std::string arguments;
    std::string percent;  ///< as printed
};

std::ostream& operator<<(std::ostream& out, const published& one) {
    return out << one.arguments;
}

const std::vector<published> rows = {
    {"llama-3-8b --gpu a100-80gb --sequence-len 8192 --tokens-per-second-per-gpu 2904",
     "56.8 %"},
    {"llama-3-8b --gpu h100-80gb --sequence-len 8192 --tokens-per-second-per-gpu 5762 "
     "--convention B",
     "33.7 %"},
};

}  // namespace

BOOST_DATA_TEST_CASE(published_rows, rows, row) {
    const auto table = run_plan("mfu " + row.arguments);
    BOOST_TEST(table.exit_code == 0);
    BOOST_TEST(table.out.find(" " + row.percent + "\n") != std::string::npos, table.out);
    const json result = plan_json("mfu " + row.arguments);
    BOOST_TEST(result["possible"] == true);
    BOOST_TEST(result["verdict"] == "possible");
    BOOST_TEST(result["notes"].empty());
}

BOOST_AUTO_TEST_CASE(the_formula_written_out) {
    const json result = plan_json(
        "mfu llama-3-8b --gpu a100-80gb --sequence-len 8192 --tokens-per-second-per-gpu "
        "2904");
    const double n = 8030261248.0;
    const double flops = 6 * n + 12.0 * 32 * 4096 * 8192;
    const auto close = boost::test_tools::tolerance(1e-12);
    BOOST_TEST(result["convention"] == "A");
    BOOST_TEST(result["parameters"] == 8030261248);
    BOOST_TEST(result["flops_per_token"].get<double>() == flops, close);
    BOOST_TEST(result["peak_tflops"].get<double>() == 312.0, close);
    BOOST_TEST(result["mfu"].get<double>() == flops * 2904 / 312e12, close);
    BOOST_TEST(result["hfu"].get<double>() == flops * 2904 / 312e12, close);
    const double table = 128256.0 * 4096;
    // The limit is that of the least work, whatever the convention.
    BOOST_TEST(result["limit_tokens_per_second_per_gpu"].get<double>() ==
                   312e12 / (6 * (n - table) + 6.0 * 32 * 4096 * 8192),
               close);
    BOOST_TEST(
        result["conventions"]["B"]["flops_per_token"].get<double>() == flops - 6 * table,
        close);
    BOOST_TEST(result["conventions"]["C"]["flops_per_token"].get<double>() ==
                   6 * (n - table) + 6.0 * 32 * 4096 * 8192,
               close);
}

BOOST_AUTO_TEST_CASE(an_impossible_claim_is_named_with_the_mfu_it_would_need) {
    const std::string claim =
        "mfu llama-3-70b --gpu a100-80gb --sequence-len 2048 --tokens-per-second-per-gpu "
        "1800";
    const json result = plan_json(claim);
    BOOST_TEST(result["possible"] == false);
    BOOST_TEST(result["mfu"].get<double>() > 2.5);
    BOOST_TEST(result["limit_tokens_per_second_per_gpu"].get<double>() < 737);
    BOOST_TEST(std::floor(result["limit_without_attention"].get<double>()) == 737);
    BOOST_TEST(
        says(result["notes"], "Impossible: 1800 tokens/s a GPU would need 245.2 %"));
    BOOST_TEST(result["verdict"] == "impossible");
    BOOST_TEST(run_plan(claim).out.find("Impossible") != std::string::npos);
    // What the limit says is possible, is.
    const json most = plan_json(
        "mfu llama-3-70b --gpu a100-80gb --sequence-len 2048 --tokens-per-second-per-gpu "
        "709");
    BOOST_TEST(most["possible"] == true);
    BOOST_TEST(most["verdict"] == "implausible");
    BOOST_TEST(says(most["notes"], "Implausible: 709 tokens/s a GPU would need 96.6 %"));
}

BOOST_AUTO_TEST_CASE(the_verdict_counts_causal_attention_whatever_the_convention) {
    struct judged {
        std::string arguments, verdict;
    };
    const std::string llama =
        "mfu llama-3.2-1b --gpu h100-80gb --sequence-len 131072 "
        "--tokens-per-second-per-gpu ";
    // 17,000 tokens/s are 101 % of the peak by the whole square, 57 % by what is
    // computed.
    for (const auto& [arguments, verdict] :
         std::vector<judged>{{llama + "17000", "possible"},
                             {llama + "17000 --convention B", "possible"},
                             {llama + "17000 --convention C", "possible"},
                             {llama + "25000", "implausible"},
                             {llama + "31000", "impossible"},
                             {llama + "31000 --convention C", "impossible"},
                             {"mfu llama-3-70b --gpu a100-80gb --sequence-len 4096 "
                              "--tokens-per-second-per-gpu 1800",
                              "impossible"}}) {
        const json result = plan_json(arguments);
        BOOST_TEST(result["verdict"] == verdict, arguments);
        BOOST_TEST(result["possible"] == (verdict != "impossible"), arguments);
    }
    BOOST_TEST(plan_json(llama + "17000")["mfu"].get<double>() > 1.0);
    BOOST_TEST(run_plan(llama + "31000").out.find("Impossible: 31000") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(windows_lessen_the_least_work) {
    // Layers that see 4,096 of 32,768 tokens compute a quarter of the triangle.
    const json result = plan_json(
        "mfu mistral-7b --gpu h100-80gb --sequence-len 32768 "
        "--tokens-per-second-per-gpu 20000 --convention C");
    BOOST_TEST(result["least_work_share"].get<double>() < result["mfu"].get<double>());
}

BOOST_AUTO_TEST_CASE(recomputation_counts_for_the_hardware) {
    const json result = plan_json(
        "mfu llama-3-8b --gpu a100-80gb --sequence-len 8192 --tokens-per-second-per-gpu "
        "2904 --activation-checkpointing full");
    BOOST_TEST(result["hfu"].get<double>() == result["mfu"].get<double>() * 4 / 3,
               boost::test_tools::tolerance(1e-12));
    // MFU 0.9 is below the peak; with everything computed twice forward it is not.
    const json above = plan_json(
        "mfu llama-3-8b --gpu a100-80gb --sequence-len 8192 --tokens-per-second-per-gpu "
        "4600 --activation-checkpointing full");
    BOOST_TEST(above["mfu"].get<double>() < 1);
    BOOST_TEST(above["possible"] == false);
}

BOOST_AUTO_TEST_CASE(packed_documents_shorten_attention) {
    const temporary_folder folder;
    folder.write("lengths.txt", "1000\n3000\n");
    const json result =
        plan_json_in(folder,
                     "mfu llama-3-8b --gpu h100-80gb --sequence-len 4000 "
                     "--tokens-per-second-per-gpu 5000 --lengths lengths.txt");
    BOOST_TEST(result["attention_length"] == 2500.0);  // (1 + 9) M / 4000
    const json named = plan_json(
        "mfu llama-3-8b --gpu h100-80gb --sequence-len 4000 --tokens-per-second-per-gpu "
        "5000 --attention-length 2500");
    BOOST_TEST(named["mfu"] == result["mfu"]);
}

BOOST_AUTO_TEST_CASE(a_figure_that_contradicts_its_own_row_is_flagged) {
    const std::string row =
        "mfu llama-3-8b --gpu h100-80gb --sequence-len 8192 --tokens-per-second-per-gpu "
        "5762 --claimed-mfu ";
    BOOST_TEST(plan_json(row + "33.7%")["consistent"] == true);  // convention B
    const json wrong = plan_json(row + "0.45");
    BOOST_TEST(wrong["consistent"] == false);
    BOOST_TEST(says(wrong["notes"], "contradicts the throughput"));
}

BOOST_AUTO_TEST_CASE(a_peak_of_ones_own) {
    const json result = plan_json(
        "mfu llama-3-8b --gpu-memory-gb 80 --peak-tflops 312 --sequence-len 8192 "
        "--tokens-per-second-per-gpu 2904");
    BOOST_TEST(result["mfu"].get<double>() == 0.5684, boost::test_tools::tolerance(1e-3));
    BOOST_TEST(result["gpu"] == "custom");
}

BOOST_AUTO_TEST_SUITE_END()
