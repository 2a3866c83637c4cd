// SPDX-License-Identifier: GPL-2.0

//! What is left of a failing program.

use crate::shrink::shrink;

#[test]
fn what_is_needed_for_failing_is_left() {
    let program: Vec<_> = (0..300).collect();
    let fails = |program: &[i32]| [17, 100, 299].iter().all(|call| program.contains(call));
    assert_eq!(shrink(&program, fails), [17, 100, 299]);
    assert_eq!(shrink(&program, |_| true), [0; 0]);
}

#[test]
fn what_is_needed_by_another_call_only_is_left_out_with_it() {
    // An even call fails without the odd one behind it.
    let program: Vec<_> = (0..40).collect();
    let fails = |program: &[i32]| {
        let is_whole = |call: &i32| call % 2 > 0 || program.contains(&(call + 1));
        program.contains(&21) && program.iter().all(is_whole)
    };
    assert_eq!(shrink(&program, fails), [21]);
}

#[test]
fn few_programs_are_tried() {
    let program: Vec<_> = (0..300).collect();
    let mut tries = 0;
    shrink(&program, |program| {
        tries += 1;
        program.contains(&150)
    });
    assert!(tries < 50, "{tries}");
}
