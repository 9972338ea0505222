// SPDX-License-Identifier: Apache-2.0
#include "config/config.hpp"

#include "common/json.hpp"
#include "common/numbers.hpp"

namespace packkit::train {
namespace {

using namespace std::string_view_literals;

/// Settings as text, in the order in which they are added.
class setting_list {
public:
    void add(std::string key, std::string value) {
        list.emplace_back(std::move(key), std::move(value));
    }
    void add(std::string key, const char* value) = delete;
    void add(std::string key, std::string_view value) {
        add(std::move(key), std::string(value));
    }
    void add(std::string key, bool value) {
        add(std::move(key), std::string(value ? "true" : "false"));
    }
    void add(std::string key, std::int64_t value) {
        add(std::move(key), std::to_string(value));
    }
    void add(std::string key, std::uint64_t value) {
        add(std::move(key), std::to_string(value));
    }
    void add(std::string key, double value) { add(std::move(key), app::shortest(value)); }
    /// What is not set is the empty text.
    template <class T>
    void add(std::string key, const std::optional<T>& value) {
        if (value) {
            add(std::move(key), *value);
        } else {
            add(std::move(key), std::string());
        }
    }

    std::vector<std::pair<std::string, std::string>> list;
};

/// ["a", "b"], each escaped: two lists with one text are one list.
std::string joined(const std::vector<std::string>& texts) {
    return app::ordered_json(texts).dump();
}

void add_chat(setting_list& settings, const std::string& prefix,
              const chat_config& chat) {
    settings.add(prefix + "chat_template", chat.chat_template);
    settings.add(prefix + "field_messages", chat.field_messages);
    settings.add(prefix + "message_property_mappings.role", chat.field_role);
    settings.add(prefix + "message_property_mappings.content", chat.field_content);
    std::vector<std::string> roles;
    for (const role_name& role : chat.roles) {
        roles.push_back(role.source);
        roles.push_back(role.target);
    }
    settings.add(prefix + "roles", joined(roles));
    settings.add(prefix + "roles_to_train", joined(chat.roles_to_train));
    settings.add(prefix + "train_on_eos", to_string(chat.train_on_eos));
    settings.add(prefix + "train_on_eot", to_string(chat.train_on_eot));
    settings.add(prefix + "message_field_training", chat.message_field_training);
    settings.add(prefix + "drop_system_message", chat.drop_system_message);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> resolved_settings(
    const train_config& config) {
    setting_list settings;
    settings.add("base_model", config.base_model);
    settings.add("random_init_weights", config.random_init_weights);
    settings.add("tokenizer_type", config.tokenizer_type);
    for (std::size_t i = 0; i < config.datasets.size(); ++i) {
        const dataset_config& data = config.datasets[i];
        const std::string prefix = "datasets." + std::to_string(i) + ".";
        settings.add(prefix + "path", data.path);
        settings.add(prefix + "type", data.type);
        settings.add(prefix + "field", data.field);
        settings.add(prefix + "sample_by", data.sample_by);
        settings.add(prefix + "ds_type", file_kind(data));
        if (data.type == "chat_template") add_chat(settings, prefix, data.chat);
    }
    settings.add("train_on_inputs", config.train_on_inputs);
    settings.add("eot_tokens", joined(config.eot_tokens));
    settings.add("dataset_prepared_path", config.dataset_prepared_path);
    settings.add("sequence_len", config.sequence_len);
    settings.add("sample_packing", config.sample_packing);
    settings.add("sample_packing_group_size", config.sample_packing_group_size);
    settings.add("sample_packing_bin_size", config.sample_packing_bin_size);
    settings.add("sample_packing_sequentially", config.sample_packing_sequentially);
    settings.add("sample_packing_balance", to_string(config.sample_packing_balance));
    settings.add("dataloader_drop_last", config.dataloader_drop_last);
    settings.add("curriculum_sampling", config.curriculum_sampling);
    settings.add("shuffle_data", config.shuffle_data);
    settings.add("multipack_real_batches", config.multipack_real_batches);
    settings.add("pad_to_sequence_len", config.pad_to_sequence_len);
    settings.add("excess_length_strategy",
                 packkit::to_string(config.excess_length_strategy));
    settings.add("micro_batch_size", config.micro_batch_size);
    settings.add("gradient_accumulation_steps", config.gradient_accumulation_steps);
    settings.add("batch_size", config.batch_size);
    settings.add("max_steps", config.max_steps);
    settings.add("num_epochs", config.num_epochs);
    settings.add("optimizer", config.optimizer);
    settings.add("learning_rate", config.learning_rate);
    settings.add("lr_scheduler", config.lr_scheduler);
    settings.add("warmup_steps", config.warmup_steps);
    settings.add("warmup_ratio", config.warmup_ratio);
    settings.add("weight_decay", config.weight_decay);
    settings.add("adam_beta1", config.adam_beta1);
    settings.add("adam_beta2", config.adam_beta2);
    settings.add("adam_epsilon", config.adam_epsilon);
    settings.add("max_grad_norm", config.max_grad_norm);
    settings.add("residual_dropout", config.residual_dropout);
    settings.add("torch_dtype", to_string(config.torch_dtype));
    settings.add("bf16", config.bf16);
    const bool keeps_all = config.gradient_checkpointing == checkpointing_kind::none;
    settings.add("gradient_checkpointing",
                 config.gradient_checkpointing == checkpointing_kind::selective
                     ? "selective"sv
                     : (keeps_all ? "false"sv : "true"sv));
    settings.add("seed", config.seed);
    settings.add("dp_replicate_size", config.mesh.dp_replicate);
    settings.add("dp_shard_size", config.mesh.dp_shard);
    settings.add("context_parallel_size", config.mesh.cp);
    settings.add("tensor_parallel_size", config.mesh.tp);
    settings.add("sequence_parallel", config.sequence_parallel);
    const bool ring = config.ring_attn_func == context_variant::ring;
    settings.add("ring_attn_func", std::string(ring ? "ring" : "varlen_llama3"));
    settings.add("fully_sharded", config.mesh.fully_sharded);
    settings.add("fsdp_version", config.fsdp_version);
    settings.add("fsdp_config.reshard_after_forward", config.reshard_after_forward);
    settings.add("fsdp_config.prefetch_gathers", config.prefetch_gathers);
    settings.add("fsdp_config.offload_params", config.offload_params);
    settings.add("fsdp_config.cpu_offload_pin_memory", config.cpu_offload_pin_memory);
    settings.add("fsdp_config.state_dict_type", to_string(config.state_dict_type));
    settings.add("fsdp_config.final_state_dict_type",
                 to_string(config.final_state_dict_type));
    settings.add("output_dir", config.output_dir);
    settings.add("save_steps", config.save_steps);
    settings.add("save_total_limit", config.save_total_limit);
    settings.add("logging_steps", config.logging_steps);
    settings.add("resume_from_checkpoint", config.resume_from_checkpoint);
    settings.add("auto_resume_from_checkpoints", config.auto_resume_from_checkpoints);
    settings.add("ddp_timeout", config.ddp_timeout);
    settings.add("reduction",
                 std::string(config.canonical_reduction ? "canonical" : "fast"));
    settings.add("replica_check_steps", config.replica_check_steps);
    settings.add("device", config.device);
    return std::move(settings.list);
}

}  // namespace packkit::train
