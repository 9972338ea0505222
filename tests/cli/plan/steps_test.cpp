// SPDX-License-Identifier: Apache-2.0
// packkit-plan steps: published figures, rounding, batches in both directions.
#include "plan_program.hpp"

#include <boost/test/tools/floating_point_comparison.hpp>

BOOST_AUTO_TEST_SUITE(steps_test)

using namespace plan_test;

BOOST_AUTO_TEST_CASE(the_published_example) {
    // 10,000,000 samples / (32 x 3 x 2) = 52,083 steps; at 0.5 to 0.8 s 7.2 to 11.6 h.
    const json steps = plan_json(
        "steps --samples 10000000 --micro-batch-size 32 --gradient-accumulation-steps 3 "
        "--dp-shard-size 2 --seconds-per-step 0.5-0.8 --dataloader-drop-last");
    BOOST_TEST(steps["global_batch_size"] == 192);
    BOOST_TEST(steps["steps"] == 52083);
    BOOST_TEST(steps["steps_per_epoch"] == 52083);
    BOOST_TEST(steps["drop_last"] == true);
    BOOST_TEST(steps["hours_low"].get<double>() == 52083 * 0.5 / 3600,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(steps["hours_high"].get<double>() == 52083 * 0.8 / 3600,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(steps["hours"].get<double>() == 52083 * 0.65 / 3600,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(says(steps["notes"],
                    "The last 64 rows of an epoch fill no step and are dropped"));

    const auto table = run_plan(
        "steps --samples 10000000 --global-batch-size 192 --seconds-per-step "
        "0.5-0.8");
    BOOST_TEST(table.out.find("52,083 full steps and one of 64 rows") !=
               std::string::npos);
    BOOST_TEST(table.out.find("7.23 – 11.6 h") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_last_smaller_step_is_kept_unless_it_is_dropped) {
    for (const char* flag : {"", " --keep-last"}) {
        const json kept = plan_json(
            std::string("steps --samples 10000000 --global-batch-size 192") + flag);
        BOOST_TEST(kept["steps"] == 52084);
        BOOST_TEST(kept["steps_per_epoch"] == 52084);
        BOOST_TEST(kept["full_steps_per_epoch"] == 52083);
        BOOST_TEST(kept["last_step_rows"] == 64);
        BOOST_TEST(kept["drop_last"] == false);
        BOOST_TEST(kept["notes"].empty());
    }
    // A multiple of the batch leaves nothing over: no difference, and nothing to say.
    for (const char* flag : {"", " --keep-last", " --dataloader-drop-last"}) {
        const json even =
            plan_json(std::string("steps --samples 384 --global-batch-size 192") + flag);
        BOOST_TEST(even["steps"] == 2);
        BOOST_TEST(even["last_step_rows"] == 0);
        BOOST_TEST(even["notes"].empty());
    }
    const auto one = run_plan("steps --samples 100 --global-batch-size 192");
    BOOST_TEST(one.out.find("one of 100 rows") != std::string::npos);
}

/// What the trainer runs, what it is estimated to take and what a search expects.
BOOST_AUTO_TEST_CASE(all_commands_count_the_same_steps) {
    const std::string cluster =
        "--gpus 2 --gpu h100-80gb --micro-batch-size 32 --gradient-accumulation-steps 3 "
        "--sequence-len 512 --samples 10000000 --epochs 3";
    for (const auto& [flag, per_epoch] :
         {std::pair{"", 52084}, std::pair{" --dataloader-drop-last", 52083}}) {
        const json steps =
            plan_json(std::string("steps --samples 10000000 --epochs 3 "
                                  "--micro-batch-size 32 --gradient-accumulation-steps 3 "
                                  "--gpus 2") +
                      flag);
        const json estimate = plan_json("estimate llama-3.2-1b " + cluster + flag);
        const json search = plan_json(
            "search llama-3.2-1b --tensor-parallel-size 1 "
            "--context-parallel-size 1 " +
            cluster + flag);
        BOOST_TEST(steps["steps_per_epoch"] == per_epoch);
        BOOST_TEST(steps["steps"] == 3 * per_epoch);
        for (const char* key : {"steps_per_epoch", "steps"}) {
            BOOST_TEST(estimate["schedule"][key] == steps[key]);
            BOOST_REQUIRE(!search["plans"].empty());
            for (const json& plan : search["plans"])
                BOOST_TEST(plan["schedule"][key] == steps[key]);
        }
    }
}

BOOST_AUTO_TEST_CASE(epochs_multiply_steps_of_one) {
    const json steps =
        plan_json("steps --samples 1000 --global-batch-size 300 --epochs 3");
    BOOST_TEST(steps["steps_per_epoch"] == 4);
    BOOST_TEST(steps["steps"] == 12);  // not 3000 / 300
    const std::string dropping =
        "steps --samples 1000 --global-batch-size 300 --dataloader-drop-last --epochs ";
    BOOST_TEST(plan_json(dropping + "3")["steps"] == 9);
    BOOST_TEST(plan_json(dropping + "1.5")["steps"] == 5);  // 4.5, rounded up
}

BOOST_AUTO_TEST_CASE(accumulation_follows_from_a_wanted_batch) {
    const json steps = plan_json(
        "steps --samples 100000 --global-batch-size 512 --micro-batch-size 2 --gpus 64 "
        "--tensor-parallel-size 2");
    BOOST_TEST(steps["data_parallel_size"] == 32);  // tp does not count
    BOOST_TEST(steps["gradient_accumulation_steps"] == 8);
    BOOST_TEST(steps["steps"] == 196);  // 195.3
}

BOOST_AUTO_TEST_CASE(packed_rows_take_the_place_of_samples) {
    const temporary_folder folder;
    std::string lines;
    for (int i = 0; i < 100; ++i)
        lines += "300\n700\n";
    folder.write("lengths.txt", lines + "5000\n");
    const json steps = plan_json_in(
        folder,
        "steps --lengths lengths.txt --sequence-len 1000 --global-batch-size 8 "
        "--seconds-per-step 2 --price-per-gpu-hour 3 --gpus 4 --micro-batch-size 1");
    BOOST_TEST(steps["samples"] == 200);
    BOOST_TEST(steps["rows"] == 100);  // 300 + 700 fill a row
    BOOST_TEST(steps["packed"] == true);
    BOOST_TEST(steps["packing_efficiency"] == 1.0);
    BOOST_TEST(steps["steps"] == 13);  // 12 and one of 4 rows
    BOOST_TEST(steps["cost"].get<double>() == 13 * 2 / 3600.0 * 4 * 3,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(says(steps["notes"], "1 samples with 5,000 tokens are longer"));
}

BOOST_AUTO_TEST_CASE(csv_has_the_keys_of_json) {
    const auto result = run_plan(
        "steps --samples 1000 --global-batch-size 10 --seconds-per-step 3600 --format "
        "csv");
    BOOST_TEST(result.out ==
               "samples,rows,packed,global_batch_size,epochs,drop_last,steps_per_epoch,"
               "steps,seconds_per_step,hours,hours_low,hours_high,full_steps_per_epoch,"
               "last_step_rows\n"
               "1000,1000,false,10,1.0,false,100,100,3600.0,100.0,100.0,100.0,100,0\n");
}

BOOST_AUTO_TEST_SUITE_END()
