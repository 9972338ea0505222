// SPDX-License-Identifier: Apache-2.0
/// @file
/// New tokens in the files of a tokenizer.

#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/tokenizer_files.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace packkit::app {
namespace {

constexpr const char* document_name = "tokenizer.json";
constexpr const char* config_name = "tokenizer_config.json";
constexpr const char* map_name = "special_tokens_map.json";

/// A token with a meaning of its own and its key in the files beside the tokenizer.
struct named_token {
    const char* key;
    std::string tokenizer_changes::* text;
};
constexpr std::array named_tokens = {
    named_token{"bos_token", &tokenizer_changes::bos_token},
    named_token{"eos_token", &tokenizer_changes::eos_token},
    named_token{"pad_token", &tokenizer_changes::pad_token},
    named_token{"unk_token", &tokenizer_changes::unk_token}};

/// The JSON object of a file; an empty one where there is no file.
json object_of(const file_texts& files, const char* name) {
    const auto found = files.find(name);
    return found == files.end() ? json::object() : parse_json(found->second, name);
}

std::string text_of(const json& document) {
    return document.dump(2) + "\n";
}

/// Calls change(object) for each of the two files that name tokens; tokenizer_config.json
/// is made where it is missing.
template <class Change>
void change_notes(file_texts& files, Change change) {
    json config = object_of(files, config_name);
    if (!files.contains(config_name) && files.contains(document_name))
        config["tokenizer_class"] = "PreTrainedTokenizerFast";
    change(config);
    files[config_name] = text_of(config);
    if (!files.contains(map_name)) return;
    json map = object_of(files, map_name);
    change(map);
    files[map_name] = text_of(map);
}

/// The text of "token", or of {"content": "token", ...}.
std::string token_text(const json& value) {
    const json& text =
        value.is_object() && value.contains("content") ? value["content"] : value;
    return text.is_string() ? text.get<std::string>() : std::string();
}

/// A tokenizer.json whose tokens can be changed. The document has been read as a
/// tokenizer before: its parts have the right types.
class editable_tokens {
public:
    editable_tokens(json& document, std::string name)
        : document_(document), name_(std::move(name)) {
        auto& list = document_["added_tokens"];
        if (!list.is_array()) list = json::array();
        for (const auto& token : list)
            added_[token["content"].get<std::string>()] = token["id"].get<std::int32_t>();
    }

    /// The id of a token, which is added unless it is there.
    std::int32_t add(const std::string& text, bool special) {
        if (const auto found = added_.find(text); found != added_.end())
            return found->second;
        const auto known = find_in_vocabulary(text);
        const std::int32_t id = known ? *known : next_id();
        json token = {{"id", id},          {"content", text}, {"single_word", false},
                      {"lstrip", false},   {"rstrip", false}, {"normalized", false},
                      {"special", special}};
        auto& list = document_["added_tokens"];
        const auto behind = std::find_if(list.begin(), list.end(), [&](const json& each) {
            return each["id"].get<std::int32_t>() > id;
        });
        list.insert(behind, token);
        token.erase("id");
        added_[text] = id;
        new_[id] = std::move(token);
        return id;
    }

    /// Gives an added token a new text. Returns the former one.
    std::string rename(std::int32_t id, const std::string& text) {
        const auto refuse = [&](const std::string& what) {
            throw input_error(name_, "added_tokens_overrides: " + what);
        };
        auto& list = document_["added_tokens"];
        const auto token = std::find_if(list.begin(), list.end(), [&](const json& each) {
            return each["id"].get<std::int32_t>() == id;
        });
        if (token == list.end()) {
            refuse("id " + std::to_string(id) +
                   " is none of the added tokens of the tokenizer");
        }
        const std::string former = (*token)["content"];
        if (former == text) return former;
        if (added_.contains(text) || find_in_vocabulary(text))
            refuse("token " + in_quotes(text) + " is there already");
        (*token)["content"] = text;
        added_.erase(former);
        added_[text] = id;
        rename_in_vocabulary(former, text);
        return former;
    }

    /// Lets the post-processor put another token where it puts the id `former`.
    void replace_around(std::int32_t former, std::int32_t id, const std::string& text) {
        if (former != id && document_.contains("post_processor"))
            replace_in(document_["post_processor"], former, id, text);
    }

    /// Tokens that add() has added, by id, as `added_tokens_decoder` lists them.
    [[nodiscard]] const std::map<std::int32_t, json>& new_tokens() const { return new_; }

private:
    /// {"token": id, ...}, or [["token", score], ...] of a unigram model.
    [[nodiscard]] json& vocab() const { return document_["model"]["vocab"]; }

    [[nodiscard]] std::optional<std::int32_t> find_in_vocabulary(
        const std::string& text) const {
        const json& tokens = vocab();
        if (tokens.is_object()) {
            const auto found = tokens.find(text);
            if (found == tokens.end()) return std::nullopt;
            return found->get<std::int32_t>();
        }
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (tokens[i][0].get_ref<const std::string&>() == text)
                return static_cast<std::int32_t>(i);
        }
        return std::nullopt;
    }

    void rename_in_vocabulary(const std::string& former, const std::string& text) {
        json& tokens = vocab();
        if (!tokens.is_object()) {
            for (json& token : tokens) {
                if (token[0].get_ref<const std::string&>() == former) token[0] = text;
            }
        } else if (tokens.contains(former)) {
            tokens[text] = tokens[former];
            tokens.erase(former);
        }
    }

    [[nodiscard]] std::int32_t next_id() const {
        auto next = static_cast<std::int32_t>(vocab().size());
        for (const auto& [text, id] : added_)
            next = std::max(next, id + 1);
        return next;
    }

    void replace_in(json& step, std::int32_t former, std::int32_t id,
                    const std::string& text) {
        if (!step.is_object()) return;
        if (step.contains("processors")) {
            for (json& each : step["processors"])
                replace_in(each, former, id, text);
        }
        for (const char* const pair : {"cls", "sep"}) {
            if (step.contains(pair) && step[pair][1] == former)
                step[pair] = json::array({text, id});
        }
        if (!step.contains("special_tokens") || !step["special_tokens"].is_object())
            return;
        json& tokens = step["special_tokens"];
        const json before = tokens;
        for (const auto& [name, token] : before.items()) {
            if (token["ids"] != json::array({former})) continue;
            tokens.erase(name);
            tokens[text] = {{"id", text},
                            {"ids", json::array({id})},
                            {"tokens", json::array({text})}};
            for (const char* const list : {"single", "pair"}) {
                if (!step.contains(list)) continue;
                for (json& piece : step[list]) {
                    if (piece.contains("SpecialToken") &&
                        piece["SpecialToken"]["id"] == name)
                        piece["SpecialToken"]["id"] = text;
                }
            }
        }
    }

    json& document_;
    std::string name_;
    std::map<std::string, std::int32_t> added_;
    std::map<std::int32_t, json> new_;
};

/// Writes the names of tokens that have changed.
void note_changes(file_texts& files, const tokenizer_changes& changes,
                  const std::map<std::int32_t, json>& new_tokens) {
    change_notes(files, [&](json& notes) {
        for (const auto& [key, text] : named_tokens) {
            if (!(changes.*text).empty()) notes[key] = changes.*text;
        }
        if (!changes.additional_special_tokens.empty()) {
            const bool of_version_5 = notes.contains("extra_special_tokens") &&
                                      notes["extra_special_tokens"].is_array();
            notes[of_version_5 ? "extra_special_tokens" : "additional_special_tokens"] =
                changes.additional_special_tokens;
        }
        if (!notes.contains("added_tokens_decoder")) return;
        for (const auto& [id, token] : new_tokens)
            notes["added_tokens_decoder"][std::to_string(id)] = token;
    });
}

/// Writes the new texts of tokens where the files name the former ones.
void note_renamed(file_texts& files, std::int32_t id, const std::string& former,
                  const std::string& text) {
    change_notes(files, [&](json& notes) {
        for (const auto& [key, unused] : named_tokens) {
            if (notes.contains(key) && token_text(notes[key]) == former)
                notes[key] = text;
        }
        const std::string number = std::to_string(id);
        if (notes.contains("added_tokens_decoder") &&
            notes["added_tokens_decoder"].contains(number))
            notes["added_tokens_decoder"][number]["content"] = text;
    });
}

/// Every token that is named, in the order in which they are added.
std::vector<std::pair<std::string, bool>> tokens_in_order(
    const tokenizer_changes& changes) {
    std::vector<std::pair<std::string, bool>> all;
    for (const auto& [key, text] : named_tokens) {
        if (!(changes.*text).empty()) all.emplace_back(changes.*text, true);
    }
    for (const auto& token : changes.tokens)
        all.emplace_back(token, false);
    for (const auto& token : changes.additional_special_tokens)
        all.emplace_back(token, true);
    return all;
}

/// A SentencePiece model: what is named must be there.
void change_sentence_piece(file_texts& files, const tokenizer_changes& changes,
                           const std::string& name) {
    const auto tokens = make_tokenizer(files, "tokenizer.model", name);
    constexpr const char* way_out =
        "; a SentencePiece model takes no new tokens: let Transformers save it as a "
        "tokenizer.json and name that folder in tokenizer_config";
    if (!changes.overrides.empty())
        throw input_error(name, std::string("added_tokens_overrides") + way_out);
    for (const auto& [token, special] : tokens_in_order(changes)) {
        if (!tokens->find(token)) {
            throw input_error(name, "token " + in_quotes(token) +
                                        " is not in the vocabulary" + way_out);
        }
    }
    note_changes(files, changes, {});
}

}  // namespace

void apply_changes(file_texts& files, const tokenizer_changes& changes,
                   const std::string& name) {
    if (changes.empty()) return;
    if (files.contains("tokenizer.model") && !files.contains(document_name))
        return change_sentence_piece(files, changes, name);
    if (!files.contains(document_name)) {
        throw input_error(name,
                          "has no tokens to change; special_tokens, tokens and "
                          "added_tokens_overrides need a tokenizer.json");
    }
    // Read once as it is: whatever is wrong with it is said of the user's own file.
    const auto before = make_tokenizer(files, document_name, name)->specials();
    json document = parse_json(files.at(document_name), name);
    editable_tokens tokens(document, name);
    for (const auto& [id, text] : changes.overrides)
        note_renamed(files, id, tokens.rename(id, text), text);
    for (const auto& [text, special] : tokens_in_order(changes))
        static_cast<void>(tokens.add(text, special));
    const auto replace = [&](std::optional<std::int32_t> former,
                             const std::string& text) {
        if (former && !text.empty())
            tokens.replace_around(*former, tokens.add(text, true), text);
    };
    replace(before.bos, changes.bos_token);
    replace(before.eos, changes.eos_token);
    note_changes(files, changes, tokens.new_tokens());
    files[document_name] = text_of(document);
}

}  // namespace packkit::app
