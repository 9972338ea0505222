// SPDX-License-Identifier: Apache-2.0
// What a config that is refused says. Messages are compared whole.
#include <config/config.hpp>
#include <config/schema.hpp>

#include "config_cases.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

BOOST_AUTO_TEST_SUITE(config_errors_test)

using namespace config_cases;
using namespace packkit::train;

BOOST_AUTO_TEST_CASE(the_plain_config_loads) {
    BOOST_TEST(error_with("") == "no error");
}

BOOST_AUTO_TEST_CASE(unknown_keys) {
    BOOST_TEST(
        error_with("seed: 1\nsequence_lenn: 3") ==
        "config.yaml:2: key 'sequence_lenn' is unknown; did you mean 'sequence_len'?");
    BOOST_TEST(error_with("zzzzzzz: 3") == "config.yaml:1: key 'zzzzzzz' is unknown");
    BOOST_TEST(
        override_error("sample-packing=true") ==
        "command line: key 'sample-packing' is unknown; did you mean 'sample_packing'?");
    BOOST_TEST(error_with("datasets:\n  - path: data.jsonl\n    feild: x") ==
               "config.yaml:3: key 'datasets.0.feild' is unknown; did you mean 'field'?");
    BOOST_TEST(
        error_with("fsdp_config:\n  reshard_after_foward: true") ==
        "config.yaml:2: key 'fsdp_config.reshard_after_foward' is unknown; did you "
        "mean 'reshard_after_forward'?");
    BOOST_TEST(override_error("fsdp_config.x=1") ==
               "command line: key 'fsdp_config.x' is unknown");
    // An unknown key is no better for having no value.
    BOOST_TEST(
        error_with("sequence_lenn:") ==
        "config.yaml:1: key 'sequence_lenn' is unknown; did you mean 'sequence_len'?");
}

BOOST_AUTO_TEST_CASE(unsupported_keys) {
    BOOST_TEST(error_with("adapter: lora") ==
               "config.yaml:1: adapter is not supported; adapters are not built in yet; "
               "leave it and the lora_* keys away to train all parameters");
    BOOST_TEST(override_error("rl=dpo") ==
               "command line: rl is not supported; training from preferences or rewards "
               "is not built in; leave it away to train on the answers");
    BOOST_TEST(error_with("val_set_size: 1.5") ==
               "config.yaml:1: val_set_size: expected a number of samples, or a share "
               "below 1");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, chat_template: chatml}]") ==
               "config.yaml:1: datasets.0.chat_template: is for type chat_template, the "
               "type is completion");
    for (const char* const key :
         {"rl", "load_in_4bit", "reward_model", "qat", "fp8", "lisa_n_layers", "use_pose",
          "s2_attention", "neftune_noise_alpha", "group_by_length"}) {
        const std::string error =
            error_with("max_steps: 1\n" + std::string(key) + ": x1");
        BOOST_TEST(
            error.starts_with("config.yaml:2: " + std::string(key) + " is not supported"),
            error);
    }
}

BOOST_AUTO_TEST_CASE(every_known_key_refuses_what_it_cannot_be) {
    for (const auto& key : top_level_keys()) {
        if (key.name.ends_with('*')) continue;
        if (key.status == key_status::noted && !key.read) continue;
        const std::string name(key.name);
        const std::string error = error_with("", {"max_steps=1", name + "=[[]]"});
        BOOST_TEST(error.starts_with("command line: " + name), name << " says " << error);
    }
    for (const auto& key : fsdp_keys()) {
        const std::string name = "fsdp_config." + std::string(key.name);
        const std::string error = error_with("", {"max_steps=1", name + "=[[]]"});
        BOOST_TEST(error.starts_with("command line: " + name), name << " says " << error);
    }
    for (const auto& key : dataset_keys()) {
        if (key.status == key_status::noted && !key.read) continue;
        const std::string name = "datasets.0." + std::string(key.name);
        const std::string error = error_with("", {"max_steps=1", name + "=[[]]"});
        BOOST_TEST(error.starts_with("command line: " + name), name << " says " << error);
    }
}

BOOST_AUTO_TEST_CASE(whole_numbers) {
    const std::string expected =
        "config.yaml:1: replica_check_steps: expected a whole number >= 0, found ";
    BOOST_TEST(error_with("replica_check_steps: abc") == expected + "'abc'");
    BOOST_TEST(error_with("replica_check_steps: -1") == expected + "'-1'");
    BOOST_TEST(error_with("replica_check_steps: 1.5") == expected + "'1.5'");
    BOOST_TEST(error_with("replica_check_steps: 1e3") == expected + "'1e3'");
    BOOST_TEST(error_with("replica_check_steps: 010") == expected + "'010'");
    BOOST_TEST(error_with("replica_check_steps: ''") == expected + "''");
    BOOST_TEST(error_with("replica_check_steps: [1]") == expected + "a list");
    BOOST_TEST(error_with("replica_check_steps: {a: 1}") == expected + "a map");
    BOOST_TEST(error_with("replica_check_steps: 9223372036854775808") ==
               expected + "'9223372036854775808'");
    BOOST_TEST(
        override_error("sequence_len=abc") ==
        "command line: sequence_len: expected a whole number from 1 to 2147483647, "
        "found 'abc'");
    BOOST_TEST(
        override_error("sequence_len=0") ==
        "command line: sequence_len: expected a whole number from 1 to 2147483647, "
        "found '0'");
    BOOST_TEST(
        error_with("seed: -1") ==
        "config.yaml:1: seed: expected a whole number from 0 to 18446744073709551615, "
        "found '-1'");
    BOOST_TEST(
        error_with("fsdp_version: 3") ==
        "config.yaml:1: fsdp_version: expected a whole number from 1 to 2, found '3'");
    BOOST_TEST(error_with("micro_batch_size: 0") ==
               "config.yaml:1: micro_batch_size: expected a whole number from 1 to "
               "2147483647, found '0'");
}

BOOST_AUTO_TEST_CASE(real_numbers) {
    const std::string rate =
        "config.yaml:1: learning_rate: expected a number >= 0, found ";
    for (const char* const text :
         {"x", "-1", "nan", "inf", ".inf", "0,5", "1e999", "0x1p3"}) {
        BOOST_TEST(error_with("learning_rate: " + std::string(text)) ==
                   rate + "'" + text + "'");
    }
    BOOST_TEST(error_with("learning_rate: 1e30") == "no error");
    BOOST_TEST(error_with("num_epochs: 0") ==
               "config.yaml:1: num_epochs: expected a number > 0, found '0'");
    BOOST_TEST(error_with("adam_beta2: 1") ==
               "config.yaml:1: adam_beta2: expected a number >= 0 and < 1, found '1'");
    BOOST_TEST(error_with("ddp_timeout: 0") ==
               "config.yaml:1: ddp_timeout: expected a number of seconds > 0, found '0'");
}

BOOST_AUTO_TEST_CASE(truth_values_and_names) {
    BOOST_TEST(error_with("sample_packing: 2") ==
               "config.yaml:1: sample_packing: expected true or false, found '2'");
    BOOST_TEST(error_with("bf16: maybe") ==
               "config.yaml:1: bf16: expected true, false, full or auto, found 'maybe'");
    BOOST_TEST(error_with("lr_scheduler: cosin") ==
               "config.yaml:1: lr_scheduler: expected one of cosine, linear, constant, "
               "constant_with_warmup, cosine_with_restarts, cosine_with_min_lr, "
               "cosine_warmup_with_min_lr, polynomial, inverse_sqrt, "
               "warmup_stable_decay, rex, found "
               "'cosin'; did you mean 'cosine'?");
    BOOST_TEST(
        error_with("optimizer: adamw_torc") ==
        "config.yaml:1: optimizer: expected one of adamw_torch_fused, adamw_torch, sgd, "
        "adamw_apex_fused, adamw_hf, optimi_adamw, adamw_8bit, adamw_bnb_8bit, "
        "adamw_torch_8bit, adamw_torch_4bit, adamw_torch_fp8, ao_adamw_8bit, "
        "ao_adamw_4bit, ao_adamw_fp8, paged_adamw_8bit, paged_adamw_32bit, "
        "found 'adamw_torc'; did you mean 'adamw_torch'?");
    BOOST_TEST(error_with("torch_dtype: int8") ==
               "config.yaml:1: torch_dtype: expected one of float32, float64, bfloat16, "
               "float16, auto, found 'int8'");
    BOOST_TEST(
        error_with("excess_length_strategy: cut") ==
        "config.yaml:1: excess_length_strategy: expected one of drop, truncate, split, "
        "raise, found 'cut'");
    BOOST_TEST(error_with("sample_packing_balance: costs") ==
               "config.yaml:1: sample_packing_balance: expected one of cost, tokens, "
               "none, found 'costs'; did you mean 'cost'?");
    BOOST_TEST(error_with("dataloader_drop_last: 2") ==
               "config.yaml:1: dataloader_drop_last: expected true or false, found '2'");
    BOOST_TEST(error_with("device: gpu") ==
               "config.yaml:1: device: expected one of auto, cpu, cuda, found 'gpu'");
    BOOST_TEST(error_with("tokenizer_type: LlamaTokenizer") ==
               "config.yaml:1: tokenizer_type: LlamaTokenizer is the tokenizer of "
               "base_model, and 'model' has neither tokenizer.json nor tokenizer.model; "
               "set tokenizer_config to a tokenizer's file or folder, or tokenizer_type: "
               "bytes");
    BOOST_TEST(
        error_with("tokenizer_type: tokens") ==
        "config.yaml:1: tokenizer_type: tokens: there is no such tokenizer; expected "
        "bytes, a tokenizer.json or .model file, or a folder with one");
    BOOST_TEST(error_with("output_dir: ''") ==
               "config.yaml:1: output_dir: expected a text that is not empty, found ''");
    BOOST_TEST(
        error_with("output_dir: \"a\\0b\"") ==
        "config.yaml:1: output_dir: expected a text without NUL bytes, found 'a\\x00b'");
}

BOOST_AUTO_TEST_CASE(missing_keys) {
    BOOST_TEST(error_with("base_model:") ==
               "config.yaml:1: base_model is missing: expected the folder of a model");
    BOOST_TEST(
        error_with("tokenizer_type:") ==
        "config.yaml:1: tokenizer_type is missing, and base_model 'model' has neither "
        "tokenizer.json nor tokenizer.model; set tokenizer_config to a tokenizer's file "
        "or folder, or tokenizer_type: bytes; only data sets of type tokens do without");
    BOOST_TEST(error_with("tokenizer_type:\ndatasets: [{path: data.jsonl, type: tokens}, "
                          "{path: data.txt}]")
                   .starts_with("config.yaml:1: tokenizer_type is missing, and "));
    BOOST_TEST(
        error_with("datasets:") ==
        "config.yaml:1: datasets is missing: expected a list of datasets, as [{path: "
        "data.jsonl}]");
    const std::string path = run.write("micro_batch_size: 1\nbatch_size: 1\n");
    BOOST_TEST(
        error_of(run.folder, [&] { load_config(path); }) ==
        "config.yaml: base_model is missing: expected the folder of a model\n"
        "config.yaml: datasets is missing: expected a list of datasets, as [{path: "
        "data.jsonl}]");
}

BOOST_AUTO_TEST_CASE(datasets) {
    BOOST_TEST(error_with("datasets: []") ==
               "config.yaml:1: datasets: expected a list of datasets, as [{path: "
               "data.jsonl}], found a list");
    BOOST_TEST(error_with("datasets: data.jsonl") ==
               "config.yaml:1: datasets: expected a list of datasets, as [{path: "
               "data.jsonl}], found 'data.jsonl'");
    BOOST_TEST(error_with("datasets:\n  - data.jsonl") ==
               "config.yaml:2: datasets.0: expected keys, as {path: data.jsonl}, found "
               "'data.jsonl'");
    BOOST_TEST(error_with("datasets:\n  - type: tokens") ==
               "config.yaml:2: datasets.0.path is missing: expected a file, a folder, a "
               "pattern, or a list of these");
    BOOST_TEST(error_with("datasets: [{path: none.jsonl}]") ==
               "config.yaml:1: datasets.0.path: 'none.jsonl' does not exist");
    BOOST_TEST(error_with("datasets: [{path: data.parquet}]") ==
               "config.yaml:1: datasets.0.path: 'data.parquet' does not exist");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, ds_type: xml}]") ==
               "config.yaml:1: datasets.0.ds_type: expected one of json, parquet, arrow, "
               "text, csv, found 'xml'");
    BOOST_TEST(error_with("datasets: [{path: data.csv, type: alpaca, ds_type: text}]") ==
               "config.yaml:1: datasets.0.path: 'data.csv' does not exist");
    BOOST_TEST(
        error_with("datasets: [{path: data.txt, type: tokens}]") ==
        "config.yaml:1: datasets.0.path: expected a .jsonl, .json, .csv, .parquet or "
        ".arrow file for type tokens, or ds_type, found 'data.txt'");
    const std::string types =
        "one of completion, tokens, alpaca, input_output, chat_template";
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, type: pygmalion}]") ==
               "config.yaml:1: datasets.0.type: 'pygmalion' is not supported; use type: "
               "chat_template");
    BOOST_TEST(
        error_with("datasets: [{path: data.jsonl, type: chat_template.default}]") ==
        "config.yaml:1: datasets.0.type: 'chat_template.default' is not supported; "
        "expected " +
            types);
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, type: {field_outptu: x}}]") ==
               "config.yaml:1: key 'datasets.0.type.field_outptu' is unknown; did you "
               "mean 'field_output'?");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, type: {format: '{x}'}}]") ==
               "config.yaml:1: datasets.0.type.format: names {x}; expected {instruction} "
               "or {input}");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, type: {format: 'a { b'}}]") ==
               "config.yaml:1: datasets.0.type.format: has a brace alone; a brace that "
               "stands for itself is doubled");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, type: 'alpaca:fancy'}]") ==
               "config.yaml:1: datasets.0.type: 'alpaca:fancy' is not supported; styles "
               "are :instruct, :chat, :chatml and :phi");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, type: completions}]") ==
               "config.yaml:1: datasets.0.type: expected " + types +
                   ", found 'completions'; did you mean 'completion'?");
    BOOST_TEST(error_with("datasets: [{path: data.txt, sample_by: word}]") ==
               "config.yaml:1: datasets.0.sample_by: expected one of line, paragraph, "
               "document, found 'word'");
    BOOST_TEST(
        error_with("datasets: [{path: data.jsonl, sample_by: line}]") ==
        "config.yaml:1: datasets.0.sample_by: is for .txt files; a row of 'data.jsonl' "
        "is a sample");
    BOOST_TEST(
        error_with("datasets: [{path: data.jsonl, ds_type: text}]") ==
        "config.yaml:1: datasets.0.ds_type: 'text' does not fit the file 'data.jsonl'; "
        "the name's ending decides");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, split: test}]") ==
               "config.yaml:1: datasets.0.split: 'data.jsonl' has no split 'test': it is "
               "one split, train");
    BOOST_TEST(error_with("datasets: [{path: data.jsonl, split: 'train[:101%]'}]") ==
               "config.yaml:1: datasets.0.split: expected the name of a split, as train, "
               "or rows of it, as train[:10%] or train[100:200], found 'train[:101%]'");
    BOOST_TEST(
        error_with("datasets: [{path: data.jsonl, split: train+test}]") ==
        "config.yaml:1: datasets.0.split: expected the name of a split, as train, "
        "or rows of it, as train[:10%] or train[100:200], found 'train+test'; give "
        "each split an entry of datasets");
    BOOST_TEST(
        error_with("datasets: [{path: data.jsonl, shards: 2, shards_idx: 2}]") ==
        "config.yaml:1: datasets.0.shards_idx: 2 is no part of 2; parts count from "
        "0");
    BOOST_TEST(error_with("base_model: none") ==
               "config.yaml:1: base_model: 'none' does not exist");
}

BOOST_AUTO_TEST_CASE(batch_sizes) {
    BOOST_TEST(error_with("batch_size: 4") ==
               "config.yaml:1: please set only one of gradient_accumulation_steps or "
               "batch_size (gradient_accumulation_steps is 2, batch_size is 4)");
    BOOST_TEST(
        error_with("batch_size: 5\nmicro_batch_size: 2\ngradient_accumulation_steps:") ==
        "config.yaml:1: batch_size is 5, micro_batch_size 2 does not divide it; "
        "batch_size could be 4");
    BOOST_TEST(
        error_with("micro_batch_size: 1000000\nsequence_len: 1000000") ==
        "config.yaml:1: micro_batch_size 1000000 x sequence_len 1000000 is more than "
        "the 2147483647 tokens that a micro-batch can have");
}

BOOST_AUTO_TEST_CASE(activation_checkpointing) {
    for (const std::string kind : {"offload", "offload_disk", "unsloth"}) {
        BOOST_TEST(
            error_with("gradient_checkpointing: " + kind) ==
            "config.yaml:1: gradient_checkpointing: '" + kind +
                "' is not supported: activations stay on the device; use true, which "
                "keeps nothing of a block but its input, or selective");
    }
    BOOST_TEST(error_with("gradient_checkpointing: 2") ==
               "config.yaml:1: gradient_checkpointing: expected true, false or "
               "selective, found '2'");
    BOOST_TEST(error_with("gradient_checkpointing: [true]") ==
               "config.yaml:1: gradient_checkpointing: expected true, false or "
               "selective, found a list");
    BOOST_TEST(error_with("gradient_checkpointing_kwargs: true") ==
               "config.yaml:1: gradient_checkpointing_kwargs: expected keys, as "
               "{use_reentrant: false}, found 'true'");
    BOOST_TEST(error_with("gradient_checkpointing_kwargs: {use_reentrent: true}") ==
               "config.yaml:1: key 'gradient_checkpointing_kwargs.use_reentrent' is "
               "unknown; did you mean 'use_reentrant'?");
    BOOST_TEST(error_with("gradient_checkpointing_kwargs: {use_reentrant: 2}") ==
               "config.yaml:1: gradient_checkpointing_kwargs.use_reentrant: expected "
               "true or false, found '2'");
    for (const std::string kind : {"true", "selective"}) {
        BOOST_TEST(
            error_with("gradient_checkpointing: " + kind +
                       "\nfsdp_version: 2\nfsdp_config: {activation_checkpointing: "
                       "true}") ==
            "config.yaml:1: The activation_checkpointing in FSDP config and the "
            "gradient_checkpointing in training arg can't be set to True "
            "simultaneously; here they say the same, leave one of them out");
    }
}

BOOST_AUTO_TEST_CASE(contradictions) {
    BOOST_TEST(
        error_with("deepspeed: ds.json\nfsdp_config: {reshard_after_forward: true}") ==
        "config.yaml:1: deepspeed and fsdp cannot be used together.");
    BOOST_TEST(error_with("rl: dpo\nsample_packing: true") ==
               "config.yaml:1: `sample_packing: true` does not work with RLHF training");
    BOOST_TEST(
        error_with("sample_packing: true\neval_table_size: 5") ==
        "config.yaml:2: eval_table_size and eval_sample_packing are not supported "
        "together with sample_packing. Please set 'eval_sample_packing' to false.");
    BOOST_TEST(
        error_with("streaming: true") ==
        "config.yaml:1: max_steps must be set when using streaming datasets. Trainer "
        "cannot infer dataset length for iterable datasets.");
    BOOST_TEST(error_with("pretraining_dataset: data.txt\nval_set_size: 2\ndatasets:") ==
               "config.yaml:2: val_set_size is not supported with pretraining_dataset. "
               "Use test_datasets to specify evaluation datasets for pretraining.");
    BOOST_TEST(error_with("pretraining_dataset: data.txt") ==
               "config.yaml:1: datasets and pretraining_dataset cannot be used together; "
               "put all files into datasets, with type: completion for texts");
    BOOST_TEST(error_with("warmup_steps: 5\nwarmup_ratio: 0.1") ==
               "config.yaml:2: warmup_steps and warmup_ratio are mutually exclusive");
    BOOST_TEST(
        error_with("bf16: true\ntorch_dtype: float64") ==
        "config.yaml:1: bf16 and torch_dtype: float64 cannot be used together: bf16 "
        "computes with float32 parameters");
    BOOST_TEST(error_with("bf16: true\nfp16: true") ==
               "config.yaml:2: fp16 and bf16 cannot be used together: they ask for "
               "different precisions");
    BOOST_TEST(error_with("fp16: true\ntorch_dtype: bfloat16") ==
               "config.yaml:1: fp16 and torch_dtype: bfloat16 cannot be used together: "
               "they ask for different precisions");
    BOOST_TEST(error_with("bf16: false\ntorch_dtype: bfloat16") ==
               "config.yaml:1: bf16 and torch_dtype: bfloat16 cannot be used together: "
               "bf16 is false, the other asks for it");
    BOOST_TEST(error_with("lr_scheduler: linear\nlr_scheduler_kwargs: {power: 2}") ==
               "config.yaml:2: lr_scheduler_kwargs.power: lr_scheduler linear does not "
               "take it; it takes no arguments");
    BOOST_TEST(error_with("lr_scheduler: warmup_stable_decay") ==
               "config.yaml:1: lr_scheduler: warmup_stable_decay needs "
               "lr_scheduler_kwargs.num_decay_steps");
    BOOST_TEST(error_with("optimizer: sgd\noptim_args: beta1=0.9") ==
               "config.yaml:2: optim_args: 'beta1' is no argument of optimizer sgd; it "
               "takes momentum, dampening, nesterov");
    BOOST_TEST(error_with("unfrozen_parameters: [\"lm_head.weight$[:10]\"]") ==
               "config.yaml:1: unfrozen_parameters: 'lm_head.weight$[:10]': ranges of "
               "rows are not supported; leave out [...] to train the whole parameter");
    BOOST_TEST(error_with("context_parallel_size: 2\nring_attn_func: batch_ring") ==
               "config.yaml:2: ring_attn_func: 'batch_ring' mixes the documents of a "
               "packed row; "
               "use varlen_llama3 or ring, which also take rows of one sample");
    BOOST_TEST(error_with("ring_attn_func: zigzag") ==
               "config.yaml:1: ring_attn_func: expected one of varlen_llama3, ring, "
               "found 'zigzag'");
    BOOST_TEST(
        error_with("heads_k_stride: 0").starts_with("config.yaml:1: heads_k_stride"));
    BOOST_TEST(
        error_with("context_parallel_size: 1\nsequence_parallel_degree: 2") ==
        "config.yaml:2: sequence_parallel_degree 2 contradicts context_parallel_size "
        "1; the first is a deprecated name of the second");
}

BOOST_AUTO_TEST_CASE(fsdp) {
    const auto error = [](std::string_view text) {
        return error_with("fsdp_version: 2\nfsdp_config: {" + std::string(text) + "}");
    };
    BOOST_TEST(
        error_with("fsdp_config: true") ==
        "config.yaml:1: fsdp_config: expected keys, as {reshard_after_forward: true}, "
        "found 'true'");
    BOOST_TEST(
        error("auto_wrap_policy: SIZE_BASED_WRAP") ==
        "config.yaml:2: fsdp_config.min_num_params is required when auto_wrap_policy "
        "is SIZE_BASED_WRAP");
    BOOST_TEST(error("auto_wrap_policy: SIZE_BASED_WRAP, min_num_params: 1") ==
               "config.yaml:2: fsdp_config.auto_wrap_policy: SIZE_BASED_WRAP is not "
               "supported: each layer is a unit of its own; use TRANSFORMER_BASED_WRAP");
    BOOST_TEST(error("offload_params: 3") ==
               "config.yaml:2: fsdp_config.offload_params: expected true or false, found "
               "'3'");
    BOOST_TEST(error("sharding_strategy: NO_SHARD") ==
               "config.yaml:2: fsdp_config.sharding_strategy: 'NO_SHARD' is DDP: leave "
               "fsdp_config and fsdp_version away");
    BOOST_TEST(error("sharding_strategy: HYBRID_SHARD") ==
               "config.yaml:2: fsdp_config.sharding_strategy: HYBRID_SHARD needs "
               "dp_replicate_size: how many groups of ranks hold all parameters");
    BOOST_TEST(error("reshard_after_forward: true, sharding_strategy: SHARD_GRAD_OP") ==
               "config.yaml:2: fsdp_config.sharding_strategy says that weights are kept, "
               "another key that they are not");
    BOOST_TEST(error_with("fsdp: [full_shard, auto_wrapp]") ==
               "config.yaml:1: fsdp: 'auto_wrapp' is no way to shard here; expected some "
               "of full_shard, shard_grad_op, hybrid_shard, auto_wrap, offload");
    BOOST_TEST(error("cpu_offload_pin_memory: false") ==
               "config.yaml:2: disabling cpu_offload_pin_memory requires enabling "
               "offload_params");
    BOOST_TEST(error_with("fsdp_config: {cpu_offload_pin_memory: false}") ==
               "config.yaml:1: FSDP1 does not support disabling cpu_offload_pin_memory, "
               "please set `fsdp_version` to 2");
    BOOST_TEST(
        error("activation_checkpointing: full") ==
        "config.yaml:2: fsdp_config.activation_checkpointing: expected true or false, "
        "found 'full'");
    BOOST_TEST(error("state_dict_type: LOCAL_STATE_DICT") ==
               "config.yaml:2: fsdp_config.state_dict_type: 'LOCAL_STATE_DICT' is not "
               "supported: only the mesh that wrote it could read it; use "
               "SHARDED_STATE_DICT");
    BOOST_TEST(error("final_state_dict_type: SHARDED_STATE") ==
               "config.yaml:2: fsdp_config.final_state_dict_type: expected one of "
               "FULL_STATE_DICT, SHARDED_STATE_DICT, found "
               "'SHARDED_STATE'; did you mean 'SHARDED_STATE_DICT'?");
    BOOST_TEST(error("mixed_precision_policy: bf16") ==
               "config.yaml:2: fsdp_config.mixed_precision_policy is not supported; use "
               "bf16: true");
    BOOST_TEST(error("version: 1") ==
               "config.yaml:2: fsdp_config.version: 1 contradicts fsdp_version 2");
    BOOST_TEST(
        error("reshard_after_forward: true, fsdp_reshard_after_forward: true") ==
        "config.yaml:2: fsdp_config: key 'reshard_after_forward' appears twice, once "
        "with the prefix fsdp_");
}

BOOST_AUTO_TEST_SUITE_END()
