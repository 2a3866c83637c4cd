// SPDX-License-Identifier: GPL-2.0

//! Leaves out of a failing program what it does not need for failing.

/// The most programs that are tried.
const TRIES: usize = 1000;

/// Leaves out as many calls as possible, first many at a time and at last each alone, such that
/// `fails` still says that the program does. Some failures come and go with time: what is left
/// has failed at least once.
pub fn shrink<T: Clone>(program: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut program = program.to_vec();
    let mut tries = 0;
    let mut size = program.len();
    while size > 0 {
        let mut is_smaller = false;
        // From the end: what comes after the failure goes at once.
        let mut end = program.len();
        while end > 0 && tries < TRIES {
            let start = end.saturating_sub(size);
            let candidate = [&program[..start], &program[end..]].concat();
            tries += 1;
            if fails(&candidate) {
                program = candidate;
                is_smaller = true;
            }
            end = start;
        }
        // As long as there is progress, single calls are tried again: what one of them was needed
        // for may have gone.
        size = if size > 1 || !is_smaller { size / 2 } else { 1 };
    }
    program
}
