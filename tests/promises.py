"""What is promised of reliability, and the tests that show it: the list from which `pytest -m card` makes its card.

A test is named `file::function`, or a whole `file`, below `tests/`.  `tests/test_card.py` checks that they exist.
"""

from __future__ import annotations

from dataclasses import dataclass

KILL, CALLS, SYSCALLS = "fault/test_store_kill.py", "fault/test_store_calls.py", "fault/test_store_syscalls.py"
FULL, CLAIMS_, CLOCK = "fault/test_store_full.py", "fault/test_store_claims.py", "fault/test_store_clock.py"
BAD_FILES, SCHEMAS, LINKS = "fault/test_store_bad_files.py", "fault/test_store_schemas.py", "fault/test_store_links.py"
ISOLATION, RESUME, SIGNALS = "fault/test_isolation.py", "fault/test_resume.py", "fault/test_signals.py"
HOSTILE, FUZZ, TEXTS = "fault/test_hostile_files.py", "fault/test_fuzz.py", "report/test_hostile_texts.py"
STILL, REPORTS = "fault/test_still.py", "fault/test_reports.py"
RUN, EXECUTORS, CHECKPOINT = "test_run.py", "test_executors.py", "test_checkpoint.py"
FAULTS, BATCHES = "datasets/test_faults.py", "test_batches.py"
SWEEP, GRID = "test_sweep_file.py", "test_sweep_grid.py"
README, TABLES, EXPORT = "report/test_report_readme.py", "report/test_report_tables.py", "report/test_report_export.py"
LATER = "waits for the order on scale"


@dataclass(frozen=True)
class Promise:
    """`id` is empty for a claim of the card that is no promise by itself; `why` says why there is no test."""

    id: str
    claim: str
    tests: tuple[str, ...] = ()
    reference: str = ""
    why: str = ""


def _p(id: str, claim: str, *tests: str, why: str = "") -> Promise:
    return Promise(id, claim, tests, why=why)


PROMISES = (
    _p("A1", "A result reported as saved survives SIGKILL", KILL),
    _p(
        "A2",
        "... at every system call of the commit",
        f"{CALLS}::test_a_kill_before_every_call_loses_nothing",
        f"{SYSCALLS}::test_a_kill_at_every_system_call_loses_nothing",
    ),
    _p("A3", "... and a loss of power", "fault/test_store_power.py"),
    _p(
        "A4",
        "A full disk, a quota or an I/O error loses no saved record, and work goes on when there is room",
        f"{CALLS}::test_a_disk_that_fails_at_any_call_loses_nothing",
        f"{CALLS}::test_writes_cut_short_by_a_quota_lose_nothing",
        f"{CALLS}::test_a_write_that_is_not_repeated_is_caught",
        f"{SYSCALLS}::test_a_system_call_that_fails_loses_nothing",
        FULL,
    ),
    _p(
        "A5",
        "Two sweeps on one store never run one run twice and never lose one",
        f"{CLAIMS_}::test_a_run_is_claimed_once",
        f"{CLAIMS_}::test_looking_first_and_creating_then_is_caught",
        f"{ISOLATION}::test_two_sweeps_at_once_run_each_run_once",
    ),
    _p(
        "A6",
        "A crashed owner never blocks the store, a stopped one is not robbed",
        f"{CLAIMS_}::test_a_dead_owner_blocks_nobody",
        f"{CLAIMS_}::test_a_stopped_owner_is_not_robbed_and_a_late_one_refused",
    ),
    _p("A7", "One bad file hides nothing else", BAD_FILES),
    _p(
        "A8",
        "A run is one record; with other numbers it is a second attempt, never an overwrite; reuse is counted",
        "test_cli.py::test_the_main_job",
        "test_store.py::test_a_second_record_is_another_attempt_and_never_an_overwrite",
    ),
    _p("A9", "Results of two people merge in git without a conflict", "fault/test_store_git.py"),
    _p("A10", "Records of every earlier schema stay readable", SCHEMAS, "report/test_report_kept.py"),
    _p("A11", "Jumps of the clock change neither order nor outcome", CLOCK),
    _p(
        "B1",
        "A kill while saving costs at most one checkpoint",
        f"{RESUME}::test_a_kill_while_saving_leaves_what_was_acknowledged",
    ),
    _p(
        "B2",
        "A damaged checkpoint is noticed before it is parsed, and the one before it is used",
        f"{RESUME}::test_all_damage_is_noticed_before_parsing",
        f"{CHECKPOINT}::test_damaged_ones_give_way_to_the_one_before_with_one_warning",
        f"{RUN}::test_a_damaged_checkpoint_costs_steps_and_changes_nothing",
    ),
    _p(
        "B3",
        "The newest valid checkpoint stays until the next one is durable",
        f"{RESUME}::test_every_point_of_saving_and_dropping_leaves_a_valid_checkpoint",
        f"{RESUME}::test_dropping_before_saving_would_be_seen",
    ),
    _p(
        "B4",
        "A resumed run ends bit by bit as an undisturbed one",
        f"{RESUME}::test_twenty_kill_points_of_every_method",
        f"{RESUME}::test_a_killed_run_goes_on_to_equal_numbers",
        f"{RUN}::test_a_resume_that_forgets_the_optimizer_is_seen",
    ),
    _p(
        "B5",
        "SIGTERM saves and exits 75; the same command goes on",
        f"{SIGNALS}::test_signals_at_random_times",
        f"{SIGNALS}::test_a_signal_saves_and_the_same_command_goes_on",
        f"{SIGNALS}::test_a_signal_while_everything_is_loaded",
    ),
    _p(
        "B6",
        "Ctrl-C once saves and stops, twice stops at once",
        f"{SIGNALS}::test_signals_at_random_times",
        f"{SIGNALS}::test_ctrl_c_twice_stops_at_once_and_the_same_command_goes_on",
    ),
    _p(
        "B7",
        "The best weights are chosen the same whatever is not a number",
        "test_journal.py::test_the_best_is_the_first_of_the_highest",
        "test_journal.py::test_no_score_is_never_the_best",
    ),
    _p(
        "B8",
        "A checkpoint is loaded only into the run that wrote it",
        f"{CHECKPOINT}::test_a_checkpoint_is_for_its_own_run_only",
        f"{CHECKPOINT}::test_weights_of_something_else_are_refused",
        f"{RUN}::test_another_runs_checkpoint_is_refused",
    ),
    _p(
        "B9",
        "A changed sweep file never continues old runs under new settings",
        f"{RESUME}::test_a_run_that_was_given_other_settings_is_another_run",
    ),
    _p(
        "C1",
        "One failing run never stops the others, whatever way it dies",
        f"{ISOLATION}::test_all_ways_to_die_are_isolated",
        f"{ISOLATION}::test_a_sweep_goes_on_after_a_death_and_says_so",
        f"{ISOLATION}::test_in_one_process_a_death_would_take_the_others_along",
    ),
    _p(
        "C2",
        "A run without progress is ended with all it started, and says where it stood",
        f"{ISOLATION}::test_a_run_that_hangs_is_ended_and_the_next_goes_on",
        f"{EXECUTORS}::test_a_run_that_hangs_is_ended_with_all_it_started_and_says_where",
        f"{EXECUTORS}::test_what_lingers_would_be_seen",
    ),
    _p("C3", "After a fault of the device the next run starts in a fresh process", why="needs a GPU"),
    _p("C4", "Memory that ran out is a recorded result", f"{ISOLATION}::test_memory_that_ran_out_is_a_result"),
    _p("C5", "Slurm: submit, preempt, requeue, cancel", why=LATER),
    _p("C6", "Ray: a death leaves a sweep that can go on", why=LATER),
    _p(
        "C7",
        "Every executor gives the same records (inline and process; others wait for the order on scale)",
        f"{ISOLATION}::test_both_executors_give_the_same_records",
    ),
    _p("C8", "Retries are bounded and told", f"{ISOLATION}::test_retries_are_bounded_and_told"),
    _p(
        "D1",
        "All faults of the data are found before training, each by its file",
        f"{FAULTS}::test_every_fault_is_named_by_its_file",
        f"{FAULTS}::test_all_faults_are_listed_up_to_the_limit",
        f"{FAULTS}::test_hidden_files_are_no_data",
        "test_cli_data.py::test_check_lists_every_fault_once_with_its_file",
    ),
    _p(
        "D2",
        "A file that breaks later fails its run with its path",
        "test_run_data.py::test_a_file_that_breaks_between_runs_fails_the_second_with_its_path",
        f"{FAULTS}::test_a_file_that_breaks_later_fails_the_read_with_its_path",
        f"{FAULTS}::test_damaged_bytes_never_raise_anything_else",
    ),
    _p(
        "D3",
        "Labels out of range are caught before they reach the device",
        f"{FAULTS}::test_every_fault_is_named_by_its_file",
        "test_evaluate.py::test_a_label_outside_the_classes_is_refused",
        "test_evaluate.py::test_a_wrong_label_names_its_image_at_once",
        "cache/test_stored_split.py::test_a_label_that_is_no_class_is_told",
    ),
    _p(
        "D4",
        "Crops of void alone neither poison nor stop a run (they are not counted in the record)",
        "losses/test_cross_entropy.py::test_a_mean_over_nothing_is_nought_and_passes_no_gradient",
        "losses/test_loss_properties.py::test_finite_value_and_gradient_for_any_labels",
    ),
    _p(
        "D5",
        "A loss that is no number ends the run as diverged; the last good weights stay",
        f"{RUN}::test_a_bad_loss_ends_as_diverged_with_its_step",
        "test_train.py::test_no_update_is_made_from_the_first_bad_loss_on",
        "test_train.py::test_without_the_guard_the_weights_are_spoilt",
    ),
    _p(
        "D6",
        "No usable samples are an error, never a score of 0",
        f"{BATCHES}::test_an_empty_split_is_an_error",
        f"{BATCHES}::test_too_few_images_and_too_large_crops_are_errors",
        "report/test_report_rows.py::test_absent_classes_are_counted_and_named",
    ),
    _p("D7", "Downloads go on or start anew, are pinned and never fall back to http", "fetch/test_download.py"),
    _p("D8", "Unpacking is all or nothing", "fetch/test_archive.py"),
    _p(
        "E1",
        "Every mistake in a sweep file is one line with file, line, key and the nearest valid name",
        f"{SWEEP}::test_a_bad_file_gives_one_line_that_says_where_and_what",
        f"{SWEEP}::test_the_table_catches_a_wrong_line_and_a_wrong_word",
        "test_bad_input.py::test_every_bad_sweep_is_refused_by_the_command",
    ),
    _p("E2", "What you write is what runs", "test_sweep_scalars.py"),
    _p(
        "E3",
        "No YAML file can execute code, exhaust memory or hold up its refusal",
        f"{SWEEP}::test_a_bomb_is_refused",
        f"{SWEEP}::test_a_hostile_file_is_refused_in_one_line",
        f"{SWEEP}::test_plain_yaml_does_leak_other_exceptions",
        f"{HOSTILE}::test_sweep_bombs_take_little_memory_and_time",
    ),
    _p(
        "E4",
        "`--dry-run` prints what would run and touches nothing",
        "test_cli.py::test_a_dry_run_prints_the_plan_and_touches_nothing",
        f"{STILL}::test_looking_opens_nothing_for_writing",
        f"{STILL}::test_writing_would_be_seen",
    ),
    _p(
        "F1",
        "Nothing is ever unpickled",
        "test_architecture.py::test_nothing_dangerous_is_called",
        f"{HOSTILE}::test_no_payload_runs",
        f"{HOSTILE}::test_the_payloads_do_run_elsewhere",
    ),
    _p(
        "F2",
        "A checkpoint cannot claim more memory than its file",
        f"{CHECKPOINT}::test_no_more_is_claimed_than_is_there",
        f"{CHECKPOINT}::test_torch_alone_would_take_them",
    ),
    _p(
        "F3",
        "No archive writes outside its folder, makes links or more than is expected",
        "fetch/test_archive.py::test_a_hostile_tar_is_refused_and_leaves_nothing",
        "fetch/test_archive.py::test_a_hostile_zip_is_refused_and_leaves_nothing",
        "fetch/test_archive.py::test_a_good_archive_is_unpacked_whole_with_its_marker",
    ),
    _p("F4", "No name becomes a path, a shell word, a terminal code or markup", TEXTS),
    _p("F5", "Links inside results are not followed for writing", LINKS),
    _p(
        "F6",
        "No network connection but by `data get` and to where pretrained weights lie",
        f"{STILL}::test_no_connection_is_opened",
        f"{STILL}::test_a_connection_would_be_seen",
        "test_architecture.py::test_only_downloads_open_connections",
    ),
    _p(
        "F7",
        "Image bombs are refused by their header",
        f"{FAULTS}::test_huge_images_are_refused_by_their_header",
        f"{HOSTILE}::test_image_bombs_take_little_memory",
    ),
    _p(
        "G1",
        "Reports are a pure function of the store",
        f"{TABLES}::test_same_bytes_in_any_surroundings_and_light_imports",
        f"{TABLES}::test_order_of_files_does_not_matter",
        f"{REPORTS}::test_same_bytes_in_eight_surroundings",
        f"{REPORTS}::test_a_report_that_reads_the_clock_is_caught",
    ),
    _p(
        "G2",
        "No text in a record can break or script a report",
        TEXTS,
        f"{TABLES}::test_hostile_text_changes_no_structure",
        f"{TABLES}::test_without_escaping_the_structure_changes",
        f"{EXPORT}::test_hostile_text_adds_no_element",
        f"{EXPORT}::test_without_autoescape_elements_appear",
    ),
    _p(
        "G3",
        "CSV opens safely in a spreadsheet and comes back",
        f"{EXPORT}::test_no_cell_is_a_formula",
        f"{EXPORT}::test_guarded_text_comes_back",
        f"{EXPORT}::test_names_survive_pandas",
        f"{EXPORT}::test_pandas_by_itself_loses_names",
    ),
    _p(
        "G4",
        "README outside the markers is never touched; a kill leaves the old or the new one",
        README,
        f"{REPORTS}::test_a_report_killed_anywhere_leaves_the_old_or_the_new_readme",
        f"{REPORTS}::test_a_readme_written_in_place_does_not_survive",
    ),
    _p(
        "G5",
        "A table never shows a number for what was not measured",
        f"{TABLES}::test_nothing_unmeasured_is_a_number",
        "report/test_report_rows.py::test_every_failure_is_counted_and_told_in_words",
        "report/test_report_rows.py::test_a_missing_domain_is_not_measured_and_not_ranked",
        "report/test_report_rows.py::test_counts_that_cannot_be_are_not_measured",
    ),
    _p(
        "H1",
        "Run ids are stable for ever",
        "test_sweep_ids.py",
        f"{GRID}::test_the_order_of_keys_and_values_moves_no_id",
        f"{GRID}::test_every_single_change_is_another_id",
    ),
    _p(
        "H2",
        "Two runs of one thing on one machine give equal weights",
        f"{ISOLATION}::test_runs_repeated_in_any_order_give_equal_numbers",
        f"{RUN}::test_the_same_run_twice_gives_the_same_numbers_and_weights",
    ),
    _p(
        "H3",
        "Where equality is not promised the record says what a number was made with",
        f"{REPORTS}::test_a_record_says_what_it_was_made_with",
        "test_machine.py::test_the_host_is_described_and_every_null_has_a_reason",
        "test_machine.py::test_software_names_versions_flags_and_settings",
    ),
)

_BY_ID = {promise.id: promise for promise in PROMISES}


def _c(claim: str, reference: str, *tests: str) -> Promise:
    """A claim of the card: its tests are those of a promise (named by its id), or named here."""
    found = [test for name in tests for test in (_BY_ID[name].tests if name in _BY_ID else (name,))]
    return Promise("", claim, tuple(found), reference)


CLAIMS = (
    _c("SIGKILLs on the store, acknowledged records lost", "JSON rewritten in place: 178 of 200 unreadable", "A1"),
    _c("System calls of a commit, killed at each", "none of 14 comparable projects enumerates them", "A2"),
    _c("States a loss of power may leave, records lost", "", "A3"),
    _c("SIGKILLs while a checkpoint is saved, unloadable", "torch.save over one file: 193 of 200", "B1"),
    _c(
        "Bit flips in checkpoints noticed",
        "torch.load raises at 2 of 300",
        f"{RESUME}::test_all_damage_is_noticed_before_parsing",
    ),
    _c(
        "Kill points from which every method resumes bit by bit, with 0, 1 and 2 workers",
        "saved global random state: 1 of 4",
        f"{RESUME}::test_twenty_kill_points_of_every_method",
    ),
    _c(
        "Sweep killed 20 times at random, records as undisturbed",
        "",
        f"{RESUME}::test_a_sweep_killed_twenty_times_ends_as_one_that_was_not",
    ),
    _c("Claims by 8 processes at once, runs made twice", "", "A5"),
    _c("Full disks, quotas and I/O errors at every point, records lost", "", "A4"),
    _c("Ways to die isolated", "", f"{ISOLATION}::test_all_ways_to_die_are_isolated"),
    _c(
        "Hung runs ended within their limit",
        "Ray: no hard limit (issue 47475, open)",
        f"{ISOLATION}::test_a_run_that_hangs_is_ended_and_the_next_goes_on",
    ),
    _c("SIGTERM and Ctrl-C at any time, exits that can be resumed", "", f"{SIGNALS}::test_signals_at_random_times"),
    _c("Hostile archives refused, files left", "Python 3.11's own: at least 9 kinds let through", "F3"),
    _c(
        "Hostile strings in every text field and format, breaches",
        "rich loses or fails on markup; pandas reads NA as nan",
        f"{TEXTS}::test_hostile_text_breaks_no_report",
        f"{TEXTS}::test_the_check_sees_reports_that_do_not_escape",
        f"{TEXTS}::test_no_name_becomes_a_path",
    ),
    _c("Fuzzed sweep files, uncaught exceptions", "yaml.safe_load: 5 other classes", f"{FUZZ}::test_sweep_files"),
    _c("Fuzzed records, uncaught exceptions", "", f"{FUZZ}::test_records", f"{FUZZ}::test_signed_records"),
    _c("Fuzzed checkpoints that reach the parser unsigned", "", f"{FUZZ}::test_checkpoints"),
    _c("Fuzzed command lines, undocumented exits", "", f"{FUZZ}::test_command_lines"),
    _c("Mutants of core modules that tests kill", "", "mutants/test_mutants.py"),
    _c("Records of old schemas read", "", f"{SCHEMAS}::test_the_records_kept_for_ever_are_whole"),
    _c("Run ids as pinned", "", "test_sweep_ids.py"),
)
