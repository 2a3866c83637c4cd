// SPDX-License-Identifier: GPL-2.0

//! Programs in C, as users of the header write them: see `programs/`.

use crate::group::{Group, fresh_id};
use crate::harness::Test;
use crate::module::program;
use crate::process::NOBODY;
use crate::test;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub const TESTS: &[Test] = &[
    test!(a_program_in_C_built_with_the_header_makes_every_call),
    test!(a_program_built_with_the_reports_header_works_unchanged),
    test!(a_32_bit_program_makes_every_call),
];

/// Runs a build of `exchange.c`, as a user without rights.
fn exchange(name: &str) {
    let id = fresh_id();
    // The clone may be in a folder that is not for everybody.
    let copy = std::env::temp_dir().join(&id);
    std::fs::copy(program(name), &copy).unwrap_or_else(|err| panic!("{name}: {err}"));
    let output = Command::new(&copy)
        .arg(&id)
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap_or_else(|err| panic!("{name}: {err}"));
    std::fs::remove_file(&copy).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    // It made the group, and left a message of its own there.
    let (result, group) = Group::install(&id);
    assert_eq!(result, 0);
    assert_eq!(group.open().receive(), b"left behind");
    group.open().assert_empty();
}

fn a_program_in_C_built_with_the_header_makes_every_call() {
    exchange("exchange");
}

fn a_program_built_with_the_reports_header_works_unchanged() {
    exchange("exchange-report");
}

fn a_32_bit_program_makes_every_call() {
    exchange("exchange-32");
}
