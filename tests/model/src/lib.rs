// SPDX-License-Identifier: GPL-2.0

//! What the contract says, without a kernel and without any input or output.
//!
//! Two halves, for two kinds of random tests, which `tests/vm` runs on the real device:
//!
//! - **Programs** of one process: [`generate`] makes a list of [`call`]s, and [`model`] says of
//!   each answer whether the contract allows it.
//! - **Histories** of many processes at a time: [`history`] is what they wrote down, and
//!   [`checker`] says whether it can have come about if the promises hold.

pub mod call;
pub mod checker;
pub mod generate;
pub mod group;
pub mod history;
pub mod model;
pub mod program;
pub mod random;
pub mod shrink;
pub mod state;

#[cfg(test)]
mod checker_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod program_test;
#[cfg(test)]
mod shrink_test;
#[cfg(test)]
mod simulation;
