// SPDX-License-Identifier: Apache-2.0
#include "column_rows.hpp"

#include "common/arrow_batches.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/utf8.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace packkit::app {
namespace {

using arrow::Type;

/// Structs and lists inside one another; more is no data set.
constexpr int most_levels = 64;

/// Whether values of this type can be told in JSON. A field of a struct may hold what
/// cannot, as long as it is null.
bool is_known(const arrow::DataType& type, int level = 0) {
    if (level > most_levels) return false;
    switch (type.id()) {
        case Type::NA:
        case Type::BOOL:
        case Type::FLOAT:
        case Type::DOUBLE:
        case Type::STRING:
        case Type::LARGE_STRING:
        case Type::STRING_VIEW:
            return true;
        case Type::LIST:
        case Type::LARGE_LIST:
        case Type::FIXED_SIZE_LIST:
            return is_known(*type.field(0)->type(), level + 1);
        case Type::STRUCT:
            return level < most_levels;
        case Type::DICTIONARY:
            return is_known(*static_cast<const arrow::DictionaryType&>(type).value_type(),
                            level + 1);
        default:
            return arrow::is_integer(type.id());
    }
}

[[noreturn]] void refuse_type(const std::string& place, const arrow::DataType& type) {
    throw input_error(place, "holds " + type.ToString() +
                                 "; expected texts, numbers, true or false, or lists or "
                                 "structs of these");
}

/// Where a value stands; its text is made for messages only.
struct value_place {
    const arrow_batches& batches;
    const std::string& column;
    std::int64_t row;  ///< in the batch

    [[nodiscard]] std::string text() const {
        return batches.file() + ": " + batches.part() + ", row " +
               std::to_string(batches.first_row() + row) + ": column " +
               in_quotes(column);
    }
};

json text_of(std::string_view text, const value_place& place) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length_at(text, at);
        if (length == 0) {
            throw input_error(place.text(),
                              "the text is not UTF-8 at byte " + std::to_string(at));
        }
        at += length;
    }
    return std::string(text);
}

template <class Array>
const Array& as(const arrow::Array& values) {
    return static_cast<const Array&>(values);
}

/// As the reader of JSON makes them: unsigned unless negative.
template <class Array>
json whole_of(const arrow::Array& values, std::int64_t i) {
    const auto value = as<Array>(values).Value(i);
    if (std::cmp_less(value, 0)) return static_cast<std::int64_t>(value);
    return static_cast<std::uint64_t>(value);
}

json value_of(const arrow::Array& values, std::int64_t i, const value_place& place);

template <class Lists>
json list_of(const arrow::Array& values, std::int64_t i, const value_place& place) {
    const auto& lists = as<Lists>(values);
    const std::int64_t begin = lists.value_offset(i);
    const std::int64_t count = lists.value_length(i);
    json list = json::array();
    for (std::int64_t k = begin; k < begin + count; ++k)
        list.push_back(value_of(*lists.values(), k, place));
    return list;
}

json object_of(const arrow::Array& values, std::int64_t i, const value_place& place) {
    const auto& structs = as<arrow::StructArray>(values);
    json object = json::object();
    for (int f = 0; f < structs.num_fields(); ++f) {
        json value = value_of(*structs.field(f), i, place);
        if (!value.is_null())
            object[structs.struct_type()->field(f)->name()] = std::move(value);
    }
    return object;
}

json value_of(const arrow::Array& values, std::int64_t i, const value_place& place) {
    if (values.IsNull(i)) return nullptr;
    switch (values.type_id()) {
        case Type::BOOL:
            return as<arrow::BooleanArray>(values).Value(i);
        case Type::INT8:
            return whole_of<arrow::Int8Array>(values, i);
        case Type::UINT8:
            return whole_of<arrow::UInt8Array>(values, i);
        case Type::INT16:
            return whole_of<arrow::Int16Array>(values, i);
        case Type::UINT16:
            return whole_of<arrow::UInt16Array>(values, i);
        case Type::INT32:
            return whole_of<arrow::Int32Array>(values, i);
        case Type::UINT32:
            return whole_of<arrow::UInt32Array>(values, i);
        case Type::INT64:
            return whole_of<arrow::Int64Array>(values, i);
        case Type::UINT64:
            return whole_of<arrow::UInt64Array>(values, i);
        case Type::FLOAT:
            return as<arrow::FloatArray>(values).Value(i);
        case Type::DOUBLE:
            return as<arrow::DoubleArray>(values).Value(i);
        case Type::STRING:
            return text_of(as<arrow::StringArray>(values).GetView(i), place);
        case Type::LARGE_STRING:
            return text_of(as<arrow::LargeStringArray>(values).GetView(i), place);
        case Type::STRING_VIEW:
            return text_of(as<arrow::StringViewArray>(values).GetView(i), place);
        case Type::LIST:
            return list_of<arrow::ListArray>(values, i, place);
        case Type::LARGE_LIST:
            return list_of<arrow::LargeListArray>(values, i, place);
        case Type::FIXED_SIZE_LIST:
            return list_of<arrow::FixedSizeListArray>(values, i, place);
        case Type::STRUCT:
            return object_of(values, i, place);
        case Type::DICTIONARY: {
            const auto& coded = as<arrow::DictionaryArray>(values);
            return value_of(*coded.dictionary(), coded.GetValueIndex(i), place);
        }
        default:
            refuse_type(place.text(), *values.type());
    }
}

std::unique_ptr<arrow_batches> open(const std::string& path, column_format format) {
    input_file file(path);
    return format == column_format::parquet ? open_parquet(std::move(file))
                                            : open_arrow(std::move(file));
}

}  // namespace

struct column_row_reader::state {
    state(const std::string& path, column_format format)
        : batches(open(path, format)), names(batches->schema()->field_names()) {
        std::error_code unknown;
        const auto size = std::filesystem::file_size(path, unknown);
        if (!unknown) bytes = size;
    }

    std::unique_ptr<arrow_batches> batches;
    std::vector<std::string> names;
    std::vector<std::string> selected;
    std::shared_ptr<arrow::RecordBatch> batch;
    std::vector<std::shared_ptr<arrow::Array>> columns;  // of the batch, as selected
    std::int64_t row = 0;                                // in the batch
    std::uint64_t bytes = 0;
};

column_row_reader::column_row_reader(const std::string& path, column_format format)
    : state_(std::make_unique<state>(path, format)) {}

column_row_reader::~column_row_reader() = default;

const std::vector<std::string>& column_row_reader::columns() const {
    return state_->names;
}

bool column_row_reader::has_column(const std::string& name) const {
    return std::find(state_->names.begin(), state_->names.end(), name) !=
           state_->names.end();
}

void column_row_reader::select(std::span<const std::string> names) {
    const auto& all = state_->names;
    const std::string& file = state_->batches->file();
    std::vector<field_path> fields;
    for (const std::string& name : names) {
        const auto found = std::find(all.begin(), all.end(), name);
        if (found == all.end()) {
            const std::string has = all.empty() ? "none"
                                    : all.size() > 8
                                        ? std::to_string(all.size()) + " others"
                                        : name_list(all);
            throw input_error(file, "no column " + in_quotes(name) + "; the file has " +
                                        escaped(has) + did_you_mean(name, all));
        }
        const std::string place = file + ": column " + in_quotes(name);
        if (std::count(all.begin(), all.end(), name) > 1)
            throw input_error(place, "is there more than once");
        const int at = static_cast<int>(found - all.begin());
        const auto& type = *state_->batches->schema()->field(at)->type();
        if (!is_known(type)) refuse_type(place, type);
        fields.push_back({at});
    }
    state_->selected.assign(names.begin(), names.end());
    state_->batches->select(fields, "");
}

bool column_row_reader::next(json& row) {
    auto& s = *state_;
    ++s.row;
    while (s.batch == nullptr || s.row >= s.batch->num_rows()) {
        s.batch = s.batches->next();
        if (s.batch == nullptr) return false;
        s.row = 0;
        s.columns.clear();
        for (const std::string& name : s.selected) {
            const int at = s.batch->schema()->GetFieldIndex(name);
            s.columns.push_back(s.batch->column(at));
        }
    }
    row = json::object();
    for (std::size_t c = 0; c < s.columns.size(); ++c) {
        row[s.selected[c]] =
            value_of(*s.columns[c], s.row, {*s.batches, s.selected[c], s.row});
    }
    return true;
}

std::string column_row_reader::place() const {
    const auto& s = *state_;
    return s.batches->file() + ": " + s.batches->part() + ", row " +
           std::to_string(s.batches->first_row() + s.row);
}

std::uint64_t column_row_reader::bytes_read() const {
    const auto total = state_->batches->total();
    if (total == 0) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(state_->bytes) *
                                      static_cast<double>(state_->batches->done()) /
                                      static_cast<double>(total));
}

}  // namespace packkit::app
