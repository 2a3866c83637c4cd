// SPDX-License-Identifier: GPL-2.0

//! Tests of the module's plain logic, compiled here from the module's own files.
//!
//! They need no kernel: whatever such a file leaves to its caller (storage, hashes), these tests
//! bring themselves.

#![cfg(test)]
#![allow(
    dead_code,
    reason = "the module uses what the tests do not, and the other way round"
)]

#[path = "../../../groups/alarm.rs"]
mod alarm;
#[path = "../../../groups/id.rs"]
mod id;
#[path = "../../../groups/limits.rs"]
mod limits;
#[path = "../../../groups/table.rs"]
mod table;

mod alarm_test;
mod id_test;
mod limits_test;
mod table_test;
