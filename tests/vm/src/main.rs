// SPDX-License-Identifier: GPL-2.0

//! Tests of the loaded module, as one program that runs as root in a guest and prints TAP.
//!
//! A test's name says what it holds the module to. Each runs in a process of its own, so that what
//! crashes or hangs fails alone. See `harness.rs` for how to add one.

#![allow(non_snake_case, reason = "the names of tests contain those of errors")]

mod calls;
mod cgroup;
mod group;
mod harness;
mod injection;
mod kernel_log;
mod memory;
mod module;
mod process;
mod processor;
mod recorder;
mod runner;
mod signals;
mod sleeper;
mod subject;
mod sys;
mod userfault;
mod worker;

mod barrier_test;
mod clock_test;
mod delay_test;
mod device_test;
mod fault_test;
mod hash_test;
mod history_test;
mod hog_test;
mod injection_test;
mod install_test;
mod lifecycle_test;
mod limits_test;
mod memory_test;
mod poll_test;
mod program_test;
mod queue_test;
mod race_test;
mod random_test;
mod read_test;
mod signature_test;
mod stress_test;
mod suspend_test;
mod udev_test;
mod uring_test;
mod vector_test;
mod wait_test;
mod write_test;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    if let [option, what] = args.as_slice() {
        if option == "--replay" {
            return random_test::replay(what);
        }
    }
    // In the order in which one would ask; those that unload the module come last, and then those
    // that cannot be undone.
    let tests: Vec<_> = [
        device_test::TESTS,
        install_test::TESTS,
        write_test::TESTS,
        read_test::TESTS,
        vector_test::TESTS,
        uring_test::TESTS,
        fault_test::TESTS,
        limits_test::TESTS,
        queue_test::TESTS,
        memory_test::TESTS,
        delay_test::TESTS,
        clock_test::TESTS,
        race_test::TESTS,
        barrier_test::TESTS,
        wait_test::TESTS,
        poll_test::TESTS,
        stress_test::TESTS,
        random_test::TESTS,
        history_test::TESTS,
        program_test::TESTS,
        hash_test::TESTS,
        injection_test::TESTS,
        udev_test::TESTS,
        hog_test::TESTS,
        lifecycle_test::TESTS,
        signature_test::TESTS,
        suspend_test::TESTS,
    ]
    .concat();
    harness::main(&tests)
}
