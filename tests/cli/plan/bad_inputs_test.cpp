// SPDX-License-Identifier: Apache-2.0
// The command line of packkit-plan: help, version, and what is refused.
#include "plan_program.hpp"

#include <boost/test/data/test_case.hpp>

#include <ostream>

BOOST_AUTO_TEST_SUITE(bad_inputs_test)

using namespace plan_test;

namespace {

struct bad_usage {
    std::string arguments;
    std::string message;
};

std::ostream& operator<<(std::ostream& out, const bad_usage& bad) {
    return out << bad.arguments;
}

const std::string e = "estimate llama-3-8b --gpus 8 --gpu h100-80gb ";

const std::vector<bad_usage> usages = {
    {"",
     "no command: estimate, search, mfu, steps, models, gpus or calibrate; see --help"},
    {"estmate",
     "unknown command 'estmate'; expected one of estimate, search, mfu, steps, "
     "models, gpus, calibrate; did you mean 'estimate'?"},
    {"estimate",
     "MODEL is missing: a name of packkit-plan models, or a Hugging Face config.json"},
    {"estimate llama-3-8b", "--gpus is missing: how many there are"},
    {"estimate llama-3-8b --gpus 8",
     "--gpu is missing: a name of packkit-plan gpus, or --gpu-memory-gb, --peak-tflops "
     "and --link-gbps"},
    {"estimate llama-3-8c --gpus 8 --gpu h100-80gb",
     "MODEL: unknown model 'llama-3-8c'; expected a name of packkit-plan models, or a "
     "Hugging Face config.json or its folder; did you mean 'llama-3-8b'?"},
    {e + "--gpsu 4", "unknown option '--gpsu'; did you mean '--gpus'?"},
    {"estimate llama-3-8b --gpus 0 --gpu h100-80gb",
     "--gpus: 0 is below 1; expected a whole number ≥ 1"},
    {"estimate llama-3-8b --gpus -8 --gpu h100-80gb",
     "--gpus: -8 is below 1; expected a whole number ≥ 1"},
    {e + "--micro-batch-size 0",
     "--micro-batch-size: 0 is below 1; expected a whole number ≥ 1"},
    {e + "--sequence-len -1",
     "--sequence-len: -1 is below 1; expected a whole number ≥ 1"},
    {e + "--sequence-len 8k",
     "--sequence-len: '8k' is not a number; expected a whole number ≥ 1"},
    {e + "--dp-shard-size 0",
     "--dp-shard-size: 0 is below 1; expected a whole number ≥ 1"},
    {e + "--tensor-parallel-size 3",
     "tp 3 does not divide the 8 ranks (world size 8, tp 3, cp not set, dp_shard not "
     "set, "
     "dp_replicate not set); tp can be one of 1, 2, 4, 8"},
    {e + "--tensor-parallel-size 2 --dp-shard-size 8",
     "dp_shard 8 does not divide the 4 ranks left to it (world size 8, tp 2, cp not set, "
     "dp_shard 8, dp_replicate not set); dp_shard can be one of 1, 2, 4"},
    {"estimate llama-3-8b --gpus 64 --gpu h100-80gb --tensor-parallel-size 64",
     "--tensor-parallel-size: tp 64 does not divide 32 attention heads; tp can be one of "
     "1, 2, 4, 8, 16, 32"},
    {e + "--sharding fdsp",
     "--sharding: unknown sharding 'fdsp'; expected one of ddp, zero1, zero2, fsdp; did "
     "you mean 'fsdp'?"},
    {e + "--precision fp16",
     "--precision: unknown precision 'fp16'; expected one of fp64, fp32, bf16-mixed, "
     "bf16"},
    {e + "--optimizer adam",
     "--optimizer: unknown optimizer 'adam'; expected one of adamw, adamw_8bit, sgd; did "
     "you mean 'adamw'?"},
    {e + "--activation-checkpointing half",
     "--activation-checkpointing: unknown checkpointing 'half'; expected one of none, "
     "selective, full"},
    {e + "--sharding ddp --dp-shard-size 8",
     "--sharding: ddp contradicts --dp-shard-size 8: every rank holds everything; use "
     "--dp-replicate-size, or zero1, zero2 or fsdp"},
    {e + "--sharding ddp --no-reshard", "--no-reshard: is for --sharding fsdp, not ddp"},
    {e + "--sequence-parallel",
     "--sequence-parallel: needs --tensor-parallel-size above 1: it is over those ranks"},
    {e + "--global-batch-size 12",
     "global batch size 12 is no multiple of micro_batch_size 1 x 8 data-parallel ranks "
     "= "
     "8; nearest: 8 or 16"},
    {e + "--global-batch-size 16 --gradient-accumulation-steps 4",
     "--global-batch-size: 16 contradicts 1 x 4 x 8 (micro_batch_size x "
     "gradient_accumulation_steps x data-parallel ranks); gradient_accumulation_steps "
     "would be 2"},
    {"estimate llama-3-8b --gpus 8 --gpu-memory-gb 80 --peak-tflops 300",
     "--link-gbps is missing: GB/s that a GPU sends to the others of its node"},
    {e + "--efficiency 1.5", "--efficiency: 1.5 is above 1: a share of the peak"},
    {e + "--peak-tflops 3x",
     "--peak-tflops: '3x' is not a number; expected a number > 0"},
    {e + "--peak-tflops 0", "--peak-tflops: 0 is zero; expected a number > 0"},
    {e + "--peak-tflops nan",
     "--peak-tflops: 'nan' is not a number; expected a number > 0"},
    {e + "--price-per-gpu-hour -1",
     "--price-per-gpu-hour: -1 is negative; expected a number ≥ 0"},
    {e + "--convention D",
     "--convention: unknown convention 'D'; expected one of A, B, C; did you mean 'A'?"},
    {e + "--column n", "--column: is for --lengths; none is given"},
    {e + "--no-packing", "--no-packing: is for --lengths; none is given"},
    {e + "--lengths x.txt --samples 5",
     "--samples: contradicts --lengths, which says what an epoch holds"},
    {e + "--lengths long.txt",
     "--lengths: no sample fits --sequence-len 8192; the shortest of them is longer: "
     "raise "
     "it, or use --excess-length-strategy truncate or split"},
    {e + "--lengths x.csv",
     "x.csv: '.csv' files cannot be read: this program reads .txt, .json, .npy, .jsonl, "
     ".parquet, .arrow, .feather, and - (standard input); --input-format says what a "
     "file "
     "of another name holds"},
    {e + "--lengths bad.txt",
     "bad.txt:2: length -3 is negative; expected a whole number "
     "≥ 1"},
    {e + "--lengths x.txt --output x.txt",
     "--output: 'x.txt' is an input; it would be "
     "lost"},
    {e + "--output o --html o", "--html: 'o' is also the file of --output"},
    {e + "--html no/o",
     "--html: cannot write 'no/o': folder 'no': No such file or directory"},
    {e + "--format xml",
     "--format: unknown format 'xml'; expected one of table, json, csv, markdown"},
    {e + "--yaml run.yaml --optimizer sgd --precision bf16",
     "--yaml: packkit-train does not run this plan: --precision bf16 (parameters stay "
     "float32: bf16-mixed)"},
    {"estimate broken.json --gpus 8 --gpu h100-80gb",
     "broken.json:1: not valid JSON: syntax error while parsing object key - unexpected "
     "end of input; expected string literal"},
    {"estimate no/such/config.json --gpus 8 --gpu h100-80gb",
     "no/such/config.json: cannot be opened: No such file or directory"},
    {"search llama-3-8b --gpus 8 --gpu h100-80gb --tensor-parallel-size 3",
     "tp 3 does not divide the 8 ranks (world size 8, tp 3, cp not set, dp_shard not "
     "set, "
     "dp_replicate not set); tp can be one of 1, 2, 4, 8"},
    {e + "--memory-share 1.2", "--memory-share: 1.2 is above 1: a share of the memory"},
    {"search llama-3-8b --gpus 8 --gpu h100-80gb --memory-share 1.2",
     "--memory-share: 1.2 is above 1: a share of the memory"},
    {"search llama-3-8b --gpus 8 --gpu h100-80gb --top 0",
     "--top: 0 is below 1; expected a whole number ≥ 1"},
    {"search llama-3-70b --gpus 2 --gpu a100-40gb --yaml run.yaml",
     "--yaml: no plan fits, so there is none to write"},
    {"mfu llama-3-8b --gpu h100-80gb", "--sequence-len is missing: the tokens a row"},
    {"mfu llama-3-8b --gpu h100-80gb --sequence-len 4096",
     "--tokens-per-second-per-gpu is missing: the throughput to judge"},
    {"mfu llama-3-8b --gpu h100-80gb --sequence-len 4096 --tokens-per-second-per-gpu 0",
     "--tokens-per-second-per-gpu: 0 is zero; expected a number > 0"},
    {"steps", "--samples or --lengths is missing: what is trained on"},
    {"steps --samples 100",
     "the batch is missing: --global-batch-size, or --micro-batch-size with "
     "--gradient-accumulation-steps and the ranks"},
    {"steps --samples 100 --global-batch-size 192 --dataloader-drop-last",
     "--global-batch-size: 192 is more than the 100 rows of an epoch: "
     "--dataloader-drop-last leaves no step"},
    {"steps --samples 100 --global-batch-size 5 --dataloader-drop-last --keep-last",
     "--dataloader-drop-last and --keep-last exclude each other"},
    {"steps --samples 100 --global-batch-size 5 --seconds-per-step 0.8-0.5",
     "--seconds-per-step: '0.8-0.5' is no range: the first number is the larger"},
    {"steps --lengths x.txt --global-batch-size 1",
     "--lengths: needs --sequence-len, the tokens a row"},
    {"calibrate", "FILE is missing: metrics.jsonl of a run of packkit-train"},
    {e + "--calibration broken.json",
     "broken.json:1: not valid JSON: syntax error while parsing object key - unexpected "
     "end of input; expected string literal"},
    {e + "--calibration empty.json", "empty.json:1: efficiency is missing"},
    {"models nonesuch",
     "no model's name has 'nonesuch' in it; packkit-plan models lists all"},
};

}  // namespace

BOOST_DATA_TEST_CASE(wrong_usage_is_refused, usages, bad) {
    const temporary_folder folder;
    folder.write("x.txt", "1\n2\n");
    folder.write("bad.txt", "1\n-3\n");
    folder.write("long.txt", "9000\n");
    folder.write("broken.json", "{");
    folder.write("empty.json", "{}");
    const auto result = run_plan_in(folder, bad.arguments);
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(result.err == "packkit-plan: " + bad.message + "\n");
    BOOST_TEST(result.out == "");
    BOOST_TEST(folder.entries() == 5u);
}

BOOST_AUTO_TEST_CASE(an_unknown_gpu_lists_those_that_are_known) {
    const auto result = run_plan("estimate llama-3-8b --gpus 8 --gpu h100-80g");
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(
        result.err.starts_with("packkit-plan: --gpu: unknown GPU 'h100-80g'; "
                               "expected one of "));
    BOOST_TEST(result.err.ends_with("; did you mean 'h100-80gb'?\n"));
}

BOOST_DATA_TEST_CASE(each_command_has_help_with_examples,
                     std::vector<std::string>({"estimate", "search", "mfu", "steps",
                                               "models", "gpus", "calibrate"}),
                     command) {
    const auto result = run_plan(command + " --help");
    BOOST_TEST(result.exit_code == 0);
    BOOST_TEST(result.err == "");
    for (const std::string& text :
         {std::string("--format"), std::string("--output"), std::string("Examples:"),
          "packkit-plan " + command, std::string("Exit status")}) {
        BOOST_TEST((result.out.find(text) != std::string::npos), text);
    }
}

BOOST_AUTO_TEST_CASE(help_and_version) {
    const auto help = run_plan("--help");
    BOOST_TEST(help.exit_code == 0);
    for (const char* text : {"estimate", "search", "mfu", "steps", "models", "gpus",
                             "calibrate", "Examples:", "Exit status"}) {
        BOOST_TEST((help.out.find(text) != std::string::npos), text);
    }
    const auto version = run_plan("--version");
    BOOST_TEST(version.exit_code == 0);
    BOOST_TEST((version.out.starts_with("packkit-plan ") && version.out.ends_with("\n")));
    process_options closed;
    closed.close_stdout = true;
    BOOST_TEST(run_plan("--help", closed).exit_code == 1);
    BOOST_TEST(run_plan("models", closed).exit_code == 1);
}

BOOST_AUTO_TEST_SUITE_END()
