// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"
#include "length_text.hpp"
#include "token_counter.hpp"

#include "common/did_you_mean.hpp"
#include "common/jsonl.hpp"
#include "common/progress.hpp"

#include <limits>
#include <utility>

namespace packkit::app {
namespace {

std::vector<std::string> field_names(const json& object) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.items())
        names.push_back(name);
    return names;
}

/// The field of that name, or along the objects that its points separate.
const json& find_field(const json& row, const std::string& field,
                       const jsonl_reader& reader) {
    if (!row.is_object()) {
        throw input_error(reader.place(), "the row is " + std::string(json_kind(row)) +
                                              "; expected an object with " +
                                              in_quotes(field));
    }
    if (const auto found = row.find(field); found != row.end()) return *found;
    const json* at = &row;
    std::string_view rest = field;
    while (true) {
        const auto point = rest.find('.');
        const std::string part(rest.substr(0, point));
        const auto found = at->is_object() ? at->find(part) : at->end();
        if (found == at->end()) {
            const auto names =
                at->is_object() ? field_names(*at) : std::vector<std::string>();
            throw input_error(reader.place(), "no field " + in_quotes(field) +
                                                  "; the row has " +
                                                  names_there(part, names));
        }
        if (point == rest.npos) return *found;
        at = &*found;
        rest.remove_prefix(point + 1);
    }
}

void add_length(const json& value, const std::string& field, const jsonl_reader& reader,
                sample_sink& sink) {
    const auto place = [&] { return reader.place() + ": " + field; };
    if (!value.is_number()) {
        throw input_error(place(), std::string(json_kind(value)) +
                                       " is not a length; expected a whole number ≥ 1");
    }
    if (value.is_number_float()) {
        // Integers beyond 64 bits arrive here as well.
        const double real = value.get<double>();
        const bool too_large = real >= 0x1p63 || real < -0x1p63;
        throw input_error(
            place(), length_fault(shortest(real), too_large ? integer_fault::overflow
                                                            : integer_fault::fractional));
    }
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw input_error(place(), length_fault(value.dump(), integer_fault::overflow));
    }
    sink.add(value.get<std::int64_t>(), place);
}

/// Ids are whole numbers from 0 to the vocabulary's size.
void check_ids(const json& ids, const std::string& field, const row_options& rows,
               const jsonl_reader& reader) {
    const auto place = [&](std::size_t i) {
        return reader.place() + ": " + field + "[" + std::to_string(i) + "]";
    };
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const json& id = ids[i];
        if (!id.is_number_integer()) {
            throw input_error(place(i),
                              (id.is_number() ? id.dump() : std::string(json_kind(id))) +
                                  " is not a token id; expected a whole number ≥ 0");
        }
        if (!id.is_number_unsigned()) {
            throw input_error(place(i), "id " + id.dump() +
                                            " is negative; expected a whole number ≥ 0");
        }
        if (rows.vocab_size &&
            id.get<std::uint64_t>() >= static_cast<std::uint64_t>(*rows.vocab_size)) {
            throw input_error(place(i), "id " + id.dump() +
                                            " is outside the vocabulary of " +
                                            std::to_string(*rows.vocab_size) +
                                            "; expected an id below");
        }
    }
}

}  // namespace

void read_jsonl_rows(input_file file, const row_options& rows, sample_sink& sink) {
    const std::string path = file.name();
    const token_counter count = rows.content == row_content::text
                                    ? make_token_counter(rows.tokenizer)
                                    : token_counter();
    jsonl_reader reader(std::move(file));
    progress_bar progress("reading " + path, reader.size_hint());
    const auto place = [&] { return reader.place(); };
    for (json row; reader.next(row); progress.set(reader.bytes_read())) {
        if (rows.content == row_content::length) {
            add_length(find_field(row, rows.fields.front(), reader), rows.fields.front(),
                       reader, sink);
            continue;
        }
        std::int64_t tokens = 0;
        if (rows.content == row_content::ids) {
            const std::string& field = rows.fields.front();
            const json& ids = find_field(row, field, reader);
            if (!ids.is_array()) {
                throw input_error(
                    reader.place() + ": " + field,
                    std::string(json_kind(ids)) + "; expected an array of token ids");
            }
            check_ids(ids, field, rows, reader);
            tokens = static_cast<std::int64_t>(ids.size());
        } else {
            std::string text;
            for (const std::string& field : rows.fields) {
                const json& part = find_field(row, field, reader);
                if (!part.is_string()) {
                    throw input_error(reader.place() + ": " + field,
                                      std::string(json_kind(part)) + "; expected a text");
                }
                text += part.get_ref<const std::string&>();
            }
            tokens = text.empty() ? 0 : count(text);
        }
        if (tokens == 0) {
            sink.add_empty(place);
        } else {
            sink.add(tokens, place);
        }
    }
    if (reader.line_number() == 0) {
        throw input_error(path, "the file is empty; expected a JSON object a line");
    }
}

}  // namespace packkit::app
