// SPDX-License-Identifier: GPL-2.0

//! The kernel's limits that contestants need raised. They are put back when the program ends.

use anyhow::{Context, Result};
use std::sync::Mutex;

/// Paths, and what was there.
static RAISED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Raises a limit below /proc/sys, unless it is that high already.
pub fn raise(limit: &str, at_least: usize) -> Result<()> {
    let path = format!("/proc/sys/{limit}");
    let old = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    if old.trim().parse::<usize>().is_ok_and(|old| old >= at_least) {
        return Ok(());
    }
    std::fs::write(&path, at_least.to_string())
        .with_context(|| format!("{at_least} into {path}"))?;
    let mut raised = RAISED.lock().unwrap_or_else(|err| err.into_inner());
    raised.push((path, old));
    Ok(())
}

/// Puts all limits back, as long as this is dropped.
pub struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        let mut raised = RAISED.lock().unwrap_or_else(|err| err.into_inner());
        while let Some((path, old)) = raised.pop() {
            if let Err(err) = std::fs::write(&path, old.trim()) {
                eprintln!("bench: {path} stays as it is: {err}");
            }
        }
    }
}
