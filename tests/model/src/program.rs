// SPDX-License-Identifier: GPL-2.0

//! Programs as text: one call a line, which can be kept, changed by hand, and run again.

use crate::call::Call;
use std::fmt::Write;

/// A program as text.
pub fn print(program: &[Call]) -> String {
    let mut text = String::new();
    for call in program {
        let line = ron::to_string(call).expect("a call has a text");
        writeln!(text, "{line}").expect("a string takes everything");
    }
    text
}

/// Reads a program. Empty lines, and those that begin with `#`, mean nothing.
pub fn parse(text: &str) -> Result<Vec<Call>, String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| ron::from_str(line).map_err(|err| format!("{line}: {err}")))
        .collect()
}
